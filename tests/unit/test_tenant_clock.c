/* Grace times and a wall clock that is not believed (tenant_view.ahead_ms). */
#include "tenant_view.h"

#include "check.h"

#include <stdlib.h>

#define YEAR INT64_C(31536000000)

static const struct tenant_delete_options gently = { .force = false };

static void
view_living(struct tenant_view *v)
{
	static const char *const one_bucket[] = { "data", NULL };

	view_start(v, "abcdef");
	view_create(v, one_bucket);
	run_all(v, T0);
	assert_int_equal(v->rec.phase, REC_CREATED);
}

/* A tenant whose access is closed and whose data waits, with a clock a year ahead. */
static void
view_deleted(struct tenant_view *v)
{
	struct tenant_op_result ret;

	view_living(v);
	assert_int_equal(tenant_op_delete(v, &gently, T0, &ret, NULL), TD_OK);
	view_commit(v);
	run_all(v, T0);
	assert_int_equal(v->rec.phase, REC_DELETING);
	v->ahead_ms = YEAR;
}

static void
a_deleted_tenant_waits_for_the_believed_time(void **state)
{
	struct tenant_view v;
	struct tenant_action *a;
	int64_t wake;

	(void)state;
	view_deleted(&v);
	assert_null(step_one(&v, DRV_DATABASE, T0 + YEAR + GRACE - 1, &wake));
	assert_int_equal(wake, T0 + YEAR + GRACE);
	/* Looked at again before that: it may be believed by then. */
	assert_null(step_one(&v, DRV_DATABASE, T0 + YEAR, &wake));
	assert_int_equal(wake, T0 + YEAR + (GRACE < BACKOFF_MAX ? GRACE : BACKOFF_MAX));
	a = step_one(&v, DRV_DATABASE, T0 + YEAR + GRACE, NULL);
	assert_non_null(a);
	assert_int_equal(a->verb, TENANT_REMOVE);
	free(a);
	tenant_view_done(&v);
}

static void
it_can_be_taken_back_meanwhile(void **state)
{
	struct tenant_view v;
	struct tenant_op_result ret;

	(void)state;
	view_deleted(&v);
	v.ahead_ms = 0;
	assert_int_equal(tenant_op_undelete(&v, T0 + YEAR, &ret, NULL), TD_WRONG_PHASE);
	v.ahead_ms = YEAR;
	assert_int_equal(tenant_op_undelete(&v, T0 + YEAR, &ret, NULL), TD_OK);
	tenant_view_done(&v);
}

static void
new_dues_are_of_the_believed_time(void **state)
{
	static const struct tenant_delete_options force = { .force = true };
	struct tenant_view v;
	struct tenant_op_result ret;

	(void)state;
	view_living(&v);
	v.ahead_ms = YEAR;
	assert_int_equal(tenant_op_delete(&v, &gently, T0 + YEAR, &ret, NULL), TD_OK);
	assert_int_equal(v.rec.delete_due_ms, T0 + GRACE);
	/* Force does not wait for the clock. */
	assert_int_equal(tenant_op_delete(&v, &force, T0 + YEAR, &ret, NULL), TD_OK);
	assert_int_equal(v.rec.delete_due_ms, T0);
	view_commit(&v);
	run_all(&v, T0 + YEAR);
	assert_int_equal(v.mark, TENANT_DEL);
	tenant_view_done(&v);

	view_living(&v);
	v.ahead_ms = YEAR;
	assert_int_equal(tenant_op_delete(&v, &force, T0 + YEAR, &ret, NULL), TD_OK);
	assert_int_equal(v.rec.delete_due_ms, T0);
	tenant_view_done(&v);
}

static void
a_purged_bucket_waits_too(void **state)
{
	static const struct tenant_bucket_delete_options purge = { .purge = true };
	struct tenant_put_bucket back = { .name = "data" };
	struct tenant_view v;
	struct tenant_op_result ret;
	struct tenant_action *a;
	int64_t wake;

	(void)state;
	view_living(&v);
	assert_int_equal(tenant_op_bucket_delete(&v, "data", &purge, T0, &ret, NULL),
			 TD_OK);
	view_commit(&v);
	run_all(&v, T0);
	v.ahead_ms = YEAR;
	v.bucket_due_ms = 0;
	assert_false(tenant_bucket_scan(&v, &tenant_view_bucket(&v, "data")->rec,
					T0 + YEAR + GRACE - 1));
	assert_null(step_one(&v, DRV_OBJECT, T0 + YEAR + GRACE - 1, &wake));
	assert_int_equal(wake, T0 + YEAR + GRACE);
	a = step_one(&v, DRV_OBJECT, T0 + YEAR + GRACE, NULL);
	assert_non_null(a);
	assert_true(a->buckets[0].remove);
	free(a);
	tenant_view_done(&v);

	view_living(&v);
	assert_int_equal(tenant_op_bucket_delete(&v, "data", &purge, T0, &ret, NULL),
			 TD_OK);
	view_commit(&v);
	run_all(&v, T0);
	v.ahead_ms = YEAR;
	assert_int_equal(tenant_op_bucket_put(&v, &back, T0 + YEAR, &ret, NULL), TD_OK);
	tenant_view_done(&v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deleted_tenant_waits_for_the_believed_time),
		cmocka_unit_test(it_can_be_taken_back_meanwhile),
		cmocka_unit_test(new_dues_are_of_the_believed_time),
		cmocka_unit_test(a_purged_bucket_waits_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
