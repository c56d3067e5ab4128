/*
 * What now? For each resource at most one action, chosen from the records alone:
 *
 *   intent open            repeat its verb, with what is desired today
 *   not claimed            OBSERVE; tenant_done() records the intent if the name is free
 *   claimed, not as desired  intent, then ENSURE
 *   settled                nothing, or OBSERVE when asked to verify
 *
 * Every attempt of ENSURE is recorded before it is tried, the repeated ones too: when one
 * was never answered (`failures` is then not 0), its last request may still take effect
 * some time later. That is harmless to an ENSURE, which is idempotent and goes on; but what
 * is removed might come back, so removals wait until nothing can come late any more.
 *
 * What a mode holds back is left out, with its intent; see brake.c. What destroys something is
 * charged to the region's budget when it begins, and not begun when there is no room.
 *
 * Which buckets are closed comes before all but the access itself: a purge promises that
 * nobody reaches the bucket from now on (closed.c).
 *
 * Deletion of object storage: REMOVE calls with up to TENANT_WORK_BUCKETS buckets each,
 * until no bucket of ours is recorded; then one without buckets, after whose success user
 * and accounts are gone. The intent stays open from the first of them to the last: it says
 * that the removal has begun. A forced deletion closes the access first (an ENSURE with
 * NONE), so that nobody fills buckets that are being emptied; when that fails, REMOVE goes
 * on without, being in a safe order itself.
 */
#include "step.h"

#include <stdlib.h>
#include <string.h>

enum choice_kind {
	CHOOSE_NOTHING,
	CHOOSE_CLAIM, /* OBSERVE: is the name free, so that it may be made? */
	CHOOSE_OBSERVE,
	CHOOSE_VERIFY,
	CHOOSE_ENSURE,
	CHOOSE_REMOVE
};

struct choice {
	enum choice_kind kind;
	int64_t at_ms; /* not before; with NOTHING: look again then */
};

static struct choice
choose(enum choice_kind kind, int64_t at_ms)
{
	struct choice c = { .kind = kind, .at_ms = at_ms };

	return c;
}

/* Can ENSURE do something for this bucket now? */
static bool
sendable(const struct tenant_view *v, const struct rec_bucket *b, int64_t now_ms)
{
	if (b->state == REC_BUCKET_NEW || b->state == REC_BUCKET_FOREIGN)
		return false;
	return !tenant_bucket_waits(v, b, now_ms) && tenant_bucket_work(v, b, now_ms);
}

struct bucket_sum {
	bool fresh;    /* one that nobody has looked at */
	bool sendable; /* something for ENSURE */
	bool work;     /* anything at all */
};

static struct bucket_sum
sum_buckets(const struct tenant_view *v, enum drv_resource r, int64_t now_ms)
{
	struct bucket_sum sum = { 0 };

	for (size_t i = 0; r == DRV_OBJECT && i < v->bucket_len; i++) {
		const struct rec_bucket *b = &v->buckets[i].rec;

		if (!tenant_bucket_work(v, b, now_ms))
			continue;
		sum.work = true;
		if (b->state == REC_BUCKET_NEW)
			sum.fresh = true;
		else if (sendable(v, b, now_ms))
			sum.sendable = true;
	}
	return sum;
}

static bool
access_off(const struct tenant_view *v, enum drv_resource r)
{
	const struct tenant_part *p = &v->part[r];

	return !p->rec.access_known || p->rec.access != tenant_access(v, r);
}

/* What ENSURE brings about. What is not ours yet is claimed with access, even for a tenant
 * that is suspended meanwhile: only something that logs in can prove that it is ours, and
 * its credentials have not been handed out. */
static enum drv_access
ensure_access(const struct tenant_view *v, enum drv_resource r)
{
	const struct tenant_part *p = &v->part[r];

	if (p->rec.claimed)
		return tenant_access(v, r);
	return p->rec.fenced ? DRV_ACCESS_FENCED : DRV_ACCESS_FULL;
}

/* Is the last change of access done, but might be undone by a late request? Then it is
 * made once more after that. Taking access away does not wait for it. */
static bool
confirming(const struct tenant_view *v, enum drv_resource r, int64_t now_ms)
{
	const struct tenant_part *p = &v->part[r];

	if (p->rec.access_known || p->rec.failures > 0 || p->intent_open)
		return false;
	if (r == DRV_OBJECT && p->rec.closed == REC_CLOSED_CHANGED)
		return false;
	if (tenant_access(v, r) == DRV_ACCESS_NONE && p->rec.access != DRV_ACCESS_NONE)
		return false;
	return tenant_part_quiet_at(v, p, now_ms) > now_ms;
}

static struct choice
choose_deleting(const struct tenant_view *v, enum drv_resource r, int64_t now_ms)
{
	const struct tenant_part *p = &v->part[r];
	int64_t retry = tenant_part_retry_at(v, p, now_ms);
	bool closed = p->rec.claimed && !p->intent_open && !access_off(v, r);
	int64_t quiet = tenant_part_quiet_at(v, p, now_ms);
	int64_t due = tenant_due_at(v, v->rec.delete_due_ms, now_ms);

	if (tenant_removing(v, now_ms) &&
	    (!p->rec.claimed || closed || p->rec.failures > 0))
		return choose(CHOOSE_REMOVE, quiet > retry ? quiet : retry);
	if (!p->rec.claimed) /* half made, never handed out: found out when it is removed */
		return choose(CHOOSE_NOTHING, due);
	if (confirming(v, r, now_ms))
		return choose(CHOOSE_NOTHING, quiet);
	if (p->intent_open || access_off(v, r) || sum_buckets(v, r, now_ms).sendable)
		return choose(CHOOSE_ENSURE, retry);
	return choose(CHOOSE_NOTHING, due);
}

static struct choice
choose_claimed(const struct tenant_view *v, enum drv_resource r, int64_t now_ms)
{
	const struct tenant_part *p = &v->part[r];
	int64_t retry = tenant_part_retry_at(v, p, now_ms);
	struct bucket_sum sum = sum_buckets(v, r, now_ms);

	if (confirming(v, r, now_ms))
		return choose(CHOOSE_NOTHING, tenant_part_quiet_at(v, p, now_ms));
	if (access_off(v, r) || tenant_closed_work(v, r, now_ms))
		return choose(CHOOSE_ENSURE, retry);
	if (sum.fresh) {
		/* One of that name may just have been removed: a late request must not hit
		 * the new one. */
		int64_t quiet = tenant_part_quiet_at(v, p, now_ms);

		return choose(CHOOSE_CLAIM, quiet > retry ? quiet : retry);
	}
	if (sum.sendable)
		return choose(CHOOSE_ENSURE, retry);
	if (r == DRV_OBJECT && v->buckets_more) /* those that wait hide the others */
		return choose(CHOOSE_NOTHING, tenant_part_quiet_at(v, p, now_ms));
	if (p->rec.observed_generation != v->rec.generation)
		return choose(CHOOSE_ENSURE, retry);
	if (p->rec.failures > 0 || tenant_cond_foreign(p) ||
	    p->rec.cond[REC_COND_UNREACHABLE].status)
		return choose(CHOOSE_OBSERVE, retry);
	if (p->verify)
		return choose(CHOOSE_VERIFY, now_ms);
	return choose(CHOOSE_NOTHING, sum.work || p->rec.closed == REC_CLOSED_UNSURE
					      ? tenant_part_quiet_at(v, p, now_ms)
					      : INT64_MAX);
}

static struct choice
choose_part(const struct tenant_view *v, enum drv_resource r, int64_t now_ms)
{
	const struct tenant_part *p = &v->part[r];
	int64_t retry = tenant_part_retry_at(v, p, now_ms);

	if (p->busy || p->rec.gone || !tenant_part_live(p))
		return choose(CHOOSE_NOTHING, INT64_MAX);
	if (p->intent_open && p->intent.verb == REC_VERB_REMOVE)
		return choose(CHOOSE_REMOVE, retry);
	if (v->rec.phase == REC_DELETING) {
		if (tenant_part_gone(p))
			return choose(CHOOSE_NOTHING,
				      tenant_due_at(v, v->rec.delete_due_ms, now_ms));
		return choose_deleting(v, r, now_ms);
	}
	if (!tenant_part_can(v, r, ensure_access(v, r)))
		return choose(CHOOSE_NOTHING, INT64_MAX);
	if (p->intent_open)
		return choose(CHOOSE_ENSURE, retry);
	if (p->rec.claimed)
		return choose_claimed(v, r, now_ms);
	if (tenant_access(v, r) ==
	    DRV_ACCESS_NONE) /* nothing is made for a suspended one */
		return choose(CHOOSE_NOTHING, INT64_MAX);
	return choose(CHOOSE_CLAIM, retry);
}

/* ---- recording ---- */

/* An attempt that was begun, is not under way and has brought no result: a crash. Its last
 * request may take effect from now on, and that is recorded. */
static void
record_crash(struct tenant_part *p, int64_t now_ms)
{
	if (p->busy || !p->intent_open || p->intent.verb != REC_VERB_ENSURE ||
	    p->intent.generation == 0)
		return;
	if (p->rec.failures == 0) {
		p->rec.failures = 1;
		p->rec.due_ms = 0;
		tenant_part_touch(p);
	}
	p->intent.generation = 0;
	p->intent.started_ms = now_ms;
	p->intent_mark = TENANT_PUT;
}

static void
record_ensure(struct tenant_view *v, enum drv_resource r, int64_t now_ms)
{
	struct tenant_part *p = &v->part[r];
	struct rec_intent *in = &p->intent;
	enum drv_access access = ensure_access(v, r);
	bool unlock = p->rec.claimed && p->rec.access == DRV_ACCESS_NONE;

	if (!p->intent_open) {
		memset(in, 0, sizeof(*in));
		while (in->id == 0)
			td_random(v->env, &in->id, sizeof(in->id));
		in->verb = REC_VERB_ENSURE;
		p->intent_open = true;
	} else {
		/* An attempt to suspend may have disabled it without an answer. */
		unlock = unlock || in->unlock || in->access == DRV_ACCESS_NONE;
	}
	if (access_off(v, r) && p->rec.access_known) {
		p->rec.access_known = 0;
		tenant_part_touch(p);
	}
	in->access = (uint8_t)access;
	in->unlock = unlock && access != DRV_ACCESS_NONE;
	in->generation = v->rec.generation;
	in->started_ms = now_ms;
	p->intent_mark = TENANT_PUT;
}

static void
record_remove(struct tenant_view *v, enum drv_resource r, int64_t now_ms)
{
	struct tenant_part *p = &v->part[r];
	struct rec_intent *in = &p->intent;

	if (p->intent_open && in->verb == REC_VERB_REMOVE)
		return; /* goes on */
	if (!p->intent_open) {
		memset(in, 0, sizeof(*in));
		while (in->id == 0)
			td_random(v->env, &in->id, sizeof(in->id));
		p->intent_open = true;
	}
	/* absent_before stays: it lets the driver prove whose a half-made object is. */
	in->verb = REC_VERB_REMOVE;
	in->access = DRV_ACCESS_NONE;
	in->unlock = 0;
	in->generation = v->rec.generation;
	in->started_ms = now_ms;
	p->intent_mark = TENANT_PUT;
}

/* ---- building the action ---- */

static void
add_slots(const struct tenant_part *p, struct tenant_action *a)
{
	for (unsigned i = 0; i < DRV_SLOT_COUNT; i++) {
		const struct tenant_slot *s = &p->slots[i];

		if (!s->exists || s->mark == TENANT_DEL)
			continue;
		a->slots[a->slot_count].id = (enum drv_slot_id)i;
		a->slots[a->slot_count].want =
			s->rec.state == REC_SLOT_DEAD ? DRV_SLOT_RETIRE : DRV_SLOT_KEEP;
		a->slots[a->slot_count].fresh = s->rec.state == REC_SLOT_MINTING;
		a->slot_count++;
	}
}

static struct drv_bucket *
add_bucket(const struct tenant_view *v, struct tenant_action *a,
	   const struct tenant_bucket *b)
{
	struct drv_bucket *d = &a->buckets[a->bucket_count++];

	memcpy(d->name, b->name, sizeof(d->name));
	d->mode = tenant_bucket_mode(v, &b->rec);
	d->quota_bytes = tenant_bucket_quota(v, &b->rec);
	d->claimed =
		b->rec.state == REC_BUCKET_OURS || b->rec.state == REC_BUCKET_REMOVING;
	d->absent_before = b->rec.state == REC_BUCKET_CLAIMING;
	return d;
}

static void
add_observed(const struct tenant_view *v, struct tenant_action *a, int64_t now_ms)
{
	for (size_t i = 0; i < v->bucket_len && a->bucket_count < TENANT_WORK_BUCKETS;
	     i++) {
		const struct rec_bucket *b = &v->buckets[i].rec;
		bool closed = tenant_bucket_closed(b);

		/* One with work is not as desired anyway, that would only look like drift. */
		if (b->state == REC_BUCKET_NEW || b->state == REC_BUCKET_FOREIGN ||
		    ((b->state == REC_BUCKET_OURS || closed) &&
		     !tenant_bucket_work(v, b, now_ms)))
			add_bucket(v, a, &v->buckets[i])->remove = closed;
	}
}

/* Called before the intent of this attempt is recorded: `sendable` asks about the last. */
static void
add_ensured(struct tenant_view *v, struct tenant_action *a, int64_t now_ms)
{
	bool quiet = tenant_part_quiet_at(v, &v->part[DRV_OBJECT], now_ms) <= now_ms;

	if (tenant_removing(v, now_ms))
		return; /* only closes the access; the buckets go by REMOVE */
	if (!v->part[DRV_OBJECT].rec.claimed &&
	    tenant_access(v, DRV_OBJECT) == DRV_ACCESS_NONE)
		return; /* only claims */
	for (size_t i = 0; i < v->bucket_len && a->bucket_count < TENANT_WORK_BUCKETS;
	     i++) {
		struct tenant_bucket *b = &v->buckets[i];
		struct drv_bucket *d;

		if (!sendable(v, &b->rec, now_ms))
			continue;
		d = add_bucket(v, a, b);
		if (b->rec.observed) {
			b->rec.observed = 0;
			b->mark = TENANT_PUT;
		}
		if (!quiet || !tenant_bucket_remove_now(v, &b->rec, now_ms))
			continue;
		if (b->rec.remove_due_ms != TENANT_REMOVE_BEGUN) {
			if (!tenant_afford(v, REC_REMOVE_BUCKET))
				continue;
			b->rec.remove_due_ms = TENANT_REMOVE_BEGUN;
			b->mark = TENANT_PUT;
		}
		d->remove = true;
		d->only_if_empty = b->rec.purge == 0;
	}
}

static void
add_removed(const struct tenant_view *v, struct tenant_action *a, int64_t now_ms)
{
	for (size_t i = 0; i < v->bucket_len && a->bucket_count < TENANT_WORK_BUCKETS;
	     i++)
		if (tenant_bucket_remove_now(v, &v->buckets[i].rec, now_ms))
			add_bucket(v, a, &v->buckets[i])->remove = true;
}

static enum td_rc
emit(struct tenant_view *v, enum drv_resource r, enum choice_kind kind, int64_t now_ms,
     struct tenant_action **ret)
{
	struct tenant_part *p = &v->part[r];
	struct plan_limits limits = tenant_limits(v);
	struct tenant_action *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return TD_NOMEM;
	a->resource = r;
	a->generation = v->rec.generation;
	a->access = kind == CHOOSE_ENSURE ? ensure_access(v, r) : tenant_access(v, r);
	if (r == DRV_OBJECT) {
		a->closed = v->closed;
		a->reclose = kind == CHOOSE_ENSURE && p->rec.closed != REC_CLOSED_KNOWN;
	}
	if (kind == CHOOSE_ENSURE) {
		a->verb = TENANT_ENSURE;
		if (r == DRV_OBJECT)
			add_ensured(v, a, now_ms);
		record_ensure(v, r, now_ms);
	} else if (kind == CHOOSE_REMOVE) {
		a->verb = TENANT_REMOVE;
		record_remove(v, r, now_ms);
		if (r == DRV_OBJECT)
			add_removed(v, a, now_ms);
	} else {
		a->verb = TENANT_OBSERVE;
		if (r == DRV_OBJECT)
			add_observed(v, a, now_ms);
	}
	if (p->intent_open) {
		a->intent_id = p->intent.id;
		a->absent_before = p->intent.absent_before != 0;
		a->unlock = p->intent.unlock != 0;
	}
	a->claimed = p->rec.claimed != 0;
	add_slots(p, a);
	tenant_text(a->template_name, sizeof(a->template_name),
		    tenant_part_template(v, r));
	if (r == DRV_VOLUME && plan_limits_has(&limits, PLAN_VOLUME_BYTES))
		a->volume_bytes = plan_limits_get(&limits, PLAN_VOLUME_BYTES);
	*ret = a;
	return TD_OK;
}

static bool
held_back(const struct tenant_view *v, enum drv_resource r, enum choice_kind kind)
{
	switch (v->part[r].brake.mode) {
	case REC_MANAGE:
		return false;
	case REC_OBSERVE:
		if (kind == CHOOSE_OBSERVE || kind == CHOOSE_VERIFY)
			return false;
		break;
	case REC_HOLD:
		break;
	}
	return kind != CHOOSE_ENSURE || !tenant_revoking(v, r);
}

/* Charges what begins to destroy something. */
static bool
may_begin(struct tenant_view *v, enum drv_resource r, enum choice_kind kind)
{
	if (kind == CHOOSE_REMOVE && !tenant_remove_begun(v))
		return tenant_afford(v, REC_REMOVE);
	if (kind == CHOOSE_ENSURE && v->rec.phase == REC_DELETING &&
	    ensure_access(v, r) == DRV_ACCESS_NONE && !tenant_close_begun(v))
		return tenant_afford(v, REC_CLOSE);
	return true;
}

static enum td_rc
step_part(struct tenant_view *v, enum drv_resource r, int64_t now_ms,
	  struct tenant_step *step)
{
	struct tenant_part *p = &v->part[r];
	struct choice c;
	int64_t wake;

	record_crash(p, now_ms);
	c = choose_part(v, r, now_ms);
	wake = c.at_ms;

	if (c.kind != CHOOSE_NOTHING && held_back(v, r, c.kind)) {
		if (!p->verify || p->brake.mode != REC_OBSERVE || !p->rec.claimed)
			return TD_OK;
		c = choose(CHOOSE_VERIFY, now_ms);
	}
	if (c.kind != CHOOSE_NOTHING && p->blocked) {
		/* Whoever closes the circuit looks again; this is the safety net. */
		wake = now_ms + v->rules.backoff_max_ms;
		if (c.kind != CHOOSE_VERIFY &&
		    p->rec.cond[REC_COND_UNREACHABLE].status == 0)
			tenant_cond_set(
				p, REC_COND_UNREACHABLE, "CircuitOpen",
				"The backend does not answer; it is tried again soon.",
				now_ms);
	} else if (c.kind != CHOOSE_NOTHING && c.at_ms <= now_ms) {
		if (!may_begin(v, r, c.kind))
			return TD_OK;
		return emit(v, r, c.kind, now_ms, &step->actions[r]);
	}
	if (wake <= now_ms) /* nothing to wait for */
		wake = c.kind == CHOOSE_NOTHING ? INT64_MAX : now_ms + 1;
	if (wake < step->wake_ms)
		step->wake_ms = wake;
	return TD_OK;
}

/* When does the first of the modes end that hold something back? */
static int64_t
brakes_end_at(const struct tenant_view *v, int64_t now_ms)
{
	int64_t at = INT64_MAX;

	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
		const struct tenant_brake *b = &v->part[r].brake;
		int64_t end;

		if (b->mode == REC_MANAGE || b->expires_ms == 0)
			continue;
		end = tenant_due_at(v, b->expires_ms, now_ms);
		at = end < at ? end : at;
	}
	return at;
}

enum td_rc
tenant_next(struct tenant_view *v, int64_t now_ms, struct tenant_step *ret_step,
	    struct td_err *reterr)
{
	struct tenant_step step = { .wake_ms = INT64_MAX };
	enum tenant_settle how = TENANT_SETTLE_EXACT;

	for (size_t i = 0; i < v->bucket_len; i++)
		if (tenant_bucket_unmade(v, &v->buckets[i].rec))
			tenant_bucket_drop(v, &v->buckets[i]);
	for (unsigned r = 0; v->exists && r < DRV_RESOURCE_COUNT; r++) {
		if (v->part[r].verify)
			how = TENANT_SETTLE_KEEP;
		if (step_part(v, (enum drv_resource)r, now_ms, &step) != TD_OK) {
			tenant_step_done(&step);
			return td_err_set(reterr, TD_NOMEM, "no memory for an action");
		}
	}
	tenant_conclude(v, how, now_ms);
	/* An action that is emitted here makes its part busy, once the marks are durable: the
	 * conclusion must not take that for rest. */
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++)
		if (step.actions[r] != NULL && step.actions[r]->verb != TENANT_OBSERVE)
			v->want_pending = true;
	if (v->bucket_due_ms > tenant_believed(v, now_ms)) {
		int64_t due = tenant_due_at(v, v->bucket_due_ms, now_ms);

		step.wake_ms = due < step.wake_ms ? due : step.wake_ms;
	}
	if (v->want_pending) {
		int64_t end = brakes_end_at(v, now_ms);

		step.wake_ms = end < step.wake_ms ? end : step.wake_ms;
	}
	*ret_step = step;
	return TD_OK;
}

void
tenant_step_done(struct tenant_step *step)
{
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
		free(step->actions[r]);
		step->actions[r] = NULL;
	}
}
