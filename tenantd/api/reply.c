/*
 * Answers. A body is one block that the library frees through a callback, which wipes it:
 * credentials never stay in freed memory, and nothing has to decide which replies are
 * secret. A request inside the library's callback is answered at once; a suspended one
 * keeps its answer until the library calls again after the resume.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOGS_PER_SECOND 10

struct block {
	size_t len;
	unsigned char data[];
};

static void
block_free(void *cls)
{
	struct block *b = cls;

	explicit_bzero(b->data, b->len);
	free(b);
}

static void
header(struct MHD_Response *response, const char *name, const char *value)
{
	if (value != NULL)
		(void)MHD_add_response_header(response, name, value);
}

/* Queue it, or keep it for after the resume. The request's last step. */
static void
finish(struct req *r, unsigned status, struct MHD_Response *response)
{
	if (r->answered || response == NULL) {
		/* No memory for an answer: the connection is closed without one. */
		if (response != NULL)
			MHD_destroy_response(response);
		r->answered = true;
	} else {
		r->answered = true;
		r->status = status;
		r->response = response;
	}
	if (!r->in_handler && r->suspended && r->mhd != NULL) {
		r->suspended = false;
		for (size_t i = 0; i < r->t->api->listener_count; i++)
			if (r->conn->listener == &r->t->api->listeners[i])
				r->t->daemon_due[i] = true;
		MHD_resume_connection(r->mhd);
	}
}

static void
decorate(struct req *r, struct MHD_Response *response, const struct reply *how)
{
	char number[16];

	header(response, "Content-Type",
	       how->type != NULL ? how->type : "application/json");
	header(response, "X-Request-Id", r->id);
	header(response, "Cache-Control", "no-store");
	header(response, "ETag", how->etag);
	header(response, "Allow", how->allow);
	header(response, "Location", how->location);
	header(response, "WWW-Authenticate", how->authenticate);
	if (how->retry_after > 0) {
		snprintf(number, sizeof(number), "%u", how->retry_after);
		header(response, "Retry-After", number);
	}
	if (r->t->stopping)
		header(response, "Connection", "close");
}

void
req_reply(struct req *r, const struct reply *how, const struct td_buf *body)
{
	struct MHD_Response *response = NULL;
	struct block *b;

	if (td_buf_rc(body) != TD_OK) {
		req_problem(r, td_buf_rc(body) == TD_NOMEM ? TD_NOMEM : TD_INTERNAL, NULL,
			    NULL);
		return;
	}
	b = malloc(sizeof(*b) + body->len);
	if (b != NULL) {
		b->len = body->len;
		if (body->len > 0)
			memcpy(b->data, body->data, body->len);
		response = MHD_create_response_from_buffer_with_free_callback_cls(
			b->len, b->data, block_free, b);
		if (response == NULL)
			block_free(b);
	}
	if (response != NULL)
		decorate(r, response, how);
	finish(r, how->status, response);
}

void
req_reply_static(struct req *r, const struct reply *how, const void *data, size_t len)
{
	/* The library does not write to a persistent buffer, but takes a plain pointer. */
	struct MHD_Response *response = MHD_create_response_from_buffer(
		len, (void *)(uintptr_t)data, MHD_RESPMEM_PERSISTENT);

	if (response != NULL)
		decorate(r, response, how);
	finish(r, how->status, response);
}

void
req_reply_empty(struct req *r, unsigned status, const char *etag)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);

	if (response != NULL) {
		header(response, "X-Request-Id", r->id);
		header(response, "Cache-Control", "no-store");
		header(response, "ETag", etag);
		if (r->t->stopping)
			header(response, "Connection", "close");
	}
	finish(r, status, response);
}

/* Details that speak of the client's own input and of nothing inside. */
static bool
detail_is_public(enum td_rc rc)
{
	switch ((unsigned)rc) {
	case TD_INVALID:
	case TD_UNPROCESSABLE:
	case TD_IMMUTABLE:
	case TD_VOLUME_SHRINK:
	case TD_WRONG_PHASE:
	case TD_MEDIA_TYPE:
		return true;
	default:
		return false;
	}
}

static const char *
phrase(unsigned status)
{
	static const struct {
		unsigned status;
		const char *text;
	} phrases[] = {
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 507, "Insufficient Storage" },
	};

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			return phrases[i].text;
	return "Error";
}

static unsigned
retry_after(unsigned status)
{
	switch (status) {
	case 429:
	case 503:
		return 1;
	case 507:
		return 30;
	default:
		return 0;
	}
}

/* A storm of one failure must not become a storm of log records: some a second are enough,
 * and how many there were besides. */
static void
log_problem(struct req *r, enum td_rc rc, const struct td_err *err)
{
	struct api_thread *t = r->t;
	const struct td_log_ctx ctx = { .room = "api",
					.request_id = r->id,
					.appid = r->path.appid[0] != '\0' ? r->path.appid
									  : NULL };

	if (t->now - t->log_since >= 1000) {
		if (t->log_count > LOGS_PER_SECOND)
			td_log(TD_LOG_WARN, &(struct td_log_ctx){ .room = "api" },
			       "%u more failed requests were not logged",
			       t->log_count - LOGS_PER_SECOND);
		t->log_since = t->now;
		t->log_count = 0;
	}
	if (t->log_count++ < LOGS_PER_SECOND)
		td_log_err(TD_LOG_WARN, &ctx,
			   err != NULL ? err : &(struct td_err){ .rc = rc }, "%s: %d",
			   r->route != NULL ? r->route->doc_id : "no route",
			   td_rc_info(rc)->http_status);
}

void
req_problem(struct req *r, enum td_rc rc, const struct td_err *err, const char *code)
{
	const struct td_rc_info *info = td_rc_info(rc);
	unsigned status = (unsigned)info->http_status;
	struct td_buf *b = &r->t->scratch;
	struct reply how = {
		.status = status,
		.type = "application/problem+json",
		.retry_after = retry_after(status),
		.authenticate = status == 401 ? "Bearer realm=\"tenantd\"" : NULL,
		/* The dispatcher leaves the list of methods in the detail. */
		.allow = rc == TD_METHOD && err != NULL ? err->detail : NULL,
	};

	if (status >= 500 && rc != TD_NOT_READY)
		log_problem(r, rc, err);
	td_buf_reset(b);
	td_buf_str(b, "{\"type\":\"about:blank\",");
	api_json_member(b, "title", phrase(status));
	td_buf_fmt(b, ",\"status\":%u,", status);
	api_json_member(b, "detail",
			err != NULL && err->detail[0] != '\0' && detail_is_public(rc)
				? err->detail
				: info->text);
	td_buf_char(b, ',');
	api_json_member(b, "code", code != NULL && code[0] != '\0' ? code : info->code);
	td_buf_char(b, ',');
	api_json_member(b, "request_id", r->id);
	td_buf_str(b, "}\n");
	if (td_buf_rc(b) != TD_OK) {
		finish(r, status, NULL);
		return;
	}
	req_reply(r, &how, b);
}
