/* Clock, chance and times as text: base/env.h. */
#include "base/env.h"
#include "check.h"

#include <string.h>
#include <time.h>

static void
the_real_clocks_run_forward(void **state)
{
	const struct td_env *env = td_env_system();
	int64_t now = td_now_ms(env), mono = td_mono_ms(env), later;

	(void)state;
	assert_true(now > INT64_C(1700000000000));
	td_sleep_ms(env, 5);
	later = td_mono_ms(env);
	assert_true(later >= mono + 4);
	td_sleep_ms(env, -1);
}

static void
chance_differs(void **state)
{
	unsigned char a[32] = { 0 }, b[32] = { 0 };

	(void)state;
	td_random(td_env_system(), a, sizeof(a));
	td_random(td_env_system(), b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	td_random(td_env_system(), a, 0);
}

/* Gives scripted numbers, so that the border cases of td_random_below can be met. */
static void
scripted(void *ctx, void *buf, size_t len)
{
	const uint64_t **next = ctx;

	assert_int_equal(len, sizeof(uint64_t));
	memcpy(buf, (*next)++, sizeof(uint64_t));
}

static void
below_is_uniform_at_its_border(void **state)
{
	static const uint64_t numbers[] = { UINT64_MAX, UINT64_MAX - 1, 5 };
	const uint64_t *next = numbers;
	struct td_env env = { .ctx = &next, .random = scripted };

	(void)state;
	/* 2^64 - 1 is a multiple of 5 and of 3: the largest number alone is left out. */
	assert_true(td_random_below(&env, 5) == (UINT64_MAX - 1) % 5);
	assert_ptr_equal(next, numbers + 2);
	assert_true(td_random_below(&env, 5) == 0);
	next = numbers;
	/* Above half the range nearly every second number has to go. */
	assert_true(td_random_below(&env, (UINT64_C(1) << 63) + 1) == 5);
	assert_ptr_equal(next, numbers + 3);
	next = numbers + 1;
	assert_true(td_random_below(&env, 1) == 0);
}

static void
below_reaches_every_value(void **state)
{
	unsigned seen[6] = { 0 };

	(void)state;
	for (int i = 0; i < 6000; i++) {
		uint64_t v = td_random_below(td_env_system(), 6);

		assert_true(v < 6);
		seen[v]++;
	}
	/* 1,000 expected; 8 standard deviations are 231. */
	for (int i = 0; i < 6; i++)
		assert_true(seen[i] > 750 && seen[i] < 1250);
}

static void
text_agrees_with_the_c_library_on_every_date(void **state)
{
	(void)state;
	/* A step of 40 days and some hours meets all months and leap rules until 9999. */
	for (int64_t t = 0; t < INT64_C(253402300800); t += 3467891) {
		time_t seconds = (time_t)t;
		struct tm tm;
		char ours[TD_TIME_TEXT], theirs[TD_TIME_TEXT];
		int64_t back;

		assert_non_null(gmtime_r(&seconds, &tm));
		strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%S.789Z", &tm);
		td_time_text(t * 1000 + 789, ours);
		assert_string_equal(ours, theirs);
		assert_true(td_time_parse(ours, &back));
		assert_true(back == t * 1000 + 789);
	}
}

static void
what_has_no_text_is_clamped(void **state)
{
	char text[TD_TIME_TEXT];

	(void)state;
	td_time_text(-1, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
	td_time_text(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

static void
rfc_3339_is_read_and_nothing_else(void **state)
{
	static const struct row {
		const char *in;
		bool ok;
		int64_t ms;
	} rows[] = {
		/* The examples of RFC 3339, section 5.8. */
		{ "1985-04-12T23:20:50.52Z", true, INT64_C(482196050520) },
		{ "1996-12-19T16:39:57-08:00", true, INT64_C(851042397000) },
		{ "1990-12-31T23:59:60Z", true, INT64_C(662688000000) },
		{ "1990-12-31T15:59:60-08:00", true, INT64_C(662688000000) },
		{ "1937-01-01T12:00:27.87+00:20", true, INT64_C(-1041337172130) },
		{ "1970-01-01t00:00:00z", true, 0 },
		{ "1970-01-01T00:00:00.1239999Z", true, 123 },
		{ "2000-02-29T00:00:00Z", true, INT64_C(951782400000) },
		{ "1900-02-29T00:00:00Z", false, 0 },
		{ "2001-02-29T00:00:00Z", false, 0 },
		{ "2001-04-31T00:00:00Z", false, 0 },
		{ "2001-13-01T00:00:00Z", false, 0 },
		{ "2001-00-01T00:00:00Z", false, 0 },
		{ "2001-01-00T00:00:00Z", false, 0 },
		{ "2001-01-01T24:00:00Z", false, 0 },
		{ "2001-01-01T00:60:00Z", false, 0 },
		{ "2001-01-01T00:00:61Z", false, 0 },
		{ "2001-01-01T00:00:00", false, 0 },
		{ "2001-01-01T00:00:00.Z", false, 0 },
		{ "2001-01-01T00:00:00+0100", false, 0 },
		{ "2001-01-01T00:00:00+24:00", false, 0 },
		{ "2001-01-01T00:00:00Zx", false, 0 },
		{ "2001-01-01 00:00:00Z", false, 0 },
		{ "2001-1-01T00:00:00Z", false, 0 },
		{ "+001-01-01T00:00:00Z", false, 0 },
		{ "2001-01-01", false, 0 },
		{ "", false, 0 },
	};

	(void)state;
	for (EACH(row, rows)) {
		int64_t ms = 0;

		CHECK(row->in, td_time_parse(row->in, &ms) == row->ok);
		CHECK(row->in, ms == row->ms);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_real_clocks_run_forward),
		cmocka_unit_test(chance_differs),
		cmocka_unit_test(below_is_uniform_at_its_border),
		cmocka_unit_test(below_reaches_every_value),
		cmocka_unit_test(text_agrees_with_the_c_library_on_every_date),
		cmocka_unit_test(what_has_no_text_is_clamped),
		cmocka_unit_test(rfc_3339_is_read_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
