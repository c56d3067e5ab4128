/*
 * Buckets: what the driver should make of each.
 *
 * A bucket's record is its own intent. NEW: nobody has looked. CLAIMING: it was absent, so
 * from now on a create may have happened. OURS: done at least once. REMOVING: ours, and
 * shall go. A CLAIMING one that shall go keeps its state, because whether it is ours is not
 * known, and has remove_due_ms set.
 *
 * remove_due_ms: 0 = stays; TENANT_REMOVE_BEGUN = its removal may have begun, no way back.
 *
 * While the tenant is suspended nothing is made for it: NEW buckets wait for the resume.
 * What may exist is made private, whatever its state.
 *
 * `observed` is taken back in the commit that records an attempt to change the bucket, and
 * set again by its result: so one that was made public half way is never taken for private.
 *
 * Under a fence a readwrite bucket is observed as readonly: so the end of the fence shows
 * as work. A change of the desired mode always clears `observed`, since the two forms
 * of "readonly" (list and get; list, get and delete) are not told apart there.
 */
#include "step.h"

#include <string.h>

bool
tenant_bucket_leaving(const struct rec_bucket *b)
{
	return b->state == REC_BUCKET_REMOVING ||
	       (b->state == REC_BUCKET_CLAIMING && b->remove_due_ms != 0);
}

enum drv_bucket_mode
tenant_bucket_mode(const struct tenant_view *v, const struct rec_bucket *b)
{
	if (tenant_access(v, DRV_OBJECT) == DRV_ACCESS_NONE || tenant_bucket_leaving(b))
		return DRV_BUCKET_PRIVATE;
	return (enum drv_bucket_mode)b->mode;
}

enum drv_bucket_mode
tenant_bucket_effective(enum drv_bucket_mode mode, enum drv_access access)
{
	if (access == DRV_ACCESS_NONE)
		return DRV_BUCKET_PRIVATE;
	if (access == DRV_ACCESS_FENCED && mode == DRV_BUCKET_READWRITE)
		return DRV_BUCKET_READONLY;
	return mode;
}

uint64_t
tenant_bucket_quota(const struct tenant_view *v, const struct rec_bucket *b)
{
	struct plan_limits limits = tenant_limits(v);
	uint64_t most = plan_limits_get(&limits, PLAN_OBJECT_BYTES);

	if (most == PLAN_UNLIMITED)
		return b->quota_bytes;
	return b->quota_bytes != 0 && b->quota_bytes < most ? b->quota_bytes : most;
}

bool
tenant_bucket_remove_now(const struct tenant_view *v, const struct rec_bucket *b,
			 int64_t now_ms)
{
	if (tenant_removing(v, now_ms))
		return b->state != REC_BUCKET_NEW && b->state != REC_BUCKET_FOREIGN;
	return tenant_bucket_leaving(b) &&
	       b->remove_due_ms <= tenant_believed(v, now_ms) &&
	       !tenant_bucket_put_off(v, b);
}

bool
tenant_bucket_unmade(const struct tenant_view *v, const struct rec_bucket *b)
{
	const struct tenant_part *p = &v->part[DRV_OBJECT];

	return b->state == REC_BUCKET_CLAIMING && b->remove_due_ms != 0 &&
	       !p->rec.claimed && !p->intent_open;
}

/* The mode is known and as it should be. */
static bool
mode_as_desired(const struct tenant_view *v, const struct rec_bucket *b)
{
	enum drv_bucket_mode mode = tenant_bucket_effective(tenant_bucket_mode(v, b),
							    tenant_access(v, DRV_OBJECT));

	return b->observed && b->observed_mode == mode;
}

static bool
as_desired(const struct tenant_view *v, const struct rec_bucket *b)
{
	return mode_as_desired(v, b) && b->observed_quota == tenant_bucket_quota(v, b);
}

static bool
unsure(const struct tenant_view *v, const struct rec_bucket *b)
{
	return mode_as_desired(v, b) && b->observed_quota == TENANT_QUOTA_UNSURE;
}

bool
tenant_bucket_waits(const struct tenant_view *v, const struct rec_bucket *b,
		    int64_t now_ms)
{
	if (tenant_part_quiet_at(v, &v->part[DRV_OBJECT], now_ms) <= now_ms)
		return false;
	/* What shall go is at least made private at once. */
	return (tenant_bucket_remove_now(v, b, now_ms) && mode_as_desired(v, b)) ||
	       unsure(v, b);
}

bool
tenant_bucket_work(const struct tenant_view *v, const struct rec_bucket *b,
		   int64_t now_ms)
{
	const struct tenant_part *p = &v->part[DRV_OBJECT];
	bool none = tenant_access(v, DRV_OBJECT) == DRV_ACCESS_NONE;

	if (tenant_bucket_unmade(v, b))
		return true; /* to be forgotten */
	if (tenant_bucket_remove_now(v, b, now_ms))
		return p->rec.claimed || p->intent_open;
	switch ((enum rec_bucket_state)b->state) {
	case REC_BUCKET_NEW:
		return !none;
	case REC_BUCKET_FOREIGN:
		/* Handing out credentials for `<appid>-*` would hand out this one. */
		return !none && !p->rec.claimed && !p->intent_open;
	case REC_BUCKET_CLAIMING:
	case REC_BUCKET_OURS:
	case REC_BUCKET_REMOVING:
		break;
	}
	return (p->rec.claimed || p->intent_open) && !as_desired(v, b);
}

bool
tenant_bucket_scan(struct tenant_view *v, const struct rec_bucket *b, int64_t now_ms)
{
	if (b->state == REC_BUCKET_FOREIGN)
		v->bucket_foreign++;
	if (tenant_bucket_leaving(b) && b->remove_due_ms > tenant_believed(v, now_ms) &&
	    (v->bucket_due_ms == 0 || b->remove_due_ms < v->bucket_due_ms))
		v->bucket_due_ms = b->remove_due_ms;
	if (tenant_bucket_leaving(b) && b->remove_due_ms <= tenant_believed(v, now_ms) &&
	    tenant_bucket_put_off(v, b))
		v->bucket_put_off = true;
	return tenant_bucket_work(v, b, now_ms);
}

bool
tenant_bucket_ready(const struct tenant_view *v, const struct rec_bucket *b)
{
	return b->state == REC_BUCKET_OURS && (as_desired(v, b) || unsure(v, b)) &&
	       tenant_access(v, DRV_OBJECT) != DRV_ACCESS_NONE;
}

bool
tenant_bucket_refused(const struct rec_bucket *b)
{
	return b->state == REC_BUCKET_OURS &&
	       strcmp(b->message, td_rc_info(TD_BUCKET_NOT_EMPTY)->code) == 0;
}

void
tenant_bucket_drop(struct tenant_view *v, struct tenant_bucket *b)
{
	if (b->mark == TENANT_DEL)
		return;
	if (b->rec.state == REC_BUCKET_FOREIGN && v->bucket_foreign > 0)
		v->bucket_foreign--;
	if (tenant_bucket_shut(&b->rec))
		tenant_closed_changed(v); /* the slots need not deny it any more */
	b->mark = TENANT_DEL;
	if (v->rec.bucket_count > 0)
		v->rec.bucket_count--;
	if (v->mark == TENANT_CLEAN)
		v->mark = TENANT_PUT;
}
