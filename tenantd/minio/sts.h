/*
 * Temporary keys (STS AssumeRole), narrowed by a session policy.
 *
 * Thread rule: any thread.
 */
#pragma once

#include "minio/client.h"

#define STS_POLICY_MAX 2048 /* bytes that MinIO takes */
#define STS_SECONDS_MIN 900
#define STS_SECONDS_MAX 31536000

struct sts_key {
	char access_key[64];
	struct td_secret *secret;
	struct td_secret *session_token;
	int64_t expires_ms; /* wall clock */
};

struct sts_wish {
	const struct sigv4_key
		*parent; /* a user's own key; service accounts are refused */
	unsigned seconds;
	const char *policy; /* JSON; NULL: all that the parent may do */
};

/* TD_TOO_LARGE: the policy, before MinIO is asked; TD_INVALID: seconds out of range. The
 * caller ends *ret with sts_key_done. */
enum td_rc sts_assume_role(const struct minio_call *call, const struct sts_wish *wish,
			   struct sts_key *ret, struct td_err *reterr) TD_MUST_CHECK;
void sts_key_done(struct sts_key *key);
