/*
 * Users first: a live user makes the database again with one insert. Then the roles, then
 * the data, then the proof. Users and roles are dropped by name, because
 * dropAllUsersFromDatabase and dropAllRolesFromDatabase look through those of all tenants.
 */
#include "mongo/database.h"
#include "mongo/verbs.h"

#include <string.h>

static enum td_rc
remove_users(struct mongo_tenant *t, const struct mongo_state *s, struct td_err *reterr)
{
	const char *names[MONGO_NAMES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < s->user_count; i++)
		names[n++] = s->users[i].name;
	for (size_t i = 0; i < t->call->slot_count; i++)
		if (!mongo_state_user(s, t->call->slots[i].key_id))
			names[n++] = t->call->slots[i].key_id;
	return mongo_cut(t, s, names, n, reterr);
}

static enum td_rc
remove_database(struct mongo_tenant *t, const struct mongo_state *s,
		struct td_err *reterr)
{
	enum td_rc rc;

	if (!s->db_exists)
		return TD_OK;
	rc = mongo_database_drop(&t->op, reterr);
	if (rc == TD_OK) {
		t->res->progress++;
		return TD_OK;
	}
	if (rc != TD_TIMEOUT && rc != TD_CONFLICT)
		return rc;
	return mongo_fail(
		t, reterr, TD_TIMEOUT, "DatabaseBusy",
		"The database cannot be dropped yet: somebody's transaction is open");
}

static enum td_rc
prove_removed(struct mongo_tenant *t, struct td_err *reterr)
{
	const struct drv_slot *slots[DRV_SLOT_COUNT];
	struct mongo_state s;
	enum td_rc rc;

	for (size_t i = 0; i < t->call->slot_count; i++)
		slots[i] = &t->call->slots[i];
	rc = mongo_prove_dead(t, slots, t->call->slot_count, reterr);
	if (rc == TD_OK)
		rc = mongo_state_read(&t->op, &s, reterr);
	if (rc != TD_OK)
		return rc;
	if (s.user_count > 0 || s.role_count > 0 || s.db_exists)
		rc = mongo_fail(t, reterr, TD_CONFLICT, "NotDead",
				"Something of the database is there again");
	mongo_state_done(&s);
	return rc;
}

static enum td_rc
remove_all(struct mongo_tenant *t, const struct mongo_state *s, struct td_err *reterr)
{
	enum td_rc rc = mongo_owner_may_change(t, s, reterr);

	if (rc != TD_OK)
		return rc;
	rc = remove_users(t, s, reterr);
	if (rc == TD_OK && s->user_more)
		return td_err_set(reterr, TD_CONFLICT, "MongoDB: more users are left");
	for (size_t i = 0; i < s->role_count && rc == TD_OK; i++)
		rc = mongo_role_drop(&t->op, s->roles[i], reterr);
	if (rc == TD_OK)
		rc = remove_database(t, s, reterr);
	if (rc == TD_OK)
		rc = prove_removed(t, reterr);
	if (rc == TD_OK)
		t->res->presence = DRV_ABSENT;
	return rc;
}

enum td_rc
mongo_pass_remove(struct mongo_tenant *t, struct td_err *reterr)
{
	struct mongo_state s;
	enum td_rc rc;

	rc = mongo_state_read(&t->op, &s, reterr);
	if (rc != TD_OK)
		return rc;
	rc = remove_all(t, &s, reterr);
	mongo_state_done(&s);
	return rc;
}
