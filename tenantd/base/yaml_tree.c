/*
 * From libyaml's events to an own tree. Each node is one allocation that knows its line;
 * what is refused is complained about where it stands, and reading goes on, so that one
 * run shows all that is wrong. Only what libyaml itself cannot read, and nesting that is
 * too deep, ends it early.
 */
#include "yaml_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

struct td_yaml_node {
	enum td_yaml_kind kind;
	bool plain;
	unsigned line;
	char *text; /* of a scalar */
	size_t count, cap;
	struct td_yaml_node **items; /* of a sequence, or values of a mapping */
	struct td_yaml_node **keys;  /* of a mapping */
};

struct td_yaml_doc {
	char *name;
	struct td_yaml_node *root;
};

void
td_yaml_report_init(struct td_yaml_report *r)
{
	r->count = 0;
	r->dropped = 0;
}

enum td_rc
td_yaml_report_rc(const struct td_yaml_report *r, struct td_err *reterr)
{
	size_t more;

	if (r->count == 0)
		return TD_OK;
	more = r->count - 1 + r->dropped;
	if (more == 0)
		return td_err_set(reterr, TD_INVALID, "%s", r->text[0]);
	/* The count comes first: the text may be cut. */
	return td_err_set(reterr, TD_INVALID, "(1 of %zu) %s", more + 1, r->text[0]);
}

static void complain_line(struct td_yaml_report *r, const struct td_yaml_doc *doc,
			  unsigned line, const char *fmt, va_list ap) TD_PRINTF(4, 0);

/* line 0: unknown */
static void
complain_line(struct td_yaml_report *r, const struct td_yaml_doc *doc, unsigned line,
	      const char *fmt, va_list ap)
{
	char *out;
	int n = 0;

	if (r->count == TD_YAML_MAX_COMPLAINTS) {
		r->dropped++;
		return;
	}
	out = r->text[r->count++];
	if (doc != NULL && line > 0)
		n = snprintf(out, TD_YAML_COMPLAINT_LEN, "%.150s:%u: ", doc->name, line);
	else if (doc != NULL)
		n = snprintf(out, TD_YAML_COMPLAINT_LEN, "%.150s: ", doc->name);
	if (n < 0 || vsnprintf(out + n, TD_YAML_COMPLAINT_LEN - (size_t)n, fmt, ap) < 0)
		out[0] = '\0';
}

void
td_yaml_complain(struct td_yaml_report *r, const struct td_yaml_doc *doc,
		 const struct td_yaml_node *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_line(r, doc, n == NULL ? 0 : n->line, fmt, ap);
	va_end(ap);
}

/* ---- building ---- */

struct builder {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one */
	bool have_event;
	bool dead; /* libyaml gave up, or nesting is too deep */
	bool nomem;
	const struct td_yaml_doc *doc;
	struct td_yaml_report *report;
};

static void refuse(struct builder *b, unsigned line, const char *fmt, ...)
	TD_PRINTF(3, 4);

static void
refuse(struct builder *b, unsigned line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_line(b->report, b->doc, line, fmt, ap);
	va_end(ap);
}

static unsigned
event_line(const struct builder *b)
{
	return (unsigned)b->event.start_mark.line + 1;
}

/* The next event into b->event; false when the reading is over. */
static bool
next(struct builder *b)
{
	const yaml_parser_t *p = &b->parser;

	if (b->have_event)
		yaml_event_delete(&b->event);
	b->have_event = false;
	if (b->dead || b->nomem)
		return false;
	if (yaml_parser_parse(&b->parser, &b->event) == 1) {
		b->have_event = true;
		return true;
	}
	b->dead = true;
	if (p->error == YAML_MEMORY_ERROR)
		b->nomem = true;
	else
		refuse(b, (unsigned)p->problem_mark.line + 1, "not YAML: %s%s%s",
		       p->context == NULL ? "" : p->context,
		       p->context == NULL ? "" : ", ",
		       p->problem == NULL ? "unreadable" : p->problem);
	return false;
}

static void
node_free(struct td_yaml_node *n)
{
	if (n == NULL)
		return;
	for (size_t i = 0; i < n->count; i++) {
		node_free(n->items[i]);
		if (n->keys != NULL)
			node_free(n->keys[i]);
	}
	free(n->items);
	free(n->keys);
	free(n->text);
	free(n);
}

static struct td_yaml_node *
node_new(struct builder *b, enum td_yaml_kind kind)
{
	struct td_yaml_node *n = calloc(1, sizeof(*n));

	if (n == NULL) {
		b->nomem = true;
		return NULL;
	}
	n->kind = kind;
	n->line = event_line(b);
	return n;
}

static bool
node_room(struct builder *b, struct td_yaml_node *n)
{
	size_t cap = n->cap == 0 ? 8 : n->cap * 2;
	struct td_yaml_node **grown;

	if (n->count < n->cap)
		return true;
	grown = reallocarray(n->items, cap, sizeof(grown[0]));
	if (grown != NULL) {
		n->items = grown;
		if (n->kind == TD_YAML_MAPPING) {
			grown = reallocarray(n->keys, cap, sizeof(grown[0]));
			if (grown != NULL)
				n->keys = grown;
		}
	}
	if (grown == NULL) {
		b->nomem = true;
		return false;
	}
	n->cap = cap;
	return true;
}

/* Takes key (NULL in a sequence) and value, also when it fails. */
static void
node_add(struct builder *b, struct td_yaml_node *n, struct td_yaml_node *key,
	 struct td_yaml_node *value)
{
	if (n->count == YAML_MAX_CHILDREN) {
		refuse(b, value->line, "more than %d entries", YAML_MAX_CHILDREN);
		b->dead = true;
	}
	if (b->dead || !node_room(b, n)) {
		node_free(key);
		node_free(value);
		return;
	}
	if (n->kind == TD_YAML_MAPPING)
		n->keys[n->count] = key;
	n->items[n->count++] = value;
}

static void
check_mark_up(struct builder *b, const unsigned char *anchor, const unsigned char *tag)
{
	if (anchor != NULL)
		refuse(b, event_line(b), "anchors (&name) are not taken");
	if (tag != NULL)
		refuse(b, event_line(b), "tags (!name) are not taken");
}

static struct td_yaml_node *
build_scalar(struct builder *b)
{
	struct td_yaml_node *n = node_new(b, TD_YAML_SCALAR);
	const unsigned char *value;
	size_t len;

	if (n == NULL)
		return NULL;
	if (b->event.type == YAML_ALIAS_EVENT) {
		refuse(b, n->line, "aliases (*name) are not taken");
		value = (const unsigned char *)"";
		len = 0;
	} else {
		check_mark_up(b, b->event.data.scalar.anchor, b->event.data.scalar.tag);
		value = b->event.data.scalar.value;
		len = b->event.data.scalar.length;
		n->plain = b->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	}
	if (memchr(value, 0, len) != NULL)
		refuse(b, n->line, "text with a NUL byte");
	n->text = malloc(len + 1);
	if (n->text == NULL) {
		b->nomem = true;
		node_free(n);
		return NULL;
	}
	memcpy(n->text, value, len);
	n->text[len] = '\0';
	return n;
}

static void
check_key(struct builder *b, const struct td_yaml_node *map,
	  const struct td_yaml_node *key)
{
	if (key->kind != TD_YAML_SCALAR) {
		refuse(b, key->line, "a key must be plain text");
		return;
	}
	if (key->plain && strcmp(key->text, "<<") == 0)
		refuse(b, key->line, "merge keys (<<) are not taken");
	for (size_t i = 0; i < map->count; i++)
		if (map->keys[i]->kind == TD_YAML_SCALAR &&
		    strcmp(map->keys[i]->text, key->text) == 0) {
			refuse(b, key->line,
			       "%.80s: duplicate key, first seen on line %u", key->text,
			       map->keys[i]->line);
			return;
		}
}

static struct td_yaml_node *build(struct builder *b, unsigned depth);

static void
build_mapping(struct builder *b, struct td_yaml_node *map, unsigned depth)
{
	while (next(b) && b->event.type != YAML_MAPPING_END_EVENT) {
		struct td_yaml_node *key = build(b, depth + 1), *value;

		if (key == NULL)
			return;
		check_key(b, map, key);
		value = next(b) ? build(b, depth + 1) : NULL;
		if (value == NULL) {
			node_free(key);
			return;
		}
		node_add(b, map, key, value);
	}
}

static void
build_sequence(struct builder *b, struct td_yaml_node *seq, unsigned depth)
{
	while (next(b) && b->event.type != YAML_SEQUENCE_END_EVENT) {
		struct td_yaml_node *item = build(b, depth + 1);

		if (item == NULL)
			return;
		node_add(b, seq, NULL, item);
	}
}

/* The node that starts at the current event. NULL: b is dead or out of memory. */
static struct td_yaml_node *
build(struct builder *b, unsigned depth)
{
	struct td_yaml_node *n;

	if (depth > YAML_MAX_DEPTH) {
		refuse(b, event_line(b), "nested deeper than %d", YAML_MAX_DEPTH);
		b->dead = true;
		return NULL;
	}
	if (b->event.type == YAML_MAPPING_START_EVENT) {
		check_mark_up(b, b->event.data.mapping_start.anchor,
			      b->event.data.mapping_start.tag);
		n = node_new(b, TD_YAML_MAPPING);
		if (n != NULL)
			build_mapping(b, n, depth);
	} else if (b->event.type == YAML_SEQUENCE_START_EVENT) {
		check_mark_up(b, b->event.data.sequence_start.anchor,
			      b->event.data.sequence_start.tag);
		n = node_new(b, TD_YAML_SEQUENCE);
		if (n != NULL)
			build_sequence(b, n, depth);
	} else {
		n = build_scalar(b);
	}
	if (b->dead || b->nomem) {
		node_free(n);
		return NULL;
	}
	return n;
}

static struct td_yaml_node *
build_stream(struct builder *b)
{
	struct td_yaml_node *root = NULL;

	while (next(b) && b->event.type != YAML_STREAM_END_EVENT) {
		if (b->event.type != YAML_DOCUMENT_START_EVENT)
			continue;
		if (root != NULL) {
			refuse(b, event_line(b),
			       "a second document: one file, one document");
			break;
		}
		if (next(b))
			root = build(b, 1);
	}
	return root;
}

enum td_rc
td_yaml_parse(const struct td_yaml_text *text, struct td_yaml_doc **ret_doc,
	      struct td_yaml_report *report, struct td_err *reterr)
{
	struct td_yaml_report own;
	struct td_yaml_doc *doc = calloc(1, sizeof(*doc));
	struct builder b = { .doc = doc, .report = report == NULL ? &own : report };
	size_t before;
	enum td_rc rc;

	td_yaml_report_init(&own);
	before = b.report->count + b.report->dropped;
	if (doc != NULL)
		doc->name = strdup(text->name);
	if (doc == NULL || doc->name == NULL || yaml_parser_initialize(&b.parser) != 1) {
		td_yaml_doc_free(doc);
		return td_err_set(reterr, TD_NOMEM, "%s: no memory", text->name);
	}
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, text->data, text->len);
	if (text->len > YAML_MAX_FILE)
		refuse(&b, 0, "more than %zu bytes", YAML_MAX_FILE);
	else
		doc->root = build_stream(&b);
	if (b.have_event)
		yaml_event_delete(&b.event);
	yaml_parser_delete(&b.parser);
	if (b.nomem)
		rc = td_err_set(reterr, TD_NOMEM, "%s: no memory", text->name);
	else if (b.report->count + b.report->dropped > before)
		rc = td_yaml_report_rc(b.report, reterr);
	else
		rc = TD_OK;
	if (rc == TD_OK)
		*ret_doc = doc;
	else
		td_yaml_doc_free(doc);
	return rc;
}

/* The whole file, and at least one byte more than allowed when it is too long. */
static enum td_rc
read_file(const char *path, struct td_buf *out, struct td_err *reterr)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	char chunk[16384];
	ssize_t n = 0;
	int failed = 0;

	if (fd < 0 || fstat(fd, &st) != 0) {
		failed = errno;
		if (fd >= 0)
			close(fd);
		return td_err_sys(reterr, TD_IO, failed, "%s", path);
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return td_err_set(reterr, TD_IO, "%s: not a regular file", path);
	}
	while (out->len <= YAML_MAX_FILE && td_buf_rc(out) == TD_OK) {
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		td_buf_add(out, chunk, (size_t)n);
	}
	failed = n < 0 ? errno : 0;
	close(fd);
	if (failed != 0)
		return td_err_sys(reterr, TD_IO, failed, "%s", path);
	if (td_buf_rc(out) != TD_OK)
		return td_err_set(reterr, td_buf_rc(out), "%s: no memory", path);
	return TD_OK;
}

enum td_rc
td_yaml_read(const char *path, struct td_yaml_doc **ret_doc,
	     struct td_yaml_report *report, struct td_err *reterr)
{
	struct td_buf content;
	enum td_rc rc;

	td_buf_init(&content, YAML_MAX_FILE + 32768);
	rc = read_file(path, &content, reterr);
	if (rc == TD_OK) {
		struct td_yaml_text text = { path, td_buf_cstr(&content), content.len };

		rc = td_yaml_parse(&text, ret_doc, report, reterr);
	} else if (report != NULL && reterr != NULL) {
		td_yaml_complain(report, NULL, NULL, "%s", reterr->detail);
	}
	td_buf_done(&content);
	return rc;
}

/* ---- walking ---- */

void
td_yaml_doc_free(struct td_yaml_doc *doc)
{
	if (doc == NULL)
		return;
	node_free(doc->root);
	free(doc->name);
	free(doc);
}

const char *
td_yaml_doc_name(const struct td_yaml_doc *doc)
{
	return doc->name;
}

const struct td_yaml_node *
td_yaml_root(const struct td_yaml_doc *doc)
{
	return doc->root != NULL && !td_yaml_is_null(doc->root) ? doc->root : NULL;
}

enum td_yaml_kind
td_yaml_kind(const struct td_yaml_node *n)
{
	return n->kind;
}

unsigned
td_yaml_line(const struct td_yaml_node *n)
{
	return n->line;
}

const char *
td_yaml_scalar(const struct td_yaml_node *n)
{
	return n->text;
}

bool
td_yaml_is_plain(const struct td_yaml_node *n)
{
	return n->plain;
}

bool
td_yaml_is_null(const struct td_yaml_node *n)
{
	return n->kind == TD_YAML_SCALAR && n->plain &&
	       (n->text[0] == '\0' || strcmp(n->text, "~") == 0 ||
		strcmp(n->text, "null") == 0);
}

size_t
td_yaml_count(const struct td_yaml_node *n)
{
	return n->count;
}

const struct td_yaml_node *
td_yaml_at(const struct td_yaml_node *n, size_t i)
{
	return i < n->count ? n->items[i] : NULL;
}

const struct td_yaml_node *
td_yaml_key_at(const struct td_yaml_node *n, size_t i)
{
	return n->kind == TD_YAML_MAPPING && i < n->count ? n->keys[i] : NULL;
}

static const struct td_yaml_node *
get_n(const struct td_yaml_node *n, const char *key, size_t len)
{
	if (n->kind != TD_YAML_MAPPING)
		return NULL;
	for (size_t i = 0; i < n->count; i++)
		if (strlen(n->keys[i]->text) == len &&
		    memcmp(n->keys[i]->text, key, len) == 0)
			return n->items[i];
	return NULL;
}

const struct td_yaml_node *
td_yaml_get(const struct td_yaml_node *n, const char *key)
{
	return get_n(n, key, strlen(key));
}

const struct td_yaml_node *
td_yaml_find(const struct td_yaml_doc *doc, const char *path)
{
	const struct td_yaml_node *n = doc->root;

	while (n != NULL && *path != '\0') {
		size_t len = strcspn(path, ".[");

		if (len > 0)
			n = get_n(n, path, len);
		path += len;
		if (*path == '.') {
			path++;
		} else if (*path == '[') {
			char *end;
			unsigned long i = strtoul(path + 1, &end, 10);

			if (n == NULL || n->kind != TD_YAML_SEQUENCE || *end != ']')
				return NULL;
			n = td_yaml_at(n, i);
			path = end + 1;
		}
	}
	return n;
}

const char *
td_yaml_found(const struct td_yaml_node *n, char out[64])
{
	if (n == NULL || td_yaml_is_null(n))
		return "nothing";
	if (n->kind == TD_YAML_SEQUENCE)
		return "a list";
	if (n->kind == TD_YAML_MAPPING)
		return "a mapping";
	snprintf(out, 64, strlen(n->text) > 48 ? "\"%.45s...\"" : "\"%.48s\"", n->text);
	for (char *p = out; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return out;
}
