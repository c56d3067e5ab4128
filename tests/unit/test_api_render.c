/*
 * Records into documents, byte for byte where a client parses them; and the route table.
 */
#include "check.h"

#include "api/audit.h"
#include "api/render.h"
#include "api/route.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const struct api_site site = {
	.name = "default",
	.s3_region = "us-east-1",
	.internal_endpoint = "http://10.0.0.5:9000",
	.external_endpoint = "https://s3.example.org",
	.mongodb_hosts = "h1:27017,h2:27017",
	.mongodb_options = "&replicaSet=rs0",
	.hash = "0a1b2c3d",
};

static struct rec_cred
full_cred(void)
{
	struct rec_cred doc = { .has_object = 1,
				.access_key = "AKEY",
				.secret_key = "SKEY",
				.has_database = 1,
				.username = "abc123.b",
				.password = "pw",
				.database = "abc123",
				.bucket_total = 1,
				.bucket_count = 1 };

	memcpy(doc.buckets[0].name, "data", 5);
	return doc;
}

static const char *
render(struct td_buf *b, enum api_format format, const struct rec_cred *doc)
{
	const struct api_cred cred = { .appid = "abc123",
				       .serial = 7,
				       .site = &site,
				       .doc = doc,
				       .expires_ms = INT64_C(1767323045678) };

	td_buf_reset(b);
	if (api_render_cred(b, format, &cred) != TD_OK)
		return NULL;
	return td_buf_cstr(b);
}

static void
test_credentials_in_all_formats(void **state)
{
	struct rec_cred doc = full_cred();
	struct td_buf b;

	(void)state;
	td_buf_init_secret(&b, 65536);
	assert_string_equal(
		render(&b, API_FORMAT_JSON, &doc),
		"{\"appid\":\"abc123\",\"serial\":7,\"object\":{\"access_key\":\"AKEY\","
		"\"secret_key\":\"SKEY\",\"session_token\":null,\"expires_at\":null,"
		"\"region\":\"us-east-1\",\"internal_endpoint\":\"http://10.0.0.5:9000\","
		"\"external_endpoint\":\"https://"
		"s3.example.org\",\"buckets\":[{\"name\":\"data\","
		"\"bucket\":\"abc123-data\",\"mode\":\"private\"}]},\"database\":{"
		"\"uri\":"
		"\"mongodb://abc123.b:pw@h1:27017,h2:27017/abc123?authSource=abc123"
		"&replicaSet=rs0\",\"username\":\"abc123.b\",\"password\":\"pw\","
		"\"database\":\"abc123\"},\"volume\":null}\n");
	assert_string_equal(
		render(&b, API_FORMAT_ENV, &doc),
		"APPID='abc123'\n"
		"DB_URI='mongodb://abc123.b:pw@h1:27017,h2:27017/abc123?authSource=abc123"
		"&replicaSet=rs0'\n"
		"OSS_ACCESS_KEY='AKEY'\nOSS_ACCESS_SECRET='SKEY'\n"
		"OSS_INTERNAL_ENDPOINT='http://10.0.0.5:9000'\n"
		"OSS_EXTERNAL_ENDPOINT='https://"
		"s3.example.org'\nOSS_REGION='us-east-1'\n");
	assert_string_equal(render(&b, API_FORMAT_AWS, &doc),
			    "{\"AccessKeyId\":\"AKEY\",\"SecretAccessKey\":\"SKEY\","
			    "\"Token\":\"\",\"Expiration\":\"2026-01-02T03:04:05Z\"}\n");
	assert_string_equal(render(&b, API_FORMAT_PROCESS, &doc),
			    "{\"Version\":1,\"AccessKeyId\":\"AKEY\","
			    "\"SecretAccessKey\":\"SKEY\",\"Expiration\":"
			    "\"2026-01-02T03:04:05Z\"}\n");
	td_buf_done(&b);
}

static void
test_secrets_with_awkward_characters(void **state)
{
	struct rec_cred doc = full_cred();
	struct td_buf b;

	(void)state;
	td_buf_init_secret(&b, 65536);
	memcpy(doc.secret_key, "a'b\"c\\d", 8);
	memcpy(doc.password, "p@:/?#", 7);
	assert_non_null(strstr(render(&b, API_FORMAT_ENV, &doc),
			       "OSS_ACCESS_SECRET='a'\\''b\"c\\d'\n"));
	assert_non_null(strstr(render(&b, API_FORMAT_ENV, &doc), ":p%40%3A%2F%3F%23@h1"));
	assert_non_null(strstr(render(&b, API_FORMAT_JSON, &doc),
			       "\"secret_key\":\"a'b\\\"c\\\\d\""));
	td_buf_done(&b);
}

static void
test_what_a_plan_lacks_is_null(void **state)
{
	struct rec_cred doc = { .has_volume = 1, .volume_bytes = 5 };
	struct td_buf b;

	(void)state;
	td_buf_init_secret(&b, 65536);
	assert_string_equal(
		render(&b, API_FORMAT_JSON, &doc),
		"{\"appid\":\"abc123\",\"serial\":7,\"object\":null,"
		"\"database\":null,\"volume\":{\"driver\":\"\",\"bytes\":5}}\n");
	assert_string_equal(render(&b, API_FORMAT_ENV, &doc), "APPID='abc123'\n");
	assert_null(render(&b, API_FORMAT_AWS, &doc));
	assert_null(render(&b, API_FORMAT_PROCESS, &doc));
	td_buf_done(&b);
}

static void
test_more_buckets_than_are_shown(void **state)
{
	struct rec_cred doc = full_cred();
	struct td_buf b;

	(void)state;
	td_buf_init_secret(&b, 65536);
	doc.bucket_total = 3000;
	doc.bucket_count = REC_CRED_BUCKETS;
	for (unsigned i = 0; i < REC_CRED_BUCKETS; i++)
		snprintf(doc.buckets[i].name, sizeof(doc.buckets[i].name), "b-%03u", i);
	assert_non_null(
		strstr(render(&b, API_FORMAT_JSON, &doc),
		       "],\"more\":\"/v1/tenants/abc123/buckets?cursor=b-099\"}"));
	td_buf_done(&b);
}

static void
test_etags_differ_by_all_they_should(void **state)
{
	struct api_site other = site;
	char a[API_ETAG_SIZE], b[API_ETAG_SIZE];

	(void)state;
	api_cred_etag(a, API_FORMAT_JSON, 255, 4096, &site);
	assert_string_equal(a, "\"ff.1000.0a1b2c3d.j\"");
	api_cred_etag(b, API_FORMAT_ENV, 255, 4096, &site);
	assert_string_not_equal(a, b);
	api_cred_etag(b, API_FORMAT_JSON, 256, 4096, &site);
	assert_string_not_equal(a, b);
	api_cred_etag(b, API_FORMAT_JSON, 255, 4097, &site);
	assert_string_not_equal(a, b);
	memcpy(other.hash, "ffffffff", 9);
	api_cred_etag(b, API_FORMAT_JSON, 255, 4096, &other);
	assert_string_not_equal(a, b);
	/* The greatest one fits. */
	api_cred_etag(a, API_FORMAT_PROCESS, UINT64_MAX, UINT64_MAX, &site);
	assert_string_equal(a, "\"ffffffffffffffff.ffffffffffffffff.0a1b2c3d.p\"");
}

/* Whatever a record holds, the document parses and says it. */
static void
test_records_with_awkward_text_stay_json(void **state)
{
	struct rec_token token = { .id = "0123456789abcdef",
				   .role = REC_ROLE_RUNTIME,
				   .appid = "abc123",
				   .label = "\"\\\n\xc3\xab</script>",
				   .created_ms = 1 };
	struct rec_audit audit = { .time_ms = 1,
				   .action = API_AUDIT_BUCKET_PUT,
				   .outcome = TD_OK,
				   .role = REC_ROLE_TENANT + 1,
				   .count = 1,
				   .detail = "a\"}{\x01" };
	struct rec_tenant tenant = { .plan = "p", .region = "r", .phase = REC_CREATED };
	struct td_buf b;
	json_t *json;

	(void)state;
	td_buf_init(&b, 65536);
	api_render_token(&b, &token, NULL);
	json = json_loadb(td_buf_cstr(&b), b.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "label")),
			    token.label);
	assert_null(json_object_get(json, "token"));
	assert_true(json_is_null(json_object_get(json, "expires_at")));
	json_decref(json);

	td_buf_reset(&b);
	api_render_audit(&b, 9, &audit);
	json = json_loadb(td_buf_cstr(&b), b.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "action")),
			    "bucket.put");
	assert_string_equal(json_string_value(json_object_get(json, "role")), "tenant");
	assert_string_equal(json_string_value(json_object_get(json, "detail")),
			    audit.detail);
	json_decref(json);

	td_buf_reset(&b);
	memcpy(tenant.labels, "a\0x\"y\0b\0", 9);
	tenant.labels_len = 9;
	tenant.limits_set = 1U << REC_LIMIT_BUCKETS | 1U << REC_LIMIT_OBJECT_BYTES;
	tenant.limits[REC_LIMIT_BUCKETS] = 3;
	tenant.limits[REC_LIMIT_OBJECT_BYTES] = PLAN_UNLIMITED;
	api_render_tenant_row(&b, "abc123", &tenant, REC_MANAGE);
	json = json_loadb(td_buf_cstr(&b), b.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(json, "labels"), "a")),
		"x\"y");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(json, "labels"), "b")),
		"");
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(json, "limits"), "object_bytes")),
			    "unlimited");
	assert_int_equal(json_integer_value(json_object_get(
				 json_object_get(json, "limits"), "buckets")),
			 3);
	json_decref(json);
	td_buf_done(&b);
}

static void
test_routes(void **state)
{
	static const struct row {
		const char *says, *method, *path;
		unsigned sets;
		enum td_rc rc;
		const char *doc_id, *allow;
	} rows[] = {
		{ "credentials", "GET", "/v1/credentials", 15, TD_OK, "getCredentials",
		  "" },
		{ "HEAD is GET", "HEAD", "/v1/tenants", 15, TD_OK, "listTenants", "" },
		{ "a parameter", "PUT", "/v1/tenants/abc123", 15, TD_OK, "putTenant",
		  "" },
		{ "two parameters", "GET", "/v1/tenants/abc123/buckets/data", 15, TD_OK,
		  "getBucket", "" },
		{ "no parameter where one must be", "GET", "/v1/tenants/", 15,
		  TD_NOT_FOUND, NULL, "" },
		{ "a slash too many", "GET", "/v1/tenants/abc123/", 15, TD_NOT_FOUND,
		  NULL, "" },
		{ "another method", "PATCH", "/v1/tenants/abc123", 15, TD_METHOD, NULL,
		  "PUT, GET, HEAD, DELETE" },
		{ "methods are as they are written", "get", "/healthz", 15, TD_METHOD,
		  NULL, "GET, HEAD" },
		{ "in another set it is not there", "GET", "/v1/tenants", 1, TD_NOT_FOUND,
		  NULL, "" },
		{ "not even for another method", "PUT", "/v1/tenants", 1, TD_NOT_FOUND,
		  NULL, "" },
	};

	(void)state;
	for (EACH(row, rows)) {
		const struct api_route *route = NULL;
		struct req_path path = { .appid = "" };
		char allow[ALLOW_SIZE];

		CHECK(row->says, route_find(row->method, row->path, row->sets, &route,
					    &path, allow) == row->rc);
		CHECK(row->says, strcmp(allow, row->allow) == 0);
		if (row->doc_id != NULL)
			CHECK(row->says, strcmp(route->doc_id, row->doc_id) == 0);
	}
}

static void
test_path_parameters(void **state)
{
	const struct api_route *route;
	struct req_path path = { .appid = "" };
	char allow[ALLOW_SIZE];

	(void)state;
	assert_int_equal(route_find("GET", "/v1/tenants/abc123/buckets/data", 15, &route,
				    &path, allow),
			 TD_OK);
	assert_string_equal(path.appid, "abc123");
	assert_string_equal(path.name, "data");
	/* One that no record can have is found, and empty. */
	assert_int_equal(route_find("GET",
				    "/v1/tenants/a23456789012345678901234567890123", 15,
				    &route, &path, allow),
			 TD_OK);
	assert_string_equal(path.appid, "");
}

/* What a release must not break: ids are unique, every protected route says for whom. */
static void
test_the_table_is_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < api_route_count; i++) {
		const struct api_route *a = &api_route_table[i];

		assert_non_null(a->handler);
		assert_true((a->roles == API_ANYONE) == (a->sets == 8));
		if (a->roles & API_ROLE(TENANT))
			assert_true(a->flags & API_OWN_TENANT);
		if (a->flags & API_OWN_TENANT)
			assert_non_null(strstr(a->pattern, "{appid}"));
		if (strcmp(a->method, "GET") == 0)
			assert_int_equal(a->body_max, 0);
		for (size_t k = i + 1; k < api_route_count; k++)
			assert_string_not_equal(a->doc_id, api_route_table[k].doc_id);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_credentials_in_all_formats),
		cmocka_unit_test(test_secrets_with_awkward_characters),
		cmocka_unit_test(test_what_a_plan_lacks_is_null),
		cmocka_unit_test(test_more_buckets_than_are_shown),
		cmocka_unit_test(test_etags_differ_by_all_they_should),
		cmocka_unit_test(test_records_with_awkward_text_stay_json),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_path_parameters),
		cmocka_unit_test(test_the_table_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
