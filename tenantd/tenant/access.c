/*
 * What the records mean: which access is desired, which limits hold. Everything else in
 * the room asks here, so that suspend, fence and deletion have one meaning.
 */
#include "step.h"

#include <string.h>

_Static_assert((int)REC_LIMIT_OBJECT_BYTES == (int)PLAN_OBJECT_BYTES &&
		       (int)REC_LIMIT_BUCKETS == (int)PLAN_BUCKETS &&
		       (int)REC_LIMIT_DATABASE_BYTES == (int)PLAN_DATABASE_BYTES &&
		       (int)REC_LIMIT_VOLUME_BYTES == (int)PLAN_VOLUME_BYTES,
	       "overrides are stored under the numbers of the plan's limits");

enum drv_access
tenant_access(const struct tenant_view *v, enum drv_resource r)
{
	if (v->rec.phase == REC_DELETING || v->rec.suspend)
		return DRV_ACCESS_NONE;
	return v->part[r].rec.fenced ? DRV_ACCESS_FENCED : DRV_ACCESS_FULL;
}

struct plan_limits
tenant_limits(const struct tenant_view *v)
{
	struct plan_limits own = { 0 };

	for (unsigned i = 0; i < REC_LIMIT_COUNT; i++)
		if (v->rec.limits_set & (1U << i))
			plan_limits_set(&own, (enum plan_limit)i, v->rec.limits[i]);
	if (v->plan == NULL)
		return own;
	return plan_effective(v->plan, &own);
}

bool
tenant_settled(const struct tenant_view *v)
{
	if (!v->exists || v->rec.observed_generation != v->rec.generation)
		return false;
	if (v->rec.phase != REC_CREATED && v->rec.phase != REC_SUSPENDED)
		return false;
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++)
		if (!tenant_part_settled(v, (enum drv_resource)r))
			return false;
	return true;
}

int64_t
tenant_believed(const struct tenant_view *v, int64_t now_ms)
{
	return now_ms - v->ahead_ms;
}

int64_t
tenant_due_at(const struct tenant_view *v, int64_t due_ms, int64_t now_ms)
{
	int64_t again = now_ms + v->rules.backoff_max_ms;

	if (v->ahead_ms == 0)
		return due_ms;
	/* The clock may be believed before that. */
	return due_ms + v->ahead_ms < again ? due_ms + v->ahead_ms : again;
}

bool
tenant_removing(const struct tenant_view *v, int64_t now_ms)
{
	if (v->rec.phase != REC_DELETING)
		return false;
	return (tenant_believed(v, now_ms) >= v->rec.delete_due_ms &&
		!tenant_put_off(v)) ||
	       tenant_remove_begun(v);
}

bool
tenant_remove_begun(const struct tenant_view *v)
{
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
		const struct tenant_part *p = &v->part[r];

		if (p->rec.gone || (p->intent_open && p->intent.verb == REC_VERB_REMOVE))
			return true;
	}
	return false;
}

void
tenant_text(char *out, size_t size, const char *text)
{
	size_t len = strnlen(text, size - 1);

	memset(out, 0, size);
	memcpy(out, text, len);
}
