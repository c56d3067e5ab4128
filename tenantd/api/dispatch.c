/*
 * The life of a request. The library calls dispatch() when the header is there, for each
 * piece of the body, when the body is complete, and once more after a resume. All that the
 * route table knows is checked with the first call, before a byte of the body is taken; a
 * refused body is read and dropped when it is small (the connection lives on), and
 * otherwise answered at once (the connection ends).
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define FREE_REQS_MAX 256
#define BODY_KEEP 65536
#define SCRATCH_KEEP 16384

/* ---- requests ---- */

static struct req *
req_new(struct api_thread *t)
{
	struct req *r = STAILQ_FIRST(&t->free_reqs);

	if (r != NULL) {
		STAILQ_REMOVE_HEAD(&t->free_reqs, post);
		t->free_count--;
	} else {
		r = calloc(1, sizeof(*r));
		if (r == NULL)
			return NULL;
		td_buf_init(&r->body, 1);
		td_buf_init(&r->audit, STORE_VALUE_MAX);
	}
	memset(r, 0, offsetof(struct req, keep));
	r->t = t;
	r->heap_index = HEAP_NONE;
	LIST_INSERT_HEAD(&t->reqs, r, all);
	return r;
}

void
req_free(struct req *r)
{
	if (r->response != NULL)
		MHD_destroy_response(r->response);
	explicit_bzero(r->secret, sizeof(r->secret));
	api_tenant_body_done(&r->tenant_body);
	td_buf_done(&r->body);
	td_buf_done(&r->audit);
	free(r);
}

/* Back to the list of free ones. */
static void
req_recycle(struct req *r)
{
	struct api_thread *t = r->t;

	LIST_REMOVE(r, all);
	if (t->free_count >= FREE_REQS_MAX || r->body.cap > BODY_KEEP) {
		req_free(r);
		return;
	}
	if (r->response != NULL)
		MHD_destroy_response(r->response);
	r->response = NULL;
	explicit_bzero(r->secret, sizeof(r->secret));
	api_tenant_body_done(&r->tenant_body);
	td_buf_reset(&r->body);
	td_buf_reset(&r->audit);
	STAILQ_INSERT_HEAD(&t->free_reqs, r, post);
	t->free_count++;
}

void
dispatch_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
		   enum MHD_RequestTerminationCode toe)
{
	struct req *r = *con_cls;

	(void)cls;
	(void)mhd;
	if (r == NULL)
		return;
	*con_cls = NULL;
	wait_end(r);
	if (toe == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		conn_set_phase(r->conn, CONN_IDLE);
	r->mhd = NULL;
	r->conn = NULL;
	r->suspended = false;
	/* Its result is still to come: the mailbox frees it then. */
	if (!r->op_pending)
		req_recycle(r);
}

/* ---- the first call ---- */

static void
make_id(struct req *r)
{
	static const char hex[] = "0123456789abcdef";
	struct api_thread *t = r->t;
	const unsigned char *p;
	const char *given = NULL;
	size_t len = 0;

	if (MHD_lookup_connection_value_n(r->mhd, MHD_HEADER_KIND, "X-Request-Id",
					  sizeof("X-Request-Id") - 1, &given,
					  &len) == MHD_YES &&
	    given != NULL && len >= 1 && len < sizeof(r->id) &&
	    strspn(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			  "._-") == len) {
		memcpy(r->id, given, len);
		r->id[len] = '\0';
		return;
	}
	if (t->random_left < 16) {
		td_random(t->api->env, t->random, sizeof(t->random));
		t->random_left = sizeof(t->random);
	}
	t->random_left -= 16;
	p = t->random + t->random_left;
	for (unsigned i = 0; i < 16; i++) {
		r->id[2 * i] = hex[p[i] >> 4];
		r->id[2 * i + 1] = hex[p[i] & 15];
	}
	r->id[32] = '\0';
}

static bool
arg_known(const struct api_route *route, const char *name)
{
	for (unsigned i = 0; i < API_ROUTE_ARGS && route->args[i] != NULL; i++)
		if (strcmp(route->args[i], name) == 0)
			return true;
	return false;
}

static enum MHD_Result
take_arg(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_size,
	 const char *value, size_t value_size)
{
	struct req *r = cls;
	bool strict = (r->route->flags & API_ANY_ARGS) == 0;

	(void)kind;
	if (value == NULL)
		value = "";
	if (!arg_known(r->route, key)) {
		if (strict)
			td_err_set(&r->error, TD_INVALID,
				   "unknown query parameter \"%.64s\"", key);
		return strict ? MHD_NO : MHD_YES;
	}
	if (strlen(key) != key_size || strlen(value) != value_size ||
	    args_get(&r->args, key) != NULL || r->args.count == API_ARGS_MAX) {
		td_err_set(&r->error, TD_INVALID,
			   "query parameter \"%.64s\" is malformed or "
			   "there twice",
			   key);
		return MHD_NO;
	}
	r->args.arg[r->args.count].name = key;
	r->args.arg[r->args.count++].value = value;
	return MHD_YES;
}

static void
check_who(struct req *r)
{
	if (r->route->roles == API_ANYONE)
		return;
	if (auth_request(r, &r->error) != TD_OK)
		return;
	if ((r->route->roles & (1U << r->token.role)) == 0)
		td_err_set(&r->error, TD_FORBIDDEN, "role %s",
			   api_role_text(r->token.role));
	else if (r->token.role == REC_ROLE_TENANT &&
		 ((r->route->flags & API_OWN_TENANT) == 0 ||
		  strcmp(r->token.appid, r->path.appid) != 0))
		td_err_set(&r->error, TD_FORBIDDEN, "another tenant");
}

/* Names in the path that no record can have. */
static void
check_path(struct req *r)
{
	const char *pattern = r->route->pattern;
	bool put = strcmp(r->route->method, "PUT") == 0;

	if (strstr(pattern, "{appid}") != NULL && !rec_appid_any_ok(r->path.appid))
		td_err_set(&r->error, put ? TD_INVALID : TD_NOT_FOUND,
			   "the path does not name an appid");
	else if (strstr(pattern, "/buckets/{name}") != NULL &&
		 !rec_bucket_name_ok(r->path.name))
		td_err_set(&r->error, put ? TD_INVALID : TD_NOT_FOUND,
			   "the path does not name a bucket");
}

static const char *
header_value(struct req *r, const char *name)
{
	return MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name);
}

static void
check_wait(struct req *r)
{
	const char *text = args_get(&r->args, "wait");
	uint64_t seconds;

	if (text == NULL)
		return;
	if (!api_parse_u64(text, API_MAX_WAIT_S, &seconds))
		td_err_set(&r->error, TD_INVALID, "wait must be 0 to %d seconds",
			   API_MAX_WAIT_S);
	else
		wait_set(r, seconds);
}

static bool
type_is_json(const char *type)
{
	static const char json[] = "application/json";

	if (type == NULL || strncasecmp(type, json, sizeof(json) - 1) != 0)
		return false;
	type += sizeof(json) - 1;
	return *type == '\0' || *type == ';' || *type == ' ';
}

enum body { BODY_NONE, BODY_SMALL, BODY_LARGE };

/* Is there a body to come, and how much of it? */
static enum body
body_kind(struct req *r, uint64_t *ret_len)
{
	const char *length = header_value(r, "Content-Length");

	*ret_len = 0;
	if (length == NULL)
		/* Chunked: of unknown size, counted as it comes. */
		return header_value(r, "Transfer-Encoding") != NULL ? BODY_SMALL
								    : BODY_NONE;
	if (!api_parse_u64(length, UINT64_MAX, ret_len))
		*ret_len = UINT64_MAX;
	if (*ret_len == 0)
		return BODY_NONE;
	return *ret_len <= API_DISCARD_MAX ? BODY_SMALL : BODY_LARGE;
}

static void
check_body(struct req *r, uint64_t len)
{
	if (len > r->route->body_max || r->route->body_max == 0)
		td_err_set(&r->error, TD_TOO_LARGE, "body of %llu bytes",
			   (unsigned long long)len);
	else if (!type_is_json(header_value(r, "Content-Type")))
		td_err_set(&r->error, TD_MEDIA_TYPE, "the body must be application/json");
}

/* Everything that the table and the header tell; the first thing wrong is in r->error. */
static void
check(struct req *r, const char *url, const char *method)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	char allow[ALLOW_SIZE];
	enum td_rc rc;

	if (info != NULL && info->header_size > r->t->api->limits.header_bytes) {
		td_err_set(&r->error, TD_HEADER_TOO_LARGE, "%zu bytes",
			   info->header_size);
		return;
	}
	rc = route_find(method, url, r->conn->listener->routes, &r->route, &r->path,
			allow);
	if (rc != TD_OK) {
		td_err_set(&r->error, rc, "%s",
			   rc == TD_METHOD ? allow : "no such route");
		return;
	}
	check_who(r);
	if (r->error.rc == TD_OK)
		check_path(r);
	if (r->error.rc == TD_OK) {
		MHD_get_connection_values_n(r->mhd, MHD_GET_ARGUMENT_KIND, take_arg, r);
		if (r->error.rc == TD_OK)
			check_wait(r);
	}
}

static enum MHD_Result
queue(struct req *r)
{
	struct MHD_Response *response = r->response;
	size_t row =
		r->route != NULL ? (size_t)(r->route - api_route_table) : api_route_count;
	enum MHD_Result result;

	r->response = NULL;
	if (response == NULL)
		return MHD_NO;
	metrics_request(&r->t->metrics, row, r->status,
			td_mono_ms(r->t->api->env) - r->started);
	result = MHD_queue_response(r->mhd, r->status, response);
	MHD_destroy_response(response);
	conn_set_phase(r->conn, CONN_SENDING);
	/* It is wiped at each use: after a long list, start small again. */
	if (r->t->scratch.cap > SCRATCH_KEEP)
		td_buf_done(&r->t->scratch);
	return result;
}

static enum MHD_Result
refuse_now(struct req *r)
{
	r->in_handler = true;
	req_problem(r, r->error.rc, &r->error, NULL);
	r->in_handler = false;
	return queue(r);
}

static enum MHD_Result
begin(struct req *r, const char *url, const char *method)
{
	enum body body;
	uint64_t len;

	r->started = td_mono_ms(r->t->api->env);
	r->path = (struct req_path){ .appid = "" };
	make_id(r);
	check(r, url, method);
	body = body_kind(r, &len);
	if (body == BODY_NONE)
		return MHD_YES;
	if (r->error.rc == TD_OK)
		check_body(r, len);
	if (r->error.rc != TD_OK) {
		if (body == BODY_LARGE || header_value(r, "Expect") != NULL)
			return refuse_now(r);
		r->discard = true;
	} else {
		r->body.ceiling = r->route->body_max;
	}
	conn_set_phase(r->conn, CONN_BODY);
	return MHD_YES;
}

/* ---- the body ---- */

static enum MHD_Result
take_body(struct req *r, const char *data, size_t *len)
{
	r->body_seen += *len;
	if (!r->discard) {
		td_buf_add(&r->body, data, *len);
		if (td_buf_rc(&r->body) != TD_OK) {
			td_err_set(&r->error, td_buf_rc(&r->body), "the body");
			r->discard = true;
		}
	}
	*len = 0;
	/* Nobody is answered in the middle of a body: too much ends the connection. */
	if (r->discard && r->body_seen > r->body.ceiling + API_DISCARD_MAX)
		return MHD_NO;
	return MHD_YES;
}

/* ---- the whole ---- */

static enum MHD_Result
run(struct req *r)
{
	r->in_handler = true;
	if (r->error.rc != TD_OK)
		req_problem(r, r->error.rc, &r->error, NULL);
	else if (r->t->stopping)
		req_problem(r, TD_UNAVAILABLE, NULL, NULL);
	else
		r->route->handler(r);
	r->in_handler = false;
	if (r->answered)
		return queue(r);
	r->suspended = true;
	conn_set_phase(r->conn, CONN_HANDLED);
	MHD_suspend_connection(r->mhd);
	return MHD_YES;
}

enum MHD_Result
/* NOLINTNEXTLINE(readability-function-size): the library's signature */
dispatch(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
	 const char *version, const char *upload_data, size_t *upload_data_size,
	 void **con_cls)
{
	struct daemon_ctx *d = cls;
	struct req *r = *con_cls;

	(void)version;
	if (r == NULL) {
		struct conn *c = conn_of(mhd);

		r = c != NULL ? req_new(d->thread) : NULL;
		if (r == NULL)
			return MHD_NO;
		r->mhd = mhd;
		r->conn = c;
		*con_cls = r;
		return begin(r, url, method);
	}
	if (*upload_data_size > 0)
		return take_body(r, upload_data, upload_data_size);
	if (r->answered)
		return queue(r);
	return run(r);
}
