/* Brakes in the stepper: what a mode and a spent budget hold back, and what they do not. */
#include "check.h"
#include "tenant/budget.h"
#include "tenant/step.h"
#include "tenant_view.h"

#include <stdlib.h>
#include <string.h>

static const char *const one_bucket[] = { "data", NULL };
static const struct tenant_delete_options force = { .force = true };

static void
living(struct tenant_view *v)
{
	view_start(v, "abcdef");
	view_create(v, one_bucket);
	run_all(v, T0);
	assert_int_equal(v->rec.phase, REC_CREATED);
}

/* As the engine loads it: modes first, then the buckets. */
static void
reload(struct tenant_view *v, int64_t now_ms)
{
	v->bucket_put_off = false;
	v->bucket_due_ms = 0;
	for (size_t i = 0; i < v->bucket_len; i++)
		(void)tenant_bucket_scan(v, &v->buckets[i].rec, now_ms);
}

static void
set(struct tenant_view *v, enum rec_mode mode, int64_t expires_ms)
{
	struct rec_brake rec = { .mode = (uint8_t)mode,
				 .reason = "why",
				 .since_ms = T0,
				 .expires_ms = expires_ms };

	tenant_brake_note(v, TENANT_ALL_PARTS, "region/here", &rec, T0);
	reload(v, T0);
}

static void
release(struct tenant_view *v)
{
	memset(&v->brake, 0, sizeof(v->brake));
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++)
		memset(&v->part[r].brake, 0, sizeof(v->part[r].brake));
	reload(v, T0);
}

/* No action for any part, and no intent. */
static void
rests(struct tenant_view *v, int64_t now_ms, int64_t *ret_wake_ms)
{
	struct tenant_step step;

	assert_int_equal(tenant_next(v, now_ms, &step, NULL), TD_OK);
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
		assert_null(step.actions[r]);
		assert_int_equal(v->part[r].intent_mark, TENANT_CLEAN);
	}
	for (size_t i = 0; i < v->bucket_len; i++)
		assert_int_equal(v->buckets[i].mark, TENANT_CLEAN);
	assert_true(v->want_pending);
	if (ret_wake_ms != NULL)
		*ret_wake_ms = step.wake_ms;
	view_commit(v);
	reload(v, now_ms);
}

static void
the_strictest_mode_counts(void **state)
{
	static const struct row {
		const char *says;
		enum rec_mode a, b;
		int64_t a_until, b_until; /* from T0; 0: for ever */
		enum rec_mode mode;
		int64_t until;
	} rows[] = {
		{ "hold before observe", REC_HOLD, REC_OBSERVE, 0, 0, REC_HOLD, 0 },
		{ "in any order", REC_OBSERVE, REC_HOLD, 0, 9, REC_HOLD, 9 },
		{ "what is over is not there", REC_HOLD, REC_OBSERVE, -1, 0, REC_OBSERVE,
		  0 },
		{ "it is over at its time", REC_HOLD, REC_HOLD, -1, -2, REC_MANAGE, 0 },
		{ "of two alike the longer one", REC_HOLD, REC_HOLD, 5, 7, REC_HOLD, 7 },
		{ "for ever is longest", REC_HOLD, REC_HOLD, 0, 7, REC_HOLD, 0 },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct rec_brake a = { .mode = (uint8_t)row->a,
				       .expires_ms =
					       row->a_until ? T0 + row->a_until : 0 };
		struct rec_brake b = { .mode = (uint8_t)row->b,
				       .expires_ms =
					       row->b_until ? T0 + row->b_until : 0 };
		struct tenant_view v;

		view_start(&v, "abcdef");
		tenant_brake_note(&v, TENANT_ALL_PARTS, "daemon", &a, T0);
		tenant_brake_note(&v, TENANT_ALL_PARTS, "region/here", &b, T0);
		CHECK(row->says, v.brake.mode == row->mode);
		CHECK(row->says, v.part[DRV_DATABASE].brake.mode == row->mode);
		CHECK(row->says,
		      v.brake.expires_ms == (row->until ? T0 + row->until : 0));
		tenant_view_done(&v);
	}
}

static void
a_mode_goes_by_the_believed_time(void **state)
{
	struct rec_brake rec = { .mode = REC_HOLD, .expires_ms = T0 + 1000 };
	struct tenant_view v;

	(void)state;
	view_start(&v, "abcdef");
	v.ahead_ms = 5000;
	tenant_brake_note(&v, TENANT_ALL_PARTS, "daemon", &rec, T0 + 5999);
	assert_int_equal(v.brake.mode, REC_HOLD);
	tenant_view_done(&v);
	view_start(&v, "abcdef");
	v.ahead_ms = 5000;
	tenant_brake_note(&v, TENANT_ALL_PARTS, "daemon", &rec, T0 + 6000);
	assert_int_equal(v.brake.mode, REC_MANAGE);
	tenant_view_done(&v);
}

static void
nothing_is_made_or_changed_under_a_mode(void **state)
{
	static const enum rec_mode modes[] = { REC_OBSERVE, REC_HOLD };
	struct tenant_op_result ret;

	(void)state;
	for (EACH(mode, modes)) {
		struct tenant_put_bucket more = { .name = "more" };
		struct tenant_view v;
		int64_t wake;

		view_start(&v, "abcdef");
		view_create(&v, one_bucket);
		set(&v, *mode, T0 + 5000);
		rests(&v, T0, &wake);
		assert_int_equal(wake, T0 + 5000); /* it wakes when the mode ends */
		release(&v);
		run_all(&v, T0);
		assert_int_equal(v.rec.phase, REC_CREATED);

		set(&v, *mode, 0);
		assert_int_equal(tenant_op_bucket_put(&v, &more, T0, &ret, NULL), TD_OK);
		view_commit(&v);
		rests(&v, T0, &wake);
		assert_int_equal(wake, INT64_MAX);
		assert_int_equal(tenant_view_bucket(&v, "more")->rec.state,
				 REC_BUCKET_NEW);
		release(&v);
		run_all(&v, T0);
		assert_int_equal(tenant_view_bucket(&v, "more")->rec.state,
				 REC_BUCKET_OURS);
		tenant_view_done(&v);
	}
}

/* A look that was under way when the mode was set records no intent. */
static void
a_result_begins_nothing_under_a_mode(void **state)
{
	struct drv_result absent = { .presence = DRV_ABSENT };
	struct tenant_action *a;
	struct tenant_view v;

	(void)state;
	view_start(&v, "abcdef");
	view_create(&v, one_bucket);
	a = step_one(&v, DRV_OBJECT, T0, NULL);
	assert_int_equal(a->verb, TENANT_OBSERVE);
	a->buckets[0].presence = DRV_ABSENT;
	set(&v, REC_HOLD, 0);
	v.part[DRV_OBJECT].busy = true;
	tenant_done(&v, a, TD_OK, &absent, &(struct td_err){ 0 }, T0);
	view_commit(&v);
	assert_false(v.part[DRV_OBJECT].intent_open);
	assert_int_equal(tenant_view_bucket(&v, "data")->rec.state, REC_BUCKET_NEW);
	assert_false(v.part[DRV_OBJECT].slots[DRV_SLOT_A].exists);
	free(a);
	release(&v);
	a = step_one(&v, DRV_DATABASE, T0, NULL);
	assert_int_equal(a->verb, TENANT_OBSERVE);
	set(&v, REC_OBSERVE, 0);
	v.part[DRV_DATABASE].busy = true;
	tenant_done(&v, a, TD_OK, &absent, &(struct td_err){ 0 }, T0);
	view_commit(&v);
	assert_false(v.part[DRV_DATABASE].intent_open);
	assert_false(v.part[DRV_DATABASE].slots[DRV_SLOT_A].exists);
	free(a);
	tenant_view_done(&v);
}

static void
observe_looks_and_tells(void **state)
{
	struct drv_result drift = { .presence = DRV_OURS,
				    .drifted = true,
				    .reason = "RoleChanged" };
	struct tenant_action *a;
	struct tenant_view v;

	(void)state;
	living(&v);
	set(&v, REC_OBSERVE, 0);
	v.part[DRV_DATABASE].verify = true;
	a = step_one(&v, DRV_DATABASE, T0, NULL);
	assert_non_null(a);
	assert_int_equal(a->verb, TENANT_OBSERVE);
	v.part[DRV_DATABASE].busy = true;
	tenant_done(&v, a, TD_OK, &drift, &(struct td_err){ 0 }, T0);
	view_commit(&v);
	free(a);
	v.part[DRV_DATABASE].verify = false;
	assert_int_equal(v.part[DRV_DATABASE].rec.cond[REC_COND_DRIFTED].status, 1);
	rests(&v, T0, NULL);
	/* It does not hide what the others would show, or itself. */
	assert_true(tenant_observed(&v));
	v.part[DRV_OBJECT].verify = v.part[DRV_DATABASE].verify = true;
	a = step_one(&v, DRV_DATABASE, T0, NULL);
	assert_int_equal(a->verb, TENANT_OBSERVE);
	free(a);
	v.part[DRV_OBJECT].verify = v.part[DRV_DATABASE].verify = false;
	/* Hold does not look. */
	release(&v);
	set(&v, REC_HOLD, 0);
	v.part[DRV_OBJECT].verify = true;
	assert_null(step_one(&v, DRV_OBJECT, T0, NULL));
	v.part[DRV_OBJECT].verify = false;
	release(&v);
	a = step_one(&v, DRV_DATABASE, T0, NULL);
	assert_int_equal(a->verb, TENANT_ENSURE);
	free(a);
	tenant_view_done(&v);
}

static void
a_suspend_passes_and_nothing_else(void **state)
{
	struct tenant_put_bucket quota = { .name = "data",
					   .has_quota = true,
					   .quota_bytes = 7 };
	struct tenant_op_result ret;
	struct tenant_view v;

	(void)state;
	living(&v);
	set(&v, REC_HOLD, 0);
	assert_int_equal(tenant_op_suspend(&v, T0, &ret, NULL), TD_OK);
	view_commit(&v);
	run_all(&v, T0);
	assert_int_equal(v.rec.phase, REC_SUSPENDED);
	assert_int_equal(v.part[DRV_DATABASE].rec.access, DRV_ACCESS_NONE);
	assert_int_equal(tenant_view_bucket(&v, "data")->rec.observed_mode,
			 DRV_BUCKET_PRIVATE);
	/* What comes after it waits. */
	assert_int_equal(tenant_op_bucket_put(&v, &quota, T0, &ret, NULL), TD_OK);
	view_commit(&v);
	rests(&v, T0, NULL);
	assert_int_equal(tenant_op_resume(&v, T0, &ret, NULL), TD_OK);
	view_commit(&v);
	rests(&v, T0, NULL);
	assert_int_equal(v.part[DRV_DATABASE].rec.access, DRV_ACCESS_NONE);
	/* And a suspend after all is told to be done. */
	assert_int_equal(tenant_op_suspend(&v, T0, &ret, NULL), TD_OK);
	view_commit(&v);
	run_all(&v, T0);
	assert_int_equal(v.rec.phase, REC_SUSPENDED);
	release(&v);
	assert_int_equal(tenant_op_resume(&v, T0, &ret, NULL), TD_OK);
	view_commit(&v);
	run_all(&v, T0);
	assert_int_equal(v.rec.phase, REC_CREATED);
	assert_int_equal(tenant_view_bucket(&v, "data")->rec.observed_quota, 7);
	tenant_view_done(&v);
}

static void
a_deletion_waits_and_can_be_taken_back(void **state)
{
	struct tenant_op_result ret;
	struct tenant_view v;

	(void)state;
	living(&v);
	set(&v, REC_HOLD, 0);
	assert_int_equal(tenant_op_delete(&v, &force, T0, &ret, NULL), TD_OK);
	view_commit(&v);
	rests(&v, T0 + GRACE, NULL);
	assert_int_equal(v.part[DRV_OBJECT].rec.access, DRV_ACCESS_FULL);
	assert_int_equal(tenant_op_undelete(&v, T0 + GRACE, &ret, NULL), TD_OK);
	view_commit(&v);
	release(&v);
	run_all(&v, T0);
	assert_int_equal(v.rec.phase, REC_CREATED);
	assert_int_equal(tenant_op_delete(&v, &force, T0, &ret, NULL), TD_OK);
	view_commit(&v);
	set(&v, REC_HOLD, 0);
	rests(&v, T0, NULL);
	release(&v);
	run_all(&v, T0);
	assert_int_equal(v.mark, TENANT_DEL);
	tenant_view_done(&v);
}

/* One that has begun is halted, and nobody takes it back. */
static void
a_removal_that_has_begun_is_halted(void **state)
{
	struct tenant_op_result ret;
	struct tenant_action *a;
	struct tenant_view v;

	(void)state;
	living(&v);
	assert_int_equal(tenant_op_delete(&v, &force, T0, &ret, NULL), TD_OK);
	view_commit(&v);
	free(step_one(&v, DRV_OBJECT, T0, NULL)); /* closes; lost, as in a crash */
	v.part[DRV_OBJECT].rec.access = DRV_ACCESS_NONE;
	v.part[DRV_OBJECT].rec.access_known = 1;
	v.part[DRV_OBJECT].intent_open = false;
	memset(&v.part[DRV_OBJECT].intent, 0, sizeof(v.part[DRV_OBJECT].intent));
	a = step_one(&v, DRV_OBJECT, T0, NULL);
	assert_int_equal(a->verb, TENANT_REMOVE);
	set(&v, REC_HOLD, 0);
	assert_int_equal(tenant_gate(&v, a, NULL), TD_HELD);
	assert_null(step_one(&v, DRV_OBJECT, T0, NULL));
	assert_int_equal(tenant_op_undelete(&v, T0, &ret, NULL), TD_WRONG_PHASE);
	release(&v);
	assert_int_equal(tenant_gate(&v, a, NULL), TD_OK);
	/* Out of budget it goes on: it was charged. */
	v.budget.stopped = true;
	assert_int_equal(tenant_gate(&v, a, NULL), TD_OK);
	free(a);
	a = step_one(&v, DRV_OBJECT, T0, NULL);
	assert_int_equal(a->verb, TENANT_REMOVE);
	free(a);
	tenant_view_done(&v);
}

static void
a_bucket_waits_and_can_be_taken_back(void **state)
{
	static const struct tenant_bucket_delete_options empty = { .purge = false };
	struct tenant_put_bucket back = { .name = "data" };
	struct tenant_op_result ret;
	struct tenant_action *a;
	struct tenant_view v;

	(void)state;
	for (int budget = 0; budget < 2; budget++) {
		living(&v);
		if (budget)
			v.budget.stopped = true;
		else
			set(&v, REC_HOLD, 0);
		assert_int_equal(
			tenant_op_bucket_delete(&v, "data", &empty, T0, &ret, NULL),
			TD_OK);
		view_commit(&v);
		reload(&v, T0);
		if (budget) /* what does not destroy goes on */
			run_all(&v, T0);
		reload(&v, T0);
		rests(&v, T0, NULL);
		assert_true(v.bucket_put_off);
		assert_int_equal(tenant_op_bucket_put(&v, &back, T0, &ret, NULL), TD_OK);
		view_commit(&v);
		release(&v);
		v.budget.stopped = false;
		run_all(&v, T0);
		assert_int_equal(tenant_view_bucket(&v, "data")->rec.state,
				 REC_BUCKET_OURS);
		assert_int_equal(
			tenant_op_bucket_delete(&v, "data", &empty, T0, &ret, NULL),
			TD_OK);
		view_commit(&v);
		v.budget.limited[REC_REMOVE_BUCKET] = true;
		v.budget.room[REC_REMOVE_BUCKET] = 1;
		a = step_one(&v, DRV_OBJECT, T0, NULL);
		assert_true(a->buckets[0].remove);
		assert_int_equal(v.charge[REC_REMOVE_BUCKET], 1);
		assert_int_equal(tenant_gate(&v, a, NULL), TD_OK);
		/* The gate lets nothing go that no record speaks of. */
		v.buckets[0].rec.remove_due_ms = T0;
		assert_int_equal(tenant_gate(&v, a, NULL), TD_HELD);
		free(a);
		tenant_view_done(&v);
	}
}

static void
the_gate_is_the_last_line(void **state)
{
	struct tenant_action ensure = { .resource = DRV_DATABASE,
					.verb = TENANT_ENSURE,
					.access = DRV_ACCESS_FULL };
	struct tenant_action look = { .resource = DRV_DATABASE, .verb = TENANT_OBSERVE };
	struct tenant_action remove = { .resource = DRV_DATABASE,
					.verb = TENANT_REMOVE,
					.intent_id = 77 };
	struct tenant_view v;
	struct td_err err;

	(void)state;
	living(&v);
	assert_int_equal(tenant_gate(&v, &ensure, NULL), TD_OK);
	assert_int_equal(tenant_gate(&v, &remove, &err), TD_HELD);
	assert_true(tenant_action_destroys(&v, &remove));
	set(&v, REC_OBSERVE, 0);
	assert_int_equal(tenant_gate(&v, &look, NULL), TD_OK);
	assert_int_equal(tenant_gate(&v, &ensure, &err), TD_HELD);
	assert_non_null(strstr(err.detail, "region/here"));
	set(&v, REC_HOLD, 0);
	assert_int_equal(tenant_gate(&v, &look, NULL), TD_HELD);
	/* Closing is let through for a suspended tenant, and for no other. */
	ensure.access = DRV_ACCESS_NONE;
	assert_int_equal(tenant_gate(&v, &ensure, NULL), TD_HELD);
	v.rec.suspend = 1;
	assert_int_equal(tenant_gate(&v, &ensure, NULL), TD_OK);
	ensure.bucket_count = 1;
	ensure.buckets[0].remove = true;
	assert_int_equal(tenant_gate(&v, &ensure, NULL), TD_HELD);
	/* For one that is being deleted it is charged. */
	release(&v);
	v.rec.suspend = 0;
	v.rec.phase = REC_DELETING;
	ensure.bucket_count = 0;
	assert_int_equal(tenant_gate(&v, &ensure, NULL), TD_HELD);
	tenant_view_done(&v);
}

/* What the gate refused is not a failure that anybody is told of, and goes on later. */
static void
a_refused_call_is_tried_again(void **state)
{
	struct drv_result none = { 0 };
	struct tenant_op_result ret;
	struct tenant_action *a;
	struct tenant_view v;

	(void)state;
	living(&v);
	assert_int_equal(tenant_op_suspend(&v, T0, &ret, NULL), TD_OK);
	view_commit(&v);
	a = step_one(&v, DRV_DATABASE, T0, NULL);
	v.part[DRV_DATABASE].busy = true;
	tenant_done(&v, a, TD_HELD, &none, &(struct td_err){ 0 }, T0);
	view_commit(&v);
	free(a);
	assert_int_equal(v.part[DRV_DATABASE].rec.cond[REC_COND_UNREACHABLE].status, 0);
	assert_int_equal(v.part[DRV_DATABASE].rec.cond[REC_COND_READY].status, 1);
	run_all(&v, T0 + BACKOFF_MAX);
	assert_int_equal(v.rec.phase, REC_SUSPENDED);
	tenant_view_done(&v);
}

/* ---- a storm of 3,000 ---- */

#define STORM 3000
#define BUDGET 25

struct storm {
	struct rec_budget budget;
	struct budget_limits limits;
	unsigned closed, removed, stops;
};

/* One turn of the engine for a tenant: load, step, commit with what it charges, call. */
static void
turn(struct storm *s, struct tenant_view *v, int64_t now_ms)
{
	struct tenant_step step;

	if (!v->exists)
		return;
	budget_show(&s->budget, &s->limits, now_ms, &v->budget);
	assert_int_equal(tenant_next(v, now_ms, &step, NULL), TD_OK);
	for (unsigned d = 0; d < REC_DESTROY_COUNT; d++) {
		assert_true(budget_take(&s->budget, &s->limits, (enum rec_destroy)d,
					v->charge[d], now_ms));
		v->charge[d] = 0;
	}
	if (v->stop)
		budget_stop(&s->budget, v->stop_by, now_ms);
	s->stops += v->stop;
	v->stop = false;
	if (v->mark == TENANT_DEL) {
		v->exists = false;
		s->removed++;
		return;
	}
	view_commit(v);
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
		struct drv_result res = { .presence = DRV_OURS };
		struct tenant_action *a = step.actions[r];

		if (a == NULL)
			continue;
		assert_int_equal(tenant_gate(v, a, NULL), TD_OK);
		s->closed += r == DRV_OBJECT && a->verb == TENANT_ENSURE &&
			     a->access == DRV_ACCESS_NONE;
		for (size_t i = 0; i < a->bucket_count; i++)
			a->buckets[i].presence = DRV_ABSENT;
		v->part[r].busy = true;
		tenant_done(v, a, TD_OK, &res, &(struct td_err){ 0 }, now_ms);
		view_commit(v);
	}
	tenant_step_done(&step);
}

static void
turns(struct storm *s, struct tenant_view *v, int64_t now_ms)
{
	for (unsigned round = 0; round < 8; round++)
		for (unsigned i = 0; i < STORM; i++)
			turn(s, &v[i], now_ms);
}

static void
a_storm_of_3000_stops_at_the_budget(void **state)
{
	struct storm s = { .limits = { { BUDGET, BUDGET, 0 } } };
	struct tenant_view *v = calloc(STORM, sizeof(*v));
	unsigned whole = 0, back = 0;
	struct tenant_op_result ret;

	(void)state;
	assert_non_null(v);
	for (unsigned i = 0; i < STORM; i++) {
		living(&v[i]);
		assert_int_equal(tenant_op_delete(&v[i], &force, T0, &ret, NULL), TD_OK);
		view_commit(&v[i]);
	}
	turns(&s, v, T0);
	assert_int_equal(s.closed, BUDGET);
	assert_int_equal(s.stops, 1);
	assert_true(s.removed <= BUDGET);
	/* A night later nothing more is gone. */
	turns(&s, v, T0 + 10 * BUDGET_HOUR_MS);
	assert_int_equal(s.closed, BUDGET);
	for (unsigned i = 0; i < STORM; i++)
		whole += v[i].exists &&
			 v[i].part[DRV_OBJECT].rec.access == DRV_ACCESS_FULL;
	assert_int_equal(whole, STORM - BUDGET);
	/* All that was spared can be taken back. */
	for (unsigned i = STORM / 2; i < STORM; i++)
		back += tenant_op_undelete(&v[i], T0, &ret, NULL) == TD_OK;
	assert_int_equal(back, STORM / 2);
	for (unsigned i = STORM / 2; i < STORM; i++)
		view_commit(&v[i]);
	/* An approval lets so many go, and no more. */
	budget_approve(&s.budget, &s.limits, 100, T0 + 10 * BUDGET_HOUR_MS);
	turns(&s, v, T0 + 10 * BUDGET_HOUR_MS);
	assert_int_equal(s.closed, BUDGET + 100 + BUDGET); /* and the new hour's */
	assert_int_equal(s.stops, 2);
	for (unsigned i = 0; i < STORM; i++)
		tenant_view_done(&v[i]);
	free(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_strictest_mode_counts),
		cmocka_unit_test(a_mode_goes_by_the_believed_time),
		cmocka_unit_test(nothing_is_made_or_changed_under_a_mode),
		cmocka_unit_test(a_result_begins_nothing_under_a_mode),
		cmocka_unit_test(observe_looks_and_tells),
		cmocka_unit_test(a_suspend_passes_and_nothing_else),
		cmocka_unit_test(a_deletion_waits_and_can_be_taken_back),
		cmocka_unit_test(a_removal_that_has_begun_is_halted),
		cmocka_unit_test(a_bucket_waits_and_can_be_taken_back),
		cmocka_unit_test(the_gate_is_the_last_line),
		cmocka_unit_test(a_refused_call_is_tried_again),
		cmocka_unit_test(a_storm_of_3000_stops_at_the_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
