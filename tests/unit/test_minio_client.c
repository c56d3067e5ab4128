/*
 * What a client takes from its options and its files; what it does on the wire is tested
 * against a real MinIO (tests/service/test_minio_driver*.py).
 */
#include "check.h"

#include "base/env.h"
#include "base/http.h"
#include "minio/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char access_file[100];
static char secret_file[100];

static void
put_file(const char *path, const char *text)
{
	FILE *f;

	(void)unlink(path);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0400), 0);
}

static int
setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/test_minio_client.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(access_file, sizeof(access_file), "%s/access", folder);
	snprintf(secret_file, sizeof(secret_file), "%s/secret", folder);
	return td_http_global_init(NULL) == TD_OK ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	(void)unlink(access_file);
	(void)unlink(secret_file);
	td_http_global_done();
	return rmdir(folder);
}

static struct minio_driver_options
options(const char *const *endpoint)
{
	return (struct minio_driver_options){
		.endpoints = endpoint,
		.endpoint_count = 1,
		.current = { access_file, secret_file },
	};
}

static void
endpoints(void **state)
{
	static const struct {
		const char *says;
		const char *url;
		enum td_rc rc;
	} rows[] = {
		{ "a host and a port", "http://127.0.0.1:9000", TD_OK },
		{ "with TLS", "https://minio.example", TD_OK },
		{ "a slash at the end", "http://minio:9000/", TD_OK },
		{ "an IPv6 address", "http://[::1]:9000", TD_OK },
		{ "no scheme", "127.0.0.1:9000", TD_INVALID },
		{ "another scheme", "ftp://minio", TD_INVALID },
		{ "no host", "http://", TD_INVALID },
		{ "only a slash", "http:///", TD_INVALID },
		{ "a path", "http://minio/sub", TD_INVALID },
		{ "a query", "http://minio?x", TD_INVALID },
		{ "a user", "http://u:p@minio", TD_INVALID },
		{ "a space", "http://min io", TD_INVALID },
		{ "a line break", "http://minio\r\nX: y", TD_INVALID },
	};

	(void)state;
	put_file(access_file, "tenantd-admin\n");
	put_file(secret_file, "secret-of-tenantd\n");
	for (EACH(row, rows)) {
		struct minio_driver_options opt = options(&row->url);
		struct minio_client *client = NULL;

		CHECK(row->says, minio_client_new(&opt, &client, NULL) == row->rc);
		minio_client_free(client);
	}
}

static void
files(void **state)
{
	static const char *const url = "http://127.0.0.1:9000";
	static const struct {
		const char *says;
		const char *access;
		const char *secret;
		enum td_rc rc;
	} rows[] = {
		{ "plain", "admin", "secret", TD_OK },
		{ "a newline at the end", "admin\n", "secret\n", TD_OK },
		{ "an access key with a slash", "a/b", "secret", TD_OK },
		{ "an access key that is too short", "ab", "secret", TD_INVALID },
		{ "an access key with a comma", "a,b,c", "secret", TD_INVALID },
		{ "an access key with a space", "a b c", "secret", TD_INVALID },
		{ "an access key of two lines", "abc\ndef", "secret", TD_INVALID },
		{ "no access key", "", "secret", TD_INVALID },
		{ "no secret", "admin", "", TD_INVALID },
	};
	struct minio_driver_options opt = options(&url);
	struct minio_client *client = NULL;
	struct td_err err;

	(void)state;
	for (EACH(row, rows)) {
		client = NULL;
		put_file(access_file, row->access);
		put_file(secret_file, row->secret);
		CHECK(row->says, minio_client_new(&opt, &client, &err) == row->rc);
		CHECK(row->says, row->rc == TD_OK || !row->secret[0] ||
					 !strstr(err.detail, row->secret));
		minio_client_free(client);
	}
	assert_int_equal(chmod(secret_file, 0644), 0);
	assert_int_equal(minio_client_new(&opt, &client, &err), TD_INVALID);
	assert_int_equal(unlink(secret_file), 0);
	assert_int_equal(minio_client_new(&opt, &client, &err), TD_IO);
	assert_non_null(strstr(err.detail, secret_file));
	opt.current.secret_key_file = NULL;
	assert_int_equal(minio_client_new(&opt, &client, &err), TD_INVALID);
	opt = options(&url);
	opt.next.access_key_file = access_file;
	assert_int_equal(minio_client_new(&opt, &client, &err), TD_INVALID);
	opt = options(&url);
	opt.endpoint_count = MINIO_ENDPOINTS_MAX + 1;
	assert_int_equal(minio_client_new(&opt, &client, &err), TD_INVALID);
}

static void
reading_again(void **state)
{
	static const char *const url = "http://127.0.0.1:9000";
	struct minio_driver_options opt = options(&url);
	struct minio_client *client;

	(void)state;
	put_file(access_file, "first");
	put_file(secret_file, "secret");
	assert_int_equal(minio_client_new(&opt, &client, NULL), TD_OK);
	assert_true(minio_client_is_self(client, "first"));
	put_file(access_file, "second");
	assert_true(minio_client_is_self(client, "first"));
	assert_int_equal(minio_client_reread(client, NULL), TD_OK);
	assert_true(minio_client_is_self(client, "second"));
	assert_false(minio_client_is_self(client, "first"));
	/* What is unfit changes nothing. */
	assert_int_equal(unlink(access_file), 0);
	assert_int_equal(minio_client_reread(client, NULL), TD_IO);
	assert_true(minio_client_is_self(client, "second"));
	minio_client_free(client);
}

static void
no_time_no_request(void **state)
{
	static const char *const url = "http://127.0.0.1:1";
	struct minio_driver_options opt = options(&url);
	struct minio_request req = {
		.what = "x", .method = "GET", .path = "/", .member = MINIO_ANY_MEMBER
	};
	struct minio_client *client;
	struct minio_answer answer;
	struct minio_call call;
	struct td_err err;

	(void)state;
	put_file(access_file, "first");
	put_file(secret_file, "secret");
	assert_int_equal(minio_client_new(&opt, &client, NULL), TD_OK);
	call = (struct minio_call){ client, td_mono_ms(td_env_system()) };
	assert_int_equal(minio_client_do(&call, &req, &answer, &err), TD_TIMEOUT);
	assert_int_equal(minio_call_left(&call), 0);
	/* Nobody listens on port 1. */
	call.deadline_mono_ms += 5000;
	assert_int_equal(minio_client_do(&call, &req, &answer, &err), TD_UNREACHABLE);
	assert_true(minio_call_left(&call) > 1000);
	assert_null(strstr(err.detail, "secret"));
	minio_client_free(client);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoints),
		cmocka_unit_test(files),
		cmocka_unit_test(reading_again),
		cmocka_unit_test(no_time_no_request),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
