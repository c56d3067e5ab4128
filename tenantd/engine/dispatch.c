/*
 * The dispatcher: one thread that looks at tenants with something left to do.
 *
 * A tenant is in memory only while it is unsettled (or being verified). Each has one wake
 * time in a heap; whatever happens to it (a commit that touches it, an action that ended,
 * a circuit that closed) brings the time forward. A look loads a view, asks the stepper,
 * commits what it marked and then runs its actions. Between the commit's submission and
 * its end no second look is made; what comes meanwhile sets `again`.
 *
 * Lock order: engine.lock is innermost and never held over a call to the store, a driver or
 * a pool.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_RETRY_MS 1000
#define VERIFY_TICK_MS 100
#define VERIFY_BUSY_MAX 1000 /* unsettled tenants: then verifying waits */
#define VERIFY_AT_ONCE 4     /* so that looking around never queues up before real work */
#define LONGEST_SLEEP_MS 60000

/* ---- what brings a look forward ---- */

void
engine_touch(struct engine *e, const char *appid)
{
	pthread_mutex_lock(&e->lock);
	struct entry *n = e->stopping ? NULL : entry_get(e, appid);
	if (n != NULL) {
		if (n->committing)
			n->again = true;
		else
			entry_wake(e, n, td_mono_ms(e->env));
	}
	pthread_mutex_unlock(&e->lock);
}

static void
watch(void *ctx, const char *appid)
{
	engine_touch(ctx, appid);
}

void
engine_action_ended(struct engine *e, const char *appid, enum drv_resource r,
		    int64_t delay_ms)
{
	struct entry *n;

	pthread_mutex_lock(&e->lock);
	HASH_FIND_STR(e->entries, appid, n);
	if (n != NULL) {
		n->busy &= ~(1U << r);
		if (n->busy == 0 && n->verify_last)
			entry_verified(e, n);
		if (n->committing)
			n->again = true;
		else
			entry_wake(e, n, td_mono_ms(e->env) + delay_ms);
	}
	pthread_mutex_unlock(&e->lock);
}

void
engine_kick_all(struct engine *e)
{
	struct entry *n, *tmp;

	pthread_mutex_lock(&e->lock);
	HASH_ITER(hh, e->entries, n, tmp)
	{
		n->kick = true;
		if (n->committing)
			n->again = true;
		else
			entry_wake(e, n, td_mono_ms(e->env));
	}
	pthread_mutex_unlock(&e->lock);
}

/* ---- one look ---- */

struct look {
	struct engine *e;
	char appid[DRV_APPID_SIZE];
	char region[REC_REGION_SIZE];
	struct tenant_step step;
	struct eview ev; /* kept until the commit ends, for the statistics */
	unsigned busy;	 /* snapshot of the entry's */
	bool kick, verify;
	char verify_after[DRV_BUCKET_NAME_SIZE];
	bool verify_done; /* this look was the last of the verify pass */
	char verify_next[DRV_BUCKET_NAME_SIZE];
	bool settled;
};

static void
look_free(struct look *l)
{
	tenant_step_done(&l->step);
	eview_done(&l->ev);
	free(l);
}

/* Wall time to a delay; a clock that jumped may not put it off for ever. */
static int64_t
wake_at(struct engine *e, int64_t wake_ms)
{
	int64_t delay = wake_ms == INT64_MAX ? INT64_MAX : wake_ms - td_now_ms(e->env);

	if (delay > LONGEST_SLEEP_MS)
		delay = LONGEST_SLEEP_MS;
	return td_mono_ms(e->env) + (delay < 0 ? 0 : delay);
}

/* Mark the resources busy, then queue the actions: an end may come at once. */
static void
run_step(struct look *l)
{
	for (int r = 0; r < DRV_RESOURCE_COUNT; r++) {
		struct tenant_action *a = l->step.actions[r];
		struct entry *n;

		if (a == NULL)
			continue;
		l->step.actions[r] = NULL;
		pthread_mutex_lock(&l->e->lock);
		HASH_FIND_STR(l->e->entries, l->appid, n);
		bool ok = n != NULL && !l->e->stopping;
		if (ok)
			n->busy |= 1U << r;
		pthread_mutex_unlock(&l->e->lock);
		struct backend *b = engine_backend(l->e, l->region, (enum drv_resource)r);
		if (!ok || b == NULL) {
			free(a);
			continue;
		}
		if (!engine_run_action(l->e, l->appid, b, a))
			engine_action_ended(l->e, l->appid, (enum drv_resource)r,
					    LOOK_RETRY_MS);
	}
}

/* Nothing moves here by itself, as far as the records say. */
static bool
look_found_stuck(const struct look *l)
{
	for (int r = 0; r < DRV_RESOURCE_COUNT && l->ev.v.exists; r++) {
		const struct rec_resource *rec = &l->ev.v.part[r].rec;

		if (rec->failures >= ENGINE_STUCK_AFTER ||
		    rec->cond[REC_COND_FOREIGN].status != 0)
			return true;
	}
	return false;
}

/* The look is over: when is the next one? */
static void
schedule(struct look *l, bool again)
{
	struct engine *e = l->e;
	struct entry *n;

	pthread_mutex_lock(&e->lock);
	HASH_FIND_STR(e->entries, l->appid, n);
	if (n != NULL) {
		n->committing = false;
		entry_stuck(e, n, look_found_stuck(l));
		if (l->verify) {
			if (l->verify_done && n->busy == 0)
				entry_verified(e, n);
			n->verify_last = l->verify_done;
			memcpy(n->verify_after, l->verify_next, sizeof(n->verify_after));
		} else if (!l->settled) {
			entry_verified(e, n); /* it is at work anyway: another time */
		}
		if (again || n->again) {
			n->again = false;
			entry_wake(e, n, td_mono_ms(e->env));
		} else if (n->busy != 0) {
			entry_asleep(e, n); /* its end wakes it */
		} else if (n->verify && (l->settled || l->verify)) {
			entry_wake(e, n, td_mono_ms(e->env));
		} else if (l->settled && l->step.wake_ms == INT64_MAX) {
			entry_drop(e, n);
		} else {
			entry_wake(e, n, wake_at(e, l->step.wake_ms));
		}
	}
	pthread_mutex_unlock(&e->lock);
}

static void
schedule_later(struct engine *e, const char *appid)
{
	struct entry *n;

	pthread_mutex_lock(&e->lock);
	HASH_FIND_STR(e->entries, appid, n);
	if (n != NULL) {
		n->committing = false;
		n->again = false;
		entry_wake(e, n, td_mono_ms(e->env) + LOOK_RETRY_MS);
	}
	pthread_mutex_unlock(&e->lock);
}

static void
committed(void *ctx, enum td_rc rc, uint64_t version, const struct td_err *err)
{
	struct look *l = ctx;
	struct engine *e = l->e;

	(void)version;
	if (rc == TD_OK) {
		eview_committed(e, &l->ev);
		run_step(l);
		schedule(l, false);
	} else if (rc == TD_PRECONDITION) {
		atomic_fetch_add(&e->conflicts, 1);
		l->verify = false;
		schedule(l, true);
	} else {
		td_log_err(TD_LOG_ERR,
			   &(struct td_log_ctx){ .room = "engine", .appid = l->appid },
			   err, "a step cannot be stored; trying again");
		schedule_later(e, l->appid);
	}
	look_free(l);
	pthread_mutex_lock(&e->lock);
	e->commits_open--;
	pthread_cond_broadcast(&e->wake);
	pthread_mutex_unlock(&e->lock);
}

static void
set_hints(struct look *l)
{
	struct tenant_view *v = &l->ev.v;

	for (int r = 0; r < DRV_RESOURCE_COUNT; r++) {
		struct backend *b =
			engine_backend(l->e, v->rec.region, (enum drv_resource)r);

		v->part[r].busy = (l->busy & (1U << r)) != 0;
		v->part[r].blocked = b == NULL || backend_blocked(b);
		v->part[r].kick = l->kick;
	}
}

/* A settled tenant that is to be verified: load the next slice of its buckets. */
static enum td_rc
load_verify(struct look *l, struct store_read *rd, struct td_err *reterr)
{
	struct eview_load how = { .appid = l->appid,
				  .buckets = EVIEW_AFTER,
				  .closed = true,
				  .after = l->verify_after,
				  .limit = TENANT_WORK_BUCKETS };

	eview_done(&l->ev);
	enum td_rc rc = eview_load(l->e, rd, &how, &l->ev, reterr);
	if (rc != TD_OK)
		return rc;
	set_hints(l);
	struct tenant_view *v = &l->ev.v;
	for (int r = 0; r < DRV_RESOURCE_COUNT; r++)
		v->part[r].verify = !v->part[r].busy && !v->part[r].blocked &&
				    (r == DRV_OBJECT || l->verify_after[0] == '\0');
	l->verify_done = !v->buckets_more;
	if (v->buckets_more)
		memcpy(l->verify_next, v->buckets[v->bucket_len - 1].name,
		       sizeof(l->verify_next));
	v->buckets_more = false;
	return TD_OK;
}

static enum td_rc
look_load(struct look *l, struct store_read *rd, struct td_err *reterr)
{
	struct eview_load how = { .appid = l->appid,
				  .buckets = EVIEW_WORK,
				  .closed = true,
				  .now_ms = td_now_ms(l->e->env) };
	enum td_rc rc = eview_load(l->e, rd, &how, &l->ev, reterr);

	if (rc != TD_OK || !l->ev.v.exists)
		return rc;
	set_hints(l);
	l->settled = tenant_settled(&l->ev.v) && l->ev.v.bucket_len == 0;
	if (!l->verify || l->busy != 0 || !(l->settled || tenant_observed(&l->ev.v))) {
		l->verify = false;
		return TD_OK;
	}
	return load_verify(l, rd, reterr);
}

static enum td_rc
look_at(struct look *l, struct store_commit **ret_commit, struct td_err *reterr)
{
	struct eview_commit how = { .class = STORE_NORMAL };
	struct store_read *rd;
	enum td_rc rc = store_read_begin(l->e->store, &rd, reterr);

	if (rc != TD_OK)
		return rc;
	rc = look_load(l, rd, reterr);
	if (rc == TD_OK && l->ev.v.exists) {
		struct tenant_view *v = &l->ev.v;

		memcpy(l->region, v->rec.region, sizeof(l->region));
		if (v->rec.suspend != 0 || v->rec.phase == REC_DELETING)
			how.class = STORE_RESERVE;
		rc = tenant_next(v, td_now_ms(l->e->env), &l->step, reterr);
		/* Settled, and yet to be looked at again: a removal that waits, a condition. */
		l->settled = l->settled && !v->want_pending;
		if (rc == TD_OK && tenant_view_dirty(v))
			rc = eview_commit_build(l->e, rd, &l->ev, &how, ret_commit,
						reterr);
	} else if (rc == TD_OK) {
		l->settled = true; /* it is gone */
		l->step.wake_ms = INT64_MAX;
	}
	store_read_end(rd);
	return rc;
}

static void
look(struct engine *e, struct look *l)
{
	struct store_commit *c = NULL;
	struct td_err err = { 0 };
	enum td_rc rc = look_at(l, &c, &err);

	atomic_fetch_add(&e->steps, 1);
	if (rc != TD_OK) {
		td_log_err(TD_LOG_ERR,
			   &(struct td_log_ctx){ .room = "engine", .appid = l->appid },
			   &err, "cannot look at the tenant; trying again");
		schedule_later(e, l->appid);
		look_free(l);
		return;
	}
	if (c != NULL) {
		l->settled = false;
		pthread_mutex_lock(&e->lock);
		e->commits_open++;
		pthread_mutex_unlock(&e->lock);
		store_submit(e->store, c, committed, l);
		return;
	}
	/* A result that could not be stored would only be asked for again and again. */
	if (store_full(e->store) && l->ev.v.exists && l->ev.v.rec.suspend == 0 &&
	    l->ev.v.rec.phase != REC_DELETING) {
		schedule_later(e, l->appid);
		look_free(l);
		return;
	}
	run_step(l);
	schedule(l, false);
	look_free(l);
}

/* ---- the thread ---- */

static struct look *
take_due(struct engine *e)
{
	struct entry *n = e->heap_len > 0 ? e->heap[0] : NULL;

	if (n == NULL || n->wake_mono > td_mono_ms(e->env))
		return NULL;
	struct look *l = calloc(1, sizeof(*l));
	if (l == NULL) {
		entry_wake(e, n, td_mono_ms(e->env) + LOOK_RETRY_MS);
		return NULL;
	}
	l->e = e;
	memcpy(l->appid, n->appid, sizeof(l->appid));
	l->busy = n->busy;
	l->kick = n->kick;
	l->verify = n->verify;
	memcpy(l->verify_after, n->verify_after, sizeof(l->verify_after));
	n->kick = false;
	n->again = false;
	n->committing = true;
	entry_asleep(e, n);
	return l;
}

static enum td_rc
verify_take(void *ctx, const void *key, size_t key_len, const struct store_value *val)
{
	struct engine *e = ctx;
	struct entry *n;

	(void)val;
	if (key_len >= sizeof(e->verify_cursor))
		return TD_OK;
	memset(e->verify_cursor, 0, sizeof(e->verify_cursor));
	memcpy(e->verify_cursor, key, key_len);
	pthread_mutex_lock(&e->lock);
	n = entry_get(e, e->verify_cursor);
	if (n != NULL && !n->verify) {
		n->verify = true;
		n->verify_last = false;
		e->verifying++;
		n->verify_after[0] = '\0';
		if (!n->committing && n->busy == 0)
			entry_wake(e, n, td_mono_ms(e->env));
	}
	pthread_mutex_unlock(&e->lock);
	return TD_OK;
}

struct limited_walk {
	struct engine *e;
	uint64_t left;
	bool stopped;
};

static enum td_rc
verify_step(void *ctx, const void *key, size_t key_len, const struct store_value *val)
{
	struct limited_walk *w = ctx;

	if (w->left == 0) {
		w->stopped = true;
		return STORE_STOP;
	}
	w->left--;
	return verify_take(w->e, key, key_len, val);
}

/* Now and then: as many tenants as make one round in the configured interval. */
static int64_t
verify_tick(struct engine *e, int64_t now_mono)
{
	struct store_range range = { 0 };
	struct limited_walk w = { .e = e };
	struct store_read *rd;

	if (e->verify_interval_ms <= 0)
		return INT64_MAX;
	if (now_mono < e->verify_next_mono)
		return e->verify_next_mono;
	e->verify_next_mono = now_mono + VERIFY_TICK_MS;
	pthread_mutex_lock(&e->lock);
	unsigned busy =
		HASH_COUNT(e->entries) > VERIFY_BUSY_MAX ? VERIFY_AT_ONCE : e->verifying;
	unsigned room = busy < VERIFY_AT_ONCE ? VERIFY_AT_ONCE - busy : 0;
	pthread_mutex_unlock(&e->lock);
	if (room == 0 || store_read_begin(e->store, &rd, NULL) != TD_OK)
		return e->verify_next_mono;
	int64_t all = (int64_t)store_count(rd, STORE_TENANT);
	int64_t each = all > 0 ? e->verify_interval_ms / all : e->verify_interval_ms;
	if (each > VERIFY_TICK_MS)
		e->verify_next_mono = now_mono + each;
	w.left = each > 0 ? (uint64_t)((VERIFY_TICK_MS + each - 1) / each)
			  : VERIFY_AT_ONCE;
	if (w.left > room)
		w.left = room;
	if (e->verify_cursor[0] != '\0') {
		range.after = e->verify_cursor;
		range.after_len = strlen(e->verify_cursor);
	}
	char cursor[DRV_APPID_SIZE];
	memcpy(cursor, e->verify_cursor, sizeof(cursor));
	range.after = range.after_len != 0 ? cursor : NULL;
	if (store_walk(rd, STORE_TENANT, &range, verify_step, &w, NULL) == TD_OK &&
	    !w.stopped)
		e->verify_cursor[0] = '\0';
	store_read_end(rd);
	return e->verify_next_mono;
}

static enum td_rc
count_take(void *ctx, const void *key, size_t key_len, const struct store_value *val)
{
	struct engine *e = ctx;
	struct rec_tenant rec;

	(void)key;
	(void)key_len;
	if (rec_tenant_decode(val->data, val->len, &rec, NULL) == TD_OK)
		atomic_fetch_add(&e->by_phase[rec.phase], 1);
	return e->stopping ? STORE_STOP : TD_OK;
}

static enum td_rc
pending_take(void *ctx, const void *key, size_t key_len, const struct store_value *val)
{
	char appid[DRV_APPID_SIZE] = "";

	(void)val;
	if (key_len < sizeof(appid)) {
		memcpy(appid, key, key_len);
		engine_touch(ctx, appid);
	}
	return TD_OK;
}

/* Take up what an earlier run left; count phases from a snapshot that is older than any
 * commit of this run (engine_new waits for counting_began). */
static void
take_up(struct engine *e)
{
	struct store_range all = { 0 };
	struct store_read *rd = NULL;
	struct td_err err = { 0 };
	enum td_rc rc = store_read_begin(e->store, &rd, &err);

	pthread_mutex_lock(&e->lock);
	e->counting_began = true;
	pthread_cond_broadcast(&e->wake);
	pthread_mutex_unlock(&e->lock);
	if (rc == TD_OK)
		rc = store_walk(rd, STORE_PENDING, &all, pending_take, e, &err);
	if (rc == TD_OK)
		rc = store_walk(rd, STORE_TENANT, &all, count_take, e, &err);
	store_read_end(rd);
	if (rc != TD_OK)
		td_log_err(TD_LOG_ERR, &(struct td_log_ctx){ .room = "engine" }, &err,
			   "cannot read what is left to do");
}

static void
wait_until(struct engine *e, int64_t wake_mono)
{
	int64_t now = td_mono_ms(e->env);
	struct timespec at;

	if (e->heap_len > 0 && e->heap[0]->wake_mono < wake_mono)
		wake_mono = e->heap[0]->wake_mono;
	if (wake_mono - now > LONGEST_SLEEP_MS)
		wake_mono = now + LONGEST_SLEEP_MS;
	if (wake_mono <= now)
		return;
	/* env's monotonic clock is the one that the condition variable goes by. */
	at.tv_sec = (time_t)(wake_mono / 1000);
	at.tv_nsec = (long)(wake_mono % 1000) * 1000000;
	(void)pthread_cond_timedwait(&e->wake, &e->lock, &at);
}

static void *
dispatcher_main(void *ctx)
{
	struct engine *e = ctx;

	take_up(e);
	for (;;) {
		int64_t now = td_mono_ms(e->env);
		int64_t probe = engine_probe_due(e, now);
		int64_t verify = verify_tick(e, now);

		pthread_mutex_lock(&e->lock);
		struct look *l = e->stopping ? NULL : take_due(e);
		if (l == NULL && !e->stopping)
			wait_until(e, probe < verify ? probe : verify);
		bool stop = e->stopping;
		pthread_mutex_unlock(&e->lock);
		td_pulse_answer(&e->pulse);
		if (stop)
			break;
		if (l != NULL)
			look(e, l);
	}
	return NULL;
}

int64_t
engine_pulse(struct engine *e, int64_t now_mono)
{
	int64_t ms = td_pulse_ask(&e->pulse, now_mono);

	/* Without the lock: a dispatcher that hangs may hold it. */
	pthread_cond_broadcast(&e->wake);
	return ms;
}

enum td_rc
engine_dispatch_start(struct engine *e, struct td_err *reterr)
{
	enum td_rc rc = store_watch(e->store, watch, e);

	if (rc != TD_OK)
		return td_err_set(reterr, rc, "cannot watch the store");
	int sys = pthread_create(&e->dispatcher, NULL, dispatcher_main, e);
	if (sys != 0)
		return td_err_sys(reterr, TD_NOMEM, sys, "cannot start a thread");
	e->dispatcher_runs = true;
	(void)pthread_setname_np(e->dispatcher, "dispatch");
	pthread_mutex_lock(&e->lock);
	while (!e->counting_began)
		(void)pthread_cond_wait(&e->wake, &e->lock);
	pthread_mutex_unlock(&e->lock);
	return TD_OK;
}

void
engine_dispatch_stop(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	e->stopping = true;
	pthread_cond_broadcast(&e->wake);
	while (e->commits_open > 0)
		(void)pthread_cond_wait(&e->wake, &e->lock);
	pthread_mutex_unlock(&e->lock);
	if (e->dispatcher_runs)
		(void)pthread_join(e->dispatcher, NULL);
	e->dispatcher_runs = false;
}
