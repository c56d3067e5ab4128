/*
 * A small engine without threads: the same cycle of load, decide, commit, act as engine/,
 * cut into the pieces between which something else may happen.
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#define CIRCUIT_AFTER 3

static struct m_job *
job_new(struct world *w, enum m_job_kind kind, unsigned tenant)
{
	for (unsigned i = 0; i < M_JOBS; i++) {
		struct m_job *j = &w->jobs[i];

		if (j->used)
			continue;
		memset(j, 0, sizeof(*j));
		j->used = true;
		j->kind = kind;
		j->tenant = tenant;
		j->at_ms = w->now_ms + m_below(w, 4);
		return j;
	}
	m_fail(w, "too many jobs");
	return NULL;
}

static void
job_end(struct m_job *j)
{
	m_commit_free(j->commit);
	tenant_step_done(&j->step);
	memset(j, 0, sizeof(*j));
}

/* ---- actions ---- */

static void
take_secrets(struct world *w, struct m_call *c)
{
	const struct tenant_action *a = c->action;
	struct tenant_view *v = malloc(sizeof(*v));

	if (v == NULL) {
		m_fail(w, "out of memory");
		return;
	}
	m_view_load(w, c->tenant, M_LOAD_NAMED, 0, v);
	for (size_t i = 0; i < a->slot_count; i++) {
		enum drv_slot_id id = a->slots[i].id;
		const struct tenant_slot *s = &v->part[a->resource].slots[id];

		if (!s->exists) {
			m_fail(w, "action with slot %d that is not durable", (int)id);
			break;
		}
		c->secret[id] = td_secret_new(s->rec.sealed, s->rec.sealed_len);
		memcpy(c->key_id[id], s->rec.key_id, sizeof(c->key_id[id]));
	}
	tenant_view_done(v);
	free(v);
}

static void
action_start(struct world *w, unsigned tenant, struct tenant_action *a)
{
	struct m_entry *e = &w->t[tenant].entry;

	if (e->busy[a->resource])
		m_fail(w, "two actions on one resource");
	m_check_action(w, tenant, a);
	w->actions++;
	e->busy[a->resource] = true;
	for (unsigned i = 0; i < M_CALLS; i++) {
		struct m_call *c = &w->calls[i];

		if (c->used)
			continue;
		memset(c, 0, sizeof(*c));
		c->used = true;
		c->w = w;
		c->tenant = tenant;
		c->action = a;
		c->at_ms = w->now_ms + m_below(w, 10);
		take_secrets(w, c);
		return;
	}
	free(a);
	m_fail(w, "too many calls");
}

static void
circuit_note(struct world *w, enum drv_resource r, enum td_rc rc)
{
	if (rc != TD_UNREACHABLE && rc != TD_TIMEOUT) {
		w->in_row[r] = 0;
		return;
	}
	if (++w->in_row[r] < CIRCUIT_AFTER || w->circuit[r])
		return;
	w->circuit[r] = true;
	w->probe_at[r] = w->now_ms + M_PROBE_MS;
	m_tell(w, "circuit of resource %d opens", (int)r);
}

static void
probe(struct world *w, unsigned r)
{
	if (w->now_ms < w->outage_until[r]) {
		w->probe_at[r] = w->now_ms + M_PROBE_MS;
		return;
	}
	w->circuit[r] = false;
	w->in_row[r] = 0;
	m_tell(w, "circuit of resource %u closes", r);
	for (unsigned i = 0; i < M_TENANTS; i++)
		if (w->t[i].rec[M_REC_PENDING].version != 0)
			w->t[i].entry.look = true;
}

/* The result of a call, on a fresh view; the commit is on its way after this. */
static void
apply_result(struct world *w, struct m_call *c)
{
	struct tenant_view *v = malloc(sizeof(*v));
	struct m_job *j = job_new(w, M_JOB_DONE, c->tenant);
	unsigned named = 0;

	if (v == NULL || j == NULL) {
		free(v);
		m_fail(w, "out of memory");
		return;
	}
	j->call = c;
	for (size_t i = 0; i < c->action->bucket_count; i++)
		named |= 1U << (c->action->buckets[i].name[2] - '0');
	for (size_t i = 0; c->action->reclose && i < c->action->closed.count; i++)
		named |= 1U << (c->action->closed.bucket[i].name[2] - '0');
	m_view_load(w, c->tenant, M_LOAD_STEPPER, named, v);
	if (v->exists) {
		v->part[c->action->resource].busy = true;
		tenant_done(v, c->action, c->rc, &c->result, &c->err, w->now_ms);
		if (tenant_view_dirty(v))
			j->commit = m_commit_new(w, c->tenant, v);
	}
	tenant_view_done(v);
	free(v);
}

static void
call_step(struct world *w, struct m_call *c)
{
	enum drv_resource r = c->action->resource;

	if (!c->gated && m_brake_gate(w, c))
		c->gated = true;
	if (!c->ended)
		m_call_step(c);
	c->at_ms = w->now_ms + m_below(w, w->now_ms < w->slow_until[r] ? 4000 : 30);
	if (!c->ended)
		return;
	m_tell(w, "%s: %d of resource %d ends: rc %d %s", w->t[c->tenant].appid,
	       (int)c->action->verb, (int)r, (int)c->rc, c->result.reason);
	circuit_note(w, r, c->rc);
	c->at_ms = INT64_MAX;
	apply_result(w, c);
}

/* ---- looks ---- */

static bool
any_busy(const struct m_entry *e)
{
	return e->busy[0] || e->busy[1] || e->busy[2];
}

static void
set_hints(struct world *w, unsigned tenant, struct tenant_view *v, bool verify)
{
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
		v->part[r].busy = w->t[tenant].entry.busy[r];
		v->part[r].blocked = w->circuit[r];
		v->part[r].verify = verify && !v->part[r].busy && !v->part[r].blocked;
	}
}

static void
start_step(struct world *w, struct m_job *j)
{
	struct m_entry *e = &w->t[j->tenant].entry;

	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
		if (j->step.actions[r] == NULL)
			continue;
		action_start(w, j->tenant, j->step.actions[r]);
		j->step.actions[r] = NULL;
	}
	e->looking = false;
	e->wake_ms = j->settled ? INT64_MAX : j->wake_ms;
	if (j->settled && e->verify)
		e->look = true;
}

static void
look(struct world *w, unsigned tenant)
{
	struct m_entry *e = &w->t[tenant].entry;
	struct tenant_view *v = malloc(sizeof(*v));
	struct m_job *j = job_new(w, M_JOB_LOOK, tenant);
	struct td_err err = { 0 };
	bool verify;

	if (v == NULL || j == NULL) {
		free(v);
		m_fail(w, "out of memory");
		return;
	}
	e->look = false;
	e->looking = true;
	e->wake_ms = INT64_MAX;
	m_view_load(w, tenant, M_LOAD_STEPPER, 0, v);
	if (!v->exists)
		e->verify = false;
	verify = e->verify && tenant_settled(v) && v->bucket_len == 0 && !any_busy(e);
	if (verify) {
		tenant_view_done(v);
		m_view_load(w, tenant, M_LOAD_VERIFY, 0, v);
		e->verify = false;
	}
	set_hints(w, tenant, v, verify);
	if (tenant_next(v, w->now_ms, &j->step, &err) != TD_OK)
		m_fail(w, "tenant_next: %s", err.detail);
	j->wake_ms = j->step.wake_ms;
	j->settled = !v->exists || (tenant_settled(v) && !v->want_pending);
	for (size_t i = 0; i < v->bucket_len; i++) {
		const struct rec_bucket *b = &v->buckets[i].rec;

		m_tell(w,
		       "  %s %s: state %d mode %d quota %llu, observed %d mode %d quota "
		       "%llu due %lld",
		       v->appid, v->buckets[i].name, b->state, b->mode,
		       (unsigned long long)b->quota_bytes, b->observed, b->observed_mode,
		       (unsigned long long)b->observed_quota,
		       (long long)(b->remove_due_ms > 1 ? b->remove_due_ms - w->now_ms
							: b->remove_due_ms));
	}
	m_tell(w, "%s: look: phase %d g%llu o%llu%s%s wake %lld%s%s%s", v->appid,
	       v->rec.phase, (unsigned long long)v->rec.generation,
	       (unsigned long long)v->rec.observed_generation,
	       tenant_view_dirty(v) ? " dirty" : "", v->want_pending ? " pending" : "",
	       j->wake_ms == INT64_MAX ? -1LL : (long long)(j->wake_ms - w->now_ms),
	       j->step.actions[0] != NULL ? " object" : "",
	       j->step.actions[1] != NULL ? " database" : "",
	       j->step.actions[2] != NULL ? " volume" : "");
	if (tenant_view_dirty(v)) {
		j->commit = m_commit_new(w, tenant, v);
		j->settled = false;
		j->at_ms = w->now_ms + m_below(w, 6);
	} else {
		start_step(w, j);
		job_end(j);
		/* A view for verifying cannot tell that nothing is pending. */
		e->look = e->look || (verify && v->want_pending);
	}
	tenant_view_done(v);
	free(v);
}

/* ---- the ends of commits ---- */

static void
look_committed(struct world *w, struct m_job *j, enum td_rc rc)
{
	struct m_entry *e = &w->t[j->tenant].entry;

	if (rc == TD_OK) {
		start_step(w, j);
		e->look = true; /* it changed */
	} else {
		e->looking = false;
		e->look = true;
	}
}

static void
done_committed(struct world *w, struct m_job *j, enum td_rc rc)
{
	struct m_call *c = j->call;

	if (rc != TD_OK) {
		apply_result(w, c); /* again, on a fresh view */
		return;
	}
	w->t[j->tenant].entry.busy[c->action->resource] = false;
	w->t[j->tenant].entry.look = true;
	m_call_end(c);
}

static void
job_step(struct world *w, struct m_job *j)
{
	enum td_rc rc = TD_OK;
	struct m_job copy;

	if (j->commit != NULL && !w->calm && m_chance(w, 20))
		rc = TD_PRECONDITION; /* somebody else was faster */
	else if (j->commit != NULL)
		rc = m_commit_apply(w, j->commit);
	if (rc != TD_OK)
		w->conflicts++;
	copy = *j;
	memset(j, 0, sizeof(*j));
	switch (copy.kind) {
	case M_JOB_LOOK:
		look_committed(w, &copy, rc);
		break;
	case M_JOB_DONE:
		done_committed(w, &copy, rc);
		break;
	case M_JOB_OP:
		if (rc == TD_OK)
			m_client_committed(w, (unsigned)copy.op);
		else
			m_client_try(w, (unsigned)copy.op);
		break;
	}
	job_end(&copy);
}

/* ---- what to do next ---- */

static bool
wants_look(const struct world *w, unsigned i)
{
	const struct m_entry *e = &w->t[i].entry;

	return !e->looking && (e->look || e->wake_ms <= w->now_ms);
}

bool
m_daemon_step(struct world *w)
{
	unsigned total = M_TENANTS + M_JOBS + M_CALLS + DRV_RESOURCE_COUNT;
	unsigned from = m_below(w, total);

	for (unsigned k = 0; k < total; k++) {
		unsigned i = (from + k * 37) % total;

		if (i < M_TENANTS) {
			if (!wants_look(w, i))
				continue;
			look(w, i);
			return true;
		}
		i -= M_TENANTS;
		if (i < M_JOBS) {
			if (!w->jobs[i].used || w->jobs[i].at_ms > w->now_ms)
				continue;
			job_step(w, &w->jobs[i]);
			return true;
		}
		i -= M_JOBS;
		if (i < M_CALLS) {
			if (!w->calls[i].used || w->calls[i].at_ms > w->now_ms)
				continue;
			call_step(w, &w->calls[i]);
			return true;
		}
		i -= M_CALLS;
		if (w->circuit[i] && w->probe_at[i] <= w->now_ms) {
			probe(w, i);
			return true;
		}
	}
	return false;
}

static void
earlier(int64_t *at, int64_t other)
{
	if (other < *at)
		*at = other;
}

int64_t
m_daemon_wake(const struct world *w)
{
	int64_t at = INT64_MAX;

	if (!w->up)
		return at;
	for (unsigned i = 0; i < M_TENANTS; i++)
		if (!w->t[i].entry.looking)
			earlier(&at,
				w->t[i].entry.look ? w->now_ms : w->t[i].entry.wake_ms);
	for (unsigned i = 0; i < M_JOBS; i++)
		if (w->jobs[i].used)
			earlier(&at, w->jobs[i].at_ms);
	for (unsigned i = 0; i < M_CALLS; i++)
		if (w->calls[i].used)
			earlier(&at, w->calls[i].at_ms);
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++)
		if (w->circuit[r])
			earlier(&at, w->probe_at[r]);
	return at;
}

bool
m_daemon_idle(const struct world *w)
{
	return m_daemon_wake(w) == INT64_MAX;
}

void
m_daemon_start(struct world *w)
{
	w->up = true;
	m_tell(w, "the daemon starts");
	for (unsigned i = 0; i < M_TENANTS; i++) {
		struct m_entry *e = &w->t[i].entry;

		memset(e, 0, sizeof(*e));
		e->wake_ms = INT64_MAX;
		/* Only what is recorded as pending is taken up. */
		e->look = w->t[i].rec[M_REC_PENDING].version != 0;
	}
}

/* Everything in memory is gone; commits that were not applied never happen; of each call
 * that was running at most one request is on the wire. */
void
m_daemon_crash(struct world *w)
{
	w->up = false;
	w->crashes++;
	m_tell(w, "crash");
	for (unsigned i = 0; i < M_CALLS; i++) {
		struct m_call *c = &w->calls[i];
		struct m_request q;

		if (!c->used)
			continue;
		if (m_below(w, 2) == 0 && m_call_peek(c, &q) && m_verb_changes(q.verb))
			m_late_add(w, &q);
		m_call_end(c);
	}
	for (unsigned i = 0; i < M_JOBS; i++)
		if (w->jobs[i].used)
			job_end(&w->jobs[i]);
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
		w->circuit[r] = false;
		w->in_row[r] = 0;
	}
	for (unsigned i = 0; i < M_CLIENTS; i++)
		w->op_busy[i] = false;
}
