/*
 * What MinIO's refusals become: recorded answers of a real server, and nonsense.
 */
#include "check.h"

#include "minio/reply.h"

#include <string.h>

static void
codes(void **state)
{
	static const struct {
		const char *says;
		int status;
		const char *body;
		const char *code;
		enum td_rc rc;
	} rows[] = {
		{ "JSON of an admin handler", 404,
		  "{\"Code\":\"XMinioAdminNoSuchUser\",\"Message\":\"The specified user "
		  "does not "
		  "exist.\",\"Resource\":\"/minio/admin/v3/"
		  "user-info\",\"RequestId\":\"1\"}\n",
		  "XMinioAdminNoSuchUser", TD_NOT_FOUND },
		{ "XML of S3", 409,
		  "<?xml version=\"1.0\" "
		  "encoding=\"UTF-8\"?>\n<Error><Code>BucketNotEmpty</Code>"
		  "<Message>The bucket you tried to delete is not "
		  "empty.</Message></Error>",
		  "BucketNotEmpty", TD_BUCKET_NOT_EMPTY },
		{ "XML of STS", 400,
		  "<ErrorResponse "
		  "xmlns=\"u\"><Error><Type></Type><Code>InvalidParameterValue"
		  "</Code></Error><RequestId>1</RequestId></ErrorResponse>",
		  "InvalidParameterValue", TD_BACKEND_REFUSED },
		{ "space before it", 403, " \n{\"Code\":\"InvalidAccessKeyId\"}",
		  "InvalidAccessKeyId", TD_BACKEND_AUTH },
		{ "a clock that is off, on an admin path", 403,
		  "<Error><Code>RequestTimeTooSkewed</Code></Error>",
		  "RequestTimeTooSkewed", TD_UNAVAILABLE },
		{ "a right that is missing", 403, "{\"Code\":\"AccessDenied\"}",
		  "AccessDenied", TD_BACKEND_REFUSED },
		{ "starting", 503, "{\"Code\":\"XMinioServerNotInitialized\"}",
		  "XMinioServerNotInitialized", TD_UNAVAILABLE },
		{ "an internal error", 500, "{\"Code\":\"InternalError\"}",
		  "InternalError", TD_BACKEND_REFUSED },
		{ "no body", 403, "", "", TD_BACKEND_REFUSED },
		{ "a proxy's page", 502, "<html><body><h1>502</h1></body></html>", "",
		  TD_UNAVAILABLE },
		{ "plain text", 400, "Client sent an HTTP request to an HTTPS server.",
		  "", TD_BACKEND_REFUSED },
		{ "broken JSON", 400, "{\"Code\":", "", TD_BACKEND_REFUSED },
		{ "a code that is no word", 400, "{\"Code\":\"a b\\nc\"}", "",
		  TD_BACKEND_REFUSED },
		{ "a code that is not text", 400, "{\"Code\":[1]}", "",
		  TD_BACKEND_REFUSED },
		{ "a code that is endless", 400,
		  "<Error><Code>"
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa</Code></Error>",
		  "", TD_BACKEND_REFUSED },
		{ "an unknown code", 418, "{\"Code\":\"Teapot\"}", "Teapot",
		  TD_BACKEND_REFUSED },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct minio_fault fault;
		struct td_err err;

		minio_fault_parse(row->body, strlen(row->body), &fault);
		CHECK(row->says, strcmp(fault.code, row->code) == 0);
		CHECK(row->says,
		      minio_fault_rc(row->status, &fault, "x", &err) == row->rc);
		CHECK(row->says, err.rc == row->rc && err.upstream_status == row->status);
	}
}

static void
the_wanted_region_is_told(void **state)
{
	static const char body[] = "<Error><Code>AuthorizationHeaderMalformed</Code>"
				   "<Region>eu-west-7</Region></Error>";
	struct minio_fault fault;
	struct td_err err;

	(void)state;
	minio_fault_parse(body, strlen(body), &fault);
	assert_string_equal(fault.region, "eu-west-7");
	assert_int_equal(minio_fault_rc(400, &fault, "x", &err), TD_BACKEND_REFUSED);
	assert_non_null(strstr(err.detail, "eu-west-7"));
}

static void
messages_stay_out(void **state)
{
	static const char body[] =
		"{\"Code\":\"MalformedPolicy\",\"Message\":\"s3cr3t\"}";
	struct minio_fault fault;
	struct td_err err;

	(void)state;
	minio_fault_parse(body, strlen(body), &fault);
	assert_int_equal(minio_fault_rc(400, &fault, "x", &err), TD_BACKEND_REFUSED);
	assert_null(strstr(err.detail, "s3cr3t"));
}

static void
trying_again(void **state)
{
	static const struct {
		const char *says;
		int status;
		const char *code;
		bool again;
		bool auth;
	} rows[] = {
		{ "too busy", 503, "SlowDownRead", true, false },
		{ "starting", 503, "XMinioIAMNotInitialized", true, false },
		{ "a proxy without a backend", 502, "", true, false },
		{ "asked to wait", 429, "", true, false },
		{ "a timeout", 408, "", true, false },
		{ "a full disk does not empty itself", 503, "XMinioStorageFull", false,
		  false },
		{ "500 is how it refuses bad values", 500, "InternalError", false,
		  false },
		{ "an unknown key", 403, "InvalidAccessKeyId", false, true },
		{ "another secret", 403, "SignatureDoesNotMatch", false, true },
		{ "a missing right is not a wrong key", 403, "AccessDenied", false,
		  false },
		{ "done", 200, "", false, false },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct minio_fault fault = { 0 };

		memcpy(fault.code, row->code, strlen(row->code) + 1);
		CHECK(row->says,
		      minio_fault_retryable(row->status, &fault) == row->again);
		CHECK(row->says, minio_fault_is_auth(row->status, &fault) == row->auth);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes),
		cmocka_unit_test(the_wanted_region_is_told),
		cmocka_unit_test(messages_stay_out),
		cmocka_unit_test(trying_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
