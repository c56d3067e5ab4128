/*
 * Connections to the replica set, and one command on one of them within a deadline.
 *
 * libmongoc's pool has background threads and one set of timeouts for all; ours is a bag
 * of single-threaded clients, sorted by how long they may take: a client's timeouts are
 * fixed when it is made, so a command gets one whose bounds fit into what its deadline
 * leaves.
 *
 * A command is tried once, because only a caller knows how to read back what an unknown
 * outcome did; the exception is a refused login or right, where it is certain that nothing
 * was done.
 *
 * Thread rule: any thread.
 */
#pragma once

#include "base/driver.h"
#include "base/env.h"
#include "mongo/creds.h"
#include "mongo/err.h"
#include "mongo/site.h"

#include <mongoc/mongoc.h>

struct mongo_clients;

/* All borrowed for the life of the clients. trace may be NULL. */
struct mongo_clients_options {
	const struct mongo_site *site;
	struct mongo_creds *creds;
	const struct td_env *env;
	const struct drv_trace *trace;
};

enum td_rc mongo_clients_new(const struct mongo_clients_options *opt,
			     struct mongo_clients **ret_clients,
			     struct td_err *reterr) TD_MUST_CHECK;
/* No command may be under way. NULL is a no-op. */
void mongo_clients_free(struct mongo_clients *clients);

const struct td_env *mongo_clients_env(const struct mongo_clients *clients);
int64_t mongo_clients_left_ms(const struct mongo_clients *clients,
			      int64_t deadline_mono_ms);

enum mongo_cmd_kind {
	MONGO_READ,
	MONGO_WRITE, /* with write concern majority; a writeConcernError is an error */
	MONGO_PLAIN, /* changes nothing that is replicated (sessions, operations) */
	MONGO_LONG   /* a write that may take all the time that is left */
};

struct mongo_cmd {
	const char *db;
	const char *what;   /* the command's name */
	const bson_t *body; /* without maxTimeMS and writeConcern */
	enum mongo_cmd_kind kind;
	enum mongo_err_text text; /* MONGO_ERR_NO_TEXT for one with a password */
};

/*
 * reply is made by this function on TD_OK and then ended by the caller with bson_destroy;
 * NULL: not wanted. Errors of mongo_err(), and TD_TIMEOUT when too little time is left.
 */
enum td_rc mongo_command(struct mongo_clients *clients, const struct mongo_cmd *cmd,
			 int64_t deadline_mono_ms, bson_t *reply,
			 struct td_err *reterr) TD_MUST_CHECK;

/* Which member is primary. Errors of mongo_err(). */
enum td_rc mongo_primary(struct mongo_clients *clients, int64_t deadline_mono_ms,
			 struct mongo_address *ret_address,
			 struct td_err *reterr) TD_MUST_CHECK;

enum mongo_login_verdict {
	MONGO_LOGIN_WORKS,
	MONGO_LOGIN_REFUSED /* the server's word: user or password */
};

struct mongo_login {
	const struct mongo_address *at;
	const char *db;
	const char *user;
	const struct td_secret *password;
};

/*
 * Log in at that member with a connection of its own. TD_OK: the verdict is certain;
 * *ret_status (NULL: not wanted) is the reply to connectionStatus when it works, ended by
 * the caller with bson_destroy, and empty otherwise. Any other code: nothing is known.
 */
enum td_rc mongo_login_try(struct mongo_clients *clients, const struct mongo_login *login,
			   int64_t deadline_mono_ms,
			   enum mongo_login_verdict *ret_verdict, bson_t *ret_status,
			   struct td_err *reterr) TD_MUST_CHECK;

/* The same with tenantd's own credentials; TD_OK only when they work. */
enum td_rc mongo_login_own(struct mongo_clients *clients, const struct mongo_address *at,
			   int64_t deadline_mono_ms, struct td_err *reterr) TD_MUST_CHECK;

/* Closes what idles, so that the next commands log in anew. */
void mongo_clients_forget(struct mongo_clients *clients);
