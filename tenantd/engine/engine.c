/*
 * The engine as a whole: start, stop, what it tells.
 *
 * Start order: backends' workers, then the operations' workers, then the dispatcher, which
 * takes up what an earlier run left. Stop order: the dispatcher (no new action), then the
 * operations, then the backends' workers, whose running calls end by their deadlines.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define OPS_THREADS 4
#define OPS_QUEUE 10000
/* How much longer than its deadline a request may linger in a backend. */
#define LATE_MARGIN_MS 5000

static enum td_rc
copy_options(struct engine *e, const struct engine_options *opt, struct td_err *reterr)
{
	e->store = opt->store;
	e->seal = opt->seal;
	e->env = opt->env;
	e->wall = opt->wall;
	atomic_init(&e->plans, opt->plans);
	e->call_timeout_ms = opt->call_timeout_ms;
	e->rules = opt->rules;
	if (e->rules.late_ms == 0)
		e->rules.late_ms = opt->call_timeout_ms + LATE_MARGIN_MS;
	e->budgets = opt->budgets;
	e->verify_interval_ms = opt->verify_interval_ms;
	(void)stpncpy(e->default_region, opt->default_region,
		      sizeof(e->default_region) - 1);
	e->regions = calloc(opt->region_count, sizeof(*e->regions));
	e->reserved = calloc(opt->reserved_count + 1, sizeof(*e->reserved));
	if (e->regions == NULL || e->reserved == NULL)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	for (size_t i = 0; i < opt->region_count; i++)
		e->regions[e->region_count++] = opt->regions[i];
	for (size_t i = 0; i < opt->reserved_count; i++) {
		e->reserved[i] = strdup(opt->reserved[i]);
		if (e->reserved[i] == NULL)
			return td_err_set(reterr, TD_NOMEM, "out of memory");
		e->reserved_count++;
	}
	return TD_OK;
}

static enum td_rc
start(struct engine *e, const struct engine_options *opt, struct td_err *reterr)
{
	enum td_rc rc = copy_options(e, opt, reterr);

	if (rc == TD_OK)
		rc = engine_backends_start(e, opt->budget, reterr);
	if (rc == TD_OK)
		rc = td_pool_new(&(struct td_pool_options){ .name = "ops",
							    .threads = OPS_THREADS,
							    .queue_max = OPS_QUEUE },
				 &e->ops, reterr);
	if (rc == TD_OK)
		rc = engine_dispatch_start(e, reterr);
	return rc;
}

enum td_rc
engine_new(const struct engine_options *opt, struct engine **ret_engine,
	   struct td_err *reterr)
{
	pthread_condattr_t attr;
	struct engine *e;

	if (opt->region_count == 0 || opt->region_count > ENGINE_REGIONS_MAX)
		return td_err_set(reterr, TD_INVALID, "1 to %d regions are possible",
				  ENGINE_REGIONS_MAX);
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	pthread_mutex_init(&e->lock, NULL);
	pthread_mutex_init(&e->number_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&e->wake, &attr);
	pthread_condattr_destroy(&attr);
	enum td_rc rc = start(e, opt, reterr);
	if (rc != TD_OK) {
		engine_free(e);
		return rc;
	}
	*ret_engine = e;
	return TD_OK;
}

void
engine_free(struct engine *e)
{
	struct entry *n, *tmp;

	if (e == NULL)
		return;
	engine_dispatch_stop(e);
	td_pool_free(e->ops);
	engine_backends_stop(e);
	HASH_ITER(hh, e->entries, n, tmp)
	{
		HASH_DEL(e->entries, n);
		free(n);
	}
	for (size_t i = 0; i < e->reserved_count; i++)
		free(e->reserved[i]);
	for (size_t i = 0; e->backends != NULL && i < e->region_count; i++)
		for (int r = 0; r < DRV_RESOURCE_COUNT; r++)
			pthread_mutex_destroy(&e->backends[i][r].lock);
	free(e->backends);
	free(e->reserved);
	free(e->regions);
	free(e->heap);
	pthread_cond_destroy(&e->wake);
	pthread_mutex_destroy(&e->lock);
	pthread_mutex_destroy(&e->number_lock);
	free(e);
}

void
engine_set_plans(struct engine *e, const struct plan_set *plans)
{
	atomic_store(&e->plans, plans);
}

void
engine_stats(struct engine *e, struct engine_stats *ret)
{
	pthread_mutex_lock(&e->lock);
	ret->active = HASH_COUNT(e->entries);
	ret->stuck = e->stuck;
	pthread_mutex_unlock(&e->lock);
	for (int p = 0; p <= REC_DELETED; p++) {
		long long n = atomic_load(&e->by_phase[p]);
		ret->by_phase[p] = n > 0 ? (uint64_t)n : 0;
	}
	ret->steps = atomic_load(&e->steps);
	ret->actions = atomic_load(&e->actions);
	ret->conflicts = atomic_load(&e->conflicts);
	ret->retries = atomic_load(&e->retries);
	ret->verified = atomic_load(&e->verified);
	ret->drifts = atomic_load(&e->drifts);
	ret->held = atomic_load(&e->held);
	ret->revocations = atomic_load(&e->revocations);
}
