/*
 * Inside the engine: what its files share. Not for other rooms.
 */
#pragma once

#include "engine.h"

#include "base/log.h"
#include "base/pulse.h"
#include "base/wall.h"
#include "base/worker.h"

#include <pthread.h>
#include <stdatomic.h>

/* uthash must report a lack of memory instead of leaving the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define ENGINE_COMMIT_TRIES 32
#define ENGINE_NUMBER_BLOCK 256

#define EVIEW_BRAKES (3 + DRV_RESOURCE_COUNT)

/* A tenant's view with what the commit needs besides. */
struct eview {
	struct tenant_view v;
	bool has_datakey;
	struct rec_datakey datakey;
	/* Of the modes of daemon, region, tenant and each resource, for the commit. */
	uint64_t brake_version[EVIEW_BRAKES];
	struct rec_budget budget; /* of its region */
	uint64_t budget_version;
	/* as loaded, to count phases by difference */
	bool was_there;
	uint8_t phase_before;
};

/*
 * One backend of one region: its workers and its circuit breaker. After
 * BREAKER_FAILURES calls in a row that the backend did not answer the circuit opens: no
 * tenant's action runs, one probe after a growing pause decides.
 */
#define BREAKER_FAILURES 5
#define BREAKER_PAUSE_MIN_MS 500
#define BREAKER_PAUSE_MAX_MS 15000

struct backend {
	struct engine *engine;
	const struct engine_region *region;
	struct driver *driver; /* NULL: the region has none */
	struct td_pool *pool;
	/* Cutting a tenant off does not queue up behind making others. */
	struct td_pool *urgent;
	pthread_mutex_t lock; /* of what follows */
	unsigned failures_in_row;
	bool open;
	bool probing;
	bool login_refused;
	int64_t pause_ms;
	int64_t probe_at_mono;
	unsigned running, queued;
	uint64_t calls, failures, call_us_sum;
};

/* A tenant in memory because something is left to do. */
struct entry {
	char appid[DRV_APPID_SIZE];
	UT_hash_handle hh;
	size_t heap_index; /* SIZE_MAX: not in the heap */
	int64_t wake_mono; /* when to look again */
	unsigned busy;	   /* bits of resources with an action under way */
	bool committing;   /* a step's commit is under way */
	bool again;	   /* touched meanwhile: look once more */
	bool kick;	   /* ignore backoff once */
	bool stuck;	   /* counted in engine.stuck */
	bool verify;	   /* look for drift when settled */
	bool verify_last;  /* the last slice of it is under way */
	char verify_after[DRV_BUCKET_NAME_SIZE];
};

struct engine {
	struct store *store;
	struct seal *seal;
	const struct td_env *env;
	struct td_wall *wall; /* or NULL */
	_Atomic(const struct plan_set *) plans;
	struct engine_region *regions;
	size_t region_count;
	char default_region[REC_REGION_SIZE];
	int64_t call_timeout_ms;
	struct tenant_rules rules;
	struct budget_limits budgets;
	int64_t verify_interval_ms;
	char **reserved;
	size_t reserved_count;
	struct backend (*backends)[DRV_RESOURCE_COUNT]; /* per region */

	struct td_pool *ops;

	pthread_t dispatcher;
	bool dispatcher_runs;
	struct td_pulse pulse; /* of the dispatcher */
	pthread_mutex_t lock;  /* of entries and heap */
	pthread_cond_t wake;
	struct entry *entries;
	struct entry **heap;
	size_t heap_len, heap_cap;
	atomic_bool stopping;
	unsigned verifying;    /* entries with `verify` set */
	unsigned stuck;	       /* entries with `stuck` set */
	unsigned commits_open; /* step commits whose callback is still to come */
	bool counting_began;

	pthread_mutex_t number_lock;
	uint64_t number_next, number_end;

	atomic_llong by_phase[REC_DELETED + 1];
	atomic_ullong steps, actions, conflicts, retries, verified, drifts;
	atomic_ullong held, revocations;

	/* dispatcher only */
	int64_t verify_next_mono;
	char verify_cursor[DRV_APPID_SIZE];
};

/* ---- view.c ---- */

enum eview_buckets {
	EVIEW_NO_BUCKETS,
	EVIEW_WORK,  /* those with something to do */
	EVIEW_AFTER, /* the next ones after a name */
};
struct eview_load {
	const char *appid;
	enum eview_buckets buckets;
	const char *after; /* EVIEW_AFTER */
	size_t limit;	   /* EVIEW_AFTER */
	int64_t now_ms;	   /* EVIEW_WORK */
	bool closed;	   /* gather the closed buckets, too: see tenant_closed_note() */
	bool unbraked;	   /* as if there were no modes and no budgets: to plan */
};
void eview_init(struct eview *ev, const char *appid);
void eview_done(struct eview *ev);
/* Load all about a tenant; absent and retired are no errors (v.exists, v.tombstone). */
enum td_rc eview_load(struct engine *e, struct store_read *r,
		      const struct eview_load *how, struct eview *ret_ev,
		      struct td_err *reterr) TD_MUST_CHECK;
/* Load one named bucket into the view; absent is fine. */
enum td_rc eview_load_bucket(struct store_read *r, struct eview *ev, const char *name,
			     struct td_err *reterr) TD_MUST_CHECK;
/* The region of a name, or NULL. */
const struct engine_region *engine_region_find(const struct engine *e, const char *name);
/* Which parts the plan and the region give. Parts that exist stay wanted. */
void eview_set_wanted(const struct engine *e, struct eview *ev, const struct plan *plan,
		      const char *region);
/* Open the sealed secret of a slot into slots[].secret, unless it is there. */
enum td_rc eview_open_slot(struct engine *e, struct eview *ev, enum drv_resource r,
			   enum drv_slot_id id, struct td_err *reterr) TD_MUST_CHECK;

/* ---- commit.c ---- */

struct eview_commit {
	enum store_class class;
	const void *audit; /* encoded entry, or NULL */
	size_t audit_len;
};
/* The marks as a commit, conditional on the loaded versions. `r` is the snapshot the view
 * was loaded from. */
enum td_rc eview_commit_build(struct engine *e, struct store_read *r, struct eview *ev,
			      const struct eview_commit *how,
			      struct store_commit **ret_commit,
			      struct td_err *reterr) TD_MUST_CHECK;
/* After a durable commit: the phase statistics. */
void eview_committed(struct engine *e, const struct eview *ev);

/* ---- entries.c: all with engine.lock held ---- */

/* The tenant's entry, made when it has none, without a wake time. NULL: out of memory. */
struct entry *entry_get(struct engine *e, const char *appid);
/* When to look at it; wakes the dispatcher when that comes before all others. */
void entry_wake(struct engine *e, struct entry *n, int64_t wake_mono);
/* It has no wake time until it is given one. */
void entry_asleep(struct engine *e, struct entry *n);
/* Its verification is over. */
void entry_verified(struct engine *e, struct entry *n);
/* Is it counted as stuck? */
void entry_stuck(struct engine *e, struct entry *n, bool stuck);
/* Forgets and frees it. */
void entry_drop(struct engine *e, struct entry *n);

/* ---- dispatch.c ---- */

enum td_rc engine_dispatch_start(struct engine *e, struct td_err *reterr) TD_MUST_CHECK;
void engine_dispatch_stop(struct engine *e);
/* Look at this tenant now. Any thread. */
void engine_touch(struct engine *e, const char *appid);
/* An action of this tenant ended. */
void engine_action_ended(struct engine *e, const char *appid, enum drv_resource r,
			 int64_t delay_ms);
/* The circuit of a backend closed: everybody who waits tries at once. */
void engine_kick_all(struct engine *e);

/* ---- run.c ---- */

enum td_rc engine_backends_start(struct engine *e, unsigned budget,
				 struct td_err *reterr) TD_MUST_CHECK;
void engine_backends_stop(struct engine *e);
struct backend *engine_backend(struct engine *e, const char *region, enum drv_resource r);
bool backend_blocked(struct backend *b);
/* What a call or probe says of tenantd's own login; under the lock. */
void backend_note_login(struct backend *b, enum td_rc rc);
/* Takes the action over. false: could not be queued, then the action is freed. */
bool engine_run_action(struct engine *e, const char *appid, struct backend *b,
		       struct tenant_action *action);
/* Start probes that are due; gives the next time one is, or INT64_MAX. Dispatcher only. */
int64_t engine_probe_due(struct engine *e, int64_t now_mono);

/* ---- gate.c ---- */

/*
 * The one function that every driver call of the engine goes through. `v` is a view loaded
 * just now, with the buckets that the action removes. TD_HELD: a brake is on, and the driver
 * was not called (see tenant_gate).
 */
struct gate_call {
	const struct tenant_view *v;
	const struct tenant_action *action;
	struct drv_call *call; /* its deadline is set here */
};
enum td_rc gate_call(struct engine *e, struct backend *b, const struct gate_call *g,
		     struct drv_result *result, struct td_err *reterr) TD_MUST_CHECK;

/* ---- brake.c ---- */

/* Modes and budget into a view whose head is loaded. */
enum td_rc eview_load_brakes(struct engine *e, struct store_read *r, struct eview *ev,
			     struct td_err *reterr) TD_MUST_CHECK;
/* The commit holds only while the modes are those that were loaded; what it charges to the
 * budget is put, on the same condition. `buf` is empty, before and after. */
enum td_rc eview_commit_brakes(struct engine *e, const struct eview *ev,
			       struct store_commit *c, struct td_buf *buf,
			       struct td_err *reterr) TD_MUST_CHECK;
/* After it: a stop is told, loudly. */
void eview_brakes_committed(const struct eview *ev);

/* ---- numbers.c ---- */
enum td_rc engine_number_next(struct engine *e, uint64_t *ret_number,
			      struct td_err *reterr) TD_MUST_CHECK;
