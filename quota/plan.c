/*
 * Plans from YAML. What a plan does not have is written down as null, and each limit of
 * what it has is written down too: a plan is a promise with a price, so nothing in it is
 * a default that could change under a tenant with a new version of the program.
 */
#include "plan.h"

#include "base/dir.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DESCRIPTION 300
#define MAX_TEMPLATE_NAME 48

struct entry {
	struct plan pub;
	struct td_yaml_doc *doc; /* owned; every text is borrowed from it */
	unsigned line;		 /* of the plan's first member */
};

struct plan_set {
	struct entry *items; /* sorted by name */
	size_t count;
};

struct reader {
	struct plan *plan;
	const struct td_yaml_doc *doc;
	struct td_yaml_report *report;
	bool failed;
};

#define COMPLAIN(r, node, ...)                                                           \
	do {                                                                             \
		(r)->failed = true;                                                      \
		td_yaml_complain((r)->report, (r)->doc, (node), __VA_ARGS__);            \
	} while (0)

/* ---- members ---- */

/* Every key is one of `names` (ends with NULL), and each of the first `required` is
 * there. */
static void
check_members(struct reader *r, const struct td_yaml_node *map, const char *const *names,
	      size_t required)
{
	for (size_t i = 0; i < td_yaml_count(map); i++) {
		const struct td_yaml_node *key = td_yaml_key_at(map, i);
		size_t k = 0;

		while (names[k] != NULL && strcmp(names[k], td_yaml_scalar(key)) != 0)
			k++;
		if (names[k] == NULL)
			COMPLAIN(r, key, "unknown member %.40s", td_yaml_scalar(key));
	}
	for (size_t k = 0; k < required; k++) {
		if (td_yaml_get(map, names[k]) == NULL)
			COMPLAIN(r, map, "%s is missing", names[k]);
	}
}

/* A text of `allowed` bytes that begins with a letter, or NULL (told, unless absent). */
static const char *
read_name(struct reader *r, const struct td_yaml_node *map, const char *member,
	  const char *allowed, size_t max)
{
	const struct td_yaml_node *n = td_yaml_get(map, member);
	const char *text = n == NULL ? NULL : td_yaml_scalar(n);
	char found[64];

	if (n == NULL)
		return NULL;
	if (text != NULL && text[0] >= 'a' && text[0] <= 'z' && strlen(text) <= max &&
	    text[strspn(text, allowed)] == '\0')
		return text;
	COMPLAIN(
		r, n,
		"%s: expected at most %zu bytes of %s that begin with a letter, found %s",
		member, max, allowed, td_yaml_found(n, found));
	return NULL;
}

static void
read_version(struct reader *r, const struct td_yaml_node *root)
{
	const struct td_yaml_node *n = td_yaml_get(root, "version");
	const char *text = n == NULL ? NULL : td_yaml_scalar(n);
	uint64_t version;
	char found[64];

	if (n == NULL)
		return;
	if (text != NULL && td_yaml_uint(text, &version) && version >= 1 &&
	    version <= UINT32_MAX)
		r->plan->version = (uint32_t)version;
	else
		COMPLAIN(r, n, "version: expected a number from 1 on, found %s",
			 td_yaml_found(n, found));
}

static void
read_description(struct reader *r, const struct td_yaml_node *root)
{
	const struct td_yaml_node *n = td_yaml_get(root, "description");
	const char *text = n == NULL ? "" : td_yaml_scalar(n);

	r->plan->description = "";
	if (text == NULL || strlen(text) > MAX_DESCRIPTION)
		COMPLAIN(r, n, "description: expected a text of at most %d bytes",
			 MAX_DESCRIPTION);
	else
		r->plan->description = text;
}

static void
read_optin(struct reader *r, const struct td_yaml_node *root)
{
	const struct td_yaml_node *n = td_yaml_get(root, "allow_dangerous_templates");
	char found[64];

	if (n == NULL)
		return;
	if (td_yaml_is_plain(n) && strcmp(td_yaml_scalar(n), "true") == 0)
		r->plan->allow_dangerous_templates = true;
	else if (!td_yaml_is_plain(n) || strcmp(td_yaml_scalar(n), "false") != 0)
		COMPLAIN(r, n,
			 "allow_dangerous_templates: expected true or false, found %s",
			 td_yaml_found(n, found));
}

/* ---- resources ---- */

static void
read_resource(struct reader *r, const struct td_yaml_node *map,
	      enum plan_resource resource)
{
	static const char *const with_template[] = { "template", NULL };
	const char *name = plan_resource_name(resource);
	const struct td_yaml_node *n = td_yaml_get(map, name);
	bool has_template = resource != PLAN_VOLUME;
	char found[64];

	if (n == NULL || td_yaml_is_null(n))
		return;
	r->plan->has[resource] = true;
	if (td_yaml_kind(n) != TD_YAML_MAPPING) {
		COMPLAIN(r, n, "%s: expected a mapping or null, found %s", name,
			 td_yaml_found(n, found));
		return;
	}
	check_members(r, n, has_template ? with_template : with_template + 1,
		      has_template);
	const char *template =
		has_template ? read_name(r, n, "template",
					 "abcdefghijklmnopqrstuvwxyz0123456789_",
					 MAX_TEMPLATE_NAME)
			     : NULL;

	if (resource == PLAN_OBJECT)
		r->plan->object_template = template;
	else if (resource == PLAN_DATABASE)
		r->plan->database_template = template;
}

static void
read_resources(struct reader *r, const struct td_yaml_node *root)
{
	static const char *const names[] = { "object", "database", "volume", NULL };
	const struct td_yaml_node *map = td_yaml_get(root, "resources");
	char found[64];

	if (map == NULL)
		return;
	if (td_yaml_kind(map) != TD_YAML_MAPPING) {
		COMPLAIN(r, map, "resources: expected a mapping, found %s",
			 td_yaml_found(map, found));
		return;
	}
	check_members(r, map, names, PLAN_RESOURCE_COUNT);
	for (unsigned i = 0; i < PLAN_RESOURCE_COUNT; i++)
		read_resource(r, map, (enum plan_resource)i);
	if (!r->plan->has[PLAN_OBJECT] && !r->plan->has[PLAN_DATABASE] &&
	    !r->plan->has[PLAN_VOLUME])
		COMPLAIN(r, map, "resources: the plan has none");
}

/* ---- limits ---- */

static bool
parse_value(enum plan_limit limit, const char *text, uint64_t *ret_value)
{
	const char *name = plan_limit_info(limit)->name;
	size_t len = strlen(name);

	if (strcmp(text, "unlimited") == 0) {
		*ret_value = PLAN_UNLIMITED;
		return true;
	}
	if (len > 6 && strcmp(name + len - 6, "_bytes") == 0)
		return td_yaml_bytes(text, ret_value);
	return td_yaml_uint(text, ret_value);
}

static void
read_limit(struct reader *r, const struct td_yaml_node *key, const struct td_yaml_node *n)
{
	enum plan_limit limit;
	struct td_err err;
	uint64_t value;
	char found[64];

	if (!plan_limit_parse(td_yaml_scalar(key), &limit)) {
		COMPLAIN(r, key, "unknown limit %.40s", td_yaml_scalar(key));
		return;
	}
	const struct plan_limit_info *info = plan_limit_info(limit);

	if (td_yaml_scalar(n) == NULL || !parse_value(limit, td_yaml_scalar(n), &value))
		COMPLAIN(r, n, "%s: expected a number%s, found %s", info->name,
			 info->may_be_unlimited ? " or unlimited" : "",
			 td_yaml_found(n, found));
	else if (plan_limit_check(limit, value, &err) != TD_OK)
		COMPLAIN(r, n, "%s", err.detail);
	else if (!r->plan->has[info->resource])
		COMPLAIN(r, n, "%s: the plan has no %s", info->name,
			 plan_resource_name(info->resource));
	else
		plan_limits_set(&r->plan->limits, limit, value);
}

static void
read_limits(struct reader *r, const struct td_yaml_node *root)
{
	const struct td_yaml_node *map = td_yaml_get(root, "limits");
	char found[64];

	if (map == NULL)
		return;
	if (td_yaml_kind(map) != TD_YAML_MAPPING) {
		COMPLAIN(r, map, "limits: expected a mapping, found %s",
			 td_yaml_found(map, found));
		return;
	}
	for (size_t i = 0; i < td_yaml_count(map); i++)
		read_limit(r, td_yaml_key_at(map, i), td_yaml_at(map, i));
	for (unsigned i = 0; i < PLAN_LIMIT_COUNT; i++) {
		const struct plan_limit_info *info = plan_limit_info((enum plan_limit)i);

		if (r->plan->has[info->resource] && td_yaml_get(map, info->name) == NULL)
			COMPLAIN(r, map, "limits: %s is missing", info->name);
	}
}

/* ---- the file ---- */

static void
read_file(struct reader *r, unsigned *ret_line)
{
	static const char *const names[] = {
		"name",	  "version",	 "resources",
		"limits", "description", "allow_dangerous_templates",
		NULL,
	};
	const struct td_yaml_node *root = td_yaml_root(r->doc);

	if (root == NULL || td_yaml_kind(root) != TD_YAML_MAPPING) {
		COMPLAIN(r, root,
			 "expected a mapping with name, version, resources, limits");
		return;
	}
	*ret_line = td_yaml_line(root);
	check_members(r, root, names, 4);
	r->plan->name = read_name(r, root, "name",
				  "abcdefghijklmnopqrstuvwxyz0123456789-", PLAN_NAME_MAX);
	read_version(r, root);
	read_description(r, root);
	read_optin(r, root);
	read_resources(r, root);
	read_limits(r, root);
}

/* Takes the document. A refused one leaves its complaints in the report, and no entry. */
static void
take(struct plan_set *set, struct td_yaml_doc *doc, struct td_yaml_report *report)
{
	struct entry *e = &set->items[set->count];
	struct reader r = { &e->pub, doc, report, false };

	*e = (struct entry){ 0 };
	e->doc = doc;
	e->pub.file = td_yaml_doc_name(doc);
	read_file(&r, &e->line);
	if (r.failed)
		td_yaml_doc_free(doc);
	else
		set->count++;
}

/* ---- the set ---- */

static int
compare(const void *a, const void *b)
{
	const struct plan *pa = &((const struct entry *)a)->pub;
	const struct plan *pb = &((const struct entry *)b)->pub;
	int order = strcmp(pa->name, pb->name);

	/* By file only so that a name that is there twice is always told the same way. */
	return order == 0 ? strcmp(pa->file, pb->file) : order;
}

/* NULL when out of memory. room >= 1 */
static struct plan_set *
set_new(size_t room)
{
	struct plan_set *set = calloc(1, sizeof(*set));

	assert(room > 0);
	if (set != NULL)
		set->items = calloc(room, sizeof(*set->items));
	if (set == NULL || set->items == NULL) {
		free(set);
		return NULL;
	}
	return set;
}

static enum td_rc
no_memory(struct td_err *reterr)
{
	return td_err_set(reterr, TD_NOMEM, "out of memory loading plans");
}

static struct td_yaml_report *
start_report(struct td_yaml_report *given, struct td_yaml_report *own)
{
	struct td_yaml_report *report = given == NULL ? own : given;

	td_yaml_report_init(report);
	return report;
}

static enum td_rc
finish(struct plan_set *set, enum td_rc rc, struct plan_set **ret_set,
       struct td_yaml_report *report, struct td_err *reterr)
{
	if (rc == TD_OK)
		rc = td_yaml_report_rc(report, reterr);
	if (rc == TD_OK)
		qsort(set->items, set->count, sizeof(*set->items), compare);
	for (size_t i = 1; rc == TD_OK && i < set->count; i++) {
		const struct entry *e = &set->items[i];
		const struct plan *before = &set->items[i - 1].pub;

		if (strcmp(e->pub.name, before->name) == 0)
			td_yaml_complain(report, NULL, NULL,
					 "%s:%u: the plan %s is also in %s", e->pub.file,
					 e->line, e->pub.name, before->file);
	}
	if (rc == TD_OK)
		rc = td_yaml_report_rc(report, reterr);
	if (rc == TD_OK)
		*ret_set = set;
	else
		plan_set_free(set);
	return rc;
}

/* What was read, into the set. A refused file is TD_OK with a complaint in the report, so
 * that the others are looked at too. */
static enum td_rc
take_read(struct plan_set *set, enum td_rc rc, struct td_yaml_doc *doc,
	  struct td_yaml_report *report)
{
	if (rc == TD_OK)
		take(set, doc, report);
	return rc == TD_INVALID ? TD_OK : rc;
}

static enum td_rc
take_folder(struct plan_set *set, const char *dir, const struct td_names *names,
	    struct td_yaml_report *report, struct td_err *reterr)
{
	enum td_rc rc = TD_OK;

	for (size_t i = 0; rc == TD_OK && i < names->count; i++) {
		struct td_yaml_doc *doc = NULL;
		struct td_buf path;

		/* Both fit in PATH_MAX; whether together, open(2) will say. */
		td_buf_init(&path, 2 * PATH_MAX);
		td_buf_fmt(&path, "%s/%s", dir, names->items[i]);
		rc = td_buf_rc(&path) == TD_OK
			     ? td_yaml_read(td_buf_cstr(&path), &doc, report, reterr)
			     : no_memory(reterr);
		td_buf_done(&path);
		rc = take_read(set, rc, doc, report);
	}
	return rc;
}

enum td_rc
plan_set_load(const char *dir, struct plan_set **ret_set, struct td_yaml_report *report,
	      struct td_err *reterr)
{
	struct td_yaml_report own;
	struct plan_set *set;
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
	return finish(set, rc, ret_set, report, reterr);
}

enum td_rc
plan_set_load_memory(const struct td_yaml_text *texts, size_t count,
		     struct plan_set **ret_set, struct td_yaml_report *report,
		     struct td_err *reterr)
{
	struct td_yaml_report own;
	struct plan_set *set = set_new(count);
	enum td_rc rc = TD_OK;

	if (set == NULL)
		return no_memory(reterr);
	report = start_report(report, &own);
	for (size_t i = 0; rc == TD_OK && i < count; i++) {
		struct td_yaml_doc *doc = NULL;

		rc = td_yaml_parse(&texts[i], &doc, report, reterr);
		rc = take_read(set, rc, doc, report);
	}
	return finish(set, rc, ret_set, report, reterr);
}

void
plan_set_free(struct plan_set *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->count; i++)
		td_yaml_doc_free(set->items[i].doc);
	free(set->items);
	free(set);
}

size_t
plan_set_count(const struct plan_set *set)
{
	return set->count;
}

const struct plan *
plan_set_at(const struct plan_set *set, size_t i)
{
	return &set->items[i].pub;
}

const struct plan *
plan_find(const struct plan_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++) {
		if (strcmp(set->items[i].pub.name, name) == 0)
			return &set->items[i].pub;
	}
	return NULL;
}
