/* The deny map: its lines, the pid file, and the thread on a real store and real files. */
#include "engine/denymap.h"
#include "engine/denymap_file.h"
#include "test_store_support.h"

#include <sys/stat.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WAIT_MS 20000

/* ---- pure ---- */

static void
modes(void **state)
{
	static const struct {
		uint8_t phase, suspend;
		enum denymap_fence fence;
		enum denymap_mode expected;
	} rows[] = {
		{ REC_CREATING, 0, DENYMAP_NOT_FENCED, DENYMAP_FREE },
		{ REC_CREATED, 0, DENYMAP_NOT_FENCED, DENYMAP_FREE },
		{ REC_CREATED, 0, DENYMAP_FENCED, DENYMAP_READONLY },
		{ REC_CREATED, 1, DENYMAP_NOT_FENCED, DENYMAP_DENY },
		{ REC_CREATED, 1, DENYMAP_FENCED, DENYMAP_DENY },
		{ REC_CREATING, 1, DENYMAP_NOT_FENCED, DENYMAP_DENY },
		/* Resumed, and the backends do not know it yet. */
		{ REC_SUSPENDED, 0, DENYMAP_NOT_FENCED, DENYMAP_DENY },
		{ REC_DELETING, 0, DENYMAP_FENCED, DENYMAP_DENY },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct rec_tenant rec = { .phase = rows[i].phase,
					  .suspend = rows[i].suspend };

		assert_int_equal(denymap_mode(&rec, rows[i].fence), rows[i].expected);
	}
}

static void
lines(void **state)
{
	static const char *const bad[] = { "",	   "ab",   "Abc123", "a b c", "abc-1",
					   "~abc", "abc;", "abc\n",  "\\abc", "abc.d" };
	struct td_buf b;

	(void)state;
	td_buf_init(&b, 4096);
	denymap_line(&b, "abc123", DENYMAP_DENY);
	denymap_line(&b, "free99", DENYMAP_FREE);
	denymap_line(&b, "def456", DENYMAP_READONLY);
	denymap_line(&b, "default", DENYMAP_DENY);
	denymap_line(&b, "hostnames", DENYMAP_DENY);
	denymap_line(&b, "include", DENYMAP_DENY);
	denymap_line(&b, "volatile", DENYMAP_READONLY);
	denymap_line(&b, "volatiles", DENYMAP_DENY);
	assert_int_equal(td_buf_rc(&b), TD_OK);
	assert_string_equal(td_buf_cstr(&b),
			    "abc123 deny;\ndef456 readonly;\n\\default deny;\n"
			    "\\hostnames deny;\n\\include deny;\n"
			    "\\volatile readonly;\nvolatiles deny;\n");
	for (size_t i = 0; i < COUNT(bad); i++) {
		td_buf_reset(&b);
		denymap_line(&b, bad[i], DENYMAP_DENY);
		assert_int_equal(td_buf_rc(&b), TD_INVALID);
		assert_int_equal(b.len, 0);
	}
	td_buf_done(&b);
}

static void
pids(void **state)
{
	static const char *const bad[] = { "",	     "\n",	   "0",		 "1",
					   "-2",     "+2",	   " 22",	 "22 ",
					   "22\n\n", "022",	   "0x22",	 "22\r",
					   "22a\n",  "2147483648", "99999999999" };
	pid_t pid = 7;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(denymap_pid_parse(bad[i], strlen(bad[i]), &pid));
	assert_false(denymap_pid_parse("22\0", 3, &pid));
	assert_int_equal(pid, 7);
	assert_true(denymap_pid_parse("22", 2, &pid));
	assert_int_equal(pid, 22);
	assert_true(denymap_pid_parse("2147483647\n", 11, &pid));
	assert_int_equal(pid, 2147483647);
}

/* ---- the thread ---- */

struct bed {
	char *dir;
	char path[64], map[96], pid[96], other[96];
	struct store *store;
	struct denymap *denymap;
};

static int
setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->dir = support_dir();
	(void)snprintf(b->path, sizeof(b->path), "%s/store", b->dir);
	(void)snprintf(b->map, sizeof(b->map), "%s/maps/deny.map", b->dir);
	(void)snprintf(b->other, sizeof(b->other), "%s/maps/other.map", b->dir);
	(void)snprintf(b->pid, sizeof(b->pid), "%s/nginx.pid", b->dir);
	struct store_options opt = support_options(b->path);
	b->store = support_open(&opt);
	(void)snprintf(b->path, sizeof(b->path), "%s/maps", b->dir);
	assert_int_equal(mkdir(b->path, 0700), 0);
	*state = b;
	return 0;
}

static int
teardown(void **state)
{
	struct bed *b = *state;

	denymap_stop(b->denymap);
	store_close(b->store);
	denymap_free(b->denymap);
	support_remove(b->dir);
	free(b->dir);
	free(b);
	return 0;
}

static void
start(struct bed *b, const char *pid_file)
{
	struct denymap_target targets[] = {
		{ .region = "here", .file = b->map, .pid_file = pid_file },
		{ .region = "there", .file = b->other },
	};
	struct td_err err = { .rc = TD_OK };

	if (denymap_start(&(struct denymap_options){ .store = b->store,
						     .env = td_env_system(),
						     .targets = targets,
						     .target_count = 2 },
			  &b->denymap, &err) != TD_OK)
		fail_msg("denymap_start: %s", err.detail);
}

static void
put(struct bed *b, const char *appid, const char *region, enum rec_phase phase)
{
	struct store_commit *c = store_commit_new(STORE_NORMAL);
	struct rec_tenant rec = { .number = 1, .generation = 1, .phase = (uint8_t)phase };
	struct td_buf out;
	struct td_err err = { .rc = TD_OK };

	(void)stpncpy(rec.plan, "small", sizeof(rec.plan) - 1);
	(void)stpncpy(rec.region, region, sizeof(rec.region) - 1);
	td_buf_init(&out, STORE_VALUE_MAX);
	rec_tenant_encode(&rec, &out);
	assert_int_equal(td_buf_rc(&out), TD_OK);
	store_commit_put(c, STORE_TENANT, appid, strlen(appid), out.data, out.len);
	store_commit_touch(c, appid);
	if (store_commit(b->store, c, NULL, &err) != TD_OK)
		fail_msg("put: %s", err.detail);
	td_buf_done(&out);
}

static void
fence(struct bed *b, const char *appid)
{
	struct store_commit *c = store_commit_new(STORE_NORMAL);
	struct rec_resource rec = { .fenced = 1 };
	unsigned char key[STORE_KEY_MAX];
	struct td_buf out;

	td_buf_init(&out, STORE_VALUE_MAX);
	rec_resource_encode(&rec, &out);
	store_commit_put(c, STORE_RESOURCE, key, rec_key_resource(appid, DRV_OBJECT, key),
			 out.data, out.len);
	store_commit_touch(c, appid);
	assert_int_equal(store_commit(b->store, c, NULL, NULL), TD_OK);
	td_buf_done(&out);
}

static void
content(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n = f == NULL ? 0 : fread(out, 1, size - 1, f);

	out[n] = '\0';
	if (f == NULL)
		(void)snprintf(out, size, "(none)");
	else
		(void)fclose(f);
}

static void
expect_file(const char *path, const char *expected)
{
	static char now[1 << 20];

	for (int64_t left = WAIT_MS;; left -= 5) {
		content(path, now, sizeof(now));
		if (strcmp(now, expected) == 0)
			return;
		if (left < 0)
			fail_msg("%s holds \"%.2000s\", not \"%.2000s\"", path, now,
				 expected);
		td_sleep_ms(td_env_system(), 5);
	}
}

static struct denymap_stats
stats(struct bed *b)
{
	struct denymap_stats st[2];

	assert_int_equal(denymap_stats(b->denymap, st, 2), 2);
	return st[0];
}

static void
follows_the_store(void **state)
{
	struct bed *b = *state;

	put(b, "bbb222", "here", REC_SUSPENDED);
	put(b, "aaa111", "here", REC_DELETING);
	put(b, "free33", "here", REC_CREATED);
	put(b, "ccc333", "there", REC_SUSPENDED);
	put(b, "ddd444", "nowhere", REC_SUSPENDED);
	start(b, NULL);
	expect_file(b->map, "aaa111 deny;\nbbb222 deny;\n");
	expect_file(b->other, "ccc333 deny;\n");
	fence(b, "free33");
	expect_file(b->map, "aaa111 deny;\nbbb222 deny;\nfree33 readonly;\n");
	put(b, "free33", "here", REC_SUSPENDED);
	put(b, "bbb222", "here", REC_CREATED);
	expect_file(b->map, "aaa111 deny;\nfree33 deny;\n");
	/* Gone altogether. */
	struct store_commit *c = store_commit_new(STORE_NORMAL);
	store_commit_del(c, STORE_TENANT, "aaa111", 6);
	store_commit_touch(c, "aaa111");
	assert_int_equal(store_commit(b->store, c, NULL, NULL), TD_OK);
	expect_file(b->map, "free33 deny;\n");
	put(b, "free33", "here", REC_DELETING);
	put(b, "ccc333", "there", REC_CREATED);
	expect_file(b->other, "");
	assert_int_equal(stats(b).entries, 1);
	assert_false(stats(b).write_failing);
}

/* What stands there is kept when it is right, and replaced when it is not. */
static void
restart(void **state)
{
	struct bed *b = *state;
	struct stat before, after;

	put(b, "aaa111", "here", REC_SUSPENDED);
	start(b, NULL);
	expect_file(b->map, "aaa111 deny;\n");
	assert_int_equal(stat(b->map, &before), 0);
	assert_int_equal(before.st_mode & 0777, 0644);
	denymap_stop(b->denymap);
	/* Between two runs; its watcher is still there. */
	put(b, "bbb222", "there", REC_SUSPENDED);
	struct denymap *old = b->denymap;
	start(b, NULL);
	expect_file(b->other, "bbb222 deny;\n");
	assert_int_equal(stat(b->map, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	denymap_stop(b->denymap);
	store_close(b->store);
	b->store = NULL;
	denymap_free(old);
}

/* More touches than the queue holds end in a scan, and nothing is lost. */
static void
overflow(void **state)
{
	struct bed *b = *state;
	struct td_buf expected;

	td_buf_init(&expected, 1 << 20);
	start(b, NULL);
	expect_file(b->map, "");
	for (unsigned i = 0; i < 30; i++) {
		struct store_commit *c = store_commit_new(STORE_NORMAL);
		char appid[16];

		/* One commit with more of them than the queue has places. */
		for (unsigned k = 0; k < 5000; k++) {
			(void)snprintf(appid, sizeof(appid), "noise%05u", k);
			store_commit_touch(c, appid);
		}
		store_commit_put(c, STORE_META, "x", 1, "y", 1);
		assert_int_equal(store_commit(b->store, c, NULL, NULL), TD_OK);
		(void)snprintf(appid, sizeof(appid), "abc%03u", i);
		put(b, appid, "here", REC_SUSPENDED);
		td_buf_fmt(&expected, "%s deny;\n", appid);
	}
	expect_file(b->map, td_buf_cstr(&expected));
	td_buf_done(&expected);
}

static void
a_folder_that_cannot_be_written(void **state)
{
	struct bed *b = *state;

	put(b, "aaa111", "here", REC_SUSPENDED);
	assert_int_equal(rmdir(b->path), 0);
	start(b, NULL);
	for (int64_t left = WAIT_MS; !stats(b).write_failing; left -= 5) {
		assert_true(left > 0);
		td_sleep_ms(td_env_system(), 5);
	}
	assert_int_equal(mkdir(b->path, 0700), 0);
	expect_file(b->map, "aaa111 deny;\n");
	for (int64_t left = WAIT_MS; stats(b).write_failing; left -= 5) {
		assert_true(left > 0);
		td_sleep_ms(td_env_system(), 5);
	}
}

/* What is due at the stop is written before its end. */
static void
stop_writes(void **state)
{
	struct bed *b = *state;
	char now[256];

	put(b, "aaa111", "here", REC_SUSPENDED);
	start(b, NULL);
	expect_file(b->map, "aaa111 deny;\n");
	put(b, "bbb222", "here", REC_SUSPENDED);
	put(b, "ccc333", "here", REC_SUSPENDED);
	denymap_stop(b->denymap);
	content(b->map, now, sizeof(now));
	assert_string_equal(now, "aaa111 deny;\nbbb222 deny;\nccc333 deny;\n");
}

static void
write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* SIGHUP would end this test: it must not be sent to what is no nginx. */
static void
only_nginx_is_signalled(void **state)
{
	struct bed *b = *state;
	struct td_err err = { .rc = TD_OK };
	char text[32];

	assert_int_equal(denymap_file_signal(b->pid, &err), TD_NOT_FOUND);
	(void)snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	write_text(b->pid, text);
	assert_int_equal(denymap_file_signal(b->pid, &err), TD_INVALID);
	write_text(b->pid, "1\n");
	assert_int_equal(denymap_file_signal(b->pid, &err), TD_INVALID);
	/* Beyond any pid_max. */
	write_text(b->pid, "2147483647\n");
	assert_int_equal(denymap_file_signal(b->pid, &err), TD_NOT_FOUND);
	write_text(b->pid, "");
	assert_int_equal(denymap_file_signal(b->pid, &err), TD_NOT_FOUND);
	/* The file is written all the same. */
	put(b, "aaa111", "here", REC_SUSPENDED);
	start(b, b->pid);
	expect_file(b->map, "aaa111 deny;\n");
	for (int64_t left = WAIT_MS; !stats(b).signal_failing; left -= 5) {
		assert_true(left > 0);
		td_sleep_ms(td_env_system(), 5);
	}
	assert_int_equal(stats(b).signals, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes),
		cmocka_unit_test(lines),
		cmocka_unit_test(pids),
		cmocka_unit_test_setup_teardown(follows_the_store, setup, teardown),
		cmocka_unit_test_setup_teardown(restart, setup, teardown),
		cmocka_unit_test_setup_teardown(overflow, setup, teardown),
		cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_written, setup,
						teardown),
		cmocka_unit_test_setup_teardown(stop_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(only_nginx_is_signalled, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
