/*
 * What the files of tenantctl share: where tenantd is, one call of its API, output.
 *
 * Every function that fails tells the user why, on stderr, and gives the exit status.
 * Secrets pass through buffers that are wiped; JSON trees are freed by a wiping free (see
 * ctl.c). Thread rule: one thread.
 */
#pragma once

#include "args.h"
#include "table.h"

#include "base/env.h"
#include "base/http.h"
#include "base/secret.h"

struct json_t; /* jansson's; only the .c files see its header */

enum ctl_output { CTL_TABLE, CTL_JSON };

struct ctl_settings {
	char url[512];	       /* "http://127.0.0.1:8460", without a "/" at the end */
	char unix_socket[256]; /* "": TCP */
	const char *ca_file;   /* NULL: system store */
	char token_file[512];
	int64_t timeout_ms; /* of one request, without the time that it waits by itself */
	enum ctl_output output;
	bool quiet;
};

struct ctl {
	struct ctl_args args;
	struct ctl_settings set;
	const struct td_env *env;
	struct td_http *http;
	struct td_secret *token; /* read at the first call */
	struct td_buf out;	 /* written by ctl_flush; wiped */
};

/* ---- settings.c ---- */

/* From options, environment and files, in this order; see tenantctl(1). */
enum td_rc ctl_settings_read(const struct ctl_args *args, struct ctl_settings *ret,
			     struct td_err *reterr) TD_MUST_CHECK;
/*
 * Which listener to use, from the text of <state>/listeners ("NAME ADDRESS" lines): the one
 * named "control", else the first. "host:port" gives an http URL, what has a scheme stays,
 * a path is a unix socket. False: there is none.
 */
bool ctl_listener_pick(const char *text, struct ctl_settings *set);
/* "http(s)://HOST[:PORT]" or "unix:/PATH" into *set. */
enum td_rc ctl_url_set(const char *url, struct ctl_settings *set,
		       struct td_err *reterr) TD_MUST_CHECK;

/* ---- values.c: values of options, all TD_INVALID with a sentence ---- */

/* "standard", "data:readonly:10Gi" ... into a spec's "buckets". */
enum td_rc ctl_bucket_add(struct json_t *list, const char *text,
			  struct td_err *reterr) TD_MUST_CHECK;
/* "team=x" into an object of texts. */
enum td_rc ctl_label_add(struct json_t *object, const char *text,
			 struct td_err *reterr) TD_MUST_CHECK;
/* "object_bytes=10Gi", "requests_per_second=unlimited" into an object. */
enum td_rc ctl_limit_add(struct json_t *object, const char *text,
			 struct td_err *reterr) TD_MUST_CHECK;
/* "90", "90s", "2m", "12h", "30d": milliseconds, > 0. */
enum td_rc ctl_duration(const char *text, int64_t *ret_ms,
			struct td_err *reterr) TD_MUST_CHECK;

/* ---- client.c ---- */

struct ctl_request {
	const char *method;
	const char *path;     /* with its query, encoded */
	struct json_t *body;  /* NULL: none. Borrowed */
	const char *if_match; /* NULL: none */
	const char *if_none_match;
	int64_t wait_ms; /* how long tenantd itself may hold the answer */
	enum { CTL_WITH_TOKEN, CTL_WITHOUT_TOKEN } token;
};

struct ctl_answer {
	struct td_http_reply http;
	struct json_t *json; /* of the body; NULL when it is no JSON */
};

/*
 * One request. CTL_OK: an answer came, whatever its status; ctl_answer_done ends it.
 * Otherwise what happened is in *reterr and nobody was told.
 */
enum ctl_exit ctl_send(struct ctl *c, const struct ctl_request *req,
		       struct ctl_answer *ret, struct td_err *reterr) TD_MUST_CHECK;
/* The same, and whatever fails, an error as answer too, is told. */
enum ctl_exit ctl_call(struct ctl *c, const struct ctl_request *req,
		       struct ctl_answer *ret) TD_MUST_CHECK;
void ctl_answer_done(struct ctl_answer *a);
/* Tell an answer of status >= 400; its exit status. */
enum ctl_exit ctl_problem(const struct ctl_answer *a);
enum ctl_exit ctl_exit_of_status(int status);

/* "/v1/tenants/" and the like, then the encoded text. */
void ctl_path_add(struct td_buf *path, const char *fixed, const char *text);
/* "?key=text" or "&key=text". */
void ctl_query_add(struct td_buf *path, const char *key, const char *text);

/* Members for showing: "" when missing; numbers and booleans as text. The text lives until
 * the next ring of 16 calls. */
const char *ctl_text(const struct json_t *object, const char *member);
/* Bytes as a size, times without milliseconds. */
const char *ctl_text_size(const struct json_t *object, const char *member);
const char *ctl_text_time(const struct json_t *object, const char *member);

/* ---- output.c ---- */

/* Write c->out to stdout and empty it; CTL_ERROR when that fails. */
enum ctl_exit ctl_flush(struct ctl *c) TD_MUST_CHECK;
/* A JSON value on one line. */
enum ctl_exit ctl_print_json(struct ctl *c, const struct json_t *value) TD_MUST_CHECK;
/* The answer's body as it came, ended by a newline. */
enum ctl_exit ctl_print_body(struct ctl *c, const struct ctl_answer *a) TD_MUST_CHECK;
/* "tenantctl: ...", cleaned of control characters. */
void ctl_complain(const char *fmt, ...) TD_PRINTF(1, 2);
/* Say what was done, on stdout; nothing with --quiet. */
void ctl_say(struct ctl *c, const char *fmt, ...) TD_PRINTF(2, 3);
/* Tell err; the exit status of something that failed here. */
enum ctl_exit ctl_fail(const struct td_err *err);
/* The same where the command line or a file that it names is wrong. */
enum ctl_exit ctl_fail_usage(const struct td_err *err);

/* Print a list of the API page by page. */
struct ctl_list {
	const char *path;   /* with the query so far */
	const char *items;  /* member of the answer with the items */
	const char *next;   /* member with where to go on; "" or null at the end */
	const char *cursor; /* query parameter that takes it */
	const char *const *titles;
	size_t title_count;
	void (*row)(struct ctl_table *t, const struct json_t *item);
	uint64_t limit;	   /* most items; 0: all */
	const char *start; /* where to begin; NULL: at the beginning */
};
/* A list as most of the API's are; titles is an array. */
#define CTL_LIST(items, titles, row)                                                     \
	{                                                                                \
		NULL, items, "next", "cursor", titles,                                   \
			sizeof(titles) / sizeof((titles)[0]), row, 0, NULL               \
	}
/* --limit: how many at most; 0 when it was not given. */
enum ctl_exit ctl_limit_option(struct ctl *c, uint64_t *ret) TD_MUST_CHECK;
enum ctl_exit ctl_list_print(struct ctl *c, const struct ctl_list *list) TD_MUST_CHECK;

/* ---- wait.c ---- */

/* The time --wait gives, in milliseconds; 0: it was not given. */
enum ctl_exit ctl_wait_option(struct ctl *c, int64_t *ret_ms) TD_MUST_CHECK;

enum ctl_goal {
	CTL_SETTLED, /* the backends hold what was asked for last */
	CTL_GONE
};
/*
 * Ask until the tenant has come there, with a line of progress on a terminal. CTL_TIMEOUT
 * after ms milliseconds, CTL_CONFLICT when an object of somebody else stands in the way;
 * both tell why it is not there yet. A tenantd that is restarted meanwhile is waited for.
 * On CTL_OK *ret is the last answer, to be ended with ctl_answer_done.
 */
enum ctl_exit ctl_wait_tenant(struct ctl *c, const char *appid, enum ctl_goal goal,
			      int64_t ms, struct ctl_answer *ret) TD_MUST_CHECK;
/* The same for what stands at `path`, a bucket: until it is ready, or gone. */
enum ctl_exit ctl_wait_bucket(struct ctl *c, const char *path, enum ctl_goal goal,
			      int64_t ms, struct ctl_answer *ret) TD_MUST_CHECK;

/* ---- environ.c ---- */

/*
 * The credentials of `format=env` ("KEY='value'" lines as a shell reads them) laid over an
 * environment. What leads to tenantd's own token is left out. TD_INVALID: a line that is
 * none. The result ends with NULL and is wiped by ctl_environ_free.
 */
enum td_rc ctl_environ_make(const char *text, char *const old[], char ***ret,
			    struct td_err *reterr) TD_MUST_CHECK;
void ctl_environ_free(char **env);

/* ---- the commands: cmd_*.c ---- */

enum ctl_exit cmd_tenant_create(struct ctl *c);
enum ctl_exit cmd_tenant_set(struct ctl *c);
enum ctl_exit cmd_tenant_get(struct ctl *c);
enum ctl_exit cmd_tenant_list(struct ctl *c);
enum ctl_exit cmd_tenant_delete(struct ctl *c);
enum ctl_exit cmd_tenant_undelete(struct ctl *c);
enum ctl_exit cmd_tenant_suspend(struct ctl *c);
enum ctl_exit cmd_tenant_resume(struct ctl *c);
enum ctl_exit cmd_bucket_create(struct ctl *c);
enum ctl_exit cmd_bucket_set(struct ctl *c);
enum ctl_exit cmd_bucket_list(struct ctl *c);
enum ctl_exit cmd_bucket_delete(struct ctl *c);
enum ctl_exit cmd_token_create(struct ctl *c);
enum ctl_exit cmd_token_list(struct ctl *c);
enum ctl_exit cmd_token_delete(struct ctl *c);
enum ctl_exit cmd_credentials(struct ctl *c);
enum ctl_exit cmd_exec(struct ctl *c);
enum ctl_exit cmd_status(struct ctl *c);
enum ctl_exit cmd_audit_list(struct ctl *c);
enum ctl_exit cmd_hold(struct ctl *c);
enum ctl_exit cmd_observe(struct ctl *c);
enum ctl_exit cmd_release_hold(struct ctl *c);
enum ctl_exit cmd_modes(struct ctl *c);
enum ctl_exit cmd_plan(struct ctl *c);
enum ctl_exit cmd_approve(struct ctl *c);
enum ctl_exit cmd_policy_compile(struct ctl *c);
enum ctl_exit cmd_policy_check(struct ctl *c);
enum ctl_exit cmd_version(struct ctl *c);
