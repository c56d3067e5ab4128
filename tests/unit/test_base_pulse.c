/* Who owes a sign of life, and for how long: base/pulse.h. */
#include "base/pulse.h"

#include "check.h"

#include <pthread.h>

static void
a_question_is_open_until_it_is_answered(void **state)
{
	struct td_pulse p = { 0 };

	(void)state;
	assert_false(td_pulse_open(&p));
	assert_int_equal(td_pulse_ask(&p, 1000), 0);
	assert_true(td_pulse_open(&p));
	assert_int_equal(td_pulse_ask(&p, 1700), 700);
	assert_int_equal(td_pulse_ask(&p, 9000), 8000);
	td_pulse_answer(&p);
	assert_false(td_pulse_open(&p));
	assert_int_equal(td_pulse_ask(&p, 9500), 0);
	assert_int_equal(td_pulse_ask(&p, 9600), 100);
}

static void
an_answer_before_the_question_is_none(void **state)
{
	struct td_pulse p = { 0 };

	(void)state;
	td_pulse_answer(&p);
	assert_int_equal(td_pulse_ask(&p, 10), 0);
	assert_int_equal(td_pulse_ask(&p, 50), 40);
	td_pulse_answer(&p);
	td_pulse_answer(&p);
	assert_int_equal(td_pulse_ask(&p, 60), 0);
	assert_int_equal(td_pulse_ask(&p, 90), 30);
}

struct loop {
	struct td_pulse pulse;
	atomic_bool stop;
};

static void *
loop_main(void *ctx)
{
	struct loop *l = ctx;

	while (!atomic_load(&l->stop))
		td_pulse_answer(&l->pulse);
	return NULL;
}

static void
a_loop_in_another_thread_answers_every_time(void **state)
{
	struct loop l = { 0 };
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, loop_main, &l), 0);
	for (int64_t i = 0; i < 1000; i++) {
		assert_int_equal(td_pulse_ask(&l.pulse, i), 0);
		while (td_pulse_open(&l.pulse))
			continue;
	}
	atomic_store(&l.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	/* It ended: now nobody answers. */
	assert_int_equal(td_pulse_ask(&l.pulse, 5000), 0);
	assert_int_equal(td_pulse_ask(&l.pulse, 6000), 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_is_open_until_it_is_answered),
		cmocka_unit_test(an_answer_before_the_question_is_none),
		cmocka_unit_test(a_loop_in_another_thread_answers_every_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
