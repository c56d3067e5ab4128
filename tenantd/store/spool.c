/*
 * The spools and their drainer.
 *
 * Each spool has one appender (an API thread), which owns the tail, and the drainer, which
 * owns the head; each publishes its offset. A spool goes on where the last run stopped: the
 * head is what the meta record "spool.N" says (file id, offset, sequence, written in the
 * commit that held the entries), the tail is behind the last committed entry found from
 * there. So nothing is lost and nothing doubled, wherever the process died.
 *
 * The drainer sleeps while all spools are empty; the append that ends this wakes it, and it
 * gathers for half of drain_ms before it commits. When a commit fails it syncs the files,
 * so that a power loss finds the entries there, and tries again. `trouble_ms` is the start
 * of the attempt that has not succeeded yet: when that is more than a second ago, appends
 * are refused, whether the store is full, broken or just stuck.
 *
 * A committed entry whose bytes are wrong stops its spool: what follows cannot be trusted.
 * The next start sets the file aside, whole, and begins a new one.
 */
#include "spool.h"

#include "spool_ring.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPOOLS_MAX 64
#define GRACE_MS 1000
#define COMMIT_BYTES (1024u * 1024)
#define CACHE_LINE 64

struct spool {
	struct spool_set *set;
	unsigned index;
	struct ring ring;

	/* The appender's. */
	alignas(CACHE_LINE) struct ring_pos tail;
	atomic_uint_fast64_t tail_offset; /* published */
	atomic_uint_fast64_t appended, refused;

	/* The drainer's. */
	alignas(CACHE_LINE) struct ring_pos head;
	struct ring_pos next;		  /* head after the commit under way */
	atomic_uint_fast64_t head_offset; /* published */
	atomic_bool damaged;
};

struct spool_set {
	struct spool_options opt;
	struct store *store;
	int dir_fd;
	int wake_fd;
	struct spool *spools; /* SPOOLS_MAX; those beyond count only to be drained */
	unsigned set_aside;

	pthread_t drainer;
	bool drainer_runs;
	atomic_bool stopping, idle, hurry, failing;
	atomic_int_fast64_t trouble_ms;
	atomic_uint_fast64_t drained;
	pthread_mutex_t error_lock;
	struct td_err error; /* the last one */
};

static void
spool_name(unsigned index, char out[32])
{
	(void)snprintf(out, 32, "spool.%u", index);
}

static void
keep_error(struct spool_set *set, const struct td_err *err)
{
	pthread_mutex_lock(&set->error_lock);
	set->error = *err;
	pthread_mutex_unlock(&set->error_lock);
}

static void
wake(struct spool_set *set)
{
	uint64_t one = 1;

	(void)!write(set->wake_fd, &one, sizeof(one));
}

/* ---- appending ---- */

enum td_rc
spool_append(struct spool *sp, const void *entry, size_t len)
{
	struct spool_set *set = sp->set;
	int64_t trouble = atomic_load_explicit(&set->trouble_ms, memory_order_relaxed);
	uint64_t head;

	if (len < 1 || len > STORE_VALUE_MAX)
		return TD_INVALID;
	head = atomic_load_explicit(&sp->head_offset, memory_order_acquire);
	if (sp->tail.offset - head + ring_need(len) > sp->ring.size ||
	    atomic_load_explicit(&sp->damaged, memory_order_relaxed) ||
	    (trouble != 0 && td_mono_ms(set->opt.env) - trouble > GRACE_MS)) {
		atomic_fetch_add_explicit(&sp->refused, 1, memory_order_relaxed);
		return TD_UNAVAILABLE;
	}
	ring_write(&sp->ring, &sp->tail, entry, len);
	atomic_fetch_add_explicit(&sp->appended, 1, memory_order_relaxed);
	/* Sequentially consistent with the drainer's look before it sleeps. */
	atomic_store(&sp->tail_offset, sp->tail.offset);
	if (atomic_load(&set->idle) && atomic_exchange(&set->idle, false))
		wake(set);
	return TD_OK;
}

/* ---- draining ---- */

static bool
has_entries(const struct spool *sp)
{
	return sp->ring.map != NULL && !atomic_load(&sp->damaged) &&
	       atomic_load(&sp->tail_offset) != sp->head.offset;
}

static bool
any_entries(const struct spool_set *set)
{
	for (unsigned i = 0; i < SPOOLS_MAX; i++) {
		if (has_entries(&set->spools[i]))
			return true;
	}
	return false;
}

static void
stop_spool(struct spool *sp)
{
	struct td_err err = { .rc = TD_OK };

	td_err_set(&err, TD_CORRUPT,
		   "audit spool %u is damaged at entry %" PRIu64
		   ": it is out of use until the "
		   "next start, which sets the file aside",
		   sp->index, sp->next.seq);
	keep_error(sp->set, &err);
	atomic_store(&sp->damaged, true);
}

/* The position of a spool, into the commit that moves it: file id, offset, sequence. */
static void
put_position(struct spool *sp, struct store_commit *c)
{
	unsigned char b[RING_ID_LEN + 16];
	uint64_t offset = htole64(sp->next.offset);
	uint64_t seq = htole64(sp->next.seq);
	char name[32];

	spool_name(sp->index, name);
	memcpy(b, sp->ring.id, RING_ID_LEN);
	memcpy(b + RING_ID_LEN, &offset, sizeof(offset));
	memcpy(b + RING_ID_LEN + 8, &seq, sizeof(seq));
	store_commit_put(c, STORE_META, name, strlen(name), b, sizeof(b));
}

/* Take entries of one spool into the commit, while there is room. */
static void
gather(struct spool *sp, struct store_commit *c, size_t *bytes)
{
	uint64_t end = atomic_load(&sp->tail_offset);
	unsigned char entry[STORE_VALUE_MAX];
	size_t len;

	sp->next = sp->head;
	while (sp->next.offset != end && *bytes < COMMIT_BYTES) {
		if (ring_read(&sp->ring, &sp->next, entry, &len) != RING_ENTRY) {
			stop_spool(sp);
			break;
		}
		store_commit_audit(c, entry, len);
		*bytes += ring_need(len);
	}
	if (sp->next.offset != sp->head.offset)
		put_position(sp, c);
}

static void
advance(struct spool *sp)
{
	atomic_fetch_add(&sp->set->drained, sp->next.seq - sp->head.seq);
	sp->head = sp->next;
	atomic_store_explicit(&sp->head_offset, sp->head.offset, memory_order_release);
}

/* One commit with entries of all spools. *ret_more: there may be more. */
static enum td_rc
drain_some(struct spool_set *set, bool *ret_more, struct td_err *reterr)
{
	struct store_commit *c = store_commit_new(STORE_RESERVE);
	size_t bytes = 0;
	enum td_rc rc;

	if (c == NULL)
		return td_err_set(reterr, TD_NOMEM, "no memory to drain the audit spool");
	for (unsigned i = 0; i < SPOOLS_MAX; i++) {
		set->spools[i].next = set->spools[i].head;
		if (has_entries(&set->spools[i]))
			gather(&set->spools[i], c, &bytes);
	}
	*ret_more = bytes >= COMMIT_BYTES;
	if (bytes == 0) {
		store_commit_free(c);
		return TD_OK;
	}
	rc = store_commit(set->store, c, NULL, reterr);
	for (unsigned i = 0; i < SPOOLS_MAX && rc == TD_OK; i++) {
		if (set->spools[i].next.offset != set->spools[i].head.offset)
			advance(&set->spools[i]);
	}
	return rc;
}

static void
sync_all(struct spool_set *set)
{
	for (unsigned i = 0; i < SPOOLS_MAX; i++) {
		if (has_entries(&set->spools[i]))
			ring_sync(&set->spools[i].ring);
	}
}

/* All that was appended before; false when the store did not take it. */
static bool
drain_all(struct spool_set *set)
{
	struct td_err err = { .rc = TD_OK };
	enum td_rc rc = TD_OK;
	bool more = true;

	while (more && rc == TD_OK && any_entries(set)) {
		/* The clock of this attempt; an earlier one that failed still runs. */
		if (atomic_load(&set->trouble_ms) == 0) {
			int64_t now = td_mono_ms(set->opt.env);
			atomic_store(&set->trouble_ms, now != 0 ? now : 1);
		}
		rc = drain_some(set, &more, &err);
		if (rc == TD_OK)
			atomic_store(&set->trouble_ms, 0);
	}
	if (rc != TD_OK) {
		keep_error(set, &err);
		sync_all(set);
	}
	atomic_store(&set->failing, rc != TD_OK);
	return rc == TD_OK;
}

/* Sleep until woken, at most `ms` (-1: for ever). */
static void
nap(struct spool_set *set, int64_t ms)
{
	struct pollfd p = { .fd = set->wake_fd, .events = POLLIN };
	uint64_t count;

	if (atomic_load(&set->hurry) || atomic_load(&set->stopping))
		return;
	if (poll(&p, 1, (int)ms) > 0)
		(void)!read(set->wake_fd, &count, sizeof(count));
}

static void *
drainer_main(void *arg)
{
	struct spool_set *set = arg;

	while (!atomic_load(&set->stopping)) {
		if (!any_entries(set)) {
			atomic_store(&set->idle, true);
			if (!any_entries(set))
				nap(set, -1);
			atomic_store(&set->idle, false);
		}
		nap(set, set->opt.drain_ms / 2);
		atomic_store(&set->hurry, false);
		if (!drain_all(set))
			nap(set, set->opt.drain_ms);
	}
	(void)drain_all(set);
	return NULL;
}

enum td_rc
spool_flush(struct spool_set *set, int64_t timeout_ms, struct td_err *reterr)
{
	int64_t deadline = td_mono_ms(set->opt.env) + timeout_ms;
	uint64_t want[SPOOLS_MAX];

	for (unsigned i = 0; i < SPOOLS_MAX; i++)
		want[i] = atomic_load(&set->spools[i].tail_offset);
	for (unsigned i = 0; i < SPOOLS_MAX; i++) {
		struct spool *sp = &set->spools[i];

		while (atomic_load(&sp->head_offset) < want[i]) {
			if (atomic_load(&sp->damaged))
				return td_err_set(reterr, TD_CORRUPT,
						  "audit spool %u is damaged", i);
			if (td_mono_ms(set->opt.env) >= deadline)
				return td_err_set(reterr, TD_TIMEOUT,
						  "the audit spool is not drained");
			atomic_store(&set->hurry, true);
			wake(set);
			td_sleep_ms(set->opt.env, 1);
		}
	}
	return TD_OK;
}

/* ---- opening ---- */

static enum td_rc
load_position(struct spool *sp, struct td_err *reterr)
{
	struct store_read *r;
	struct store_value v;
	char name[32];
	enum td_rc rc;

	spool_name(sp->index, name);
	sp->head = (struct ring_pos){ .offset = 0, .seq = 1 };
	rc = store_read_begin(sp->set->store, &r, reterr);
	if (rc != TD_OK)
		return rc;
	rc = store_get(r, STORE_META, name, strlen(name), &v, reterr);
	if (rc == TD_OK && v.version != 0) {
		struct td_cur c = td_cur_make(v.data, v.len);
		const void *id = td_cur_bytes(&c, RING_ID_LEN);

		/* Another id: the position is of a file that was here before. */
		if (id != NULL && memcmp(id, sp->ring.id, RING_ID_LEN) == 0) {
			sp->head.offset = td_cur_u64(&c);
			sp->head.seq = td_cur_u64(&c);
		}
		if (!td_cur_ok(&c) || sp->head.offset % 8 != 0)
			rc = td_err_set(reterr, TD_CORRUPT, "meta record %s is damaged",
					name);
	}
	store_read_end(r);
	return rc;
}

/* Find the tail. What cannot be read is left for drain and set_aside to meet. */
static bool
find_tail(struct spool *sp)
{
	unsigned char entry[STORE_VALUE_MAX];
	enum ring_found found;
	size_t len;

	sp->tail = sp->head;
	while ((found = ring_read(&sp->ring, &sp->tail, entry, &len)) == RING_ENTRY) {
		if (sp->tail.offset - sp->head.offset >= sp->ring.size)
			break;
	}
	atomic_store(&sp->head_offset, sp->head.offset);
	atomic_store(&sp->tail_offset, sp->tail.offset);
	return found != RING_DAMAGED;
}

static enum td_rc
set_aside(struct spool *sp, const struct td_err *why, struct td_err *reterr)
{
	struct spool_set *set = sp->set;
	char name[32], aside[80];

	spool_name(sp->index, name);
	(void)snprintf(aside, sizeof(aside), "%s.damaged-%" PRId64, name,
		       td_now_ms(set->opt.env));
	ring_close(&sp->ring);
	if (renameat(set->dir_fd, name, set->dir_fd, aside) != 0)
		return td_err_sys(reterr, TD_IO, errno, "setting %s aside", name);
	set->set_aside++;
	keep_error(set, why);
	return TD_OK;
}

/* What an earlier run left in this spool, if there was one. */
static enum td_rc
recover(struct spool *sp, struct td_err *reterr)
{
	struct td_err err = { .rc = TD_OK };
	char name[32];
	enum td_rc rc;

	spool_name(sp->index, name);
	rc = ring_open(sp->set->dir_fd, name, &sp->ring, &err);
	if (rc == TD_NOT_FOUND)
		return TD_OK;
	if (rc == TD_CORRUPT)
		return set_aside(sp, &err, reterr);
	if (rc != TD_OK)
		return td_err_set(reterr, rc, "%s", err.detail);
	rc = load_position(sp, reterr);
	if (rc != TD_OK || find_tail(sp))
		return rc;
	/* The sound entries in front of the damage first; they must not go aside. */
	td_err_set(&err, TD_CORRUPT,
		   "audit spool %u is damaged at entry %" PRIu64
		   " (a power loss does that to "
		   "the last entries): the file is set aside",
		   sp->index, sp->tail.seq);
	if (!drain_all(sp->set))
		return td_err_set(reterr, sp->set->error.rc, "%s", sp->set->error.detail);
	return set_aside(sp, &err, reterr);
}

/* A file of the right size for a spool in use. One with entries that the store does not
 * take now is kept as it is. */
static enum td_rc
provide(struct spool *sp, struct td_err *reterr)
{
	char name[32];
	enum td_rc rc;

	spool_name(sp->index, name);
	if (sp->ring.map != NULL &&
	    (sp->ring.map_bytes == sp->set->opt.bytes || has_entries(sp)))
		return TD_OK;
	ring_close(&sp->ring);
	rc = ring_create(sp->set->dir_fd, name, sp->set->opt.bytes, sp->set->opt.env,
			 reterr);
	if (rc == TD_OK)
		rc = ring_open(sp->set->dir_fd, name, &sp->ring, reterr);
	if (rc == TD_OK)
		rc = load_position(sp, reterr);
	if (rc == TD_OK)
		(void)find_tail(sp);
	return rc;
}

/* A spool beyond count: gone once it is empty. */
static void
retire(struct spool *sp)
{
	char name[32];

	if (sp->ring.map == NULL || has_entries(sp))
		return;
	spool_name(sp->index, name);
	ring_close(&sp->ring);
	(void)unlinkat(sp->set->dir_fd, name, 0);
}

static enum td_rc
open_all(struct spool_set *set, struct td_err *reterr)
{
	enum td_rc rc = TD_OK;

	for (unsigned i = 0; i < SPOOLS_MAX && rc == TD_OK; i++)
		rc = recover(&set->spools[i], reterr);
	if (rc != TD_OK)
		return rc;
	/* A store that takes nothing now is no reason not to start: reads are refused. */
	(void)drain_all(set);
	for (unsigned i = 0; i < SPOOLS_MAX && rc == TD_OK; i++) {
		if (i < set->opt.count)
			rc = provide(&set->spools[i], reterr);
		else
			retire(&set->spools[i]);
	}
	return rc;
}

static enum td_rc
check_options(const struct spool_options *opt, struct td_err *reterr)
{
	if (opt->count < 1 || opt->count > SPOOLS_MAX || opt->bytes < 64u * 1024 ||
	    opt->bytes > 1u << 30 || opt->drain_ms < 20 || opt->drain_ms > 100)
		return td_err_set(reterr, TD_INVALID, "options of the audit spool");
	return TD_OK;
}

static struct spool_set *
set_new(const struct spool_options *opt, struct store *store)
{
	struct spool_set *set = calloc(1, sizeof(*set));
	size_t bytes = SPOOLS_MAX * sizeof(struct spool);

	if (set == NULL)
		return NULL;
	set->spools = aligned_alloc(CACHE_LINE, bytes);
	if (set->spools == NULL) {
		free(set);
		return NULL;
	}
	memset(set->spools, 0, bytes);
	set->opt = *opt;
	set->store = store;
	set->dir_fd = -1;
	set->wake_fd = -1;
	pthread_mutex_init(&set->error_lock, NULL);
	for (unsigned i = 0; i < SPOOLS_MAX; i++) {
		set->spools[i].set = set;
		set->spools[i].index = i;
	}
	return set;
}

static enum td_rc
set_start(struct spool_set *set, struct td_err *reterr)
{
	const char *dir = set->opt.dir;
	enum td_rc rc;
	int m;

	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return td_err_sys(reterr, TD_IO, errno, "%s", dir);
	set->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (set->dir_fd < 0)
		return td_err_sys(reterr, TD_IO, errno, "%s", dir);
	set->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (set->wake_fd < 0)
		return td_err_sys(reterr, TD_IO, errno, "eventfd");
	rc = open_all(set, reterr);
	if (rc != TD_OK) {
		td_err_prefix(reterr, "%s", dir);
		return rc;
	}
	m = pthread_create(&set->drainer, NULL, drainer_main, set);
	if (m != 0)
		return td_err_sys(reterr, TD_NOMEM, m, "drainer thread");
	set->drainer_runs = true;
	(void)pthread_setname_np(set->drainer, "spool-drainer");
	return TD_OK;
}

enum td_rc
spool_open(const struct spool_options *opt, struct store *store,
	   struct spool_set **ret_set, struct td_err *reterr)
{
	struct spool_set *set;
	enum td_rc rc = check_options(opt, reterr);

	if (rc != TD_OK)
		return rc;
	set = set_new(opt, store);
	if (set == NULL)
		return td_err_set(reterr, TD_NOMEM, "no memory for the audit spool");
	rc = set_start(set, reterr);
	if (rc != TD_OK) {
		spool_close(set);
		return rc;
	}
	*ret_set = set;
	return TD_OK;
}

void
spool_close(struct spool_set *set)
{
	if (set == NULL)
		return;
	if (set->drainer_runs) {
		atomic_store(&set->stopping, true);
		wake(set);
		pthread_join(set->drainer, NULL);
	}
	for (unsigned i = 0; i < SPOOLS_MAX; i++) {
		if (has_entries(&set->spools[i]))
			ring_sync(&set->spools[i].ring);
		ring_close(&set->spools[i].ring);
	}
	if (set->wake_fd >= 0)
		close(set->wake_fd);
	if (set->dir_fd >= 0)
		close(set->dir_fd);
	pthread_mutex_destroy(&set->error_lock);
	free(set->spools);
	free(set);
}

struct spool *
spool_get(struct spool_set *set, unsigned index)
{
	return index < set->opt.count ? &set->spools[index] : NULL;
}

void
spool_stats(struct spool_set *set, struct spool_stats *ret_stats)
{
	struct spool_stats st = { .spool_bytes = set->opt.bytes,
				  .damaged = set->set_aside };
	int64_t trouble = atomic_load(&set->trouble_ms);

	for (unsigned i = 0; i < SPOOLS_MAX; i++) {
		struct spool *sp = &set->spools[i];
		/* Head first: it never passes the tail that is read after it. */
		uint64_t head = atomic_load(&sp->head_offset);
		uint64_t waiting = atomic_load(&sp->tail_offset) - head;

		st.appended += atomic_load(&sp->appended);
		st.refused += atomic_load(&sp->refused);
		if (waiting > st.waiting_bytes)
			st.waiting_bytes = waiting;
		if (atomic_load(&sp->damaged))
			st.damaged++;
	}
	st.drained = atomic_load(&set->drained);
	st.failing = atomic_load(&set->failing) || st.damaged > set->set_aside ||
		     (trouble != 0 && td_mono_ms(set->opt.env) - trouble > GRACE_MS);
	pthread_mutex_lock(&set->error_lock);
	st.error = set->error;
	pthread_mutex_unlock(&set->error_lock);
	*ret_stats = st;
}
