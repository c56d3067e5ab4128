/*
 * Signatures against published and recorded answers: AWS's own examples, and requests that
 * a real MinIO accepts.
 */
#include "check.h"

#include "minio/sigv4.h"

#include <string.h>

#define AWS_KEY "AKIAIOSFODNN7EXAMPLE"
#define AWS_SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define AWS_HOST "examplebucket.s3.amazonaws.com"
#define MAY_24_2013 1369353600000
#define JANUARY_1_2026 1767225600000

struct row {
	const char *says;
	const char *access_key;
	const char *secret;
	struct sigv4_request req;
	const char *signature;
	const char *canonical_hash; /* NULL: not known */
};

static const struct sigv4_header range[] = { { "range", "bytes=0-9" } };
static const struct sigv4_param lifecycle[] = { { "lifecycle", NULL } };
static const struct sigv4_param list_j[] = { { "prefix", "J" }, { "max-keys", "2" } };
static const struct sigv4_param odd_user[] = { { "accessKey", "app 1/\xc3\xa9" } };
static const struct sigv4_header form[] = { { "content-type",
					      "application/x-www-form-urlencoded" } };
static const char assume[] = "Action=AssumeRole&Version=2011-06-15&DurationSeconds=900";

static const struct row rows[] = {
	{ "AWS: GET of an object with a range",
	  AWS_KEY,
	  AWS_SECRET,
	  { .method = "GET",
	    .host = AWS_HOST,
	    .path = "/test.txt",
	    .headers = range,
	    .header_count = 1,
	    .region = "us-east-1",
	    .now_ms = MAY_24_2013 },
	  "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
	  NULL },
	{ "AWS: a parameter without a value",
	  AWS_KEY,
	  AWS_SECRET,
	  { .method = "GET",
	    .host = AWS_HOST,
	    .path = "/",
	    .params = lifecycle,
	    .param_count = 1,
	    .region = "us-east-1",
	    .now_ms = MAY_24_2013 },
	  "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
	  NULL },
	{ "AWS: parameters given in the wrong order",
	  AWS_KEY,
	  AWS_SECRET,
	  { .method = "GET",
	    .host = AWS_HOST,
	    .path = "/",
	    .params = list_j,
	    .param_count = 2,
	    .region = "us-east-1",
	    .now_ms = MAY_24_2013 },
	  "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
	  NULL },
	{ "MinIO: an admin call",
	  "minioadmin",
	  "minioadmin",
	  { .method = "GET",
	    .host = "127.0.0.1:9000",
	    .path = "/minio/admin/v3/list-users",
	    .region = "us-east-1",
	    .now_ms = JANUARY_1_2026 },
	  "27b9731f1f3bbb56895a53505755d33fc0a153f57d4cad4c4e51bbccb44655aa",
	  "71c13719e058be8bef341dd30453080cd0caf365124b4522301c9596f51a2754" },
	{ "MinIO: an empty region, and a name that needs encoding",
	  "minioadmin",
	  "minioadmin",
	  { .method = "PUT",
	    .host = "127.0.0.1:9000",
	    .path = "/minio/admin/v3/add-user",
	    .params = odd_user,
	    .param_count = 1,
	    .region = "",
	    .now_ms = JANUARY_1_2026 },
	  "a09296054a3cdc73e4d6fc22b0df809f850bd224e3eea38195b36b589e99f8b7",
	  NULL },
	{ "STS: the body's hash is signed and not sent",
	  "abc123",
	  "0123456789abcdef",
	  { .method = "POST",
	    .host = "127.0.0.1:9000",
	    .path = "/",
	    .headers = form,
	    .header_count = 1,
	    .body = { assume, sizeof(assume) - 1 },
	    .service = SIGV4_STS,
	    .region = "us-east-1",
	    .now_ms = JANUARY_1_2026 },
	  "4d7b4547d401a5a68dea1680cb99daee4854668e1d5c205bfddcecf276fab1ef",
	  NULL },
};

static void
known_answers(void **state)
{
	(void)state;
	for (EACH(row, rows)) {
		TD_CLEAN_SECRET struct td_secret *secret =
			td_secret_new(row->secret, strlen(row->secret));
		struct sigv4_key key = { .access_key = row->access_key,
					 .secret = secret };
		struct sigv4_signed s;
		const char *at;

		CHECK(row->says, sigv4_sign(&key, &row->req, &s, NULL) == TD_OK);
		at = strstr(td_buf_cstr(&s.authorization), "Signature=");
		CHECK(row->says, at && strcmp(at + 10, row->signature) == 0);
		CHECK(row->says,
		      !row->canonical_hash ||
			      strcmp(s.canonical_hash, row->canonical_hash) == 0);
		sigv4_signed_done(&s);
	}
}

static void
header_and_target(void **state)
{
	static const struct sigv4_param params[] = {
		{ "b", "x y/z" }, { "a", "2" }, { "a", "1" }, { "c", NULL }
	};
	static const struct sigv4_header headers[] = { { "x-minio-force-delete",
							 "  a   b " } };
	TD_CLEAN_SECRET struct td_secret *secret = td_secret_new("0123456789abcdef", 16);
	TD_CLEAN_SECRET struct td_secret *token = td_secret_new("TOKEN", 5);
	struct sigv4_key key = { "KEY", secret, token };
	struct sigv4_request req = { .method = "DELETE",
				     .host = "h",
				     .path = "/b/k \xc3\xa9*~",
				     .params = params,
				     .param_count = 4,
				     .headers = headers,
				     .header_count = 1,
				     .region = "r",
				     .now_ms = JANUARY_1_2026 };
	struct sigv4_signed s;

	(void)state;
	assert_int_equal(sigv4_sign(&key, &req, &s, NULL), TD_OK);
	/* Sorted by name, the values of one name in their order. */
	assert_string_equal(td_buf_cstr(&s.target),
			    "/b/k%20%C3%A9%2A~?a=2&a=1&b=x%20y%2Fz&c=");
	assert_string_equal(s.date, "20260101T000000Z");
	assert_non_null(
		strstr(td_buf_cstr(&s.authorization),
		       "AWS4-HMAC-SHA256 Credential=KEY/20260101/r/s3/aws4_request, "
		       "SignedHeaders=host;x-amz-content-sha256;x-amz-date;"
		       "x-amz-security-token;x-minio-force-delete, Signature="));
	assert_null(strstr(td_buf_cstr(&s.authorization), "TOKEN"));
	sigv4_signed_done(&s);
	sigv4_signed_done(&s);
}

static void
refusals(void **state)
{
	static const struct sigv4_param many[SIGV4_PARAMS_MAX + 1] = { { "a", NULL } };
	static const struct sigv4_header split[] = { { "x-amz-meta", "a\r\nEvil: b" } };
	TD_CLEAN_SECRET struct td_secret *secret = td_secret_new("0123456789abcdef", 16);
	struct sigv4_key key = { .access_key = "KEY", .secret = secret };
	const struct {
		const char *says;
		struct sigv4_request req;
	} bad[] = {
		{ "too many parameters",
		  { .method = "GET",
		    .host = "h",
		    .path = "/",
		    .params = many,
		    .param_count = SIGV4_PARAMS_MAX + 1,
		    .region = "" } },
		{ "a line break in a header",
		  { .method = "GET",
		    .host = "h",
		    .path = "/",
		    .headers = split,
		    .header_count = 1,
		    .region = "" } },
		{ "a relative path",
		  { .method = "GET", .host = "h", .path = "x", .region = "" } },
	};

	(void)state;
	for (EACH(row, bad)) {
		struct sigv4_signed s;

		CHECK(row->says, sigv4_sign(&key, &row->req, &s, NULL) == TD_INVALID);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(header_and_target),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
