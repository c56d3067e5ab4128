/* The worker pool: base/worker.h. */
#include "alloc_fail.h"
#include "base/worker.h"
#include "check.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static struct td_pool *
pool_of(unsigned threads, unsigned queue_max)
{
	struct td_pool_options opt = { "test", threads, queue_max };
	struct td_pool *pool = NULL;

	assert_int_equal(td_pool_new(&opt, &pool, NULL), TD_OK);
	return pool;
}

static void
count(void *ctx)
{
	atomic_fetch_add((atomic_int *)ctx, 1);
}

static void
every_job_runs_once_before_free_returns(void **state)
{
	static atomic_int runs[5000];
	struct td_pool *pool = pool_of(4, 5000);

	(void)state;
	for (int i = 0; i < 5000; i++)
		assert_int_equal(td_pool_submit(pool, count, &runs[i]), TD_OK);
	td_pool_free(pool);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(atomic_load(&runs[i]), 1);
	td_pool_free(NULL);
}

struct gate {
	sem_t entered, open;
};

static void
wait_at(void *ctx)
{
	struct gate *g = ctx;

	sem_post(&g->entered);
	sem_wait(&g->open);
}

static void
a_full_queue_refuses_and_recovers(void **state)
{
	struct td_pool *pool = pool_of(1, 100);
	atomic_int runs = 0;
	struct gate g;

	(void)state;
	sem_init(&g.entered, 0, 0);
	sem_init(&g.open, 0, 0);
	assert_int_equal(td_pool_submit(pool, wait_at, &g), TD_OK);
	sem_wait(&g.entered);
	/* The only thread is busy: the queue alone counts now. The ring has to grow once,
	 * from 64 places. */
	for (int i = 0; i < 100; i++)
		assert_int_equal(td_pool_submit(pool, count, &runs), TD_OK);
	assert_int_equal(td_pool_submit(pool, count, &runs), TD_UNAVAILABLE);
	sem_post(&g.open);
	td_pool_free(pool);
	assert_int_equal(atomic_load(&runs), 100);
	sem_destroy(&g.entered);
	sem_destroy(&g.open);
}

struct resubmit {
	struct gate gate;
	struct td_pool *pool;
	atomic_int runs;
	enum td_rc rc;
};

/* Starts while the pool runs, submits until it hears that the pool is stopping. */
static void
submit_until_refused(void *ctx)
{
	struct resubmit *r = ctx;

	sem_post(&r->gate.entered);
	do {
		r->rc = td_pool_submit(r->pool, count, &r->runs);
	} while (r->rc == TD_OK);
}

static void
a_stopping_pool_takes_nothing_new(void **state)
{
	struct resubmit r = { .pool = pool_of(2, 1000000) };

	(void)state;
	sem_init(&r.gate.entered, 0, 0);
	assert_int_equal(td_pool_submit(r.pool, submit_until_refused, &r), TD_OK);
	sem_wait(&r.gate.entered);
	td_pool_free(r.pool);
	assert_int_equal(r.rc, TD_UNAVAILABLE);
	sem_destroy(&r.gate.entered);
}

struct seen {
	sigset_t mask;
	char name[16];
};

static void
look(void *ctx)
{
	struct seen *s = ctx;

	pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
	pthread_getname_np(pthread_self(), s->name, sizeof(s->name));
}

static void
signals_belong_to_main(void **state)
{
	struct td_pool *pool = pool_of(1, 1);
	sigset_t ours;
	struct seen s;

	(void)state;
	assert_int_equal(td_pool_submit(pool, look, &s), TD_OK);
	td_pool_free(pool);
	assert_int_equal(sigismember(&s.mask, SIGTERM), 1);
	assert_int_equal(sigismember(&s.mask, SIGHUP), 1);
	assert_string_equal(s.name, "test-0");
	pthread_sigmask(SIG_SETMASK, NULL, &ours);
	assert_int_equal(sigismember(&ours, SIGTERM), 0);
}

static void
options_out_of_range_are_refused(void **state)
{
	static const struct row {
		const char *says;
		struct td_pool_options opt;
	} rows[] = {
		{ "no thread", { "x", 0, 1 } },
		{ "too many threads", { "x", 257, 1 } },
		{ "no queue", { "x", 1, 0 } },
		{ "too long a queue", { "x", 1, 1000001 } },
		{ "too long a name", { "elevenbytes", 1, 1 } },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct td_pool *pool = NULL;

		CHECK(row->says, td_pool_new(&row->opt, &pool, NULL) == TD_INVALID);
		CHECK(row->says, pool == NULL);
	}
}

static void
no_memory_is_told_and_loses_no_job(void **state)
{
	struct td_pool_options opt = { "test", 1, 1000 };
	struct td_pool *pool = NULL;
	atomic_int runs = 0;
	struct gate g;

	(void)state;
	for (long n = 0; n < 2; n++) {
		alloc_fail_at(n);
		assert_int_equal(td_pool_new(&opt, &pool, NULL), TD_NOMEM);
		assert_true(alloc_fail_off());
	}
	pool = pool_of(1, 1000);
	sem_init(&g.entered, 0, 0);
	sem_init(&g.open, 0, 0);
	assert_int_equal(td_pool_submit(pool, wait_at, &g), TD_OK);
	sem_wait(&g.entered);
	for (int i = 0; i < 64; i++)
		assert_int_equal(td_pool_submit(pool, count, &runs), TD_OK);
	alloc_fail_at(0);
	assert_int_equal(td_pool_submit(pool, count, &runs), TD_NOMEM);
	assert_true(alloc_fail_off());
	assert_int_equal(td_pool_submit(pool, count, &runs), TD_OK);
	sem_post(&g.open);
	td_pool_free(pool);
	assert_int_equal(atomic_load(&runs), 65);
	sem_destroy(&g.entered);
	sem_destroy(&g.open);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_job_runs_once_before_free_returns),
		cmocka_unit_test(a_full_queue_refuses_and_recovers),
		cmocka_unit_test(a_stopping_pool_takes_nothing_new),
		cmocka_unit_test(signals_belong_to_main),
		cmocka_unit_test(options_out_of_range_are_refused),
		cmocka_unit_test(no_memory_is_told_and_loses_no_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
