/*
 * A request is brought into one canonical text, that text is hashed, and the hash is
 * signed with a key derived from the secret, the day, the region and the service. Query
 * parameters are sorted here and sent in that very form, so that what the server
 * re-encodes is what was signed.
 */
#include "minio/sigv4.h"

#include "base/env.h"

#include <string.h>

#define TARGET_MAX 8192
#define CANONICAL_MAX 32768
#define SCOPE_MAX 256

/* host, x-amz-date, x-amz-content-sha256, x-amz-security-token */
#define OWN_HEADERS 4

struct header_list {
	struct sigv4_header h[SIGV4_HEADERS_MAX + OWN_HEADERS];
	size_t count;
};

static void
hex(const unsigned char *in, char out[SIGV4_HASH_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < TD_SHA256_LEN; i++) {
		out[2 * i] = digits[in[i] >> 4];
		out[2 * i + 1] = digits[in[i] & 15];
	}
	out[SIGV4_HASH_SIZE - 1] = '\0';
}

static void
hash_hex(const void *data, size_t len, char out[SIGV4_HASH_SIZE])
{
	unsigned char sum[TD_SHA256_LEN];

	td_sha256(data, len, sum);
	hex(sum, out);
}

/* "2026-01-02T03:04:05.678Z" -> "20260102T030405Z" */
static void
basic_date(int64_t now_ms, char out[SIGV4_DATE_SIZE])
{
	char text[TD_TIME_TEXT];
	size_t n = 0;

	td_time_text(now_ms, text);
	for (size_t i = 0; text[i] != '.' && text[i] != '\0'; i++)
		if (text[i] != '-' && text[i] != ':')
			out[n++] = text[i];
	out[n++] = 'Z';
	out[n] = '\0';
}

static void
params_sort(struct sigv4_param *p, size_t count)
{
	/* Stable: the values of one name keep their order, as the server keeps it. */
	for (size_t i = 1; i < count; i++) {
		struct sigv4_param one = p[i];
		size_t k = i;

		for (; k > 0 && strcmp(p[k - 1].name, one.name) > 0; k--)
			p[k] = p[k - 1];
		p[k] = one;
	}
}

static void
query_add(struct td_buf *out, const struct sigv4_request *req)
{
	struct sigv4_param sorted[SIGV4_PARAMS_MAX];

	for (size_t i = 0; i < req->param_count; i++)
		sorted[i] = req->params[i];
	params_sort(sorted, req->param_count);
	for (size_t i = 0; i < req->param_count; i++) {
		const char *value = sorted[i].value ? sorted[i].value : "";

		if (i > 0)
			td_buf_char(out, '&');
		td_buf_uri(out, sorted[i].name, strlen(sorted[i].name), TD_URI_COMPONENT);
		td_buf_char(out, '=');
		td_buf_uri(out, value, strlen(value), TD_URI_COMPONENT);
	}
}

static void
headers_collect(struct header_list *list, const struct sigv4_key *key,
		const struct sigv4_request *req, const struct sigv4_signed *s)
{
	struct sigv4_header own[OWN_HEADERS];
	size_t n = 0;

	own[n++] = (struct sigv4_header){ "host", req->host };
	own[n++] = (struct sigv4_header){ "x-amz-date", s->date };
	if (req->service != SIGV4_STS)
		own[n++] = (struct sigv4_header){ "x-amz-content-sha256", s->body_hash };
	if (key->session_token)
		own[n++] = (struct sigv4_header){ "x-amz-security-token",
						  td_secret_bytes(key->session_token) };
	list->count = 0;
	for (size_t i = 0; i < n + req->header_count; i++) {
		const struct sigv4_header *one = i < n ? &own[i] : &req->headers[i - n];
		size_t k = list->count++;

		for (; k > 0 && strcmp(list->h[k - 1].name, one->name) > 0; k--)
			list->h[k] = list->h[k - 1];
		list->h[k] = *one;
	}
}

static void
header_names_add(struct td_buf *out, const struct header_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			td_buf_char(out, ';');
		td_buf_str(out, list->h[i].name);
	}
}

/* Trimmed, inner runs of spaces as one. */
static void
header_value_add(struct td_buf *out, const char *value)
{
	bool space = false;
	bool begun = false;

	for (const char *p = value; *p; p++) {
		if (*p == ' ' || *p == '\t') {
			space = true;
			continue;
		}
		if (space && begun)
			td_buf_char(out, ' ');
		td_buf_char(out, *p);
		begun = true;
		space = false;
	}
}

static void
canonical_write(struct td_buf *out, const struct sigv4_request *req,
		const struct header_list *list, const char *body_hash)
{
	td_buf_str(out, req->method);
	td_buf_char(out, '\n');
	td_buf_uri(out, req->path, strlen(req->path), TD_URI_PATH);
	td_buf_char(out, '\n');
	query_add(out, req);
	td_buf_char(out, '\n');
	for (size_t i = 0; i < list->count; i++) {
		td_buf_str(out, list->h[i].name);
		td_buf_char(out, ':');
		header_value_add(out, list->h[i].value);
		td_buf_char(out, '\n');
	}
	td_buf_char(out, '\n');
	header_names_add(out, list);
	td_buf_char(out, '\n');
	td_buf_str(out, body_hash);
}

static const char *
service_name(enum sigv4_service service)
{
	return service == SIGV4_STS ? "sts" : "s3";
}

static enum td_rc
signing_key(const struct sigv4_key *key, const struct sigv4_request *req, const char *day,
	    unsigned char out[TD_SHA256_LEN])
{
	const char *service = service_name(req->service);
	struct td_buf first;
	unsigned char k[TD_SHA256_LEN];
	enum td_rc rc;

	td_buf_init_secret(&first, TD_SECRET_MAX + 4);
	td_buf_str(&first, "AWS4");
	td_buf_add(&first, td_secret_bytes(key->secret), td_secret_len(key->secret));
	rc = td_buf_rc(&first);
	if (rc == TD_OK) {
		td_hmac_sha256(first.data, first.len, day, 8, out);
		td_hmac_sha256(out, TD_SHA256_LEN, req->region, strlen(req->region), k);
		td_hmac_sha256(k, sizeof(k), service, strlen(service), out);
		td_hmac_sha256(out, TD_SHA256_LEN, "aws4_request", 12, k);
		memcpy(out, k, sizeof(k));
	}
	explicit_bzero(k, sizeof(k));
	td_buf_done(&first);
	return rc;
}

static enum td_rc
authorization_write(const struct sigv4_key *key, const struct sigv4_request *req,
		    const struct header_list *list, struct sigv4_signed *s)
{
	unsigned char secret[TD_SHA256_LEN];
	unsigned char sum[TD_SHA256_LEN];
	struct td_buf text;
	enum td_rc rc;

	rc = signing_key(key, req, s->date, secret);
	if (rc != TD_OK)
		return rc;
	td_buf_init(&text, SCOPE_MAX + 256);
	td_buf_fmt(&text, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s", s->date,
		   s->date, req->region, service_name(req->service), s->canonical_hash);
	rc = td_buf_rc(&text);
	if (rc == TD_OK) {
		td_hmac_sha256(secret, sizeof(secret), text.data, text.len, sum);
		td_buf_fmt(&s->authorization,
			   "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, "
			   "SignedHeaders=",
			   key->access_key, s->date, req->region,
			   service_name(req->service));
		header_names_add(&s->authorization, list);
		td_buf_str(&s->authorization, ", Signature=");
		td_buf_hex(&s->authorization, sum, sizeof(sum));
		rc = td_buf_rc(&s->authorization);
	}
	td_buf_done(&text);
	explicit_bzero(secret, sizeof(secret));
	return rc;
}

static enum td_rc
request_check(const struct sigv4_request *req, struct td_err *reterr)
{
	if (req->param_count > SIGV4_PARAMS_MAX || req->header_count > SIGV4_HEADERS_MAX)
		return td_err_set(reterr, TD_INVALID,
				  "too many parameters or headers to sign");
	if (req->path[0] != '/')
		return td_err_set(reterr, TD_INVALID, "a path to sign starts with /");
	for (size_t i = 0; i < req->header_count; i++)
		for (const char *p = req->headers[i].value; *p; p++)
			if ((unsigned char)*p < 0x20 && *p != '\t')
				return td_err_set(reterr, TD_INVALID,
						  "control character in header %s",
						  req->headers[i].name);
	return TD_OK;
}

enum td_rc
sigv4_sign(const struct sigv4_key *key, const struct sigv4_request *req,
	   struct sigv4_signed *ret, struct td_err *reterr)
{
	struct sigv4_signed s = { 0 };
	struct header_list list;
	struct td_buf text;
	enum td_rc rc;

	rc = request_check(req, reterr);
	if (rc != TD_OK)
		return rc;
	td_buf_init(&s.target, TARGET_MAX);
	td_buf_init(&s.authorization, TARGET_MAX);
	td_buf_init_secret(&text, CANONICAL_MAX); /* may hold a session token */
	basic_date(req->now_ms, s.date);
	hash_hex(req->body.data, req->body.len, s.body_hash);
	headers_collect(&list, key, req, &s);

	td_buf_uri(&s.target, req->path, strlen(req->path), TD_URI_PATH);
	if (req->param_count > 0) {
		td_buf_char(&s.target, '?');
		query_add(&s.target, req);
	}
	canonical_write(&text, req, &list, s.body_hash);
	rc = td_buf_rc(&text);
	if (rc == TD_OK)
		rc = td_buf_rc(&s.target);
	if (rc == TD_OK) {
		hash_hex(text.data, text.len, s.canonical_hash);
		rc = authorization_write(key, req, &list, &s);
	}
	td_buf_done(&text);
	if (rc != TD_OK) {
		sigv4_signed_done(&s);
		return td_err_set(reterr, rc == TD_TOO_LARGE ? TD_INVALID : rc,
				  "cannot sign %s %s", req->method, req->path);
	}
	*ret = s;
	return TD_OK;
}

void
sigv4_signed_done(struct sigv4_signed *s)
{
	td_buf_done(&s->target);
	td_buf_done(&s->authorization);
}
