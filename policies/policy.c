/*
 * The set of templates. Each file is read and compiled by itself (template.c); what
 * remains is what only shows between them: twins that exist and are fit for it, names
 * that are unique, and tenants that cannot meet through any two templates. The last one
 * repeats for the whole set what the rules for a single resource already ensure: rules
 * are written by people, the search is exact.
 */
#include "template.h"

#include "actions.h"

#include "base/dir.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct policy_set {
	struct tmpl **items; /* sorted by kind and name */
	size_t count;
};

enum twins { TWINS_RESOLVE, TWINS_LEAVE };

static const char *
kind_name(enum policy_kind kind)
{
	return kind == POLICY_MINIO ? "minio" : "mongodb";
}

static int
compare(const void *a, const void *b)
{
	const struct policy_template *ta = &(*(struct tmpl *const *)a)->pub;
	const struct policy_template *tb = &(*(struct tmpl *const *)b)->pub;

	int order = (int)ta->kind - (int)tb->kind;

	if (order == 0)
		order = strcmp(ta->name, tb->name);
	/* By file only so that a name that is there twice is always told the same way. */
	return order == 0 ? strcmp(ta->file, tb->file) : order;
}

static struct tmpl *
find(const struct policy_set *set, enum policy_kind kind, const char *name)
{
	for (size_t i = 0; i < set->count; i++) {
		struct tmpl *t = set->items[i];

		if (t->pub.kind == kind && strcmp(t->pub.name, name) == 0)
			return t;
	}
	return NULL;
}

/* ---- twins ---- */

struct twin_check {
	const struct tmpl *parent;
	const struct tmpl *twin;
	unsigned line; /* where the parent names it */
	struct td_yaml_report *report;
};

static void
unfit(const struct twin_check *c, const char *word, const char *why)
{
	td_yaml_complain(c->report, NULL, NULL, "%s:%u: %s is unfit: %s%s",
			 c->parent->pub.file, c->line, c->twin->pub.name, word, why);
}

/* A fence takes away what grows and never adds anything. */
static void
check_fence_word(const struct twin_check *c, const char *word, const struct action *a)
{
	if (a->class == ACTION_GROW)
		unfit(c, word, " can take space");
	else if (c->parent->pub.roles == NULL && !tmpl_allows(c->parent, word))
		unfit(c, word, " is not allowed without the fence");
}

static void
check_fence_statements(const struct twin_check *c)
{
	for (size_t i = 0; i < c->twin->statement_count; i++) {
		const struct statement *st = &c->twin->statements[i];

		for (size_t k = 0; !st->deny && k < st->action_count; k++)
			check_fence_word(c, st->actions[k], action_s3(st->actions[k]));
	}
	if (tmpl_denies_admin(c->parent) && !tmpl_denies_admin(c->twin))
		unfit(c, "admin:*", " is denied without the fence only");
}

static void
check_fence(const struct twin_check *c)
{
	bool minio = c->twin->pub.kind == POLICY_MINIO;
	const char *frees = minio ? "s3:DeleteObject" : "remove";
	const char *words = c->twin->pub.roles != NULL ? "roles" : "actions";

	for (size_t i = 0; i < c->twin->word_count; i++) {
		const char *word = c->twin->words[i];

		check_fence_word(c, word,
				 *words == 'r' ? action_mongodb_role(word)
					       : action_mongodb(word));
	}
	if (minio)
		check_fence_statements(c);
	if ((tmpl_allows(c->parent, frees) || c->parent->pub.roles != NULL) &&
	    !tmpl_allows(c->twin, frees))
		unfit(c, frees,
		      " is missing: who is over the limit must be able to delete");
}

static bool
denies_all_of_s3(const struct statement *st)
{
	/* Both are alone in their lists or sorted among narrower ones: s3:* is enough. */
	bool all = false;
	bool everywhere = false;

	for (size_t i = 0; i < st->action_count; i++)
		all = all || strcmp(st->actions[i], "s3:*") == 0;
	for (size_t i = 0; i < st->resource_count; i++)
		everywhere =
			everywhere || strcmp(st->resources[i], "arn:aws:s3:::*") == 0;
	return st->deny && all && everywhere;
}

static void
check_suspended(const struct twin_check *c)
{
	bool all = false;

	for (size_t i = 0; i < c->twin->statement_count; i++) {
		const struct statement *st = &c->twin->statements[i];

		if (!st->deny)
			unfit(c, st->actions[0], " is allowed to the suspended");
		all = all || denies_all_of_s3(st);
	}
	if (!all)
		unfit(c, "s3:*", " on arn:aws:s3:::* is not denied");
	if (!tmpl_denies_admin(c->twin))
		unfit(c, "admin:*", " is not denied");
}

static const struct policy_template *
resolve_one(const struct policy_set *set, const struct tmpl *t,
	    const struct twin_name *name, void (*check)(const struct twin_check *c),
	    struct td_yaml_report *report)
{
	struct twin_check c = { t, NULL, name->line, report };

	if (name->name == NULL)
		return NULL;
	c.twin = find(set, t->pub.kind, name->name);
	if (c.twin == NULL) {
		td_yaml_complain(report, NULL, NULL, "%s:%u: there is no %s template %s",
				 t->pub.file, name->line, kind_name(t->pub.kind),
				 name->name);
		return NULL;
	}
	check(&c);
	return &c.twin->pub;
}

static void
resolve(const struct policy_set *set, struct td_yaml_report *report)
{
	for (size_t i = 0; i < set->count; i++) {
		struct tmpl *t = set->items[i];

		t->pub.fenced = resolve_one(set, t, &t->fenced, check_fence, report);
		t->pub.suspended =
			resolve_one(set, t, &t->suspended, check_suspended, report);
	}
}

/* ---- what holds for the whole set ---- */

static void
check_names(const struct policy_set *set, struct td_yaml_report *report)
{
	for (size_t i = 1; i < set->count; i++) {
		const struct tmpl *t = set->items[i];
		const struct tmpl *before = set->items[i - 1];

		if (t->pub.kind == before->pub.kind &&
		    strcmp(t->pub.name, before->pub.name) == 0)
			td_yaml_complain(report, NULL, NULL,
					 "%s:%u: the %s template %s is also in %s",
					 t->pub.file, t->line, kind_name(t->pub.kind),
					 t->pub.name, before->pub.file);
	}
}

/* The policy that service accounts get must fit for the longest appid there is, with as
 * many closed buckets as a tenant may have. */
static enum td_rc
check_sizes(const struct policy_set *set, struct td_yaml_report *report,
	    struct td_err *reterr)
{
	struct td_buf b;
	enum td_rc rc = TD_OK;

	td_buf_init(&b, POLICY_MAX_CANNED * 4);
	for (size_t i = 0; rc == TD_OK && i < set->count; i++) {
		const struct tmpl *t = set->items[i];
		struct td_err err;

		if (t->pub.kind != POLICY_MINIO || t->fenced.name == NULL)
			continue;
		td_buf_reset(&b);
		rc = policy_minio_sa(&t->pub, "abcdefghijklmnopqrstuvwxyz012345", &b,
				     &err);
		if (rc == TD_OK && b.len > POLICY_MAX_SA - POLICY_CLOSED_BYTES)
			rc = td_err_set(
				&err, TD_TOO_LARGE,
				"template %s: the policy of a service account is "
				"%zu bytes, MinIO takes %d and %d of them are for "
				"closed buckets",
				t->pub.name, b.len, POLICY_MAX_SA, POLICY_CLOSED_BYTES);
		if (rc == TD_INVALID || rc == TD_TOO_LARGE) {
			td_yaml_complain(report, NULL, NULL, "%s:%u: %s", t->pub.file,
					 t->line, err.detail);
			rc = TD_OK;
		} else if (rc != TD_OK && reterr != NULL) {
			*reterr = err;
		}
	}
	td_buf_done(&b);
	return rc;
}

static void
add_allowed(struct allowed *list, size_t *count, const struct tmpl *t)
{
	for (size_t i = 0; i < t->statement_count; i++) {
		const struct statement *st = &t->statements[i];

		for (size_t k = 0; !st->deny && k < st->resource_count; k++) {
			size_t n = 0;

			while (n < *count &&
			       strcmp(list[n].resource, st->resources[k]) != 0)
				n++;
			if (n == *count)
				list[(*count)++] =
					(struct allowed){ st->resources[k], t->pub.file };
		}
	}
}

static enum td_rc
check_tenants(const struct policy_set *set, struct td_yaml_report *report,
	      struct td_err *reterr)
{
	struct allowed *list;
	size_t count = 0;
	enum td_rc rc;

	assert(set->count > 0);
	list = calloc(set->count * MAX_STATEMENTS * MAX_RESOURCES, sizeof(*list));
	if (list == NULL)
		return td_err_set(reterr, TD_NOMEM, "out of memory comparing tenants");
	for (size_t i = 0; i < set->count; i++)
		add_allowed(list, &count, set->items[i]);
	rc = overlap_check(list, count, report, reterr);
	free(list);
	return rc;
}

static enum td_rc
check_set(struct policy_set *set, enum twins twins, struct td_yaml_report *report,
	  struct td_err *reterr)
{
	enum td_rc rc;

	qsort(set->items, set->count, sizeof(struct tmpl *), compare);
	check_names(set, report);
	if (twins == TWINS_RESOLVE)
		resolve(set, report);
	rc = check_sizes(set, report, reterr);
	if (rc == TD_OK)
		rc = td_yaml_report_rc(report, reterr);
	return rc == TD_OK ? check_tenants(set, report, reterr) : rc;
}

/* ---- loading ---- */

/* NULL when out of memory. room >= 1 */
static struct policy_set *
set_new(size_t room)
{
	struct policy_set *set = calloc(1, sizeof(*set));

	assert(room > 0);
	if (set != NULL)
		set->items = calloc(room, sizeof(struct tmpl *));
	if (set == NULL || set->items == NULL) {
		free(set);
		return NULL;
	}
	return set;
}

static enum td_rc
no_memory(struct td_err *reterr)
{
	return td_err_set(reterr, TD_NOMEM, "out of memory loading templates");
}

static struct td_yaml_report *
start_report(struct td_yaml_report *given, struct td_yaml_report *own)
{
	struct td_yaml_report *report = given == NULL ? own : given;

	td_yaml_report_init(report);
	return report;
}

/* What was read, into the set. A refused file is TD_OK with a complaint in the report, so
 * that the others are looked at too. */
static enum td_rc
take(struct policy_set *set, enum td_rc rc, struct td_yaml_doc *doc,
     struct td_yaml_report *report, struct td_err *reterr)
{
	if (rc == TD_OK)
		rc = tmpl_read(doc, &set->items[set->count], report, reterr);
	if (rc == TD_OK)
		set->count++;
	return rc == TD_INVALID ? TD_OK : rc;
}

static enum td_rc
take_file(struct policy_set *set, const char *path, struct td_yaml_report *report,
	  struct td_err *reterr)
{
	struct td_yaml_doc *doc = NULL;
	enum td_rc rc = td_yaml_read(path, &doc, report, reterr);

	return take(set, rc, doc, report, reterr);
}

static enum td_rc
finish(struct policy_set *set, enum td_rc rc, enum twins twins,
       struct policy_set **ret_set, struct td_yaml_report *report, struct td_err *reterr)
{
	/* What follows from a file that was refused would only hide the cause. */
	if (rc == TD_OK)
		rc = td_yaml_report_rc(report, reterr);
	if (rc == TD_OK)
		rc = check_set(set, twins, report, reterr);
	if (rc == TD_OK)
		*ret_set = set;
	else
		policy_set_free(set);
	return rc;
}

static enum td_rc
take_folder(struct policy_set *set, const char *dir, const struct td_names *names,
	    struct td_yaml_report *report, struct td_err *reterr)
{
	enum td_rc rc = TD_OK;

	for (size_t i = 0; rc == TD_OK && i < names->count; i++) {
		struct td_buf path;

		/* Both fit in PATH_MAX; whether together, open(2) will say. */
		td_buf_init(&path, 2 * PATH_MAX);
		td_buf_fmt(&path, "%s/%s", dir, names->items[i]);
		rc = td_buf_rc(&path) == TD_OK
			     ? take_file(set, td_buf_cstr(&path), report, reterr)
			     : no_memory(reterr);
		td_buf_done(&path);
	}
	return rc;
}

enum td_rc
policy_set_load(const char *dir, struct policy_set **ret_set,
		struct td_yaml_report *report, struct td_err *reterr)
{
	struct td_yaml_report own;
	struct policy_set *set;
	struct td_names names = { 0 };
	enum td_rc rc = td_dir_names(dir, ".yaml", &names, reterr);

	report = start_report(report, &own);
	if (rc == TD_OK && names.count == 0)
		rc = td_err_set(reterr, TD_INVALID, "%s: no *.yaml in it", dir);
	if (rc != TD_OK)
		return rc;
	set = set_new(names.count);
	if (set == NULL) {
		td_names_done(&names);
		return no_memory(reterr);
	}
	rc = take_folder(set, dir, &names, report, reterr);
	td_names_done(&names);
	return finish(set, rc, TWINS_RESOLVE, ret_set, report, reterr);
}

enum td_rc
policy_set_load_memory(const struct td_yaml_text *texts, size_t count,
		       struct policy_set **ret_set, struct td_yaml_report *report,
		       struct td_err *reterr)
{
	struct td_yaml_report own;
	struct policy_set *set = set_new(count);
	enum td_rc rc = TD_OK;

	if (set == NULL)
		return no_memory(reterr);
	report = start_report(report, &own);
	for (size_t i = 0; rc == TD_OK && i < count; i++) {
		struct td_yaml_doc *doc = NULL;

		rc = td_yaml_parse(&texts[i], &doc, report, reterr);
		rc = take(set, rc, doc, report, reterr);
	}
	return finish(set, rc, TWINS_RESOLVE, ret_set, report, reterr);
}

enum td_rc
policy_set_load_file(const char *path, struct policy_set **ret_set,
		     struct td_yaml_report *report, struct td_err *reterr)
{
	struct td_yaml_report own;
	struct policy_set *set = set_new(1);
	enum td_rc rc;

	if (set == NULL)
		return no_memory(reterr);
	report = start_report(report, &own);
	rc = take_file(set, path, report, reterr);
	return finish(set, rc, TWINS_LEAVE, ret_set, report, reterr);
}

void
policy_set_free(struct policy_set *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->count; i++)
		tmpl_free(set->items[i]);
	free(set->items);
	free(set);
}

/* ---- reading ---- */

size_t
policy_set_count(const struct policy_set *set)
{
	return set->count;
}

const struct policy_template *
policy_set_at(const struct policy_set *set, size_t i)
{
	return &set->items[i]->pub;
}

const struct policy_template *
policy_find(const struct policy_set *set, enum policy_kind kind, const char *name)
{
	const struct tmpl *t = find(set, kind, name);

	return t == NULL ? NULL : &t->pub;
}

enum td_rc
policy_check_parent(const struct policy_set *set, enum policy_kind kind, const char *name,
		    enum policy_optin optin, const struct policy_template **ret_template,
		    struct td_err *reterr)
{
	const struct policy_template *t = policy_find(set, kind, name);

	if (t == NULL)
		return td_err_set(reterr, TD_NOT_FOUND, "there is no %s template %s",
				  kind_name(kind), name);
	if (t->fenced == NULL || (kind == POLICY_MINIO && t->suspended == NULL))
		return td_err_set(reterr, TD_INVALID,
				  "the %s template %s names no %s template",
				  kind_name(kind), name,
				  t->fenced == NULL ? "fenced" : "suspended");
	if (t->dangerous && optin != POLICY_DANGEROUS_TOO)
		return td_err_set(
			reterr, TD_INVALID,
			"the %s template %s is dangerous, and the plan does not "
			"say allow_dangerous_templates",
			kind_name(kind), name);
	if (ret_template != NULL)
		*ret_template = t;
	return TD_OK;
}
