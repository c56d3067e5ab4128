/*
 * The writer thread: group commit. It takes what is queued (bounded), applies it in order in
 * one transaction, and reports when that is durable; while it waits for the disk the next
 * batch gathers. When a change fails in the middle (map full, disk full, a damaged page), the
 * transaction is aborted and the batch is gone through one by one, so that only the guilty
 * are refused.
 *
 * Space is met in three places, from soft to hard: the ceiling `max_bytes` per commit
 * (apply.c), blocks reserved before the transaction (env_extend), and LMDB's own errors. When
 * the file system has no blocks to give, the pages that are free within the file still serve:
 * normal commits until `reserve_bytes` of them are left, reserve commits until only those are
 * left that a deletion needs, and then, when the ballast was given up, on what it gave. While
 * the ballast is gone normal commits are refused, so that they cannot eat that.
 *
 * A failed fsync is final: what the kernel dropped is not known. The store is then
 * `broken`, and every later commit is refused with TD_IO.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Rough cost in pages of a commit: a leaf per operation, more for ranges, and the paths. */
#define PAGES_BASE 24
#define PAGES_PER_OP 3
#define PAGES_PER_RANGE 512
/* A batch reserves no more than this ahead (4 MiB); if that is too little, LMDB says so. */
#define PAGES_MAX 1024
/* Free pages that only deletions may use: copies of what they change come first. */
#define PAGES_TO_DELETE 64

enum outcome {
	OUT_DONE,  /* every commit of the list has its result */
	OUT_SPLIT, /* nothing was done: try them one by one */
	OUT_FULL   /* nothing was done: the file system is full */
};

struct run {
	struct store_commit **list;
	unsigned count;
	bool tight; /* no blocks could be reserved: goes on within the file */
};

static void
settle(struct store_commit *c, enum td_rc rc)
{
	c->rc = rc;
	c->settled = true;
}

/* The same end for all that have none yet. */
static void
settle_all(const struct run *r, const struct td_err *err)
{
	for (unsigned i = 0; i < r->count; i++) {
		if (r->list[i]->settled)
			continue;
		r->list[i]->err = *err;
		settle(r->list[i], err->rc);
	}
}

static void
break_store(struct store *s, const struct run *r, int m)
{
	struct td_err err = { .rc = TD_OK };

	atomic_store(&s->broken, true);
	env_error(m,
		  "the store cannot write any more; restart after the disk is repaired",
		  &err);
	err.rc = TD_IO;
	settle_all(r, &err);
}

static uint64_t
pages_needed(const struct run *r, uint64_t page_bytes)
{
	uint64_t pages = PAGES_BASE;

	for (unsigned i = 0; i < r->count; i++) {
		const struct store_commit *c = r->list[i];
		pages += (uint64_t)c->op_count * PAGES_PER_OP +
			 c->put_bytes / page_bytes +
			 (uint64_t)c->range_count * PAGES_PER_RANGE;
	}
	return pages < PAGES_MAX ? pages : PAGES_MAX;
}

/* Apply all; the number that went in, or -1 when the transaction is spoilt. */
static int
apply_all(struct store *s, MDB_txn *txn, const struct run *r, struct store_clock *clock,
	  struct store_commit **ret_guilty)
{
	int applied = 0;

	for (unsigned i = 0; i < r->count; i++) {
		struct store_commit *c = r->list[i];
		struct store_clock before = *clock;
		bool hard;

		if (c->settled)
			continue;
		c->rc = store_apply(s, txn, c, clock, &hard);
		if (hard) {
			*ret_guilty = c;
			return -1;
		}
		if (c->rc == TD_OK)
			applied++;
		else
			*clock = before;
	}
	return applied;
}

/* Errors of the transaction as a whole. */
static enum outcome
failed(struct store *s, const struct run *r, int m)
{
	struct td_err err = { .rc = TD_OK };

	/* A short write is EIO to LMDB 0.9.24; on a full disk it is no broken disk. */
	if (m == EIO &&
	    (r->tight || env_space_tight(&s->control, PAGES_MAX * s->control.page_bytes)))
		m = ENOSPC;
	if (env_is_full(m) && m != MDB_MAP_FULL)
		return r->count > 1 ? OUT_SPLIT : OUT_FULL;
	if (!env_is_full(m) && m != ENOMEM && m != MDB_TXN_FULL) {
		break_store(s, r, m);
		return OUT_DONE;
	}
	if (r->count > 1)
		return OUT_SPLIT;
	env_error(m, "commit", &err);
	settle_all(r, &err);
	return OUT_DONE;
}

static void
publish(struct store *s, const struct run *r, const struct store_clock *clock,
	uint64_t used)
{
	s->clock = *clock;
	atomic_store(&s->audit_next, clock->audit_next);
	atomic_store(&s->audit_first, clock->audit_first);
	atomic_store(&s->used_bytes, used);
	for (unsigned i = 0; i < r->count; i++) {
		if (!r->list[i]->settled)
			settle(r->list[i], r->list[i]->rc);
	}
}

/* Results that need no durable write stand as they are. */
static enum outcome
keep_refusals(const struct run *r)
{
	for (unsigned i = 0; i < r->count; i++) {
		if (!r->list[i]->settled)
			settle(r->list[i], r->list[i]->rc);
	}
	return OUT_DONE;
}

static enum outcome
run_txn(struct store *s, const struct run *r)
{
	struct store_clock clock = s->clock;
	struct store_commit *guilty = NULL;
	struct td_err err = { .rc = TD_OK };
	uint64_t used;
	MDB_txn *txn;
	int m, applied;

	m = mdb_txn_begin(s->control.mdb, NULL, 0, &txn);
	if (m != 0)
		return failed(s, r, m);
	applied = apply_all(s, txn, r, &clock, &guilty);
	if (applied < 0) {
		mdb_txn_abort(txn);
		if (r->count > 1)
			return OUT_SPLIT;
		settle(guilty, guilty->rc);
		return OUT_DONE;
	}
	if (applied == 0) {
		mdb_txn_abort(txn);
		return keep_refusals(r);
	}
	if (store_clock_save(&s->control, txn, &clock, &err) != TD_OK) {
		mdb_txn_abort(txn);
		if (r->count > 1)
			return OUT_SPLIT;
		settle_all(r, &err);
		return OUT_DONE;
	}
	used = env_used_pages(&s->control, txn) * s->control.page_bytes;
	m = mdb_txn_commit(txn);
	if (m != 0)
		return failed(s, r, m);
	publish(s, r, &clock, used);
	return OUT_DONE;
}

/* Whether the pages that are free within the file will do. */
static bool
fits_within(struct store *s, const struct run *r, uint64_t need)
{
	const struct env *e = &s->control;
	uint64_t used = atomic_load(&s->used_bytes);
	uint64_t spare =
		e->file_bytes > used ? (e->file_bytes - used) / e->page_bytes : 0;
	uint64_t least = 0;

	for (unsigned i = 0; i < r->count; i++) {
		const struct store_commit *c = r->list[i];
		uint64_t n = 0;

		/* Open snapshots keep some of the free pages, hence the factor. */
		if (c->class == STORE_NORMAL)
			n = 4 * need + PAGES_TO_DELETE + s->reserve_bytes / e->page_bytes;
		else if (c->put_bytes > 0)
			n = need + PAGES_TO_DELETE;
		least = n > least ? n : least;
	}
	return spare >= least;
}

static enum outcome
run(struct store *s, struct run *r)
{
	uint64_t need = pages_needed(r, s->control.page_bytes);
	int m = env_extend(&s->control, need);

	r->tight = env_is_full(m);
	if (r->tight && !fits_within(s, r, need))
		return r->count > 1 ? OUT_SPLIT : OUT_FULL;
	if (m != 0 && !r->tight) {
		break_store(s, r, m);
		return OUT_DONE;
	}
	return run_txn(s, r);
}

static void
refuse_full(struct store_commit *c, const char *why)
{
	td_err_set(&c->err, TD_STORE_FULL, "%s", why);
	settle(c, TD_STORE_FULL);
}

static void
run_one(struct store *s, struct store_commit *c)
{
	struct run r = { .list = &c, .count = 1 };

	if (run(s, &r) == OUT_DONE)
		return;
	if (c->class == STORE_RESERVE && store_ballast_release(s) &&
	    run(s, &r) == OUT_DONE)
		return;
	refuse_full(c, "the file system of the store is full");
}

static void
run_batch(struct store *s, unsigned count)
{
	struct run r = { .list = s->batch, .count = count };

	if (atomic_load(&s->broken)) {
		struct td_err err = { .rc = TD_OK };
		td_err_set(&err, TD_IO,
			   "the store is broken since an earlier write failed");
		settle_all(&r, &err);
		return;
	}
	if (s->ballast_gone && !store_ballast_restore(s)) {
		for (unsigned i = 0; i < count; i++) {
			if (s->batch[i]->class == STORE_NORMAL)
				refuse_full(s->batch[i],
					    "the file system of the store is full: it "
					    "has no room for the ballast");
		}
	}
	if (count > 1 && run(s, &r) == OUT_DONE)
		return;
	for (unsigned i = 0; i < count; i++) {
		struct store_commit *c = s->batch[i];

		if (c->settled)
			continue;
		c->err = (struct td_err){ .rc = TD_OK };
		if (atomic_load(&s->broken)) {
			td_err_set(&c->err, TD_IO, "the store is broken");
			settle(c, TD_IO);
		} else {
			run_one(s, c);
		}
	}
}

static void
count_results(struct store *s, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct store_commit *c = s->batch[i];

		if (c->rc == TD_OK)
			atomic_fetch_add(&s->commits, 1);
		else if (c->rc == TD_PRECONDITION)
			atomic_fetch_add(&s->conflicts, 1);
		else
			atomic_fetch_add(&s->failures, 1);
		if (c->class == STORE_NORMAL &&
		    (c->rc == TD_OK || c->rc == TD_STORE_FULL))
			atomic_store(&s->full, c->rc == TD_STORE_FULL);
	}
}

static int
compare_appids(const void *a, const void *b)
{
	const char *const *x = a;
	const char *const *y = b;

	return strcmp(*x, *y);
}

static void
tell(struct store *s, const char *appid)
{
	unsigned n = atomic_load_explicit(&s->watcher_count, memory_order_acquire);

	for (unsigned i = 0; i < n; i++)
		s->watchers[i].fn(s->watchers[i].ctx, appid);
}

/* Fills list (may be NULL) with the touched appids, gives their number. */
static size_t
touched(struct store *s, unsigned count, const char **list)
{
	size_t n = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct store_commit *c = s->batch[i];
		struct store_op op;
		size_t pos = 0;

		if (c->rc != TD_OK || !c->touches)
			continue;
		while (store_commit_next(c, &pos, &op)) {
			if (op.kind != STORE_OP_TOUCH)
				continue;
			if (list != NULL)
				list[n] = op.key;
			n++;
		}
	}
	return n;
}

static void
tell_each(struct store *s, const struct store_commit *c)
{
	struct store_op op;
	size_t pos = 0;

	while (c->rc == TD_OK && store_commit_next(c, &pos, &op)) {
		if (op.kind == STORE_OP_TOUCH)
			tell(s, op.key);
	}
}

static void
tell_watchers(struct store *s, unsigned count)
{
	const char *few[64];
	const char **list = few;
	size_t n;

	if (atomic_load(&s->watcher_count) == 0)
		return;
	n = touched(s, count, NULL);
	if (n == 0)
		return;
	if (n > sizeof(few) / sizeof(few[0]))
		list = malloc(n * sizeof(*list));
	if (list == NULL) {
		/* Out of memory: twice is better than not at all. */
		for (unsigned i = 0; i < count; i++)
			tell_each(s, s->batch[i]);
		return;
	}
	touched(s, count, list);
	qsort(list, n, sizeof(*list), compare_appids);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || strcmp(list[i], list[i - 1]) != 0)
			tell(s, list[i]);
	}
	if (list != few)
		free(list);
}

/* The watchers first: who hears that a commit is done may rely on their having heard. */
static void
report(struct store *s, unsigned count)
{
	tell_watchers(s, count);
	for (unsigned i = 0; i < count; i++) {
		struct store_commit *c = s->batch[i];

		if (c->done != NULL)
			c->done(c->ctx, c->rc, c->rc == TD_OK ? c->version : 0,
				c->rc == TD_OK ? NULL : &c->err);
	}
	for (unsigned i = 0; i < count; i++)
		store_commit_free(s->batch[i]);
}

/* Wait for work; 0 when the store stops and nothing is left. */
static unsigned
take(struct store *s)
{
	unsigned n = 0;
	size_t bytes = 0;

	pthread_mutex_lock(&s->lock);
	while (s->head == NULL && !s->stopping)
		pthread_cond_wait(&s->wake, &s->lock);
	while (s->head != NULL && n < STORE_BATCH_COMMITS && bytes < STORE_BATCH_BYTES) {
		struct store_commit *c = s->head;

		s->head = c->next;
		if (s->head == NULL)
			s->tail = &s->head;
		bytes += c->ops.len;
		s->batch[n++] = c;
	}
	pthread_mutex_unlock(&s->lock);
	return n;
}

void *
store_writer_main(void *arg)
{
	struct store *s = arg;
	unsigned n;

	while ((n = take(s)) > 0) {
		run_batch(s, n);
		count_results(s, n);
		atomic_fetch_sub(&s->queued, n);
		report(s, n);
	}
	return NULL;
}
