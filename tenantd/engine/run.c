/*
 * Running actions: a pool of workers per backend, its circuit breaker, and the way back
 * of a result into the store.
 *
 * A result is applied to a fresh view, as often as it takes: the tenant may have changed
 * during the call. When it cannot be stored at all it is dropped; the intent is still
 * recorded, so the same idempotent call is made again later.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define RESULT_RETRY_MS 1000
#define URGENT_THREADS 2

struct job {
	struct engine *e;
	struct backend *b;
	char appid[DRV_APPID_SIZE];
	struct tenant_action *action;
};

struct backend *
engine_backend(struct engine *e, const char *region, enum drv_resource r)
{
	for (size_t i = 0; i < e->region_count; i++)
		if (strcmp(e->regions[i].name, region) == 0)
			return e->backends[i][r].driver != NULL ? &e->backends[i][r]
								: NULL;
	return NULL;
}

bool
backend_blocked(struct backend *b)
{
	pthread_mutex_lock(&b->lock);
	bool open = b->open;
	pthread_mutex_unlock(&b->lock);
	return open;
}

/* Only an answer says something. */
void
backend_note_login(struct backend *b, enum td_rc rc)
{
	if (rc != TD_UNREACHABLE && rc != TD_TIMEOUT)
		b->login_refused = rc == TD_BACKEND_AUTH;
}

/* ---- one action ---- */

static enum td_rc
open_secrets(struct job *j, struct eview *ev, struct drv_slot *slots,
	     struct td_err *reterr)
{
	const struct tenant_action *a = j->action;

	for (size_t i = 0; i < a->slot_count; i++) {
		enum drv_slot_id id = a->slots[i].id;
		enum td_rc rc = eview_open_slot(j->e, ev, a->resource, id, reterr);

		if (rc != TD_OK)
			return rc;
		const struct tenant_slot *s = &ev->v.part[a->resource].slots[id];
		slots[i].id = id;
		slots[i].want = a->slots[i].want;
		slots[i].fresh = a->slots[i].fresh;
		slots[i].secret = s->secret;
		memcpy(slots[i].key_id, s->rec.key_id, sizeof(slots[i].key_id));
	}
	return TD_OK;
}

static enum td_rc
load(struct job *j, enum eview_buckets buckets, struct eview *ev,
     struct store_read **ret_rd, struct td_err *reterr)
{
	struct eview_load how = { .appid = j->appid,
				  .buckets = buckets,
				  .closed = buckets == EVIEW_WORK,
				  .now_ms = td_now_ms(j->e->env) };
	enum td_rc rc = store_read_begin(j->e->store, ret_rd, reterr);

	if (rc != TD_OK)
		return rc;
	rc = eview_load(j->e, *ret_rd, &how, ev, reterr);
	if (rc == TD_OK && !ev->v.exists) {
		eview_done(ev);
		rc = td_err_set(reterr, TD_NOT_FOUND, "tenant %s is gone", j->appid);
	}
	if (rc != TD_OK)
		store_read_end(*ret_rd);
	return rc;
}

/* The named buckets of the action, whatever work they have. */
static enum td_rc
load_action_buckets(struct job *j, struct store_read *rd, struct eview *ev,
		    struct td_err *reterr)
{
	enum td_rc rc = TD_OK;

	for (size_t i = 0; rc == TD_OK && i < j->action->bucket_count; i++)
		rc = eview_load_bucket(rd, ev, j->action->buckets[i].name, reterr);
	for (size_t i = 0;
	     rc == TD_OK && j->action->reclose && i < j->action->closed.count; i++)
		rc = eview_load_bucket(rd, ev, j->action->closed.bucket[i].name, reterr);
	return rc;
}

static enum td_rc
call(struct job *j, struct drv_result *result, struct td_err *reterr)
{
	struct tenant_action *a = j->action;
	struct drv_slot slots[DRV_SLOT_COUNT];
	struct store_read *rd;
	struct eview ev;
	enum td_rc rc = load(j, EVIEW_NO_BUCKETS, &ev, &rd, reterr);

	if (rc != TD_OK)
		return rc;
	rc = load_action_buckets(j, rd, &ev, reterr);
	store_read_end(rd);
	memset(slots, 0, sizeof(slots));
	if (rc == TD_OK)
		rc = open_secrets(j, &ev, slots, reterr);
	if (rc == TD_OK) {
		struct drv_call c = { .appid = j->appid,
				      .instance_id = store_instance_id(j->e->store),
				      .access = a->access,
				      .claimed = a->claimed,
				      .absent_before = a->absent_before,
				      .unlock = a->unlock,
				      .template_name = a->template_name,
				      .slots = slots,
				      .slot_count = a->slot_count,
				      .buckets = a->buckets,
				      .bucket_count = a->bucket_count,
				      .closed = a->closed.bucket,
				      .closed_count = a->closed.count,
				      .reclose = a->reclose,
				      .volume_bytes = a->volume_bytes };
		rc = gate_call(j->e, j->b,
			       &(struct gate_call){ .v = &ev.v, .action = a, .call = &c },
			       result, reterr);
	}
	eview_done(&ev);
	return rc;
}

struct outcome {
	enum td_rc rc;
	struct drv_result result;
	struct td_err err;
};

static enum td_rc
apply_once(struct job *j, const struct outcome *o, struct td_err *reterr)
{
	struct store_commit *c = NULL;
	struct store_read *rd;
	struct eview ev;
	enum td_rc rc = load(j, EVIEW_WORK, &ev, &rd, reterr);

	if (rc != TD_OK)
		return rc;
	rc = load_action_buckets(j, rd, &ev, reterr);
	if (rc == TD_OK) {
		struct eview_commit how = {
			.class = ev.v.rec.suspend != 0 || ev.v.rec.phase == REC_DELETING
					 ? STORE_RESERVE
					 : STORE_NORMAL
		};
		ev.v.part[j->action->resource].busy = true;
		tenant_done(&ev.v, j->action, o->rc, &o->result, &o->err,
			    td_now_ms(j->e->env));
		if (tenant_view_dirty(&ev.v))
			rc = eview_commit_build(j->e, rd, &ev, &how, &c, reterr);
	}
	store_read_end(rd);
	if (rc == TD_OK && c != NULL) {
		rc = store_commit(j->e->store, c, NULL, reterr);
		if (rc == TD_OK)
			eview_committed(j->e, &ev);
	}
	eview_done(&ev);
	return rc;
}

static int64_t
apply(struct job *j, const struct outcome *o)
{
	struct td_err err = { 0 };

	for (int i = 0; i < ENGINE_COMMIT_TRIES; i++) {
		enum td_rc rc = apply_once(j, o, &err);

		if (rc == TD_OK || rc == TD_NOT_FOUND)
			return 0;
		if (rc != TD_PRECONDITION)
			break;
		atomic_fetch_add(&j->e->conflicts, 1);
	}
	td_log_err(TD_LOG_ERR,
		   &(struct td_log_ctx){ .room = "engine", .appid = j->appid }, &err,
		   "the result of an action cannot be stored; it will be made again");
	return RESULT_RETRY_MS;
}

static void
log_failure(const struct job *j, const struct outcome *o)
{
	static const char *const verbs[] = { "observe", "ensure", "remove" };
	struct td_log_ctx ctx = { .room = "engine", .appid = j->appid };

	if (o->result.drifted)
		td_log(TD_LOG_WARN, &ctx, "%s: drift found: %s %s",
		       tenant_resource_text(j->action->resource), o->result.reason,
		       o->result.message);
	if (o->rc != TD_OK && o->rc != TD_HELD) /* that was told at the gate */
		td_log_err(TD_LOG_WARN, &ctx, &o->err, "%s of %s failed",
			   verbs[j->action->verb],
			   tenant_resource_text(j->action->resource));
}

static void
job_run(void *ctx)
{
	struct job *j = ctx;
	struct outcome *o = NULL;
	int64_t delay = RESULT_RETRY_MS;

	pthread_mutex_lock(&j->b->lock);
	j->b->queued--;
	pthread_mutex_unlock(&j->b->lock);
	/* What is still queued when we stop is not begun: its intent is recorded. */
	if (!j->e->stopping)
		o = calloc(1, sizeof(*o));
	if (o != NULL) {
		o->rc = call(j, &o->result, &o->err);
		if (o->result.drifted)
			atomic_fetch_add(&j->e->drifts, 1);
		if (j->action->verb == TENANT_OBSERVE && j->action->claimed)
			atomic_fetch_add(&j->e->verified, 1);
		log_failure(j, o);
		delay = apply(j, o);
		free(o);
	}
	engine_action_ended(j->e, j->appid, j->action->resource, delay);
	free(j->action);
	free(j);
}

bool
engine_run_action(struct engine *e, const char *appid, struct backend *b,
		  struct tenant_action *action)
{
	struct job *j = calloc(1, sizeof(*j));

	if (j == NULL) {
		free(action);
		return false;
	}
	j->e = e;
	j->b = b;
	j->action = action;
	memcpy(j->appid, appid, strlen(appid) + 1);
	pthread_mutex_lock(&b->lock);
	b->queued++;
	pthread_mutex_unlock(&b->lock);
	bool urgent = action->verb == TENANT_ENSURE &&
		      (action->access == DRV_ACCESS_NONE || action->reclose);
	if (td_pool_submit(urgent ? b->urgent : b->pool, job_run, j) == TD_OK)
		return true;
	pthread_mutex_lock(&b->lock);
	b->queued--;
	pthread_mutex_unlock(&b->lock);
	free(action);
	free(j);
	return false;
}

/* ---- probes ---- */

static void
probe_run(void *ctx)
{
	struct backend *b = ctx;
	struct engine *e = b->engine;
	struct td_log_ctx lc = { .room = "engine" };
	struct td_err err = { 0 };
	enum td_rc rc = b->driver->ops->probe(
		b->driver, td_mono_ms(e->env) + e->call_timeout_ms, &err);

	pthread_mutex_lock(&b->lock);
	b->probing = false;
	backend_note_login(b, rc);
	if (rc == TD_OK) {
		b->open = false;
		b->failures_in_row = 0;
	} else {
		b->pause_ms = b->pause_ms * 2 > BREAKER_PAUSE_MAX_MS
				      ? BREAKER_PAUSE_MAX_MS
				      : b->pause_ms * 2;
		b->probe_at_mono = td_mono_ms(e->env) + b->pause_ms;
	}
	pthread_mutex_unlock(&b->lock);
	if (rc == TD_OK) {
		td_log(TD_LOG_INFO, &lc, "circuit of %s in region %s closes",
		       b->driver->name, b->region->name);
		engine_kick_all(e);
	} else {
		td_log_err(TD_LOG_WARN, &lc, &err,
			   "%s in region %s still does not answer", b->driver->name,
			   b->region->name);
	}
}

int64_t
engine_probe_due(struct engine *e, int64_t now_mono)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < e->region_count; i++)
		for (int r = 0; r < DRV_RESOURCE_COUNT; r++) {
			struct backend *b = &e->backends[i][r];
			bool start = false;

			if (b->driver == NULL)
				continue;
			pthread_mutex_lock(&b->lock);
			if (b->open && !b->probing) {
				start = now_mono >= b->probe_at_mono;
				b->probing = start;
				if (!start && b->probe_at_mono < next)
					next = b->probe_at_mono;
			}
			pthread_mutex_unlock(&b->lock);
			if (start && td_pool_submit(b->pool, probe_run, b) != TD_OK) {
				pthread_mutex_lock(&b->lock);
				b->probing = false;
				b->probe_at_mono = now_mono + BREAKER_PAUSE_MIN_MS;
				pthread_mutex_unlock(&b->lock);
			}
		}
	return next;
}

/* ---- start and stop ---- */

static enum td_rc
backend_start(struct engine *e, size_t region, enum drv_resource r, unsigned budget,
	      struct td_err *reterr)
{
	static const char *const names[] = { "object", "database", "volume" };
	struct backend *b = &e->backends[region][r];

	b->engine = e;
	b->region = &e->regions[region];
	b->driver = e->regions[region].drivers[r];
	pthread_mutex_init(&b->lock, NULL);
	if (b->driver == NULL)
		return TD_OK;
	enum td_rc rc = td_pool_new(&(struct td_pool_options){ .name = "urgent",
							       .threads = URGENT_THREADS,
							       .queue_max = 1000000 },
				    &b->urgent, reterr);
	if (rc != TD_OK)
		return rc;
	return td_pool_new(&(struct td_pool_options){ .name = names[r],
						      .threads = budget,
						      .queue_max = 1000000 },
			   &b->pool, reterr);
}

enum td_rc
engine_backends_start(struct engine *e, unsigned budget, struct td_err *reterr)
{
	e->backends = calloc(e->region_count, sizeof(*e->backends));
	if (e->backends == NULL)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	for (size_t i = 0; i < e->region_count; i++)
		for (int r = 0; r < DRV_RESOURCE_COUNT; r++) {
			enum td_rc rc =
				backend_start(e, i, (enum drv_resource)r, budget, reterr);
			if (rc != TD_OK)
				return rc;
		}
	return TD_OK;
}

void
engine_backends_stop(struct engine *e)
{
	for (size_t i = 0; e->backends != NULL && i < e->region_count; i++)
		for (int r = 0; r < DRV_RESOURCE_COUNT; r++) {
			td_pool_free(e->backends[i][r].urgent);
			td_pool_free(e->backends[i][r].pool);
			e->backends[i][r].urgent = NULL;
			e->backends[i][r].pool = NULL;
		}
}

size_t
engine_backends(struct engine *e, struct engine_backend_state *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < e->region_count; i++)
		for (int r = 0; r < DRV_RESOURCE_COUNT; r++) {
			struct backend *b = &e->backends[i][r];

			if (b->driver == NULL)
				continue;
			if (n < max) {
				pthread_mutex_lock(&b->lock);
				out[n] = (struct engine_backend_state){
					.region = b->region->name,
					.resource = (enum drv_resource)r,
					.driver = b->driver->name,
					.circuit_open = b->open,
					.login_refused = b->login_refused,
					.running = b->running,
					.queued = b->queued,
					.calls = b->calls,
					.failures = b->failures,
					.call_us_sum = b->call_us_sum,
				};
				pthread_mutex_unlock(&b->lock);
			}
			n++;
		}
	return n;
}
