/*
 * libmongoc's errors in our words: the one place that knows its domains and codes.
 *
 * Thread rule: plain values.
 */
#pragma once

#include "base/error.h"

#include <bson/bson.h>

/* Codes of the server that callers tell apart (struct td_err.upstream_status). */
enum mongo_code {
	MONGO_CODE_USER_NOT_FOUND = 11,
	MONGO_CODE_UNAUTHORIZED = 13,
	MONGO_CODE_LOGIN_FAILED = 18,
	MONGO_CODE_LOCK_TIMEOUT = 24,
	MONGO_CODE_ROLE_NOT_FOUND = 31,
	MONGO_CODE_MAX_TIME = 50,
	MONGO_CODE_NOT_PRIMARY = 10107,
	MONGO_CODE_ROLE_EXISTS = 51002,
	MONGO_CODE_USER_EXISTS = 51003
};

/* May the text of the server stand in the detail? Not where it could quote a password. */
enum mongo_err_text { MONGO_ERR_TEXT, MONGO_ERR_NO_TEXT };

/*
 * Fills *reterr (may be NULL) and gives the code. `what` is the command, for the detail.
 * TD_UNREACHABLE: no connection, cut off, or not primary (upstream_status is then the
 * server's code, or 0). TD_TIMEOUT: the server gave up. TD_BACKEND_AUTH: our login or our
 * rights. TD_CONFLICT: a lock or another change in the way; repeat. TD_EXISTS,
 * TD_NOT_FOUND: user or role. TD_BACKEND_REFUSED: anything else that the server said.
 * TD_INTERNAL: libmongoc refused what we gave it.
 */
enum td_rc mongo_err(const bson_error_t *e, const char *what, enum mongo_err_text text,
		     struct td_err *reterr);

/* True only when the server refused user and password; false for a connection that broke
 * during the login, which libmongoc reports under the same code. */
bool mongo_err_login_refused(const bson_error_t *e);

/* Would repeating a converging call later help, without anybody doing something? */
bool mongo_rc_passing(enum td_rc rc);
