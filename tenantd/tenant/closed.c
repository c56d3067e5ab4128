/*
 * Closed buckets: those that wait for their removal with all they hold. Nobody may reach
 * them any more, whatever keys and links were handed out before; so each slot's policy
 * denies them, one by one.
 *
 * Which ones these are follows from the records of the buckets. What the slots deny is
 * recorded once for all of them, in rec_resource.closed: a request or a result that
 * changes the set takes it back to CHANGED, and an ENSURE that carried the whole set and
 * saw it in force makes it KNOWN. In between any slot may deny the old set, the new one,
 * or one of each.
 *
 * A policy has room for so many names. A request that does not fit is refused; a store
 * from before there were closed buckets may hold more all the same, and then those further
 * back in name order are closed when earlier ones are gone.
 */
#include "step.h"

#include "policies/policy.h"

#include <string.h>

bool
tenant_bucket_shut(const struct rec_bucket *b)
{
	return b->purge && tenant_bucket_leaving(b);
}

bool
tenant_bucket_closed(const struct rec_bucket *b)
{
	return tenant_bucket_shut(b) && b->closed && b->observed &&
	       b->observed_mode == DRV_BUCKET_PRIVATE;
}

void
tenant_closed_note(struct tenant_view *v, const char *name, const struct rec_bucket *b)
{
	struct tenant_closed *c = &v->closed;

	if (!tenant_bucket_shut(b) || c->count == DRV_CLOSED_MAX ||
	    !policy_closed_fit(v->appid, name, &c->bytes))
		return;
	tenant_text(c->bucket[c->count].name, sizeof(c->bucket[c->count].name), name);
	c->bucket[c->count++].seen = b->closed != 0;
}

bool
tenant_closed_fits(const struct tenant_view *v, const char *name)
{
	size_t bytes = v->closed.bytes;

	return v->closed.count < DRV_CLOSED_MAX &&
	       policy_closed_fit(v->appid, name, &bytes);
}

void
tenant_closed_changed(struct tenant_view *v)
{
	struct tenant_part *p = &v->part[DRV_OBJECT];

	p->rec.closed = REC_CLOSED_CHANGED;
	tenant_part_touch(p);
}

bool
tenant_closed_work(const struct tenant_view *v, enum drv_resource r, int64_t now_ms)
{
	const struct tenant_part *p = &v->part[r];

	if (r != DRV_OBJECT)
		return false;
	return p->rec.closed == REC_CLOSED_CHANGED ||
	       (p->rec.closed == REC_CLOSED_UNSURE &&
		tenant_part_quiet_at(v, p, now_ms) <= now_ms);
}

static bool
same_set(const struct tenant_closed *have, const struct tenant_closed *other)
{
	if (have->count != other->count)
		return false;
	for (size_t i = 0; i < have->count; i++)
		if (strcmp(have->bucket[i].name, other->bucket[i].name) != 0)
			return false;
	return true;
}

void
tenant_closed_ensured(struct tenant_view *v, const struct tenant_closed *done,
		      int64_t now_ms)
{
	struct tenant_part *p = &v->part[DRV_OBJECT];
	bool unsure = p->rec.due_ms > now_ms;

	if (same_set(&v->closed, done))
		p->rec.closed = unsure ? REC_CLOSED_UNSURE : REC_CLOSED_KNOWN;
	tenant_part_touch(p);
	for (size_t i = 0; i < done->count && !unsure; i++) {
		struct tenant_bucket *b = tenant_view_bucket(v, done->bucket[i].name);

		if (b == NULL || b->rec.closed || !tenant_bucket_shut(&b->rec))
			continue; /* gone, told already, or wanted back meanwhile */
		b->rec.closed = 1;
		b->mark = TENANT_PUT;
	}
}
