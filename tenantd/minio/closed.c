/*
 * The proof that buckets are closed: each key of the tenant is tried on each of them, on
 * every member. That the policies read as they should says what MinIO has stored; this
 * says what it does, and that no member missed it.
 *
 * Sessions below the tenant's user know nothing of the policies of its keys. They end, on
 * every member, when a bucket is closed.
 */
#include "minio/work.h"

#include <stdio.h>

/* Any answer but "yes" is as good: a slot that does not log in reaches nothing. */
static enum td_rc
prove_one(struct work *w, const struct drv_slot *slot, const struct drv_closed *closed,
	  int member, struct td_err *reterr)
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
prove_member(struct work *w, int member, struct td_err *reterr)
{
	enum td_rc rc = TD_OK;

	for (size_t i = 0; i < w->c->slot_count; i++) {
		const struct drv_slot *slot = &w->c->slots[i];

		if (slot->id == DRV_SLOT_PARENT || slot->want != DRV_SLOT_KEEP)
			continue;
		for (size_t k = 0; rc == TD_OK && k < w->c->closed_count; k++)
			rc = prove_one(w, slot, &w->c->closed[k], member, reterr);
	}
	return rc;
}

enum td_rc
closed_prove(struct work *w, struct td_err *reterr)
{
	bool fresh = false;

	for (size_t i = 0; i < w->c->closed_count; i++)
		fresh |= !w->c->closed[i].seen;
	for (size_t i = 0; fresh && i < minio_client_members(w->d->client); i++) {
		struct td_err err = { 0 };
		enum td_rc rc = minio_tokens_revoke(&w->call, w->c->appid, (int)i, &err);

		/* A member that is down does not hold up the rest of the call. */
		if (rc == TD_OK)
			rc = prove_member(w, (int)i, &err);
		work_unclosed(w, rc, &err);
		if (rc == TD_BACKEND_AUTH || rc == TD_NOMEM) {
			if (reterr)
				*reterr = err;
			return rc;
		}
	}
	return TD_OK;
}
