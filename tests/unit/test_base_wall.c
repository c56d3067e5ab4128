/* The believed wall clock: base/wall.h. */
#include "base/wall.h"
#include "check.h"

#define T0 INT64_C(1800000000000)
#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define YEAR (8760 * HOUR)

static struct {
	int64_t wall, mono;
} clocks;

static int64_t
wall(void *ctx)
{
	(void)ctx;
	return clocks.wall;
}

static int64_t
mono(void *ctx)
{
	(void)ctx;
	return clocks.mono;
}

static const struct td_env env = { .now_ms = wall, .mono_ms = mono };

static void
pass(int64_t ms)
{
	clocks.wall += ms;
	clocks.mono += ms;
}

static void
begin(struct td_wall *w, int64_t settle, int64_t known)
{
	clocks.wall = T0;
	clocks.mono = 77;
	td_wall_init(w, &env, settle, known);
}

static void
check(struct td_wall *w, int64_t ms, int64_t ahead)
{
	assert_int_equal(td_wall_ms(w), ms);
	assert_int_equal(td_wall_ahead_ms(w), ahead);
}

static void
time_that_passed_is_believed(void **state)
{
	struct td_wall w;

	(void)state;
	begin(&w, HOUR, 0);
	check(&w, T0, 0);
	pass(10 * YEAR);
	check(&w, T0 + 10 * YEAR, 0);
	/* A small correction is none. */
	clocks.wall += TD_WALL_LEAP_MS;
	check(&w, T0 + 10 * YEAR + TD_WALL_LEAP_MS, 0);
	td_wall_done(&w);
}

static void
a_leap_ahead_waits_until_it_has_settled(void **state)
{
	struct td_wall w;

	(void)state;
	begin(&w, HOUR, 0);
	pass(MINUTE);
	clocks.wall += YEAR;
	check(&w, T0 + MINUTE, YEAR);
	pass(HOUR - 1);
	check(&w, T0 + MINUTE + HOUR - 1, YEAR);
	pass(1);
	check(&w, T0 + YEAR + MINUTE + HOUR, 0);
	td_wall_done(&w);
}

static void
a_leap_that_is_taken_back_was_none(void **state)
{
	struct td_wall w;

	(void)state;
	begin(&w, HOUR, 0);
	clocks.wall += YEAR;
	check(&w, T0, YEAR);
	pass(30 * MINUTE);
	clocks.wall -= YEAR;
	check(&w, T0 + 30 * MINUTE, 0);
	/* The next one has its own hour. */
	clocks.wall += YEAR;
	pass(40 * MINUTE);
	check(&w, T0 + 70 * MINUTE, YEAR);
	pass(40 * MINUTE);
	check(&w, T0 + 110 * MINUTE, YEAR);
	pass(20 * MINUTE);
	check(&w, T0 + YEAR + 130 * MINUTE, 0);
	td_wall_done(&w);
}

static void
a_leap_on_a_leap_begins_anew(void **state)
{
	struct td_wall w;

	(void)state;
	begin(&w, HOUR, 0);
	clocks.wall += YEAR;
	check(&w, T0, YEAR);
	pass(59 * MINUTE);
	clocks.wall += YEAR;
	check(&w, T0 + 59 * MINUTE, 2 * YEAR);
	pass(59 * MINUTE);
	check(&w, T0 + 118 * MINUTE, 2 * YEAR);
	pass(MINUTE);
	check(&w, T0 + 2 * YEAR + 119 * MINUTE, 0);
	td_wall_done(&w);
}

static void
a_clock_behind_is_believed(void **state)
{
	struct td_wall w;

	(void)state;
	begin(&w, HOUR, 0);
	clocks.wall -= YEAR;
	check(&w, T0 - YEAR, 0);
	/* Back again: a leap from where it was believed to be. */
	clocks.wall += YEAR;
	check(&w, T0 - YEAR, YEAR);
	td_wall_done(&w);
}

static void
a_start_goes_on_from_the_time_of_before(void **state)
{
	struct td_wall w;

	(void)state;
	begin(&w, HOUR, T0 - 2 * MINUTE);
	check(&w, T0, 0);
	td_wall_done(&w);
	begin(&w, HOUR, T0 - YEAR);
	check(&w, T0 - YEAR, YEAR);
	pass(HOUR);
	check(&w, T0 + HOUR, 0);
	td_wall_done(&w);
	/* What is known of a clock that was ahead and has been set right. */
	begin(&w, HOUR, T0 + YEAR);
	check(&w, T0, 0);
	td_wall_done(&w);
}

static void
without_a_settling_time_all_is_believed(void **state)
{
	struct td_wall w;

	(void)state;
	begin(&w, 0, T0 - YEAR);
	check(&w, T0, 0);
	clocks.wall += YEAR;
	check(&w, T0 + YEAR, 0);
	td_wall_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_that_passed_is_believed),
		cmocka_unit_test(a_leap_ahead_waits_until_it_has_settled),
		cmocka_unit_test(a_leap_that_is_taken_back_was_none),
		cmocka_unit_test(a_leap_on_a_leap_begins_anew),
		cmocka_unit_test(a_clock_behind_is_believed),
		cmocka_unit_test(a_start_goes_on_from_the_time_of_before),
		cmocka_unit_test(without_a_settling_time_all_is_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
