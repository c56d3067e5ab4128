/*
 * Error codes and error reports.
 *
 * A fallible function returns enum td_rc (TD_OK = 0) and fills *reterr, its last
 * parameter, when it fails. reterr may be NULL. The detail is for the log of the
 * operator only: clients see the public text of the table below and a request id.
 * Details never hold a secret.
 *
 * Thread rule: plain values, no shared state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define TD_MUST_CHECK __attribute__((warn_unused_result))
#define TD_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* X(name, HTTP status, retryable, code on the wire, public text) */
#define TD_RC_TABLE(X)                                                                   \
	X(OK, 200, 0, "ok", "Success.")                                                  \
	X(INVALID, 400, 0, "invalid_request", "The request is malformed.")               \
	X(UNAUTHENTICATED, 401, 0, "unauthenticated",                                    \
	  "A valid bearer token is required.")                                           \
	X(FORBIDDEN, 403, 0, "forbidden", "This token may not do that.")                 \
	X(TENANT_SUSPENDED, 403, 0, "tenant_suspended", "The tenant is suspended.")      \
	X(NOT_FOUND, 404, 0, "not_found", "There is no such thing.")                     \
	X(METHOD, 405, 0, "method_not_allowed", "This route has no such method.")        \
	X(CONFLICT, 409, 1, "conflict", "Somebody changed it at the same time; retry.")  \
	X(EXISTS, 409, 0, "exists", "It exists already.")                                \
	X(APPID_RESERVED, 409, 0, "appid_reserved", "This appid is reserved.")           \
	X(WRONG_PHASE, 409, 0, "wrong_phase", "The tenant's phase does not allow this.") \
	X(IMMUTABLE, 409, 0, "immutable", "This member cannot be changed.")              \
	X(VOLUME_SHRINK, 409, 0, "volume_shrink", "A volume never shrinks.")             \
	X(BUCKET_NOT_EMPTY, 409, 0, "bucket_not_empty",                                  \
	  "The bucket holds objects; purge=true removes them.")                          \
	X(DELETION_PROTECTED, 409, 0, "deletion_protected",                              \
	  "The tenant is protected against deletion.")                                   \
	X(APPID_RETIRED, 410, 0, "appid_retired", "This appid was used and is retired.") \
	X(PRECONDITION, 412, 0, "precondition_failed",                                   \
	  "The precondition does not hold.")                                             \
	X(TOO_LARGE, 413, 0, "too_large", "The request is too large.")                   \
	X(MEDIA_TYPE, 415, 0, "unsupported_media_type",                                  \
	  "The body must be application/json.")                                          \
	X(UNPROCESSABLE, 422, 0, "unprocessable", "The request cannot be carried out.")  \
	X(RATE_LIMITED, 429, 1, "rate_limited", "Too many requests; retry later.")       \
	X(HEADER_TOO_LARGE, 431, 0, "header_too_large",                                  \
	  "The request header is too large.")                                            \
	X(INTERNAL, 500, 0, "internal", "Something went wrong; see the request id.")     \
	X(CORRUPT, 500, 0, "corrupt", "Stored data is damaged.")                         \
	X(CRYPTO, 500, 0, "crypto", "A cryptographic operation failed.")                 \
	X(NOMEM, 503, 1, "out_of_memory", "The server is out of memory; retry later.")   \
	X(IO, 503, 1, "io_error", "Input or output failed.")                             \
	X(UNAVAILABLE, 503, 1, "unavailable",                                            \
	  "The service is not available; retry later.")                                  \
	X(NOT_READY, 503, 1, "not_ready", "Not ready yet; retry later.")                 \
	X(FOREIGN, 503, 0, "foreign", "The backend holds an object that is not ours.")   \
	X(BACKEND_REFUSED, 502, 0, "backend_refused", "A backend refused the request.")  \
	X(BACKEND_AUTH, 502, 1, "backend_auth",                                          \
	  "A backend refused our own credentials.")                                      \
	X(UNREACHABLE, 503, 1, "backend_unreachable", "A backend does not answer.")      \
	X(TIMEOUT, 504, 1, "timeout", "The time allowed was not enough.")                \
	X(STORE_FULL, 507, 1, "store_full", "The store is full.")                        \
	/* At the end: the numbers are in stored audit entries. */                       \
	X(PURGE_LIMIT, 409, 0, "purge_limit",                                            \
	  "Too many buckets of the tenant are closed and wait for their removal; wait "  \
	  "until earlier ones are gone, or take one back.")                              \
	X(HELD, 409, 1, "held", "An operator holds this back.")

/* clang-format off: it takes the row macro for a broken line */
enum td_rc {
#define TD_RC_ENUM(name, http, retryable, code, text) TD_##name,
	TD_RC_TABLE(TD_RC_ENUM)
#undef TD_RC_ENUM
		TD_RC_COUNT
};
/* clang-format on */

#define TD_ERR_DETAIL_MAX 256

struct td_err {
	enum td_rc rc;
	int sys_errno;	     /* errno, or 0 */
	int upstream_status; /* HTTP status or server code of a backend, or 0 */
	char detail[TD_ERR_DETAIL_MAX];
};

struct td_rc_info {
	const char *name; /* "STORE_FULL" */
	int http_status;
	bool retryable;
	const char *code; /* "store_full": stable, on the wire */
	const char *text; /* one public sentence */
};

/* The table's row of a code; an unknown code gives the row of INTERNAL. */
const struct td_rc_info *td_rc_info(enum td_rc rc);

/*
 * Fill *err (may be NULL) and return rc, so that a failing branch is one line.
 * Text that does not fit is cut. errno is not touched or read.
 */
enum td_rc td_err_set(struct td_err *err, enum td_rc rc, const char *fmt, ...)
	TD_PRINTF(3, 4);

/* The same, and records sys_errno with its text appended to the detail. */
enum td_rc td_err_sys(struct td_err *err, enum td_rc rc, int sys_errno, const char *fmt,
		      ...) TD_PRINTF(4, 5);

/* Put "text: " before the detail of a failed *err (may be NULL). Returns err->rc. */
enum td_rc td_err_prefix(struct td_err *err, const char *fmt, ...) TD_PRINTF(2, 3);

#ifdef __clang_analyzer__
/* The analyzer does not see into error.c: without this, "return td_err_set(...)" could be
 * TD_OK to it, and every caller's output an uninitialized value. Never compiled. */
#define td_err_set(err, rc, ...)                                                         \
	__extension__({                                                                  \
		enum td_rc td_set_ = (rc);                                               \
		(void)(td_err_set)((err), td_set_, __VA_ARGS__);                         \
		td_set_;                                                                 \
	})
#define td_err_sys(err, rc, ...)                                                         \
	__extension__({                                                                  \
		enum td_rc td_sys_ = (rc);                                               \
		(void)(td_err_sys)((err), td_sys_, __VA_ARGS__);                         \
		td_sys_;                                                                 \
	})
#endif
