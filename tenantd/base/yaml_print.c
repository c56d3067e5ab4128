/*
 * Out of the same table: the annotated file, and what differs between two loaded structs.
 * What is printed can be read back, so texts are quoted whenever YAML could take them for
 * something else.
 */
#include "yaml_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WIDTH 78

static void
indent(struct td_buf *out, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		td_buf_str(out, "  ");
}

/* A comment, wrapped between words. */
static void
print_doc(struct td_buf *out, unsigned depth, const char *doc)
{
	while (*doc != '\0') {
		size_t room = WIDTH - 2 - 2 * (size_t)depth, len = strlen(doc);
		size_t line = strcspn(doc, "\n");

		if (line > room) {
			line = room;
			while (line > 0 && doc[line] != ' ')
				line--;
			if (line == 0)
				line = strcspn(doc, " \n");
		}
		indent(out, depth);
		td_buf_str(out, "# ");
		td_buf_add(out, doc, line);
		td_buf_char(out, '\n');
		doc += line < len ? line + 1 : len;
	}
}

/* Nothing in YAML but this text. Commas and brackets would end it in a list. */
static bool
is_plain_text(const char *s)
{
	static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789_./-+@";
	static const char *const words[] = { "null", "true", "false", "yes", "no",
					     "on",   "off",  "y",     "n",   NULL };

	if (s[0] == '\0' || strchr("-.+@0123456789", s[0]) != NULL ||
	    strspn(s, safe) != strlen(s))
		return false;
	for (size_t i = 0; words[i] != NULL; i++)
		if (strcasecmp(s, words[i]) == 0)
			return false;
	return true;
}

/* The code point at s and how many bytes it takes. What was loaded is valid UTF-8. */
static uint32_t
code_point(const char *s, size_t *ret_len)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c = len == 1 ? p[0] : p[0] & (0xffu >> (len + 1));

	for (size_t i = 1; i < len && p[i] != '\0'; i++)
		c = c << 6 | (p[i] & 0x3f);
	*ret_len = strnlen(s, len);
	return c;
}

/* In double quotes; what YAML 1.1 section 5.1 does not take as it is, or would fold as a
 * line break, is escaped. */
static void
print_quoted(struct td_buf *out, const char *s)
{
	size_t len;

	td_buf_char(out, '"');
	for (; *s != '\0' && td_buf_rc(out) == TD_OK; s += len) {
		uint32_t c = code_point(s, &len);

		if (c == '"' || c == '\\')
			td_buf_fmt(out, "\\%c", (char)c);
		else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 ||
			 c == 0x2029 || c == 0xfeff || c == 0xfffe || c == 0xffff)
			td_buf_fmt(out, "\\u%04x", c);
		else
			td_buf_add(out, s, len);
	}
	td_buf_char(out, '"');
}

static void
print_text(struct td_buf *out, const char *s)
{
	if (is_plain_text(s))
		td_buf_str(out, s);
	else
		print_quoted(out, s);
}

static void
print_strings(struct td_buf *out, const struct td_yaml_strings *s)
{
	td_buf_char(out, '[');
	for (size_t i = 0; i < s->count; i++) {
		if (i > 0)
			td_buf_str(out, ", ");
		print_text(out, s->items[i]);
	}
	td_buf_char(out, ']');
}

/* Also false for a number without a default, which is an unset one. */
static bool
is_set(const struct td_yaml_key *row, const void *base)
{
	const void *m = yaml_member_const(base, row);
	uint64_t v;

	switch (row->type) {
	case TD_YAML_STRING:
	case TD_YAML_PATH:
		return *(char *const *)m != NULL;
	case TD_YAML_UINT:
	case TD_YAML_BYTES:
	case TD_YAML_DURATION:
		memcpy(&v, m, sizeof(v));
		return v != 0 || row->fallback != NULL || row->need == TD_YAML_REQUIRED;
	case TD_YAML_STRING_LIST:
		return row->min == 0 || ((const struct td_yaml_strings *)m)->count > 0;
	case TD_YAML_LIST:
		return row->min == 0 || ((const struct td_yaml_list *)m)->count > 0;
	case TD_YAML_BOOL:
	case TD_YAML_ENUM:
		break;
	}
	return true;
}

static void
print_value(struct td_buf *out, const struct td_yaml_key *row, const void *m)
{
	char text[32];
	uint64_t v;
	int64_t ms;
	int index;

	switch (row->type) {
	case TD_YAML_STRING:
	case TD_YAML_PATH:
		print_text(out, *(char *const *)m);
		break;
	case TD_YAML_UINT:
		memcpy(&v, m, sizeof(v));
		td_buf_fmt(out, "%llu", (unsigned long long)v);
		break;
	case TD_YAML_BYTES:
		memcpy(&v, m, sizeof(v));
		td_yaml_bytes_text(v, text);
		td_buf_str(out, text);
		break;
	case TD_YAML_DURATION:
		memcpy(&ms, m, sizeof(ms));
		td_yaml_duration_text(ms, text);
		td_buf_str(out, text);
		break;
	case TD_YAML_BOOL:
		td_buf_str(out, *(const bool *)m ? "true" : "false");
		break;
	case TD_YAML_ENUM:
		memcpy(&index, m, sizeof(index));
		td_buf_str(out, row->names[index]);
		break;
	case TD_YAML_STRING_LIST:
		print_strings(out, m);
		break;
	case TD_YAML_LIST: /* print_list */
		break;
	}
}

void
yaml_facts(struct td_buf *out, const struct td_yaml_key *row)
{
	static const char *const types[] = {
		[TD_YAML_STRING] = "text",	 [TD_YAML_PATH] = "path",
		[TD_YAML_UINT] = "number",	 [TD_YAML_BYTES] = "size",
		[TD_YAML_DURATION] = "duration", [TD_YAML_BOOL] = "true or false",
		[TD_YAML_ENUM] = "one of",	 [TD_YAML_STRING_LIST] = "list of texts",
		[TD_YAML_LIST] = "list",
	};
	char low[32], high[32];

	td_buf_str(out, types[row->type]);
	for (size_t i = 0; row->type == TD_YAML_ENUM && row->names[i] != NULL; i++)
		td_buf_fmt(out, "%s %s", i == 0 ? "" : ",", row->names[i]);
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
	if (row->max > 0)
		td_buf_fmt(out, " %s..%s", low, high);
	else if (row->min > 0)
		td_buf_fmt(out, " from %s", low);
	if (row->need == TD_YAML_REQUIRED)
		td_buf_str(out, "; required");
	else if (row->fallback != NULL && row->fallback[0] != '\0')
		td_buf_fmt(out, "; default %s", row->fallback);
	td_buf_str(out, row->reload == TD_YAML_RELOAD ? "; SIGHUP" : "; restart");
}

static void
print_facts(struct td_buf *out, unsigned depth, const struct td_yaml_key *row)
{
	indent(out, depth);
	td_buf_str(out, "# (");
	yaml_facts(out, row);
	td_buf_str(out, ")\n");
}

static void print_struct(struct td_buf *out, const struct td_yaml_schema *schema,
			 const void *base, unsigned depth);

static void
print_list(struct td_buf *out, const struct td_yaml_key *row, const void *base,
	   unsigned depth)
{
	const struct td_yaml_list *list = yaml_member_const(base, row);

	if (list->count == 0) {
		td_buf_str(out, " []\n");
		return;
	}
	td_buf_char(out, '\n');
	for (size_t i = 0; i < list->count; i++) {
		indent(out, depth + 1);
		td_buf_str(out, "-\n");
		print_struct(out, row->items,
			     (const char *)list->items + i * row->items->size, depth + 2);
	}
}

/* What an item of a list may hold, as a comment: there is none to show. */
static void
print_list_help(struct td_buf *out, const struct td_yaml_key *row, unsigned depth)
{
	print_doc(out, depth, "Each item:");
	for (size_t i = 0; i < row->items->count; i++) {
		const struct td_yaml_key *k = &row->items->keys[i];

		indent(out, depth);
		td_buf_fmt(out, "#   %s: %s\n", k->path, k->doc == NULL ? "" : k->doc);
		print_facts(out, depth, k);
		if (k->type == TD_YAML_LIST)
			print_list_help(out, k, depth + 1);
	}
}

/* The sections that lie between the row before and this one; gives the row's own key. */
static const char *
print_sections(struct td_buf *out, const char *before, const char *path, unsigned *depth)
{
	size_t same = 0, start = 0;
	const char *dot;

	/* Only whole sections count as common. */
	for (size_t i = 0; path[i] != '\0' && path[i] == before[i]; i++)
		if (path[i] == '.')
			same = i + 1;
	while ((dot = strchr(path + start, '.')) != NULL) {
		size_t end = (size_t)(dot - path);

		if (end >= same) {
			if (*depth == 0)
				td_buf_char(out, '\n');
			indent(out, *depth);
			td_buf_add(out, path + start, end - start);
			td_buf_str(out, ":\n");
		}
		(*depth)++;
		start = end + 1;
	}
	return path + start;
}

static void
print_struct(struct td_buf *out, const struct td_yaml_schema *schema, const void *base,
	     unsigned depth)
{
	const char *before = "";

	for (size_t i = 0; i < schema->count; i++) {
		const struct td_yaml_key *row = &schema->keys[i];
		unsigned at = depth;
		const char *name = print_sections(out, before, row->path, &at);

		before = row->path;
		if (row->doc != NULL)
			print_doc(out, at, row->doc);
		print_facts(out, at, row);
		if (row->type == TD_YAML_LIST &&
		    ((const struct td_yaml_list *)yaml_member_const(base, row))->count ==
			    0)
			print_list_help(out, row, at);
		indent(out, at);
		if (!is_set(row, base)) {
			td_buf_fmt(out, "# %s:\n", name);
		} else if (row->type == TD_YAML_LIST) {
			td_buf_fmt(out, "%s:", name);
			print_list(out, row, base, at);
		} else {
			td_buf_fmt(out, "%s: ", name);
			print_value(out, row, yaml_member_const(base, row));
			td_buf_char(out, '\n');
		}
	}
}

/* Defaults, required keys left unset: what td_yaml_load would refuse. */
static bool
load_defaults(const struct td_yaml_schema *schema, void *base)
{
	struct td_yaml_key *keys = calloc(schema->count + 1, sizeof(keys[0]));
	struct td_yaml_report *report = calloc(1, sizeof(*report));
	struct td_yaml_schema relaxed = *schema;
	bool ok = false;

	if (keys != NULL && report != NULL) {
		for (size_t i = 0; i < schema->count; i++) {
			keys[i] = schema->keys[i];
			keys[i].need = TD_YAML_OPTIONAL;
		}
		relaxed.keys = keys;
		ok = td_yaml_load(&relaxed, NULL, base, report, NULL) == TD_OK;
	}
	free(keys);
	free(report);
	return ok;
}

void
td_yaml_print(const struct td_yaml_schema *schema, const void *loaded, struct td_buf *out)
{
	void *defaults = NULL;

	if (schema->doc != NULL)
		print_doc(out, 0, schema->doc);
	if (loaded == NULL) {
		defaults = calloc(1, schema->size);
		if (defaults == NULL || !load_defaults(schema, defaults)) {
			free(defaults);
			out->rc = out->rc == TD_OK ? TD_NOMEM : out->rc;
			return;
		}
	}
	print_struct(out, schema, loaded == NULL ? defaults : loaded, 0);
	if (defaults != NULL) {
		td_yaml_free(schema, defaults);
		free(defaults);
	}
}

/* ---- differences ---- */

struct diff {
	td_yaml_change_fn fn;
	void *ctx;
	size_t restarts;
};

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
same_value(const struct td_yaml_key *row, const void *a, const void *b)
{
	const struct td_yaml_strings *sa = a, *sb = b;

	switch (row->type) {
	case TD_YAML_STRING:
	case TD_YAML_PATH:
		return same_text(*(char *const *)a, *(char *const *)b);
	case TD_YAML_UINT:
	case TD_YAML_BYTES:
	case TD_YAML_DURATION:
		return memcmp(a, b, sizeof(uint64_t)) == 0;
	case TD_YAML_BOOL:
		return *(const bool *)a == *(const bool *)b;
	case TD_YAML_ENUM:
		return memcmp(a, b, sizeof(int)) == 0;
	case TD_YAML_STRING_LIST:
		if (sa->count != sb->count)
			return false;
		for (size_t i = 0; i < sa->count; i++)
			if (strcmp(sa->items[i], sb->items[i]) != 0)
				return false;
		return true;
	case TD_YAML_LIST: /* diff_struct */
		break;
	}
	return false;
}

static void
changed(struct diff *d, const struct td_yaml_key *row, const char *at)
{
	char path[YAML_MAX_PATH * 2];

	d->restarts += row->reload == TD_YAML_RESTART;
	snprintf(path, sizeof(path), "%s%s", at, row->path);
	if (d->fn != NULL)
		d->fn(d->ctx, path, row->reload);
}

static void
diff_struct(struct diff *d, const struct td_yaml_schema *schema, const void *before,
	    const void *after, const char *at)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct td_yaml_key *row = &schema->keys[i];
		const void *a = yaml_member_const(before, row);
		const void *b = yaml_member_const(after, row);
		const struct td_yaml_list *la = a, *lb = b;

		if (row->type != TD_YAML_LIST) {
			if (!same_value(row, a, b))
				changed(d, row, at);
			continue;
		}
		if (la->count != lb->count) {
			changed(d, row, at);
			continue;
		}
		for (size_t k = 0; k < la->count; k++) {
			size_t skip = k * row->items->size;
			char item[YAML_MAX_PATH * 2];

			snprintf(item, sizeof(item), "%s%s[%zu].", at, row->path, k);
			diff_struct(d, row->items, (const char *)la->items + skip,
				    (const char *)lb->items + skip, item);
		}
	}
}

size_t
td_yaml_diff(const struct td_yaml_schema *schema, const void *before, const void *after,
	     td_yaml_change_fn fn, void *ctx)
{
	struct diff d = { .fn = fn, .ctx = ctx };

	diff_struct(&d, schema, before, after, "");
	return d.restarts;
}
