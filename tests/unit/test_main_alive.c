/*
 * A loop that hangs is noticed, one by one, with the real threads of a whole API: alive.h.
 * A thread is made to hang by what it waits for: a lock that the test holds, or a callback of
 * the test's that does not return. Only the drainer's figures are put before it.
 */
#include "alive.h"

#include "api/internal.h"
#include "engine/internal.h"
#include "test_api_support.h"

#include <semaphore.h>
#include <unistd.h>

#define LIMIT_MS 200
#define PATIENCE_MS 20000

static struct spool_stats *fake_spool;
static struct store_stats *fake_store;

void __real_spool_stats(struct spool_set *set, struct spool_stats *ret);
void __wrap_spool_stats(struct spool_set *set, struct spool_stats *ret);
void __real_store_stats(struct store *s, struct store_stats *ret);
void __wrap_store_stats(struct store *s, struct store_stats *ret);

void
__wrap_spool_stats(struct spool_set *set, struct spool_stats *ret)
{
	__real_spool_stats(set, ret);
	if (fake_spool != NULL)
		*ret = *fake_spool;
}

void
__wrap_store_stats(struct store *s, struct store_stats *ret)
{
	__real_store_stats(s, ret);
	if (fake_store != NULL)
		*ret = *fake_store;
}

/* One for all tests: the writer may answer late, when a test is over. */
static struct alive a;

/* What is said of it before long: `name`, NULL for nothing. */
static void
expect(const char *name)
{
	int64_t until = td_mono_ms(a.env) + PATIENCE_MS;
	const char *said;

	do {
		said = alive_stuck(&a, LIMIT_MS);
		if (said == name ||
		    (said != NULL && name != NULL && strcmp(said, name) == 0))
			return;
		usleep(20000);
	} while (td_mono_ms(a.env) < until);
	fail_msg("said \"%s\", not \"%s\"", said != NULL ? said : "nothing",
		 name != NULL ? name : "nothing");
}

/* For a while longer than the limit nothing is said. */
static void
expect_well(void)
{
	int64_t until = td_mono_ms(a.env) + 2 * LIMIT_MS;

	while (td_mono_ms(a.env) < until) {
		/* A loaded machine may be late once: what counts is that it comes. */
		expect(NULL);
		usleep(20000);
	}
}

static void
idle_loops_are_alive(void **state)
{
	(void)state;
	expect_well();
}

static void
a_dispatcher_that_hangs_is_named(void **state)
{
	struct bed *bed = *state;

	pthread_mutex_lock(&bed->engine->lock);
	expect("the dispatcher");
	pthread_mutex_unlock(&bed->engine->lock);
	expect_well();
}

static void
an_api_thread_that_hangs_is_named(void **state)
{
	struct bed *bed = *state;
	struct api_thread *last = &bed->api->threads[bed->api->thread_count - 1];

	assert_true(bed->api->thread_count > 1);
	pthread_mutex_lock(&last->lock);
	expect("an API thread");
	pthread_mutex_unlock(&last->lock);
	expect_well();
}

static void
hang(void *ctx, enum td_rc rc, uint64_t version, const struct td_err *err)
{
	(void)rc;
	(void)version;
	(void)err;
	while (sem_wait(ctx) != 0)
		continue;
}

static void
a_writer_that_hangs_is_named(void **state)
{
	struct bed *bed = *state;
	sem_t go;

	assert_int_equal(sem_init(&go, 0, 0), 0);
	store_submit(bed->store, store_commit_new(STORE_RESERVE), hang, &go);
	expect("the store's writer");
	assert_int_equal(sem_post(&go), 0);
	expect_well();
	sem_destroy(&go);
}

static void
asking_the_writer_writes_nothing(void **state)
{
	struct bed *bed = *state;
	struct store_stats before, after;

	store_stats(bed->store, &before);
	expect_well();
	store_stats(bed->store, &after);
	assert_int_equal(after.commits, before.commits);
	assert_int_equal(after.failures, before.failures);
	assert_true(after.conflicts > before.conflicts);
}

static void
a_drainer_that_hangs_is_named_unless_the_store_is_at_fault(void **state)
{
	struct spool_stats spool = { .waiting_bytes = 100, .drained = 7 };
	struct store_stats store = { .full = false };

	(void)state;
	fake_spool = &spool;
	fake_store = &store;
	expect("the spool's drainer");
	spool.drained++;
	expect(NULL);
	expect("the spool's drainer");
	store.full = true;
	expect_well();
	store.full = false;
	store.ballast_used = true;
	expect_well();
	store.ballast_used = false;
	store.broken = true;
	expect_well();
	store.broken = false;
	expect("the spool's drainer");
	spool.waiting_bytes = 0;
	expect_well();
	fake_spool = NULL;
	fake_store = NULL;
}

static int
setup(void **state)
{
	struct bed *bed = bed_new(&(struct bed_options){ .threads = 2 });

	a = (struct alive){ .api = bed->api,
			    .engine = bed->engine,
			    .store = bed->store,
			    .spools = bed->spools,
			    .env = td_env_system() };
	*state = bed;
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_loops_are_alive),
		cmocka_unit_test(a_dispatcher_that_hangs_is_named),
		cmocka_unit_test(an_api_thread_that_hangs_is_named),
		cmocka_unit_test(a_writer_that_hangs_is_named),
		cmocka_unit_test(asking_the_writer_writes_nothing),
		cmocka_unit_test(
			a_drainer_that_hangs_is_named_unless_the_store_is_at_fault),
	};

	return cmocka_run_group_tests(tests, setup, bed_teardown);
}
