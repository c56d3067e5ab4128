/*
 * One resource of a tenant: its conditions, its backoff, and when it is settled.
 *
 * Due times are wall clock times. One that lies further ahead than any delay given here
 * comes from a clock that has been set back since, and counts as now.
 */
#include "step.h"

#include <string.h>

bool
tenant_part_live(const struct tenant_part *p)
{
	return p->wanted || p->rec.claimed || p->intent_open;
}

bool
tenant_part_gone(const struct tenant_part *p)
{
	if (p->busy)
		return false;
	return p->rec.gone || (!p->rec.claimed && !p->intent_open);
}

bool
tenant_part_settled(const struct tenant_view *v, enum drv_resource r)
{
	const struct tenant_part *p = &v->part[r];
	enum drv_access access = tenant_access(v, r);

	if (p->intent_open)
		return false;
	if (!p->rec.claimed) /* what is not there gives nobody access */
		return !p->wanted || access == DRV_ACCESS_NONE;
	if (!tenant_part_can(v, r, access))
		return true; /* its plan lost it, or went: left as it is */
	return p->rec.access_known && p->rec.access == access &&
	       p->rec.closed == REC_CLOSED_KNOWN &&
	       p->rec.observed_generation == v->rec.generation;
}

const char *
tenant_part_template(const struct tenant_view *v, enum drv_resource r)
{
	const char *name = NULL;

	if (v->plan != NULL && r == DRV_OBJECT)
		name = v->plan->object_template;
	else if (v->plan != NULL && r == DRV_DATABASE)
		name = v->plan->database_template;
	return name == NULL ? "" : name;
}

bool
tenant_part_can(const struct tenant_view *v, enum drv_resource r, enum drv_access access)
{
	if (access == DRV_ACCESS_NONE)
		return true;
	return v->part[r].wanted && v->plan != NULL && v->plan->has[r];
}

void
tenant_part_touch(struct tenant_part *p)
{
	if (p->mark == TENANT_CLEAN)
		p->mark = TENANT_PUT;
}

/* A due time that no delay of ours explains is now. */
static int64_t
sane_due(const struct tenant_view *v, int64_t due_ms, int64_t now_ms)
{
	int64_t longest = v->rules.backoff_max_ms + v->rules.late_ms;

	return due_ms - now_ms > longest ? now_ms : due_ms;
}

int64_t
tenant_part_retry_at(const struct tenant_view *v, const struct tenant_part *p,
		     int64_t now_ms)
{
	if (p->kick || p->rec.failures == 0)
		return now_ms;
	return sane_due(v, p->rec.due_ms, now_ms);
}

int64_t
tenant_part_quiet_at(const struct tenant_view *v, const struct tenant_part *p,
		     int64_t now_ms)
{
	if (!p->intent_open || p->intent.verb != REC_VERB_ENSURE)
		return sane_due(v, p->rec.due_ms, now_ms);
	if (p->intent.started_ms ==
	    0) /* recorded, never begun: nothing could come late */
		return now_ms;
	if (p->intent.generation != 0) /* under way, or cut off by a crash a moment ago */
		return now_ms + v->rules.late_ms;
	return sane_due(v, p->intent.started_ms + v->rules.late_ms, now_ms);
}

void
tenant_part_failed(struct tenant_view *v, struct tenant_part *p, enum tenant_pace pace,
		   int64_t now_ms)
{
	int64_t delay = v->rules.backoff_max_ms;
	int64_t due;

	if (p->rec.failures < UINT32_MAX)
		p->rec.failures++;
	if (pace == TENANT_BACKOFF) {
		unsigned doublings = p->rec.failures - 1 < 30 ? p->rec.failures - 1 : 30;

		if (v->rules.backoff_min_ms < delay >> doublings)
			delay = v->rules.backoff_min_ms << doublings;
	}
	if (delay < 1)
		delay = 1;
	/* Jitter over the second half, so that what failed together does not return so. */
	due = now_ms + delay / 2 +
	      (int64_t)td_random_below(v->env, (uint64_t)(delay - delay / 2) + 1);
	if (p->intent_open && p->intent.verb == REC_VERB_ENSURE) {
		p->intent.started_ms =
			now_ms; /* its last request may come late from now on */
		p->intent.generation = 0;
		p->intent_mark = TENANT_PUT;
	}
	/* Without an open intent due_ms may also hold back removals: keep the later. */
	if (p->intent_open || p->rec.due_ms < due ||
	    sane_due(v, p->rec.due_ms, now_ms) == now_ms)
		p->rec.due_ms = due;
	tenant_part_touch(p);
}

void
tenant_hurry(struct tenant_view *v, int64_t now_ms)
{
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
		struct tenant_part *p = &v->part[r];

		/* Only with an open intent: without, due_ms may be what holds back removals. */
		if (p->intent_open && p->rec.failures > 0 && p->rec.due_ms > now_ms) {
			p->rec.due_ms = now_ms;
			tenant_part_touch(p);
		}
	}
}

static void
cond_put(struct tenant_part *p, enum rec_condition c, const struct rec_cond *want)
{
	struct rec_cond *have = &p->rec.cond[c];

	if (have->status == want->status && have->since_ms != 0 &&
	    strcmp(have->reason, want->reason) == 0 &&
	    strcmp(have->message, want->message) == 0)
		return;
	if (have->status != want->status || have->since_ms == 0)
		have->since_ms = want->since_ms;
	have->status = want->status;
	memcpy(have->reason, want->reason, sizeof(have->reason));
	memcpy(have->message, want->message, sizeof(have->message));
	tenant_part_touch(p);
}

void
tenant_cond_set(struct tenant_part *p, enum rec_condition c, const char *reason,
		const char *message, int64_t now_ms)
{
	struct rec_cond want = { .status = 1, .since_ms = now_ms };

	tenant_text(want.reason, sizeof(want.reason), reason);
	tenant_text(want.message, sizeof(want.message), message);
	cond_put(p, c, &want);
}

void
tenant_cond_unready(struct tenant_part *p, const char *reason, const char *message,
		    int64_t now_ms)
{
	struct rec_cond want = { .status = 0, .since_ms = now_ms };

	tenant_text(want.reason, sizeof(want.reason), reason);
	tenant_text(want.message, sizeof(want.message), message);
	cond_put(p, REC_COND_READY, &want);
}

void
tenant_cond_clear(struct tenant_part *p, enum rec_condition c, int64_t now_ms)
{
	struct rec_cond want = { .status = 0, .since_ms = now_ms };

	if (p->rec.cond[c].status == 0)
		return;
	cond_put(p, c, &want);
}

bool
tenant_cond_foreign(const struct tenant_part *p)
{
	const struct rec_cond *c = &p->rec.cond[REC_COND_FOREIGN];

	return c->status != 0 && strcmp(c->reason, TENANT_BUCKET_FOREIGN) != 0;
}
