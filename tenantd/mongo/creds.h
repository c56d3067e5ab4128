/*
 * tenantd's own MongoDB credentials: two pairs of files, `current` and `next`, re-read
 * when the server refuses what is in use, so that an operator changes them without a
 * restart.
 *
 * Each credential in use has a generation; connections remember theirs, and one that was
 * replaced meanwhile only has to connect again.
 *
 * Thread rule: any thread.
 */
#pragma once

#include "base/secret.h"
#include "mongo/driver.h"

struct mongo_creds;

struct mongo_cred {
	char *username;		    /* owned */
	struct td_secret *password; /* owned */
	unsigned generation;
};

/* Reads `current` (must be there) and `next` (may be absent). TD_INVALID, TD_IO, TD_NOMEM.
 */
enum td_rc mongo_creds_new(const struct mongo_key_files *current,
			   const struct mongo_key_files *next,
			   struct mongo_creds **ret_creds,
			   struct td_err *reterr) TD_MUST_CHECK;
void mongo_creds_free(struct mongo_creds *creds);

/* A copy of the one in use, ended with mongo_cred_done. TD_NOMEM. */
enum td_rc mongo_creds_get(struct mongo_creds *creds, struct mongo_cred *ret_cred,
			   struct td_err *reterr) TD_MUST_CHECK;
void mongo_cred_done(struct mongo_cred *cred);

unsigned mongo_creds_generation(struct mongo_creds *creds);

/*
 * The server refused a credential of that generation. Reads the files again and changes
 * to another one. TD_OK: there is one that is worth a try (perhaps somebody else changed
 * to it already). TD_BACKEND_AUTH: the files hold nothing but what was refused.
 */
enum td_rc mongo_creds_refused(struct mongo_creds *creds, unsigned generation,
			       struct td_err *reterr) TD_MUST_CHECK;

/* Reads the files again. When what is in use stands in neither any more, `current` takes
 * its place. Fails as mongo_creds_new does; what is in use then stays. */
enum td_rc mongo_creds_reload(struct mongo_creds *creds,
			      struct td_err *reterr) TD_MUST_CHECK;
