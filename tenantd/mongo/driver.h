/*
 * The database driver: one tenant on one MongoDB replica set, as base/driver.h describes
 * it. How the verbs are built is told in driver.c.
 *
 * A tenant's database holds a role and a user per slot:
 *
 *   role  MONGO_ROLE     what `access` allows, compiled from policies/; every slot's user
 *                        has just this role, so that one write switches both
 *   user  slot.key_id    SCRAM-SHA-256 only, customData {tenantd: instance id, appid: ...}
 *
 * What an observer sees in struct drv_result beyond the contract of base/driver.h:
 *
 * - `reason` is one of Foreign, CaseCollision, NotRecorded (presence DRV_FOREIGN);
 *   RoleMissing, RoleChanged, RoleEmptied, UserMissing, UserPresent, RolesChanged,
 *   MarkMissing, PasswordChanged, ForeignUser, ForeignRole (drift); DatabaseBusy (remove,
 *   `more`), NotDead (a proof failed). Several at once: the first that was met.
 * - TD_FOREIGN with presence DRV_FOREIGN from ensure() and remove(): the name belongs to
 *   somebody else; nothing at all was changed. observe() tells it with TD_OK.
 * - ensure() without `unlock` on a role that somebody emptied: TD_OK, `drifted`, reason
 *   RoleEmptied, and nothing was changed.
 * - ensure() never resets a password that somebody changed: TD_BACKEND_REFUSED, reason
 *   PasswordChanged. Access is as desired then (the fence holds). A rotation, or suspend
 *   and resume, makes the user anew. Only the user of a `fresh` slot that bears our mark
 *   is made anew at once: nobody has been given its secret.
 * - Users and roles that somebody else put into a tenant's database are told (ForeignUser,
 *   ForeignRole) and left alone, until remove() takes the database with all in it.
 * - identity is the user id (UUID) of the first live slot's user, "" when there is none;
 *   a suspended and resumed tenant has another one.
 *
 * What a cut-off reaches: the sessions and the running work on the primary. A secondary
 * refuses the dropped user as soon as it has the change, which is waited for on a majority.
 *
 * Thread rule: that of struct driver; mongo_driver_new from one thread.
 */
#pragma once

#include "base/driver.h"
#include "base/env.h"

struct policy_set; /* policies/policy.h */

/* The tenant's role, in the tenant's own database. */
#define MONGO_ROLE "tenantd_app"

/* Two files with a user name and its password, as td_secret_read_file() takes them. */
struct mongo_key_files {
	const char *username_file;
	const char *password_file;
};

struct mongo_driver_options {
	/*
	 * The operator's "mongodb://host[:port][,host...]/?options" without credentials.
	 * Known options: replicaSet, tls (ssl), tlsCAFile, tlsCertificateKeyFile,
	 * directConnection, authSource (of tenantd's own user; default admin). Any other
	 * is refused. Only these parts are taken: every URI used is built anew.
	 */
	const char *uri;
	const char *ca_file; /* PEM; NULL: tlsCAFile of the uri, or the system's store */
	/* Read at the start and again whenever MongoDB refuses the login in use; `next` (its
	 * members may be NULL) is tried when `current` is refused. */
	struct mongo_key_files current;
	struct mongo_key_files next;
	const char *instance_id; /* 32 hex digits; used where a drv_call has none */
	const struct policy_set *policies; /* borrowed for the life of the driver */
	const struct td_env *env;	   /* borrowed; NULL: the real system */
	const struct drv_trace *trace;	   /* borrowed; NULL: nobody listens */
};

/*
 * Copies the options' strings; does not talk to MongoDB (probe does). Ended with
 * (*ret)->ops->free(). TD_INVALID: the uri or an option cannot be; TD_INVALID or TD_IO: a
 * credential file; TD_NOMEM.
 */
enum td_rc mongo_driver_new(const struct mongo_driver_options *opt, struct driver **ret,
			    struct td_err *reterr) TD_MUST_CHECK;

/* What a tenant's database holds now. */
struct mongo_usage {
	uint64_t data_bytes;	/* uncompressed documents */
	uint64_t index_bytes;	/* the limit is on data_bytes + index_bytes */
	uint64_t storage_bytes; /* files; lags behind and does not fall after deletes */
	uint64_t collections;
	uint64_t indexes;
	uint64_t objects;
};

/* One dbStats. A database that is not there gives zeros. The driver must be one of
 * mongo_driver_new(). TD_UNREACHABLE, TD_TIMEOUT, TD_BACKEND_AUTH, TD_BACKEND_REFUSED. */
enum td_rc mongo_driver_measure(struct driver *driver, const char *appid,
				int64_t deadline_mono_ms, struct mongo_usage *ret_usage,
				struct td_err *reterr) TD_MUST_CHECK;

/*
 * Once per process, from main, before any thread and any driver; done after the last one.
 * libmongoc is told to print nothing, and all memory of it is wiped when freed, because it
 * keeps copies of passwords.
 */
void mongo_global_init(void);
void mongo_global_done(void);
