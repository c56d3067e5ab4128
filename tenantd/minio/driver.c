/*
 * The verbs. Each reads what is there, decides whose it is, and then goes through the
 * parts in the order in which a crash at any point leaves the tenant with no more rights
 * than it should have:
 *
 *   ensure  user (without rights), policy, service accounts, buckets
 *   suspend policy that denies, sessions, status, then buckets and retired keys
 *   resume  sessions, status, policy, service accounts, buckets
 *   close   the policies of service accounts first of all, then as above, proof
 *   remove  suspend, buckets with content, service accounts, user, proof
 *
 * A failure of one part of a suspension does not keep it from the others.
 */
#include "minio/work.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APPID_MIN 3
#define APPID_MAX 32

/* ---- shared by the parts ---- */

void
work_drift(struct work *w, const char *reason, const char *fmt, ...)
{
	va_list ap;

	w->r->drifted = true;
	if (w->r->reason[0])
		return;
	snprintf(w->r->reason, sizeof(w->r->reason), "%s", reason);
	va_start(ap, fmt);
	vsnprintf(w->r->message, sizeof(w->r->message), fmt, ap);
	va_end(ap);
}

static void
keep_first(enum td_rc *kept_rc, struct td_err *kept, enum td_rc rc,
	   const struct td_err *err)
{
	if (rc == TD_OK || *kept_rc != TD_OK)
		return;
	*kept_rc = rc;
	*kept = *err;
}

void
work_keep(struct work *w, enum td_rc rc, const struct td_err *err)
{
	keep_first(&w->kept_rc, &w->kept, rc, err);
}

void
work_unclosed(struct work *w, enum td_rc rc, const struct td_err *err)
{
	keep_first(&w->unclosed_rc, &w->unclosed, rc, err);
}

bool
work_is_fatal(enum td_rc rc)
{
	return rc == TD_UNREACHABLE || rc == TD_TIMEOUT || rc == TD_BACKEND_AUTH ||
	       rc == TD_UNAVAILABLE || rc == TD_NOMEM;
}

struct sigv4_key
work_key(const struct drv_slot *slot)
{
	return (struct sigv4_key){ .access_key = slot->key_id, .secret = slot->secret };
}

static enum td_rc
kept(const struct work *w, struct td_err *reterr)
{
	if (w->kept_rc != TD_OK && reterr)
		*reterr = w->kept;
	return w->kept_rc;
}

/* ---- beginning and ending a verb ---- */

static bool
appid_ok(const char *appid)
{
	size_t len = strlen(appid);

	for (size_t i = 0; i < len; i++)
		if (!((appid[i] >= 'a' && appid[i] <= 'z') ||
		      (appid[i] >= '0' && appid[i] <= '9')))
			return false;
	return len >= APPID_MIN && len <= APPID_MAX;
}

static enum td_rc
slots_check(struct work *w, struct td_err *reterr)
{
	for (size_t i = 0; i < w->c->slot_count; i++) {
		const struct drv_slot *s = &w->c->slots[i];

		if (!s->secret || !s->key_id[0])
			return td_err_set(reterr, TD_INVALID, "minio: slot %d is empty",
					  (int)s->id);
		if (s->id != DRV_SLOT_PARENT)
			continue;
		if (strcmp(s->key_id, w->c->appid) != 0)
			return td_err_set(reterr, TD_INVALID,
					  "minio: the parent of %s is named otherwise",
					  w->c->appid);
		w->parent = s;
	}
	return TD_OK;
}

static enum td_rc
template_find(struct work *w, struct td_err *reterr)
{
	const char *name = w->c->template_name ? w->c->template_name : "";

	w->full = policy_find(w->d->policies, POLICY_MINIO, name);
	if (!w->full || !w->full->fenced || !w->full->suspended)
		return td_err_set(reterr, TD_INVALID,
				  "minio policy template \"%.48s\" is unknown or unfit",
				  name);
	w->suspended = w->full->suspended;
	switch (w->c->access) {
	case DRV_ACCESS_FULL:
		w->want = w->full;
		return TD_OK;
	case DRV_ACCESS_FENCED:
		w->want = w->full->fenced;
		return TD_OK;
	case DRV_ACCESS_NONE:
		w->want = w->full->suspended;
		return TD_OK;
	default:
		return td_err_set(reterr, TD_INVALID, "minio: access %d",
				  (int)w->c->access);
	}
}

/* Asked for once; without it the verb works all the same. */
static void
deployment_fill(struct work *w)
{
	struct minio_driver *d = w->d;
	struct minio_server_info info;
	bool ask;

	pthread_mutex_lock(&d->lock);
	ask = !d->deployment_asked;
	d->deployment_asked = true;
	pthread_mutex_unlock(&d->lock);
	if (ask && minio_info(&w->call, &info, NULL) == TD_OK) {
		pthread_mutex_lock(&d->lock);
		memcpy(d->deployment, info.deployment_id, sizeof(d->deployment));
		pthread_mutex_unlock(&d->lock);
	}
	pthread_mutex_lock(&d->lock);
	snprintf(w->r->identity, sizeof(w->r->identity), "%s", d->deployment);
	pthread_mutex_unlock(&d->lock);
}

static enum td_rc
work_begin(struct work *w, struct driver *base, const struct drv_call *c,
	   struct drv_result *r, struct td_err *reterr)
{
	struct minio_driver *d = (struct minio_driver *)base;

	memset(r, 0, sizeof(*r));
	*w = (struct work){
		.d = d,
		.c = c,
		.r = r,
		.call = { d->client, c->deadline_mono_ms },
		.instance = c->instance_id && c->instance_id[0] ? c->instance_id
								: d->instance_id,
	};
	if (!appid_ok(c->appid))
		return td_err_set(reterr, TD_INVALID, "minio: not an appid");
	if (c->bucket_count > DRV_BUCKETS_PER_CALL || c->closed_count > DRV_CLOSED_MAX)
		return td_err_set(reterr, TD_INVALID,
				  "minio: too many buckets in a call");
	snprintf(w->probe_bucket, sizeof(w->probe_bucket), "%s-tenantd", c->appid);
	return slots_check(w, reterr);
}

static enum td_rc
foreign(struct work *w, struct td_err *reterr)
{
	w->r->presence = DRV_FOREIGN;
	snprintf(w->r->reason, sizeof(w->r->reason), "Foreign");
	snprintf(w->r->message, sizeof(w->r->message),
		 "the name %s belongs to somebody else on MinIO", w->c->appid);
	return td_err_set(reterr, TD_FOREIGN, "minio: %s is not ours", w->c->appid);
}

/* ---- observe ---- */

static enum td_rc
observe_user(struct work *w, struct td_err *reterr)
{
	bool taken = false;
	enum own own;
	enum td_rc rc;

	rc = parent_decide(w, &own, reterr);
	if (rc == TD_OK && own == OWN_ABSENT)
		rc = parent_name_taken(w, &taken, reterr);
	if (rc != TD_OK)
		return rc;
	if (own == OWN_FOREIGN || taken) {
		foreign(w, NULL);
		return TD_OK;
	}
	if (own == OWN_ABSENT) {
		w->r->presence = DRV_ABSENT;
		if (w->c->claimed)
			work_drift(w, "UserMissing", "the user has gone");
		return TD_OK;
	}
	w->r->presence = DRV_OURS;
	if (!w->c->claimed)
		return TD_OK;
	rc = parent_observe(w, reterr);
	/* Below a disabled user nothing can be told, nor mended. */
	if (rc == TD_OK && w->user.enabled)
		rc = slots_observe(w, reterr);
	return rc;
}

static enum td_rc
minio_observe(struct driver *base, const struct drv_call *c, struct drv_result *r,
	      struct td_err *reterr)
{
	struct work w;
	enum td_rc rc;

	rc = work_begin(&w, base, c, r, reterr);
	if (rc == TD_OK)
		rc = template_find(&w, reterr);
	if (rc == TD_OK)
		rc = observe_user(&w, reterr);
	if (rc == TD_OK)
		rc = buckets_observe(&w, reterr);
	if (rc == TD_OK)
		deployment_fill(&w);
	else
		r->presence = DRV_UNKNOWN;
	return rc;
}

/* ---- ensure ---- */

/* The user is there and ours afterwards. *ret_locked: disabled by somebody else. */
static enum td_rc
ensure_user(struct work *w, bool *ret_locked, struct td_err *reterr)
{
	bool suspend = w->c->access == DRV_ACCESS_NONE;
	bool taken = false;
	enum own own;
	enum td_rc rc;

	*ret_locked = false;
	if (!w->parent)
		return td_err_set(reterr, TD_INVALID, "minio: no parent slot for %s",
				  w->c->appid);
	rc = parent_decide(w, &own, reterr);
	if (rc == TD_OK && own == OWN_ABSENT && !w->c->claimed)
		rc = parent_name_taken(w, &taken, reterr);
	if (rc != TD_OK)
		return rc;
	if (own == OWN_FOREIGN || taken)
		return foreign(w, reterr);
	if (own == OWN_OURS && !suspend) {
		/* Before anything that may give access. */
		rc = w->c->reclose ? slots_reclose(w, reterr) : TD_OK;
		return rc == TD_OK ? parent_repair(w, ret_locked, reterr) : rc;
	}
	if (own == OWN_OURS)
		return TD_OK;
	if (!w->c->claimed && !w->c->absent_before)
		return td_err_set(reterr, TD_INVALID,
				  "minio: no intent says that %s may be made",
				  w->c->appid);
	if (w->c->claimed)
		work_drift(w, "UserMissing", "the user had gone; made anew");
	rc = parent_create(w, reterr);
	return rc == TD_FOREIGN ? foreign(w, reterr) : rc;
}

static enum td_rc
ensure_open(struct work *w, struct td_err *reterr)
{
	enum td_rc rc;

	/* Another template: the keys' own policies first, so that a crash in between is seen
	 * at the mapping. */
	rc = slots_refresh(w, reterr);
	if (rc == TD_OK)
		rc = parent_map(w, reterr);
	if (rc == TD_OK)
		rc = slots_keep(w, reterr);
	if (rc == TD_OK)
		rc = slots_retire(w, reterr);
	if (rc == TD_OK)
		rc = buckets_ensure(w, reterr);
	/* Last, because a member that does not answer may take all the time there is. */
	if (rc == TD_OK && w->c->reclose)
		rc = closed_prove(w, reterr);
	return rc;
}

static enum td_rc
ensure_suspended(struct work *w, struct td_err *reterr)
{
	struct td_err err = { 0 };
	enum td_rc rc;

	/* Keys minted by this very intent must exist; a disabled user gets none. Without rights
	 * (a new user), or after the deny, they are worth nothing yet. */
	if (w->user.enabled) {
		rc = parent_map(w, &err);
		work_keep(w, rc, &err);
		if (rc == TD_OK) {
			rc = slots_keep(w, &err);
			work_keep(w, rc, &err);
		}
	}
	parent_cut_off(w);
	rc = parent_prove_locked(w, &err);
	work_keep(w, rc, &err);
	rc = slots_retire(w, &err);
	work_keep(w, rc, &err);
	if (w->c->reclose) {
		rc = slots_reclose(w, &err);
		work_keep(w, rc, &err);
	}
	rc = buckets_ensure(w, &err);
	work_keep(w, rc, &err);
	return kept(w, reterr);
}

static enum td_rc
minio_ensure(struct driver *base, const struct drv_call *c, struct drv_result *r,
	     struct td_err *reterr)
{
	struct work w;
	bool locked = false;
	enum td_rc rc;

	rc = work_begin(&w, base, c, r, reterr);
	if (rc == TD_OK)
		rc = template_find(&w, reterr);
	if (rc == TD_OK)
		rc = ensure_user(&w, &locked, reterr);
	if (rc != TD_OK)
		return rc;
	r->presence = DRV_OURS;
	deployment_fill(&w);
	if (locked)
		return buckets_close(&w, reterr);
	rc = c->access == DRV_ACCESS_NONE ? ensure_suspended(&w, reterr)
					  : ensure_open(&w, reterr);
	r->closed = c->reclose && rc == TD_OK && w.unclosed_rc == TD_OK;
	if (!r->closed)
		snprintf(r->unclosed, sizeof(r->unclosed), "%.119s", w.unclosed.detail);
	return rc;
}

/* ---- remove ---- */

static enum td_rc
remove_all(struct work *w, enum own own, struct td_err *reterr)
{
	enum td_rc rc;

	if (own == OWN_OURS)
		parent_cut_off(w);
	rc = kept(w, reterr);
	if (rc == TD_OK)
		rc = buckets_remove(w, reterr);
	for (size_t i = 0; rc == TD_OK && i < w->c->bucket_count; i++) {
		const struct drv_bucket *b = &w->c->buckets[i];

		/* Foreign ones stay; what failed keeps the tenant from being gone. */
		if (b->rc != TD_OK && b->rc != TD_NOT_READY && b->rc != TD_FOREIGN)
			rc = td_err_set(reterr, b->rc, "bucket %s: %s", b->name,
					b->detail);
	}
	if (rc != TD_OK || w->r->more)
		return rc;
	/* A name that never was ours may be the root user's, whom user-info does not show. */
	if (own == OWN_OURS || w->c->claimed)
		rc = parent_remove(w, reterr);
	if (rc == TD_OK)
		rc = slots_prove_dead(w, reterr);
	if (rc == TD_OK)
		w->r->presence = DRV_ABSENT;
	return rc;
}

static enum td_rc
minio_remove(struct driver *base, const struct drv_call *c, struct drv_result *r,
	     struct td_err *reterr)
{
	struct work w;
	enum own own;
	enum td_rc rc;

	rc = work_begin(&w, base, c, r, reterr);
	if (rc != TD_OK)
		return rc;
	/* A template that is gone is no reason to keep a tenant: disabling does as well. */
	if (template_find(&w, NULL) != TD_OK)
		w.full = w.suspended = NULL;
	rc = parent_decide(&w, &own, reterr);
	if (rc != TD_OK)
		return rc;
	if (own == OWN_FOREIGN)
		return foreign(&w, reterr);
	r->presence = own == OWN_OURS ? DRV_OURS : DRV_ABSENT;
	deployment_fill(&w);
	return remove_all(&w, own, reterr);
}

/* ---- the rest ---- */

static enum td_rc
minio_probe(struct driver *base, int64_t deadline_mono_ms, struct td_err *reterr)
{
	struct minio_driver *d = (struct minio_driver *)base;
	struct minio_call call = { d->client, deadline_mono_ms };
	struct minio_server_info info;
	struct td_err files = { 0 };
	enum td_rc reread, rc;

	/* Files that are unfit are told even while the old key still works. */
	reread = minio_client_reread(d->client, &files);
	rc = minio_info(&call, &info, reterr);
	if (rc != TD_OK)
		return rc;
	pthread_mutex_lock(&d->lock);
	memcpy(d->deployment, info.deployment_id, sizeof(d->deployment));
	d->deployment_asked = true;
	pthread_mutex_unlock(&d->lock);
	if (reread != TD_OK && reterr)
		*reterr = files;
	return reread;
}

static void
minio_free(struct driver *base)
{
	struct minio_driver *d = (struct minio_driver *)base;

	if (!d)
		return;
	minio_client_free(d->client);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

enum td_rc
minio_driver_new(const struct minio_driver_options *opt, struct driver **ret,
		 struct td_err *reterr)
{
	static const struct driver_ops ops = {
		.observe = minio_observe,
		.ensure = minio_ensure,
		.remove = minio_remove,
		.probe = minio_probe,
		.free = minio_free,
	};
	const char *instance = opt->instance_id ? opt->instance_id : "";
	struct minio_driver *d;
	enum td_rc rc;

	if (!opt->policies || strlen(instance) >= INSTANCE_SIZE)
		return td_err_set(reterr, TD_INVALID, "minio: policies or instance id");
	d = calloc(1, sizeof(*d));
	if (!d)
		return td_err_set(reterr, TD_NOMEM, "no memory for a driver");
	pthread_mutex_init(&d->lock, NULL);
	d->base = (struct driver){ &ops, DRV_OBJECT, "minio" };
	d->policies = opt->policies;
	snprintf(d->instance_id, sizeof(d->instance_id), "%s", instance);
	rc = minio_client_new(opt, &d->client, reterr);
	if (rc != TD_OK) {
		minio_free(&d->base);
		return rc;
	}
	*ret = &d->base;
	return TD_OK;
}
