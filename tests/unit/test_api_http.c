/*
 * The API over real sockets: statuses, conditional requests, waits, credentials.
 */
#include "test_api_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct bed *bed;
static struct reply_text r;

static int
setup(void **state)
{
	(void)state;
	bed = bed_new(&(struct bed_options){ 0 });
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	bed_free(bed);
	return 0;
}

static void
expect_code(int status, const char *code)
{
	char got[64] = "";

	if (r.status >= 400)
		member_text(&r, "code", got, sizeof(got));
	if (r.status != status || strcmp(got, code) != 0)
		fail_msg("wanted %d %s, got: %s", status, code, r.text);
}

static const struct {
	const char *what;
	struct request q;
	int status;
	const char *code;
} refusals[] = {
	{ "no such path", { .method = "GET", .path = "/v2" }, 404, "not_found" },
	{ "a path that goes on",
	  { .method = "GET", .path = "/healthz/x" },
	  404,
	  "not_found" },
	{ "no token",
	  { .method = "GET", .path = "/v1/tenants" },
	  401,
	  "unauthenticated" },
	{ "a token without Bearer where it must be",
	  { .method = "GET",
	    .path = "/v1/tenants",
	    .headers = "Authorization: "
		       "tnd_0123456789012345678901234567890123456789012\r\n" },
	  401,
	  "unauthenticated" },
	{ "a malformed token",
	  { .method = "GET", .path = "/v1/tenants", .token = "tnd_short" },
	  401,
	  "unauthenticated" },
	{ "an unknown token",
	  { .method = "GET",
	    .path = "/v1/tenants",
	    .token = "tnd_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
	  401,
	  "unauthenticated" },
	{ "another method",
	  { .method = "PUT", .path = "/healthz" },
	  405,
	  "method_not_allowed" },
	{ "POST credentials comes later",
	  { .method = "POST", .path = "/v1/credentials" },
	  405,
	  "method_not_allowed" },
	{ "an unknown parameter",
	  { .method = "GET", .path = "/v1/tenants?purg=true", .token = "A" },
	  400,
	  "invalid_request" },
	{ "a parameter twice",
	  { .method = "GET", .path = "/v1/tenants?limit=1&limit=2", .token = "A" },
	  400,
	  "invalid_request" },
	{ "too large a page",
	  { .method = "GET", .path = "/v1/tenants?limit=1001", .token = "A" },
	  400,
	  "invalid_request" },
	{ "an unknown phase",
	  { .method = "GET", .path = "/v1/tenants?phase=Gone", .token = "A" },
	  400,
	  "invalid_request" },
	{ "too long a wait",
	  { .method = "GET", .path = "/v1/tenants/nobody1?wait=61", .token = "A" },
	  400,
	  "invalid_request" },
	{ "no such tenant",
	  { .method = "GET", .path = "/v1/tenants/nobody1", .token = "A" },
	  404,
	  "not_found" },
	{ "a path that is no appid",
	  { .method = "PUT", .path = "/v1/tenants/No-Body", .token = "A", .body = "{}" },
	  400,
	  "invalid_request" },
	{ "a reserved appid",
	  { .method = "PUT", .path = "/v1/tenants/config", .token = "A", .body = "{}" },
	  409,
	  "appid_reserved" },
	{ "an unknown plan",
	  { .method = "PUT",
	    .path = "/v1/tenants/nobody1",
	    .token = "A",
	    .body = "{\"plan\":\"gold\"}" },
	  422,
	  "unknown_plan" },
	{ "an unknown member",
	  { .method = "PUT",
	    .path = "/v1/tenants/nobody1",
	    .token = "A",
	    .body = "{\"plam\":\"small\"}" },
	  400,
	  "invalid_request" },
	{ "another content type",
	  { .method = "PUT",
	    .path = "/v1/tenants/nobody1",
	    .token = "A",
	    .headers = "Content-Type: text/plain\r\n",
	    .body = "{}" },
	  415,
	  "unsupported_media_type" },
	{ "a body where none is taken",
	  { .method = "DELETE",
	    .path = "/v1/tenants/nobody1",
	    .token = "A",
	    .body = "{}" },
	  413,
	  "too_large" },
	{ "If-Match on nothing",
	  { .method = "PUT",
	    .path = "/v1/tenants/nobody1",
	    .token = "A",
	    .headers = "If-Match: \"1\"\r\n",
	    .body = "{\"plan\":\"small\"}" },
	  412,
	  "precondition_failed" },
	{ "an admin who does not say whose credentials",
	  { .method = "GET", .path = "/v1/credentials", .token = "A" },
	  400,
	  "invalid_request" },
	{ "an unknown format",
	  { .method = "GET",
	    .path = "/v1/credentials?appid=nobody1&format=xml",
	    .token = "A" },
	  400,
	  "invalid_request" },
	{ "credentials of nobody",
	  { .method = "GET", .path = "/v1/credentials?appid=nobody1", .token = "A" },
	  404,
	  "not_found" },
	{ "a token for nobody",
	  { .method = "POST",
	    .path = "/v1/tokens",
	    .token = "A",
	    .body = "{\"role\":\"runtime\",\"appid\":\"nobody1\"}" },
	  422,
	  "unprocessable" },
	{ "a token that is not there",
	  { .method = "DELETE", .path = "/v1/tokens/0123456789abcdef", .token = "A" },
	  404,
	  "not_found" },
	{ "an id too long to be one",
	  { .method = "DELETE", .path = "/v1/tokens/0123456789abcdef0", .token = "A" },
	  404,
	  "not_found" },
};

static void
test_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct request q = refusals[i].q;

		print_message("- %s\n", refusals[i].what);
		if (q.token != NULL && strcmp(q.token, "A") == 0)
			q.token = bed->admin;
		ask(bed, &q, &r);
		expect_code(refusals[i].status, refusals[i].code);
		assert_non_null(strstr(r.text, "application/problem+json"));
		assert_non_null(strstr(r.text, "X-Request-Id: "));
	}
}

static void
test_headers(void **state)
{
	(void)state;
	ask(bed, &(struct request){ .method = "PUT", .path = "/healthz" }, &r);
	assert_non_null(strstr(r.text, "Allow: GET, HEAD\r\n"));
	ask(bed, &(struct request){ .method = "GET", .path = "/v1/tenants" }, &r);
	assert_non_null(strstr(r.text, "WWW-Authenticate: Bearer"));
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/healthz",
			       .headers = "X-Request-Id: abc-1.2_3\r\n" },
	    &r);
	assert_non_null(strstr(r.text, "X-Request-Id: abc-1.2_3\r\n"));
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/healthz",
			       .headers = "X-Request-Id: a b\"c\r\n" },
	    &r);
	assert_null(strstr(r.text, "a b\"c"));
}

/* A body after the HEAD would be read as the beginning of the next answer. */
static void
test_head_has_no_body_and_keeps_the_connection(void **state)
{
	int fd = client_connect(bed);
	char first[64];

	(void)state;
	client_send(fd,
		    "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
		    "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: second\r\n\r\n");
	client_read_head(fd, &r, 5000);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.text, "Content-Length: 16\r\n"));
	snprintf(first, sizeof(first), "%.12s", r.text);
	client_read(fd, &r, 5000);
	assert_string_equal(first, "HTTP/1.1 200");
	assert_int_equal(strncmp(r.text, "HTTP/1.1 200", 12), 0);
	assert_non_null(strstr(r.text, "X-Request-Id: second\r\n"));
	close(fd);
}

/* An error about a small body leaves the connection usable; one about a huge body ends it. */
static void
test_refused_bodies(void **state)
{
	int fd = client_connect(bed);

	(void)state;
	client_ask(fd, &(struct request){ .method = "PUT",
					  .path = "/v1/tenants/nobody1",
					  .body = "{\"plan\":\"small\"}" });
	client_read(fd, &r, 5000);
	assert_int_equal(r.status, 401);
	client_ask(fd, &(struct request){ .method = "GET", .path = "/healthz" });
	client_read(fd, &r, 5000);
	assert_int_equal(r.status, 200);
	client_send(fd,
		    "PUT /v1/tenants/nobody1 HTTP/1.1\r\nHost: x\r\n"
		    "Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n");
	client_read(fd, &r, 5000);
	assert_int_equal(r.status, 401);
	assert_true(client_closed(fd, 5000));
	close(fd);
}

static void
test_chunked_body_over_its_ceiling(void **state)
{
	static char chunk[5001];
	int fd = client_connect(bed);
	char line[200];

	(void)state;
	memset(chunk, ' ', 5000);
	snprintf(line, sizeof(line),
		 "POST /v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
		 "Content-Type: application/json\r\nTransfer-Encoding: "
		 "chunked\r\n\r\n1388\r\n",
		 bed->admin);
	client_send(fd, line);
	client_send(fd, chunk);
	client_send(fd, "\r\n0\r\n\r\n");
	client_read(fd, &r, 5000);
	assert_int_equal(r.status, 413);
	close(fd);
}

static void
test_tenant_life(void **state)
{
	char etag[40], path[200];
	const char *at;

	(void)state;
	make_tenant(bed, "abc123");
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/tenants/abc123", .token = bed->admin },
	    &r);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.text, "\"bucket\":\"abc123-data\""));
	assert_non_null(strstr(r.text, "\"limits\":{}"));
	assert_non_null(
		strstr(r.text, "\"effective_limits\":{\"object_bytes\":1073741824"));
	assert_non_null(strstr(r.text, "\"volume\":null"));
	at = strstr(r.text, "ETag: ");
	assert_non_null(at);
	snprintf(etag, sizeof(etag), "%.*s", (int)strcspn(at + 6, "\r"), at + 6);

	/* GET, edit, PUT: the whole reply goes back. */
	static char body[REPLY_MAX];
	snprintf(body, sizeof(body), "%s", r.text + r.body_at);
	snprintf(path, sizeof(path), "If-Match: %s\r\n", etag);
	ask(bed,
	    &(struct request){ .method = "PUT",
			       .path = "/v1/tenants/abc123",
			       .token = bed->admin,
			       .headers = path,
			       .body = body },
	    &r);
	if (r.status != 200)
		fail_msg("%s", r.text);
	ask(bed,
	    &(struct request){ .method = "PUT",
			       .path = "/v1/tenants/abc123",
			       .token = bed->admin,
			       .headers = "If-None-Match: *\r\n",
			       .body = body },
	    &r);
	expect_code(412, "precondition_failed");
	ask(bed,
	    &(struct request){
		    .method = "PUT",
		    .path = "/v1/tenants/abc123?wait=20",
		    .token = bed->admin,
		    .headers = path,
		    .body = "{\"labels\":{\"team\":\"x\"},\"limits\":{\"buckets\":7}}" },
	    &r);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.text, "\"labels\":{\"team\":\"x\"}"));
	assert_non_null(strstr(r.text, "\"limits\":{\"buckets\":7}"));
	ask(bed,
	    &(struct request){ .method = "PUT",
			       .path = "/v1/tenants/abc123",
			       .token = bed->admin,
			       .headers = path,
			       .body = "{\"labels\":{}}" },
	    &r);
	expect_code(412, "precondition_failed");
	ask(bed,
	    &(struct request){ .method = "PUT",
			       .path = "/v1/tenants/abc123",
			       .token = bed->admin,
			       .body = "{\"region\":\"other\"}" },
	    &r);
	assert_int_equal(r.status, 409);
}

static void
test_tenant_life_to_its_end(void **state)
{
	(void)state;
	make_tenant(bed, "end123");
	ask(bed,
	    &(struct request){ .method = "POST",
			       .path = "/v1/tenants/end123/suspend?wait=20",
			       .token = bed->admin },
	    &r);
	assert_non_null(strstr(r.text, "\"phase\":\"Suspended\""));
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/credentials?appid=end123",
			       .token = bed->admin },
	    &r);
	expect_code(403, "tenant_suspended");
	ask(bed,
	    &(struct request){ .method = "POST",
			       .path = "/v1/tenants/end123/resume?wait=20",
			       .token = bed->admin,
			       .body = "{}" },
	    &r);
	assert_non_null(strstr(r.text, "\"phase\":\"Created\""));
	ask(bed,
	    &(struct request){ .method = "DELETE",
			       .path = "/v1/tenants/end123",
			       .token = bed->admin },
	    &r);
	assert_int_equal(r.status, 202);
	ask(bed,
	    &(struct request){ .method = "POST",
			       .path = "/v1/tenants/end123/undelete?wait=20",
			       .token = bed->admin },
	    &r);
	assert_int_equal(r.status, 200);
	ask(bed,
	    &(struct request){ .method = "DELETE",
			       .path = "/v1/tenants/end123?force=true&wait=30",
			       .token = bed->admin },
	    &r);
	if (r.status != 204)
		fail_msg("%s", r.text);
	ask(bed,
	    &(struct request){ .method = "DELETE",
			       .path = "/v1/tenants/end123",
			       .token = bed->admin },
	    &r);
	assert_int_equal(r.status, 204);
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/tenants/end123", .token = bed->admin },
	    &r);
	expect_code(410, "appid_retired");
	ask(bed,
	    &(struct request){ .method = "PUT",
			       .path = "/v1/tenants/end123",
			       .token = bed->admin,
			       .body = "{\"plan\":\"small\"}" },
	    &r);
	expect_code(410, "appid_retired");
}

static void
test_buckets(void **state)
{
	char token[48];
	static const struct {
		const char *method, *path, *body;
		int status;
		const char *has;
	} rows[] = {
		{ "PUT", "/v1/tenants/buck01/buckets/full?wait=20",
		  "{\"mode\":\"readonly\",\"quota_bytes\":1048576}", 201,
		  "\"ready\":true" },
		{ "PUT", "/v1/tenants/buck01/buckets/full?wait=20",
		  "{\"mode\":\"private\"}", 200, "\"quota_bytes\":1048576" },
		{ "PUT", "/v1/tenants/buck01/buckets/full", "{\"mode\":\"public\"}", 400,
		  "private, readonly or readwrite" },
		{ "PUT", "/v1/tenants/buck01/buckets/X", "{}", 400, "bucket" },
		{ "GET", "/v1/tenants/buck01/buckets/full", NULL, 200,
		  "\"mode\":\"private\"" },
		{ "GET", "/v1/tenants/buck01/buckets/none", NULL, 404, "not_found" },
		{ "GET", "/v1/tenants/buck01/buckets?limit=1", NULL, 200,
		  "\"next\":\"data\"" },
		{ "GET", "/v1/tenants/buck01/buckets?limit=1&cursor=data", NULL, 200,
		  "\"name\":\"full\"" },
		{ "GET", "/v1/tenants/buck01/buckets?cursor=full", NULL, 200,
		  "{\"buckets\":[],\"next\":null}" },
		{ "DELETE", "/v1/tenants/buck01/buckets/full", NULL, 409,
		  "bucket_not_empty" },
		{ "DELETE", "/v1/tenants/buck01/buckets/data", NULL, 204, "" },
		{ "GET", "/v1/tenants/buck01/buckets/data", NULL, 404, "not_found" },
		{ "DELETE", "/v1/tenants/buck01/buckets/full?purge=true", NULL, 202,
		  "\"state\":\"removing\"" },
		{ "DELETE", "/v1/tenants/buck01/buckets/full?purge=yes", NULL, 400,
		  "purge" },
	};

	(void)state;
	make_tenant(bed, "buck01");
	make_tenant(bed, "buck02");
	make_token(bed, "tenant", "buck01", token);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("- %s %s\n", rows[i].method, rows[i].path);
		ask(bed,
		    &(struct request){ .method = rows[i].method,
				       .path = rows[i].path,
				       .token = token,
				       .body = rows[i].body },
		    &r);
		if (r.status != rows[i].status || strstr(r.text, rows[i].has) == NULL)
			fail_msg("wanted %d and %s: %s", rows[i].status, rows[i].has,
				 r.text);
	}
	/* Its own tenant and nothing else. */
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/tenants/buck01", .token = token },
	    &r);
	assert_int_equal(r.status, 200);
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/tenants/buck02", .token = token },
	    &r);
	expect_code(403, "forbidden");
	ask(bed,
	    &(struct request){ .method = "PUT",
			       .path = "/v1/tenants/buck02/buckets/data",
			       .token = token,
			       .body = "{}" },
	    &r);
	expect_code(403, "forbidden");
	ask(bed,
	    &(struct request){ .method = "GET", .path = "/v1/tenants", .token = token },
	    &r);
	expect_code(403, "forbidden");
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/credentials", .token = token },
	    &r);
	expect_code(403, "forbidden");
}

static void
test_credentials(void **state)
{
	char token[48], header[160], etag[80];
	const char *at;

	(void)state;
	make_tenant(bed, "cred01");
	make_token(bed, "runtime", "cred01", token);
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/credentials", .token = token },
	    &r);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.text, "\"database\":{\"uri\":\"mongodb://cred01"));
	assert_non_null(strstr(r.text, "?authSource=cred01&replicaSet=rs0"));
	assert_non_null(strstr(r.text, "\"volume\":null"));
	assert_non_null(strstr(r.text, "Cache-Control: no-store"));
	at = strstr(r.text, "ETag: ");
	assert_non_null(at);
	snprintf(etag, sizeof(etag), "%.*s", (int)strcspn(at + 6, "\r"), at + 6);
	snprintf(header, sizeof(header), "If-None-Match: %s\r\n", etag);
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/credentials",
			       .token = token,
			       .headers = header },
	    &r);
	assert_int_equal(r.status, 304);
	/* One tag per format. */
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/credentials?format=env",
			       .token = token,
			       .headers = header },
	    &r);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.text, "\nOSS_REGION='us-east-1'\n"));
	/* As the AWS SDKs send it. */
	snprintf(header, sizeof(header), "Authorization: %s\r\n", token);
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/credentials?format=aws",
			       .headers = header },
	    &r);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.text, "\"Token\":\"\",\"Expiration\":\"20"));
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/credentials?appid=cred01",
			       .token = token },
	    &r);
	expect_code(403, "forbidden");
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/tenants/cred01", .token = token },
	    &r);
	expect_code(403, "forbidden");
}

static void
test_not_ready_and_long_poll_until_ready(void **state)
{
	char token[48];
	int fd;

	(void)state;
	bed_hold();
	ask(bed,
	    &(struct request){ .method = "PUT",
			       .path = "/v1/tenants/slow01",
			       .token = bed->admin,
			       .body = "{\"plan\":\"small\"}" },
	    &r);
	assert_int_equal(r.status, 201);
	make_token(bed, "runtime", "slow01", token);
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/credentials", .token = token },
	    &r);
	expect_code(503, "not_ready");
	assert_non_null(strstr(r.text, "Retry-After: "));
	fd = client_connect(bed);
	client_ask(fd, &(struct request){ .method = "GET",
					  .path = "/v1/credentials",
					  .token = token,
					  .headers = "Prefer: wait=60\r\n" });
	assert_false(client_closed(fd, 300));
	bed_release();
	client_read(fd, &r, 20000);
	assert_int_equal(r.status, 200);
	close(fd);
}

static void
test_wait_times_out_with_the_current_state(void **state)
{
	(void)state;
	bed_hold();
	ask(bed,
	    &(struct request){ .method = "PUT",
			       .path = "/v1/tenants/slow02?wait=1",
			       .token = bed->admin,
			       .body = "{\"plan\":\"small\"}" },
	    &r);
	assert_int_equal(r.status, 201);
	assert_non_null(strstr(r.text, "\"phase\":\"Creating\""));
	bed_release();
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/tenants/slow02?wait=30",
			       .token = bed->admin },
	    &r);
	assert_non_null(strstr(r.text, "\"phase\":\"Created\""));
}

static void
test_tokens(void **state)
{
	char id[20], token[48], path[64], header[160], etag[80];
	const char *at;
	int fd;

	(void)state;
	make_tenant(bed, "tok001");
	ask(bed,
	    &(struct request){ .method = "POST",
			       .path = "/v1/tokens",
			       .token = bed->admin,
			       .body = "{\"role\":\"runtime\",\"appid\":\"tok001\","
				       "\"label\":\"pod\",\"ttl_seconds\":60}" },
	    &r);
	assert_int_equal(r.status, 201);
	member_text(&r, "id", id, sizeof(id));
	member_text(&r, "token", token, sizeof(token));
	snprintf(path, sizeof(path), "/v1/tokens/%s", id);
	ask(bed, &(struct request){ .method = "GET", .path = path, .token = bed->admin },
	    &r);
	assert_int_equal(r.status, 200);
	assert_null(strstr(r.text, token));
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/tokens?appid=tok001",
			       .token = bed->admin },
	    &r);
	assert_non_null(strstr(r.text, id));
	assert_null(strstr(r.text, token));
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/tokens?limit=1", .token = bed->admin },
	    &r);
	assert_null(strstr(r.text, "\"next\":null"));

	/* A long poll of a token that is deleted meanwhile ends with 401. */
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/credentials", .token = token },
	    &r);
	at = strstr(r.text, "ETag: ");
	assert_non_null(at);
	snprintf(etag, sizeof(etag), "%.*s", (int)strcspn(at + 6, "\r"), at + 6);
	snprintf(header, sizeof(header), "If-None-Match: %s\r\nPrefer: wait=60\r\n",
		 etag);
	fd = client_connect(bed);
	client_ask(fd, &(struct request){ .method = "GET",
					  .path = "/v1/credentials",
					  .token = token,
					  .headers = header });
	assert_false(client_closed(fd, 300));
	ask(bed,
	    &(struct request){ .method = "DELETE", .path = path, .token = bed->admin },
	    &r);
	assert_int_equal(r.status, 204);
	client_read(fd, &r, 5000);
	assert_int_equal(r.status, 401);
	close(fd);
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/credentials", .token = token },
	    &r);
	expect_code(401, "unauthenticated");
	ask(bed,
	    &(struct request){ .method = "DELETE", .path = path, .token = bed->admin },
	    &r);
	expect_code(404, "not_found");
	/* Nobody saws off the branch he sits on. */
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/tokens?limit=1000",
			       .token = bed->admin },
	    &r);
	at = strstr(r.text, "first admin token");
	assert_non_null(at);
	while (strncmp(at, "\"id\":\"", 6) != 0)
		at--;
	snprintf(path, sizeof(path), "/v1/tokens/%.16s", at + 6);
	ask(bed,
	    &(struct request){ .method = "DELETE", .path = path, .token = bed->admin },
	    &r);
	expect_code(409, "own_token");
}

static void
test_list_and_audit(void **state)
{
	struct td_err err;

	(void)state;
	make_tenant(bed, "list01");
	make_tenant(bed, "list02");
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/tenants?limit=1&cursor=list00",
			       .token = bed->admin },
	    &r);
	/* "list00" was never there: the page begins behind it. */
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.text, "\"appid\":\"list01\""));
	assert_non_null(strstr(r.text, "\"next\":\"list01\""));
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/tenants?phase=Deleting",
			       .token = bed->admin },
	    &r);
	assert_null(strstr(r.text, "list01"));
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/credentials?appid=list01",
			       .token = bed->admin,
			       .headers = "X-Request-Id: seen-in-audit\r\n" },
	    &r);
	assert_int_equal(r.status, 200);
	assert_int_equal(spool_flush(bed->spools, 5000, &err), TD_OK);
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/audit?appid=list01&limit=1000",
			       .token = bed->admin },
	    &r);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.text, "\"action\":\"tenant.put\""));
	assert_non_null(strstr(r.text, "\"action\":\"credentials.read\""));
	assert_non_null(strstr(r.text, "\"request_id\":\"seen-in-audit\""));
	assert_non_null(strstr(r.text, "\"address\":\"127.0.0.1\""));
	assert_null(strstr(r.text, "list02"));
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/audit?limit=1", .token = bed->admin },
	    &r);
	assert_null(strstr(r.text, "\"next\":null"));
}

static void
test_ops(void **state)
{
	(void)state;
	ask(bed, &(struct request){ .method = "GET", .path = "/readyz" }, &r);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.text, "\"ready\":true"));
	ask(bed, &(struct request){ .method = "GET", .path = "/metrics?x=1" }, &r);
	assert_int_equal(r.status, 200);
	assert_non_null(
		strstr(r.text, "tenantd_http_requests_total{route=\"getReadiness\""));
	ask(bed, &(struct request){ .method = "GET", .path = "/openapi.yaml" }, &r);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.text, "openapi: 3"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_head_has_no_body_and_keeps_the_connection),
		cmocka_unit_test(test_refused_bodies),
		cmocka_unit_test(test_chunked_body_over_its_ceiling),
		cmocka_unit_test(test_tenant_life),
		cmocka_unit_test(test_tenant_life_to_its_end),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_not_ready_and_long_poll_until_ready),
		cmocka_unit_test(test_wait_times_out_with_the_current_state),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_list_and_audit),
		cmocka_unit_test(test_ops),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
