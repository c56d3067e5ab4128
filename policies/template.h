/*
 * One template as it was read: checked by itself, not yet against the others.
 *
 * Thread rule: built by one thread, read by many.
 */
#pragma once

#include "policy.h"

#define MAX_STATEMENTS 12
#define MAX_ACTIONS 64
#define MAX_RESOURCES 8

struct statement {
	bool deny;
	bool admin;			  /* Deny of admin:*, which has no resources */
	const char *actions[MAX_ACTIONS]; /* sorted; borrowed from the document */
	size_t action_count;
	const char *resources[MAX_RESOURCES]; /* sorted; borrowed */
	size_t resource_count;
};

/* The name of another template, and where it was written. */
struct twin_name {
	const char *name; /* NULL: none */
	unsigned line;
};

struct tmpl {
	struct policy_template pub; /* first: handed out as this */
	struct td_yaml_doc *doc;    /* owned; every text is borrowed from it */
	unsigned line;		    /* of `name` */
	struct twin_name fenced;
	struct twin_name suspended;
	struct statement statements[MAX_STATEMENTS]; /* MINIO */
	size_t statement_count;
	const char *words[MAX_ACTIONS]; /* MONGODB: actions or roles, sorted */
	size_t word_count;
	struct td_buf json; /* MINIO */
};

/*
 * Read a document into a template and compile it. Takes the document, also on failure.
 * TD_INVALID with everything wrong in *report; TD_NOMEM. *ret only on TD_OK; free it with
 * tmpl_free.
 */
enum td_rc tmpl_read(struct td_yaml_doc *doc, struct tmpl **ret,
		     struct td_yaml_report *report, struct td_err *reterr) TD_MUST_CHECK;
/* NULL is a no-op. */
void tmpl_free(struct tmpl *t);

/* Does any Allow statement of a MINIO template, or the list of a MONGODB one, hold it? */
bool tmpl_allows(const struct tmpl *t, const char *action);
/* Does a MINIO template deny admin:* ? */
bool tmpl_denies_admin(const struct tmpl *t);

/* A resource that some template allows. */
struct allowed {
	const char *resource;
	const char *file;
};
/* Compare all pairs for two tenants that meet, each with itself too, and each with what
 * is another tenant's own. Complains about each pair that does; TD_NOMEM, TD_INVALID. */
enum td_rc overlap_check(const struct allowed *list, size_t count,
			 struct td_yaml_report *report,
			 struct td_err *reterr) TD_MUST_CHECK;

/* Append the canonical canned policy of a MINIO template. */
void minio_render(const struct tmpl *t, struct td_buf *out);
