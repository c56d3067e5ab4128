/*
 * What an action brought for its buckets. A result only says what the backend holds; a
 * record that went or changed meanwhile is left as it is.
 */
#include "outcome.h"

#include <stdio.h>
#include <string.h>

static void
bucket_state(struct outcome *o, struct tenant_bucket *b, enum rec_bucket_state state)
{
	if (b->rec.state == REC_BUCKET_FOREIGN && o->v->bucket_foreign > 0)
		o->v->bucket_foreign--;
	if (state == REC_BUCKET_FOREIGN)
		o->v->bucket_foreign++;
	b->rec.state = (uint8_t)state;
	b->mark = TENANT_PUT;
}

static void
bucket_message(struct tenant_bucket *b, const char *text)
{
	if (strcmp(b->rec.message, text) == 0)
		return;
	tenant_text(b->rec.message, sizeof(b->rec.message), text);
	b->mark = TENANT_PUT;
}

static void
bucket_failed(struct outcome *o, struct tenant_bucket *b, const struct drv_bucket *d)
{
	const char *text = d->detail[0] != '\0' ? d->detail : td_rc_info(d->rc)->text;

	bucket_message(b, text);
	if (!o->failing)
		(void)snprintf(o->text, sizeof(o->text), "Bucket \"%s\": %s", b->name,
			       text);
	o->failing = true;
}

static const char not_ours[] = "The bucket exists and is not ours; it is left alone.";

/* A look at one bucket that nobody had looked at, that was foreign, or that is ours. */
static void
bucket_observed(struct outcome *o, struct tenant_bucket *b, const struct drv_bucket *d)
{
	switch ((enum rec_bucket_state)b->rec.state) {
	case REC_BUCKET_NEW:
	case REC_BUCKET_FOREIGN:
		if (d->presence == DRV_ABSENT && o->p->brake.mode != REC_MANAGE) {
			return; /* nothing is begun under a brake */
		} else if (d->presence == DRV_ABSENT) {
			bucket_state(o, b, REC_BUCKET_CLAIMING);
			bucket_message(b, "");
		} else if (d->presence == DRV_OURS || d->presence == DRV_FOREIGN) {
			if (b->rec.state == REC_BUCKET_NEW)
				bucket_state(o, b, REC_BUCKET_FOREIGN);
			bucket_message(b, not_ours);
		} else {
			bucket_failed(o, b, d);
		}
		return;
	case REC_BUCKET_OURS:
		if (b->rec.observed && (d->presence == DRV_ABSENT || d->rc != TD_OK)) {
			b->rec.observed = 0;
			b->mark = TENANT_PUT;
		}
		return;
	case REC_BUCKET_REMOVING:
		/* A closed one is kept closed; gone is where it is to go. */
		if (b->rec.observed && d->presence == DRV_OURS && d->rc == TD_CONFLICT) {
			b->rec.observed = 0;
			b->mark = TENANT_PUT;
		}
		return;
	case REC_BUCKET_CLAIMING:
		return;
	}
}

static void
bucket_removed(struct outcome *o, struct tenant_bucket *b, const struct drv_bucket *d)
{
	if (d->rc == TD_NOT_READY)
		return; /* its objects are on their way out; the next call goes on */
	if (d->rc == TD_OK || d->presence == DRV_FOREIGN || d->rc == TD_FOREIGN) {
		/* Gone, or never ours: in both cases none of the tenant's any more. */
		tenant_bucket_drop(o->v, b);
		o->changed = true;
		return;
	}
	if (d->rc == TD_BUCKET_NOT_EMPTY && o->v->rec.phase != REC_DELETING) {
		bucket_state(o, b, REC_BUCKET_OURS);
		b->rec.remove_due_ms = 0;
		b->rec.purge = 0;
		b->rec.observed = 0;
		bucket_message(b, td_rc_info(TD_BUCKET_NOT_EMPTY)->code);
		o->changed = true;
		return;
	}
	bucket_failed(o, b, d);
}

static void
bucket_ensured(struct outcome *o, struct tenant_bucket *b, const struct drv_bucket *d)
{
	enum drv_bucket_mode mode;

	if (d->rc != TD_OK || d->presence == DRV_FOREIGN) {
		bool foreign = d->rc == TD_FOREIGN || d->presence == DRV_FOREIGN;

		if (foreign && b->rec.state == REC_BUCKET_CLAIMING &&
		    b->rec.remove_due_ms) {
			tenant_bucket_drop(o->v,
					   b); /* not ours, and not wanted any more */
		} else if (foreign && b->rec.state == REC_BUCKET_CLAIMING) {
			bucket_state(o, b, REC_BUCKET_FOREIGN);
			bucket_message(b, not_ours);
		} else {
			bucket_failed(o, b, d);
		}
		return;
	}
	if (b->rec.state == REC_BUCKET_CLAIMING)
		bucket_state(o, b,
			     b->rec.remove_due_ms != 0 ? REC_BUCKET_REMOVING
						       : REC_BUCKET_OURS);
	mode = tenant_bucket_effective(d->mode, o->a->access);
	/* Under a fence "readonly" has two forms; only a mode still desired tells which. */
	b->rec.observed = mode == DRV_BUCKET_PRIVATE || b->rec.mode == (uint8_t)d->mode;
	if (o->unsure)
		b->rec.observed = 0;
	b->rec.observed_mode = b->rec.observed ? (uint8_t)mode : 0;
	b->rec.observed_quota = b->rec.observed ? d->quota_bytes : 0;
	if (b->rec.observed && o->p->rec.due_ms > o->now_ms)
		b->rec.observed_quota = TENANT_QUOTA_UNSURE;
	b->mark = TENANT_PUT;
	if (!tenant_bucket_refused(&b->rec))
		bucket_message(b, ""); /* who waits for a removal may look only now */
	o->changed = true;
}

void
tenant_outcome_buckets(struct outcome *o)
{
	for (size_t i = 0; i < o->a->bucket_count; i++) {
		const struct drv_bucket *d = &o->a->buckets[i];
		struct tenant_bucket *b = tenant_view_bucket(o->v, d->name);

		if (b == NULL || b->mark == TENANT_DEL)
			continue; /* its record went meanwhile */
		if (o->a->verb == TENANT_OBSERVE)
			bucket_observed(o, b, d);
		else if (d->remove)
			bucket_removed(o, b, d);
		else
			bucket_ensured(o, b, d);
	}
}

void
tenant_outcome_foreign(struct outcome *o)
{
	struct tenant_view *v = o->v;
	char text[REC_TEXT_SIZE] = "A bucket exists that is not ours; it is left alone.";

	if (o->a->resource != DRV_OBJECT)
		return;
	if (v->bucket_foreign == 0) {
		if (v->buckets_more) /* not all were counted */
			return;
		tenant_cond_clear(o->p, REC_COND_FOREIGN, o->now_ms);
		return;
	}
	for (size_t i = 0; i < v->bucket_len; i++) {
		const struct tenant_bucket *b = &v->buckets[i];

		if (b->rec.state == REC_BUCKET_FOREIGN && b->mark != TENANT_DEL) {
			(void)snprintf(
				text, sizeof(text),
				"Bucket \"%s\" exists and is not ours; it is left alone.",
				b->name);
			break;
		}
	}
	tenant_cond_set(o->p, REC_COND_FOREIGN, TENANT_BUCKET_FOREIGN, text, o->now_ms);
}

bool
tenant_outcome_left(const struct outcome *o)
{
	const struct tenant_view *v = o->v;

	if (o->a->resource != DRV_OBJECT)
		return false;
	for (size_t i = 0; i < v->bucket_len; i++) {
		const struct tenant_bucket *b = &v->buckets[i];

		if (b->mark == TENANT_DEL || !tenant_bucket_work(v, &b->rec, o->now_ms))
			continue;
		if (!tenant_bucket_waits(v, &b->rec, o->now_ms))
			return true; /* what only waits holds up nothing */
	}
	return v->buckets_more;
}
