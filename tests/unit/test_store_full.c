/*
 * A store without room: the ceiling, the map, a file system that is really full (a small
 * tmpfs in a mount namespace of its own), and a disk that fails.
 *
 * Two system calls are replaced in this program, each by the real one until a test wants
 * otherwise: fdatasync(2), which LMDB calls and which fails on a broken disk that we
 * cannot have, and fallocate(2), which some file systems do not know.
 */
#include "test_store_support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int fdatasync(int fd);
static atomic_int fdatasync_errno;

int
fdatasync(int fd)
{
	int e = atomic_load(&fdatasync_errno);

	if (e == 0)
		return (int)syscall(SYS_fdatasync, fd);
	errno = e;
	return -1;
}

int fallocate(int fd, int mode, off_t at, off_t len);
static atomic_int fallocate_errno;

int
fallocate(int fd, int mode, off_t at, off_t len)
{
	int e = atomic_load(&fallocate_errno);

	if (e == 0)
		return (int)syscall(SYS_fallocate, fd, mode, at, len);
	errno = e;
	return -1;
}

/* A folder; with `disk`, a file system of 8 MiB is mounted on it. */
struct fixture {
	char *dir;
	bool mounted;
	char state_dir[128];
	struct store_options opt;
	struct store *s;
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->dir = support_dir();
	(void)snprintf(f->state_dir, sizeof(f->state_dir), "%s/state", f->dir);
	f->opt = support_options(f->state_dir);
	f->opt.env = &support_env;
	*state = f;
	return 0;
}

static int
set_up_disk(void **state)
{
	struct fixture *f;

	set_up(state);
	f = *state;
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", f->dir, "tmpfs", MS_NOSUID | MS_NODEV, "size=8m") != 0) {
		print_error("a small tmpfs cannot be mounted (%s): this test needs "
			    "CAP_SYS_ADMIN\n",
			    strerrorname_np(errno));
		return -1;
	}
	f->mounted = true;
	f->opt.ballast_bytes = 1 * MIB;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	atomic_store(&fdatasync_errno, 0);
	atomic_store(&fallocate_errno, 0);
	store_close(f->s);
	if (f->mounted)
		assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
	support_remove(f->dir);
	free(f->dir);
	free(f);
	return 0;
}

static void
open_store(struct fixture *f)
{
	store_close(f->s);
	f->s = NULL;
	f->s = support_open(&f->opt);
}

static struct store_stats
stats(struct fixture *f)
{
	struct store_stats st;

	store_stats(f->s, &st);
	return st;
}

/* Fill with values of 1,000 bytes until refused; the number that went in. */
static unsigned
fill(struct fixture *f, enum store_class class, const char *prefix, enum td_rc end)
{
	char value[1001], key[32];
	unsigned n = 0;
	enum td_rc rc;

	memset(value, 'v', 1000);
	value[1000] = '\0';
	do {
		(void)snprintf(key, sizeof(key), "%s%06u", prefix, n);
		rc = support_put(f->s, class, key, value);
		n++;
	} while (rc == TD_OK && n < 100000);
	assert_int_equal(rc, end);
	assert_int_equal(support_version(f->s, key), 0);
	return n - 1;
}

static void
check_filled(struct fixture *f, const char *prefix, unsigned count)
{
	char key[32];

	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(key, sizeof(key), "%s%06u", prefix, i);
		if (support_version(f->s, key) == 0)
			fail_msg("%s is lost", key);
	}
}

static enum td_rc
delete_prefix(struct fixture *f, const char *prefix)
{
	struct store_commit *c = store_commit_new(STORE_RESERVE);

	store_commit_del_prefix(c, STORE_TENANT, prefix, strlen(prefix));
	return store_commit(f->s, c, NULL, NULL);
}

/* ---- the ceiling ---- */

static void
test_the_ceiling_and_its_reserve(void **state)
{
	struct fixture *f = *state;
	unsigned normal, reserve;

	f->opt.max_bytes = 2 * MIB;
	f->opt.reserve_bytes = 512 * 1024;
	open_store(f);
	normal = fill(f, STORE_NORMAL, "normal", TD_STORE_FULL);
	/* Three to a page, two when pages split. */
	assert_true(normal > 600 && normal < 1536);
	assert_true(stats(f).full);
	assert_true(stats(f).used_bytes <= f->opt.max_bytes - f->opt.reserve_bytes);
	/* What revokes, suspends and drains audit goes on. */
	reserve = fill(f, STORE_RESERVE, "reserve", TD_STORE_FULL);
	assert_true(reserve > 250 && reserve < 512);
	assert_true(stats(f).used_bytes <= f->opt.max_bytes);
	/* Deleting works with nothing left at all, and makes room. */
	assert_int_equal(delete_prefix(f, "reserve"), TD_OK);
	assert_int_equal(delete_prefix(f, "normal0001"), TD_OK);
	assert_int_equal(support_put(f->s, STORE_NORMAL, "again1", "x"), TD_OK);
	assert_false(stats(f).full);
	open_store(f);
	check_filled(f, "normal", 100);
	assert_true(stats(f).used_bytes <= f->opt.max_bytes);
}

static void
test_a_lowered_ceiling_still_lets_delete(void **state)
{
	struct fixture *f = *state;

	open_store(f);
	for (int i = 0; i < 3000; i++) {
		char key[32], value[1001];
		struct store_commit *c = store_commit_new(STORE_NORMAL);

		memset(value, 'v', sizeof(value));
		(void)snprintf(key, sizeof(key), "old%06d", i);
		store_commit_put(c, STORE_TENANT, key, strlen(key), value, sizeof(value));
		store_submit(f->s, c, NULL, NULL);
	}
	f->opt.max_bytes = 1 * MIB;
	f->opt.reserve_bytes = 256 * 1024;
	open_store(f);
	assert_true(stats(f).used_bytes > 2 * f->opt.max_bytes);
	assert_int_equal(support_put(f->s, STORE_NORMAL, "new111", "x"), TD_STORE_FULL);
	assert_int_equal(support_put(f->s, STORE_RESERVE, "new111", "x"), TD_STORE_FULL);
	assert_int_equal(delete_prefix(f, "old0"), TD_OK);
	assert_int_equal(support_put(f->s, STORE_NORMAL, "new111", "x"), TD_OK);
}

/* ---- the map ---- */

static void
test_the_map_is_full_while_a_snapshot_holds_pages(void **state)
{
	struct fixture *f = *state;
	struct td_err err = { .rc = TD_OK };
	struct store_read *r;
	enum td_rc rc = TD_OK;
	char value[1001];

	f->opt.map_bytes = 1 * MIB;
	f->opt.max_bytes = 1 * MIB;
	f->opt.reserve_bytes = 0;
	open_store(f);
	assert_int_equal(support_put(f->s, STORE_NORMAL, "abc123", "old"), TD_OK);
	assert_int_equal(store_read_begin(f->s, &r, NULL), TD_OK);
	memset(value, 'v', sizeof(value));
	for (int i = 0; i < 1000 && rc == TD_OK; i++) {
		struct store_commit *c = store_commit_new(STORE_NORMAL);
		store_commit_put(c, STORE_TENANT, "abc124", 6, value, sizeof(value));
		rc = store_commit(f->s, c, NULL, &err);
	}
	assert_int_equal(rc, TD_STORE_FULL);
	assert_non_null(strstr(err.detail, "map"));
	store_read_end(r);
	/* Without the snapshot the pages come back. */
	assert_int_equal(support_put(f->s, STORE_NORMAL, "abc123", "new"), TD_OK);
	open_store(f);
	assert_true(support_version(f->s, "abc124") > 0);
}

struct result {
	atomic_int rc;
};

static void
keep_rc(void *ctx, enum td_rc rc, uint64_t version, const struct td_err *err)
{
	struct result *r = ctx;

	(void)version;
	(void)err;
	atomic_store(&r->rc, (int)rc);
}

static void
hold_writer(void *ctx, enum td_rc rc, uint64_t version, const struct td_err *err)
{
	(void)rc;
	(void)version;
	(void)err;
	pthread_mutex_lock(ctx);
	pthread_mutex_unlock(ctx);
}

/* One commit of a batch does not fit into the map: only that one is refused. */
static void
test_only_the_guilty_of_a_batch_is_dropped(void **state)
{
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	struct result results[11] = { 0 };
	struct fixture *f = *state;
	char value[1400];

	f->opt.map_bytes = 2 * MIB;
	f->opt.max_bytes = 2 * MIB;
	f->opt.reserve_bytes = 0;
	open_store(f);
	memset(value, 'v', sizeof(value));
	pthread_mutex_lock(&gate);
	store_submit(f->s, store_commit_new(STORE_NORMAL), hold_writer, &gate);
	for (int i = 0; i < 11; i++) {
		struct store_commit *c = store_commit_new(STORE_NORMAL);
		/* Two of its values fill a page: 500 pages of the 512 that the map has. */
		int count = i == 5 ? 1000 : 1;

		for (int k = 0; k < count; k++) {
			char key[32];
			(void)snprintf(key, sizeof(key), "commit%02d.%04d", i, k);
			store_commit_put(c, STORE_TENANT, key, strlen(key), value,
					 sizeof(value));
		}
		store_submit(f->s, c, keep_rc, &results[i]);
	}
	pthread_mutex_unlock(&gate);
	assert_int_equal(support_put(f->s, STORE_NORMAL, "end111", ""), TD_OK);
	for (int i = 0; i < 11; i++) {
		char key[32];

		(void)snprintf(key, sizeof(key), "commit%02d.0000", i);
		assert_int_equal(results[i].rc, i == 5 ? TD_STORE_FULL : TD_OK);
		assert_int_equal(support_version(f->s, key) > 0, i != 5);
	}
	assert_int_equal(stats(f).failures, 1);
}

/* ---- a full file system ---- */

/* Takes what the file system has, less `leave`. */
static void
write_junk(struct fixture *f, uint64_t leave)
{
	char path[160];
	static char block[4096];
	uint64_t written = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/junk", f->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) == sizeof(block))
		written += sizeof(block);
	assert_true(written >= leave);
	assert_int_equal(ftruncate(fd, (off_t)(written - leave)), 0);
	close(fd);
}

static void
remove_junk(struct fixture *f)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/junk", f->dir);
	assert_int_equal(unlink(path), 0);
}

static off_t
ballast_size(struct fixture *f)
{
	char path[160];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/ballast", f->state_dir);
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void
test_a_full_file_system(void **state)
{
	struct fixture *f = *state;
	unsigned deleted = 0, normal, reserve;

	f->opt.reserve_bytes = 256 * 1024;
	open_store(f);
	assert_int_equal(ballast_size(f), 1 * MIB);
	write_junk(f, 2 * MIB);
	normal = fill(f, STORE_NORMAL, "normal", TD_STORE_FULL);
	assert_true(normal > 100);
	assert_true(stats(f).full);
	assert_false(stats(f).ballast_used);
	assert_int_equal(ballast_size(f), 1 * MIB);

	/* The reserve class goes on, in the end on what the ballast gave. */
	reserve = fill(f, STORE_RESERVE, "reserve", TD_STORE_FULL);
	assert_true(reserve > 300);
	assert_true(stats(f).ballast_used);
	assert_int_equal(ballast_size(f), 0);
	/* Normal ones may not eat that up. */
	assert_int_equal(support_put(f->s, STORE_NORMAL, "normal", "x"), TD_STORE_FULL);
	/* Nothing left at all: deleting works within the file, and what it frees serves. */
	for (unsigned i = 0; i < 20; i++) {
		char prefix[32];
		(void)snprintf(prefix, sizeof(prefix), "reserve%05u", i);
		deleted += delete_prefix(f, prefix) == TD_OK;
	}
	assert_int_equal(deleted, 20);
	assert_int_equal(support_put(f->s, STORE_RESERVE, "revoked", "x"), TD_OK);
	assert_false(stats(f).broken);

	/* An open of a full disk, as after a crash. */
	open_store(f);
	assert_true(stats(f).ballast_used);
	check_filled(f, "normal", normal);
	assert_true(support_version(f->s, "revoked") > 0);
	assert_int_equal(support_put(f->s, STORE_NORMAL, "normal", "x"), TD_STORE_FULL);

	/* Room again: at the next look, a second later, all is as before. */
	remove_junk(f);
	assert_int_equal(support_put(f->s, STORE_NORMAL, "normal", "x"), TD_STORE_FULL);
	atomic_fetch_add(&clock_ms, 1001);
	assert_int_equal(support_put(f->s, STORE_NORMAL, "normal", "x"), TD_OK);
	assert_false(stats(f).ballast_used);
	assert_false(stats(f).full);
	assert_int_equal(ballast_size(f), 1 * MIB);
	open_store(f);
	check_filled(f, "normal", normal);
}

/* The same on a file system that cannot reserve blocks: the free space is looked at. */
static void
test_a_full_file_system_without_fallocate(void **state)
{
	struct fixture *f = *state;
	unsigned normal;

	atomic_store(&fallocate_errno, EOPNOTSUPP);
	open_store(f);
	write_junk(f, 1 * MIB);
	normal = fill(f, STORE_NORMAL, "normal", TD_STORE_FULL);
	assert_true(stats(f).full);
	assert_int_equal(support_put(f->s, STORE_RESERVE, "reserve", "x"), TD_OK);
	fill(f, STORE_RESERVE, "reserve", TD_STORE_FULL);
	assert_false(stats(f).broken);
	remove_junk(f);
	atomic_fetch_add(&clock_ms, 1001);
	assert_int_equal(support_put(f->s, STORE_NORMAL, "normal", "x"), TD_OK);
	open_store(f);
	check_filled(f, "normal", normal);
}

/* A queue of commits meets a full disk: every one is answered, none is half there. */
static void
test_a_batch_on_a_full_file_system(void **state)
{
	static struct result results[600];
	struct fixture *f = *state;
	unsigned ok = 0;
	char value[1800];

	open_store(f);
	write_junk(f, 1 * MIB);
	memset(value, 'v', sizeof(value));
	for (int i = 0; i < 600; i++) {
		struct store_commit *c = store_commit_new(STORE_NORMAL);
		char a[32], b[32];

		(void)snprintf(a, sizeof(a), "first%04d", i);
		(void)snprintf(b, sizeof(b), "second%04d", i);
		store_commit_put(c, STORE_TENANT, a, strlen(a), value, sizeof(value));
		store_commit_put(c, STORE_TENANT, b, strlen(b), value, sizeof(value));
		atomic_store(&results[i].rc, -1);
		store_submit(f->s, c, keep_rc, &results[i]);
	}
	open_store(f); /* waits for all */
	for (int i = 0; i < 600; i++) {
		int rc = atomic_load(&results[i].rc);
		char a[32], b[32];

		(void)snprintf(a, sizeof(a), "first%04d", i);
		(void)snprintf(b, sizeof(b), "second%04d", i);
		assert_true(rc == TD_OK || rc == TD_STORE_FULL);
		assert_int_equal(support_version(f->s, a) > 0, rc == TD_OK);
		assert_int_equal(support_version(f->s, b) > 0, rc == TD_OK);
		ok += rc == TD_OK;
	}
	assert_true(ok > 50 && ok < 600);
}

/* ---- a disk that fails ---- */

static void
test_a_failed_sync_is_final(void **state)
{
	struct fixture *f = *state;
	struct td_err err = { .rc = TD_OK };
	struct store_commit *c;

	open_store(f);
	assert_int_equal(support_put(f->s, STORE_NORMAL, "before", "x"), TD_OK);
	atomic_store(&fdatasync_errno, EIO);
	c = store_commit_new(STORE_NORMAL);
	store_commit_put(c, STORE_TENANT, "during", 6, "x", 1);
	assert_int_equal(store_commit(f->s, c, NULL, &err), TD_IO);
	assert_non_null(strstr(err.detail, "restart"));
	assert_true(stats(f).broken);
	/* The disk answers again; what it lost is not known, so nothing more is written. */
	atomic_store(&fdatasync_errno, 0);
	assert_int_equal(support_put(f->s, STORE_NORMAL, "after1", "x"), TD_IO);
	assert_int_equal(support_put(f->s, STORE_RESERVE, "after1", "x"), TD_IO);
	/* Reads go on. */
	assert_true(support_version(f->s, "before") > 0);
	assert_int_equal(support_version(f->s, "during"), 0);
	open_store(f);
	assert_false(stats(f).broken);
	assert_true(support_version(f->s, "before") > 0);
	assert_int_equal(support_put(f->s, STORE_NORMAL, "after1", "x"), TD_OK);
}

static void
test_a_batch_with_a_failed_sync(void **state)
{
	struct result results[20];
	struct fixture *f = *state;
	char key[32];

	open_store(f);
	atomic_store(&fdatasync_errno, EIO);
	for (int i = 0; i < 20; i++) {
		struct store_commit *c = store_commit_new(STORE_NORMAL);

		(void)snprintf(key, sizeof(key), "during%02d", i);
		store_commit_put(c, STORE_TENANT, key, strlen(key), "x", 1);
		atomic_store(&results[i].rc, -1);
		store_submit(f->s, c, keep_rc, &results[i]);
	}
	open_store(f);
	for (int i = 0; i < 20; i++)
		assert_int_equal(results[i].rc, TD_IO);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TD(name) cmocka_unit_test_setup_teardown(name, set_up_disk, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_the_ceiling_and_its_reserve),
		T(test_a_lowered_ceiling_still_lets_delete),
		T(test_the_map_is_full_while_a_snapshot_holds_pages),
		T(test_only_the_guilty_of_a_batch_is_dropped),
		TD(test_a_full_file_system),
		TD(test_a_full_file_system_without_fallocate),
		TD(test_a_batch_on_a_full_file_system),
		T(test_a_failed_sync_is_final),
		T(test_a_batch_with_a_failed_sync),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
