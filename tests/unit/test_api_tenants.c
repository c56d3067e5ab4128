/*
 * The API over real sockets: tenants and buckets, conditional requests, waits.
 */
#include "test_api_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct reply_text r;

static void
test_tenant_life(void **state)
{
	struct bed *bed = *state;
	char etag[40], path[200];
	const char *at;

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
	expect_code(&r, 412, "precondition_failed");
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
	expect_code(&r, 412, "precondition_failed");
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
	struct bed *bed = *state;

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
	expect_code(&r, 403, "tenant_suspended");
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
	expect_code(&r, 410, "appid_retired");
	ask(bed,
	    &(struct request){ .method = "PUT",
			       .path = "/v1/tenants/end123",
			       .token = bed->admin,
			       .body = "{\"plan\":\"small\"}" },
	    &r);
	expect_code(&r, 410, "appid_retired");
}

static void
test_buckets(void **state)
{
	struct bed *bed = *state;
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
		/* Answered when it is closed, long before it is gone. */
		{ "DELETE", "/v1/tenants/buck01/buckets/full?purge=true&wait=30", NULL,
		  202, "\"access\":\"closed\"" },
		{ "DELETE", "/v1/tenants/buck01/buckets/full?purge=yes", NULL, 400,
		  "purge" },
	};

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
	expect_code(&r, 403, "forbidden");
	ask(bed,
	    &(struct request){ .method = "PUT",
			       .path = "/v1/tenants/buck02/buckets/data",
			       .token = token,
			       .body = "{}" },
	    &r);
	expect_code(&r, 403, "forbidden");
	ask(bed,
	    &(struct request){ .method = "GET", .path = "/v1/tenants", .token = token },
	    &r);
	expect_code(&r, 403, "forbidden");
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/credentials", .token = token },
	    &r);
	expect_code(&r, 403, "forbidden");
}

static void
test_wait_times_out_with_the_current_state(void **state)
{
	struct bed *bed = *state;

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tenant_life),
		cmocka_unit_test(test_tenant_life_to_its_end),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_wait_times_out_with_the_current_state),
	};

	return cmocka_run_group_tests(tests, bed_setup, bed_teardown);
}
