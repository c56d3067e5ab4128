/*
 * What MinIO answers when it refuses: JSON from its admin handlers, XML from everything
 * else (also on admin paths), nothing for HEAD. Told apart by the first byte.
 *
 * Thread rule: no shared state.
 */
#pragma once

#include "base/error.h"

struct minio_fault {
	char code[64];	 /* "" when the body says none */
	char region[32]; /* of AuthorizationHeaderMalformed: the one it wants */
};

/* Never fails: what cannot be read gives an empty code. */
void minio_fault_parse(const void *body, size_t len, struct minio_fault *ret);

/* Is this answer worth another try, at once, of the same request? */
bool minio_fault_retryable(int status, const struct minio_fault *fault);
/* Does it mean that the key which signed is unknown, disabled or has another secret? */
bool minio_fault_is_auth(int status, const struct minio_fault *fault);
/*
 * Fills *reterr ("WHAT: STATUS CODE") for an answer that is no success, and returns its
 * code: TD_NOT_FOUND for things that are not there, TD_EXISTS for those that are,
 * TD_BACKEND_AUTH, TD_UNAVAILABLE (also a clock that is off), TD_BUCKET_NOT_EMPTY,
 * TD_TOO_LARGE, otherwise TD_BACKEND_REFUSED.
 */
enum td_rc minio_fault_rc(int status, const struct minio_fault *fault, const char *what,
			  struct td_err *reterr);
