/*
 * A blocking HTTP client (libcurl) for backends: one request, one deadline.
 *
 * Connections are kept per struct td_http. The whole answer is held in memory up to a
 * ceiling. Redirects are never followed; proxies from the environment are ignored.
 *
 * Thread rule: a struct td_http belongs to one thread at a time.
 */
#pragma once

#include "buf.h"

#include <stdint.h>

struct td_http;

struct td_http_options {
	const char *ca_file;	    /* PEM; NULL: system store. Only for https. */
	int64_t connect_timeout_ms; /* 0: 3,000 */
	/* Connect to this socket whatever host the URL names; NULL: by the URL. */
	const char *unix_socket;
};

struct td_http_header {
	const char *name;
	const char *value;
};

#define TD_HTTP_MAX_HEADERS 24

struct td_http_request {
	const char *method; /* upper case */
	const char *url;    /* absolute, encoded: sent as it is (path-as-is) */
	const struct td_http_header *headers;
	size_t header_count; /* at most TD_HTTP_MAX_HEADERS */
	const void *body;    /* NULL: none (then PUT and POST send Content-Length: 0) */
	size_t body_len;
	int64_t timeout_ms;   /* whole exchange, > 0 */
	size_t reply_ceiling; /* most body bytes taken */
};

struct td_http_reply {
	int status;
	struct td_buf body;    /* wiped by td_http_reply_done when secret */
	char content_type[64]; /* "" when absent */
	char location[256];    /* "" when absent or longer */
	char retry_after[16];
	char request_id[64];	/* x-amz-request-id */
	char server_status[64]; /* X-Minio-Server-Status */
	char etag[80];		/* with its quotes; "" when absent or longer */
};

enum td_rc td_http_new(const struct td_http_options *opt, struct td_http **ret_http,
		       struct td_err *reterr) TD_MUST_CHECK;
void td_http_free(struct td_http *http);

/*
 * One exchange. TD_OK means that a complete answer came, whatever its status. Otherwise
 * TD_UNREACHABLE (no connection, cut off), TD_TIMEOUT, TD_TOO_LARGE (answer over the
 * ceiling), TD_INVALID, TD_NOMEM. A connection reset before the first byte of an answer on a
 * reused connection is retried once on a fresh one. *ret_reply is written only on TD_OK;
 * the caller ends it with td_http_reply_done.
 */
enum td_rc td_http_do(struct td_http *http, const struct td_http_request *req,
		      struct td_http_reply *ret_reply,
		      struct td_err *reterr) TD_MUST_CHECK;
void td_http_reply_done(struct td_http_reply *reply);

/* Once per process, from main, before any thread. */
enum td_rc td_http_global_init(struct td_err *reterr) TD_MUST_CHECK;
void td_http_global_done(void);
