/* libmongoc's errors in our words. */
#include "mongo/err.h"

#include <mongoc/mongoc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static bson_error_t
error(uint32_t domain, uint32_t code, const char *message)
{
	bson_error_t e;

	bson_set_error(&e, domain, code, "%s", message);
	return e;
}

static const struct {
	uint32_t domain;
	uint32_t code;
	const char *message;
	enum td_rc rc;
	int upstream;
	const char *why;
} rows[] = {
	{ MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_AUTHENTICATE, "Authentication failed.",
	  TD_BACKEND_AUTH, 0, "the server refused the login" },
	{ MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_AUTHENTICATE,
	  "Failed to send \"saslContinue\" command with database \"admin\"",
	  TD_UNREACHABLE, 0, "a cut during the login has the same code as a refusal" },
	{ MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_SOCKET, "socket error or timeout",
	  TD_UNREACHABLE, 0, "cut after the login" },
	{ MONGOC_ERROR_SERVER_SELECTION, MONGOC_ERROR_SERVER_SELECTION_FAILURE,
	  "No suitable servers found", TD_UNREACHABLE, 0, "nobody there" },
	{ MONGOC_ERROR_SERVER, 51003, "User exists", TD_EXISTS, 51003, "createUser" },
	{ MONGOC_ERROR_SERVER, 51002, "Role exists", TD_EXISTS, 51002, "createRole" },
	{ MONGOC_ERROR_SERVER, 11, "no user", TD_NOT_FOUND, 11,
	  "the server's 11 is not libmongoc's 11" },
	{ MONGOC_ERROR_SERVER, 31, "no role", TD_NOT_FOUND, 31, "updateRole" },
	{ MONGOC_ERROR_SERVER, 13, "not authorized on x", TD_BACKEND_AUTH, 13,
	  "a right" },
	{ MONGOC_ERROR_SERVER, 50, "operation exceeded time limit", TD_TIMEOUT, 50,
	  "maxTimeMS" },
	{ MONGOC_ERROR_SERVER, 10107, "not primary", TD_UNREACHABLE, 10107, "step-down" },
	{ MONGOC_ERROR_SERVER, 11602, "interrupted", TD_UNREACHABLE, 11602, "step-down" },
	{ MONGOC_ERROR_SERVER, 91, "shutdown in progress", TD_UNREACHABLE, 91,
	  "shutdown" },
	{ MONGOC_ERROR_SERVER, 24, "lock", TD_CONFLICT, 24, "LockTimeout" },
	{ MONGOC_ERROR_SERVER, 49, "role reaches out", TD_BACKEND_REFUSED, 49,
	  "a role that would reach another database" },
	{ MONGOC_ERROR_WRITE_CONCERN, 64, "waiting for replication timed out", TD_TIMEOUT,
	  64, "wtimeout" },
	{ MONGOC_ERROR_WRITE_CONCERN, 100, "not enough members", TD_UNREACHABLE, 100,
	  "majority cannot be had" },
	{ MONGOC_ERROR_COMMAND, MONGOC_ERROR_COMMAND_INVALID_ARG, "bad", TD_INTERNAL, 0,
	  "our own mistake" },
};

static void
test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bson_error_t e = error(rows[i].domain, rows[i].code, rows[i].message);
		struct td_err err = { 0 };
		enum td_rc rc = mongo_err(&e, "cmd", MONGO_ERR_TEXT, &err);

		if (rc != rows[i].rc || err.rc != rc ||
		    err.upstream_status != rows[i].upstream)
			fail_msg("%s: %s, upstream %d", rows[i].why, td_rc_info(rc)->name,
				 err.upstream_status);
		assert_non_null(strstr(err.detail, rows[i].message));
		assert_int_equal(mongo_err(&e, "cmd", MONGO_ERR_TEXT, NULL), rc);
	}
}

static void
test_text_is_left_out_where_asked(void **state)
{
	bson_error_t e = error(MONGOC_ERROR_SERVER, 50692, "bad character in hunter2");
	struct td_err err = { 0 };

	(void)state;
	assert_int_equal(mongo_err(&e, "createUser", MONGO_ERR_NO_TEXT, &err),
			 TD_BACKEND_REFUSED);
	assert_null(strstr(err.detail, "hunter2"));
	assert_non_null(strstr(err.detail, "createUser"));
	assert_non_null(strstr(err.detail, "50692"));
}

static void
test_login_refused(void **state)
{
	bson_error_t e;

	(void)state;
	e = error(MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_AUTHENTICATE,
		  "Authentication failed.");
	assert_true(mongo_err_login_refused(&e));
	e.message[strlen(e.message) - 1] = 0;
	assert_false(mongo_err_login_refused(&e));
	e = error(MONGOC_ERROR_SERVER, 11, "Authentication failed.");
	assert_false(mongo_err_login_refused(&e));
}

static void
test_passing(void **state)
{
	(void)state;
	assert_true(mongo_rc_passing(TD_UNREACHABLE));
	assert_true(mongo_rc_passing(TD_CONFLICT));
	assert_true(mongo_rc_passing(TD_TIMEOUT));
	assert_false(mongo_rc_passing(TD_OK));
	assert_false(mongo_rc_passing(TD_FOREIGN));
	assert_false(mongo_rc_passing(TD_BACKEND_REFUSED));
	assert_false(mongo_rc_passing(TD_BACKEND_AUTH));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_text_is_left_out_where_asked),
		cmocka_unit_test(test_login_refused),
		cmocka_unit_test(test_passing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
