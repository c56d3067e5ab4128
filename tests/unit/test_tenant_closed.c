/* Closed buckets: a purge closes access first, and the data goes only when its time has come. */
#include "check.h"
#include "tenant_view.h"

#include "policies/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATE 5000

static const char *const two_buckets[] = { "data", "other", NULL };
static const struct tenant_bucket_delete_options purge = { .purge = true };
static const struct drv_result done_closed = { .presence = DRV_OURS, .closed = true };

static void
living(struct tenant_view *v)
{
	view_start(v, "abcdef");
	view_create(v, two_buckets);
	run_all(v, T0);
	v->rules.late_ms = LATE;
}

static void
purge_one(struct tenant_view *v, const char *name, int64_t now_ms)
{
	struct tenant_op_result ret;

	assert_int_equal(tenant_op_bucket_delete(v, name, &purge, now_ms, &ret, NULL),
			 TD_OK);
	assert_true(ret.changed);
	view_commit(v);
}

static void
put_back(struct tenant_view *v, const char *name, int64_t now_ms)
{
	struct tenant_put_bucket b = { 0 };
	struct tenant_op_result ret;

	memcpy(b.name, name, strlen(name) + 1);
	assert_int_equal(tenant_op_bucket_put(v, &b, now_ms, &ret, NULL), TD_OK);
	view_commit(v);
}

static struct tenant_action *
next_ensure(struct tenant_view *v, int64_t now_ms)
{
	struct tenant_action *a = step_one(v, DRV_OBJECT, now_ms, NULL);

	assert_non_null(a);
	assert_int_equal(a->verb, TENANT_ENSURE);
	v->part[DRV_OBJECT].busy = true;
	return a;
}

static void
finish(struct tenant_view *v, struct tenant_action *a, enum td_rc rc,
       const struct drv_result *res, int64_t now_ms)
{
	for (size_t i = 0; i < a->bucket_count; i++)
		a->buckets[i].presence = a->buckets[i].remove ? DRV_ABSENT : DRV_OURS;
	tenant_done(v, a, rc, res, &(struct td_err){ .rc = rc }, now_ms);
	view_commit(v);
	free(a);
}

static const struct rec_bucket *
record(struct tenant_view *v, const char *name)
{
	const struct tenant_bucket *b = tenant_view_bucket(v, name);

	return b == NULL ? NULL : &b->rec;
}

static enum rec_closed
slots(const struct tenant_view *v)
{
	return (enum rec_closed)v->part[DRV_OBJECT].rec.closed;
}

static void
a_purge_closes_first(void **state)
{
	struct tenant_view v;
	struct tenant_action *a;
	int64_t wake;

	(void)state;
	living(&v);
	assert_true(tenant_settled(&v));
	purge_one(&v, "data", T0);
	assert_int_equal(slots(&v), REC_CLOSED_CHANGED);
	assert_false(tenant_settled(&v));
	assert_false(tenant_bucket_closed(record(&v, "data")));
	a = next_ensure(&v, T0);
	assert_true(a->reclose);
	assert_int_equal(a->closed.count, 1);
	assert_string_equal(a->closed.bucket[0].name, "data");
	assert_false(a->closed.bucket[0].seen);
	for (size_t i = 0; i < a->bucket_count; i++) {
		assert_false(a->buckets[i].remove);
		assert_int_equal(a->buckets[i].mode, DRV_BUCKET_PRIVATE);
	}
	finish(&v, a, TD_OK, &done_closed, T0);
	assert_int_equal(slots(&v), REC_CLOSED_KNOWN);
	assert_true(tenant_bucket_closed(record(&v, "data")));
	assert_true(tenant_settled(&v));
	/* Nothing more until its time, but it is not forgotten. */
	assert_null(step_one(&v, DRV_OBJECT, T0 + GRACE - 1, &wake));
	assert_int_equal(wake, T0 + GRACE);
	assert_true(v.pending);

	a = next_ensure(&v, T0 + GRACE);
	assert_false(a->reclose);
	assert_int_equal(a->closed.count, 1);
	assert_true(a->closed.bucket[0].seen);
	assert_int_equal(a->bucket_count, 1);
	assert_true(a->buckets[0].remove && !a->buckets[0].only_if_empty);
	finish(&v, a, TD_OK, &done_closed, T0 + GRACE);
	assert_null(record(&v, "data"));
	/* What denied it goes, too. */
	assert_int_equal(slots(&v), REC_CLOSED_CHANGED);
	a = next_ensure(&v, T0 + GRACE);
	assert_true(a->reclose);
	assert_int_equal(a->closed.count, 0);
	finish(&v, a, TD_OK, &done_closed, T0 + GRACE);
	assert_int_equal(slots(&v), REC_CLOSED_KNOWN);
	run_all(&v, T0 + GRACE);
	assert_true(tenant_settled(&v) && !v.pending);
	tenant_view_done(&v);
}

static void
a_put_in_time_takes_it_back(void **state)
{
	struct tenant_view v;
	struct tenant_put_bucket b = { .name = "data" };
	struct tenant_op_result ret;
	struct tenant_action *a;

	(void)state;
	living(&v);
	purge_one(&v, "data", T0);
	run_all(&v, T0);
	assert_true(tenant_bucket_closed(record(&v, "data")));
	put_back(&v, "data", T0 + GRACE - 1);
	assert_int_equal(record(&v, "data")->state, REC_BUCKET_OURS);
	assert_int_equal(record(&v, "data")->closed, 0);
	assert_false(tenant_bucket_ready(&v, record(&v, "data")));
	a = next_ensure(&v, T0 + GRACE - 1);
	assert_true(a->reclose);
	assert_int_equal(a->closed.count, 0);
	assert_int_equal(a->bucket_count, 1);
	assert_false(a->buckets[0].remove);
	finish(&v, a, TD_OK, &done_closed, T0 + GRACE - 1);
	assert_true(tenant_bucket_ready(&v, record(&v, "data")));
	assert_true(tenant_settled(&v));
	assert_null(step_one(&v, DRV_OBJECT, T0 + 2 * GRACE, NULL));

	purge_one(&v, "data", T0);
	assert_int_equal(tenant_op_bucket_put(&v, &b, T0 + GRACE, &ret, NULL),
			 TD_WRONG_PHASE);
	assert_string_equal(ret.code, "bucket_removing");
	assert_false(tenant_view_dirty(&v));
	tenant_view_done(&v);
}

/* What happened while the call was made is not covered by its result. */
static void
a_set_that_changed_during_the_call(void **state)
{
	struct tenant_view v;
	struct tenant_action *a;

	(void)state;
	living(&v);
	purge_one(&v, "data", T0);
	a = next_ensure(&v, T0);
	purge_one(&v, "other", T0);
	finish(&v, a, TD_OK, &done_closed, T0);
	assert_int_equal(slots(&v), REC_CLOSED_CHANGED);
	assert_int_equal(record(&v, "data")->closed, 1);
	assert_int_equal(record(&v, "other")->closed, 0);
	a = next_ensure(&v, T0);
	assert_int_equal(a->closed.count, 2);
	assert_true(a->closed.bucket[0].seen && !a->closed.bucket[1].seen);
	put_back(&v, "data", T0);
	finish(&v, a, TD_OK, &done_closed, T0);
	assert_int_equal(slots(&v), REC_CLOSED_CHANGED);
	assert_int_equal(record(&v, "data")->closed, 0);
	assert_int_equal(record(&v, "other")->closed, 1);
	run_all(&v, T0);
	assert_int_equal(slots(&v), REC_CLOSED_KNOWN);
	tenant_view_done(&v);
}

static void
not_proven_is_not_closed(void **state)
{
	static const struct drv_result open = { .presence = DRV_OURS,
						.unclosed = "a member is down" };
	struct tenant_view v;
	struct tenant_action *a;
	int64_t wake;

	(void)state;
	living(&v);
	purge_one(&v, "data", T0);
	a = next_ensure(&v, T0);
	finish(&v, a, TD_OK, &open, T0);
	assert_int_equal(slots(&v), REC_CLOSED_CHANGED);
	assert_false(tenant_bucket_closed(record(&v, "data")));
	assert_string_equal(v.part[DRV_OBJECT].rec.cond[REC_COND_READY].reason,
			    "CloseFailed");
	assert_string_equal(v.part[DRV_OBJECT].rec.cond[REC_COND_READY].message,
			    "a member is down");
	assert_null(step_one(&v, DRV_OBJECT, T0, &wake));
	assert_in_range(wake, T0 + 1, T0 + BACKOFF_MAX);
	a = next_ensure(&v, wake);
	assert_true(a->reclose);
	finish(&v, a, TD_OK, &done_closed, wake);
	run_all(&v, wake + LATE);
	assert_true(tenant_bucket_closed(record(&v, "data")));
	assert_true(tenant_settled(&v));
	tenant_view_done(&v);
}

/* A lost request may still open it again: so it is closed once more when that is over. */
static void
a_late_request_is_waited_for(void **state)
{
	static const struct drv_result none = { 0 };
	struct tenant_view v;
	struct tenant_action *a;
	int64_t at, wake;

	(void)state;
	living(&v);
	purge_one(&v, "data", T0);
	a = next_ensure(&v, T0);
	finish(&v, a, TD_TIMEOUT, &none, T0);
	assert_null(step_one(&v, DRV_OBJECT, T0, &at));
	a = next_ensure(&v, at);
	finish(&v, a, TD_OK, &done_closed, at);
	assert_int_equal(slots(&v), REC_CLOSED_UNSURE);
	assert_int_equal(record(&v, "data")->closed, 0);
	assert_null(step_one(&v, DRV_OBJECT, at, &wake));
	assert_in_range(wake, at + 1, at + LATE);
	assert_true(v.pending && !tenant_settled(&v));
	a = next_ensure(&v, wake);
	assert_true(a->reclose);
	finish(&v, a, TD_OK, &done_closed, wake);
	assert_int_equal(slots(&v), REC_CLOSED_KNOWN);
	assert_int_equal(record(&v, "data")->closed, 1);
	tenant_view_done(&v);
}

/* The end of a change of access is confirmed later; a purge does not wait for that. */
static void
closing_does_not_wait(void **state)
{
	struct tenant_view v;
	struct tenant_action *a;

	(void)state;
	living(&v);
	v.part[DRV_OBJECT].rec.access_known = 0;
	v.part[DRV_OBJECT].rec.due_ms = T0 + LATE;
	assert_null(step_one(&v, DRV_OBJECT, T0, NULL));
	purge_one(&v, "data", T0);
	a = next_ensure(&v, T0);
	assert_true(a->reclose);
	free(a);
	tenant_view_done(&v);
}

static void
suspend_and_resume_keep_it_closed(void **state)
{
	struct tenant_view v;
	struct tenant_op_result ret;
	struct tenant_action *a;

	(void)state;
	living(&v);
	purge_one(&v, "data", T0);
	run_all(&v, T0);
	assert_int_equal(tenant_op_suspend(&v, T0, &ret, NULL), TD_OK);
	view_commit(&v);
	purge_one(&v, "other", T0); /* also while it is suspended */
	run_all(&v, T0);
	assert_int_equal(v.rec.phase, REC_SUSPENDED);
	assert_true(tenant_bucket_closed(record(&v, "other")));
	assert_int_equal(tenant_op_resume(&v, T0, &ret, NULL), TD_OK);
	view_commit(&v);
	a = next_ensure(&v, T0);
	assert_int_equal(a->access, DRV_ACCESS_FULL);
	assert_int_equal(a->closed.count, 2);
	for (size_t i = 0; i < a->bucket_count; i++)
		assert_int_equal(a->buckets[i].mode, DRV_BUCKET_PRIVATE);
	finish(&v, a, TD_OK, &done_closed, T0);
	run_all(&v,
		T0 + 2 * LATE); /* the step's other action was dropped: as after a crash */
	assert_int_equal(v.rec.phase, REC_CREATED);
	assert_true(tenant_bucket_closed(record(&v, "data")));
	tenant_view_done(&v);
}

/* Every action that may make or compare a slot knows them. */
static void
every_action_carries_them(void **state)
{
	struct tenant_view v;
	struct tenant_action *a;

	(void)state;
	living(&v);
	purge_one(&v, "data", T0);
	run_all(&v, T0);
	v.part[DRV_OBJECT].verify = true;
	a = step_one(&v, DRV_OBJECT, T0, NULL);
	assert_non_null(a);
	assert_int_equal(a->verb, TENANT_OBSERVE);
	assert_int_equal(a->closed.count, 1);
	assert_false(a->reclose);
	free(a);
	v.part[DRV_OBJECT].verify = false;
	v.part[DRV_OBJECT].rec.access_known = 0; /* drifted */
	a = next_ensure(&v, T0);
	assert_int_equal(a->closed.count, 1);
	free(a);
	tenant_view_done(&v);
}

static void
only_a_purge_closes(void **state)
{
	static const struct tenant_bucket_delete_options plain = { .purge = false };
	struct tenant_view v;
	struct tenant_op_result ret;
	struct tenant_action *a;

	(void)state;
	living(&v);
	assert_int_equal(tenant_op_bucket_delete(&v, "data", &plain, T0, &ret, NULL),
			 TD_OK);
	view_commit(&v);
	assert_int_equal(slots(&v), REC_CLOSED_KNOWN);
	a = next_ensure(&v, T0);
	assert_false(a->reclose);
	assert_int_equal(a->closed.count, 0);
	free(a);
	tenant_view_done(&v);
}

static void
add_shut(struct tenant_view *v, unsigned i)
{
	struct tenant_bucket *b;
	char name[DRV_BUCKET_NAME_SIZE];

	(void)snprintf(name, sizeof(name), "b%02u-%s", i, "twenty-eight-more-characters");
	b = tenant_view_add_bucket(v, name);
	assert_non_null(b);
	b->rec.state = REC_BUCKET_REMOVING;
	b->rec.purge = 1;
	b->rec.remove_due_ms = T0 + GRACE;
}

static void
no_more_than_a_policy_has_room_for(void **state)
{
	struct tenant_op_result ret;
	struct tenant_view v;
	struct td_err err;
	size_t most;

	(void)state;
	living(&v);
	for (unsigned i = 0; i < 60; i++)
		add_shut(&v, i);
	view_commit(&v);
	/* More than fit, from before there was a limit: the first ones in name order. */
	most = v.closed.count;
	assert_in_range(most, 10, 30);
	assert_true(v.closed.bytes <= POLICY_CLOSED_BYTES);
	assert_string_equal(v.closed.bucket[0].name, v.buckets[2].name);
	assert_int_equal(tenant_op_bucket_delete(&v, "data", &purge, T0, &ret, &err),
			 TD_PURGE_LIMIT);
	assert_int_equal(td_rc_info(TD_PURGE_LIMIT)->http_status, 409);
	assert_string_equal(td_rc_info(TD_PURGE_LIMIT)->code, "purge_limit");
	assert_false(ret.changed);
	assert_false(tenant_view_dirty(&v));
	assert_int_equal(record(&v, "data")->state, REC_BUCKET_OURS);
	/* One more than there is room for is too many, one less is not. */
	v.bucket_len = 2 + most;
	view_commit(&v);
	assert_int_equal(v.closed.count, most);
	while (tenant_op_bucket_delete(&v, "data", &purge, T0, &ret, NULL) != TD_OK) {
		v.bucket_len--;
		view_commit(&v);
	}
	assert_int_equal(v.bucket_len, 2 + most - 1);
	tenant_view_done(&v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_purge_closes_first),
		cmocka_unit_test(a_put_in_time_takes_it_back),
		cmocka_unit_test(a_set_that_changed_during_the_call),
		cmocka_unit_test(not_proven_is_not_closed),
		cmocka_unit_test(a_late_request_is_waited_for),
		cmocka_unit_test(closing_does_not_wait),
		cmocka_unit_test(suspend_and_resume_keep_it_closed),
		cmocka_unit_test(every_action_carries_them),
		cmocka_unit_test(only_a_purge_closes),
		cmocka_unit_test(no_more_than_a_policy_has_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
