/*
 * What an action brought. The view is fresh: requests may have changed the tenant while
 * the driver was at work. So a result only ever says what the backend holds now (access,
 * generation, buckets); what is desired is compared with that by the next tenant_next().
 *
 * An intent is closed only by a result that settles whose the object is: done, gone, or
 * foreign. A failure leaves it open, so that nothing half made is ever forgotten.
 *
 * Secrets are minted here, in the commit that records the intent after the name was seen
 * to be free: so they are durable before the backend hears of them, and a repeated
 * attempt uses the same.
 */
#include "outcome.h"

#include <ctype.h>
#include <string.h>

#define PARENT_SECRET_LEN 40
#define ACCESS_KEY_LEN 20
#define ACCESS_SECRET_LEN 40
#define DATABASE_SECRET_LEN 64

/* BACKEND_REFUSED -> BackendRefused: a reason for conditions. */
static void
reason_of(enum td_rc rc, char out[DRV_REASON_SIZE])
{
	const char *name = td_rc_info(rc)->name;
	size_t n = 0;
	bool start = true;

	for (; *name != '\0' && n + 1 < DRV_REASON_SIZE; name++) {
		if (*name == '_') {
			start = true;
			continue;
		}
		out[n++] = start ? *name : (char)tolower((unsigned char)*name);
		start = false;
	}
	out[n] = '\0';
}

static const char *
message_of(const struct outcome *o, enum td_rc rc)
{
	return o->res->message[0] != '\0' ? o->res->message : td_rc_info(rc)->text;
}

static bool
no_answer(enum td_rc rc)
{
	return rc == TD_UNREACHABLE || rc == TD_TIMEOUT;
}

static void
drop_minted(struct tenant_part *p)
{
	for (size_t i = 0; i < DRV_SLOT_COUNT; i++) {
		struct tenant_slot *s = &p->slots[i];

		if (!s->exists || s->rec.state != REC_SLOT_MINTING)
			continue;
		td_secret_free(s->secret);
		s->secret = NULL;
		s->mark = TENANT_DEL;
		s->exists = false;
	}
}

static void
part_foreign(struct outcome *o, const char *reason)
{
	struct tenant_part *p = o->p;
	const char *text = o->res->message[0] != '\0'
				   ? o->res->message
				   : "An object of that name exists that is not ours; it "
				     "is left alone.";

	if (!p->rec.claimed && p->intent_open) {
		drop_minted(p);
		p->intent_open = false;
		p->intent_mark = TENANT_DEL;
	}
	tenant_cond_clear(p, REC_COND_UNREACHABLE, o->now_ms);
	tenant_cond_set(p, REC_COND_FOREIGN, reason, text, o->now_ms);
	tenant_cond_unready(p, reason, text, o->now_ms);
	tenant_part_failed(o->v, p, TENANT_SLOW, o->now_ms);
}

static void
part_failed(struct outcome *o, enum td_rc rc)
{
	struct tenant_part *p = o->p;
	const char *message = message_of(o, rc);
	char reason[DRV_REASON_SIZE];

	if (rc == TD_FOREIGN) {
		part_foreign(o, "Foreign");
		return;
	}
	reason_of(rc, reason);
	if (o->res->reason[0] != '\0')
		tenant_text(reason, sizeof(reason), o->res->reason);
	if (no_answer(rc))
		tenant_cond_set(p, REC_COND_UNREACHABLE, reason, message, o->now_ms);
	else
		tenant_cond_clear(p, REC_COND_UNREACHABLE, o->now_ms);
	/* Somebody who only looked and got no answer has not seen anything broken. */
	if (!(no_answer(rc) && o->a->verb == TENANT_OBSERVE && p->rec.claimed))
		tenant_cond_unready(p, reason, message, o->now_ms);
	tenant_part_failed(o->v, p, TENANT_BACKOFF, o->now_ms);
}

/* Is the part Ready, with everything about it as recorded? */
static void
part_ready(struct outcome *o)
{
	struct tenant_part *p = o->p;

	if (o->v->rec.phase == REC_DELETING)
		tenant_cond_unready(p, "Deleting", "The tenant is being deleted.",
				    o->now_ms);
	else if (p->rec.access == DRV_ACCESS_NONE)
		tenant_cond_unready(p, "Suspended", "The tenant is suspended.",
				    o->now_ms);
	else
		tenant_cond_set(p, REC_COND_READY, "Ready", "", o->now_ms);
}

/* ---- OBSERVE ---- */

static bool
mint_slot(struct tenant_view *v, struct tenant_slot *s, size_t secret_len, int64_t now_ms)
{
	if (s->exists)
		return true; /* never mint over one that may be in use */
	s->secret = td_secret_random_alnum(v->env, secret_len);
	if (s->secret == NULL)
		return false;
	s->exists = true;
	s->mark = TENANT_PUT;
	s->rec.serial = 1;
	s->rec.state = REC_SLOT_MINTING;
	s->rec.consumers = REC_REFRESHING;
	s->rec.created_ms = s->rec.state_since_ms = now_ms;
	return true;
}

static void
mint_access_key(struct tenant_view *v, char out[DRV_KEY_ID_SIZE])
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	memset(out, 0, DRV_KEY_ID_SIZE);
	for (size_t i = 0; i < ACCESS_KEY_LEN; i++)
		out[i] = set[td_random_below(v->env, i == 0 ? 26 : 36)];
}

static bool
mint(struct tenant_view *v, enum drv_resource r, int64_t now_ms)
{
	struct tenant_slot *parent = &v->part[r].slots[DRV_SLOT_PARENT];
	struct tenant_slot *a = &v->part[r].slots[DRV_SLOT_A];

	if (r == DRV_VOLUME)
		return true;
	if (r == DRV_DATABASE) {
		if (!mint_slot(v, a, DATABASE_SECRET_LEN, now_ms))
			return false;
		tenant_text(a->rec.key_id, sizeof(a->rec.key_id), v->appid);
		return true;
	}
	if (!mint_slot(v, parent, PARENT_SECRET_LEN, now_ms) ||
	    !mint_slot(v, a, ACCESS_SECRET_LEN, now_ms))
		return false;
	tenant_text(parent->rec.key_id, sizeof(parent->rec.key_id), v->appid);
	if (a->rec.key_id[0] == '\0')
		mint_access_key(v, a->rec.key_id);
	return true;
}

/* The name is free: record that, with the secrets, before anything is made. */
static void
part_absent(struct outcome *o)
{
	struct tenant_view *v = o->v;
	struct tenant_part *p = o->p;
	enum drv_resource r = o->a->resource;

	if (!p->wanted || tenant_access(v, r) == DRV_ACCESS_NONE ||
	    p->brake.mode != REC_MANAGE)
		return; /* asked otherwise meanwhile */
	for (size_t i = 0; r == DRV_OBJECT && i < v->bucket_len; i++)
		if (v->buckets[i].rec.state == REC_BUCKET_NEW)
			return; /* the next look comes first */
	if (r == DRV_OBJECT && v->buckets_more)
		return;
	if (!mint(v, r, o->now_ms)) {
		drop_minted(p);
		part_failed(o, TD_NOMEM);
		return;
	}
	memset(&p->intent, 0, sizeof(p->intent));
	while (p->intent.id == 0)
		td_random(v->env, &p->intent.id, sizeof(p->intent.id));
	p->intent.verb = REC_VERB_ENSURE;
	p->intent.access = (uint8_t)tenant_access(v, r);
	p->intent.absent_before = 1;
	p->intent_open = true;
	p->intent_mark = TENANT_PUT;
}

static void
observed_unclaimed(struct outcome *o)
{
	struct tenant_part *p = o->p;

	if (p->intent_open)
		return;
	if (o->res->presence == DRV_FOREIGN || o->res->presence == DRV_OURS) {
		/* With our mark but no record of it: we hold no secret, so it is not ours. */
		part_foreign(o, "Foreign");
		return;
	}
	if (o->res->presence != DRV_ABSENT) {
		part_failed(o, TD_INTERNAL);
		return;
	}
	if (o->failing) {
		tenant_cond_unready(p, "BucketFailed", o->text, o->now_ms);
		tenant_part_failed(o->v, p, TENANT_BACKOFF, o->now_ms);
		return;
	}
	if (o->a->resource == DRV_OBJECT && o->v->bucket_foreign > 0) {
		tenant_outcome_foreign(o);
		tenant_cond_unready(p, TENANT_BUCKET_FOREIGN,
				    p->rec.cond[REC_COND_FOREIGN].message, o->now_ms);
		tenant_part_failed(o->v, p, TENANT_SLOW, o->now_ms);
		return;
	}
	tenant_cond_clear(p, REC_COND_FOREIGN, o->now_ms);
	p->rec.failures = 0;
	tenant_part_touch(p);
	part_absent(o);
}

/* Is what the driver compared with still what is recorded as the backend's state? */
static bool
compared_well(const struct outcome *o)
{
	return tenant_part_settled(o->v, o->a->resource) &&
	       o->a->access == tenant_access(o->v, o->a->resource) &&
	       o->a->generation == o->v->rec.generation;
}

static void
observed_claimed(struct outcome *o)
{
	struct tenant_part *p = o->p;
	const char *reason = o->res->reason[0] != '\0' ? o->res->reason : "Drifted";
	bool drifted = o->res->drifted || o->res->presence == DRV_ABSENT;

	if (o->res->presence == DRV_FOREIGN) {
		part_foreign(o, "Foreign");
		return;
	}
	if (p->rec.failures != 0) {
		p->rec.failures = 0;
		tenant_part_touch(p);
	}
	if (tenant_cond_foreign(p))
		tenant_cond_clear(p, REC_COND_FOREIGN, o->now_ms);
	tenant_outcome_foreign(o);
	if (o->failing) {
		tenant_cond_unready(p, "BucketFailed", o->text, o->now_ms);
		tenant_part_failed(o->v, p, TENANT_BACKOFF, o->now_ms);
		return;
	}
	if (!compared_well(o) || p->intent_open)
		return;
	if (drifted) {
		/* The repair is an ENSURE, because the state is not known any more. */
		p->rec.access_known = 0;
		tenant_part_touch(p);
		tenant_cond_set(p, REC_COND_DRIFTED, reason, o->res->message, o->now_ms);
		return;
	}
	tenant_cond_clear(p, REC_COND_DRIFTED, o->now_ms);
	part_ready(o);
}

static void
observed(struct outcome *o)
{
	tenant_cond_clear(o->p, REC_COND_UNREACHABLE, o->now_ms);
	tenant_outcome_buckets(o);
	if (o->p->rec.claimed)
		observed_claimed(o);
	else
		observed_unclaimed(o);
}

/* ---- ENSURE ---- */

static void
slots_live(struct outcome *o)
{
	for (size_t i = 0; i < o->a->slot_count; i++) {
		struct tenant_slot *s = &o->p->slots[o->a->slots[i].id];

		if (!s->exists)
			continue;
		if (o->a->slots[i].want == DRV_SLOT_RETIRE) {
			s->exists = false;
			s->mark = TENANT_DEL;
			o->changed = true;
		} else if (s->rec.state == REC_SLOT_MINTING &&
			   o->a->access != DRV_ACCESS_NONE) {
			/* A suspended one cannot log in: it stays unproven until then. */
			s->rec.state = REC_SLOT_LIVE;
			s->rec.state_since_ms = o->now_ms;
			s->mark = TENANT_PUT;
			o->changed = true;
		}
	}
}

static void
record_ensured(struct outcome *o)
{
	struct tenant_part *p = o->p;

	if (!p->rec.claimed || p->rec.access != (uint8_t)o->a->access)
		o->changed = true;
	/* An attempt before this one was not answered: no removal until it cannot be late. */
	if (p->rec.failures > 0)
		p->rec.due_ms = p->intent.started_ms + o->v->rules.late_ms;
	o->unsure = p->rec.claimed && !p->rec.access_known && p->rec.due_ms > o->now_ms;
	p->rec.failures = 0;
	p->rec.claimed = 1;
	/* While unsure the record says NONE, so that the repetition may unlock too. */
	p->rec.access =
		(uint8_t)(o->unsure && o->a->unlock ? DRV_ACCESS_NONE : o->a->access);
	p->rec.access_known = !o->unsure;
	if (o->res->identity[0] != '\0')
		tenant_text(p->rec.identity, sizeof(p->rec.identity), o->res->identity);
	p->intent_open = false;
	p->intent_mark = TENANT_DEL;
	tenant_part_touch(p);
	if (o->a->reclose && o->res->closed)
		tenant_closed_ensured(o->v, &o->a->closed, o->now_ms);
	slots_live(o);
	tenant_cond_clear(p, REC_COND_UNREACHABLE, o->now_ms);
	tenant_cond_clear(p, REC_COND_DRIFTED, o->now_ms);
	if (tenant_cond_foreign(p))
		tenant_cond_clear(p, REC_COND_FOREIGN, o->now_ms);
	if (o->a->access == DRV_ACCESS_FENCED)
		tenant_cond_set(p, REC_COND_FENCED, "OverLimit",
				"Over its limit: reads and deletes only.", o->now_ms);
	else
		tenant_cond_clear(p, REC_COND_FENCED, o->now_ms);
}

/* Somebody cut it off by hand, and the driver changed nothing. It is not ours to let it in
 * again: told, and looked at from time to time. A suspend and resume does it. */
static bool
cut_off(const struct outcome *o)
{
	return o->res->drifted && o->a->access != DRV_ACCESS_NONE &&
	       (strcmp(o->res->reason, "UserDisabled") == 0 ||
		strcmp(o->res->reason, "RoleEmptied") == 0);
}

static void
ensured(struct outcome *o)
{
	struct tenant_part *p = o->p;

	if (cut_off(o)) {
		tenant_cond_clear(p, REC_COND_UNREACHABLE, o->now_ms);
		tenant_cond_set(p, REC_COND_DRIFTED, o->res->reason, o->res->message,
				o->now_ms);
		tenant_cond_unready(p, o->res->reason, o->res->message, o->now_ms);
		tenant_part_failed(o->v, p, TENANT_SLOW, o->now_ms);
		return;
	}
	record_ensured(o);
	tenant_outcome_buckets(o);
	tenant_outcome_foreign(o);
	if (o->failing) {
		tenant_cond_unready(p, "BucketFailed", o->text, o->now_ms);
		tenant_part_failed(o->v, p, TENANT_BACKOFF, o->now_ms);
	} else if (o->a->reclose && !o->res->closed) {
		tenant_cond_unready(p, "CloseFailed", o->res->unclosed, o->now_ms);
		tenant_part_failed(o->v, p, TENANT_BACKOFF, o->now_ms);
	} else if (tenant_outcome_left(o)) {
		tenant_cond_unready(p, "Pending", "Buckets are being brought about.",
				    o->now_ms);
	} else {
		if (p->rec.observed_generation < o->a->generation) {
			p->rec.observed_generation = o->a->generation;
			o->changed = o->changed || o->a->resource == DRV_VOLUME;
		}
		part_ready(o);
	}
	if (o->changed)
		tenant_handed_out(o->v);
}

/* ---- REMOVE ---- */

static void
removed(struct outcome *o)
{
	struct tenant_part *p = o->p;

	p->rec.progress += o->res->progress;
	p->rec.failures = 0;
	p->rec.due_ms = 0;
	tenant_part_touch(p);
	tenant_cond_clear(p, REC_COND_UNREACHABLE, o->now_ms);
	tenant_outcome_buckets(o);
	if (o->failing) {
		tenant_cond_unready(p, "BucketFailed", o->text, o->now_ms);
		tenant_part_failed(o->v, p, TENANT_BACKOFF, o->now_ms);
		return;
	}
	if (o->res->more && o->res->progress == 0) /* something holds it up */
		tenant_part_failed(o->v, p, TENANT_BACKOFF, o->now_ms);
	if (o->res->more || o->a->bucket_count > 0 || tenant_outcome_left(o))
		return;
	p->rec.gone = 1;
	p->rec.claimed = 0;
	p->rec.access_known = 0;
	p->intent_open = false;
	p->intent_mark = TENANT_DEL;
	tenant_cond_unready(p, "Removed", "Removed, and its logins are dead.", o->now_ms);
}

static void
remove_failed(struct outcome *o, enum td_rc rc)
{
	struct tenant_part *p = o->p;

	const struct rec_cond *c = &p->rec.cond[REC_COND_FOREIGN];

	if (rc == TD_FOREIGN && !p->rec.claimed) {
		/* What stands there was never ours, so there is nothing to remove. Unless our
		 * own late request removed it under the proof: so it is proven twice. */
		if (c->status && o->now_ms - c->since_ms >= o->v->rules.late_ms) {
			part_foreign(o, "Foreign");
			p->rec.gone = 1;
		} else {
			tenant_cond_set(p, REC_COND_FOREIGN, "Foreign", message_of(o, rc),
					o->now_ms);
			tenant_part_failed(o->v, p, TENANT_BACKOFF, o->now_ms);
		}
		return;
	}
	part_failed(o, rc);
}

void
tenant_done(struct tenant_view *v, const struct tenant_action *action, enum td_rc rc,
	    const struct drv_result *result, const struct td_err *err, int64_t now_ms)
{
	struct outcome o = { .v = v,
			     .p = &v->part[action->resource],
			     .a = action,
			     .res = result,
			     .now_ms = now_ms };
	enum tenant_settle how =
		action->verb == TENANT_OBSERVE ? TENANT_SETTLE_KEEP : TENANT_SETTLE_EXACT;

	(void)err; /* its detail is for the log; conditions are shown to tenants */
	o.p->busy = false;
	if (!v->exists)
		return;
	if (action->verb != TENANT_OBSERVE &&
	    (!o.p->intent_open || o.p->intent.id != action->intent_id)) {
		tenant_conclude(v, TENANT_SETTLE_KEEP, now_ms);
		return;
	}
	if (rc == TD_OK && result->presence == DRV_FOREIGN &&
	    action->verb != TENANT_OBSERVE)
		rc = TD_FOREIGN;
	if (rc == TD_HELD) {
		/* Not tried. It goes on when the brake is off. */
		if (action->verb != TENANT_OBSERVE)
			tenant_part_failed(v, o.p, TENANT_BACKOFF, now_ms);
		tenant_conclude(v, TENANT_SETTLE_KEEP, now_ms);
		return;
	}
	switch (action->verb) {
	case TENANT_OBSERVE:
		if (rc == TD_OK)
			observed(&o);
		else if (!o.p->intent_open)
			part_failed(&o, rc);
		break;
	case TENANT_ENSURE:
		if (rc == TD_OK)
			ensured(&o);
		else
			part_failed(&o, rc);
		break;
	case TENANT_REMOVE:
		if (rc == TD_OK)
			removed(&o);
		else
			remove_failed(&o, rc);
		break;
	}
	tenant_conclude(v, how, now_ms);
}
