/*
 * The set of tenants that are not free, and the thread that keeps it and the files.
 *
 * A watcher only notes the appid in a bounded queue; the thread reads the tenant's record
 * later, whatever it is then, so an appid noted twice or late does no harm. When the queue is
 * full, or a read failed, the whole table is scanned again: into a set of its own that
 * replaces the old one at the end, so that a scan that fails lets nobody in. Appids noted
 * during a scan are looked at after it.
 *
 * Writing and signalling have a due time each per target; 0 pauses at first, growing ones
 * after failures.
 */
#include "denymap.h"

#include "denymap_file.h"
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QUEUE_MAX 4096
#define SCAN_CHUNK 2000	   /* tenants per snapshot: a long one would keep old pages */
#define GATHER_MS 20	   /* between two looks at the queue */
#define WRITE_EVERY_MS 100 /* at most: each is a reload of the gateway */
#define PAUSE_MIN_MS 250
#define PAUSE_MAX_MS 10000
#define LONGEST_WAIT_MS 60000
#define FILE_MAX ((size_t)256 << 20)

static const struct td_log_ctx LOG = { .room = "denymap" };

struct item {
	char appid[DRV_APPID_SIZE];
	size_t target;
	enum denymap_mode mode;
	UT_hash_handle hh;
};

struct retry {
	bool failing; /* and it was logged */
	int64_t due_mono;
	int64_t pause_ms;
};

struct target {
	char *region, *file, *pid_file;
	bool dirty;  /* the file is to be looked at */
	bool signal; /* the gateway is to be told */
	struct retry writing, signalling;
	atomic_ullong entries, writes, signals;
	atomic_bool write_failing, signal_failing;
};

struct denymap {
	struct store *store;
	const struct td_env *env;
	struct target *targets;
	size_t target_count;
	pthread_t thread;
	bool runs;
	atomic_bool known, stopping;

	pthread_mutex_t lock; /* of the queue; innermost */
	pthread_cond_t wake;
	char (*queue)[DRV_APPID_SIZE];
	size_t queue_len;
	bool rescan;

	/* the thread's */
	char (*taken)[DRV_APPID_SIZE];
	struct item *items;
	struct retry reading;
};

/* ---- pauses ---- */

static void
retry_ok(struct denymap *d, struct retry *r, int64_t next_ms)
{
	r->failing = false;
	r->pause_ms = 0;
	r->due_mono = td_mono_ms(d->env) + next_ms;
}

/* true: the first failure of a row, to be logged. */
static bool
retry_failed(struct denymap *d, struct retry *r)
{
	bool first = !r->failing;

	r->failing = true;
	r->pause_ms = r->pause_ms == 0 ? PAUSE_MIN_MS : 2 * r->pause_ms;
	if (r->pause_ms > PAUSE_MAX_MS)
		r->pause_ms = PAUSE_MAX_MS;
	r->due_mono = td_mono_ms(d->env) + r->pause_ms;
	return first;
}

/* ---- the set ---- */

static void
set_free(struct item **set)
{
	struct item *i, *tmp;

	HASH_ITER(hh, *set, i, tmp)
	{
		HASH_DEL(*set, i);
		free(i);
	}
}

static struct item *
set_find(struct item *set, const char *appid)
{
	struct item *i;

	HASH_FIND_STR(set, appid, i);
	return i;
}

static enum td_rc
/* uthash is macros. NOLINTNEXTLINE(readability-function-size) */
set_add(struct item **set, const char *appid, size_t target, enum denymap_mode mode,
	struct td_err *reterr)
{
	struct item *i = calloc(1, sizeof(*i));

	if (i == NULL)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	(void)stpncpy(i->appid, appid, sizeof(i->appid) - 1);
	i->target = target;
	i->mode = mode;
	HASH_ADD_STR(*set, appid, i);
	if (i->hh.tbl == NULL) { /* uthash found no memory */
		free(i);
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	}
	return TD_OK;
}

/* ---- reading the store ---- */

static size_t
target_find(const struct denymap *d, const char *region)
{
	size_t i = 0;

	while (i < d->target_count && strcmp(d->targets[i].region, region) != 0)
		i++;
	return i;
}

/* A deletion that a brake holds back has not closed the tenant, and nothing here does it in
 * its place: true until the intent to close it is recorded. */
static bool
still_open(struct store_read *rd, const char *appid, const struct rec_resource *res)
{
	unsigned char key[STORE_KEY_MAX];
	struct store_value val;
	struct rec_intent in;

	if (!res->claimed || res->access == DRV_ACCESS_NONE)
		return false;
	if (store_get(rd, STORE_INTENT, key, rec_key_resource(appid, DRV_OBJECT, key),
		      &val, NULL) != TD_OK)
		return false;
	return val.version == 0 ||
	       (rec_intent_decode(val.data, val.len, &in, NULL) == TD_OK &&
		in.access != DRV_ACCESS_NONE);
}

/* What a tenant's record asks for; FREE when no target of ours has its region. */
static enum td_rc
judge(struct denymap *d, struct store_read *rd, const char *appid,
      const struct store_value *val, struct item *ret, struct td_err *reterr)
{
	unsigned char key[STORE_KEY_MAX];
	struct store_value obj;
	struct rec_tenant rec;
	struct rec_resource res;
	enum denymap_fence fence = DENYMAP_NOT_FENCED;
	enum td_rc rc = rec_tenant_decode(val->data, val->len, &rec, reterr);

	ret->mode = DENYMAP_FREE;
	if (rc != TD_OK)
		return rc;
	ret->target = target_find(d, rec.region);
	if (ret->target == d->target_count)
		return TD_OK;
	rc = store_get(rd, STORE_RESOURCE, key, rec_key_resource(appid, DRV_OBJECT, key),
		       &obj, reterr);
	if (rc == TD_OK && obj.version != 0) {
		rc = rec_resource_decode(obj.data, obj.len, &res, reterr);
		if (rc == TD_OK && res.fenced != 0)
			fence = DENYMAP_FENCED;
		if (rc == TD_OK && rec.phase == REC_DELETING &&
		    still_open(rd, appid, &res))
			rec.phase = REC_CREATED;
	}
	if (rc == TD_OK)
		ret->mode = denymap_mode(&rec, fence);
	return rc;
}

static void
log_unreadable(const char *appid, const struct td_err *err)
{
	td_log_err(
		TD_LOG_ERR, &(struct td_log_ctx){ .room = "denymap", .appid = appid },
		err,
		"the tenant's records cannot be read; its place in the deny map stays");
}

struct scan {
	struct denymap *d;
	struct store_read *rd;
	struct item *set;
	char last[DRV_APPID_SIZE];
	unsigned left;
	bool more;
	struct td_err err;
};

static enum td_rc
scan_take(void *ctx, const void *key, size_t key_len, const struct store_value *val)
{
	struct scan *s = ctx;
	struct item got = { .mode = DENYMAP_FREE };

	if (s->left-- == 0 || s->d->stopping) {
		s->more = true;
		return STORE_STOP;
	}
	if (key_len >= sizeof(s->last))
		return TD_OK;
	memset(s->last, 0, sizeof(s->last));
	memcpy(s->last, key, key_len);
	enum td_rc rc = judge(s->d, s->rd, s->last, val, &got, &s->err);
	if (rc == TD_CORRUPT) {
		const struct item *was = set_find(s->d->items, s->last);

		log_unreadable(s->last, &s->err);
		if (was != NULL)
			got = *was;
		rc = TD_OK;
	}
	if (rc == TD_OK && got.mode != DENYMAP_FREE)
		rc = set_add(&s->set, s->last, got.target, got.mode, &s->err);
	return rc;
}

/* All tenants into a new set, which replaces the old one. */
static enum td_rc
scan(struct denymap *d, struct td_err *reterr)
{
	struct scan s = { .d = d, .more = true };
	enum td_rc rc = TD_OK;

	while (rc == TD_OK && s.more && !d->stopping) {
		char after[DRV_APPID_SIZE];
		struct store_range range = { .after = after };

		memcpy(after, s.last, sizeof(after));
		range.after_len = strlen(after);
		s.left = SCAN_CHUNK;
		s.more = false;
		rc = store_read_begin(d->store, &s.rd, reterr);
		if (rc != TD_OK)
			break;
		rc = store_walk(s.rd, STORE_TENANT, &range, scan_take, &s, reterr);
		store_read_end(s.rd);
		if (rc != TD_OK && s.err.rc == rc && reterr != NULL)
			*reterr = s.err;
	}
	if (rc != TD_OK || s.more) {
		set_free(&s.set);
		return rc != TD_OK ? rc : td_err_set(reterr, TD_UNAVAILABLE, "stopping");
	}
	set_free(&d->items);
	d->items = s.set;
	for (size_t i = 0; i < d->target_count; i++) {
		d->targets[i].dirty = true;
		/* What an earlier run wrote last it may not have told. */
		if (!d->known && d->targets[i].pid_file != NULL)
			d->targets[i].signal = true;
	}
	d->known = true;
	return TD_OK;
}

/* One tenant anew. */
static enum td_rc
look_at(struct denymap *d, struct store_read *rd, const char *appid,
	struct td_err *reterr)
{
	unsigned char key[STORE_KEY_MAX];
	struct item *was = set_find(d->items, appid);
	struct item now = { .mode = DENYMAP_FREE };
	struct store_value val;
	enum td_rc rc =
		store_get(rd, STORE_TENANT, key, rec_key_appid(appid, key), &val, reterr);

	if (rc == TD_OK && val.version != 0)
		rc = judge(d, rd, appid, &val, &now, reterr);
	if (rc == TD_CORRUPT) {
		log_unreadable(appid, reterr);
		return TD_OK;
	}
	if (rc != TD_OK || (was == NULL && now.mode == DENYMAP_FREE))
		return rc;
	if (was != NULL && now.mode != DENYMAP_FREE && was->target == now.target) {
		if (was->mode != now.mode)
			d->targets[was->target].dirty = true;
		was->mode = now.mode;
		return TD_OK;
	}
	if (was != NULL) {
		d->targets[was->target].dirty = true;
		/* It was found there, so there is a head; the analyzer cannot know. */
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
		HASH_DEL(d->items, was);
		free(was);
	}
	if (now.mode == DENYMAP_FREE)
		return TD_OK;
	d->targets[now.target].dirty = true;
	return set_add(&d->items, appid, now.target, now.mode, reterr);
}

static enum td_rc
look_at_all(struct denymap *d, size_t count, struct td_err *reterr)
{
	struct store_read *rd = NULL;
	enum td_rc rc = store_read_begin(d->store, &rd, reterr);

	for (size_t i = 0; rc == TD_OK && i < count; i++)
		rc = look_at(d, rd, d->taken[i], reterr);
	store_read_end(rd);
	return rc;
}

/* Bring the set up to what was noted until now. */
static void
take_in(struct denymap *d)
{
	struct td_err err = { 0 };

	pthread_mutex_lock(&d->lock);
	bool all = d->rescan;
	size_t count = d->queue_len;
	if ((!all && count == 0) ||
	    (td_mono_ms(d->env) < d->reading.due_mono && !d->stopping)) {
		pthread_mutex_unlock(&d->lock);
		return;
	}
	char(*swap)[DRV_APPID_SIZE] = d->queue;
	d->queue = d->taken;
	d->taken = swap;
	d->queue_len = 0;
	d->rescan = false;
	pthread_mutex_unlock(&d->lock);

	enum td_rc rc = all ? scan(d, &err) : look_at_all(d, count, &err);
	if (rc == TD_OK) {
		retry_ok(d, &d->reading, GATHER_MS);
		return;
	}
	pthread_mutex_lock(&d->lock);
	d->rescan = true;
	pthread_mutex_unlock(&d->lock);
	if (!d->stopping && retry_failed(d, &d->reading))
		td_log_err(TD_LOG_ERR, &LOG, &err,
			   "tenants cannot be read for the deny map; trying again");
}

/* ---- the files ---- */

static int
by_appid(const void *a, const void *b)
{
	const struct item *const *x = a, *const *y = b;

	return strcmp((*x)->appid, (*y)->appid);
}

/* In order, so that the same set is the same bytes. */
static enum td_rc
render(struct denymap *d, size_t target, struct td_buf *out, struct td_err *reterr)
{
	const struct item **sorted = calloc(HASH_COUNT(d->items) + 1, sizeof(*sorted));
	size_t n = 0;

	if (sorted == NULL)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	for (const struct item *i = d->items; i != NULL; i = i->hh.next)
		if (i->target == target)
			sorted[n++] = i;
	qsort(sorted, n, sizeof(*sorted), by_appid);
	for (size_t i = 0; i < n; i++)
		denymap_line(out, sorted[i]->appid, sorted[i]->mode);
	free(sorted);
	atomic_store(&d->targets[target].entries, n);
	enum td_rc rc = td_buf_rc(out);
	return rc == TD_OK
		       ? rc
		       : td_err_set(reterr, rc, "the deny map cannot be put together");
}

static void
write_target(struct denymap *d, struct target *t)
{
	struct td_err err = { 0 };
	struct td_buf out;
	bool changed = false;

	td_buf_init(&out, FILE_MAX);
	enum td_rc rc = render(d, (size_t)(t - d->targets), &out, &err);
	if (rc == TD_OK)
		rc = denymap_file_write(t->file, &out, &changed, &err);
	td_buf_done(&out);
	atomic_store(&t->write_failing, rc != TD_OK);
	if (changed) {
		atomic_fetch_add(&t->writes, 1);
		t->signal = t->pid_file != NULL;
		t->signalling.due_mono = 0;
		t->signalling.pause_ms = 0;
	}
	if (rc != TD_OK) {
		if (retry_failed(d, &t->writing))
			td_log_err(TD_LOG_ERR, &LOG, &err,
				   "the deny map of region %s cannot be written; its "
				   "gateway goes "
				   "on with the old one; trying again",
				   t->region);
		return;
	}
	if (t->writing.failing)
		td_log(TD_LOG_INFO, &LOG, "the deny map of region %s is written again",
		       t->region);
	t->dirty = false;
	retry_ok(d, &t->writing, changed ? WRITE_EVERY_MS : 0);
}

static void
signal_target(struct denymap *d, struct target *t)
{
	struct td_err err = { 0 };
	enum td_rc rc = denymap_file_signal(t->pid_file, &err);

	atomic_store(&t->signal_failing, rc != TD_OK);
	if (rc != TD_OK) {
		if (retry_failed(d, &t->signalling))
			td_log_err(rc == TD_NOT_FOUND ? TD_LOG_WARN : TD_LOG_ERR, &LOG,
				   &err,
				   "the gateway of region %s cannot be told of its deny "
				   "map; "
				   "trying again",
				   t->region);
		return;
	}
	if (t->signalling.failing)
		td_log(TD_LOG_INFO, &LOG, "the gateway of region %s is told again",
		       t->region);
	t->signal = false;
	atomic_fetch_add(&t->signals, 1);
	retry_ok(d, &t->signalling, 0);
}

static void
settle(struct denymap *d, struct target *t)
{
	int64_t now = td_mono_ms(d->env);

	if (!d->known)
		return;
	if (t->dirty && (now >= t->writing.due_mono || d->stopping))
		write_target(d, t);
	if (t->signal && (now >= t->signalling.due_mono || d->stopping))
		signal_target(d, t);
}

/* ---- the thread ---- */

static int64_t
next_due(const struct denymap *d)
{
	int64_t due = INT64_MAX;

	if (d->rescan || d->queue_len > 0)
		due = d->reading.due_mono;
	for (size_t i = 0; i < d->target_count && d->known; i++) {
		const struct target *t = &d->targets[i];

		if (t->dirty && t->writing.due_mono < due)
			due = t->writing.due_mono;
		if (t->signal && t->signalling.due_mono < due)
			due = t->signalling.due_mono;
	}
	return due;
}

static void
wait_for_work(struct denymap *d)
{
	pthread_mutex_lock(&d->lock);
	while (!d->stopping) {
		int64_t now = td_mono_ms(d->env), due = next_due(d);
		struct timespec at;

		if (due <= now)
			break;
		if (due - now > LONGEST_WAIT_MS)
			due = now + LONGEST_WAIT_MS;
		/* env's monotonic clock is the one that the condition variable goes by. */
		at.tv_sec = (time_t)(due / 1000);
		at.tv_nsec = (long)(due % 1000) * 1000000;
		(void)pthread_cond_timedwait(&d->wake, &d->lock, &at);
	}
	pthread_mutex_unlock(&d->lock);
}

static void *
denymap_main(void *ctx)
{
	struct denymap *d = ctx;
	bool stop;

	/* The scan must come after the watcher: denymap_start holds the lock until then. */
	do {
		wait_for_work(d);
		stop = d->stopping;
		take_in(d);
		for (size_t i = 0; i < d->target_count; i++)
			settle(d, &d->targets[i]);
	} while (!stop);
	return NULL;
}

/* On the store's writer thread. */
static void
note(void *ctx, const char *appid)
{
	struct denymap *d = ctx;

	pthread_mutex_lock(&d->lock);
	if (d->queue_len == 0 && !d->rescan)
		pthread_cond_signal(&d->wake);
	if (d->queue_len == QUEUE_MAX || d->rescan) {
		d->rescan = true;
	} else {
		char *to = d->queue[d->queue_len++];

		memset(to, 0, DRV_APPID_SIZE);
		(void)stpncpy(to, appid, DRV_APPID_SIZE - 1);
	}
	pthread_mutex_unlock(&d->lock);
}

/* ---- start and stop ---- */

static enum td_rc
start(struct denymap *d, struct td_err *reterr)
{
	pthread_mutex_lock(&d->lock);
	int sys = pthread_create(&d->thread, NULL, denymap_main, d);
	if (sys != 0) {
		pthread_mutex_unlock(&d->lock);
		return td_err_sys(reterr, TD_NOMEM, sys, "cannot start a thread");
	}
	d->runs = true;
	(void)pthread_setname_np(d->thread, "denymap");
	/* The thread first: a watcher could not be taken back. */
	enum td_rc rc = store_watch(d->store, note, d);
	d->rescan = rc == TD_OK;
	pthread_mutex_unlock(&d->lock);
	return rc == TD_OK ? rc : td_err_set(reterr, rc, "cannot watch the store");
}

static enum td_rc
copy_targets(struct denymap *d, const struct denymap_options *opt, struct td_err *reterr)
{
	d->targets = calloc(opt->target_count, sizeof(*d->targets));
	d->queue = calloc(QUEUE_MAX, sizeof(*d->queue));
	d->taken = calloc(QUEUE_MAX, sizeof(*d->taken));
	if (d->targets == NULL || d->queue == NULL || d->taken == NULL)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	for (size_t i = 0; i < opt->target_count; i++) {
		const struct denymap_target *from = &opt->targets[i];
		struct target *t = &d->targets[d->target_count++];

		t->region = strdup(from->region);
		t->file = strdup(from->file);
		t->pid_file = from->pid_file != NULL ? strdup(from->pid_file) : NULL;
		if (t->region == NULL || t->file == NULL ||
		    (from->pid_file != NULL && t->pid_file == NULL))
			return td_err_set(reterr, TD_NOMEM, "out of memory");
	}
	return TD_OK;
}

enum td_rc
denymap_start(const struct denymap_options *opt, struct denymap **ret_map,
	      struct td_err *reterr)
{
	struct denymap *d = calloc(1, sizeof(*d));
	pthread_condattr_t attr;

	if (d == NULL)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	d->store = opt->store;
	d->env = opt->env;
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->wake, &attr);
	pthread_condattr_destroy(&attr);
	enum td_rc rc = copy_targets(d, opt, reterr);
	if (rc == TD_OK)
		rc = start(d, reterr);
	if (rc != TD_OK) {
		denymap_stop(d);
		denymap_free(d);
		return rc;
	}
	*ret_map = d;
	return TD_OK;
}

void
denymap_stop(struct denymap *d)
{
	if (d == NULL)
		return;
	pthread_mutex_lock(&d->lock);
	d->stopping = true;
	pthread_cond_broadcast(&d->wake);
	pthread_mutex_unlock(&d->lock);
	if (d->runs)
		(void)pthread_join(d->thread, NULL);
	d->runs = false;
}

void
denymap_free(struct denymap *d)
{
	if (d == NULL)
		return;
	set_free(&d->items);
	for (size_t i = 0; i < d->target_count; i++) {
		free(d->targets[i].region);
		free(d->targets[i].file);
		free(d->targets[i].pid_file);
	}
	free(d->targets);
	free(d->queue);
	free(d->taken);
	pthread_cond_destroy(&d->wake);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

size_t
denymap_stats(struct denymap *d, struct denymap_stats *out, size_t max)
{
	if (d == NULL)
		return 0;
	for (size_t i = 0; i < d->target_count && i < max; i++) {
		struct target *t = &d->targets[i];

		out[i] = (struct denymap_stats){
			.region = t->region,
			.entries = atomic_load(&t->entries),
			.known = atomic_load(&d->known),
			.write_failing = atomic_load(&t->write_failing),
			.signal_failing = atomic_load(&t->signal_failing),
			.writes = atomic_load(&t->writes),
			.signals = atomic_load(&t->signals),
		};
	}
	return d->target_count;
}
