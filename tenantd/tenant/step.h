/*
 * What the files of this room share: the small steps that next, done and the operations are
 * made of. Private to the room.
 *
 * How rec_resource.failures and due_ms are read:
 *   failures > 0: nothing at all is tried before due_ms;
 *   failures = 0: nothing is removed before due_ms (a request of an earlier attempt that was
 *                 never answered may still arrive; see tenant_rules.late_ms).
 * And the open intent of an ENSURE:
 *   started_ms = 0:   recorded, never begun;
 *   generation != 0:  an attempt for that generation is under way, or a crash cut it off;
 *   generation = 0:   the last attempt ended without success, at started_ms.
 */
#pragma once

#include "tenant.h"

#define TENANT_REMOVE_BEGUN 1 /* rec_bucket.remove_due_ms; see bucket.c */

/* ---- parts ---- */

/* Is there anything of this part, or shall there be? */
bool tenant_part_live(const struct tenant_part *p);
/* Nothing of ours is on the backend and nothing is under way. */
bool tenant_part_gone(const struct tenant_part *p);
/* Claimed, at the access and the generation desired, no intent open. */
bool tenant_part_settled(const struct tenant_view *v, enum drv_resource r);
/* Can ENSURE bring `access` about: is there a plan that has this resource? Taking access
 * away needs none. */
bool tenant_part_can(const struct tenant_view *v, enum drv_resource r,
		     enum drv_access access);
/* Policy or role template of the plan; "" when there is none. Borrowed. */
const char *tenant_part_template(const struct tenant_view *v, enum drv_resource r);
/* Mark for PUT. */
void tenant_part_touch(struct tenant_part *p);

/* Wall time from which it may be tried again; <= now: at once. */
int64_t tenant_part_retry_at(const struct tenant_view *v, const struct tenant_part *p,
			     int64_t now_ms);
/* Wall time from which nothing unanswered can take effect any more. */
int64_t tenant_part_quiet_at(const struct tenant_view *v, const struct tenant_part *p,
			     int64_t now_ms);
/* One more failure in a row; sets the next due time. */
enum tenant_pace { TENANT_BACKOFF, TENANT_SLOW };
void tenant_part_failed(struct tenant_view *v, struct tenant_part *p,
			enum tenant_pace pace, int64_t now_ms);

/* A request makes it worth a try now, whatever failed before. */
void tenant_hurry(struct tenant_view *v, int64_t now_ms);

/* ---- conditions; each marks the part only if something changes ---- */

void tenant_cond_set(struct tenant_part *p, enum rec_condition c, const char *reason,
		     const char *message, int64_t now_ms);
void tenant_cond_clear(struct tenant_part *p, enum rec_condition c, int64_t now_ms);
/* Ready = false. */
void tenant_cond_unready(struct tenant_part *p, const char *reason, const char *message,
			 int64_t now_ms);
/* The part itself is somebody else's (and not just one of its buckets). */
bool tenant_cond_foreign(const struct tenant_part *p);
#define TENANT_BUCKET_FOREIGN "BucketForeign"

/* ---- buckets ---- */

/* The limit that the driver is given: its own, at most the tenant's; 0 = none. */
uint64_t tenant_bucket_quota(const struct tenant_view *v, const struct rec_bucket *b);
/* Leaving, and its time has come? */
bool tenant_bucket_remove_now(const struct tenant_view *v, const struct rec_bucket *b,
			      int64_t now_ms);
/* Has work, but only such that must wait until no late request can meet it. */
bool tenant_bucket_waits(const struct tenant_view *v, const struct rec_bucket *b,
			 int64_t now_ms);
/* observed_quota of a bucket that is as desired, after an attempt that was not answered: it
 * is gone over once more. No bucket has that quota. */
#define TENANT_QUOTA_UNSURE UINT64_MAX
/* Leaving, and there was never an attempt to make it: only the record is left. */
bool tenant_bucket_unmade(const struct tenant_view *v, const struct rec_bucket *b);
/* What observed_mode is after a call with this access, when the mode desired is `mode`. */
enum drv_bucket_mode tenant_bucket_effective(enum drv_bucket_mode mode,
					     enum drv_access access);
/* Put the record aside: DEL, and one less in bucket_count. */
void tenant_bucket_drop(struct tenant_view *v, struct tenant_bucket *b);

/* ---- closed buckets ---- */

/* Is there room for one more? */
bool tenant_closed_fits(const struct tenant_view *v, const char *name);
/* The set has changed, so the slots must be gone over. */
void tenant_closed_changed(struct tenant_view *v);
/* Must they be, now? */
bool tenant_closed_work(const struct tenant_view *v, enum drv_resource r, int64_t now_ms);
/* All slots were seen to deny the buckets of this set and no others. After due_ms was set. */
void tenant_closed_ensured(struct tenant_view *v, const struct tenant_closed *done,
			   int64_t now_ms);

/* ---- grace times ---- */

/* What the time is for data that goes by time. */
int64_t tenant_believed(const struct tenant_view *v, int64_t now_ms);
/* When to look again at what goes at due_ms. */
int64_t tenant_due_at(const struct tenant_view *v, int64_t due_ms, int64_t now_ms);

/* ---- brakes ---- */

/* Is the removal of the tenant, if it has not begun, held back as if its time had not come? */
bool tenant_put_off(const struct tenant_view *v);
/* Does a call that closes this part belong to a suspend? That no mode holds back. */
bool tenant_revoking(const struct tenant_view *v, enum drv_resource r);
/* Has the deletion begun to close the tenant's access, or need it not? */
bool tenant_close_begun(const struct tenant_view *v);
/* One more of these in this step: charged, or, when there is no room, a stop. */
bool tenant_afford(struct tenant_view *v, enum rec_destroy what);

/* ---- the whole ---- */

/* Is this tenant past its grace time: what is left of it is being removed? */
bool tenant_removing(const struct tenant_view *v, int64_t now_ms);
/* Has a removal begun, so that nobody can take the deletion back? */
bool tenant_remove_begun(const struct tenant_view *v);
/*
 * Draw the conclusions after any change: phase, observed_generation, the end of a
 * deletion, publish, want_pending. KEEP: a view that need not hold all buckets with work
 * cannot say that nothing is pending, so it only ever sets it.
 */
enum tenant_settle { TENANT_SETTLE_KEEP, TENANT_SETTLE_EXACT };
void tenant_conclude(struct tenant_view *v, enum tenant_settle how, int64_t now_ms);
/* Something that is handed out changed: renew the document if there is one out. */
void tenant_handed_out(struct tenant_view *v);
/* Copy text with a NUL, cutting what does not fit. */
void tenant_text(char *out, size_t size, const char *text);

/* Bump the generation. Parts not in `affected` (bits 1 << enum drv_resource) that were at
 * the old one are at the new one. */
void tenant_respec(struct tenant_view *v, unsigned affected);
