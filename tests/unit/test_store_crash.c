/*
 * kill -9 of a process that commits: what it was told is durable is there afterwards, whole,
 * and no version or audit sequence is given twice.
 */
#include "test_store_support.h"

#include <endian.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#define THREADS 4

/* What the child says after a commit was acknowledged. */
struct ack {
	uint32_t thread, number;
	uint64_t version;
};

struct child_thread {
	struct store *s;
	uint32_t index, first;
};

/* Two records and an audit entry per commit, named after thread and number. */
static void *
commit_for_ever(void *arg)
{
	struct child_thread *t = arg;

	for (uint32_t i = t->first;; i++) {
		struct store_commit *c = store_commit_new(STORE_NORMAL);
		struct ack ack = { .thread = t->index, .number = i };
		char key[32];

		(void)snprintf(key, sizeof(key), "t%u.%08u", t->index, i);
		store_commit_expect(c, STORE_TENANT, key, strlen(key), 0);
		store_commit_put(c, STORE_TENANT, key, strlen(key), &i, sizeof(i));
		store_commit_put(c, STORE_RESOURCE, key, strlen(key), &i, sizeof(i));
		store_commit_audit(c, key, strlen(key));
		if (store_commit(t->s, c, &ack.version, NULL) != TD_OK ||
		    write(STDOUT_FILENO, &ack, sizeof(ack)) != sizeof(ack))
			_exit(1);
	}
	return NULL;
}

static int
run_child(const char *dir, uint32_t first)
{
	struct store_options opt = support_options(dir);
	struct store *s = support_open(&opt);
	struct child_thread threads[THREADS];

	for (uint32_t i = 0; i < THREADS; i++) {
		pthread_t t;

		threads[i] = (struct child_thread){ s, i, first };
		if (pthread_create(&t, NULL, commit_for_ever, &threads[i]) != 0)
			return 1;
	}
	for (;;)
		pause();
}

#define ACKS_MAX 20000
static struct ack acks[ACKS_MAX];
static unsigned ack_count;

/* Start it, wait for `wanted` acknowledgements, kill it. All that it gave are kept. */
static void
kill_child(const char *dir, uint32_t first, unsigned wanted)
{
	extern char **environ;
	char number[16], child[] = "--child", self[] = "/proc/self/exe";
	char *dir_arg = strdup(dir);
	char *argv[] = { self, child, dir_arg, number, NULL };
	posix_spawn_file_actions_t actions;
	int out[2], status;
	pid_t pid;

	(void)snprintf(number, sizeof(number), "%u", first);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	assert_int_equal(posix_spawn(&pid, self, &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(out[1]);
	wanted += ack_count;
	while (ack_count < ACKS_MAX &&
	       read(out[0], &acks[ack_count], sizeof(acks[0])) == sizeof(acks[0])) {
		if (++ack_count == wanted)
			assert_int_equal(kill(pid, SIGKILL), 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_true(ack_count >= wanted && ack_count < ACKS_MAX);
	close(out[0]);
	free(dir_arg);
}

struct count {
	uint64_t records, last_sequence, last_version;
};

static enum td_rc
count_audit(void *ctx, const void *key, size_t key_len, const struct store_value *v)
{
	struct count *c = ctx;
	uint64_t be;

	assert_int_equal(key_len, sizeof(be));
	memcpy(&be, key, sizeof(be));
	assert_int_equal(be64toh(be), c->last_sequence + 1);
	/* One entry per commit, so versions grow with the sequence. */
	assert_true(v->version > c->last_version);
	c->last_sequence++;
	c->last_version = v->version;
	return TD_OK;
}

static void
check_acks(struct store_read *r)
{
	for (unsigned i = 0; i < ack_count; i++) {
		struct store_value v[2];
		char key[32];

		(void)snprintf(key, sizeof(key), "t%u.%08u", acks[i].thread,
			       acks[i].number);
		assert_int_equal(
			store_get(r, STORE_TENANT, key, strlen(key), &v[0], NULL), 0);
		assert_int_equal(
			store_get(r, STORE_RESOURCE, key, strlen(key), &v[1], NULL), 0);
		if (v[0].version != acks[i].version || v[1].version != acks[i].version)
			fail_msg("%s: acknowledged as version %lu, found %lu and %lu",
				 key, (unsigned long)acks[i].version,
				 (unsigned long)v[0].version,
				 (unsigned long)v[1].version);
		assert_int_equal(v[0].len, sizeof(acks[i].number));
		assert_memory_equal(v[0].data, &acks[i].number, sizeof(acks[i].number));
	}
}

static void
test_what_was_acknowledged_is_there(void **state)
{
	char *dir = support_dir();
	struct store_options opt = support_options(dir);

	(void)state;
	for (unsigned round = 0; round < 15; round++) {
		unsigned wanted = 1 + (unsigned)td_random_below(td_env_system(), 400);
		struct count count = { 0 };
		struct store *s;
		struct store_read *r;
		uint64_t first, next;

		kill_child(dir, round * 100000, wanted);
		s = support_open(&opt);
		assert_int_equal(store_read_begin(s, &r, NULL), TD_OK);
		check_acks(r);
		/* Not acknowledged, but there: then whole. */
		assert_int_equal(
			store_walk(r, STORE_AUDIT, NULL, count_audit, &count, NULL),
			TD_OK);
		assert_int_equal(store_count(r, STORE_TENANT), count.last_sequence);
		assert_int_equal(store_count(r, STORE_RESOURCE), count.last_sequence);
		assert_true(count.last_sequence >= ack_count);
		/* What was in flight: one commit per thread and round at the most. */
		assert_true(count.last_sequence <= ack_count + THREADS * (round + 1));
		store_read_end(r);
		store_audit_range(s, &first, &next);
		assert_int_equal(next, count.last_sequence + 1);
		store_close(s);
	}
	support_remove(dir);
	free(dir);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_acknowledged_is_there),
	};

	if (argc == 4 && strcmp(argv[1], "--child") == 0)
		return run_child(argv[2], (uint32_t)strtoul(argv[3], NULL, 10));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
