/*
 * observe, ensure and the cut-off.
 *
 * The order in ensure is the order of safety: first the role (what the tenant may do from
 * the next command on), then what runs already, then logins. So a fence holds even when
 * something about a login is wrong.
 *
 * Work that began before a role lost rights is always ended when the tenant is fenced, also
 * when the role was fenced already: an earlier call may have been killed between the two,
 * and nothing on the server tells.
 */
#include "mongo/verbs.h"
#include "mongo/work.h"

#include <string.h>

/* Names of our users that are there. */
static size_t
our_users(const struct mongo_tenant *t, const struct mongo_state *s,
	  const char *names[MONGO_USERS_SEEN])
{
	size_t n = 0;

	for (size_t i = 0; i < s->user_count; i++)
		if (mongo_user_is_ours(t, &s->users[i]))
			names[n++] = s->users[i].name;
	return n;
}

static struct mongo_rights_diff
compare(const struct mongo_tenant *t, const struct mongo_state *s)
{
	return mongo_role_compare(&s->role, t->op.appid, &t->rights);
}

/* Somebody took the rights away by hand; only an unlock gives them back. */
static bool
emptied_by_hand(const struct mongo_tenant *t, const struct mongo_state *s)
{
	struct mongo_rights_diff diff;

	if (!t->call->claimed || t->call->unlock || !s->has_role)
		return false;
	diff = compare(t, s);
	return diff.empty && !diff.same;
}

static enum td_rc
empty_role(struct mongo_tenant *t, const struct mongo_state *s, struct td_err *reterr)
{
	static const struct mongo_rights nothing;
	enum td_rc rc;

	if (!s->has_role || mongo_role_compare(&s->role, t->op.appid, &nothing).empty)
		return TD_OK;
	rc = mongo_role_update(&t->op, &nothing, reterr);
	/* Dropped meanwhile: that grants as little. */
	return rc == TD_NOT_FOUND ? TD_OK : rc;
}

static enum td_rc
strip_user(struct mongo_tenant *t, const char *name, struct td_err *reterr)
{
	enum td_rc rc = mongo_user_set_roles(&t->op, name, MONGO_ROLES_NONE, reterr);

	return rc == TD_NOT_FOUND ? TD_OK : rc;
}

enum td_rc
mongo_cut(struct mongo_tenant *t, const struct mongo_state *s, const char *const *names,
	  size_t count, struct td_err *reterr)
{
	enum td_rc rc = empty_role(t, s, reterr);

	for (size_t i = 0; i < count && rc == TD_OK; i++) {
		const struct mongo_user *user = mongo_state_user(s, names[i]);

		if (user && user->has_others)
			rc = strip_user(t, names[i], reterr);
	}
	if (rc == TD_OK && count > 0)
		rc = mongo_work_end(&t->op, names, count, reterr);
	for (size_t i = 0; i < count && rc == TD_OK; i++)
		if (mongo_state_user(s, names[i]))
			rc = mongo_user_drop(&t->op, names[i], reterr);
	return rc;
}

/* Access NONE. */
static enum td_rc
cut_off(struct mongo_tenant *t, const struct mongo_state *s, struct td_err *reterr)
{
	const struct drv_slot *slots[DRV_SLOT_COUNT];
	const char *names[MONGO_NAMES_MAX];
	size_t n = our_users(t, s, names);
	enum td_rc rc;

	for (size_t i = 0; i < t->call->slot_count; i++) {
		slots[i] = &t->call->slots[i];
		/* One that is gone may have left work behind. */
		if (!mongo_state_user(s, slots[i]->key_id))
			names[n++] = slots[i]->key_id;
	}
	rc = mongo_cut(t, s, names, n, reterr);
	if (rc == TD_OK && s->user_more)
		rc = td_err_set(reterr, TD_CONFLICT, "MongoDB: more users are left");
	if (rc == TD_OK)
		rc = mongo_prove_dead(t, slots, t->call->slot_count, reterr);
	return rc;
}

static enum td_rc
converge_role(struct mongo_tenant *t, const struct mongo_state *s, struct td_err *reterr)
{
	const char *names[MONGO_USERS_SEEN];
	size_t n = our_users(t, s, names);
	struct mongo_rights_diff diff = { 0 };
	enum td_rc rc = TD_OK;

	if (!s->has_role) {
		if (t->call->claimed && !t->call->unlock && !t->made_role)
			mongo_drift(t, "RoleMissing", "Role %s was gone", MONGO_ROLE);
		rc = mongo_role_create(&t->op, &t->rights, reterr);
		if (rc == TD_OK)
			t->made_role = true;
	} else {
		diff = compare(t, s);
		if (!diff.same)
			rc = mongo_role_update(&t->op, &t->rights, reterr);
	}
	if (rc == TD_EXISTS || rc == TD_NOT_FOUND)
		return td_err_set(reterr, TD_CONFLICT, "MongoDB: the role came or went");
	if (rc == TD_OK && n > 0 &&
	    (diff.takes_away || t->call->access == DRV_ACCESS_FENCED))
		rc = mongo_work_end(&t->op, names, n, reterr);
	return rc;
}

/* Of a user that was just made, or given its role. */
static enum td_rc
prove_new(struct mongo_tenant *t, const struct drv_slot *slot, struct td_err *reterr)
{
	enum mongo_slot_login login;
	enum td_rc rc = mongo_slot_login(t, slot, &login, reterr);

	if (rc == TD_OK && login != MONGO_SLOT_WORKS)
		rc = mongo_fail(t, reterr, TD_CONFLICT, "LoginRefused",
				"User %.40s was made and cannot log in as it should",
				slot->key_id);
	return rc;
}

static enum td_rc
make_user(struct mongo_tenant *t, const struct drv_slot *slot, struct td_err *reterr)
{
	enum td_rc rc = mongo_user_create(&t->op, slot->key_id, slot->secret, reterr);

	/* Somebody made the user, or dropped the role, since we looked: look again. */
	if (rc == TD_EXISTS || rc == TD_NOT_FOUND)
		return td_err_set(reterr, TD_CONFLICT,
				  "MongoDB: user %s came or its role "
				  "went",
				  slot->key_id);
	return rc == TD_OK ? prove_new(t, slot, reterr) : rc;
}

/* A refused login says something about this user only if it is still the one we saw. */
static enum td_rc
still_there(struct mongo_tenant *t, const struct mongo_user *user, struct td_err *reterr)
{
	const struct mongo_user *now;
	struct mongo_state s;
	enum td_rc rc = mongo_state_read_users(&t->op, &s, reterr);

	if (rc != TD_OK)
		return rc;
	now = mongo_state_user(&s, user->name);
	if (!now || strcmp(now->id, user->id) != 0)
		rc = td_err_set(reterr, TD_CONFLICT, "MongoDB: user %s came or went",
				user->name);
	mongo_state_done(&s);
	return rc;
}

/* A login of a user that is there was refused. */
static enum td_rc
replace_user(struct mongo_tenant *t, const struct drv_slot *slot,
	     const struct mongo_user *user, struct td_err *reterr)
{
	const char *name = slot->key_id;
	enum td_rc rc = still_there(t, user, reterr);

	if (rc != TD_OK)
		return rc;
	if (!user->marked)
		return mongo_fail(t, reterr, TD_BACKEND_REFUSED, "ForeignUser",
				  "User %.40s is not ours and holds a slot's name", name);
	if (!slot->fresh)
		return mongo_fail(t, reterr, TD_BACKEND_REFUSED, "PasswordChanged",
				  "User %.40s refuses its recorded password: rotate, or "
				  "suspend and resume",
				  name);
	rc = strip_user(t, name, reterr);
	if (rc == TD_OK)
		rc = mongo_work_end(&t->op, &name, 1, reterr);
	if (rc == TD_OK)
		rc = mongo_user_drop(&t->op, name, reterr);
	return rc == TD_OK ? make_user(t, slot, reterr) : rc;
}

static enum td_rc
repair_roles(struct mongo_tenant *t, const struct mongo_user *user, struct td_err *reterr)
{
	enum td_rc rc;

	mongo_drift(t, "RolesChanged", "User %.40s had other roles", user->name);
	rc = mongo_user_set_roles(&t->op, user->name, MONGO_ROLES_APP, reterr);
	if (rc == TD_OK && user->has_others)
		rc = mongo_work_end(&t->op, &user->name, 1, reterr);
	if (rc == TD_NOT_FOUND)
		rc = td_err_set(reterr, TD_CONFLICT, "MongoDB: user %s went", user->name);
	return rc;
}

/* A user that has a slot's name: is it ours, does it log in, has it what it should? */
static enum td_rc
keep_user(struct mongo_tenant *t, const struct drv_slot *slot,
	  const struct mongo_user *user, struct td_err *reterr)
{
	enum mongo_slot_login login;
	enum td_rc rc;

	/* Before it is given anything, the password must show whose it is. */
	rc = mongo_slot_login(t, slot, &login, reterr);
	if (rc == TD_OK && login == MONGO_SLOT_REFUSED)
		return replace_user(t, slot, user, reterr);
	if (rc == TD_OK &&
	    (login == MONGO_SLOT_OTHER_ROLES || !user->has_role || user->has_others)) {
		rc = repair_roles(t, user, reterr);
		if (rc == TD_OK)
			rc = prove_new(t, slot, reterr);
	}
	if (rc != TD_OK || user->marked || slot->id == DRV_SLOT_LEGACY)
		return rc;
	mongo_drift(t, "MarkMissing", "User %.40s had lost our mark", user->name);
	rc = mongo_user_mark(&t->op, user->name, reterr);
	if (rc == TD_NOT_FOUND)
		rc = td_err_set(reterr, TD_CONFLICT, "MongoDB: user %s went", user->name);
	return rc;
}

static enum td_rc
keep_slot(struct mongo_tenant *t, const struct mongo_state *s,
	  const struct drv_slot *slot, struct td_err *reterr)
{
	const struct mongo_user *user = mongo_state_user(s, slot->key_id);

	if (user)
		return keep_user(t, slot, user, reterr);
	if (t->call->claimed && !slot->fresh && !t->call->unlock)
		mongo_drift(t, "UserMissing", "User %.40s was gone", slot->key_id);
	return make_user(t, slot, reterr);
}

static enum td_rc
retire_slot(struct mongo_tenant *t, const struct mongo_state *s,
	    const struct drv_slot *slot, struct td_err *reterr)
{
	const char *name = slot->key_id;
	enum td_rc rc = TD_OK;

	if (mongo_state_user(s, name))
		rc = strip_user(t, name, reterr);
	if (rc == TD_OK)
		rc = mongo_work_end(&t->op, &name, 1, reterr);
	if (rc == TD_OK && mongo_state_user(s, name))
		rc = mongo_user_drop(&t->op, name, reterr);
	if (rc == TD_OK)
		rc = mongo_prove_dead(t, &slot, 1, reterr);
	return rc;
}

/* The user id of the first slot that lives. */
static void
set_identity(struct mongo_tenant *t, const struct mongo_state *s)
{
	for (size_t i = 0; i < t->call->slot_count; i++) {
		const struct drv_slot *slot = &t->call->slots[i];
		const struct mongo_user *user = mongo_state_user(s, slot->key_id);

		if (slot->want == DRV_SLOT_KEEP && user && user->id[0]) {
			memcpy(t->res->identity, user->id, sizeof(user->id));
			return;
		}
	}
}

static enum td_rc
read_identity(struct mongo_tenant *t, struct td_err *reterr)
{
	struct mongo_state s;
	enum td_rc rc = mongo_state_read_users(&t->op, &s, reterr);

	if (rc != TD_OK)
		return rc;
	set_identity(t, &s);
	mongo_state_done(&s);
	return TD_OK;
}

static enum td_rc
ensure(struct mongo_tenant *t, const struct mongo_state *s, struct td_err *reterr)
{
	enum td_rc rc = mongo_owner_may_change(t, s, reterr);

	if (rc != TD_OK)
		return rc;
	mongo_note_foreign(t, s);
	if (t->call->access == DRV_ACCESS_NONE)
		return cut_off(t, s, reterr);
	if (emptied_by_hand(t, s)) {
		mongo_drift(t, "RoleEmptied", "Somebody took all rights from role %s",
			    MONGO_ROLE);
		set_identity(t, s);
		return TD_OK;
	}
	rc = converge_role(t, s, reterr);
	for (size_t i = 0; i < t->call->slot_count && rc == TD_OK; i++)
		if (t->call->slots[i].want == DRV_SLOT_KEEP)
			rc = keep_slot(t, s, &t->call->slots[i], reterr);
	for (size_t i = 0; i < t->call->slot_count && rc == TD_OK; i++)
		if (t->call->slots[i].want == DRV_SLOT_RETIRE)
			rc = retire_slot(t, s, &t->call->slots[i], reterr);
	if (rc == TD_OK)
		rc = read_identity(t, reterr);
	if (rc == TD_OK)
		t->res->presence = DRV_OURS;
	return rc;
}

/* A role that this call made and whose database turned out to be somebody else's goes
 * again, unless that somebody took it for his own. */
static enum td_rc
undo_role(struct mongo_tenant *t, const struct mongo_state *s, struct td_err *reterr)
{
	if (!t->made_role || t->call->claimed)
		return TD_OK;
	for (size_t i = 0; i < s->user_count; i++)
		if (s->users[i].has_role)
			return TD_OK;
	return mongo_role_drop(&t->op, MONGO_ROLE, reterr);
}

enum td_rc
mongo_pass_ensure(struct mongo_tenant *t, struct td_err *reterr)
{
	struct mongo_state s;
	enum td_rc rc, undo = TD_OK;

	rc = mongo_state_read(&t->op, &s, reterr);
	if (rc != TD_OK)
		return rc;
	rc = ensure(t, &s, reterr);
	if (rc == TD_FOREIGN)
		undo = undo_role(t, &s, reterr);
	mongo_state_done(&s);
	return undo == TD_OK ? rc : undo;
}

static void
observe_role(struct mongo_tenant *t, const struct mongo_state *s)
{
	if (s->has_role) {
		struct mongo_rights_diff diff = compare(t, s);

		if (!diff.same)
			mongo_drift(t, diff.empty ? "RoleEmptied" : "RoleChanged",
				    "Role %s does not grant what it should", MONGO_ROLE);
	} else if (t->call->access != DRV_ACCESS_NONE) {
		mongo_drift(t, "RoleMissing", "Role %s is gone", MONGO_ROLE);
	}
}

static enum td_rc
observe_slot(struct mongo_tenant *t, const struct mongo_state *s,
	     const struct drv_slot *slot, struct td_err *reterr)
{
	const struct mongo_user *user = mongo_state_user(s, slot->key_id);
	bool live = t->call->access != DRV_ACCESS_NONE && slot->want == DRV_SLOT_KEEP;
	enum mongo_slot_login login;
	enum td_rc rc;

	if (!live) {
		if (user)
			mongo_drift(t, "UserPresent", "User %.40s should be gone",
				    slot->key_id);
		return TD_OK;
	}
	if (!user) {
		mongo_drift(t, "UserMissing", "User %.40s is gone", slot->key_id);
		return TD_OK;
	}
	if (!user->has_role || user->has_others) {
		mongo_drift(t, "RolesChanged", "User %.40s has other roles",
			    slot->key_id);
		return TD_OK;
	}
	if (!user->marked && slot->id != DRV_SLOT_LEGACY)
		mongo_drift(t, "MarkMissing", "User %.40s does not bear our mark",
			    slot->key_id);
	if (!slot->secret)
		return TD_OK;
	/* Other roles are what a changed MONGO_ROLE inherits, and told already. */
	rc = mongo_slot_login(t, slot, &login, reterr);
	if (rc != TD_OK || login != MONGO_SLOT_REFUSED)
		return rc;
	rc = still_there(t, user, reterr);
	if (rc == TD_OK)
		mongo_drift(t, "PasswordChanged",
			    "User %.40s refuses its recorded password", slot->key_id);
	return rc;
}

static enum td_rc
observe(struct mongo_tenant *t, const struct mongo_state *s, struct td_err *reterr)
{
	enum td_rc rc = mongo_owner(t, s, reterr);

	if (rc != TD_OK || !t->call->claimed) {
		if (rc == TD_OK && t->res->presence == DRV_OURS)
			set_identity(t, s);
		return rc;
	}
	observe_role(t, s);
	for (size_t i = 0; i < t->call->slot_count && rc == TD_OK; i++)
		rc = observe_slot(t, s, &t->call->slots[i], reterr);
	for (size_t i = 0; i < s->user_count && rc == TD_OK; i++)
		if (t->call->access == DRV_ACCESS_NONE && s->users[i].marked)
			mongo_drift(t, "UserPresent", "User %.40s should be gone",
				    s->users[i].name);
	mongo_note_foreign(t, s);
	set_identity(t, s);
	return rc;
}

enum td_rc
mongo_pass_observe(struct mongo_tenant *t, struct td_err *reterr)
{
	struct mongo_state s;
	enum td_rc rc;

	/* An earlier pass repaired nothing: what it told is told again, if it is so. */
	*t->res = (struct drv_result){ .presence = DRV_UNKNOWN };
	rc = mongo_state_read(&t->op, &s, reterr);
	if (rc != TD_OK)
		return rc;
	rc = observe(t, &s, reterr);
	mongo_state_done(&s);
	return rc;
}
