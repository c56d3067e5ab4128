/*
 * Many threads on one store (for ThreadSanitizer above all), and reader slots that run out.
 */
#include "test_store_support.h"

#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

struct fixture {
	char *dir;
	struct store_options opt;
	struct store *s;
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->dir = support_dir();
	f->opt = support_options(f->dir);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	store_close(f->s);
	support_remove(f->dir);
	free(f->dir);
	free(f);
	return 0;
}

/* ---- counters that no thread may lose ---- */

#define WRITERS 4
#define READERS 3
#define COUNTERS 5
#define STEPS 150

struct work {
	struct store *s;
	unsigned index;
	atomic_bool *stop;
	unsigned conflicts;
	unsigned looks;
	const char *bad;
};

static uint64_t
number_of(const struct store_value *v)
{
	uint64_t n = 0;

	if (v->len == sizeof(n))
		memcpy(&n, v->data, sizeof(n));
	return n;
}

/* Both halves of a counter, as one snapshot has them. */
static const char *
look(struct store *s, unsigned counter, struct store_value v[2])
{
	static const enum store_table tables[2] = { STORE_TENANT, STORE_RESOURCE };
	struct store_read *r;
	const char *bad = NULL;
	uint64_t numbers[2];
	char key[32];

	(void)snprintf(key, sizeof(key), "counter%u", counter);
	if (store_read_begin(s, &r, NULL) != TD_OK)
		return "read";
	for (int i = 0; i < 2; i++) {
		if (store_get(r, tables[i], key, strlen(key), &v[i], NULL) != TD_OK)
			bad = "get";
		numbers[i] = number_of(&v[i]);
	}
	if (numbers[0] != numbers[1] || v[0].version != v[1].version)
		bad = "a snapshot with half a commit";
	store_read_end(r);
	v[0].len = numbers[0]; /* the bytes are gone with the snapshot */
	return bad;
}

static enum td_rc
step(struct work *w, unsigned counter)
{
	struct store_commit *c = store_commit_new(STORE_NORMAL);
	struct store_value v[2] = { 0 };
	uint64_t n;
	char key[32];

	w->bad = look(w->s, counter, v);
	(void)snprintf(key, sizeof(key), "counter%u", counter);
	n = v[0].len + 1;
	store_commit_expect(c, STORE_TENANT, key, strlen(key), v[0].version);
	store_commit_put(c, STORE_TENANT, key, strlen(key), &n, sizeof(n));
	store_commit_put(c, STORE_RESOURCE, key, strlen(key), &n, sizeof(n));
	store_commit_touch(c, key);
	store_commit_audit(c, &n, sizeof(n));
	return store_commit(w->s, c, NULL, NULL);
}

static void *
write_counters(void *arg)
{
	struct work *w = arg;

	for (unsigned i = 0; i < STEPS && w->bad == NULL; i++) {
		enum td_rc rc = step(w, (w->index + i) % COUNTERS);

		if (rc == TD_PRECONDITION) {
			w->conflicts++;
			i--;
		} else if (rc != TD_OK) {
			w->bad = "commit";
		}
	}
	return NULL;
}

static void *
read_counters(void *arg)
{
	struct work *w = arg;
	struct store_stats st;

	for (unsigned i = 0; !atomic_load(w->stop) && w->bad == NULL; i++) {
		struct store_value v[2];

		w->bad = look(w->s, i % COUNTERS, v);
		store_stats(w->s, &st);
		w->looks++;
	}
	return NULL;
}

static void
count_touch(void *ctx, const char *appid)
{
	assert_memory_equal(appid, "counter", 7);
	atomic_fetch_add((atomic_uint *)ctx, 1);
}

static void
test_no_increment_is_lost(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[WRITERS + READERS];
	struct work work[WRITERS + READERS];
	atomic_bool stop = false;
	atomic_uint touches = 0;
	uint64_t sum = 0, first, next;
	struct store_stats st;
	unsigned conflicts = 0;

	f->s = support_open(&f->opt);
	assert_int_equal(store_watch(f->s, count_touch, &touches), TD_OK);
	for (unsigned i = 0; i < WRITERS + READERS; i++) {
		work[i] = (struct work){ .s = f->s, .index = i, .stop = &stop };
		assert_int_equal(
			pthread_create(&threads[i], NULL,
				       i < WRITERS ? write_counters : read_counters,
				       &work[i]),
			0);
	}
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&stop, true);
	for (unsigned i = WRITERS; i < WRITERS + READERS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < WRITERS + READERS; i++) {
		if (work[i].bad != NULL)
			fail_msg("thread %u: %s", i, work[i].bad);
		conflicts += work[i].conflicts;
	}
	for (unsigned i = 0; i < COUNTERS; i++) {
		struct store_value v[2];
		assert_null(look(f->s, i, v));
		sum += v[0].len;
	}
	assert_int_equal(sum, WRITERS * STEPS);
	store_audit_range(f->s, &first, &next);
	assert_int_equal(next - first, WRITERS * STEPS);
	store_stats(f->s, &st);
	assert_int_equal(st.commits, WRITERS * STEPS);
	assert_int_equal(st.conflicts, conflicts);
	assert_int_equal(st.queue, 0);
	assert_true(touches > 0 && touches <= WRITERS * STEPS);
}

/* A thread that ends while the store lives gives its slot back; one that lives on when the
 * store is closed does no harm. */
static void *
read_once(void *arg)
{
	struct store_read *r;

	if (store_read_begin(arg, &r, NULL) != TD_OK)
		return arg;
	store_read_end(r);
	return NULL;
}

static void
test_many_short_threads_need_few_slots(void **state)
{
	struct fixture *f = *state;

	f->opt.max_readers = 4;
	f->s = support_open(&f->opt);
	for (int i = 0; i < 100; i++) {
		pthread_t t;
		void *bad;

		assert_int_equal(pthread_create(&t, NULL, read_once, f->s), 0);
		assert_int_equal(pthread_join(t, &bad), 0);
		assert_null(bad);
	}
}

struct holder {
	struct store *s;
	pthread_barrier_t *held, *release;
	enum td_rc rc;
};

static void *
hold_read(void *arg)
{
	struct holder *h = arg;
	struct store_read *r = NULL;

	h->rc = store_read_begin(h->s, &r, NULL);
	pthread_barrier_wait(h->held);
	pthread_barrier_wait(h->release);
	store_read_end(r);
	return NULL;
}

static void
test_all_reader_slots_taken(void **state)
{
	struct fixture *f = *state;
	pthread_barrier_t held, release;
	struct holder holders[4];
	pthread_t threads[4];
	struct td_err err = { .rc = TD_OK };
	struct store_read *r;

	f->opt.max_readers = 4;
	f->s = support_open(&f->opt);
	pthread_barrier_init(&held, NULL, 5);
	pthread_barrier_init(&release, NULL, 5);
	for (int i = 0; i < 4; i++) {
		holders[i] = (struct holder){ f->s, &held, &release, TD_OK };
		assert_int_equal(
			pthread_create(&threads[i], NULL, hold_read, &holders[i]), 0);
	}
	pthread_barrier_wait(&held);
	for (int i = 0; i < 4; i++)
		assert_int_equal(holders[i].rc, TD_OK);
	assert_int_equal(store_read_begin(f->s, &r, &err), TD_UNAVAILABLE);
	assert_non_null(strstr(err.detail, "store.max_readers"));
	/* The writer needs none. */
	assert_int_equal(support_put(f->s, STORE_NORMAL, "abc123", "x"), TD_OK);
	pthread_barrier_wait(&release);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_true(support_version(f->s, "abc123") > 0);
	pthread_barrier_destroy(&held);
	pthread_barrier_destroy(&release);
}

/* Slots of a process that was killed (somebody looked into the file with LMDB's tools). */
static void
take_all_slots(const char *path, int ready)
{
	MDB_env *env;
	MDB_txn *txn;
	bool any = false;

	if (mdb_env_create(&env) != 0 || mdb_env_set_mapsize(env, 64 * MIB) != 0 ||
	    mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOTLS | MDB_RDONLY, 0600) != 0)
		_exit(1);
	while (mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0)
		any = true;
	if (!any || write(ready, "x", 1) != 1)
		_exit(2);
	for (;;)
		pause();
}

static void
test_slots_of_the_dead_are_cleared(void **state)
{
	struct fixture *f = *state;
	struct store_read *r;
	char path[256], c;
	int ready[2], go[2], status;
	pid_t pid;

	/* The child first, while this process has no threads; it waits for the store. */
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	(void)snprintf(path, sizeof(path), "%s/control.mdb", f->dir);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (read(go[0], &c, 1) == 1)
			take_all_slots(path, ready[1]);
		_exit(3);
	}
	close(ready[1]);
	f->opt.max_readers = 4;
	f->s = support_open(&f->opt);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(store_read_begin(f->s, &r, NULL), TD_UNAVAILABLE);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(store_read_begin(f->s, &r, NULL), TD_OK);
	store_read_end(r);
	close(ready[0]);
	close(go[0]);
	close(go[1]);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_slots_of_the_dead_are_cleared),
		T(test_no_increment_is_lost),
		T(test_many_short_threads_need_few_slots),
		T(test_all_reader_slots_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
