/*
 * The audit spool: order, crash at every byte, a killed process, a store that takes nothing.
 */
#include "test_store_support.h"

#include "store/crc32c.h"
#include "store/spool.h"
#include "store/spool_ring.h"

#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SPOOL_BYTES (64u * 1024)

struct fixture {
	char *dir;
	char state_dir[128], spool_dir[128];
	struct store_options store_opt;
	struct spool_options opt;
	struct store *s;
	struct spool_set *set;
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->dir = support_dir();
	(void)snprintf(f->state_dir, sizeof(f->state_dir), "%s/state", f->dir);
	(void)snprintf(f->spool_dir, sizeof(f->spool_dir), "%s/spool", f->dir);
	f->store_opt = support_options(f->state_dir);
	f->opt = (struct spool_options){ .dir = f->spool_dir,
					 .count = 1,
					 .bytes = SPOOL_BYTES,
					 .drain_ms = 20,
					 .env = td_env_system() };
	*state = f;
	return 0;
}

static void
close_all(struct fixture *f)
{
	spool_close(f->set);
	store_close(f->s);
	f->set = NULL;
	f->s = NULL;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	close_all(f);
	support_remove(f->dir);
	free(f->dir);
	free(f);
	return 0;
}

static void
open_all(struct fixture *f)
{
	struct td_err err = { .rc = TD_OK };

	close_all(f);
	f->s = support_open(&f->store_opt);
	if (spool_open(&f->opt, f->s, &f->set, &err) != TD_OK)
		fail_msg("spool_open: %s", err.detail);
}

/* An entry as of a real one's size, that says which one it is. */
struct entry {
	uint64_t time;
	unsigned spool;
	unsigned number;
	char text[130];
};

static enum td_rc
append(struct fixture *f, unsigned spool, unsigned number)
{
	struct entry e = { .time = 1, .spool = spool, .number = number };
	/* Lengths that are no multiples of anything. */
	size_t len = sizeof(e) - number % 37;

	memset(e.text, 'a' + (int)(number % 26), sizeof(e.text));
	return spool_append(spool_get(f->set, spool), &e, len);
}

static void
flush(struct fixture *f)
{
	struct td_err err = { .rc = TD_OK };

	if (spool_flush(f->set, 20000, &err) != TD_OK)
		fail_msg("spool_flush: %s", err.detail);
}

struct tally {
	unsigned next[64]; /* per spool: the number that must come */
	uint64_t sequence;
};

static enum td_rc
check_entry(void *ctx, const void *key, size_t key_len, const struct store_value *v)
{
	struct tally *t = ctx;
	struct entry e = { 0 };
	uint64_t be;

	assert_int_equal(key_len, sizeof(be));
	memcpy(&be, key, sizeof(be));
	assert_int_equal(be64toh(be), t->sequence + 1);
	t->sequence++;
	assert_true(v->len <= sizeof(e) && v->len >= sizeof(e) - 36);
	memcpy(&e, v->data, v->len);
	assert_int_equal(v->len, sizeof(e) - e.number % 37);
	assert_true(e.spool < 64);
	if (e.number != t->next[e.spool])
		fail_msg("spool %u: entry %u instead of %u", e.spool, e.number,
			 t->next[e.spool]);
	assert_int_equal(e.text[5], 'a' + (int)(e.number % 26));
	t->next[e.spool]++;
	return TD_OK;
}

/* All entries of each spool are in the audit table, once and in order; how many. */
static struct tally
check_audit(struct fixture *f)
{
	struct tally t = { .sequence = 0 };
	struct store_read *r;

	assert_int_equal(store_read_begin(f->s, &r, NULL), TD_OK);
	assert_int_equal(store_walk(r, STORE_AUDIT, NULL, check_entry, &t, NULL), TD_OK);
	store_read_end(r);
	return t;
}

static struct spool_stats
stats(struct fixture *f)
{
	struct spool_stats st;

	spool_stats(f->set, &st);
	return st;
}

static void
test_crc32c_known_answers(void **state)
{
	/* RFC 3720 B.4 */
	unsigned char b[32];

	(void)state;
	memset(b, 0, sizeof(b));
	assert_int_equal(crc32c(0, b, sizeof(b)), 0x8a9136aa);
	memset(b, 0xff, sizeof(b));
	assert_int_equal(crc32c(0, b, sizeof(b)), 0x62a8ab43);
	for (unsigned i = 0; i < sizeof(b); i++)
		b[i] = (unsigned char)i;
	assert_int_equal(crc32c(0, b, sizeof(b)), 0x46dd794e);
	assert_int_equal(crc32c(crc32c(0, b, 13), b + 13, 19), 0x46dd794e);
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	/* Both ways to it, at every length and alignment. */
	for (size_t at = 0; at < 8; at++)
		for (size_t len = 0; len <= sizeof(b) - at; len++)
			assert_int_equal(crc32c(7, b + at, len),
					 crc32c_by_tables(7, b + at, len));
}

static void
test_entries_come_out_in_order_many_laps_long(void **state)
{
	struct fixture *f = *state;

	f->opt.count = 3;
	open_all(f);
	assert_null(spool_get(f->set, 3));
	for (unsigned i = 0; i < 6000; i++) {
		for (unsigned n = 0; n < 3; n++) {
			while (append(f, n, i) == TD_UNAVAILABLE)
				flush(f);
		}
	}
	flush(f);
	struct tally t = check_audit(f);
	for (unsigned n = 0; n < 3; n++)
		assert_int_equal(t.next[n], 6000);
	assert_int_equal(stats(f).drained, 18000);
	assert_int_equal(stats(f).appended, 18000);
	assert_int_equal(stats(f).waiting_bytes, 0);
	assert_false(stats(f).failing);
	open_all(f);
	assert_int_equal(check_audit(f).sequence, 18000);
}

/* Without a flush: the drainer is woken by the first append after a rest. */
static void
test_entries_are_in_the_store_soon(void **state)
{
	struct fixture *f = *state;

	open_all(f);
	for (unsigned i = 0; i < 20; i++) {
		int64_t start = td_mono_ms(td_env_system());

		assert_int_equal(append(f, 0, i), TD_OK);
		while (stats(f).drained < i + 1) {
			/* The promise is 100 ms; a loaded machine gets 5 s before we
			 * call it broken. */
			assert_true(td_mono_ms(td_env_system()) - start < 5000);
			td_sleep_ms(td_env_system(), 1);
		}
	}
	check_audit(f);
}

static void
test_what_append_refuses(void **state)
{
	static const char big[STORE_VALUE_MAX + 1];
	struct fixture *f = *state;

	open_all(f);
	assert_int_equal(spool_append(spool_get(f->set, 0), big, 0), TD_INVALID);
	assert_int_equal(spool_append(spool_get(f->set, 0), big, sizeof(big)),
			 TD_INVALID);
	assert_int_equal(spool_append(spool_get(f->set, 0), big, STORE_VALUE_MAX), TD_OK);
	flush(f);
	f->opt.bytes = 1000;
	struct spool_set *set;
	assert_int_equal(spool_open(&f->opt, f->s, &set, NULL), TD_INVALID);
}

/* ---- a store that takes nothing ---- */

static void
fill_store(struct fixture *f)
{
	char value[1901], key[32];
	enum td_rc rc = TD_OK;

	memset(value, 'v', 1900);
	value[1900] = '\0';
	for (unsigned i = 0; rc == TD_OK; i++) {
		(void)snprintf(key, sizeof(key), "fill%06u", i);
		rc = support_put(f->s, STORE_RESERVE, key, value);
	}
	/* To the last byte: an entry of audit is smaller. */
	for (unsigned i = 0; rc != TD_OK && i < 2000; i++) {
		(void)snprintf(key, sizeof(key), "small%06u", i);
		if (support_put(f->s, STORE_RESERVE, key, "x") != TD_OK)
			break;
	}
	assert_int_equal(rc, TD_STORE_FULL);
}

static void
make_room(struct fixture *f)
{
	struct store_commit *c = store_commit_new(STORE_RESERVE);

	store_commit_del_prefix(c, STORE_TENANT, "fill", 4);
	assert_int_equal(store_commit(f->s, c, NULL, NULL), TD_OK);
}

static void
wait_failing(struct fixture *f, bool want)
{
	int64_t start = td_mono_ms(td_env_system());

	while (stats(f).failing != want) {
		assert_true(td_mono_ms(td_env_system()) - start < 10000);
		td_sleep_ms(td_env_system(), 1);
	}
}

static void
test_a_full_store_stops_the_reads_and_recovers(void **state)
{
	struct fixture *f = *state;
	unsigned n = 0;

	f->store_opt.max_bytes = 1 * MIB;
	f->store_opt.reserve_bytes = 256 * 1024;
	f->opt.env = &support_env;
	open_all(f);
	fill_store(f);
	/* Within the second, appends go on, as long as there is room. */
	assert_int_equal(append(f, 0, n++), TD_OK);
	wait_failing(f, true);
	assert_int_equal(append(f, 0, n++), TD_OK);
	assert_int_equal(stats(f).error.rc, TD_STORE_FULL);
	atomic_fetch_add(&clock_ms, 1001);
	assert_int_equal(append(f, 0, n), TD_UNAVAILABLE);
	assert_int_equal(stats(f).refused, 1);
	assert_int_equal(stats(f).drained, 0);
	/* Room again: by itself, without an append. */
	make_room(f);
	wait_failing(f, false);
	assert_int_equal(append(f, 0, n++), TD_OK);
	flush(f);
	assert_int_equal(check_audit(f).next[0], n);
}

static void
test_a_full_spool_refuses(void **state)
{
	struct fixture *f = *state;
	unsigned n = 0;

	f->store_opt.max_bytes = 1 * MIB;
	f->store_opt.reserve_bytes = 256 * 1024;
	f->opt.env = &support_env; /* the second never passes */
	open_all(f);
	fill_store(f);
	while (append(f, 0, n) == TD_OK)
		n++;
	assert_true(n > 350 && n < 600);
	assert_true(stats(f).waiting_bytes > SPOOL_BYTES - 4096 - 200);
	assert_int_equal(spool_flush(f->set, 0, NULL), TD_TIMEOUT);
	/* Closed and opened again with the store still full: nothing lost, still refused. */
	open_all(f);
	assert_true(stats(f).failing);
	assert_int_equal(append(f, 0, n), TD_UNAVAILABLE);
	make_room(f);
	flush(f);
	assert_int_equal(check_audit(f).next[0], n);
	assert_int_equal(append(f, 0, n), TD_OK);
	flush(f);
	assert_int_equal(check_audit(f).next[0], n + 1);
}

/* ---- more or fewer threads, other sizes ---- */

static unsigned
count_files(struct fixture *f)
{
	DIR *d = opendir(f->spool_dir);
	unsigned n = 0;

	assert_non_null(d);
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void
test_fewer_spools_and_other_sizes(void **state)
{
	struct fixture *f = *state;

	f->store_opt.max_bytes = 1 * MIB;
	f->store_opt.reserve_bytes = 256 * 1024;
	f->opt.count = 4;
	open_all(f);
	fill_store(f);
	for (unsigned n = 0; n < 4; n++)
		assert_int_equal(append(f, n, 0), TD_OK);
	/* With the store full the old ones cannot go, whatever their number and size. */
	f->opt.count = 2;
	f->opt.bytes = 128 * 1024;
	open_all(f);
	assert_int_equal(count_files(f), 4);
	make_room(f);
	flush(f);
	for (unsigned n = 0; n < 2; n++)
		assert_int_equal(append(f, n, 1), TD_OK);
	open_all(f);
	assert_int_equal(count_files(f), 2);
	struct tally t = check_audit(f);
	assert_int_equal(t.sequence, 6);
	for (unsigned n = 0; n < 4; n++)
		assert_int_equal(t.next[n], n < 2 ? 2 : 1);
	/* More again: a new file under an old name begins anew. */
	f->opt.count = 3;
	open_all(f);
	assert_int_equal(append(f, 2, 1), TD_OK);
	flush(f);
	assert_int_equal(check_audit(f).next[2], 2);
}

/* ---- crashes, byte by byte ---- */

static void
spool_path(const struct fixture *f, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/spool.0", f->spool_dir);
}

static unsigned char *
read_spool(const struct fixture *f)
{
	unsigned char *all = malloc(SPOOL_BYTES);
	char path[256];
	int fd;

	assert_non_null(all);
	spool_path(f, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, all, SPOOL_BYTES), SPOOL_BYTES);
	close(fd);
	return all;
}

static void
write_spool(const struct fixture *f, const unsigned char *all)
{
	char path[256];
	int fd;

	spool_path(f, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, all, SPOOL_BYTES), SPOOL_BYTES);
	close(fd);
}

static unsigned
count_damaged_files(struct fixture *f)
{
	return count_files(f) - f->opt.count;
}

/* The file as it was with one entry less, and with it. */
static void
two_states(struct fixture *f, unsigned entries, unsigned char **before,
	   unsigned char **after)
{
	f->opt.env = &support_env;
	f->store_opt.max_bytes = 1 * MIB;
	f->store_opt.reserve_bytes = 256 * 1024;
	open_all(f);
	fill_store(f);
	for (unsigned i = 0; i < entries - 1; i++)
		assert_int_equal(append(f, 0, i), TD_OK);
	*before = read_spool(f);
	assert_int_equal(append(f, 0, entries - 1), TD_OK);
	*after = read_spool(f);
	close_all(f);
	f->store_opt.max_bytes = 64 * MIB;
	f->opt.env = td_env_system();
}

/* Killed between any two bytes of writing an entry: the entries before it are there, the
 * torn one is not, and its place is used again. */
static void
test_torn_entries_are_ignored(void **state)
{
	struct fixture *f = *state;
	unsigned char *before, *after;
	unsigned changed = 0, tries = 0;

	two_states(f, 3, &before, &after);
	for (size_t i = 0; i < SPOOL_BYTES; i++)
		changed += before[i] != after[i];
	assert_true(changed > 100);
	/* All bytes behind the commit word first, as the program does; the word is 8 bytes
	 * that the processor stores at once. */
	size_t word = 0;
	while (before[word] == after[word])
		word++;
	word -= word % 8;
	unsigned char *torn = malloc(SPOOL_BYTES);
	assert_non_null(torn);
	memcpy(torn, before, SPOOL_BYTES);
	unsigned total = 0;
	for (size_t i = word + 8; i < SPOOL_BYTES; i++) {
		if (before[i] == after[i])
			continue;
		torn[i] = after[i];
		if (tries++ % 9 != 0 && tries < changed - 12)
			continue; /* every ninth byte, and all of the last */
		write_spool(f, torn);
		open_all(f);
		flush(f);
		/* The first run drained two, the others find them done. */
		total = 2;
		assert_int_equal(check_audit(f).sequence, total);
		assert_int_equal(count_damaged_files(f), 0);
		close_all(f);
	}
	assert_int_equal(total, 2);
	/* The next entry goes where the torn one was. */
	open_all(f);
	assert_int_equal(append(f, 0, 2), TD_OK);
	flush(f);
	assert_int_equal(check_audit(f).sequence, 3);
	free(torn);
	free(before);
	free(after);
}

/* A committed entry with wrong bytes, at the start: what is in front of it is drained, the
 * file is kept for the people who will ask, a new one is used. */
static void
test_a_damaged_entry_is_set_aside(void **state)
{
	struct fixture *f = *state;
	unsigned char *before, *after;

	two_states(f, 3, &before, &after);
	size_t at = 0;
	while (before[at] == after[at])
		at++;
	at -= at % 8;
	after[at + 40] ^= 1;
	write_spool(f, after);
	open_all(f);
	assert_int_equal(check_audit(f).sequence, 2);
	assert_int_equal(count_damaged_files(f), 1);
	assert_int_equal(stats(f).damaged, 1);
	assert_int_equal(stats(f).error.rc, TD_CORRUPT);
	assert_false(stats(f).failing);
	assert_int_equal(append(f, 0, 2), TD_OK);
	flush(f);
	assert_int_equal(check_audit(f).sequence, 3);
	open_all(f);
	assert_int_equal(stats(f).damaged, 0);
	assert_int_equal(check_audit(f).sequence, 3);
	free(before);
	free(after);
}

/* Every byte of header and entries turned over: never a crash or a loop, never an entry
 * that was not written. */
static void
test_every_byte_of_a_spool_turned_over(void **state)
{
	struct fixture *f = *state;
	unsigned char *before, *after;
	unsigned fewer = 0;

	two_states(f, 2, &before, &after);
	/* Header, then both entries; steps of 3 meet every byte of a member in one or the
	 * other. */
	for (size_t i = 0; i < 4096 + 400; i += i < 36 ? 1 : i < 4096 ? 4060 : 3) {
		struct store_read *r;

		/* A store that knows nothing of this spool. */
		support_remove(f->state_dir);
		after[i] ^= 0x10;
		write_spool(f, after);
		after[i] ^= 0x10;
		open_all(f);
		flush(f);
		assert_int_equal(store_read_begin(f->s, &r, NULL), TD_OK);
		assert_true(store_count(r, STORE_AUDIT) <= 2);
		fewer += store_count(r, STORE_AUDIT) < 2;
		store_read_end(r);
		check_audit(f);
		close_all(f);
		/* Files set aside go, so that the next one has the name. */
		support_remove(f->spool_dir);
		assert_int_equal(mkdir(f->spool_dir, 0700), 0);
		char path[256];
		spool_path(f, path, sizeof(path));
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		close(fd);
	}
	assert_true(fewer > 120);
	free(before);
	free(after);
}

/* Damage while the daemon runs. */
static void
test_damage_under_way_stops_the_spool(void **state)
{
	struct fixture *f = *state;
	char path[256];
	unsigned char *map;
	int fd;

	f->opt.count = 2;
	f->store_opt.max_bytes = 1 * MIB;
	f->store_opt.reserve_bytes = 256 * 1024;
	f->opt.env = &support_env;
	open_all(f);
	fill_store(f);
	assert_int_equal(append(f, 0, 0), TD_OK);
	assert_int_equal(append(f, 1, 0), TD_OK);
	spool_path(f, path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	map = mmap(NULL, SPOOL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(map != MAP_FAILED);
	close(fd);
	map[4096 + 50] ^= 1;
	munmap(map, SPOOL_BYTES);
	make_room(f);
	assert_int_equal(spool_flush(f->set, 20000, NULL), TD_CORRUPT);
	assert_int_equal(append(f, 0, 1), TD_UNAVAILABLE);
	assert_int_equal(stats(f).damaged, 1);
	assert_true(stats(f).failing);
	/* The other one goes on. */
	assert_int_equal(append(f, 1, 1), TD_OK);
	while (check_audit(f).next[1] < 2)
		td_sleep_ms(td_env_system(), 1);
	assert_int_equal(check_audit(f).next[0], 0);
}

/* The drain's commit is durable, the process dies before it moves its head: the position in
 * the store counts, not the file's. */
static void
test_a_drained_entry_is_not_drained_again(void **state)
{
	struct fixture *f = *state;
	unsigned char *before, *after;

	two_states(f, 40, &before, &after);
	open_all(f);
	assert_int_equal(check_audit(f).sequence, 40);
	close_all(f);
	/* The file of before the drain. */
	write_spool(f, after);
	open_all(f);
	flush(f);
	assert_int_equal(check_audit(f).sequence, 40);
	free(before);
	free(after);
}

/* ---- a killed process ---- */

#define ACK_EVERY 16

/* The child: appends until it is killed, and tells how far it got. */
static int
run_child(const char *dir, unsigned first)
{
	struct fixture f = { .dir = NULL };

	(void)snprintf(f.state_dir, sizeof(f.state_dir), "%s/state", dir);
	(void)snprintf(f.spool_dir, sizeof(f.spool_dir), "%s/spool", dir);
	f.store_opt = support_options(f.state_dir);
	f.opt = (struct spool_options){ .dir = f.spool_dir,
					.count = 1,
					.bytes = SPOOL_BYTES,
					.drain_ms = 20,
					.env = td_env_system() };
	open_all(&f);
	for (unsigned i = first;; i++) {
		while (append(&f, 0, i) == TD_UNAVAILABLE)
			flush(&f);
		if (i % ACK_EVERY == 0 &&
		    write(STDOUT_FILENO, &i, sizeof(i)) != sizeof(i))
			return 1;
	}
}

/* Start it, wait for `acks` reports, kill it; the last number that it reported. */
static unsigned
kill_child(const char *dir, unsigned first, unsigned acks)
{
	extern char **environ;
	char number[16], child[] = "--child", self[] = "/proc/self/exe";
	char *dir_arg = strdup(dir);
	char *argv[] = { self, child, dir_arg, number, NULL };
	posix_spawn_file_actions_t actions;
	unsigned last = 0, value;
	int out[2], status;
	pid_t pid;

	(void)snprintf(number, sizeof(number), "%u", first);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	assert_int_equal(posix_spawn(&pid, self, &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(out[1]);
	for (unsigned i = 0; i < acks; i++) {
		assert_int_equal(read(out[0], &value, sizeof(value)), sizeof(value));
		last = value;
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	while (read(out[0], &value, sizeof(value)) == sizeof(value))
		last = value;
	close(out[0]);
	free(dir_arg);
	return last;
}

static void
test_a_killed_process_loses_nothing(void **state)
{
	struct fixture *f = *state;
	unsigned first = 0;

	for (unsigned round = 0; round < 25; round++) {
		unsigned acks = 1 + (unsigned)td_random_below(td_env_system(), 60);
		unsigned last = kill_child(f->dir, first, acks);

		open_all(f);
		flush(f);
		struct tally t = check_audit(f); /* contiguous, no double */
		if (t.next[0] <= last)
			fail_msg("round %u, %u acks: entry %u was acknowledged, %u came "
				 "out",
				 round, acks, last, t.next[0]);
		first = t.next[0];
		close_all(f);
	}
}

int
main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc32c_known_answers),
		T(test_entries_come_out_in_order_many_laps_long),
		T(test_entries_are_in_the_store_soon),
		T(test_what_append_refuses),
		T(test_a_full_store_stops_the_reads_and_recovers),
		T(test_a_full_spool_refuses),
		T(test_fewer_spools_and_other_sizes),
		T(test_torn_entries_are_ignored),
		T(test_a_damaged_entry_is_set_aside),
		T(test_every_byte_of_a_spool_turned_over),
		T(test_damage_under_way_stops_the_spool),
		T(test_a_drained_entry_is_not_drained_again),
		T(test_a_killed_process_loses_nothing),
	};

	if (argc == 4 && strcmp(argv[1], "--child") == 0)
		return run_child(argv[2], (unsigned)strtoul(argv[3], NULL, 10));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
