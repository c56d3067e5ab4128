/*
 * The document is walked once; each key is looked up in the table by its full path, so
 * that what the table does not know is found where it stands. Then the rows that were not
 * seen get their defaults, through the same code that reads what people wrote. A row that
 * cannot be read adds a complaint and the walk goes on.
 */
#include "yaml_internal.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct load {
	const struct td_yaml_doc *doc; /* may be NULL */
	struct td_yaml_report *report;
	bool nomem;
	char want[256]; /* scratch: what was expected */
};

/* One struct being filled: by which schema, what was seen, and how to call it. */
struct target {
	const struct td_yaml_schema *schema;
	void *base;
	bool *seen;
	const char *at; /* "" or "regions[0]." */
};

/* ---- one value ---- */

static const char *
want_range(struct load *l, const struct td_yaml_key *row, const char *what)
{
	char low[32], high[32];

	if (row->type == TD_YAML_BYTES) {
		td_yaml_bytes_text(row->min, low);
		td_yaml_bytes_text(row->max, high);
	} else if (row->type == TD_YAML_DURATION) {
		td_yaml_duration_text((int64_t)row->min, low);
		td_yaml_duration_text((int64_t)row->max, high);
	} else {
		snprintf(low, sizeof(low), "%llu", (unsigned long long)row->min);
		snprintf(high, sizeof(high), "%llu", (unsigned long long)row->max);
	}
	if (row->min == 0 && row->max == 0)
		snprintf(l->want, sizeof(l->want), "%s", what);
	else if (row->max == 0)
		snprintf(l->want, sizeof(l->want), "%s, at least %s", what, low);
	else
		snprintf(l->want, sizeof(l->want), "%s from %s to %s", what, low, high);
	return l->want;
}

static bool
in_range(const struct td_yaml_key *row, uint64_t v)
{
	return v >= row->min && (row->max == 0 || v <= row->max);
}

static const char *
set_number(struct load *l, const struct td_yaml_key *row, const char *text, void *out)
{
	uint64_t v;
	int64_t ms;

	if (row->type == TD_YAML_UINT) {
		if (!td_yaml_uint(text, &v) || !in_range(row, v))
			return want_range(l, row, "a number");
		memcpy(out, &v, sizeof(v));
	} else if (row->type == TD_YAML_BYTES) {
		if (!td_yaml_bytes(text, &v) || !in_range(row, v))
			return want_range(l, row, "a size such as 64Mi");
		memcpy(out, &v, sizeof(v));
	} else {
		if (!td_yaml_duration(text, &ms) || !in_range(row, (uint64_t)ms))
			return want_range(l, row,
					  "a duration such as 500ms, 30s, 15m, 2h, 7d");
		memcpy(out, &ms, sizeof(ms));
	}
	return NULL;
}

static const char *
set_bool(const char *text, void *out)
{
	bool v = strcmp(text, "true") == 0;

	if (!v && strcmp(text, "false") != 0)
		return "true or false";
	memcpy(out, &v, sizeof(v));
	return NULL;
}

static const char *
set_enum(struct load *l, const struct td_yaml_key *row, const char *text, void *out)
{
	size_t len;

	for (int i = 0; row->names[i] != NULL; i++) {
		if (strcmp(row->names[i], text) == 0) {
			memcpy(out, &i, sizeof(i));
			return NULL;
		}
	}
	len = (size_t)snprintf(l->want, sizeof(l->want), "one of");
	for (int i = 0; row->names[i] != NULL && len < sizeof(l->want); i++)
		len += (size_t)snprintf(l->want + len, sizeof(l->want) - len, "%s %s",
					i == 0 ? "" : ",", row->names[i]);
	return l->want;
}

static const char *
set_text(struct load *l, const struct td_yaml_key *row, const char *text, char **out)
{
	const char *want;

	if (row->type == TD_YAML_PATH && (text[0] != '/' || strlen(text) >= PATH_MAX))
		return "an absolute path";
	/* Of a list, min and max bound the number of texts. */
	if (row->type != TD_YAML_STRING_LIST && !in_range(row, strlen(text)))
		return want_range(l, row, "a text with a length");
	want = row->check == NULL ? NULL : row->check(text);
	if (want != NULL)
		return want;
	*out = strdup(text);
	l->nomem |= *out == NULL;
	return NULL;
}

/* NULL, or what was expected. */
static const char *
set_scalar(struct load *l, const struct td_yaml_key *row, const char *text, void *out)
{
	switch (row->type) {
	case TD_YAML_STRING:
	case TD_YAML_PATH:
		return set_text(l, row, text, out);
	case TD_YAML_UINT:
	case TD_YAML_BYTES:
	case TD_YAML_DURATION:
		return set_number(l, row, text, out);
	case TD_YAML_BOOL:
		return set_bool(text, out);
	case TD_YAML_ENUM:
		return set_enum(l, row, text, out);
	case TD_YAML_STRING_LIST:
	case TD_YAML_LIST:
		break;
	}
	/* load_row and load_default hand lists to others. */
	assert(row->type != TD_YAML_LIST && row->type != TD_YAML_STRING_LIST);
	return "a list";
}

/* What a person would call it when something else stands there. */
static const char *
want_type(struct load *l, const struct td_yaml_key *row)
{
	switch (row->type) {
	case TD_YAML_STRING:
		return "a text";
	case TD_YAML_PATH:
		return "an absolute path";
	case TD_YAML_UINT:
		return want_range(l, row, "a number");
	case TD_YAML_BYTES:
		return want_range(l, row, "a size such as 64Mi");
	case TD_YAML_DURATION:
		return want_range(l, row, "a duration such as 500ms, 30s, 15m, 2h, 7d");
	case TD_YAML_BOOL:
		return "true or false";
	case TD_YAML_ENUM:
		return set_enum(l, row, "", l->want);
	case TD_YAML_STRING_LIST:
		return want_range(l, row, "a list of texts, its length");
	case TD_YAML_LIST:
		return want_range(l, row, "a list of mappings, its length");
	}
	return "something else";
}

static void
complain(struct load *l, const struct td_yaml_node *n, const char *path, const char *want)
{
	char found[64];

	td_yaml_complain(l->report, l->doc, n, "%s: expected %s, found %s", path, want,
			 td_yaml_found(n, found));
}

/* ---- lists ---- */

static void
load_strings(struct load *l, const struct td_yaml_key *row, const struct td_yaml_node *n,
	     struct td_yaml_strings *out, const char *path)
{
	size_t count = td_yaml_count(n);

	if (count == 0)
		return;
	out->items = calloc(count, sizeof(out->items[0]));
	if (out->items == NULL) {
		l->nomem = true;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		const struct td_yaml_node *item = td_yaml_at(n, i);
		const char *want = "a text";
		char at[YAML_MAX_PATH + 24];

		if (td_yaml_kind(item) == TD_YAML_SCALAR && !td_yaml_is_null(item))
			want = set_text(l, row, td_yaml_scalar(item),
					&out->items[out->count]);
		if (want == NULL) {
			out->count++;
			continue;
		}
		snprintf(at, sizeof(at), "%s[%zu]", path, i);
		complain(l, item, at, want);
	}
}

static void load_struct(struct load *l, const struct td_yaml_schema *schema,
			const struct td_yaml_node *n, void *base, const char *at);

static void
load_list(struct load *l, const struct td_yaml_key *row, const struct td_yaml_node *n,
	  struct td_yaml_list *out, const char *path)
{
	size_t count = td_yaml_count(n);

	if (count == 0)
		return;
	out->items = calloc(count, row->items->size);
	if (out->items == NULL) {
		l->nomem = true;
		return;
	}
	out->count = count;
	for (size_t i = 0; i < count; i++) {
		const struct td_yaml_node *item = td_yaml_at(n, i);
		char at[YAML_MAX_PATH + 24];

		snprintf(at, sizeof(at), "%s[%zu]", path, i);
		if (td_yaml_kind(item) != TD_YAML_MAPPING) {
			complain(l, item, at, "a mapping");
			continue;
		}
		snprintf(at, sizeof(at), "%s[%zu].", path, i);
		load_struct(l, row->items, item,
			    (char *)out->items + i * row->items->size, at);
	}
}

static void
load_row(struct load *l, const struct td_yaml_key *row, const struct td_yaml_node *n,
	 void *base, const char *path)
{
	bool is_list = row->type == TD_YAML_STRING_LIST || row->type == TD_YAML_LIST;
	enum td_yaml_kind kind = is_list ? TD_YAML_SEQUENCE : TD_YAML_SCALAR;
	void *out = yaml_member(base, row);
	const char *want;

	if (td_yaml_kind(n) != kind || td_yaml_is_null(n) ||
	    (is_list && !in_range(row, td_yaml_count(n)))) {
		char found[64];

		if (is_list && td_yaml_kind(n) == TD_YAML_SEQUENCE)
			td_yaml_complain(l->report, l->doc, n,
					 "%s: expected %s, found %zu", path,
					 want_type(l, row), td_yaml_count(n));
		else
			td_yaml_complain(l->report, l->doc, n,
					 "%s: expected %s, found %s", path,
					 want_type(l, row), td_yaml_found(n, found));
	} else if (row->type == TD_YAML_STRING_LIST) {
		load_strings(l, row, n, out, path);
	} else if (row->type == TD_YAML_LIST) {
		load_list(l, row, n, out, path);
	} else {
		/* "8080" in quotes is a text and no number. */
		bool is_text = row->type == TD_YAML_STRING || row->type == TD_YAML_PATH;

		want = !is_text && !td_yaml_is_plain(n)
			       ? want_type(l, row)
			       : set_scalar(l, row, td_yaml_scalar(n), out);
		if (want != NULL)
			complain(l, n, path, want);
	}
}

/* ---- the walk ---- */

/* The row of a path; *ret_section: some rows lie below it. */
static const struct td_yaml_key *
find_row(const struct td_yaml_schema *s, const char *path, bool *ret_section)
{
	size_t len = strlen(path);

	*ret_section = false;
	for (size_t i = 0; i < s->count; i++) {
		if (strncmp(s->keys[i].path, path, len) != 0)
			continue;
		if (s->keys[i].path[len] == '\0')
			return &s->keys[i];
		*ret_section |= s->keys[i].path[len] == '.';
	}
	return NULL;
}

/* "unknown key; known here: a, b, c" */
static void
complain_unknown(struct load *l, const struct target *t, const struct td_yaml_node *key,
		 const char *prefix)
{
	char known[200] = "";
	const char *last = "";
	size_t len = 0, last_len = 0, skip = strlen(prefix);

	for (size_t i = 0; i < t->schema->count; i++) {
		const char *p = t->schema->keys[i].path;
		size_t n;

		if (strncmp(p, prefix, skip) != 0)
			continue;
		p += skip;
		n = strcspn(p, ".");
		if (n == last_len && strncmp(p, last, n) == 0)
			continue;
		if (len + n + 6 > sizeof(known)) {
			snprintf(known + len, sizeof(known) - len, " ...");
			break;
		}
		len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%.*s",
					len == 0 ? "" : ", ", (int)n, p);
		last = p;
		last_len = n;
	}
	td_yaml_complain(l->report, l->doc, key, "%s%s%.60s: unknown key; known here: %s",
			 t->at, prefix, td_yaml_scalar(key), known);
}

/* prefix: "" or "store." */
static void
walk(struct load *l, const struct target *t, const struct td_yaml_node *map,
     const char *prefix)
{
	for (size_t i = 0; i < td_yaml_count(map); i++) {
		const struct td_yaml_node *key = td_yaml_key_at(map, i);
		const struct td_yaml_node *value = td_yaml_at(map, i);
		const struct td_yaml_key *row = NULL;
		char path[YAML_MAX_PATH], shown[YAML_MAX_PATH * 2];
		bool section = false;
		int n = snprintf(path, sizeof(path), "%s%s", prefix, td_yaml_scalar(key));

		/* A dot inside a key would reach around the nesting. */
		if (n > 0 && (size_t)n < sizeof(path) - 1 &&
		    strpbrk(td_yaml_scalar(key), ".") == NULL)
			row = find_row(t->schema, path, &section);
		snprintf(shown, sizeof(shown), "%s%s", t->at, path);
		if (row != NULL) {
			t->seen[row - t->schema->keys] = true;
			load_row(l, row, value, t->base, shown);
		} else if (!section) {
			complain_unknown(l, t, key, prefix);
		} else if (td_yaml_kind(value) == TD_YAML_MAPPING) {
			path[n] = '.';
			path[n + 1] = '\0';
			walk(l, t, value, path);
		} else if (!td_yaml_is_null(value)) {
			/* A section whose keys are all commented out is fine. */
			complain(l, value, shown, "a mapping");
		}
	}
}

/* "a, b" */
static void
default_strings(struct load *l, const struct td_yaml_key *row,
		struct td_yaml_strings *out)
{
	size_t count = 1;
	const char *p = row->fallback;

	if (*p == '\0')
		return;
	for (const char *c = p; *c != '\0'; c++)
		count += *c == ',';
	out->items = calloc(count, sizeof(out->items[0]));
	if (out->items == NULL) {
		l->nomem = true;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		size_t len;

		p += strspn(p, " ");
		len = strcspn(p, ",");
		out->items[i] = strndup(p, len);
		if (out->items[i] == NULL) {
			l->nomem = true;
			return;
		}
		out->count++;
		p += len + (p[len] == ',');
	}
}

static void
load_default(struct load *l, const struct td_yaml_key *row, void *base)
{
	const char *want;

	if (row->type == TD_YAML_STRING_LIST) {
		default_strings(l, row, yaml_member(base, row));
		return;
	}
	want = set_scalar(l, row, row->fallback, yaml_member(base, row));
	/* The table itself is wrong. */
	assert(want == NULL);
	(void)want;
}

/* n NULL: nothing was written. */
static void
load_struct(struct load *l, const struct td_yaml_schema *schema,
	    const struct td_yaml_node *n, void *base, const char *at)
{
	struct target t = { .schema = schema, .base = base, .at = at };

	t.seen = calloc(schema->count + 1, sizeof(t.seen[0]));
	if (t.seen == NULL) {
		l->nomem = true;
		return;
	}
	if (n != NULL)
		walk(l, &t, n, "");
	for (size_t i = 0; i < schema->count && !l->nomem; i++) {
		const struct td_yaml_key *row = &schema->keys[i];

		if (t.seen[i])
			continue;
		if (row->need == TD_YAML_REQUIRED)
			td_yaml_complain(l->report, l->doc, n,
					 "%s%s: required, expected %s, found nothing", at,
					 row->path, want_type(l, row));
		else if (row->fallback != NULL)
			load_default(l, row, base);
	}
	free(t.seen);
}

enum td_rc
td_yaml_load(const struct td_yaml_schema *schema, const struct td_yaml_doc *doc,
	     void *ret, struct td_yaml_report *report, struct td_err *reterr)
{
	struct load l = { .doc = doc, .report = report };
	const struct td_yaml_node *root = doc == NULL ? NULL : td_yaml_root(doc);
	size_t before = report->count + report->dropped;
	enum td_rc rc = TD_OK;

	memset(ret, 0, schema->size);
	if (root != NULL && td_yaml_kind(root) != TD_YAML_MAPPING)
		complain(&l, root, "the file", "a mapping");
	else
		load_struct(&l, schema, root, ret, "");
	if (l.nomem)
		rc = td_err_set(reterr, TD_NOMEM, "configuration: no memory");
	else if (report->count + report->dropped > before)
		rc = td_yaml_report_rc(report, reterr);
	if (rc != TD_OK)
		td_yaml_free(schema, ret);
	return rc;
}

static void
free_strings(struct td_yaml_strings *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i]);
	free(s->items);
}

void
td_yaml_free(const struct td_yaml_schema *schema, void *loaded)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct td_yaml_key *row = &schema->keys[i];
		void *member = yaml_member(loaded, row);

		if (row->type == TD_YAML_STRING || row->type == TD_YAML_PATH) {
			free(*(char **)member);
		} else if (row->type == TD_YAML_STRING_LIST) {
			free_strings(member);
		} else if (row->type == TD_YAML_LIST) {
			struct td_yaml_list *list = member;

			for (size_t k = 0; k < list->count; k++)
				td_yaml_free(row->items,
					     (char *)list->items + k * row->items->size);
			free(list->items);
		}
	}
	memset(loaded, 0, schema->size);
}
