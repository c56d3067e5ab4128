/*
 * One easy handle per struct td_http: curl keeps its connections across curl_easy_reset.
 * Everything that curl would do by itself and that a signed request cannot stand is
 * switched off: path clean-up, redirects, proxies, Expect, an invented Content-Type,
 * content decoding.
 *
 * The retry promised in the header is curl's own: a reused connection that dies without a
 * byte of answer is replaced by a fresh one (transfer.c, Curl_retry_request).
 */
#include "http.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_CONNECT_MS 3000
#define MAX_HEADER_BYTES (64 * 1024)
#define MAX_HEADER_LINE 8192

struct td_http {
	CURL *easy;
	char *ca_file;
	char *unix_socket;
	long connect_timeout_ms;
	char error[CURL_ERROR_SIZE];
};

/* One exchange under way. */
struct exchange {
	struct td_http_reply reply;
	size_t header_bytes;
	bool header_ended;
	bool too_large;
};

enum td_rc
td_http_global_init(struct td_err *reterr)
{
	CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);

	if (code != CURLE_OK)
		return td_err_set(reterr, TD_NOMEM, "libcurl: %s",
				  curl_easy_strerror(code));
	return TD_OK;
}

void
td_http_global_done(void)
{
	curl_global_cleanup();
}

enum td_rc
td_http_new(const struct td_http_options *opt, struct td_http **ret_http,
	    struct td_err *reterr)
{
	struct td_http *http = calloc(1, sizeof(*http));

	if (http == NULL)
		return td_err_set(reterr, TD_NOMEM, "http client: no memory");
	http->connect_timeout_ms = DEFAULT_CONNECT_MS;
	if (opt->connect_timeout_ms > 0)
		http->connect_timeout_ms = (long)opt->connect_timeout_ms;
	http->easy = curl_easy_init();
	if (opt->ca_file != NULL)
		http->ca_file = strdup(opt->ca_file);
	if (opt->unix_socket != NULL)
		http->unix_socket = strdup(opt->unix_socket);
	if (http->easy == NULL || (opt->ca_file != NULL && http->ca_file == NULL) ||
	    (opt->unix_socket != NULL && http->unix_socket == NULL)) {
		td_http_free(http);
		return td_err_set(reterr, TD_NOMEM, "http client: no memory");
	}
	*ret_http = http;
	return TD_OK;
}

void
td_http_free(struct td_http *http)
{
	if (http == NULL)
		return;
	curl_easy_cleanup(http->easy);
	free(http->ca_file);
	free(http->unix_socket);
	free(http);
}

void
td_http_reply_done(struct td_http_reply *reply)
{
	td_buf_done(&reply->body);
}

static size_t
on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct exchange *x = ctx;

	td_buf_add(&x->reply.body, data, size * count);
	return td_buf_rc(&x->reply.body) == TD_OK ? size * count : 0;
}

/* The value of a header line, without white space around it; "" when it does not fit. */
static void
capture(char *out, size_t size, const char *value, size_t len)
{
	while (len > 0 && (*value == ' ' || *value == '\t')) {
		value++;
		len--;
	}
	while (len > 0 && strchr(" \t\r\n", value[len - 1]) != NULL)
		len--;
	out[0] = '\0';
	if (len >= size || memchr(value, 0, len) != NULL)
		return;
	memcpy(out, value, len);
	out[len] = '\0';
}

static size_t
on_header(char *line, size_t size, size_t count, void *ctx)
{
	struct exchange *x = ctx;
	struct td_http_reply *r = &x->reply;
	const struct {
		const char *name;
		char *out;
		size_t size;
	} wanted[] = {
		{ "content-type", r->content_type, sizeof(r->content_type) },
		{ "location", r->location, sizeof(r->location) },
		{ "retry-after", r->retry_after, sizeof(r->retry_after) },
		{ "x-amz-request-id", r->request_id, sizeof(r->request_id) },
		{ "x-minio-server-status", r->server_status, sizeof(r->server_status) },
		{ "etag", r->etag, sizeof(r->etag) },
	};
	size_t len = size * count;

	x->header_bytes += len;
	if (x->header_bytes > MAX_HEADER_BYTES) {
		x->too_large = true;
		return 0;
	}
	if (line[0] == '\n' || (len == 2 && memcmp(line, "\r\n", 2) == 0))
		x->header_ended = true;
	/* A new status line: what an interim answer said does not count. */
	if (len > 5 && memcmp(line, "HTTP/", 5) == 0) {
		x->header_ended = false;
		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
			wanted[i].out[0] = '\0';
	}
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		size_t n = strlen(wanted[i].name);

		if (len > n && line[n] == ':' &&
		    strncasecmp(line, wanted[i].name, n) == 0)
			capture(wanted[i].out, wanted[i].size, line + n + 1, len - n - 1);
	}
	return len;
}

/* Nothing in it can end the line or the string: no request smuggling by a value. */
static bool
is_line(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' && *s != '\t')
			return false;
	return true;
}

static bool
is_token(const char *s)
{
	const char *p = s;

	for (; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || *p == ':')
			return false;
	return p != s;
}

static bool
is_url(const char *s)
{
	if (strncmp(s, "http://", 7) != 0 && strncmp(s, "https://", 8) != 0)
		return false;
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f)
			return false;
	return true;
}

static enum td_rc
check_request(const struct td_http_request *req, struct td_err *reterr)
{
	if (!is_token(req->method))
		return td_err_set(reterr, TD_INVALID, "http: bad method");
	if (!is_url(req->url))
		return td_err_set(reterr, TD_INVALID, "http: bad url");
	if (req->header_count > TD_HTTP_MAX_HEADERS || req->timeout_ms <= 0 ||
	    req->reply_ceiling < 1)
		return td_err_set(reterr, TD_INVALID, "http: request out of limits");
	for (size_t i = 0; i < req->header_count; i++)
		if (!is_token(req->headers[i].name) || !is_line(req->headers[i].value))
			return td_err_set(reterr, TD_INVALID, "http: bad header %zu", i);
	return TD_OK;
}

/* false: no memory. The list stays valid. */
static bool
append(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer == NULL)
		return false;
	*list = longer;
	return true;
}

static enum td_rc
make_headers(const struct td_http_request *req, struct curl_slist **list,
	     struct td_err *reterr)
{
	bool typed = false;
	enum td_rc rc = TD_OK;
	struct td_buf line;

	td_buf_init_secret(&line, MAX_HEADER_LINE);
	for (size_t i = 0; i < req->header_count && rc == TD_OK; i++) {
		const struct td_http_header *h = &req->headers[i];

		typed |= strcasecmp(h->name, "content-type") == 0;
		td_buf_reset(&line);
		/* In curl's language "name:" would leave a header out, "name;" is an
		 * empty one. */
		if (h->value[0] == '\0')
			td_buf_fmt(&line, "%s;", h->name);
		else
			td_buf_fmt(&line, "%s: %s", h->name, h->value);
		rc = td_buf_rc(&line);
		if (rc == TD_OK && !append(list, td_buf_cstr(&line)))
			rc = TD_NOMEM;
	}
	td_buf_done(&line);
	if (rc == TD_OK &&
	    (!append(list, "Expect:") || (!typed && !append(list, "Content-Type:"))))
		rc = TD_NOMEM;
	if (rc == TD_TOO_LARGE)
		return td_err_set(reterr, TD_INVALID, "http: header line too long");
	if (rc != TD_OK)
		return td_err_set(reterr, rc, "http: no memory");
	return TD_OK;
}

/* Their header strings hold signatures. */
static void
free_headers(struct curl_slist *list)
{
	for (struct curl_slist *l = list; l != NULL; l = l->next)
		explicit_bzero(l->data, strlen(l->data));
	curl_slist_free_all(list);
}

static bool
set_body(CURL *easy, const struct td_http_request *req)
{
	bool wants_body =
		strcmp(req->method, "PUT") == 0 || strcmp(req->method, "POST") == 0;

	if (strcmp(req->method, "HEAD") == 0)
		return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) == CURLE_OK;
	if (req->body == NULL && !wants_body)
		return curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) == CURLE_OK &&
		       curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, req->method) ==
			       CURLE_OK;
	return curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
				(curl_off_t)(req->body == NULL ? 0 : req->body_len)) ==
		       CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
				req->body == NULL ? "" : req->body) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, req->method) == CURLE_OK;
}

static enum td_rc
set_up(struct td_http *http, const struct td_http_request *req,
       struct curl_slist *headers, struct exchange *x, struct td_err *reterr)
{
	CURL *e = http->easy;
	bool ok = true;

	curl_easy_reset(e);
	http->error[0] = '\0';
	ok &= curl_easy_setopt(e, CURLOPT_ERRORBUFFER, http->error) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_URL, req->url) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
	      CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_USERAGENT, "tenantd/" TD_VERSION) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, http->connect_timeout_ms) ==
	      CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms) == CURLE_OK;
	if (http->ca_file != NULL) {
		ok &= curl_easy_setopt(e, CURLOPT_CAINFO, http->ca_file) == CURLE_OK;
		ok &= curl_easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK;
	}
	if (http->unix_socket != NULL)
		ok &= curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, http->unix_socket) ==
		      CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_HEADERDATA, x) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_WRITEDATA, x) == CURLE_OK;
	if (!ok || !set_body(e, req))
		return td_err_set(reterr, TD_NOMEM, "http: no memory for the request");
	return TD_OK;
}

/* A timeout before anything could be sent is a backend that is not there; afterwards the
 * request may have been carried out, which callers must be able to tell apart. */
static enum td_rc
map_timeout(CURL *easy)
{
	curl_off_t sent_at = 0;

	curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &sent_at);
	return sent_at == 0 ? TD_UNREACHABLE : TD_TIMEOUT;
}

static enum td_rc
map_failure(const struct td_http *http, const struct exchange *x, CURLcode code)
{
	if (x->too_large)
		return TD_TOO_LARGE;
	switch ((int)code) {
	case CURLE_WRITE_ERROR:
		return td_buf_rc(&x->reply.body) == TD_NOMEM ? TD_NOMEM : TD_TOO_LARGE;
	case CURLE_OPERATION_TIMEDOUT:
		return map_timeout(http->easy);
	case CURLE_OUT_OF_MEMORY:
		return TD_NOMEM;
	case CURLE_URL_MALFORMAT:
	case CURLE_BAD_FUNCTION_ARGUMENT:
	case CURLE_LOGIN_DENIED:
	case CURLE_SSL_CACERT_BADFILE:
		return TD_INVALID;
	default:
		return TD_UNREACHABLE;
	}
}

static enum td_rc
report(const struct td_http *http, const struct td_http_request *req, enum td_rc rc,
       CURLcode code, struct td_err *reterr)
{
	/* The query stays out: presigned ones hold a signature. */
	int shown = (int)strcspn(req->url, "?");
	const char *why = http->error[0] != '\0' ? http->error : curl_easy_strerror(code);
	long os = 0;

	curl_easy_getinfo(http->easy, CURLINFO_OS_ERRNO, &os);
	td_err_set(reterr, rc, "%s %.*s: %s", req->method, shown > 120 ? 120 : shown,
		   req->url, why);
	if (reterr != NULL)
		reterr->sys_errno = (int)os;
	return rc;
}

enum td_rc
td_http_do(struct td_http *http, const struct td_http_request *req,
	   struct td_http_reply *ret_reply, struct td_err *reterr)
{
	struct exchange x = { 0 };
	struct curl_slist *headers = NULL;
	CURLcode code;
	long status = 0;
	enum td_rc rc = check_request(req, reterr);

	if (rc != TD_OK)
		return rc;
	td_buf_init_secret(&x.reply.body, req->reply_ceiling);
	rc = make_headers(req, &headers, reterr);
	if (rc == TD_OK)
		rc = set_up(http, req, headers, &x, reterr);
	if (rc == TD_OK) {
		code = curl_easy_perform(http->easy);
		if (code != CURLE_OK) {
			rc = map_failure(http, &x, code);
			report(http, req, rc, code, reterr);
		} else if (!x.header_ended) {
			/* curl takes a connection that closes inside the header for the end
			 * of a short answer. */
			rc = report(http, req, TD_UNREACHABLE, CURLE_PARTIAL_FILE,
				    reterr);
		} else {
			curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
			x.reply.status = (int)status;
		}
	}
	/* Nothing of this request stays referenced by the handle. */
	curl_easy_reset(http->easy);
	free_headers(headers);
	if (rc != TD_OK) {
		td_buf_done(&x.reply.body);
		return rc;
	}
	*ret_reply = x.reply;
	return TD_OK;
}
