/*
 * The tenant's MinIO user. Its secret is never handed out; service accounts hang below it,
 * so its policy and its status reach every credential of the tenant at once.
 *
 * The mapping can only be changed while the user is enabled, and enabling revives all its
 * service accounts and temporary keys with whatever is mapped. Hence the order: cutting off
 * maps the policy that denies everything before it disables, so that enabling later gives
 * nothing, and temporary keys are revoked before that. A user that was disabled with rights
 * we would not give is removed and made anew instead, its service accounts with it.
 */
#include "minio/work.h"

#include <stdio.h>
#include <string.h>

/* ---- whose is it? ---- */

static enum td_rc
parent_login(struct work *w, int member, enum s3_login *ret, struct td_err *reterr)
{
	struct sigv4_key key = work_key(w->parent);

	return s3_login(&w->call, &key, w->probe_bucket, member, ret, reterr);
}

/* By a login with the sealed secret; while it is disabled, by the mark on its keys. */
static enum td_rc
prove(struct work *w, bool *ret, struct td_err *reterr)
{
	enum s3_login login;
	enum td_rc rc;

	*ret = false;
	if (!w->parent)
		return TD_OK;
	if (!w->user.enabled)
		return slots_find_mark(w, ret, reterr);
	rc = parent_login(w, MINIO_ANY_MEMBER, &login, reterr);
	if (rc == TD_OK)
		*ret = login == S3_LOGIN_LIVE || login == S3_LOGIN_DENIED;
	return rc;
}

enum td_rc
parent_decide(struct work *w, enum own *ret, struct td_err *reterr)
{
	bool ours = w->c->claimed;
	enum td_rc rc;

	if (minio_client_is_self(w->d->client, w->c->appid)) {
		*ret = OWN_FOREIGN;
		return TD_OK;
	}
	rc = minio_user_info(&w->call, w->c->appid, &w->user, reterr);
	if (rc != TD_OK)
		return rc;
	if (w->user.kind == MINIO_USER_ABSENT) {
		*ret = OWN_ABSENT;
		return TD_OK;
	}
	if (w->user.kind == MINIO_USER_PRESENT && !ours && w->c->absent_before)
		rc = prove(w, &ours, reterr);
	*ret = w->user.kind == MINIO_USER_PRESENT && ours ? OWN_OURS : OWN_FOREIGN;
	return rc;
}

enum td_rc
parent_name_taken(struct work *w, bool *ret, struct td_err *reterr)
{
	/* Nobody's secret: MinIO says whether it knows the key before it says more. */
	TD_CLEAN_SECRET struct td_secret *wrong =
		td_secret_random_alnum(minio_client_env(w->d->client), 40);
	struct sigv4_key key = { .access_key = w->c->appid, .secret = wrong };
	enum s3_login login;
	enum td_rc rc;

	if (!wrong)
		return td_err_set(reterr, TD_NOMEM, "no memory for a probe");
	rc = s3_login(&w->call, &key, w->probe_bucket, MINIO_ANY_MEMBER, &login, reterr);
	if (rc == TD_OK)
		*ret = login != S3_LOGIN_NO_KEY;
	return rc;
}

/* ---- its policy ---- */

static bool
policy_known(struct minio_driver *d, const char *name)
{
	bool known = false;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < KNOWN_POLICIES; i++)
		known |= strcmp(d->known[i], name) == 0;
	pthread_mutex_unlock(&d->lock);
	return known;
}

static void
policy_remember(struct minio_driver *d, const char *name)
{
	pthread_mutex_lock(&d->lock);
	snprintf(d->known[d->known_next], POLICY_COMPILED_SIZE, "%s", name);
	d->known_next = (d->known_next + 1) % KNOWN_POLICIES;
	pthread_mutex_unlock(&d->lock);
}

static enum td_rc
policy_put(struct work *w, const struct policy_template *t, struct td_err *reterr)
{
	enum td_rc rc;

	rc = minio_policy_put(&w->call, t->compiled_name, t->json, t->json_len, reterr);
	if (rc == TD_OK)
		policy_remember(w->d, t->compiled_name);
	return rc;
}

/* Once per process the policy is written, whatever is there: its name says its content. */
static enum td_rc
map_template(struct work *w, const struct policy_template *t, struct td_err *reterr)
{
	enum td_rc rc = TD_OK;

	if (!policy_known(w->d, t->compiled_name))
		rc = policy_put(w, t, reterr);
	if (rc == TD_OK)
		rc = minio_policy_map(&w->call, w->c->appid, t->compiled_name, reterr);
	if (rc != TD_NOT_FOUND)
		return rc;
	/* Somebody removed it meanwhile. */
	rc = policy_put(w, t, reterr);
	if (rc == TD_OK)
		rc = minio_policy_map(&w->call, w->c->appid, t->compiled_name, reterr);
	return rc;
}

bool
parent_mapped_in_family(const struct work *w)
{
	const struct policy_template *family[] = { w->full, w->full->fenced,
						   w->full->suspended };

	for (size_t i = 0; i < sizeof(family) / sizeof(family[0]); i++)
		if (family[i] && strcmp(family[i]->compiled_name, w->user.policy) == 0)
			return true;
	return false;
}

/* "<template>-<hash>" of any template of the set, in any version: a changed plan or a
 * changed template, which is work and not drift. */
static bool
mapped_by_us(const struct work *w)
{
	size_t len = strlen(w->user.policy);
	char name[POLICY_COMPILED_SIZE];

	if (len <= POLICY_SHORT_HASH + 1 || len >= sizeof(name))
		return false;
	memcpy(name, w->user.policy, len + 1);
	name[len - POLICY_SHORT_HASH - 1] = '\0';
	return w->user.policy[len - POLICY_SHORT_HASH - 1] == '-' &&
	       policy_find(w->d->policies, POLICY_MINIO, name) != NULL;
}

enum td_rc
parent_map(struct work *w, struct td_err *reterr)
{
	enum td_rc rc;

	if (strcmp(w->user.policy, w->want->compiled_name) == 0)
		return TD_OK;
	if (w->c->claimed && !mapped_by_us(w))
		work_drift(w, "PolicyChanged", "the user's policy was \"%.60s\"",
			   w->user.policy);
	rc = map_template(w, w->want, reterr);
	if (rc == TD_WRONG_PHASE)
		return td_err_set(reterr, TD_CONFLICT,
				  "user %s was disabled or removed meanwhile",
				  w->c->appid);
	if (rc == TD_OK)
		snprintf(w->user.policy, sizeof(w->user.policy), "%s",
			 w->want->compiled_name);
	return rc;
}

/* ---- making and repairing ---- */

enum td_rc
parent_create(struct work *w, struct td_err *reterr)
{
	struct td_err err = { 0 };
	enum td_rc rc;

	/* Temporary keys outlive their user: they must not wake up with the new one. Before a
	 * first creation a member that is down may be left to its next refresh. */
	for (size_t i = 0; i < minio_client_members(w->d->client); i++) {
		rc = minio_tokens_revoke(&w->call, w->c->appid, (int)i, &err);
		if (rc != TD_OK && (w->c->claimed || !work_is_fatal(rc))) {
			if (reterr)
				*reterr = err;
			return rc;
		}
	}
	rc = minio_user_put(&w->call, w->c->appid, w->parent->secret, reterr);
	if (rc != TD_OK)
		return rc;
	w->user = (struct minio_user){ .kind = MINIO_USER_PRESENT, .enabled = true };
	return TD_OK;
}

/* Enabling it now: would that give more than the call wants? */
static bool
safe_to_enable(const struct work *w)
{
	const struct policy_template *fine[] = { w->want, w->full->fenced, w->suspended };

	if (!w->user.policy[0])
		return true;
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		if (fine[i] && strcmp(fine[i]->compiled_name, w->user.policy) == 0)
			return true;
	return false;
}

static enum td_rc
unlock(struct work *w, struct td_err *reterr)
{
	enum td_rc rc;

	parent_revoke(w);
	if (w->kept_rc != TD_OK) {
		if (reterr)
			*reterr = w->kept;
		return w->kept_rc;
	}
	if (!safe_to_enable(w)) {
		rc = minio_user_remove(&w->call, w->c->appid, reterr);
		return rc == TD_OK ? parent_create(w, reterr) : rc;
	}
	rc = minio_user_status(&w->call, w->c->appid, MINIO_ENABLED, MINIO_ANY_MEMBER,
			       reterr);
	if (rc == TD_OK)
		w->user.enabled = true;
	return rc;
}

enum td_rc
parent_repair(struct work *w, bool *ret_locked, struct td_err *reterr)
{
	enum s3_login login;
	enum td_rc rc = TD_OK;

	*ret_locked = !w->user.enabled && !w->c->unlock;
	if (*ret_locked) {
		work_drift(w, "UserDisabled", "the user was disabled by somebody else");
		return TD_OK;
	}
	if (w->user.in_group)
		work_drift(w, "GroupMember", "the user is a member of a group");
	if (!w->user.enabled)
		rc = unlock(w, reterr);
	if (rc == TD_OK)
		rc = parent_login(w, MINIO_ANY_MEMBER, &login, reterr);
	if (rc != TD_OK)
		return rc;
	if (login == S3_LOGIN_NO_KEY)
		return td_err_set(reterr, TD_CONFLICT,
				  "user %s was disabled or removed meanwhile",
				  w->c->appid);
	if (login == S3_LOGIN_WRONG) {
		work_drift(w, "ParentSecretChanged", "the user's secret was changed");
		rc = minio_user_put(&w->call, w->c->appid, w->parent->secret, reterr);
	}
	return rc;
}

enum td_rc
parent_observe(struct work *w, struct td_err *reterr)
{
	bool locked = w->c->access == DRV_ACCESS_NONE;
	enum s3_login login;
	enum td_rc rc;

	if (!w->user.enabled && !locked)
		work_drift(w, "UserDisabled", "the user was disabled by somebody else");
	if (w->user.enabled && locked)
		work_drift(w, "UserEnabled", "the user is enabled though suspended");
	/* A disabled user cannot be mapped anew, and needs not be. */
	if (w->user.enabled && strcmp(w->user.policy, w->want->compiled_name) != 0)
		work_drift(w, "PolicyChanged", "the user's policy is \"%.60s\"",
			   w->user.policy);
	if (w->user.in_group)
		work_drift(w, "GroupMember", "the user is a member of a group");
	if (!w->user.enabled || !w->parent)
		return TD_OK;
	rc = parent_login(w, MINIO_ANY_MEMBER, &login, reterr);
	if (rc == TD_OK && login == S3_LOGIN_WRONG)
		work_drift(w, "ParentSecretChanged", "the user's secret was changed");
	return rc;
}

/* ---- cutting off ---- */

void
parent_revoke(struct work *w)
{
	for (size_t i = 0; i < minio_client_members(w->d->client); i++) {
		struct td_err err = { 0 };
		enum td_rc rc = minio_tokens_revoke(&w->call, w->c->appid, (int)i, &err);

		work_keep(w, rc, &err);
	}
}

void
parent_cut_off(struct work *w)
{
	struct td_err err = { 0 };
	enum td_rc rc;

	if (w->user.enabled && w->suspended &&
	    strcmp(w->user.policy, w->suspended->compiled_name) != 0) {
		rc = map_template(w, w->suspended, &err);
		/* Disabled meanwhile is as good. */
		work_keep(w, rc == TD_WRONG_PHASE ? TD_OK : rc, &err);
	}
	parent_revoke(w);
	/* Peers are told, but one that missed it would keep the old status for minutes. */
	for (size_t i = 0; i < minio_client_members(w->d->client); i++) {
		rc = minio_user_status(&w->call, w->c->appid, MINIO_DISABLED, (int)i,
				       &err);
		work_keep(w, rc, &err);
		if (rc == TD_OK)
			w->user.enabled = false;
	}
}

enum td_rc
parent_prove_locked(struct work *w, struct td_err *reterr)
{
	if (!w->parent)
		return TD_OK;
	for (size_t i = 0; i < minio_client_members(w->d->client); i++) {
		enum s3_login login;
		enum td_rc rc = parent_login(w, (int)i, &login, reterr);

		if (rc != TD_OK)
			return rc;
		if (login != S3_LOGIN_NO_KEY)
			return td_err_set(reterr, TD_UNAVAILABLE,
					  "user %s is still known to member %zu",
					  w->c->appid, i);
	}
	return TD_OK;
}

enum td_rc
parent_remove(struct work *w, struct td_err *reterr)
{
	enum td_rc rc;

	rc = minio_user_remove(&w->call, w->c->appid, reterr);
	if (rc != TD_OK)
		return rc;
	parent_revoke(w);
	if (w->kept_rc != TD_OK) {
		if (reterr)
			*reterr = w->kept;
		return w->kept_rc;
	}
	rc = minio_user_info(&w->call, w->c->appid, &w->user, reterr);
	if (rc != TD_OK)
		return rc;
	if (w->user.kind != MINIO_USER_ABSENT)
		return td_err_set(reterr, TD_CONFLICT,
				  "user %s came back while it was removed", w->c->appid);
	return parent_prove_locked(w, reterr);
}
