/*
 * Ours or foreign, and the two proofs by login.
 *
 * A role has no place for a mark. One named MONGO_ROLE in a database that has no users and
 * no data grants nothing to anybody; when the recorded intent says that nothing was there
 * before, it is what an interrupted call of ours left.
 */
#include "mongo/verbs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void set_text(struct mongo_tenant *t, const char *reason, const char *fmt,
		     va_list ap) TD_PRINTF(3, 0);

static void
set_text(struct mongo_tenant *t, const char *reason, const char *fmt, va_list ap)
{
	snprintf(t->res->reason, sizeof(t->res->reason), "%s", reason);
	vsnprintf(t->res->message, sizeof(t->res->message), fmt, ap);
}

void
mongo_drift(struct mongo_tenant *t, const char *reason, const char *fmt, ...)
{
	va_list ap;

	t->res->drifted = true;
	if (t->res->reason[0])
		return;
	va_start(ap, fmt);
	set_text(t, reason, fmt, ap);
	va_end(ap);
}

enum td_rc
mongo_fail(struct mongo_tenant *t, struct td_err *reterr, enum td_rc rc,
	   const char *reason, const char *fmt, ...)
{
	char text[sizeof(t->res->message)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(t->fail_reason, sizeof(t->fail_reason), "%s", reason);
	return td_err_set(reterr, rc, "MongoDB: %s", text);
}

static enum td_rc TD_PRINTF(3, 4)
	foreign(struct mongo_tenant *t, const char *reason, const char *fmt, ...)
{
	va_list ap;

	t->res->presence = DRV_FOREIGN;
	va_start(ap, fmt);
	set_text(t, reason, fmt, ap);
	va_end(ap);
	return TD_OK;
}

static const struct drv_slot *
slot_of(const struct mongo_tenant *t, const char *user)
{
	for (size_t i = 0; i < t->call->slot_count; i++)
		if (strcmp(t->call->slots[i].key_id, user) == 0)
			return &t->call->slots[i];
	return NULL;
}

bool
mongo_user_is_ours(const struct mongo_tenant *t, const struct mongo_user *user)
{
	return user->marked || slot_of(t, user->name) != NULL;
}

void
mongo_note_foreign(struct mongo_tenant *t, const struct mongo_state *s)
{
	for (size_t i = 0; i < s->user_count; i++)
		if (!mongo_user_is_ours(t, &s->users[i]))
			mongo_drift(t, "ForeignUser",
				    "The database has a user that is not ours: %.40s",
				    s->users[i].name);
	for (size_t i = 0; i < s->role_count; i++)
		if (strcmp(s->roles[i], MONGO_ROLE) != 0)
			mongo_drift(t, "ForeignRole",
				    "The database has a role that is not ours: %.40s",
				    s->roles[i]);
}

/* The mark, or else the intent's own password, which nobody but us knows. */
static enum td_rc
user_proves(struct mongo_tenant *t, const struct mongo_user *user, bool *ret_ours,
	    struct td_err *reterr)
{
	const struct drv_slot *slot = slot_of(t, user->name);
	enum mongo_login_verdict verdict;
	struct mongo_address at;
	struct mongo_login login;
	enum td_rc rc;

	*ret_ours = user->marked;
	if (user->marked || !t->call->absent_before || !slot || !slot->secret)
		return TD_OK;
	rc = mongo_primary(t->op.clients, t->op.deadline, &at, reterr);
	if (rc != TD_OK)
		return rc;
	login = (struct mongo_login){
		.at = &at, .db = t->op.appid, .user = user->name, .password = slot->secret
	};
	rc = mongo_login_try(t->op.clients, &login, t->op.deadline, &verdict, NULL,
			     reterr);
	if (rc == TD_OK)
		*ret_ours = verdict == MONGO_LOGIN_WORKS;
	return rc;
}

static enum td_rc
owner_of_unclaimed(struct mongo_tenant *t, const struct mongo_state *s,
		   struct td_err *reterr)
{
	for (size_t i = 0; i < s->user_count; i++) {
		bool ours;
		enum td_rc rc = user_proves(t, &s->users[i], &ours, reterr);

		if (rc != TD_OK)
			return rc;
		if (!ours)
			return foreign(t, "Foreign",
				       "User %.40s was made by somebody else",
				       s->users[i].name);
	}
	for (size_t i = 0; i < s->role_count; i++)
		if (strcmp(s->roles[i], MONGO_ROLE) != 0)
			return foreign(t, "Foreign",
				       "Role %.40s was made by somebody else",
				       s->roles[i]);
	if (s->user_more || s->role_more)
		return foreign(t, "Foreign", "The database has many users or roles");
	if (s->user_count == 0 && s->db_exists)
		return foreign(t, "Foreign",
			       "The database exists and has no user of ours");
	if (s->user_count == 0 && !t->call->absent_before)
		return foreign(t, "Foreign", "Role %s exists without a user", MONGO_ROLE);
	t->res->presence = DRV_OURS;
	return TD_OK;
}

enum td_rc
mongo_owner(struct mongo_tenant *t, const struct mongo_state *s, struct td_err *reterr)
{
	bool nothing = s->user_count == 0 && s->role_count == 0 && !s->db_exists;

	if (t->call->claimed) {
		t->res->presence = nothing ? DRV_ABSENT : DRV_OURS;
		return TD_OK;
	}
	if (s->db_variant)
		return foreign(t, "CaseCollision",
			       "A database with this name in other case exists");
	if (nothing) {
		t->res->presence = DRV_ABSENT;
		return TD_OK;
	}
	return owner_of_unclaimed(t, s, reterr);
}

enum td_rc
mongo_owner_may_change(struct mongo_tenant *t, const struct mongo_state *s,
		       struct td_err *reterr)
{
	enum td_rc rc = mongo_owner(t, s, reterr);

	if (rc != TD_OK)
		return rc;
	if (t->res->presence == DRV_OURS && !t->call->claimed && !t->call->absent_before)
		rc = foreign(t, "NotRecorded",
			     "The user bears our mark, and nothing of it is recorded");
	if (t->res->presence != DRV_FOREIGN)
		return rc;
	snprintf(t->fail_reason, sizeof(t->fail_reason), "%s", t->res->reason);
	return td_err_set(reterr, TD_FOREIGN, "MongoDB: %s", t->res->message);
}

static const char *
field_text(const bson_iter_t *doc, const char *key)
{
	bson_iter_t it;

	if (!bson_iter_recurse(doc, &it) || !bson_iter_find(&it, key) ||
	    !BSON_ITER_HOLDS_UTF8(&it))
		return "";
	return bson_iter_utf8(&it, NULL);
}

/* connectionStatus, {authInfo: {authenticatedUserRoles: [{role, db}]}}, lists our role and
 * those that it inherits. */
static bool
just_our_role(const struct mongo_tenant *t, const bson_t *status)
{
	bson_iter_t it, roles, role;
	bool ours = false;

	if (!bson_iter_init(&it, status) ||
	    !bson_iter_find_descendant(&it, "authInfo.authenticatedUserRoles", &roles) ||
	    !bson_iter_recurse(&roles, &role))
		return false;
	while (bson_iter_next(&role)) {
		const char *name = field_text(&role, "role");
		bool known = strcmp(name, MONGO_ROLE) == 0;

		ours = ours || known;
		for (size_t i = 0; i < t->rights.role_count; i++)
			known = known || strcmp(name, t->rights.roles[i]) == 0;
		if (!known || strcmp(field_text(&role, "db"), t->op.appid) != 0)
			return false;
	}
	return ours;
}

static enum td_rc
login_at(struct mongo_tenant *t, const struct mongo_address *at,
	 const struct drv_slot *slot, enum mongo_login_verdict *ret_verdict,
	 bson_t *ret_status, struct td_err *reterr)
{
	struct mongo_login login = { .at = at,
				     .db = t->op.appid,
				     .user = slot->key_id,
				     .password = slot->secret };

	return mongo_login_try(t->op.clients, &login, t->op.deadline, ret_verdict,
			       ret_status, reterr);
}

enum td_rc
mongo_slot_login(struct mongo_tenant *t, const struct drv_slot *slot,
		 enum mongo_slot_login *ret_login, struct td_err *reterr)
{
	enum mongo_login_verdict verdict;
	struct mongo_address at;
	bson_t status;
	enum td_rc rc;

	rc = mongo_primary(t->op.clients, t->op.deadline, &at, reterr);
	if (rc == TD_OK)
		rc = login_at(t, &at, slot, &verdict, &status, reterr);
	if (rc != TD_OK)
		return rc;
	if (verdict == MONGO_LOGIN_REFUSED)
		*ret_login = MONGO_SLOT_REFUSED;
	else if (just_our_role(t, &status))
		*ret_login = MONGO_SLOT_WORKS;
	else
		*ret_login = MONGO_SLOT_OTHER_ROLES;
	bson_destroy(&status);
	return TD_OK;
}

static enum td_rc
users_gone(struct mongo_tenant *t, const struct drv_slot *const *slots, size_t count,
	   struct td_err *reterr)
{
	struct mongo_state s;
	enum td_rc rc = mongo_state_read_users(&t->op, &s, reterr);

	if (rc != TD_OK)
		return rc;
	for (size_t i = 0; i < count && rc == TD_OK; i++)
		if (mongo_state_user(&s, slots[i]->key_id))
			rc = mongo_fail(t, reterr, TD_CONFLICT, "NotDead",
					"User %.40s is there again", slots[i]->key_id);
	mongo_state_done(&s);
	return rc;
}

enum td_rc
mongo_prove_dead(struct mongo_tenant *t, const struct drv_slot *const *slots,
		 size_t count, struct td_err *reterr)
{
	enum mongo_login_verdict verdict;
	struct mongo_address at;
	enum td_rc rc;

	if (count == 0)
		return TD_OK;
	rc = mongo_primary(t->op.clients, t->op.deadline, &at, reterr);
	if (rc == TD_OK)
		rc = mongo_login_own(t->op.clients, &at, t->op.deadline, reterr);
	for (size_t i = 0; i < count && rc == TD_OK; i++) {
		if (!slots[i]->secret)
			continue;
		rc = login_at(t, &at, slots[i], &verdict, NULL, reterr);
		if (rc == TD_OK && verdict != MONGO_LOGIN_REFUSED)
			rc = mongo_fail(t, reterr, TD_CONFLICT, "NotDead",
					"User %.40s can still log in", slots[i]->key_id);
	}
	if (rc == TD_OK)
		rc = mongo_login_own(t->op.clients, &at, t->op.deadline, reterr);
	if (rc == TD_OK)
		rc = users_gone(t, slots, count, reterr);
	return rc;
}
