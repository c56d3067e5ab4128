/* Budgets: a sliding hour, approvals, a stop that stays. */
#include "check.h"
#include "tenant/budget.h"
#include "tenant_view.h"

#define MIN 60000
#define HOUR (INT64_C(60) * MIN)

static const struct budget_limits ten = { { 10, 10, 0 } };

static bool
take(struct rec_budget *b, enum rec_destroy what, uint32_t n, int64_t now_ms)
{
	return budget_take(b, &ten, what, n, now_ms);
}

static void
an_hour_slides(void **state)
{
	struct rec_budget b = { 0 };

	(void)state;
	assert_true(take(&b, REC_CLOSE, 4, T0));
	assert_true(take(&b, REC_CLOSE, 6, T0 + 30 * MIN));
	assert_false(take(&b, REC_CLOSE, 1, T0 + 30 * MIN));
	assert_int_equal(budget_spent(&b, REC_CLOSE, T0 + 30 * MIN), 10);
	/* Each verb has its own. */
	assert_true(take(&b, REC_REMOVE, 10, T0 + 30 * MIN));
	/* Never less than an hour, and at most five minutes more. */
	assert_false(take(&b, REC_CLOSE, 1, T0 + HOUR - 1));
	assert_true(take(&b, REC_CLOSE, 4, T0 + HOUR + 5 * MIN));
	assert_false(take(&b, REC_CLOSE, 1, T0 + HOUR + 5 * MIN));
	assert_int_equal(budget_spent(&b, REC_CLOSE, T0 + 100 * HOUR), 0);
	assert_true(take(&b, REC_CLOSE, 10, T0 + 100 * HOUR));
}

static void
a_clock_that_goes_back_frees_nothing(void **state)
{
	struct rec_budget b = { 0 };

	(void)state;
	assert_true(take(&b, REC_CLOSE, 10, T0));
	assert_false(take(&b, REC_CLOSE, 1, T0 - 10 * HOUR));
	assert_int_equal(budget_spent(&b, REC_CLOSE, T0 - 10 * HOUR), 10);
	assert_false(take(&b, REC_CLOSE, 1, 0));
}

static void
no_limit_counts_nothing(void **state)
{
	struct tenant_budget show;
	struct rec_budget b = { 0 };

	(void)state;
	assert_true(take(&b, REC_REMOVE_BUCKET, 100000, T0));
	assert_int_equal(budget_spent(&b, REC_REMOVE_BUCKET, T0), 0);
	budget_show(&b, &ten, T0, &show);
	assert_false(show.limited[REC_REMOVE_BUCKET]);
	assert_true(show.limited[REC_CLOSE]);
	assert_int_equal(show.room[REC_CLOSE], 10);
}

static void
a_stop_stays_until_it_is_approved(void **state)
{
	struct rec_budget b = { 0 };
	struct tenant_budget show;

	(void)state;
	assert_true(take(&b, REC_CLOSE, 10, T0));
	budget_stop(&b, REC_CLOSE, T0);
	budget_stop(&b, REC_REMOVE, T0 + MIN); /* it is stopped already */
	assert_int_equal(b.stopped_by, REC_CLOSE);
	/* The next hour has a budget, and is not asked for it. */
	budget_show(&b, &ten, T0 + 10 * HOUR, &show);
	assert_true(show.stopped);
	assert_int_equal(show.stopped_ms, T0);
	assert_false(take(&b, REC_CLOSE, 1, T0 + 10 * HOUR));
	assert_false(take(&b, REC_REMOVE, 1, T0 + 10 * HOUR));

	budget_approve(&b, &ten, 3, T0 + MIN);
	budget_show(&b, &ten, T0 + MIN, &show);
	assert_false(show.stopped);
	assert_int_equal(show.room[REC_CLOSE], 3);
	assert_int_equal(show.room[REC_REMOVE], 13);
	assert_true(take(&b, REC_CLOSE, 2, T0 + MIN));
	assert_int_equal(budget_extra(&b, REC_CLOSE, T0 + MIN), 1);
	assert_false(take(&b, REC_CLOSE, 2, T0 + MIN));
	/* What is left of an approval is no gift to the next storm. */
	assert_int_equal(budget_extra(&b, REC_CLOSE, T0 + MIN + HOUR), 0);
	/* Without a number it is an hour's budget, of each. */
	budget_approve(&b, &ten, 0, T0 + 2 * MIN);
	assert_int_equal(budget_extra(&b, REC_CLOSE, T0 + 2 * MIN), 11);
	assert_int_equal(budget_extra(&b, REC_REMOVE, T0 + 2 * MIN), 13);
	assert_int_equal(budget_extra(&b, REC_REMOVE_BUCKET, T0 + 2 * MIN), 0);
}

static void
without_limits_nothing_is_stopped(void **state)
{
	static const struct budget_limits none = { { 0 } };
	struct rec_budget b = { 0 };
	struct tenant_budget show;

	(void)state;
	budget_stop(&b, REC_CLOSE, T0);
	budget_show(&b, &none, T0, &show);
	assert_false(show.stopped);
	assert_true(budget_take(&b, &none, REC_CLOSE, 1, T0));
}

static void
numbers_do_not_wrap(void **state)
{
	static const struct budget_limits most = { { UINT32_MAX, UINT32_MAX, 1 } };
	struct rec_budget b = { 0 };
	struct tenant_budget show;

	(void)state;
	budget_approve(&b, &most, UINT32_MAX, T0);
	budget_approve(&b, &most, UINT32_MAX, T0);
	assert_int_equal(budget_extra(&b, REC_CLOSE, T0), UINT32_MAX);
	budget_show(&b, &most, T0, &show);
	assert_int_equal(show.room[REC_CLOSE], UINT32_MAX);
	assert_true(budget_take(&b, &most, REC_CLOSE, UINT32_MAX, T0));
	assert_int_equal(budget_spent(&b, REC_CLOSE, T0), UINT32_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_hour_slides),
		cmocka_unit_test(a_clock_that_goes_back_frees_nothing),
		cmocka_unit_test(no_limit_counts_nothing),
		cmocka_unit_test(a_stop_stays_until_it_is_approved),
		cmocka_unit_test(without_limits_nothing_is_stopped),
		cmocka_unit_test(numbers_do_not_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
