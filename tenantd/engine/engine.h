/*
 * The engine runs what tenant/ decides: it loads views from the store, commits what the
 * stepper marks, runs actions on worker threads through the gate, and keeps time.
 *
 * One dispatcher thread looks at tenants that have something left to do; a pool of workers
 * per region and resource (its size is that backend's concurrency budget) makes the blocking
 * driver calls; a circuit breaker per region and resource keeps a dead backend from being
 * hammered; so one dead backend or one broken tenant holds up nobody else. A settled tenant
 * costs nothing until it changes or a verify pass comes by.
 *
 * Thread rule: every function from any thread unless said otherwise.
 */
#pragma once

#include "base/wall.h"
#include "store/seal.h"
#include "tenant/budget.h"
#include "tenant/tenant.h"

#define ENGINE_REGIONS_MAX 32
#define ENGINE_STUCK_AFTER 8

struct engine;

struct engine_region {
	const char *name;
	struct driver *drivers[DRV_RESOURCE_COUNT]; /* NULL: region has none. Borrowed. */
};

struct engine_options {
	struct store *store;
	struct seal *seal;
	const struct td_env *env;
	struct td_wall *wall; /* borrowed; NULL: env's wall clock is always believed */
	const struct plan_set *plans; /* may be swapped: engine_set_plans */
	const struct engine_region *regions;
	size_t region_count;
	const char *default_region;
	unsigned budget;	      /* calls at once per region and resource, 1..64 */
	int64_t call_timeout_ms;      /* of one driver call */
	struct tenant_rules rules;    /* grace and backoff */
	struct budget_limits budgets; /* of each region */
	int64_t verify_interval_ms;   /* each tenant is verified once in it; 0 = never */
	const char *const *reserved;  /* more reserved appids (config) */
	size_t reserved_count;
};

/* Starts the threads; unsettled tenants are taken up at once. Options are copied, what they
 * point to is borrowed. */
enum td_rc engine_new(const struct engine_options *opt, struct engine **ret_engine,
		      struct td_err *reterr) TD_MUST_CHECK;
/* Stops: no new action is started, running driver calls are waited for (they have
 * deadlines). Before store_close. NULL is ok. */
void engine_free(struct engine *e);
/* After a reload; the old set must live until engine_free. */
void engine_set_plans(struct engine *e, const struct plan_set *plans);

/* Asks the dispatcher for a sign of life, and wakes it; how many milliseconds it has owed an
 * answer (base/pulse.h), 0: it does not. Never blocks. By one watcher. */
int64_t engine_pulse(struct engine *e, int64_t now_mono);

/* Is it one of: reserved words, admin users of backends, tenantd's own names, config. */
bool engine_appid_reserved(const struct engine *e, const char *appid);

/* ---- mutations: asynchronous, never block the caller ---- */

enum engine_op_kind {
	ENGINE_PUT,
	ENGINE_DELETE,
	ENGINE_UNDELETE,
	ENGINE_SUSPEND,
	ENGINE_RESUME,
	ENGINE_BUCKET_PUT,
	ENGINE_BUCKET_DELETE
};
enum engine_match { ENGINE_MATCH_NONE, ENGINE_IF_MATCH, ENGINE_IF_NONE_MATCH_ANY };

struct engine_op {
	enum engine_op_kind kind;
	char appid[DRV_APPID_SIZE];
	enum engine_match match;
	uint64_t match_version; /* IF_MATCH */
	struct tenant_put put; /* PUT; what it points to must live until done is called */
	struct tenant_delete_options del;
	struct tenant_put_bucket bucket; /* BUCKET_*: name and members */
	struct tenant_bucket_delete_options bucket_del;
	/* Encoded rec_audit entry, written in the same commit. Its outcome is TD_OK. */
	const void *audit;
	size_t audit_len;
};
struct engine_op_result {
	enum td_rc rc;
	struct td_err err;
	struct tenant_op_result op;
	uint64_t version; /* of the tenant after it */
};
/* done is called exactly once, on an engine thread, when the change is durable or refused. */
typedef void (*engine_op_done_fn)(void *ctx, const struct engine_op_result *result);
void engine_op_submit(struct engine *e, const struct engine_op *op,
		      engine_op_done_fn done, void *ctx);

/* ---- reading ---- */

/*
 * Load a tenant for showing it: parts, conditions; buckets only as asked (at most
 * `bucket_limit` after the short name `bucket_after`, which may be ""). TD_NOT_FOUND,
 * TD_APPID_RETIRED. No secrets are opened. End it with tenant_view_done.
 */
enum td_rc engine_view_load(struct engine *e, struct store_read *r, const char *appid,
			    const char *bucket_after, size_t bucket_limit,
			    struct tenant_view *ret_view,
			    struct td_err *reterr) TD_MUST_CHECK;

/* ---- brakes ---- */

/* The mode of a tenant as a whole, without those of its resources; for lists. */
enum td_rc engine_mode(struct engine *e, struct store_read *r, const char *appid,
		       const char *region, enum rec_mode *ret_mode,
		       struct td_err *reterr) TD_MUST_CHECK;
/* Somebody has set or ended a mode, or approved: everybody who waits is looked at. After the
 * commit. */
void engine_brakes_changed(struct engine *e);
/* Is a region of that name configured? */
bool engine_region_known(const struct engine *e, const char *region);
/* The time that modes and budgets go by: base/wall.h. */
int64_t engine_believed_ms(struct engine *e);

struct engine_budget_state {
	const char *region; /* borrowed from the engine */
	int64_t stopped_ms; /* since when; 0: not stopped */
	enum rec_destroy stopped_by;
	struct engine_budget_line {
		uint32_t limit; /* per hour; 0: none, and nothing is counted */
		uint32_t spent; /* in the last hour */
		uint32_t extra; /* approved besides, and left */
	} line[REC_DESTROY_COUNT];
};
/* All regions; at most max, returns how many there are. `r` is a snapshot of the caller's. */
enum td_rc engine_budgets(struct engine *e, struct store_read *r,
			  struct engine_budget_state *out, size_t max, size_t *ret_count,
			  struct td_err *reterr) TD_MUST_CHECK;
/* Puts an approval (budget_approve) into a commit, on the condition that nobody changed the
 * budget meanwhile, and tells what it comes to. TD_NOT_FOUND: no such region. */
enum td_rc engine_approve(struct engine *e, struct store_read *r, const char *region,
			  uint32_t count, struct store_commit *c,
			  struct engine_budget_state *ret_state,
			  struct td_err *reterr) TD_MUST_CHECK;

/* What would be done for a tenant now, whatever its pauses after failures. */
enum engine_held { ENGINE_NOT_HELD, ENGINE_HELD_MODE, ENGINE_HELD_BUDGET };
struct engine_plan_row {
	enum drv_resource resource;
	const char *action; /* "look", "make", "change", "repair", "close", "remove"; or
			     * "running": a call is under way */
	char why[REC_TEXT_SIZE];
	unsigned buckets_removed;
	bool destroys;
	enum engine_held held; /* what keeps it from being done */
};
struct engine_plan {
	struct tenant_view v; /* without buckets */
	size_t count;
	struct engine_plan_row row[DRV_RESOURCE_COUNT];
};
/* Records nothing. TD_NOT_FOUND, TD_APPID_RETIRED. End it with engine_plan_done. */
enum td_rc engine_plan_load(struct engine *e, struct store_read *r, const char *appid,
			    struct engine_plan *ret_plan,
			    struct td_err *reterr) TD_MUST_CHECK;
void engine_plan_done(struct engine_plan *p);

struct engine_backend_state {
	const char *region;
	enum drv_resource resource;
	const char *driver;
	bool circuit_open;
	unsigned running, queued;
	bool login_refused; /* of tenantd itself, by the last call or probe with an answer */
	uint64_t calls, failures;
	uint64_t call_us_sum;
};
/* Fills at most max, returns how many there are. */
size_t engine_backends(struct engine *e, struct engine_backend_state *out, size_t max);

struct engine_stats {
	uint64_t active; /* tenants in memory with something left to do */
	uint64_t stuck;	 /* of these: with a resource that is foreign, or that failed
			  * ENGINE_STUCK_AFTER times in a row */
	uint64_t by_phase[REC_DELETED + 1]; /* counted from the store, at most 10 s old */
	uint64_t steps, actions, conflicts, retries, verified, drifts;
	uint64_t held;	      /* calls that the gate refused */
	uint64_t revocations; /* calls that closed the access of suspended tenants */
};
void engine_stats(struct engine *e, struct engine_stats *ret_stats);
