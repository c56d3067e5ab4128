#include "tenant_view.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

#define LIMITS(set, object, buckets, database, volume)                                   \
	{                                                                                \
		.present = (set), .value = {(object), (buckets), (database), (volume) }  \
	}

const struct plan plan_flat = { .name = "flat",
				.version = 1,
				.has = { true, true, false },
				.object_template = "object_t",
				.database_template = "database_t",
				.limits = LIMITS(7, 10000, 3, 10000, 0) };
const struct plan plan_full = { .name = "full",
				.version = 1,
				.has = { true, true, true },
				.object_template = "object_t",
				.database_template = "database_t",
				.limits = LIMITS(15, 10000, 3, 10000, 4 << 20) };

void
view_start(struct tenant_view *v, const char *appid)
{
	tenant_view_init(v, appid);
	v->env = td_env_system();
	v->rules.delete_grace_ms = GRACE;
	v->rules.backoff_min_ms = BACKOFF_MIN;
	v->rules.backoff_max_ms = BACKOFF_MAX;
}

static void
commit_part(struct tenant_part *p)
{
	if (p->mark == TENANT_PUT)
		p->version = 1;
	if (p->intent_mark == TENANT_DEL)
		memset(&p->intent, 0, sizeof(p->intent));
	p->mark = p->intent_mark = TENANT_CLEAN;
	for (unsigned i = 0; i < DRV_SLOT_COUNT; i++) {
		struct tenant_slot *s = &p->slots[i];

		if (s->mark == TENANT_DEL)
			memset(&s->rec, 0, sizeof(s->rec));
		s->mark = TENANT_CLEAN;
	}
}

void
view_commit(struct tenant_view *v)
{
	size_t kept = 0;

	v->version++;
	v->mark = TENANT_CLEAN;
	v->pending = v->want_pending;
	if (v->publish)
		v->rec.credential_serial++;
	v->publish = v->unpublish = false;
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++)
		commit_part(&v->part[r]);
	v->bucket_foreign = 0;
	v->bucket_due_ms = 0;
	v->bucket_put_off = false;
	memset(&v->closed, 0, sizeof(v->closed));
	for (size_t i = 0; i < v->bucket_len; i++) {
		if (v->buckets[i].mark == TENANT_DEL)
			continue;
		v->buckets[i].mark = TENANT_CLEAN;
		v->buckets[i].version = 1;
		(void)tenant_bucket_scan(v, &v->buckets[i].rec, T0);
		tenant_closed_note(v, v->buckets[i].name, &v->buckets[i].rec);
		v->buckets[kept++] = v->buckets[i];
	}
	v->bucket_len = kept;
}

struct tenant_put
put_plan(const struct plan *plan)
{
	return (struct tenant_put){ .plan = plan->name,
				    .new_plan = plan,
				    .default_region = "here",
				    .region_known = true,
				    .number = 7 };
}

void
view_create(struct tenant_view *v, const char *const *buckets)
{
	struct tenant_put_bucket b[4] = { 0 };
	struct tenant_put put = put_plan(&plan_flat);
	struct tenant_op_result ret;

	for (; *buckets != NULL; buckets++)
		memcpy(b[put.bucket_count++].name, *buckets, strlen(*buckets) + 1);
	put.buckets = b;
	v->part[DRV_OBJECT].wanted = v->part[DRV_DATABASE].wanted = true;
	assert_int_equal(tenant_op_put(v, &put, T0, &ret, NULL), TD_OK);
	assert_true(ret.created && ret.changed);
	view_commit(v);
}

struct tenant_action *
step_one(struct tenant_view *v, enum drv_resource r, int64_t now_ms, int64_t *ret_wake_ms)
{
	struct tenant_step step;
	struct tenant_action *a;

	assert_int_equal(tenant_next(v, now_ms, &step, NULL), TD_OK);
	view_commit(v);
	a = step.actions[r];
	step.actions[r] = NULL;
	if (ret_wake_ms != NULL)
		*ret_wake_ms = step.wake_ms;
	tenant_step_done(&step);
	return a;
}

static void
succeed(struct tenant_view *v, struct tenant_action *a, int64_t now_ms)
{
	struct drv_result res = { .presence = DRV_OURS, .closed = a->reclose };

	if (a->verb == TENANT_OBSERVE && !a->claimed)
		res.presence = DRV_ABSENT;
	for (size_t i = 0; i < a->bucket_count; i++) {
		struct drv_bucket *b = &a->buckets[i];

		b->rc = TD_OK;
		b->presence = a->verb == TENANT_OBSERVE && !b->claimed ? DRV_ABSENT
			      : b->remove			       ? DRV_ABSENT
								       : DRV_OURS;
	}
	v->part[a->resource].busy = true;
	tenant_done(v, a, TD_OK, &res, &(struct td_err){ 0 }, now_ms);
	view_commit(v);
}

void
run_all(struct tenant_view *v, int64_t now_ms)
{
	for (int round = 0; round < 50; round++) {
		struct tenant_step step;
		bool any = false;

		assert_int_equal(tenant_next(v, now_ms, &step, NULL), TD_OK);
		if (v->mark == TENANT_DEL)
			return;
		view_commit(v);
		for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
			if (step.actions[r] == NULL)
				continue;
			any = true;
			succeed(v, step.actions[r], now_ms);
			if (v->rec.phase == REC_DELETED)
				break;
		}
		tenant_step_done(&step);
		if (!any)
			return;
	}
	fail_msg("there is always something left to do");
}
