/* Plan files: what is shipped, what is taken, what is refused with which line. */
#include "policies/policy.h"
#include "quota/plan.h"

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
#define GI (UINT64_C(1) << 30)

static enum td_rc
load(const char *yaml, struct plan_set **ret, struct td_yaml_report *report,
     struct td_err *err)
{
	const struct td_yaml_text text = { "p.yaml", yaml, strlen(yaml) };

	return plan_set_load_memory(&text, 1, ret, report, err);
}

static void
the_shipped_plans(void **state)
{
	static const struct {
		const char *name;
		bool has[PLAN_RESOURCE_COUNT];
		uint64_t value[PLAN_LIMIT_COUNT];
	} rows[] = {
		{ "object-only", { true, false, false }, { 100 * GI, 100, 0, 0, 1000 } },
		{ "small", { true, true, false }, { GI, 5, GI / 4, 0, 50 } },
		{ "standard",
		  { true, true, true },
		  { 10 * GI, 50, 2 * GI, 10 * GI, 500 } },
	};
	struct plan_set *set = NULL;
	struct policy_set *policies = NULL;
	struct td_err err;

	(void)state;
	if (plan_set_load(TD_SOURCE_DIR "/quota", &set, NULL, &err) != TD_OK)
		fail_msg("%s", err.detail);
	assert_int_equal(
		policy_set_load(TD_SOURCE_DIR "/policies", &policies, NULL, &err), TD_OK);
	assert_int_equal(plan_set_count(set), COUNT(rows));
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct plan *p = plan_set_at(set, i);

		assert_string_equal(p->name, rows[i].name);
		assert_ptr_equal(plan_find(set, rows[i].name), p);
		assert_int_equal(p->version, 1);
		assert_string_not_equal(p->description, "");
		assert_false(p->allow_dangerous_templates);
		assert_memory_equal(p->has, rows[i].has, sizeof(p->has));
		for (unsigned k = 0; k < PLAN_LIMIT_COUNT; k++) {
			enum plan_limit limit = (enum plan_limit)k;

			assert_true(p->limits.value[k] == rows[i].value[k]);
			assert_int_equal(plan_limits_has(&p->limits, limit),
					 p->has[plan_limit_info(limit)->resource]);
		}
		/* Every template that a shipped plan names is shipped, and a parent. */
		if (p->has[PLAN_OBJECT])
			assert_int_equal(policy_check_parent(policies, POLICY_MINIO,
							     p->object_template,
							     POLICY_SAFE_ONLY, NULL,
							     &err),
					 TD_OK);
		if (p->has[PLAN_DATABASE])
			assert_int_equal(policy_check_parent(policies, POLICY_MONGODB,
							     p->database_template,
							     POLICY_SAFE_ONLY, NULL,
							     &err),
					 TD_OK);
	}
	assert_null(plan_find(set, "Standard"));
	plan_set_free(set);
	plan_set_free(NULL);
	policy_set_free(policies);
}

#define NAME "name: p\nversion: 2\n"
#define VOLUME_ONLY "resources: {object: null, database: null, volume: {}}\n"
#define VOLUME_PLAN NAME VOLUME_ONLY "limits: {volume_bytes: 1Gi}\n"
#define OBJECT_ONLY "resources: {object: {template: t}, database: null, volume: null}\n"
#define OBJECT(limits) NAME OBJECT_ONLY "limits: {" limits "}\n"

static void
what_is_taken(void **state)
{
	struct plan_set *set = NULL;
	struct td_err err;
	const struct plan *p;

	(void)state;
	assert_int_equal(load(VOLUME_PLAN, &set, NULL, &err), TD_OK);
	p = plan_find(set, "p");
	assert_string_equal(p->file, "p.yaml");
	assert_string_equal(p->description, "");
	assert_int_equal(p->version, 2);
	assert_null(p->object_template);
	assert_null(p->database_template);
	assert_int_equal(p->limits.present, 1U << PLAN_VOLUME_BYTES);
	plan_set_free(set);

	assert_int_equal(
		load(OBJECT("object_bytes: unlimited, buckets: 0, requests_per_second: "
			    "unlimited") "allow_dangerous_templates: true\n",
		     &set, NULL, &err),
		TD_OK);
	p = plan_find(set, "p");
	assert_true(p->allow_dangerous_templates);
	assert_string_equal(p->object_template, "t");
	assert_true(plan_limits_get(&p->limits, PLAN_OBJECT_BYTES) == PLAN_UNLIMITED);
	assert_true(plan_limits_has(&p->limits, PLAN_OBJECT_BYTES));
	assert_true(plan_limits_get(&p->limits, PLAN_BUCKETS) == 0);
	assert_false(plan_limits_has(&p->limits, PLAN_DATABASE_BYTES));
	plan_set_free(set);

	assert_int_equal(
		load("name: p\nversion: 4294967295\n"
		     "resources: {object: , database: {template: d_1}, volume: ~}\n"
		     "limits: {database_bytes: 500M}\n"
		     "allow_dangerous_templates: false\n",
		     &set, NULL, &err),
		TD_OK);
	p = plan_find(set, "p");
	assert_true(p->version == UINT32_MAX);
	assert_string_equal(p->database_template, "d_1");
	assert_true(plan_limits_get(&p->limits, PLAN_DATABASE_BYTES) == 500000000);
	plan_set_free(set);
}

static const struct {
	const char *says;
	const char *yaml;
	const char *wants; /* all of a complaint, or the part after '~' */
} refused[] = {
	{ "an empty file", "", "~p.yaml: expected a mapping" },
	{ "a list", "- a\n", "~p.yaml:1: expected a mapping" },
	{ "broken YAML", "name: [\n", "~p.yaml:2: not YAML" },
	{ "no name", "version: 1\n" VOLUME_ONLY "limits: {volume_bytes: 1Gi}\n",
	  "p.yaml:1: name is missing" },
	{ "no version", "name: p\n" VOLUME_ONLY "limits: {volume_bytes: 1Gi}\n",
	  "p.yaml:1: version is missing" },
	{ "no resources", NAME "limits: {}\n", "p.yaml:1: resources is missing" },
	{ "no limits", NAME VOLUME_ONLY, "p.yaml:1: limits is missing" },
	{ "an unknown member", VOLUME_PLAN "prices: {}\n",
	  "p.yaml:5: unknown member prices" },
	{ "a name with a capital", "name: Big\n",
	  "~p.yaml:1: name: expected at most 32 bytes" },
	{ "a name that begins with a digit", "name: 1p\n", "~p.yaml:1: name: expected" },
	{ "a name that is too long", "name: a23456789012345678901234567890123\n",
	  "~p.yaml:1: name: expected" },
	{ "a name with an underscore", "name: a_b\n", "~p.yaml:1: name: expected" },
	{ "a name that is a list", "name: [p]\n", "~p.yaml:1: name: expected" },
	{ "version 0", "name: p\nversion: 0\n",
	  "~p.yaml:2: version: expected a number from 1" },
	{ "a version with a dot", "name: p\nversion: 1.1\n",
	  "~p.yaml:2: version: expected" },
	{ "a version over 32 bits", "name: p\nversion: 4294967296\n",
	  "~p.yaml:2: version: expected" },
	{ "a version that is a list", "name: p\nversion: [1]\n",
	  "~p.yaml:2: version: expected" },
	{ "a description that is a list", VOLUME_PLAN "description: []\n",
	  "~p.yaml:5: description: expected a text" },
	{ "an opt-in that is no boolean", VOLUME_PLAN "allow_dangerous_templates: 1\n",
	  "~p.yaml:5: allow_dangerous_templates: expected true or false" },
	{ "an opt-in in quotes", VOLUME_PLAN "allow_dangerous_templates: 'true'\n",
	  "~p.yaml:5: allow_dangerous_templates: expected true or false" },
	{ "resources are a mapping", NAME "resources: [object]\nlimits: {}\n",
	  "~p.yaml:3: resources: expected a mapping, found" },
	{ "a resource left out",
	  NAME "resources: {object: null, volume: {}}\nlimits: {}\n",
	  "p.yaml:3: database is missing" },
	{ "an unknown resource",
	  NAME
	  "resources: {object: null, database: null, volume: {}, gpu: {}}\nlimits: {}\n",
	  "p.yaml:3: unknown member gpu" },
	{ "no resource at all",
	  NAME "resources: {object: null, database: null, volume: null}\nlimits: {}\n",
	  "p.yaml:3: resources: the plan has none" },
	{ "a resource that is a text",
	  NAME "resources: {object: null, database: null, volume: yes}\nlimits: {}\n",
	  "~p.yaml:3: volume: expected a mapping or null, found" },
	{ "a resource without its template",
	  NAME "resources: {object: {}, database: null, volume: null}\nlimits: {}\n",
	  "p.yaml:3: template is missing" },
	{ "a volume has no template",
	  NAME "resources: {object: null, database: null, volume: {template: "
	       "t}}\nlimits: {}\n",
	  "p.yaml:3: unknown member template" },
	{ "a template is a name",
	  NAME "resources: {object: {template: a-b}, database: null, volume: "
	       "null}\nlimits: {}\n",
	  "~p.yaml:3: template: expected at most 48 bytes" },
	{ "limits are a mapping", NAME VOLUME_ONLY "limits: [1]\n",
	  "~p.yaml:4: limits: expected a mapping, found" },
	{ "an unknown limit", NAME VOLUME_ONLY "limits: {volume_bytes: 1Gi, cpu: 1}\n",
	  "p.yaml:4: unknown limit cpu" },
	{ "a limit left out", OBJECT("object_bytes: 1, requests_per_second: 1"),
	  "p.yaml:4: limits: buckets is missing" },
	{ "a limit of what is not there",
	  OBJECT("object_bytes: 1, buckets: 1, requests_per_second: 1, volume_bytes: "
		 "1Gi"),
	  "p.yaml:4: volume_bytes: the plan has no volume" },
	{ "a limit that is a text", OBJECT("object_bytes: much"),
	  "~p.yaml:4: object_bytes: expected a number or unlimited, found" },
	{ "a limit that is a list", OBJECT("object_bytes: [1]"),
	  "~p.yaml:4: object_bytes: expected a number or unlimited, found" },
	{ "a count with a unit", OBJECT("buckets: 1K"),
	  "~p.yaml:4: buckets: expected a number, found" },
	{ "a negative limit", OBJECT("buckets: -1"),
	  "~p.yaml:4: buckets: expected a number, found" },
	{ "an infinite volume", NAME VOLUME_ONLY "limits: {volume_bytes: unlimited}\n",
	  "p.yaml:4: volume_bytes cannot be unlimited" },
	{ "a limit out of range", OBJECT("buckets: 10001"),
	  "p.yaml:4: buckets is 10001, but must be 0 to 10000" },
};

static void
refused_with_line_and_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		const char *wants = refused[i].wants;
		struct plan_set *set = NULL;
		struct td_yaml_report report;
		struct td_err err = { 0 };
		enum td_rc rc = load(refused[i].yaml, &set, &report, &err);
		bool found = false;

		for (size_t k = 0; k < report.count; k++)
			found = found ||
				(wants[0] == '~'
					 ? strstr(report.text[k], wants + 1) != NULL
					 : strcmp(report.text[k], wants) == 0);
		if (rc != TD_INVALID || !found)
			fail_msg("%s: rc %d, %s", refused[i].says, (int)rc, err.detail);
		assert_null(set);
	}
}

static void
a_name_is_there_once(void **state)
{
	static const struct td_yaml_text texts[] = {
		{ "1.yaml", VOLUME_PLAN, sizeof(VOLUME_PLAN) - 1 },
		{ "2.yaml", "# c\n" VOLUME_PLAN, sizeof("# c\n" VOLUME_PLAN) - 1 },
	};
	struct plan_set *set = NULL;
	struct td_err err;

	(void)state;
	assert_int_equal(plan_set_load_memory(texts, 2, &set, NULL, &err), TD_INVALID);
	assert_string_equal(err.detail, "2.yaml:2: the plan p is also in 1.yaml");
	assert_null(set);
}

static void
write_file(const char *dir, const char *name, const char *text)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static void
drop_file(const char *dir, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(unlink(path), 0);
}

static void
a_folder(void **state)
{
	char dir[] = "/tmp/plans-XXXXXX";
	struct plan_set *set = NULL;
	struct td_yaml_report report;
	struct td_err err;
	char path[128];

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(plan_set_load(dir, &set, NULL, &err), TD_INVALID);
	assert_non_null(strstr(err.detail, "no *.yaml in it"));
	write_file(dir, "p.yaml", VOLUME_PLAN);
	write_file(dir, "notes.txt", "[");
	assert_int_equal(plan_set_load(dir, &set, &report, &err), TD_OK);
	assert_int_equal(plan_set_count(set), 1);
	plan_set_free(set);
	set = NULL;

	/* All files are looked at, and the bad ones are all told. */
	write_file(dir, "a.yaml", "[");
	write_file(dir, "q.yaml", "name: Q\n");
	assert_int_equal(plan_set_load(dir, &set, &report, &err), TD_INVALID);
	assert_non_null(strstr(report.text[0], "/a.yaml:"));
	assert_non_null(strstr(report.text[1], "/q.yaml:1: "));
	assert_null(set);
	drop_file(dir, "a.yaml");
	drop_file(dir, "q.yaml");

	snprintf(path, sizeof(path), "%s/d.yaml", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(plan_set_load(dir, &set, NULL, &err), TD_IO);
	assert_int_equal(rmdir(path), 0);
	drop_file(dir, "p.yaml");
	drop_file(dir, "notes.txt");
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(plan_set_load(dir, &set, NULL, &err), TD_IO);
	assert_null(set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_shipped_plans),
		cmocka_unit_test(what_is_taken),
		cmocka_unit_test(refused_with_line_and_reason),
		cmocka_unit_test(a_name_is_there_once),
		cmocka_unit_test(a_folder),
	};

	return cmocka_run_group_tests_name("quota_plan", tests, NULL, NULL);
}
