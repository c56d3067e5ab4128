/*
 * Bodies into structs: what is taken, and what is refused with which words.
 */
#include "check.h"

#include "api/decode.h"

#include <stdio.h>
#include <string.h>

static void
test_tenant_bodies_that_are_refused(void **state)
{
	static const struct row {
		const char *says;
		const char *body;
		const char *detail;
	} rows[] = {
		{ "not JSON", "{", "not valid JSON" },
		{ "an array", "[]", "must be a JSON object" },
		{ "a scalar", "1", "not valid JSON" },
		{ "two documents", "{}{}", "not valid JSON" },
		{ "a duplicate key", "{\"plan\":\"a\",\"plan\":\"b\"}",
		  "not valid JSON" },
		{ "a duplicate key inside", "{\"limits\":{\"buckets\":1,\"buckets\":2}}",
		  "not valid JSON" },
		{ "bad UTF-8", "{\"plan\":\"\xff\"}", "not valid JSON" },
		{ "a lone surrogate", "{\"plan\":\"\\ud800\"}", "not valid JSON" },
		{ "a NUL character", "{\"plan\":\"\\u0000\"}", "not valid JSON" },
		{ "an unknown member", "{\"plam\":\"a\"}", "unknown member \"plam\"" },
		{ "an unknown member of a bucket",
		  "{\"buckets\":[{\"name\":\"data\",\"x\":1}]}", "unknown member \"x\"" },
		{ "a plan of another type", "{\"plan\":7}", "\"plan\" must be a string" },
		{ "a plan that is too long",
		  "{\"plan\":\"a2345678901234567890123456789012x\"}", "longer than 32" },
		{ "buckets of another type", "{\"buckets\":{}}", "must be an array" },
		{ "a bucket of another type", "{\"buckets\":[\"data\"]}",
		  "must hold JSON objects" },
		{ "a bucket without a name", "{\"buckets\":[{}]}", "without \"name\"" },
		{ "a bucket with a bad name", "{\"buckets\":[{\"name\":\"A\"}]}",
		  "not a bucket name" },
		{ "a bucket twice",
		  "{\"buckets\":[{\"name\":\"abc\"},{\"name\":\"abc\"}]}",
		  "is there twice" },
		{ "an unknown mode",
		  "{\"buckets\":[{\"name\":\"abc\",\"mode\":\"public\"}]}",
		  "private, readonly or readwrite" },
		{ "a negative quota",
		  "{\"buckets\":[{\"name\":\"abc\",\"quota_bytes\":-1}]}", "0 or more" },
		{ "a quota with a fraction",
		  "{\"buckets\":[{\"name\":\"abc\",\"quota_bytes\":1.5}]}", "0 or more" },
		{ "an enormous quota",
		  "{\"buckets\":[{\"name\":\"abc\",\"quota_bytes\":9223372036854775807}]"
		  "}",
		  "too large" },
		{ "a number over 64 bits",
		  "{\"limits\":{\"buckets\":99999999999999999999}}", "not valid JSON" },
		{ "limits of another type", "{\"limits\":[]}", "must be an object" },
		{ "an unknown limit", "{\"limits\":{\"cows\":1}}",
		  "unknown limit \"cows\"" },
		{ "a limit in words", "{\"limits\":{\"buckets\":\"many\"}}",
		  "0 or more" },
		{ "labels of another type", "{\"labels\":[]}", "must be an object" },
		{ "a label that is no text", "{\"labels\":{\"a\":1}}",
		  "must be a string" },
		{ "a label without a name", "{\"labels\":{\"\":\"x\"}}",
		  "bad label name" },
		{ "a label name with a space", "{\"labels\":{\"a b\":\"x\"}}",
		  "bad label name" },
		{ "too many labels",
		  "{\"labels\":{\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":\"\",\"e\":\"\","
		  "\"f\":\"\","
		  "\"g\":\"\",\"h\":\"\",\"i\":\"\",\"j\":\"\",\"k\":\"\",\"l\":\"\","
		  "\"m\":\"\","
		  "\"n\":\"\",\"o\":\"\",\"p\":\"\",\"q\":\"\"}}",
		  "more than 16" },
		{ "protection in words", "{\"deletion_protection\":\"yes\"}",
		  "true or false" },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct api_tenant_body t;
		struct td_err err = { 0 };
		enum td_rc rc = api_decode_tenant(row->body, strlen(row->body), &t, &err);

		CHECK(row->says, rc == TD_INVALID);
		if (strstr(err.detail, row->detail) == NULL)
			fail_msg("%s: %s", row->says, err.detail);
		CHECK(row->says, t.buckets == NULL);
	}
}

static void
test_a_whole_tenant_body(void **state)
{
	static const char body[] =
		"{\"plan\":\"standard\",\"region\":\"default\",\"deletion_protection\":"
		"true,"
		"\"labels\":{\"z\":\"\",\"team\":\"x\"},"
		"\"limits\":{\"object_bytes\":\"unlimited\",\"buckets\":7},"
		"\"buckets\":[{\"name\":\"zeta\"},"
		"{\"name\":\"data\",\"mode\":\"readonly\",\"quota_bytes\":5}],"
		/* of a GET reply */
		"\"appid\":\"abc123\",\"phase\":\"Created\",\"generation\":3,"
		"\"observed_generation\":3,\"settled\":true,\"mode\":\"manage\","
		"\"effective_limits\":{\"x\":[1]},\"created_at\":null,\"delete_asked_"
		"at\":null,"
		"\"delete_due_at\":null,\"bucket_count\":1,\"more\":\"/"
		"x\",\"resources\":{}}";
	struct api_tenant_body t;
	struct td_err err;

	(void)state;
	assert_int_equal(api_decode_tenant(body, sizeof(body) - 1, &t, &err), TD_OK);
	assert_string_equal(t.put.plan, "standard");
	assert_string_equal(t.put.region, "default");
	assert_true(t.put.has_protection && t.put.deletion_protection);
	assert_true(t.put.has_limits);
	assert_int_equal(t.put.limits_set,
			 1U << REC_LIMIT_OBJECT_BYTES | 1U << REC_LIMIT_BUCKETS);
	assert_true(t.put.limits[REC_LIMIT_OBJECT_BYTES] == PLAN_UNLIMITED);
	assert_int_equal(t.put.limits[REC_LIMIT_BUCKETS], 7);
	/* Sorted, as the record wants them. */
	assert_int_equal(t.put.labels_len, 10);
	assert_memory_equal(t.put.labels, "team\0x\0z\0\0", 10);
	assert_int_equal(t.put.bucket_count, 2);
	assert_string_equal(t.put.buckets[0].name, "data");
	assert_true(t.put.buckets[0].has_mode && t.put.buckets[0].has_quota);
	assert_int_equal(t.put.buckets[0].quota_bytes, 5);
	assert_string_equal(t.put.buckets[1].name, "zeta");
	assert_false(t.put.buckets[1].has_mode || t.put.buckets[1].has_quota);
	api_tenant_body_done(&t);
	api_tenant_body_done(&t);
}

static void
test_what_is_left_out_is_left_out(void **state)
{
	struct api_tenant_body t;

	(void)state;
	assert_int_equal(api_decode_tenant("", 0, &t, NULL), TD_OK);
	assert_null(t.put.plan);
	assert_null(t.put.region);
	assert_false(t.put.has_limits || t.put.has_labels || t.put.has_protection);
	assert_int_equal(t.put.bucket_count, 0);
	assert_int_equal(api_decode_tenant("{\"labels\":{},\"limits\":{}}", 25, &t, NULL),
			 TD_OK);
	assert_true(t.put.has_limits && t.put.has_labels);
	assert_int_equal(t.put.labels_len, 0);
	assert_int_equal(t.put.limits_set, 0);
}

static void
test_labels_up_to_their_ceiling(void **state)
{
	static char body[3000];
	struct api_tenant_body t;

	(void)state;
	/* name and value together: exactly as much as a record holds, and one more */
	snprintf(body, sizeof(body), "{\"labels\":{\"a\":\"%0*d\"}}", REC_LABEL_BYTES - 1,
		 0);
	assert_int_equal(api_decode_tenant(body, strlen(body), &t, NULL), TD_OK);
	assert_int_equal(t.put.labels_len, REC_LABEL_BYTES + 2);
	snprintf(body, sizeof(body), "{\"labels\":{\"a\":\"%0*d\"}}", REC_LABEL_BYTES, 0);
	assert_int_equal(api_decode_tenant(body, strlen(body), &t, NULL), TD_INVALID);
}

static void
test_bucket_bodies(void **state)
{
	struct tenant_put_bucket b;

	(void)state;
	assert_int_equal(api_decode_bucket("", 0, &b, NULL), TD_OK);
	assert_false(b.has_mode || b.has_quota);
	assert_int_equal(api_decode_bucket("{\"quota_bytes\":null}", 20, &b, NULL),
			 TD_OK);
	assert_true(b.has_quota);
	assert_int_equal(b.quota_bytes, 0);
	/* The path names it; the member is that of a GET reply. */
	assert_int_equal(
		api_decode_bucket("{\"name\":\"other\",\"ready\":true}", 29, &b, NULL),
		TD_OK);
	assert_string_equal(b.name, "");
	assert_int_equal(api_decode_bucket("{\"modes\":1}", 11, &b, NULL), TD_INVALID);
}

static void
test_token_bodies(void **state)
{
	static const struct row {
		const char *says;
		const char *body;
		enum td_rc rc;
	} rows[] = {
		{ "a role is needed", "{}", TD_INVALID },
		{ "also with an empty body", "", TD_INVALID },
		{ "an unbound role", "{\"role\":\"admin\"}", TD_OK },
		{ "nulls are as good as nothing",
		  "{\"role\":\"auditor\",\"appid\":null,\"ttl_seconds\":null}", TD_OK },
		{ "an unknown role", "{\"role\":\"root\"}", TD_INVALID },
		{ "a role of another type", "{\"role\":1}", TD_INVALID },
		{ "a bound role without an appid", "{\"role\":\"runtime\"}", TD_INVALID },
		{ "a bound role with one", "{\"role\":\"tenant\",\"appid\":\"abc123\"}",
		  TD_OK },
		{ "an adopted appid may be short",
		  "{\"role\":\"tenant\",\"appid\":\"abc\"}", TD_OK },
		{ "an unbound role with one", "{\"role\":\"admin\",\"appid\":\"abc123\"}",
		  TD_INVALID },
		{ "what is no appid", "{\"role\":\"tenant\",\"appid\":\"../x\"}",
		  TD_INVALID },
		{ "no time at all", "{\"role\":\"admin\",\"ttl_seconds\":0}",
		  TD_INVALID },
		{ "ten years", "{\"role\":\"admin\",\"ttl_seconds\":315360000}", TD_OK },
		{ "more than ten years", "{\"role\":\"admin\",\"ttl_seconds\":315360001}",
		  TD_INVALID },
		{ "a label with a line break", "{\"role\":\"admin\",\"label\":\"a\\nb\"}",
		  TD_INVALID },
		{ "a label in any language",
		  "{\"role\":\"admin\",\"label\":\"Zoë 東京\"}", TD_OK },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct api_token_body t;

		CHECK(row->says, api_decode_token(row->body, strlen(row->body), &t,
						  NULL) == row->rc);
	}
}

static void
test_empty_bodies(void **state)
{
	(void)state;
	assert_int_equal(api_decode_empty("", 0, NULL), TD_OK);
	assert_int_equal(api_decode_empty("{}", 2, NULL), TD_OK);
	assert_int_equal(api_decode_empty("{\"a\":1}", 7, NULL), TD_INVALID);
	assert_int_equal(api_decode_empty("x", 1, NULL), TD_INVALID);
}

static void
test_numbers_of_query_parameters(void **state)
{
	static const struct row {
		const char *says, *text;
		uint64_t max;
		bool ok;
		uint64_t value;
	} rows[] = {
		{ "nothing", "", 10, false, 0 },
		{ "a number", "7", 10, true, 7 },
		{ "the most", "10", 10, true, 10 },
		{ "one more", "11", 10, false, 0 },
		{ "a sign", "+7", 10, false, 0 },
		{ "a minus", "-7", 10, false, 0 },
		{ "a space", " 7", 10, false, 0 },
		{ "a unit", "7s", 10, false, 0 },
		{ "the greatest", "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "one more than that", "18446744073709551616", UINT64_MAX, false, 0 },
		{ "ten times that", "184467440737095516150", UINT64_MAX, false, 0 },
	};

	(void)state;
	for (EACH(row, rows)) {
		uint64_t v = 0;

		CHECK(row->says, api_parse_u64(row->text, row->max, &v) == row->ok);
		CHECK(row->says, v == row->value);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tenant_bodies_that_are_refused),
		cmocka_unit_test(test_a_whole_tenant_body),
		cmocka_unit_test(test_what_is_left_out_is_left_out),
		cmocka_unit_test(test_labels_up_to_their_ceiling),
		cmocka_unit_test(test_bucket_bodies),
		cmocka_unit_test(test_token_bodies),
		cmocka_unit_test(test_empty_bodies),
		cmocka_unit_test(test_numbers_of_query_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
