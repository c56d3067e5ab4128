/*
 * YAML in, two ways: a read-only tree to walk (policies, plans), and a schema table that
 * fills a C struct (the daemon's configuration). The only room that sees libyaml.
 *
 * libyaml's events are read directly instead of through libcyaml, because each complaint
 * has to name file, line, key and what was expected, many at once; and instead of through
 * libyaml's document tree, which hides anchors and aliases.
 *
 * The YAML taken is a plain subset: one document; mappings with scalar keys, sequences,
 * scalars. Refused with file and line: anchors, aliases, tags, merge keys, duplicate keys,
 * a second document, NUL bytes, bad UTF-8, nesting over 16, files over 4 MiB.
 *
 * Thread rule: a document and a loaded struct are plain values without hidden state: many
 * threads may read one.
 */
#pragma once

#include "buf.h"

#include <stdint.h>

/* ---- complaints ---- */

#define TD_YAML_MAX_COMPLAINTS 20
#define TD_YAML_COMPLAINT_LEN 320

/* "file:line: key: expected X, found Y", in the order found. */
struct td_yaml_report {
	size_t count;	/* of text */
	size_t dropped; /* that did not fit any more */
	char text[TD_YAML_MAX_COMPLAINTS][TD_YAML_COMPLAINT_LEN];
};

void td_yaml_report_init(struct td_yaml_report *r);
/* TD_OK when there is no complaint; else TD_INVALID, the first one and how many more in
 * *reterr (may be NULL). */
enum td_rc td_yaml_report_rc(const struct td_yaml_report *r,
			     struct td_err *reterr) TD_MUST_CHECK;

/* ---- the tree ---- */

struct td_yaml_doc;
struct td_yaml_node;

enum td_yaml_kind { TD_YAML_SCALAR, TD_YAML_SEQUENCE, TD_YAML_MAPPING };

/*
 * Read a document. The file name in complaints is path, or name for text in memory. On
 * failure (TD_INVALID: what is wrong is in *report as well as, shortly, in *reterr; TD_IO;
 * TD_NOMEM) *ret_doc is untouched. report may be NULL.
 */
enum td_rc td_yaml_read(const char *path, struct td_yaml_doc **ret_doc,
			struct td_yaml_report *report,
			struct td_err *reterr) TD_MUST_CHECK;
struct td_yaml_text {
	const char *name; /* for complaints */
	const void *data;
	size_t len;
};
enum td_rc td_yaml_parse(const struct td_yaml_text *text, struct td_yaml_doc **ret_doc,
			 struct td_yaml_report *report,
			 struct td_err *reterr) TD_MUST_CHECK;
/* NULL is a no-op. Every node goes with its document. */
void td_yaml_doc_free(struct td_yaml_doc *doc);
/* The name given at reading. */
const char *td_yaml_doc_name(const struct td_yaml_doc *doc);

/* NULL when the document is empty. Nodes are borrowed from the document. */
const struct td_yaml_node *td_yaml_root(const struct td_yaml_doc *doc);
enum td_yaml_kind td_yaml_kind(const struct td_yaml_node *n);
/* From 1. */
unsigned td_yaml_line(const struct td_yaml_node *n);
/* Text of a scalar, never NULL; NULL when it is not a scalar. */
const char *td_yaml_scalar(const struct td_yaml_node *n);
/* A scalar without quotes: it may be meant as a number, a boolean or null. */
bool td_yaml_is_plain(const struct td_yaml_node *n);
/* Nothing was written: a plain scalar that is empty, "~" or "null". */
bool td_yaml_is_null(const struct td_yaml_node *n);
/* Items of a sequence, pairs of a mapping, 0 for a scalar. */
size_t td_yaml_count(const struct td_yaml_node *n);
/* The i-th item of a sequence or value of a mapping; NULL past the end. */
const struct td_yaml_node *td_yaml_at(const struct td_yaml_node *n, size_t i);
/* The i-th key of a mapping (always a scalar); NULL past the end. */
const struct td_yaml_node *td_yaml_key_at(const struct td_yaml_node *n, size_t i);
/* The value of a key of a mapping, or NULL. */
const struct td_yaml_node *td_yaml_get(const struct td_yaml_node *n, const char *key);
/* The node at a path such as "store.map_bytes" or "regions[1].name", or NULL. */
const struct td_yaml_node *td_yaml_find(const struct td_yaml_doc *doc, const char *path);

/* "file:line: text"; n may be NULL (then "file: text"), doc too (then "text"). */
void td_yaml_complain(struct td_yaml_report *r, const struct td_yaml_doc *doc,
		      const struct td_yaml_node *n, const char *fmt, ...) TD_PRINTF(4, 5);

/* "a list", "a mapping", "nothing" or the scalar in quotes, shortened; for complaints. */
const char *td_yaml_found(const struct td_yaml_node *n, char out[64]);

/* ---- scalars, also useful alone ---- */

/* Decimal digits only. */
bool td_yaml_uint(const char *text, uint64_t *ret_value);
/* Digits and an optional unit: K M G T P E (powers of 1,000), Ki Mi Gi Ti Pi Ei (of
 * 1,024). */
bool td_yaml_bytes(const char *text, uint64_t *ret_bytes);
/* Digits and a unit: ms s m h d; 0 needs none. Milliseconds. */
bool td_yaml_duration(const char *text, int64_t *ret_ms);

/* ---- the schema ---- */

enum td_yaml_type {
	TD_YAML_STRING,	     /* char *: owned, NULL when absent */
	TD_YAML_PATH,	     /* char *: absolute file path */
	TD_YAML_UINT,	     /* uint64_t */
	TD_YAML_BYTES,	     /* uint64_t */
	TD_YAML_DURATION,    /* int64_t, milliseconds */
	TD_YAML_BOOL,	     /* bool */
	TD_YAML_ENUM,	     /* int (or an enum of that size): index into names */
	TD_YAML_STRING_LIST, /* struct td_yaml_strings */
	TD_YAML_LIST,	     /* struct td_yaml_list of structs, by the nested schema */
};

struct td_yaml_strings {
	char **items; /* owned */
	size_t count;
};

struct td_yaml_list {
	void *items; /* an array of count structs of items->size bytes each, owned */
	size_t count;
};

enum td_yaml_reload {
	TD_YAML_RESTART, /* a change needs a restart */
	TD_YAML_RELOAD,	 /* a change is taken over at SIGHUP */
};

enum td_yaml_need { TD_YAML_OPTIONAL, TD_YAML_REQUIRED };

struct td_yaml_schema;

/* One row. Rows with a common prefix stand together, in the order of the printed file. */
struct td_yaml_key {
	const char *path; /* "store.map_bytes": a dot is a nested mapping */
	enum td_yaml_type type;
	size_t offset; /* of the member in the struct */
	/* Default, as one would write it; lists: "a, b". NULL: none, the member stays 0,
	 * NULL or empty when absent. */
	const char *fallback;
	enum td_yaml_need need;
	enum td_yaml_reload reload;
	/* Numbers, bytes, milliseconds; of a text its length, of a list its length. max 0: no
	 * limit but the type's. */
	uint64_t min, max;
	/* ENUM: ends with NULL. */
	const char *const *names;
	/* LIST: what each item is. */
	const struct td_yaml_schema *items;
	/* Texts and the texts of a list: NULL when it is good, else what was expected ("a
	 * URL that starts with https://"). May be NULL. */
	const char *(*check)(const char *text);
	const char *doc; /* a sentence or two for the printed file */
};

struct td_yaml_schema {
	const struct td_yaml_key *keys;
	size_t count;
	size_t size;	 /* of the struct it fills */
	const char *doc; /* stands on top of the printed file; may be NULL */
};

/*
 * Fill *ret (schema->size bytes) from the document; what it leaves out gets its default.
 * doc NULL: defaults only. On TD_INVALID (all complaints in *report) or TD_NOMEM *ret is
 * zeroed. The caller ends it with td_yaml_free. Strings are copies: the document may go.
 */
enum td_rc td_yaml_load(const struct td_yaml_schema *schema,
			const struct td_yaml_doc *doc, void *ret,
			struct td_yaml_report *report,
			struct td_err *reterr) TD_MUST_CHECK;
/* Frees what *loaded owns and zeroes it. Safe on a zeroed struct and twice. */
void td_yaml_free(const struct td_yaml_schema *schema, void *loaded);

/*
 * The annotated file: each key with its doc, type, default and whether it needs a
 * restart. loaded NULL: defaults, with optional keys commented out. Else the values in
 * effect; reading the output back gives an equal struct.
 */
void td_yaml_print(const struct td_yaml_schema *schema, const void *loaded,
		   struct td_buf *out);

/* The keys as a list in mdoc(7), each with its doc, what can be given, and its default. */
void td_yaml_man(const struct td_yaml_schema *schema, struct td_buf *out);

/*
 * Calls fn for every key whose value differs, with its full path ("regions[0].name"; a
 * list whose length changed is named itself). Returns the number of keys that differ and
 * need a restart. fn may be NULL.
 */
typedef void (*td_yaml_change_fn)(void *ctx, const char *path,
				  enum td_yaml_reload reload);
size_t td_yaml_diff(const struct td_yaml_schema *schema, const void *before,
		    const void *after, td_yaml_change_fn fn, void *ctx);
