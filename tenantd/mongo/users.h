/*
 * Users and roles of one tenant's database: what is there, what it should be, and the
 * commands that change it.
 *
 * What is there is read from admin.system.users and system.roles by their keys
 * `<appid>.<name>`: usersInfo and rolesInfo of a whole database scan the users of all
 * tenants. Names and marks are read, credentials never.
 *
 * Thread rule: any thread, on its own struct mongo_op and mongo_state.
 */
#pragma once

#include "mongo/clients.h"

/* One call of the driver. All borrowed. */
struct mongo_op {
	struct mongo_clients *clients;
	const char *appid;
	const char *instance_id;
	int64_t deadline;
};

#define MONGO_USERS_SEEN 64 /* more are there: user_more */
#define MONGO_ROLES_SEEN 64
#define MONGO_USER_ID_SIZE 37

struct mongo_user {
	const char *name;	     /* in the state's reply */
	bool marked;		     /* bears our instance id and this appid */
	bool has_role;		     /* MONGO_ROLE of this database */
	bool has_others;	     /* any other role */
	char id[MONGO_USER_ID_SIZE]; /* UUID; a user made anew has another; "" unknown */
};

struct mongo_state {
	bson_t users_reply; /* what the names point into */
	bson_t roles_reply;
	struct mongo_user users[MONGO_USERS_SEEN];
	size_t user_count;
	bool user_more;
	const char *roles[MONGO_ROLES_SEEN]; /* all, MONGO_ROLE too */
	size_t role_count;
	bool role_more;
	bool has_role; /* MONGO_ROLE; then `role` is its document */
	bson_t role;
	bool db_exists;
	bool db_variant; /* one whose name differs in case only: neither can be used */
};

/* Read it all. *ret_state is made on TD_OK and ended with mongo_state_done. */
enum td_rc mongo_state_read(const struct mongo_op *op, struct mongo_state *ret_state,
			    struct td_err *reterr) TD_MUST_CHECK;
/* Read the users only; the rest is empty. */
enum td_rc mongo_state_read_users(const struct mongo_op *op,
				  struct mongo_state *ret_state,
				  struct td_err *reterr) TD_MUST_CHECK;
void mongo_state_done(struct mongo_state *state);
/* NULL when there is none of that name. */
const struct mongo_user *mongo_state_user(const struct mongo_state *state,
					  const char *name);

/* Pure: one document of system.users. False when it is none of this database. */
bool mongo_user_parse(const bson_t *doc, const char *appid, const char *instance_id,
		      struct mongo_user *ret_user);

/* What a role grants: actions on {db: appid, collection: ""}, and built-in roles there. */
struct mongo_rights {
	const char *const *actions;
	size_t action_count;
	const char *const *roles;
	size_t role_count;
};

struct mongo_rights_diff {
	bool same;
	bool takes_away; /* the role grants something that the rights do not */
	bool empty;	 /* the role grants nothing */
};

/* Pure: a document of system.roles against rights. */
struct mongo_rights_diff mongo_role_compare(const bson_t *doc, const char *appid,
					    const struct mongo_rights *rights);

/* TD_EXISTS when there is one of that name. */
enum td_rc mongo_role_create(const struct mongo_op *op, const struct mongo_rights *rights,
			     struct td_err *reterr) TD_MUST_CHECK;
/* Acts on open connections with their next command; not on what runs. TD_NOT_FOUND. */
enum td_rc mongo_role_update(const struct mongo_op *op, const struct mongo_rights *rights,
			     struct td_err *reterr) TD_MUST_CHECK;
/* One that is not there is TD_OK. */
enum td_rc mongo_role_drop(const struct mongo_op *op, const char *role,
			   struct td_err *reterr) TD_MUST_CHECK;

/* With MONGO_ROLE and our mark. TD_EXISTS; TD_NOT_FOUND when the role is not there. */
enum td_rc mongo_user_create(const struct mongo_op *op, const char *user,
			     const struct td_secret *password,
			     struct td_err *reterr) TD_MUST_CHECK;
enum mongo_user_roles { MONGO_ROLES_NONE, MONGO_ROLES_APP };
/* Replaces the roles; TD_NOT_FOUND. */
enum td_rc mongo_user_set_roles(const struct mongo_op *op, const char *user,
				enum mongo_user_roles roles,
				struct td_err *reterr) TD_MUST_CHECK;
/* Sets our mark; TD_NOT_FOUND. */
enum td_rc mongo_user_mark(const struct mongo_op *op, const char *user,
			   struct td_err *reterr) TD_MUST_CHECK;
/* One that is not there is TD_OK. */
enum td_rc mongo_user_drop(const struct mongo_op *op, const char *user,
			   struct td_err *reterr) TD_MUST_CHECK;
