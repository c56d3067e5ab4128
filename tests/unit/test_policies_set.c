/* A folder of templates: what is shipped, twins, parents, and what stops a start. */
#include "policies/policy.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SHIPPED TD_SOURCE_DIR "/policies"

#define RES ", resources: ['arn:aws:s3:::${aws:username}-*']}\n"
#define READ_DELETE "- {effect: Allow, actions: [s3:GetObject, s3:DeleteObject]" RES
#define ALL "- {effect: Allow, actions: [s3:GetObject, s3:DeleteObject, s3:PutObject]" RES
#define DENY_S3 "- {effect: Deny, actions: ['s3:*'], resources: ['arn:aws:s3:::*']}\n"
#define DENY_ADMIN "- {effect: Deny, actions: ['admin:*']}\n"
#define OWNER "name: owner\nfenced: fence\nsuspended: off\nstatements:\n" ALL DENY_ADMIN
#define FENCE "name: fence\nstatements:\n" READ_DELETE DENY_ADMIN
#define OFF "name: off\nstatements:\n" DENY_S3 DENY_ADMIN

#define MAX_FILES 4

static enum td_rc
load(const char *const *yaml, struct policy_set **ret, struct td_yaml_report *report,
     struct td_err *err)
{
	static const char *const names[MAX_FILES] = { "1.yaml", "2.yaml", "3.yaml",
						      "4.yaml" };
	struct td_yaml_text texts[MAX_FILES];
	size_t n = 0;

	for (; n < MAX_FILES && yaml[n] != NULL; n++)
		texts[n] = (struct td_yaml_text){ names[n], yaml[n], strlen(yaml[n]) };
	return policy_set_load_memory(texts, n, ret, report, err);
}

static void
the_shipped_templates(void **state)
{
	static const struct {
		enum policy_kind kind;
		const char *name;
		const char *fenced;
		const char *suspended;
		bool dangerous;
	} rows[] = {
		{ POLICY_MINIO, "laf_owner_by_prefix", "laf_owner_readonly_by_prefix",
		  "tenantd_suspended", false },
		{ POLICY_MINIO, "laf_owner_readonly_by_prefix", NULL, NULL, false },
		{ POLICY_MINIO, "tenantd_fenced", NULL, NULL, false },
		{ POLICY_MINIO, "tenantd_owner", "tenantd_fenced", "tenantd_suspended",
		  false },
		{ POLICY_MINIO, "tenantd_suspended", NULL, NULL, false },
		{ POLICY_MONGODB, "laf_readwrite_dbadmin", "tenantd_fenced", NULL, true },
		{ POLICY_MONGODB, "tenantd_fenced", NULL, NULL, false },
		{ POLICY_MONGODB, "tenantd_owner", "tenantd_fenced", NULL, false },
		{ POLICY_MONGODB, "tenantd_readonly", "tenantd_readonly", NULL, false },
	};
	struct policy_set *set = NULL;
	struct td_err err;

	(void)state;
	if (policy_set_load(SHIPPED, &set, NULL, &err) != TD_OK)
		fail_msg("%s", err.detail);
	assert_int_equal(policy_set_count(set), COUNT(rows));
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct policy_template *t = policy_set_at(set, i);

		assert_int_equal(t->kind, rows[i].kind);
		assert_string_equal(t->name, rows[i].name);
		assert_int_equal(t->dangerous, rows[i].dangerous);
		assert_ptr_equal(t, policy_find(set, rows[i].kind, rows[i].name));
		assert_ptr_equal(t->fenced, rows[i].fenced == NULL
						    ? NULL
						    : policy_find(set, rows[i].kind,
								  rows[i].fenced));
		assert_ptr_equal(t->suspended, rows[i].suspended == NULL
						       ? NULL
						       : policy_find(set, rows[i].kind,
								     rows[i].suspended));
	}
	assert_null(policy_find(set, POLICY_MINIO, "tenantd_readonly"));
	assert_null(policy_find(set, POLICY_MINIO, "nobody"));
	policy_set_free(set);
	policy_set_free(NULL);
}

static void
check_words(const char *const *got, size_t count, const char *want)
{
	char all[1024] = "";

	for (size_t i = 0; i < count; i++) {
		strncat(all, got[i], sizeof(all) - strlen(all) - 1);
		strncat(all, i + 1 < count ? " " : "", sizeof(all) - strlen(all) - 1);
	}
	assert_string_equal(all, want);
}

static void
the_shipped_roles(void **state)
{
	struct policy_set *set = NULL;
	const struct policy_template *t;
	struct td_err err;

	(void)state;
	assert_int_equal(policy_set_load(SHIPPED, &set, NULL, &err), TD_OK);
	t = policy_find(set, POLICY_MONGODB, "tenantd_owner");
	check_words(
		t->actions, t->action_count,
		"changeStream collMod collStats convertToCapped createCollection "
		"createIndex dbStats dropCollection dropIndex find indexStats insert "
		"listCollections listIndexes planCacheRead remove renameCollectionSameDB "
		"update");
	check_words(
		t->fenced->actions, t->fenced->action_count,
		"changeStream collStats dbStats dropCollection dropIndex find indexStats "
		"listCollections listIndexes remove");
	t = policy_find(set, POLICY_MONGODB, "tenantd_readonly");
	check_words(t->actions, t->action_count,
		    "changeStream collStats dbStats find indexStats listCollections "
		    "listIndexes");
	t = policy_find(set, POLICY_MONGODB, "laf_readwrite_dbadmin");
	assert_int_equal(t->action_count, 0);
	check_words(t->roles, t->role_count, "dbAdmin readWrite");
	policy_set_free(set);
}

static void
parents(void **state)
{
	static const struct {
		enum policy_kind kind;
		const char *name;
		enum policy_optin optin;
		enum td_rc rc;
		const char *wants;
	} rows[] = {
		{ POLICY_MINIO, "tenantd_owner", POLICY_SAFE_ONLY, TD_OK, NULL },
		{ POLICY_MINIO, "laf_owner_by_prefix", POLICY_SAFE_ONLY, TD_OK, NULL },
		{ POLICY_MONGODB, "tenantd_owner", POLICY_SAFE_ONLY, TD_OK, NULL },
		{ POLICY_MONGODB, "laf_readwrite_dbadmin", POLICY_DANGEROUS_TOO, TD_OK,
		  NULL },
		{ POLICY_MONGODB, "laf_readwrite_dbadmin", POLICY_SAFE_ONLY, TD_INVALID,
		  "the mongodb template laf_readwrite_dbadmin is dangerous, and the plan "
		  "does "
		  "not say allow_dangerous_templates" },
		{ POLICY_MINIO, "laf_readwrite_dbadmin", POLICY_DANGEROUS_TOO,
		  TD_NOT_FOUND, "there is no minio template laf_readwrite_dbadmin" },
		{ POLICY_MINIO, "tenantd_fenced", POLICY_SAFE_ONLY, TD_INVALID,
		  "the minio template tenantd_fenced names no fenced template" },
	};
	struct policy_set *set = NULL;
	struct td_err err;

	(void)state;
	assert_int_equal(policy_set_load(SHIPPED, &set, NULL, &err), TD_OK);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct policy_template *t = NULL;
		enum td_rc rc = policy_check_parent(set, rows[i].kind, rows[i].name,
						    rows[i].optin, &t, &err);

		assert_int_equal(rc, rows[i].rc);
		if (rc == TD_OK)
			assert_string_equal(t->name, rows[i].name);
		else
			assert_string_equal(err.detail, rows[i].wants);
		assert_int_equal(policy_check_parent(set, rows[i].kind, rows[i].name,
						     rows[i].optin, NULL, NULL),
				 rc);
	}
	policy_set_free(set);
}

static void
a_parent_needs_a_suspended_twin(void **state)
{
	static const char *const yaml[] = {
		"name: owner\nfenced: fence\nstatements:\n" ALL, FENCE, NULL
	};
	struct policy_set *set = NULL;
	struct td_err err;

	(void)state;
	assert_int_equal(load(yaml, &set, NULL, &err), TD_OK);
	assert_int_equal(policy_check_parent(set, POLICY_MINIO, "owner", POLICY_SAFE_ONLY,
					     NULL, &err),
			 TD_INVALID);
	assert_string_equal(err.detail,
			    "the minio template owner names no suspended template");
	policy_set_free(set);
}

#define MONGO(name, words) "kind: mongodb\nname: " name "\n" words

static const struct {
	const char *says;
	const char *yaml[MAX_FILES];
	const char *wants; /* NULL: it is taken */
} sets[] = {
	{ "three that belong together", { OWNER, FENCE, OFF }, NULL },
	{ "in any order", { OFF, FENCE, OWNER }, NULL },
	{ "a fence that is not there",
	  { OWNER, OFF },
	  "1.yaml:2: there is no minio template fence" },
	{ "a fence of the other kind",
	  { OWNER, OFF, MONGO("fence", "actions: [find, remove]\n") },
	  "1.yaml:2: there is no minio template fence" },
	{ "a suspended twin that is not there",
	  { OWNER, FENCE },
	  "1.yaml:3: there is no minio template off" },
	{ "one name twice",
	  { FENCE, OFF, "# c\nname: fence\nstatements:\n" READ_DELETE },
	  "3.yaml:2: the minio template fence is also in 1.yaml" },
	{ "one name in both kinds",
	  { FENCE, MONGO("fence", "actions: [find]\n") },
	  NULL },
	{ "a fence that lets things grow",
	  { "name: owner\nfenced: fence\nstatements:\n" ALL,
	    "name: fence\nstatements:\n" ALL },
	  "1.yaml:2: fence is unfit: s3:PutObject can take space" },
	{ "a fence that grants more",
	  { "name: owner\nfenced: fence\nstatements:\n" ALL,
	    "name: fence\nstatements:\n" READ_DELETE
	    "- {effect: Allow, actions: [s3:GetObjectTagging]" RES },
	  "1.yaml:2: fence is unfit: s3:GetObjectTagging is not allowed without the "
	  "fence" },
	{ "a fence without a way out",
	  { "name: owner\nfenced: fence\nstatements:\n" ALL,
	    "name: fence\nstatements:\n- {effect: Allow, actions: [s3:GetObject]" RES },
	  "1.yaml:2: fence is unfit: s3:DeleteObject is missing: who is over the limit "
	  "must be "
	  "able to delete" },
	{ "a fence that opens the administration",
	  { OWNER, "name: fence\nstatements:\n" READ_DELETE, OFF },
	  "1.yaml:2: fence is unfit: admin:* is denied without the fence only" },
	{ "who never could delete needs not",
	  { "name: a\nfenced: a\nstatements:\n- {effect: Allow, actions: "
	    "[s3:GetObject]" RES },
	  NULL },
	{ "a suspended twin that allows",
	  { OWNER, FENCE, "name: off\nstatements:\n" DENY_S3 DENY_ADMIN READ_DELETE },
	  "1.yaml:3: off is unfit: s3:DeleteObject is allowed to the suspended" },
	{ "a suspended twin that denies too little",
	  { OWNER, FENCE,
	    "name: off\nstatements:\n- {effect: Deny, actions: ['s3:*']" RES DENY_ADMIN },
	  "1.yaml:3: off is unfit: s3:* on arn:aws:s3:::* is not denied" },
	{ "a suspended twin that leaves the administration",
	  { OWNER, FENCE, "name: off\nstatements:\n" DENY_S3 },
	  "1.yaml:3: off is unfit: admin:* is not denied" },
	{ "a parent that allows nothing",
	  { "name: a\nfenced: a\nstatements:\n" DENY_S3 },
	  "1.yaml:1: template a allows nothing" },
	{ "a mongodb fence that lets things grow",
	  { MONGO("owner", "fenced: fence\nactions: [find, insert, remove]\n"),
	    MONGO("fence", "actions: [find, insert, remove]\n") },
	  "1.yaml:3: fence is unfit: insert can take space" },
	{ "a mongodb fence that grants more",
	  { MONGO("owner", "fenced: fence\nactions: [find, remove]\n"),
	    MONGO("fence", "actions: [find, remove, dropIndex]\n") },
	  "1.yaml:3: fence is unfit: dropIndex is not allowed without the fence" },
	{ "a mongodb fence without a way out",
	  { MONGO("owner", "fenced: fence\nactions: [find, remove]\n"),
	    MONGO("fence", "actions: [find]\n") },
	  "1.yaml:3: fence is unfit: remove is missing: who is over the limit must be "
	  "able to "
	  "delete" },
	{ "a built-in role as a fence grows",
	  { MONGO("owner", "dangerous: true\nfenced: owner\nroles: [readWrite]\n") },
	  "1.yaml:4: owner is unfit: readWrite can take space" },
	{ "a built-in role is fenced by actions",
	  { MONGO("owner", "dangerous: true\nfenced: fence\nroles: [readWrite]\n"),
	    MONGO("fence", "actions: [find, remove, indexStats]\n") },
	  NULL },
};

static void
what_belongs_together(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(sets); i++) {
		struct policy_set *set = NULL;
		struct td_yaml_report report;
		struct td_err err = { 0 };
		enum td_rc rc = load(sets[i].yaml, &set, &report, &err);
		bool found = sets[i].wants == NULL && rc == TD_OK;

		for (size_t k = 0; k < report.count && sets[i].wants != NULL; k++)
			found = found || strcmp(report.text[k], sets[i].wants) == 0;
		if (!found)
			fail_msg("%s: rc %d, %s", sets[i].says, (int)rc, err.detail);
		assert_int_equal(rc, sets[i].wants == NULL ? TD_OK : TD_INVALID);
		policy_set_free(set);
	}
}

static void
all_files_are_looked_at(void **state)
{
	static const char *const yaml[] = { "name: A\nstatements: []\n", OWNER, "[",
					    NULL };
	struct policy_set *set = NULL;
	struct td_yaml_report report;
	struct td_err err;

	(void)state;
	assert_int_equal(load(yaml, &set, &report, &err), TD_INVALID);
	/* Not that the twins of the second are missing: that would hide the cause. */
	assert_int_equal(report.count, 3);
	assert_non_null(strstr(report.text[0], "1.yaml:1: name"));
	assert_non_null(strstr(report.text[1], "1.yaml:2: statements"));
	assert_non_null(strstr(report.text[2], "3.yaml:"));
	assert_null(set);
}

/* A template with so many statements is refused, saying so. */
static void
embedded_is_refused(int statements, const char *why)
{
	struct policy_set *set = NULL;
	struct td_yaml_report report;
	struct td_err err;
	struct td_buf b;

	td_buf_init(&b, 65536);
	td_buf_str(&b, "name: big\nfenced: big\nstatements:\n");
	for (int i = 0; i < statements; i++) {
		td_buf_str(&b,
			   "- effect: Allow\n  actions: [s3:GetObject]\n  resources:\n");
		for (int k = 0; k < 8; k++)
			td_buf_fmt(&b, "  - arn:aws:s3:::${aws:username}-%d-%d*\n", i, k);
	}
	const char *yaml[] = { td_buf_cstr(&b), NULL };

	assert_int_equal(load(yaml, &set, &report, &err), TD_INVALID);
	assert_int_equal(report.count, 1);
	assert_non_null(strstr(report.text[0],
			       "1.yaml:1: template big: the policy of a service "
			       "account is "));
	assert_non_null(strstr(report.text[0], why));
	td_buf_done(&b);
}

static void
an_embedded_policy_must_fit(void **state)
{
	(void)state;
	embedded_is_refused(12, " bytes, MinIO takes 4096");
	embedded_is_refused(3, "takes 4096 and 2560 of them are for closed buckets");
}

/* ---- files ---- */

struct folder {
	char path[64];
};

static void
write_file(const struct folder *f, const char *name, const char *text)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static void
drop_file(const struct folder *f, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	assert_int_equal(unlink(path), 0);
}

static void
a_folder(void **state)
{
	struct folder f = { "/tmp/policies-XXXXXX" };
	struct policy_set *set = NULL;
	struct td_yaml_report report;
	struct td_err err;
	char want[200];
	char sub[128];

	(void)state;
	assert_non_null(mkdtemp(f.path));
	assert_int_equal(policy_set_load(f.path, &set, &report, &err), TD_INVALID);
	snprintf(want, sizeof(want), "%s: no *.yaml in it", f.path);
	assert_string_equal(err.detail, want);

	/* Only *.yaml, no hidden files, no folders' content. */
	write_file(&f, "b.yaml", FENCE);
	write_file(&f, "a.yaml", OWNER);
	write_file(&f, "c.yaml", OFF);
	write_file(&f, ".hidden.yaml", "[");
	write_file(&f, "c.yaml~", "[");
	write_file(&f, "README", "[");
	snprintf(sub, sizeof(sub), "%s/gateway", f.path);
	assert_int_equal(mkdir(sub, 0700), 0);
	assert_int_equal(policy_set_load(f.path, &set, &report, &err), TD_OK);
	assert_int_equal(policy_set_count(set), 3);
	snprintf(want, sizeof(want), "%s/b.yaml", f.path);
	assert_string_equal(policy_find(set, POLICY_MINIO, "fence")->file, want);
	policy_set_free(set);
	set = NULL;

	/* The complaint names the whole path. */
	write_file(&f, "d.yaml", "name: X\n");
	assert_int_equal(policy_set_load(f.path, &set, &report, &err), TD_INVALID);
	snprintf(want, sizeof(want), "%s/d.yaml:1: ", f.path);
	assert_memory_equal(report.text[0], want, strlen(want));
	drop_file(&f, "d.yaml");

	/* A folder with the name of a template is not read around. */
	snprintf(sub, sizeof(sub), "%s/d.yaml", f.path);
	assert_int_equal(mkdir(sub, 0700), 0);
	assert_int_equal(policy_set_load(f.path, &set, &report, &err), TD_IO);
	assert_null(set);
	assert_int_equal(rmdir(sub), 0);

	snprintf(sub, sizeof(sub), "%s/gateway", f.path);
	assert_int_equal(rmdir(sub), 0);
	static const char *const all[] = { "a.yaml",  "b.yaml", "c.yaml",
					   "c.yaml~", "README", ".hidden.yaml" };
	for (size_t i = 0; i < COUNT(all); i++)
		drop_file(&f, all[i]);
	assert_int_equal(rmdir(f.path), 0);
	assert_int_equal(policy_set_load(f.path, &set, &report, &err), TD_IO);
}

static void
a_path_that_is_too_long(void **state)
{
	/* The folder opens, but its name and a file's are over PATH_MAX together. */
	struct folder f = { "/tmp/policies-XXXXXX" };
	struct policy_set *set = NULL;
	struct td_err err;
	struct td_buf path;

	(void)state;
	assert_non_null(mkdtemp(f.path));
	write_file(&f, "abcdef.yaml", FENCE);
	td_buf_init(&path, 8192);
	td_buf_str(&path, f.path);
	while (path.len + 8 < PATH_MAX)
		td_buf_str(&path, "/.");
	assert_int_equal(policy_set_load(td_buf_cstr(&path), &set, NULL, &err), TD_IO);
	assert_int_equal(err.sys_errno, ENAMETOOLONG);
	td_buf_done(&path);
	drop_file(&f, "abcdef.yaml");
	assert_int_equal(rmdir(f.path), 0);
}

static void
one_file_by_itself(void **state)
{
	struct folder f = { "/tmp/policies-XXXXXX" };
	struct policy_set *set = NULL;
	struct td_yaml_report report;
	struct td_err err;
	char path[128];

	(void)state;
	assert_non_null(mkdtemp(f.path));
	snprintf(path, sizeof(path), "%s/owner.yaml", f.path);
	assert_int_equal(policy_set_load_file(path, &set, NULL, &err), TD_IO);
	write_file(&f, "owner.yaml", OWNER);
	assert_int_equal(policy_set_load_file(path, &set, &report, &err), TD_OK);
	assert_int_equal(policy_set_count(set), 1);
	assert_null(policy_set_at(set, 0)->fenced);
	assert_null(policy_set_at(set, 0)->suspended);
	policy_set_free(set);
	set = NULL;
	write_file(&f, "owner.yaml", "name: Owner\n");
	assert_int_equal(policy_set_load_file(path, &set, &report, &err), TD_INVALID);
	assert_int_equal(report.count, 2);
	drop_file(&f, "owner.yaml");
	assert_int_equal(rmdir(f.path), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_shipped_templates),
		cmocka_unit_test(the_shipped_roles),
		cmocka_unit_test(parents),
		cmocka_unit_test(a_parent_needs_a_suspended_twin),
		cmocka_unit_test(what_belongs_together),
		cmocka_unit_test(all_files_are_looked_at),
		cmocka_unit_test(an_embedded_policy_must_fit),
		cmocka_unit_test(a_folder),
		cmocka_unit_test(a_path_that_is_too_long),
		cmocka_unit_test(one_file_by_itself),
	};

	return cmocka_run_group_tests_name("policies_set", tests, NULL, NULL);
}
