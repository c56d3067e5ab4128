/*
 * Brakes: an operator who holds, observes and releases at any time, a budget for what
 * destroys, and what must be true of both. Modes and budget are durable: a crash leaves them.
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#define HOUR_MS INT64_C(3600000)
#define PLENTY 100000

static bool
in_force(const struct rec_brake *b, int64_t now_ms)
{
	return b->mode != REC_MANAGE && !tenant_brake_expired(b, now_ms);
}

/* Of a tenant: the stricter of its own and the daemon's. */
static enum rec_mode
mode_of(const struct world *w, unsigned i)
{
	uint8_t mode = REC_MANAGE;

	if (in_force(&w->brake, w->now_ms))
		mode = w->brake.mode;
	if (in_force(&w->t[i].brake, w->now_ms) && w->t[i].brake.mode > mode)
		mode = w->t[i].brake.mode;
	return (enum rec_mode)mode;
}

void
m_brakes_note(const struct world *w, unsigned i, struct tenant_view *v)
{
	if (w->brake.mode != REC_MANAGE)
		tenant_brake_note(v, TENANT_ALL_PARTS, "daemon", &w->brake, w->now_ms);
	if (w->t[i].brake.mode != REC_MANAGE)
		tenant_brake_note(v, TENANT_ALL_PARTS, v->appid, &w->t[i].brake,
				  w->now_ms);
	budget_show(&w->budget, &w->limits, w->now_ms, &v->budget);
}

void
m_brakes_into_commit(const struct world *w, const struct tenant_view *v,
		     struct m_commit *c)
{
	c->brakes = w->brakes;
	c->budget_version = w->budget_version;
	memcpy(c->charge, v->charge, sizeof(c->charge));
	c->stop = v->stop;
	c->stop_by = v->stop_by;
}

/* None is begun in a mode, but to close a suspended tenant. */
static void
check_intents(struct world *w, const struct m_commit *c)
{
	const struct m_tenant *t = &w->t[c->tenant];

	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
		unsigned i = M_REC_INTENT + r;
		struct rec_intent in;

		if (c->put[i].version == 0 || t->rec[i].version != 0 ||
		    mode_of(w, c->tenant) == REC_MANAGE)
			continue;
		if (rec_intent_decode(c->put[i].data, c->put[i].len, &in, NULL) !=
			    TD_OK ||
		    !t->wish.suspend || in.verb != REC_VERB_ENSURE ||
		    in.access != DRV_ACCESS_NONE)
			m_fail(w, "%s: an intent is begun in mode %d", t->appid,
			       (int)mode_of(w, c->tenant));
	}
}

enum td_rc
m_brakes_commit(struct world *w, const struct m_commit *c)
{
	struct rec_budget b = w->budget;
	bool charges = c->stop;

	if (c->brakes != w->brakes)
		return TD_PRECONDITION;
	check_intents(w, c);
	for (unsigned d = 0; d < REC_DESTROY_COUNT; d++) {
		charges = charges || c->charge[d] > 0;
		if (!budget_take(&b, &w->limits, (enum rec_destroy)d, c->charge[d],
				 w->now_ms))
			return TD_PRECONDITION;
	}
	if (!charges)
		return TD_OK;
	if (c->budget_version != w->budget_version)
		return TD_PRECONDITION;
	if (c->stop) {
		budget_stop(&b, c->stop_by, w->now_ms);
		m_tell(w, "the gate stops: %s", tenant_destroy_text(c->stop_by));
	}
	w->budget = b;
	w->budget_version++;
	return TD_OK;
}

/* ---- the operator ---- */

static void
look_at_all(struct world *w)
{
	for (unsigned i = 0; i < M_TENANTS; i++)
		if (w->t[i].rec[M_REC_PENDING].version != 0)
			w->t[i].entry.look = true;
}

static void
approve(struct world *w, unsigned count)
{
	budget_approve(&w->budget, &w->limits, count, w->now_ms);
	w->budget_version++;
	w->approved += count;
	m_tell(w, "approved: %u", count);
}

void
m_brake_event(struct world *w)
{
	unsigned i = m_below(w, M_TENANTS);
	bool all = m_below(w, 4) == 0;
	struct rec_brake *b = all ? &w->brake : &w->t[i].brake;

	if (w->budget.stopped_ms != 0 && m_below(w, 2) == 0) {
		approve(w, 1 + m_below(w, 3));
	} else {
		*b = (struct rec_brake){ .mode = (uint8_t)(m_below(w, 5) + 1) };
		if (b->mode > REC_HOLD)
			b->mode = REC_MANAGE;
		if (b->mode != REC_MANAGE && m_below(w, 2) == 0)
			b->expires_ms = w->now_ms + 1 + m_below(w, 30000);
		w->brakes++;
		m_tell(w, "%s: mode %d until %lld", all ? "all" : w->t[i].appid, b->mode,
		       b->expires_ms == 0 ? 0LL : (long long)(b->expires_ms - w->now_ms));
	}
	look_at_all(w);
}

/* What has a time is left to end by itself. */
void
m_brakes_calm(struct world *w)
{
	for (unsigned i = 0; i < M_TENANTS; i++)
		if (w->t[i].brake.expires_ms == 0)
			w->t[i].brake.mode = REC_MANAGE;
	if (w->brake.expires_ms == 0)
		w->brake.mode = REC_MANAGE;
	w->brakes++;
	approve(w, PLENTY);
	look_at_all(w);
}

/* ---- the gate ---- */

bool
m_brake_gate(struct world *w, struct m_call *c)
{
	struct tenant_view *v = malloc(sizeof(*v));
	unsigned named = 0;
	enum td_rc rc;

	if (v == NULL) {
		m_fail(w, "out of memory");
		return true;
	}
	for (size_t i = 0; i < c->action->bucket_count; i++)
		named |= 1U << (c->action->buckets[i].name[2] - '0');
	m_view_load(w, c->tenant, M_LOAD_NAMED, named, v);
	rc = v->exists ? tenant_gate(v, c->action, &c->err) : TD_OK;
	c->mode = mode_of(w, c->tenant);
	c->cuts = v->exists && v->rec.suspend && c->action->verb == TENANT_ENSURE &&
		  c->action->access == DRV_ACCESS_NONE;
	tenant_view_done(v);
	free(v);
	if (rc == TD_OK)
		return true;
	c->ended = true;
	c->rc = rc;
	m_tell(w, "%s: held at the gate", w->t[c->tenant].appid);
	return false;
}

/* ---- what must hold ---- */

void
m_check_brake_action(struct world *w, unsigned tenant, const struct tenant_action *a)
{
	struct m_tenant *t = &w->t[tenant];
	enum rec_mode mode = mode_of(w, tenant);
	bool cuts = t->wish.suspend && a->verb == TENANT_ENSURE &&
		    a->access == DRV_ACCESS_NONE;

	for (size_t i = 0; i < a->bucket_count; i++)
		cuts = cuts && !a->buckets[i].remove;
	if (!cuts &&
	    (mode == REC_HOLD || (mode == REC_OBSERVE && a->verb != TENANT_OBSERVE)))
		m_fail(w, "%s: verb %d in mode %d", t->appid, (int)a->verb, (int)mode);
	if (a->verb != TENANT_REMOVE || t->remove_started)
		return;
	w->removals++;
	if (w->limits.per_hour[REC_REMOVE] != 0 && w->now_ms - w->start_ms < HOUR_MS &&
	    w->removals > w->limits.per_hour[REC_REMOVE] + w->approved)
		m_fail(w, "%s: removal %u, of %u and %u approved", t->appid, w->removals,
		       w->limits.per_hour[REC_REMOVE], w->approved);
}

void
m_check_brake_request(struct world *w, const struct m_call *c, const struct m_request *q)
{
	if (!m_verb_changes(q->verb))
		return;
	if (c->mode != REC_MANAGE && !c->cuts)
		m_fail(w, "%s: %s in mode %d", w->t[c->tenant].appid,
		       m_verb_text(q->verb), (int)c->mode);
	if (c->cuts)
		m_thaw(w, c->tenant);
}

void
m_thaw(struct world *w, unsigned tenant)
{
	w->t[tenant].frozen = false;
}

static bool
quiet(const struct world *w, unsigned tenant)
{
	for (unsigned i = 0; i < M_CALLS; i++)
		if (w->calls[i].used && w->calls[i].tenant == tenant &&
		    w->calls[i].action->verb != TENANT_OBSERVE)
			return false;
	for (unsigned i = 0; i < M_LATE; i++)
		if (w->late[i].used && w->late[i].q.tenant == tenant)
			return false;
	return true;
}

/* From when the last call of before is through until the mode ends: byte for byte the same,
 * but for what others do (who thaw it) and what cuts off a suspended tenant. */
void
m_check_frozen(struct world *w)
{
	for (unsigned i = 0; i < M_TENANTS; i++) {
		struct m_tenant *t = &w->t[i];

		if (mode_of(w, i) == REC_MANAGE) {
			t->frozen = false;
		} else if (t->frozen) {
			if (memcmp(&t->site, &t->as_held, sizeof(t->site)) != 0)
				m_fail(w, "%s: its backends changed under a mode",
				       t->appid);
		} else if (quiet(w, i)) {
			t->frozen = true;
			t->as_held = t->site;
			w->freezes++;
		}
	}
}

/* ---- a hold in the calm ---- */

void
m_brakes_hold(struct world *w)
{
	w->brake = (struct rec_brake){ .mode = REC_HOLD };
	w->brakes++;
	m_tell(w, "all are held");
	look_at_all(w);
}

void
m_check_held(struct world *w)
{
	for (unsigned i = 0; i < M_TENANTS; i++) {
		const struct m_tenant *t = &w->t[i];

		if (t->cursed || t->disturbed || !t->wish.exists || !t->wish.suspend ||
		    t->wish.deleting)
			continue;
		if (m_object_works(w, i) || m_database_works(w, i))
			m_fail(w, "%s: suspended, held, and its credentials work",
			       t->appid);
	}
}
