/*
 * Plans: the stepper asked twice on copies that are thrown away, once as if there were no
 * brakes. What it would do then and does not do with them is held back. So a plan cannot tell
 * anything else than what the dispatcher does.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum braked { UNBRAKED, BRAKED };

/* Bits of the resources with a call under way. */
static unsigned
busy_parts(struct engine *e, const char *appid)
{
	struct entry *n;
	unsigned busy = 0;

	pthread_mutex_lock(&e->lock);
	HASH_FIND_STR(e->entries, appid, n);
	if (n != NULL)
		busy = n->busy;
	pthread_mutex_unlock(&e->lock);
	return busy;
}

struct asked {
	struct engine *e;
	struct store_read *rd;
	const char *appid;
	unsigned busy;
};

static enum td_rc
step(const struct asked *q, enum braked braked, struct eview *ev,
     struct tenant_step *ret_step, struct td_err *reterr)
{
	struct eview_load how = { .appid = q->appid,
				  .buckets = EVIEW_WORK,
				  .closed = true,
				  .unbraked = braked == UNBRAKED,
				  .now_ms = td_now_ms(q->e->env) };
	enum td_rc rc = eview_load(q->e, q->rd, &how, ev, reterr);

	if (rc != TD_OK)
		return rc;
	for (int r = 0; r < DRV_RESOURCE_COUNT; r++) {
		ev->v.part[r].kick = true;
		ev->v.part[r].busy = (q->busy & (1U << r)) != 0;
	}
	if (ev->v.tombstone)
		rc = td_err_set(reterr, TD_APPID_RETIRED, "%s has a tombstone", q->appid);
	else if (!ev->v.exists)
		rc = td_err_set(reterr, TD_NOT_FOUND, "no tenant %s", q->appid);
	else
		rc = tenant_next(&ev->v, how.now_ms, ret_step, reterr);
	if (rc != TD_OK)
		eview_done(ev);
	return rc;
}

/* What an action is to people. `v` is the view that it was chosen on. */
static const char *
name_of(const struct tenant_view *v, const struct tenant_action *a)
{
	const struct tenant_part *p = &v->part[a->resource];

	if (a->verb == TENANT_OBSERVE)
		return "look";
	if (a->verb == TENANT_REMOVE)
		return "remove";
	if (!a->claimed)
		return "make";
	if (a->access == DRV_ACCESS_NONE)
		return "close";
	return p->rec.cond[REC_COND_DRIFTED].status ? "repair" : "change";
}

static void
say_why(const struct tenant_view *v, const struct tenant_action *a, char *out,
	size_t size)
{
	const struct rec_cond *drift = &v->part[a->resource].rec.cond[REC_COND_DRIFTED];

	if (v->rec.phase == REC_DELETING)
		(void)snprintf(out, size, "The tenant is being deleted.");
	else if (a->verb == TENANT_ENSURE && a->access == DRV_ACCESS_NONE)
		(void)snprintf(out, size, "The tenant is suspended.");
	else if (drift->status)
		(void)snprintf(out, size, "Drift: %s.", drift->reason);
	else if (a->verb == TENANT_OBSERVE && !a->claimed)
		(void)snprintf(out, size,
			       "Whether the name is free has not been looked at.");
	else
		(void)snprintf(out, size,
			       "The backend does not hold generation %llu, or not all of "
			       "its buckets.",
			       (unsigned long long)a->generation);
}

static bool
same(const struct tenant_action *a, const struct tenant_action *b)
{
	if (b == NULL || a->verb != b->verb || a->access != b->access)
		return false;
	for (size_t i = 0; i < a->bucket_count; i++)
		if (a->buckets[i].remove &&
		    (i >= b->bucket_count || !b->buckets[i].remove))
			return false;
	return true;
}

static void
add_row(struct engine_plan *p, const struct tenant_view *free_view,
	const struct tenant_action *a, const struct tenant_action *real)
{
	struct engine_plan_row *row = &p->row[p->count++];

	*row = (struct engine_plan_row){
		.resource = a->resource,
		.action = name_of(free_view, a),
		.destroys = tenant_action_destroys(free_view, a),
	};
	say_why(free_view, a, row->why, sizeof(row->why));
	for (size_t i = 0; i < a->bucket_count; i++)
		row->buckets_removed += a->buckets[i].remove;
	if (!same(a, real))
		row->held = p->v.part[a->resource].brake.mode == REC_MANAGE &&
					    (p->v.budget.stopped || p->v.stop)
				    ? ENGINE_HELD_BUDGET
				    : ENGINE_HELD_MODE;
}

static void
add_running(struct engine_plan *p, enum drv_resource r)
{
	struct engine_plan_row *row = &p->row[p->count++];

	*row = (struct engine_plan_row){ .resource = r, .action = "running" };
	(void)snprintf(row->why, sizeof(row->why), "A call is under way.");
}

static void
strip(struct tenant_view *v)
{
	free(v->buckets);
	v->buckets = NULL;
	v->bucket_len = v->bucket_cap = 0;
}

enum td_rc
engine_plan_load(struct engine *e, struct store_read *rd, const char *appid,
		 struct engine_plan *ret, struct td_err *reterr)
{
	struct tenant_step free_step, real_step;
	struct eview free_ev, real_ev;
	struct asked q = { e, rd, appid, busy_parts(e, appid) };
	enum td_rc rc = step(&q, UNBRAKED, &free_ev, &free_step, reterr);

	if (rc != TD_OK)
		return rc;
	rc = step(&q, BRAKED, &real_ev, &real_step, reterr);
	if (rc == TD_OK) {
		*ret = (struct engine_plan){ .v = real_ev.v };
		for (int r = 0; r < DRV_RESOURCE_COUNT; r++)
			if (q.busy & (1U << r))
				add_running(ret, (enum drv_resource)r);
			else if (free_step.actions[r] != NULL)
				add_row(ret, &free_ev.v, free_step.actions[r],
					real_step.actions[r]);
		tenant_step_done(&real_step);
		explicit_bzero(&real_ev.datakey, sizeof(real_ev.datakey));
		strip(&ret->v);
	}
	tenant_step_done(&free_step);
	eview_done(&free_ev);
	return rc;
}

void
engine_plan_done(struct engine_plan *p)
{
	tenant_view_done(&p->v);
}
