/*
 * One call of the API: request, answer, and an answer that is an error told to the user in
 * tenantd's own words (RFC 9457: title, detail, code, request id).
 */
#include "internal.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define MAX_PATH 4096
#define MAX_REPLY (32U << 20)
#define MAX_BODY (1U << 20)
#define RING 16
#define TEXT_SIZE 1200

static enum ctl_exit
read_token(struct ctl *c, struct td_err *reterr)
{
	if (c->token != NULL)
		return CTL_OK;
	if (td_secret_read_file(c->set.token_file, &c->token, reterr) == TD_OK)
		return CTL_OK;
	td_err_prefix(reterr, "token");
	return CTL_USAGE;
}

static enum ctl_exit
open_client(struct ctl *c, struct td_err *reterr)
{
	struct td_http_options opt = {
		.ca_file = c->set.ca_file,
		.connect_timeout_ms = c->set.timeout_ms < 5000 ? c->set.timeout_ms : 5000,
		.unix_socket = c->set.unix_socket[0] != '\0' ? c->set.unix_socket : NULL,
	};

	if (c->http != NULL)
		return CTL_OK;
	return td_http_new(&opt, &c->http, reterr) == TD_OK ? CTL_OK : CTL_ERROR;
}

static enum ctl_exit
exit_of_rc(enum td_rc rc)
{
	if (rc == TD_UNREACHABLE || rc == TD_TIMEOUT)
		return CTL_UNREACHABLE;
	return rc == TD_INVALID ? CTL_USAGE : CTL_ERROR;
}

enum ctl_exit
ctl_exit_of_status(int status)
{
	switch (status) {
	case 401:
	case 403:
		return CTL_DENIED;
	case 404:
	case 410:
		return CTL_NOT_FOUND;
	case 409:
	case 412:
		return CTL_CONFLICT;
	default:
		return status < 400 ? CTL_OK : CTL_ERROR;
	}
}

/* What goes out: buffers of one exchange. */
struct outgoing {
	struct td_buf url;
	struct td_buf bearer;
	struct td_buf body;
	struct td_http_header headers[6];
	size_t header_count;
};

static void
add_header(struct outgoing *o, const char *name, const char *value)
{
	if (value != NULL)
		o->headers[o->header_count++] = (struct td_http_header){ name, value };
}

static enum td_rc
prepare(const struct ctl *c, const struct ctl_request *req, struct outgoing *o)
{
	td_buf_init(&o->url, MAX_PATH);
	td_buf_init_secret(&o->bearer, TD_SECRET_MAX + 16);
	td_buf_init(&o->body, MAX_BODY);
	td_buf_fmt(&o->url, "%s%s", c->set.url, req->path);
	if (req->token == CTL_WITH_TOKEN) {
		td_buf_str(&o->bearer, "Bearer ");
		td_buf_add(&o->bearer, td_secret_bytes(c->token),
			   td_secret_len(c->token));
		add_header(o, "Authorization", td_buf_cstr(&o->bearer));
	}
	add_header(o, "If-Match", req->if_match);
	add_header(o, "If-None-Match", req->if_none_match);
	if (req->body != NULL) {
		char *text = json_dumps(req->body, JSON_COMPACT | JSON_SORT_KEYS);

		if (text == NULL)
			return TD_NOMEM;
		td_buf_str(&o->body, text);
		free(text);
		add_header(o, "Content-Type", "application/json");
	}
	if (td_buf_rc(&o->url) != TD_OK)
		return td_buf_rc(&o->url);
	return td_buf_rc(&o->body) != TD_OK ? td_buf_rc(&o->body) : td_buf_rc(&o->bearer);
}

static void
outgoing_done(struct outgoing *o)
{
	td_buf_done(&o->url);
	td_buf_done(&o->bearer);
	td_buf_done(&o->body);
}

enum ctl_exit
ctl_send(struct ctl *c, const struct ctl_request *req, struct ctl_answer *ret,
	 struct td_err *reterr)
{
	struct outgoing o = { 0 };
	struct ctl_answer a = { 0 };
	enum ctl_exit ex = open_client(c, reterr);
	enum td_rc rc;

	if (ex == CTL_OK && req->token == CTL_WITH_TOKEN)
		ex = read_token(c, reterr);
	if (ex != CTL_OK)
		return ex;
	rc = prepare(c, req, &o);
	if (rc != TD_OK) {
		td_err_set(reterr, rc, "the request is too long");
	} else {
		const struct td_http_request h = {
			.method = req->method,
			.url = td_buf_cstr(&o.url),
			.headers = o.headers,
			.header_count = o.header_count,
			.body = req->body != NULL ? o.body.data : NULL,
			.body_len = o.body.len,
			.timeout_ms = c->set.timeout_ms + req->wait_ms,
			.reply_ceiling = MAX_REPLY,
		};

		rc = td_http_do(c->http, &h, &a.http, reterr);
		if (rc == TD_UNREACHABLE || rc == TD_TIMEOUT)
			td_err_prefix(reterr, "no answer from tenantd");
	}
	outgoing_done(&o);
	if (rc != TD_OK)
		return exit_of_rc(rc);
	if (strstr(a.http.content_type, "json") != NULL)
		a.json = json_loadb(td_buf_cstr(&a.http.body), a.http.body.len,
				    JSON_REJECT_DUPLICATES, NULL);
	*ret = a;
	return CTL_OK;
}

enum ctl_exit
ctl_call(struct ctl *c, const struct ctl_request *req, struct ctl_answer *ret)
{
	struct td_err err = { 0 };
	struct ctl_answer a;
	enum ctl_exit ex = ctl_send(c, req, &a, &err);

	if (ex != CTL_OK) {
		ctl_complain("%s", err.detail);
		return ex;
	}
	if (a.http.status >= 400) {
		ex = ctl_problem(&a);
		ctl_answer_done(&a);
		return ex;
	}
	*ret = a;
	return CTL_OK;
}

void
ctl_answer_done(struct ctl_answer *a)
{
	json_decref(a->json);
	td_http_reply_done(&a->http);
	memset(a, 0, sizeof(*a));
}

enum ctl_exit
ctl_problem(const struct ctl_answer *a)
{
	const char *title = ctl_text(a->json, "title");
	const char *detail = ctl_text(a->json, "detail");
	const char *id = ctl_text(a->json, "request_id");

	if (title[0] == '\0') {
		ctl_complain("the answer has HTTP status %d and is not tenantd's",
			     a->http.status);
		return ctl_exit_of_status(a->http.status);
	}
	ctl_complain("%s (%d %s)", title, a->http.status, ctl_text(a->json, "code"));
	if (detail[0] != '\0' && strcmp(detail, title) != 0)
		ctl_complain("  %s", detail);
	if (a->http.retry_after[0] != '\0')
		ctl_complain("  retry after %s s", a->http.retry_after);
	if (id[0] != '\0')
		ctl_complain("  request id %s", id);
	return ctl_exit_of_status(a->http.status);
}

void
ctl_path_add(struct td_buf *path, const char *fixed, const char *text)
{
	td_buf_str(path, fixed);
	td_buf_uri(path, text, strlen(text), TD_URI_COMPONENT);
}

void
ctl_query_add(struct td_buf *path, const char *key, const char *text)
{
	td_buf_char(path, strchr(td_buf_cstr(path), '?') == NULL ? '?' : '&');
	td_buf_str(path, key);
	ctl_path_add(path, "=", text);
}

static char ring[RING][TEXT_SIZE];
static unsigned ring_at;

static char *
ring_next(void)
{
	return ring[ring_at++ % RING];
}

const char *
ctl_text(const struct json_t *object, const char *member)
{
	const json_t *v = json_object_get(object, member);
	char *out = ring_next();

	out[0] = '\0';
	if (json_is_string(v))
		snprintf(out, TEXT_SIZE, "%s", json_string_value(v));
	else if (json_is_integer(v))
		snprintf(out, TEXT_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else if (json_is_boolean(v))
		snprintf(out, TEXT_SIZE, "%s", json_is_true(v) ? "yes" : "no");
	return out;
}

const char *
ctl_text_size(const struct json_t *object, const char *member)
{
	const json_t *v = json_object_get(object, member);
	char size[CTL_SIZE_TEXT];
	char *out;

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return ctl_text(object, member);
	out = ring_next();
	ctl_size_text((uint64_t)json_integer_value(v), size);
	snprintf(out, TEXT_SIZE, "%s", size);
	return out;
}

const char *
ctl_text_time(const struct json_t *object, const char *member)
{
	const char *full = ctl_text(object, member);
	char *out = ring_next();

	/* "2026-01-02T03:04:05.678Z" */
	if (strlen(full) == 24 && full[10] == 'T' && full[19] == '.')
		snprintf(out, TEXT_SIZE, "%.10s %.8sZ", full, full + 11);
	else
		snprintf(out, TEXT_SIZE, "%s", full);
	return out;
}
