/*
 * Conclusions: after any change, which phase the tenant is in, whether its spec has been
 * reached, whether the credential document must be renewed and whether anything is left to
 * be done. Computed from the records alone, so that it does not matter in which order the
 * parts got there.
 *
 * Phases. A tenant leaves Suspended (and Deleting, by undelete) in the commit of the
 * request, before anything is opened: so Suspended is only ever shown while nothing is
 * open. It reaches Created or Suspended when every part is there at the last generation,
 * and a later change of the spec does not take Created back: that shows in
 * observed_generation and in the conditions.
 */
#include "step.h"

void
tenant_handed_out(struct tenant_view *v)
{
	/* Before the first Created there is no document, and while a tenant is being resumed
	 * the old one says Suspended until all is back. */
	if (v->rec.phase == REC_CREATING)
		return;
	v->publish = true;
}

static bool
all_settled(const struct tenant_view *v)
{
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++)
		if (!tenant_part_settled(v, (enum drv_resource)r))
			return false;
	return true;
}

static bool
all_gone(const struct tenant_view *v)
{
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++)
		if (!tenant_part_gone(&v->part[r]))
			return false;
	return true;
}

/* Settled, and nothing to be looked at again by itself. */
static bool
at_rest(const struct tenant_view *v)
{
	if (!tenant_settled(v) || v->bucket_due_ms != 0 || v->bucket_put_off ||
	    v->buckets_more)
		return false;
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
		const struct tenant_part *p = &v->part[r];

		if (p->busy)
			return false;
		if (!p->rec.claimed) /* nothing is made of it now */
			continue;
		if (p->rec.failures > 0 || tenant_cond_foreign(p) ||
		    p->rec.cond[REC_COND_UNREACHABLE].status)
			return false;
	}
	return true;
}

static bool
bucket_left(const struct tenant_view *v, int64_t now_ms)
{
	for (size_t i = 0; i < v->bucket_len; i++) {
		const struct tenant_bucket *b = &v->buckets[i];

		if (b->mark != TENANT_DEL && (tenant_bucket_work(v, &b->rec, now_ms) ||
					      tenant_bucket_leaving(&b->rec)))
			return true;
	}
	return false;
}

void
tenant_conclude(struct tenant_view *v, enum tenant_settle how, int64_t now_ms)
{
	uint8_t reached = v->rec.suspend ? REC_SUSPENDED : REC_CREATED;

	if (!v->exists)
		return;
	if (v->rec.phase == REC_DELETING) {
		v->want_pending = true;
		if (tenant_removing(v, now_ms) && all_gone(v)) {
			v->mark = TENANT_DEL;
			v->publish = false;
			v->unpublish = true;
			v->want_pending = false;
		}
		return;
	}
	if (all_settled(v)) {
		if (v->rec.observed_generation != v->rec.generation ||
		    v->rec.phase != reached) {
			v->rec.observed_generation = v->rec.generation;
			v->mark = TENANT_PUT;
		}
		if (v->rec.phase != reached) {
			v->rec.phase = reached;
			v->publish = true;
		}
	}
	v->want_pending = !at_rest(v) || bucket_left(v, now_ms);
	if (how == TENANT_SETTLE_KEEP && v->pending)
		v->want_pending = true;
}

void
tenant_respec(struct tenant_view *v, unsigned affected)
{
	uint64_t old = v->rec.generation++;

	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
		struct tenant_part *p = &v->part[r];

		if ((affected & (1U << r)) || p->rec.observed_generation != old)
			continue;
		p->rec.observed_generation = v->rec.generation;
		if (p->version != 0)
			tenant_part_touch(p);
	}
	if (v->mark == TENANT_CLEAN)
		v->mark = TENANT_PUT;
}
