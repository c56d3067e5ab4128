/*
 * A tenant's credentials are service accounts below its user: keys and secrets of our
 * choice, a policy of their own with the appid in literals, and our mark in the
 * description.
 *
 * Whether one is there and has our secret is found out by a login with it, which costs
 * the server next to nothing; its details cost an Argon2 and are asked for only to look at
 * the embedded policy and to settle doubts.
 */
#include "minio/work.h"

#include <stdio.h>
#include <string.h>

#define MARK_SIZE 128

struct sa_texts {
	char name[32];
	char mark[MARK_SIZE];
	struct td_buf policy;
};

static void
mark_write(const struct work *w, char out[MARK_SIZE])
{
	snprintf(out, MARK_SIZE, "tenantd %s %s", w->instance, w->c->appid);
}

static bool
is_account(const struct drv_slot *slot)
{
	return slot->id == DRV_SLOT_A || slot->id == DRV_SLOT_B;
}

static enum td_rc
texts_init(const struct work *w, const struct drv_slot *slot, struct sa_texts *t,
	   struct td_err *reterr)
{
	enum td_rc rc;

	const char *names[DRV_CLOSED_MAX];
	const struct policy_closed closed = { names, w->c->closed_count };

	for (size_t i = 0; i < w->c->closed_count; i++)
		names[i] = w->c->closed[i].name;
	snprintf(t->name, sizeof(t->name), "tenantd-%c",
		 slot->id == DRV_SLOT_A ? 'a' : 'b');
	mark_write(w, t->mark);
	td_buf_init(&t->policy, POLICY_MAX_SA);
	rc = policy_minio_sa_closed(w->full, w->c->appid, &closed, &t->policy, reterr);
	if (rc != TD_OK)
		td_buf_done(&t->policy);
	return rc;
}

static struct minio_sa
account(const struct work *w, const struct drv_slot *slot, const struct sa_texts *t)
{
	return (struct minio_sa){
		.access_key = slot->key_id,
		.secret = slot->secret,
		.parent = w->c->appid,
		.name = t->name,
		.description = t->mark,
		.policy = td_buf_cstr(&t->policy),
	};
}

static enum td_rc
slot_login(struct work *w, const struct drv_slot *slot, int member, enum s3_login *ret,
	   struct td_err *reterr)
{
	struct sigv4_key key = work_key(slot);

	return s3_login(&w->call, &key, w->probe_bucket, member, ret, reterr);
}

static bool
secret_is_right(enum s3_login login)
{
	return login == S3_LOGIN_LIVE || login == S3_LOGIN_DENIED;
}

enum td_rc
slots_find_mark(struct work *w, bool *ret, struct td_err *reterr)
{
	char mark[MARK_SIZE];

	*ret = false;
	mark_write(w, mark);
	for (size_t i = 0; i < w->c->slot_count && !*ret; i++) {
		struct minio_sa_info info;
		enum td_rc rc;

		if (!is_account(&w->c->slots[i]))
			continue;
		rc = minio_sa_info(&w->call, w->c->slots[i].key_id, &info, reterr);
		if (rc == TD_NOT_FOUND)
			continue;
		if (rc != TD_OK)
			return rc;
		*ret = strcmp(info.parent, w->c->appid) == 0 &&
		       strcmp(info.description, mark) == 0;
		minio_sa_info_done(&info);
	}
	return TD_OK;
}

/* ---- looking ---- */

static void
doubt_put(struct minio_driver *d, const char *appid)
{
	pthread_mutex_lock(&d->lock);
	snprintf(d->doubt[d->doubt_next], DRV_APPID_SIZE, "%s", appid);
	d->doubt_next = (d->doubt_next + 1) % DOUBTS;
	pthread_mutex_unlock(&d->lock);
}

static bool
doubt_take(struct minio_driver *d, const char *appid)
{
	bool found = false;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < DOUBTS; i++) {
		if (strcmp(d->doubt[i], appid) != 0)
			continue;
		d->doubt[i][0] = '\0';
		found = true;
	}
	pthread_mutex_unlock(&d->lock);
	return found;
}

static bool
has_policy(const struct minio_sa_info *info, const struct sa_texts *texts)
{
	return !info->implied && policy_json_same(info->policy.data, info->policy.len,
						  texts->policy.data, texts->policy.len);
}

static enum td_rc
slot_observe(struct work *w, const struct drv_slot *slot, struct td_err *reterr)
{
	struct minio_sa_info info;
	struct sa_texts texts;
	enum s3_login login;
	enum td_rc rc;

	rc = slot_login(w, slot, MINIO_ANY_MEMBER, &login, reterr);
	if (rc != TD_OK)
		return rc;
	if (!secret_is_right(login)) {
		work_drift(w,
			   login == S3_LOGIN_WRONG ? "ServiceAccountChanged"
						   : "ServiceAccountMissing",
			   "access key %s does not log in", slot->key_id);
		return TD_OK;
	}
	if (!is_account(slot))
		return TD_OK;
	rc = texts_init(w, slot, &texts, reterr);
	if (rc != TD_OK)
		return rc;
	rc = minio_sa_info(&w->call, slot->key_id, &info, reterr);
	if (rc == TD_NOT_FOUND) {
		work_drift(w, "ServiceAccountMissing", "access key %s has gone",
			   slot->key_id);
		rc = TD_OK;
	} else if (rc == TD_OK) {
		if (!has_policy(&info, &texts)) {
			work_drift(w, "ServiceAccountChanged",
				   "access key %s has another policy", slot->key_id);
			doubt_put(w->d, w->c->appid);
		}
		minio_sa_info_done(&info);
	}
	td_buf_done(&texts.policy);
	return rc;
}

enum td_rc
slots_observe(struct work *w, struct td_err *reterr)
{
	for (size_t i = 0; i < w->c->slot_count; i++) {
		const struct drv_slot *slot = &w->c->slots[i];
		enum td_rc rc;

		if (slot->id == DRV_SLOT_PARENT || slot->want != DRV_SLOT_KEEP)
			continue;
		rc = slot_observe(w, slot, reterr);
		if (rc != TD_OK)
			return rc;
	}
	return TD_OK;
}

/* ---- keeping ---- */

/* Its embedded policy only. *ret_texts is the caller's on TD_OK. */
static enum td_rc
slot_refresh(struct work *w, const struct drv_slot *slot, struct sa_texts *ret_texts,
	     struct td_err *reterr)
{
	struct minio_sa sa;
	enum td_rc rc = texts_init(w, slot, ret_texts, reterr);

	if (rc != TD_OK)
		return rc;
	sa = account(w, slot, ret_texts);
	sa.secret = NULL;
	rc = minio_sa_update(&w->call, &sa, reterr);
	if (rc != TD_OK)
		td_buf_done(&ret_texts->policy);
	return rc;
}

static enum td_rc
refresh(struct work *w, struct td_err *reterr)
{
	for (size_t i = 0; i < w->c->slot_count; i++) {
		const struct drv_slot *slot = &w->c->slots[i];
		struct sa_texts texts;
		enum td_rc rc;

		if (!is_account(slot) || slot->want != DRV_SLOT_KEEP)
			continue;
		rc = slot_refresh(w, slot, &texts, reterr);
		if (rc == TD_OK)
			td_buf_done(&texts.policy);
		else if (rc != TD_NOT_FOUND)
			return rc;
	}
	return TD_OK;
}

enum td_rc
slots_refresh(struct work *w, struct td_err *reterr)
{
	bool doubtful = doubt_take(w->d, w->c->appid);
	bool other_template = w->user.policy[0] && !parent_mapped_in_family(w);
	enum td_rc rc;

	if (!doubtful && !other_template)
		return TD_OK;
	if (doubtful)
		work_drift(w, "ServiceAccountChanged",
			   "an access key had another policy");
	rc = refresh(w, reterr);
	if (rc != TD_OK && doubtful)
		doubt_put(w->d, w->c->appid);
	return rc;
}

/* ---- closed buckets ---- */

static enum td_rc
slot_reclose(struct work *w, const struct drv_slot *slot, struct td_err *reterr)
{
	struct minio_sa_info info;
	struct sa_texts texts;
	enum td_rc rc = slot_refresh(w, slot, &texts, reterr);

	if (rc == TD_NOT_FOUND)
		return TD_OK; /* it will be made with the right one */
	if (rc != TD_OK)
		return rc;
	rc = minio_sa_info(&w->call, slot->key_id, &info, reterr);
	if (rc == TD_OK) {
		if (!has_policy(&info, &texts))
			rc = td_err_set(
				reterr, TD_CONFLICT,
				"somebody else changes the policy of access key %s",
				slot->key_id);
		minio_sa_info_done(&info);
	} else if (rc == TD_NOT_FOUND) {
		rc = TD_OK;
	}
	td_buf_done(&texts.policy);
	return rc;
}

enum td_rc
slots_reclose(struct work *w, struct td_err *reterr)
{
	for (size_t i = 0; i < w->c->slot_count; i++) {
		const struct drv_slot *slot = &w->c->slots[i];
		struct td_err err = { 0 };
		enum td_rc rc = TD_OK;

		if (is_account(slot) && slot->want == DRV_SLOT_KEEP)
			rc = slot_reclose(w, slot, &err);
		work_unclosed(w, rc, &err);
		if (work_is_fatal(rc)) {
			if (reterr)
				*reterr = err;
			return rc;
		}
	}
	return TD_OK;
}

/* Any answer but "yes" is as good: a slot that does not log in reaches nothing. */
static enum td_rc
slot_prove_closed(struct work *w, const struct drv_slot *slot,
		  const struct drv_closed *closed, int member, struct td_err *reterr)
{
	struct sigv4_key key = work_key(slot);
	char s3_name[S3_BUCKET_SIZE];
	enum s3_login login;
	enum td_rc rc;

	snprintf(s3_name, sizeof(s3_name), "%s-%s", w->c->appid, closed->name);
	rc = s3_login(&w->call, &key, s3_name, member, &login, reterr);
	if (rc == TD_OK && login == S3_LOGIN_LIVE)
		rc = td_err_set(reterr, TD_UNAVAILABLE,
				"access key %s still reaches bucket %s on member %d",
				slot->key_id, s3_name, member);
	return rc;
}

static enum td_rc
member_prove_closed(struct work *w, int member, struct td_err *reterr)
{
	enum td_rc rc = TD_OK;

	for (size_t i = 0; i < w->c->slot_count; i++) {
		const struct drv_slot *slot = &w->c->slots[i];

		if (slot->id == DRV_SLOT_PARENT || slot->want != DRV_SLOT_KEEP)
			continue;
		for (size_t k = 0; rc == TD_OK && k < w->c->closed_count; k++)
			rc = slot_prove_closed(w, slot, &w->c->closed[k], member, reterr);
	}
	return rc;
}

enum td_rc
slots_prove_closed(struct work *w, struct td_err *reterr)
{
	bool fresh = false;

	for (size_t i = 0; i < w->c->closed_count; i++)
		fresh |= !w->c->closed[i].seen;
	for (size_t i = 0; fresh && i < minio_client_members(w->d->client); i++) {
		struct td_err err = { 0 };
		enum td_rc rc = minio_tokens_revoke(&w->call, w->c->appid, (int)i, &err);

		/* A member that is down does not hold up the rest of the call. */
		if (rc == TD_OK)
			rc = member_prove_closed(w, (int)i, &err);
		work_unclosed(w, rc, &err);
		if (rc == TD_BACKEND_AUTH || rc == TD_NOMEM) {
			if (reterr)
				*reterr = err;
			return rc;
		}
	}
	return TD_OK;
}

/* ---- making ---- */

/* The key is taken, or has another secret: by the tenant's own account, or a stranger's? */
static enum td_rc
slot_settle(struct work *w, const struct drv_slot *slot, const struct minio_sa *sa,
	    struct td_err *reterr)
{
	struct minio_sa_info info;
	bool ours, enabled;
	enum td_rc rc;

	rc = minio_sa_info(&w->call, slot->key_id, &info, reterr);
	if (rc == TD_NOT_FOUND)
		return td_err_set(reterr, TD_CONFLICT, "access key %s comes and goes",
				  slot->key_id);
	if (rc != TD_OK)
		return rc;
	ours = strcmp(info.parent, w->c->appid) == 0;
	enabled = info.enabled;
	minio_sa_info_done(&info);
	if (!ours)
		return td_err_set(reterr, TD_FOREIGN, "access key %s is somebody else's",
				  slot->key_id);
	if (!enabled) {
		work_drift(w, "ServiceAccountChanged",
			   "access key %s was switched off by somebody else",
			   slot->key_id);
		return slot->fresh
			       ? td_err_set(reterr, TD_BACKEND_REFUSED,
					    "access key %s is switched off", slot->key_id)
			       : TD_OK;
	}
	return minio_sa_update(&w->call, sa, reterr);
}

/* After a key was found missing, or with another secret. */
static enum td_rc
slot_make(struct work *w, const struct drv_slot *slot, enum s3_login login,
	  struct td_err *reterr)
{
	struct sa_texts texts;
	struct minio_sa sa;
	enum td_rc rc;

	rc = texts_init(w, slot, &texts, reterr);
	if (rc != TD_OK)
		return rc;
	sa = account(w, slot, &texts);
	rc = login == S3_LOGIN_WRONG ? TD_EXISTS : minio_sa_add(&w->call, &sa, reterr);
	if (!slot->fresh && (rc == TD_OK || rc == TD_EXISTS))
		work_drift(w,
			   rc == TD_OK ? "ServiceAccountMissing"
				       : "ServiceAccountChanged",
			   "access key %s did not log in", slot->key_id);
	/* Of an earlier try, perhaps: then it has our secret. */
	if (rc == TD_EXISTS && login != S3_LOGIN_WRONG) {
		rc = slot_login(w, slot, MINIO_ANY_MEMBER, &login, reterr);
		if (rc == TD_OK && !secret_is_right(login))
			rc = TD_EXISTS;
	}
	if (rc == TD_EXISTS)
		rc = slot_settle(w, slot, &sa, reterr);
	td_buf_done(&texts.policy);
	if (rc == TD_WRONG_PHASE)
		return td_err_set(reterr, TD_CONFLICT,
				  "user %s was disabled or removed meanwhile",
				  w->c->appid);
	return rc;
}

static enum td_rc
slot_keep(struct work *w, const struct drv_slot *slot, struct td_err *reterr)
{
	enum s3_login login = S3_LOGIN_NO_KEY;
	enum td_rc rc = TD_OK;

	/* One that was just minted is not there, or there from an earlier try. */
	if (!slot->fresh || !is_account(slot))
		rc = slot_login(w, slot, MINIO_ANY_MEMBER, &login, reterr);
	if (rc != TD_OK || secret_is_right(login))
		return rc;
	if (!is_account(slot))
		return td_err_set(reterr, TD_BACKEND_REFUSED,
				  "the adopted key of %s does not log in", w->c->appid);
	rc = slot_make(w, slot, login, reterr);
	if (rc == TD_OK && slot->fresh)
		rc = slot_login(w, slot, MINIO_ANY_MEMBER, &login, reterr);
	if (rc == TD_OK && slot->fresh && !secret_is_right(login))
		rc = td_err_set(reterr, TD_BACKEND_REFUSED,
				"new access key %s does not log in", slot->key_id);
	return rc;
}

enum td_rc
slots_keep(struct work *w, struct td_err *reterr)
{
	for (size_t i = 0; i < w->c->slot_count; i++) {
		const struct drv_slot *slot = &w->c->slots[i];
		enum td_rc rc;

		if (slot->id == DRV_SLOT_PARENT || slot->want != DRV_SLOT_KEEP)
			continue;
		rc = slot_keep(w, slot, reterr);
		if (rc != TD_OK)
			return rc;
	}
	return TD_OK;
}

/* ---- ending ---- */

/* May this key be deleted? Its secret is ours, or it hangs below the tenant's user. */
static enum td_rc
slot_is_ours(struct work *w, const struct drv_slot *slot, bool *ret,
	     struct td_err *reterr)
{
	struct minio_sa_info info;
	enum s3_login login;
	enum td_rc rc;

	rc = slot_login(w, slot, MINIO_ANY_MEMBER, &login, reterr);
	*ret = rc == TD_OK && secret_is_right(login);
	if (rc != TD_OK || *ret)
		return rc;
	rc = minio_sa_info(&w->call, slot->key_id, &info, reterr);
	if (rc == TD_OK) {
		*ret = strcmp(info.parent, w->c->appid) == 0;
		minio_sa_info_done(&info);
	}
	return rc == TD_NOT_FOUND ? TD_OK : rc;
}

static enum td_rc
slot_prove_dead(struct work *w, const struct drv_slot *slot, struct td_err *reterr)
{
	for (size_t i = 0; i < minio_client_members(w->d->client); i++) {
		enum s3_login login;
		enum td_rc rc = slot_login(w, slot, (int)i, &login, reterr);

		if (rc != TD_OK)
			return rc;
		/* WRONG: the key is somebody else's, ours does not log in. */
		if (secret_is_right(login))
			return td_err_set(reterr, TD_UNAVAILABLE,
					  "access key %s is still known to member %zu",
					  slot->key_id, i);
	}
	return TD_OK;
}

static enum td_rc
slot_retire(struct work *w, const struct drv_slot *slot, struct td_err *reterr)
{
	bool ours;
	enum td_rc rc;

	if (!is_account(slot))
		return td_err_set(reterr, TD_UNPROCESSABLE,
				  "minio: slot %d cannot be retired by itself",
				  (int)slot->id);
	rc = slot_is_ours(w, slot, &ours, reterr);
	if (rc == TD_OK && ours)
		rc = minio_sa_delete(&w->call, slot->key_id, reterr);
	if (rc == TD_OK)
		rc = slot_prove_dead(w, slot, reterr);
	return rc;
}

enum td_rc
slots_retire(struct work *w, struct td_err *reterr)
{
	for (size_t i = 0; i < w->c->slot_count; i++) {
		enum td_rc rc;

		if (w->c->slots[i].want != DRV_SLOT_RETIRE)
			continue;
		rc = slot_retire(w, &w->c->slots[i], reterr);
		if (rc != TD_OK)
			return rc;
	}
	return TD_OK;
}

enum td_rc
slots_prove_dead(struct work *w, struct td_err *reterr)
{
	for (size_t i = 0; i < w->c->slot_count; i++) {
		enum td_rc rc;

		if (!is_account(&w->c->slots[i]))
			continue;
		rc = slot_prove_dead(w, &w->c->slots[i], reterr);
		if (rc != TD_OK)
			return rc;
	}
	return TD_OK;
}
