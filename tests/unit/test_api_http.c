/*
 * The API over real sockets: statuses, headers, bodies, lists.
 */
#include "test_api_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct reply_text r;

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
	struct bed *bed = *state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct request q = refusals[i].q;

		print_message("- %s\n", refusals[i].what);
		if (q.token != NULL && strcmp(q.token, "A") == 0)
			q.token = bed->admin;
		ask(bed, &q, &r);
		expect_code(&r, refusals[i].status, refusals[i].code);
		assert_non_null(strstr(r.text, "application/problem+json"));
		assert_non_null(strstr(r.text, "X-Request-Id: "));
	}
}

static void
test_headers(void **state)
{
	struct bed *bed = *state;

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
	struct bed *bed = *state;
	int fd = client_connect(bed);
	char first[64];

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
	struct bed *bed = *state;
	int fd = client_connect(bed);

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
	struct bed *bed = *state;
	static char chunk[5001];
	int fd = client_connect(bed);
	char line[200];

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
test_list_and_audit(void **state)
{
	struct bed *bed = *state;
	struct td_err err;

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_head_has_no_body_and_keeps_the_connection),
		cmocka_unit_test(test_refused_bodies),
		cmocka_unit_test(test_chunked_body_over_its_ceiling),
		cmocka_unit_test(test_list_and_audit),
	};

	return cmocka_run_group_tests(tests, bed_setup, bed_teardown);
}
