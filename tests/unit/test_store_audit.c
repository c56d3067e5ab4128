/*
 * The audit table: a sequence without gaps or repeats, and its retention.
 */
#include "test_store_support.h"

#include <endian.h>

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
	f->s = support_open(&f->opt);
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
	store_close(f->s);
	f->s = NULL;
	f->s = support_open(&f->opt);
}

/* Entries with the times from..to - 1, in one commit. */
static void
add(struct fixture *f, int64_t from, int64_t to)
{
	struct store_commit *c = store_commit_new(STORE_NORMAL);

	for (int64_t t = from; t < to; t++) {
		unsigned char entry[100] = { 0 };
		uint64_t le = htole64((uint64_t)t);

		memcpy(entry, &le, sizeof(le));
		store_commit_audit(c, entry, sizeof(entry));
	}
	assert_int_equal(store_commit(f->s, c, NULL, NULL), TD_OK);
}

static void
check_range(struct fixture *f, uint64_t first, uint64_t next)
{
	uint64_t a, b;
	struct store_read *r;

	store_audit_range(f->s, &a, &b);
	assert_int_equal(a, first);
	assert_int_equal(b, next);
	assert_int_equal(store_read_begin(f->s, &r, NULL), TD_OK);
	assert_int_equal(store_count(r, STORE_AUDIT), next - first);
	store_read_end(r);
}

static unsigned
prune(struct fixture *f, int64_t keep_from, uint64_t max_bytes, unsigned limit)
{
	unsigned dropped = 12345;

	assert_int_equal(
		store_audit_prune(f->s, keep_from, max_bytes, limit, &dropped, NULL),
		TD_OK);
	return dropped;
}

static void
test_the_sequence_survives_pruning_and_restarts(void **state)
{
	struct fixture *f = *state;

	check_range(f, 1, 1);
	add(f, 0, 10);
	check_range(f, 1, 11);
	assert_int_equal(prune(f, INT64_MAX, UINT64_MAX, 1000), 10);
	check_range(f, 11, 11);
	/* Empty, and the process begins anew: no number comes twice. */
	reopen(f);
	check_range(f, 11, 11);
	add(f, 10, 12);
	check_range(f, 11, 13);
	reopen(f);
	check_range(f, 11, 13);
}

static void
test_pruning_by_time(void **state)
{
	struct fixture *f = *state;

	add(f, 0, 100);
	assert_int_equal(prune(f, 0, UINT64_MAX, 1000), 0);
	assert_int_equal(prune(f, 40, UINT64_MAX, 1000), 40);
	check_range(f, 41, 101);
	/* In slices. */
	assert_int_equal(prune(f, 60, UINT64_MAX, 7), 7);
	assert_int_equal(prune(f, 60, UINT64_MAX, 7), 7);
	assert_int_equal(prune(f, 60, UINT64_MAX, 7), 6);
	assert_int_equal(prune(f, 60, UINT64_MAX, 7), 0);
	check_range(f, 61, 101);
	/* A clock that was set back: what is behind a kept entry waits for it. */
	add(f, 5, 6);
	assert_int_equal(prune(f, 60, UINT64_MAX, 100), 0);
	assert_int_equal(prune(f, 100, UINT64_MAX, 100), 41);
	assert_int_equal(store_audit_prune(f->s, 0, 0, 0, NULL, NULL), TD_OK);
}

static void
test_pruning_by_size(void **state)
{
	struct fixture *f = *state;
	uint64_t first, next;

	add(f, 0, 10000);
	/* Some 130 bytes of pages per entry. */
	prune(f, 0, 500000, 100000);
	store_audit_range(f->s, &first, &next);
	assert_int_equal(next, 10001);
	assert_true(next - first > 3000 && next - first < 4500);
	assert_int_equal(prune(f, 0, 600000, 100000), 0);
	prune(f, 0, 0, 100000);
	check_range(f, 10001, 10001);
}

/* The store is full to the last: pruning still goes, and makes room. */
static void
test_pruning_a_full_store(void **state)
{
	struct fixture *f = *state;
	enum td_rc rc = TD_OK;
	int64_t t = 0;

	f->opt.max_bytes = 1 * MIB;
	f->opt.reserve_bytes = 256 * 1024;
	reopen(f);
	for (; rc == TD_OK; t++) {
		struct store_commit *c = store_commit_new(STORE_RESERVE);
		unsigned char entry[1000] = { 0 };
		uint64_t le = htole64((uint64_t)t);

		memcpy(entry, &le, sizeof(le));
		store_commit_audit(c, entry, sizeof(entry));
		rc = store_commit(f->s, c, NULL, NULL);
	}
	assert_int_equal(rc, TD_STORE_FULL);
	assert_int_equal(prune(f, t / 2, UINT64_MAX, 100000), (unsigned)(t / 2));
	assert_int_equal(support_put(f->s, STORE_NORMAL, "abc123", "x"), TD_OK);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_the_sequence_survives_pruning_and_restarts),
		T(test_pruning_by_time),
		T(test_pruning_by_size),
		T(test_pruning_a_full_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
