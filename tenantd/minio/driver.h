/*
 * The object storage driver: one tenant on one MinIO deployment, as base/driver.h
 * describes it. How the verbs are built is told in driver.c.
 *
 * What an observer sees in struct drv_result beyond the contract of base/driver.h:
 *
 * - `reason` is one of UserMissing, UserDisabled, UserEnabled (though suspended),
 *   PolicyChanged, GroupMember, ParentSecretChanged, ServiceAccountMissing,
 *   ServiceAccountChanged, BucketMissing, BucketMarkMissing, BucketPolicyChanged,
 *   BucketQuotaChanged, Foreign, ObjectLock.
 *   Several at once: the first that was met.
 * - ensure() on a user that somebody disabled, without `unlock`: TD_OK, `drifted`,
 *   reason UserDisabled, and neither the user nor its service accounts nor its buckets were
 *   changed, except that what is to be closed is closed. Everything else that had drifted is
 *   repaired, and told with TD_OK and `drifted`.
 * - TD_FOREIGN with presence DRV_FOREIGN: the name belongs to somebody else; nothing at
 *   all was changed. A foreign bucket among ours is told in that bucket only.
 * - observe(): a claimed bucket that is gone has rc TD_NOT_FOUND, one that was changed
 *   TD_CONFLICT. A bucket that is being removed and is not gone yet: TD_NOT_READY.
 * - A bucket whose `rc` is not TD_OK does not stop the others; the call itself is TD_OK
 *   unless the backend does not answer.
 * - remove() with object lock in the way: TD_BACKEND_REFUSED, reason ObjectLock.
 * - identity is the deployment id of the MinIO, 36 characters.
 *
 * Thread rule: that of struct driver; minio_driver_new from one thread.
 */
#pragma once

#include "base/driver.h"
#include "base/env.h"

struct policy_set; /* policies/policy.h */

/* Two files with one credential of a MinIO user, as td_secret_read_file() takes them. */
struct minio_key_files {
	const char *access_key_file;
	const char *secret_key_file;
};

#define MINIO_ENDPOINTS_MAX 32

struct minio_driver_options {
	/* Every member, "http://host:port" or https, without a path. Requests go to one that
	 * answers; what peers do not tell each other goes to all. */
	const char *const *endpoints;
	size_t endpoint_count; /* 1..MINIO_ENDPOINTS_MAX */
	const char *region;    /* of the signature; NULL: us-east-1 */
	const char *ca_file;   /* PEM; NULL: the system's store */
	/* Read at the start and again whenever MinIO refuses the key in use; `next` (its
	 * members may be NULL) is tried when `current` is refused. */
	struct minio_key_files current;
	struct minio_key_files next;
	const char *instance_id; /* 32 hex digits; used where a drv_call has none */
	const struct policy_set *policies; /* borrowed for the life of the driver */
	const struct td_env *env;	   /* borrowed; NULL: the real system */
	const struct drv_trace *trace;	   /* borrowed; NULL: nobody listens */
};

/*
 * Copies the options' strings; does not talk to MinIO (probe does). Ended with
 * (*ret)->ops->free(). TD_INVALID: an endpoint or an option that cannot be; TD_INVALID or
 * TD_IO: a credential file; TD_NOMEM.
 */
enum td_rc minio_driver_new(const struct minio_driver_options *opt, struct driver **ret,
			    struct td_err *reterr) TD_MUST_CHECK;
