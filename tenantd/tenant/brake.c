/*
 * Brakes: modes that hold back what would be done, and the budget of what is destroyed.
 *
 * A mode other than manage holds back every action that changes something (hold: that looks,
 * too). One kind goes on: closing the access of a tenant that somebody suspended. Whoever
 * sets a hold at night must be able to cut somebody off under it without lifting it first.
 *
 * A removal that has not begun is put off as if its time had not come, so it can be taken
 * back as long as the brake is on: that is what a brake is good for. One that has begun is
 * not undone by waiting; a mode halts it all the same, an empty budget lets it end, since it
 * was charged when it began.
 */
#include "step.h"

#include <stdio.h>
#include <string.h>

bool
tenant_brake_expired(const struct rec_brake *rec, int64_t believed_ms)
{
	return rec->expires_ms != 0 && rec->expires_ms <= believed_ms;
}

/* The stricter one; of two alike the one that lasts longer. */
static bool
outdoes(const struct rec_brake *rec, const struct tenant_brake *have)
{
	if ((enum rec_mode)rec->mode != have->mode)
		return (enum rec_mode)rec->mode > have->mode;
	return have->expires_ms != 0 &&
	       (rec->expires_ms == 0 || rec->expires_ms > have->expires_ms);
}

static void
take(struct tenant_brake *b, const char *scope, const struct rec_brake *rec)
{
	if (!outdoes(rec, b))
		return;
	b->mode = (enum rec_mode)rec->mode;
	tenant_text(b->scope, sizeof(b->scope), scope);
	tenant_text(b->reason, sizeof(b->reason), rec->reason);
	b->since_ms = rec->since_ms;
	b->expires_ms = rec->expires_ms;
}

void
tenant_brake_note(struct tenant_view *v, unsigned parts, const char *scope,
		  const struct rec_brake *rec, int64_t now_ms)
{
	if (tenant_brake_expired(rec, tenant_believed(v, now_ms)))
		return;
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++)
		if (parts & (1U << r))
			take(&v->part[r].brake, scope, rec);
	if (parts == TENANT_ALL_PARTS)
		take(&v->brake, scope, rec);
}

bool
tenant_observed(const struct tenant_view *v)
{
	if (v->rec.phase != REC_CREATED && v->rec.phase != REC_SUSPENDED)
		return false;
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++)
		if (v->part[r].brake.mode == REC_OBSERVE)
			return true;
	return false;
}

bool
tenant_put_off(const struct tenant_view *v)
{
	if (v->budget.stopped)
		return true;
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++)
		if (tenant_part_live(&v->part[r]) && v->part[r].brake.mode != REC_MANAGE)
			return true;
	return false;
}

bool
tenant_bucket_put_off(const struct tenant_view *v, const struct rec_bucket *b)
{
	if (v->part[DRV_OBJECT].brake.mode != REC_MANAGE)
		return true;
	return v->budget.stopped && b->remove_due_ms != TENANT_REMOVE_BEGUN;
}

bool
tenant_revoking(const struct tenant_view *v, enum drv_resource r)
{
	const struct tenant_part *p = &v->part[r];

	if (!v->rec.suspend || !p->rec.claimed)
		return false;
	/* Once it is Suspended nothing is open, and what is asked for after that can wait. */
	return v->rec.phase != REC_SUSPENDED || !p->rec.access_known ||
	       p->rec.access != DRV_ACCESS_NONE;
}

bool
tenant_close_begun(const struct tenant_view *v)
{
	bool any = false;

	if (v->rec.suspend)
		return true;
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
		const struct tenant_part *p = &v->part[r];

		any = any || p->rec.claimed;
		if (p->rec.claimed && p->rec.access == DRV_ACCESS_NONE)
			return true;
		if (p->intent_open && p->intent.access == DRV_ACCESS_NONE)
			return true;
	}
	return !any;
}

bool
tenant_afford(struct tenant_view *v, enum rec_destroy what)
{
	if (v->budget.stopped)
		return false;
	if (!v->budget.limited[what])
		return true;
	if (v->charge[what] >= v->budget.room[what]) {
		v->stop = true;
		v->stop_by = what;
		return false;
	}
	v->charge[what]++;
	return true;
}

/* ---- the gate ---- */

static bool
removes_buckets(const struct tenant_action *a)
{
	for (size_t i = 0; i < a->bucket_count; i++)
		if (a->buckets[i].remove)
			return true;
	return false;
}

static bool
closes(const struct tenant_view *v, const struct tenant_action *a)
{
	return a->verb == TENANT_ENSURE && a->access == DRV_ACCESS_NONE &&
	       v->rec.phase == REC_DELETING && !v->rec.suspend;
}

static bool
cuts_off(const struct tenant_view *v, const struct tenant_action *a)
{
	return a->verb == TENANT_ENSURE && a->access == DRV_ACCESS_NONE &&
	       v->rec.suspend && !removes_buckets(a);
}

bool
tenant_action_destroys(const struct tenant_view *v, const struct tenant_action *a)
{
	if (a->verb == TENANT_OBSERVE)
		return false;
	return a->verb == TENANT_REMOVE || closes(v, a) || removes_buckets(a);
}

/* What begins a destruction is recorded in the commit that charges it. */
static bool
charged(const struct tenant_view *v, const struct tenant_action *a)
{
	const struct tenant_part *p = &v->part[a->resource];

	if (!p->intent_open || p->intent.id != a->intent_id)
		return false;
	if (a->verb == TENANT_REMOVE)
		return p->intent.verb == REC_VERB_REMOVE;
	if (closes(v, a) && p->intent.access != DRV_ACCESS_NONE)
		return false;
	for (size_t i = 0; i < a->bucket_count; i++) {
		bool begun = false;

		for (size_t k = 0; k < v->bucket_len; k++)
			if (strcmp(v->buckets[k].name, a->buckets[i].name) == 0)
				begun = v->buckets[k].rec.remove_due_ms ==
					TENANT_REMOVE_BEGUN;
		if (a->buckets[i].remove && !begun)
			return false;
	}
	return true;
}

enum td_rc
tenant_gate(const struct tenant_view *v, const struct tenant_action *a,
	    struct td_err *reterr)
{
	const struct tenant_brake *b = &v->part[a->resource].brake;
	bool looks = a->verb == TENANT_OBSERVE && b->mode != REC_HOLD;

	if (b->mode != REC_MANAGE && !looks && !cuts_off(v, a))
		return td_err_set(reterr, TD_HELD, "mode %s of %s: %s",
				  tenant_brake_text(b->mode), b->scope, b->reason);
	if (tenant_action_destroys(v, a) && !charged(v, a))
		return td_err_set(reterr, TD_HELD,
				  "it destroys what no recorded intent speaks of");
	return TD_OK;
}
