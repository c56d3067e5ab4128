/*
 * One driver call, a request at a time, and what can happen to a request: it is refused;
 * it gets lost; its reply gets lost; it takes effect long after it was given up; it is
 * answered with success and has no effect.
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

enum fate { FATE_FINE, FATE_REFUSED, FATE_LOST, FATE_REPLY_LOST, FATE_LATE, FATE_LIE };

static enum fate
pick_fate(struct world *w, const struct m_request *q)
{
	if (w->t[q->tenant].cursed)
		return FATE_REFUSED;
	if (w->calm || !m_chance(w, w->fault))
		return FATE_FINE;
	w->faults++;
	switch (m_below(w, 9)) {
	case 0:
	case 1:
		return FATE_REFUSED;
	case 2:
	case 3:
		return FATE_LOST;
	case 4:
	case 5:
		return FATE_REPLY_LOST;
	case 6:
	case 7:
		return FATE_LATE;
	default:
		if (w->lied || !m_verb_changes(q->verb))
			return FATE_LOST;
		w->lied = true;
		w->t[q->tenant].disturbed = true;
		return FATE_LIE;
	}
}

static void
fail_reply(struct m_reply *r, enum td_rc rc)
{
	memset(r, 0, sizeof(*r));
	r->rc = rc;
}

static void
make_request(struct world *w, const struct m_request *q, struct m_reply *r)
{
	enum fate fate;

	if (w->now_ms < w->outage_until[m_verb_resource(q->verb)]) {
		fail_reply(r, TD_UNREACHABLE);
		return;
	}
	fate = pick_fate(w, q);
	switch (fate) {
	case FATE_FINE:
		m_execute(w, q, r);
		return;
	case FATE_REFUSED:
		fail_reply(r, TD_BACKEND_REFUSED);
		return;
	case FATE_REPLY_LOST:
		m_execute(w, q, r);
		break;
	case FATE_LATE:
		m_late_add(w, q);
		break;
	case FATE_LOST:
		break;
	case FATE_LIE:
		m_tell(w, "  lie: %s", m_verb_text(q->verb));
		fail_reply(r, TD_OK);
		r->present = true;
		return;
	}
	m_tell(w, "  fate %d: %s", (int)fate, m_verb_text(q->verb));
	fail_reply(r, TD_TIMEOUT);
}

enum td_rc
m_ask(struct m_call *c, struct m_request *q, struct m_reply *r)
{
	memset(r, 0, sizeof(*r));
	if (c->cursor < c->logged) {
		*r = c->log[c->cursor++];
		return r->rc;
	}
	if (c->peek) {
		c->next = *q;
		c->peeked = true;
		return M_HALT;
	}
	if (c->performed)
		return M_HALT;
	if (c->logged == M_LOG) {
		m_fail(c->w, "a driver call of more than %d requests", M_LOG);
		return M_HALT;
	}
	c->performed = true;
	m_check_brake_request(c->w, c, q);
	make_request(c->w, q, r);
	m_tell(c->w, "  %s %s b%u v%d -> rc %d%s", c->w->t[q->tenant].appid,
	       m_verb_text(q->verb), q->bucket, q->value, (int)r->rc,
	       r->present ? " present" : "");
	c->log[c->logged++] = *r;
	c->cursor = c->logged;
	return r->rc;
}

static const m_driver_fn drivers[DRV_RESOURCE_COUNT] = {
	[DRV_OBJECT] = m_object_driver,
	[DRV_DATABASE] = m_database_driver,
	[DRV_VOLUME] = m_volume_driver,
};

/* Runs the driver once more from its start. TD_RC M_HALT: it is not at its end. */
static enum td_rc
run(struct m_call *c)
{
	struct tenant_action *a = c->action;
	struct drv_slot slots[DRV_SLOT_COUNT];
	struct drv_call call = { .appid = c->w->t[c->tenant].appid,
				 .instance_id = M_OURS,
				 .access = a->access,
				 .claimed = a->claimed,
				 .absent_before = a->absent_before,
				 .unlock = a->unlock,
				 .template_name = a->template_name,
				 .slots = slots,
				 .slot_count = a->slot_count,
				 .buckets = a->buckets,
				 .bucket_count = a->bucket_count,
				 .closed = a->closed.bucket,
				 .closed_count = a->closed.count,
				 .reclose = a->reclose,
				 .volume_bytes = a->volume_bytes };

	memset(slots, 0, sizeof(slots));
	for (size_t i = 0; i < a->slot_count; i++) {
		slots[i].id = a->slots[i].id;
		slots[i].want = a->slots[i].want;
		slots[i].fresh = a->slots[i].fresh;
		slots[i].secret = c->secret[a->slots[i].id];
		memcpy(slots[i].key_id, c->key_id[a->slots[i].id],
		       sizeof(slots[i].key_id));
	}
	for (size_t i = 0; i < a->bucket_count; i++) {
		a->buckets[i].presence = DRV_UNKNOWN;
		a->buckets[i].rc = TD_OK;
		a->buckets[i].detail[0] = '\0';
	}
	memset(&c->result, 0, sizeof(c->result));
	memset(&c->err, 0, sizeof(c->err));
	c->cursor = 0;
	return drivers[a->resource](c, &call, &c->result, &c->err);
}

void
m_call_step(struct m_call *c)
{
	enum td_rc rc;

	c->performed = false;
	c->peek = false;
	rc = run(c);
	if (rc == M_HALT)
		return;
	c->ended = true;
	c->rc = rc;
}

bool
m_call_peek(struct m_call *c, struct m_request *ret)
{
	if (c->ended)
		return false;
	c->peek = true;
	c->peeked = false;
	(void)run(c);
	*ret = c->next;
	return c->peeked;
}

void
m_call_end(struct m_call *c)
{
	free(c->action);
	for (unsigned i = 0; i < DRV_SLOT_COUNT; i++)
		td_secret_free(c->secret[i]);
	memset(c, 0, sizeof(*c));
}
