/*
 * tenantd's own credential on MinIO: read from two pairs of files, `current` and `next`,
 * and read again when MinIO refuses the one in use, so that rotating it needs no restart.
 *
 * Thread rule: any thread.
 */
#pragma once

#include "minio/driver.h"

struct keyring;

struct credential {
	unsigned refs; /* the keyring's */
	struct td_secret *access_key;
	struct td_secret *secret;
};

/* Reads `current`. TD_INVALID, TD_IO: a file is missing or unfit; TD_NOMEM. */
enum td_rc keyring_new(const struct minio_key_files *current,
		       const struct minio_key_files *next, struct keyring **ret,
		       struct td_err *reterr) TD_MUST_CHECK;
/* Nobody holds a credential of it any more. NULL is a no-op. */
void keyring_free(struct keyring *k);

/* The one in use; give it back. */
struct credential *keyring_take(struct keyring *k);
void keyring_give(struct keyring *k, struct credential *cred);

/* MinIO refused `used`: is there another one in use by now, or one that the files hold? */
bool keyring_renew(struct keyring *k, const struct credential *used);
/* Use what the files of `current` hold now. TD_INVALID, TD_IO: they are unfit, and the one
 * in use stays. */
enum td_rc keyring_reread(struct keyring *k, struct td_err *reterr) TD_MUST_CHECK;
