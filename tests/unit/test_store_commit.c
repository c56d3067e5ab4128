/*
 * Commits, snapshots and walks on a real store.
 */
#include "test_store_support.h"

#include "store/records.h"

#include <pthread.h>

struct fixture {
	char *dir;
	struct store *s;
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct store_options opt;

	assert_non_null(f);
	f->dir = support_dir();
	opt = support_options(f->dir);
	f->s = support_open(&opt);
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

static void
reopen(struct fixture *f)
{
	struct store_options opt = support_options(f->dir);

	store_close(f->s);
	f->s = NULL;
	f->s = support_open(&opt);
}

static void
put(struct store_commit *c, const char *key, const char *value)
{
	store_commit_put(c, STORE_TENANT, key, strlen(key), value, strlen(value));
}

static void
expect(struct store_commit *c, const char *key, uint64_t version)
{
	store_commit_expect(c, STORE_TENANT, key, strlen(key), version);
}

static void
test_put_get_del_survive_a_restart(void **state)
{
	struct fixture *f = *state;
	struct store_commit *c;
	char out[64], id[33];
	uint64_t v1, v2;

	assert_int_equal(support_version(f->s, "abc123"), 0);
	c = store_commit_new(STORE_NORMAL);
	put(c, "abc123", "one");
	put(c, "empty1", "");
	assert_int_equal(store_commit(f->s, c, &v1, NULL), TD_OK);
	assert_int_equal(support_get(f->s, "abc123", out, sizeof(out)), v1);
	assert_string_equal(out, "one");
	assert_int_equal(support_version(f->s, "empty1"), v1);
	c = store_commit_new(STORE_NORMAL);
	put(c, "abc123", "two");
	store_commit_del(c, STORE_TENANT, "empty1", 6);
	store_commit_del(c, STORE_TENANT, "never1", 6);
	assert_int_equal(store_commit(f->s, c, &v2, NULL), TD_OK);
	assert_true(v2 > v1);
	memcpy(id, store_instance_id(f->s), sizeof(id));
	assert_int_equal(strspn(id, "0123456789abcdef"), 32);

	reopen(f);
	assert_string_equal(store_instance_id(f->s), id);
	assert_int_equal(support_get(f->s, "abc123", out, sizeof(out)), v2);
	assert_string_equal(out, "two");
	assert_int_equal(support_version(f->s, "empty1"), 0);
	/* The highest version was deleted, and is still never given again. */
	assert_int_equal(support_put(f->s, STORE_NORMAL, "abc124", "x"), TD_OK);
	assert_true(support_version(f->s, "abc124") > v2);
}

static void
test_preconditions_drop_the_whole_commit(void **state)
{
	struct fixture *f = *state;
	struct td_err err = { .rc = TD_OK };
	struct store_stats st;
	struct store_commit *c;
	uint64_t v1;
	char out[64];

	c = store_commit_new(STORE_NORMAL);
	expect(c, "aaa111", 0);
	put(c, "aaa111", "one");
	assert_int_equal(store_commit(f->s, c, &v1, NULL), TD_OK);

	c = store_commit_new(STORE_NORMAL);
	put(c, "bbb222", "must not appear");
	expect(c, "aaa111", v1 + 1);
	store_commit_audit(c, "must not count", 14);
	assert_int_equal(store_commit(f->s, c, NULL, &err), TD_PRECONDITION);
	assert_non_null(strstr(err.detail, "expected version"));
	assert_int_equal(support_version(f->s, "bbb222"), 0);

	c = store_commit_new(STORE_NORMAL);
	expect(c, "aaa111", 0);
	put(c, "aaa111", "created twice");
	assert_int_equal(store_commit(f->s, c, NULL, NULL), TD_PRECONDITION);
	c = store_commit_new(STORE_NORMAL);
	expect(c, "aaa111", v1);
	put(c, "aaa111", "two");
	assert_int_equal(store_commit(f->s, c, NULL, NULL), TD_OK);
	support_get(f->s, "aaa111", out, sizeof(out));
	assert_string_equal(out, "two");
	uint64_t first, next;
	store_audit_range(f->s, &first, &next);
	assert_int_equal(first, next);
	store_stats(f->s, &st);
	assert_int_equal(st.commits, 2);
	assert_int_equal(st.conflicts, 2);
	assert_int_equal(st.failures, 0);
}

static void
count_done(void *ctx, enum td_rc rc, uint64_t version, const struct td_err *err)
{
	(void)version;
	(void)err;
	atomic_uint *counts = ctx;
	atomic_fetch_add(&counts[rc == TD_OK ? 0 : rc == TD_PRECONDITION ? 1 : 2], 1);
}

/* 400 commits that all expect the record to be absent, in one queue: one wins. */
static void
test_one_of_many_creators_wins(void **state)
{
	struct fixture *f = *state;
	atomic_uint counts[3] = { 0 };

	for (int i = 0; i < 400; i++) {
		struct store_commit *c = store_commit_new(STORE_NORMAL);
		expect(c, "abc123", 0);
		put(c, "abc123", "mine");
		store_submit(f->s, c, count_done, counts);
	}
	/* Commits of one thread are applied in order: this one is the last. */
	assert_int_equal(support_put(f->s, STORE_NORMAL, "last11", ""), TD_OK);
	assert_int_equal(counts[0], 1);
	assert_int_equal(counts[1], 399);
}

static void
test_versions_differ_within_a_batch(void **state)
{
	struct fixture *f = *state;
	struct store_commit *c;
	uint64_t a, b;

	/* Each overwrites the record of the one before; whoever was overwritten must find
	 * that its version is gone. */
	for (int i = 0; i < 100; i++) {
		c = store_commit_new(STORE_NORMAL);
		put(c, "abc123", "x");
		store_submit(f->s, c, NULL, NULL);
	}
	c = store_commit_new(STORE_NORMAL);
	put(c, "abc123", "y");
	assert_int_equal(store_commit(f->s, c, &a, NULL), TD_OK);
	b = support_version(f->s, "abc123");
	assert_int_equal(a, b);
	for (uint64_t v = a - 100; v < a; v++) {
		c = store_commit_new(STORE_NORMAL);
		expect(c, "abc123", v);
		assert_int_equal(store_commit(f->s, c, NULL, NULL), TD_PRECONDITION);
	}
}

static void
test_what_a_commit_refuses(void **state)
{
	static const char big[STORE_VALUE_MAX + 1];
	static const char long_key[STORE_KEY_MAX + 1];
	static const struct {
		const char *why;
		enum store_table table;
		const char *key;
		size_t key_len, value_len;
		enum td_rc rc;
	} rows[] = {
		{ "the largest value fits", STORE_TENANT, "abc", 3, STORE_VALUE_MAX,
		  TD_OK },
		{ "one byte more does not", STORE_TENANT, "abc", 3, STORE_VALUE_MAX + 1,
		  TD_TOO_LARGE },
		{ "the longest key fits", STORE_TENANT, long_key, STORE_KEY_MAX, 1,
		  TD_OK },
		{ "one byte more does not", STORE_TENANT, long_key, STORE_KEY_MAX + 1, 1,
		  TD_INVALID },
		{ "no empty key", STORE_TENANT, "", 0, 1, TD_INVALID },
		{ "no table beyond the last", STORE_TABLE_COUNT, "abc", 3, 1,
		  TD_INVALID },
		{ "meta records of others are fine", STORE_META, "spool.0", 7, 1, TD_OK },
		{ "the store's own meta records are not", STORE_META, "store.clock", 11,
		  1, TD_INVALID },
		{ "audit entries have their own verb", STORE_AUDIT, "12345678", 8, 1,
		  TD_INVALID },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct store_commit *c = store_commit_new(STORE_NORMAL);
		enum td_rc rc;

		put(c, "witness", "must come or not");
		store_commit_put(c, rows[i].table, rows[i].key, rows[i].key_len, big,
				 rows[i].value_len);
		rc = store_commit(f->s, c, NULL, NULL);
		if (rc != rows[i].rc)
			fail_msg("%s: rc %d", rows[i].why, rc);
		assert_int_equal(support_version(f->s, "witness") != 0, rc == TD_OK);
		c = store_commit_new(STORE_NORMAL);
		store_commit_del(c, STORE_TENANT, "witness", 7);
		assert_int_equal(store_commit(f->s, c, NULL, NULL), TD_OK);
	}
}

static void
test_own_meta_records_cannot_be_swept_away(void **state)
{
	static const char *const prefixes[] = { "stor", "store", "store.", "store.c" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct store_commit *c = store_commit_new(STORE_NORMAL);
		store_commit_del_prefix(c, STORE_META, prefixes[i], strlen(prefixes[i]));
		assert_int_equal(store_commit(f->s, c, NULL, NULL), TD_INVALID);
	}
	struct store_commit *c = store_commit_new(STORE_NORMAL);
	store_commit_del_prefix(c, STORE_TENANT, "abc", 3);
	assert_int_equal(store_commit(f->s, c, NULL, NULL), TD_INVALID);
	reopen(f);
}

static void
test_no_memory_for_a_commit_is_told(void **state)
{
	struct fixture *f = *state;
	atomic_uint counts[3] = { 0 };

	assert_int_equal(store_commit(f->s, NULL, NULL, NULL), TD_NOMEM);
	store_submit(f->s, NULL, count_done, counts);
	assert_int_equal(counts[2], 1);
}

static void
test_a_commit_of_many_operations(void **state)
{
	struct fixture *f = *state;
	struct store_commit *c = store_commit_new(STORE_NORMAL);
	struct store_read *r;
	unsigned char key[STORE_KEY_MAX];
	char name[32], value[200];

	memset(value, 'v', sizeof(value));
	for (int i = 0; i < REC_BUCKETS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "b%05d", i);
		store_commit_put(c, STORE_BUCKET, key,
				 rec_key_bucket("abc123", name, key), value,
				 sizeof(value));
	}
	/* A neighbour whose name begins the same. */
	store_commit_put(c, STORE_BUCKET, key, rec_key_bucket("abc1234", "data", key),
			 "n", 1);
	assert_int_equal(store_commit(f->s, c, NULL, NULL), TD_OK);
	assert_int_equal(store_read_begin(f->s, &r, NULL), TD_OK);
	assert_int_equal(store_count(r, STORE_BUCKET), REC_BUCKETS_MAX + 1);
	store_read_end(r);

	c = store_commit_new(STORE_NORMAL);
	store_commit_del_prefix(c, STORE_BUCKET, key, rec_key_prefix("abc123", key));
	assert_int_equal(store_commit(f->s, c, NULL, NULL), TD_OK);
	assert_int_equal(store_read_begin(f->s, &r, NULL), TD_OK);
	assert_int_equal(store_count(r, STORE_BUCKET), 1);
	store_read_end(r);
}

/* ---- snapshots and walks ---- */

static void
test_a_snapshot_stays_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct store_read *r, *nested;
	struct store_value v;

	assert_int_equal(support_put(f->s, STORE_NORMAL, "abc123", "old"), TD_OK);
	assert_int_equal(store_read_begin(f->s, &r, NULL), TD_OK);
	assert_int_equal(support_put(f->s, STORE_NORMAL, "abc123", "new"), TD_OK);
	assert_int_equal(store_get(r, STORE_TENANT, "abc123", 6, &v, NULL), TD_OK);
	assert_memory_equal(v.data, "old", 3);
	assert_int_equal(store_read_begin(f->s, &nested, NULL), TD_INTERNAL);
	store_read_end(r);
	assert_int_equal(store_read_begin(f->s, &r, NULL), TD_OK);
	assert_int_equal(store_get(r, STORE_TENANT, "abc123", 6, &v, NULL), TD_OK);
	assert_memory_equal(v.data, "new", 3);
	assert_int_equal(store_get(r, STORE_TENANT, "", 0, &v, NULL), TD_INVALID);
	store_read_end(r);
	store_read_end(NULL);
}

struct seen {
	char keys[256];
	unsigned stop_after; /* 0: never */
	unsigned count;
	enum td_rc stop_rc;
};

static enum td_rc
note_key(void *ctx, const void *key, size_t key_len, const struct store_value *value)
{
	struct seen *s = ctx;
	size_t at = strlen(s->keys);

	assert_true(value->version > 0);
	assert_true(at + key_len + 2 < sizeof(s->keys));
	memcpy(s->keys + at, key, key_len);
	s->keys[at + key_len] = ' ';
	s->keys[at + key_len + 1] = '\0';
	return ++s->count == s->stop_after ? s->stop_rc : TD_OK;
}

static void
test_walks(void **state)
{
	static const struct {
		const char *why, *prefix, *after, *keys;
	} rows[] = {
		{ "the whole table, in order", "", "", "aa aab ab b ba " },
		{ "a prefix", "a", "", "aa aab ab " },
		{ "a prefix that is itself a key", "aa", "", "aa aab " },
		{ "after a key", "", "aab", "ab b ba " },
		{ "after a key that is not there", "", "aac", "ab b ba " },
		{ "after, within a prefix", "a", "aa", "aab ab " },
		{ "after in front of the prefix counts for nothing", "b", "aa", "b ba " },
		{ "after that is the beginning of the prefix", "aa", "a", "aa aab " },
		{ "after behind the prefix", "a", "b", "" },
		{ "after the last", "", "ba", "" },
		{ "a prefix of nothing", "zz", "", "" },
	};
	struct fixture *f = *state;
	struct store_read *r;

	for (const char *const *k =
		     (const char *const[]){ "b", "aab", "ab", "ba", "aa", NULL };
	     *k != NULL; k++)
		assert_int_equal(support_put(f->s, STORE_NORMAL, *k, ""), TD_OK);
	assert_int_equal(store_read_begin(f->s, &r, NULL), TD_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct store_range range = { rows[i].prefix, strlen(rows[i].prefix),
					     rows[i].after, strlen(rows[i].after) };
		struct seen seen = { .keys = "" };

		assert_int_equal(
			store_walk(r, STORE_TENANT, &range, note_key, &seen, NULL),
			TD_OK);
		if (strcmp(seen.keys, rows[i].keys) != 0)
			fail_msg("%s: %s", rows[i].why, seen.keys);
	}
	struct seen stop = { .stop_after = 2, .stop_rc = STORE_STOP };
	assert_int_equal(store_walk(r, STORE_TENANT, NULL, note_key, &stop, NULL), TD_OK);
	assert_string_equal(stop.keys, "aa aab ");
	struct seen fault = { .stop_after = 1, .stop_rc = TD_CORRUPT };
	assert_int_equal(store_walk(r, STORE_TENANT, NULL, note_key, &fault, NULL),
			 TD_CORRUPT);
	store_read_end(r);
}

/* ---- watchers ---- */

struct watch {
	atomic_uint calls;
	char appids[1024];
};

static void
note_touch(void *ctx, const char *appid)
{
	struct watch *w = ctx;
	size_t at = strlen(w->appids);

	(void)snprintf(w->appids + at, sizeof(w->appids) - at, "%s ", appid);
	atomic_fetch_add(&w->calls, 1);
}

/* A done callback on the writer thread holds it until the test has queued the batch. */
static void
hold_writer(void *ctx, enum td_rc rc, uint64_t version, const struct td_err *err)
{
	(void)rc;
	(void)version;
	(void)err;
	pthread_mutex_lock(ctx);
	pthread_mutex_unlock(ctx);
}

static void
touch(struct store *s, const char *appid, uint64_t version)
{
	struct store_commit *c = store_commit_new(STORE_NORMAL);

	expect(c, "nobody", version);
	store_commit_touch(c, appid);
	store_submit(s, c, NULL, NULL);
}

static void
test_watchers_hear_once_per_batch(void **state)
{
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	struct fixture *f = *state;
	struct store_commit *c;
	struct watch w = { .appids = "" };

	assert_int_equal(store_watch(f->s, note_touch, &w), TD_OK);
	pthread_mutex_lock(&gate);
	store_submit(f->s, store_commit_new(STORE_NORMAL), hold_writer, &gate);
	for (int i = 0; i < 90; i++)
		touch(f->s, i % 2 != 0 ? "abc123" : "abc124", 0);
	touch(f->s, "never1", 7); /* dropped by its precondition */
	pthread_mutex_unlock(&gate);
	/* One empty commit behind all: the watchers of the batch before it were told. */
	for (int i = 0; i < 2; i++)
		assert_int_equal(support_put(f->s, STORE_NORMAL, "end111", ""), TD_OK);
	/* The first commit may have been a batch of its own, or the queue was cut once. */
	assert_true(w.calls >= 2 && w.calls <= 4);
	assert_non_null(strstr(w.appids, "abc123 "));
	assert_non_null(strstr(w.appids, "abc124 "));
	assert_null(strstr(w.appids, "never1"));
	c = store_commit_new(STORE_NORMAL);
	for (int i = 1; i < 16; i++)
		assert_int_equal(store_watch(f->s, note_touch, &w), TD_OK);
	assert_int_equal(store_watch(f->s, note_touch, &w), TD_UNAVAILABLE);
	store_commit_free(c);
}

struct nested {
	struct store *s;
	enum td_rc rc;
	atomic_uint counts[3];
};

static void
commit_in_done(void *ctx, enum td_rc rc, uint64_t version, const struct td_err *err)
{
	struct nested *n = ctx;

	(void)rc;
	(void)version;
	(void)err;
	n->rc = store_commit(n->s, store_commit_new(STORE_NORMAL), NULL, NULL);
	store_submit(n->s, store_commit_new(STORE_NORMAL), count_done, n->counts);
}

static void
test_waiting_on_the_writer_thread_is_refused(void **state)
{
	struct fixture *f = *state;
	struct nested n = { .s = f->s, .rc = TD_OK };

	store_submit(f->s, store_commit_new(STORE_NORMAL), commit_in_done, &n);
	assert_int_equal(support_put(f->s, STORE_NORMAL, "end111", ""), TD_OK);
	assert_int_equal(support_put(f->s, STORE_NORMAL, "end111", ""), TD_OK);
	assert_int_equal(n.rc, TD_INTERNAL);
	assert_int_equal(n.counts[0], 1);
}

static void
test_close_finishes_what_is_queued(void **state)
{
	struct fixture *f = *state;
	atomic_uint counts[3] = { 0 };

	for (int i = 0; i < 2000; i++) {
		struct store_commit *c = store_commit_new(STORE_NORMAL);
		char key[32];

		(void)snprintf(key, sizeof(key), "k%05d", i);
		put(c, key, "x");
		store_submit(f->s, c, count_done, counts);
	}
	reopen(f);
	assert_int_equal(counts[0], 2000);
	assert_true(support_version(f->s, "k01999") > 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_put_get_del_survive_a_restart),
		T(test_preconditions_drop_the_whole_commit),
		T(test_one_of_many_creators_wins),
		T(test_versions_differ_within_a_batch),
		T(test_what_a_commit_refuses),
		T(test_own_meta_records_cannot_be_swept_away),
		T(test_no_memory_for_a_commit_is_told),
		T(test_a_commit_of_many_operations),
		T(test_a_snapshot_stays_as_it_was),
		T(test_walks),
		T(test_watchers_hear_once_per_batch),
		T(test_waiting_on_the_writer_thread_is_refused),
		T(test_close_finishes_what_is_queued),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
