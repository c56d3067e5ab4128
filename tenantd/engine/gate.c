/*
 * The gate: every driver call passes here. It is the last line of the brakes: the stepper
 * gives no action that a mode or an empty budget holds back, but one that was queued before
 * somebody set a hold, or that a bug let through, is refused here, on what is recorded now.
 */
#include "internal.h"

static enum td_rc
call_driver(struct driver *d, enum tenant_verb verb, struct drv_call *call,
	    struct drv_result *result, struct td_err *reterr)
{
	switch (verb) {
	case TENANT_OBSERVE:
		return d->ops->observe(d, call, result, reterr);
	case TENANT_ENSURE:
		return d->ops->ensure(d, call, result, reterr);
	case TENANT_REMOVE:
		return d->ops->remove(d, call, result, reterr);
	default:
		return td_err_set(reterr, TD_INTERNAL, "verb %d", (int)verb);
	}
}

static bool
backend_is_ill(enum td_rc rc)
{
	return rc == TD_UNREACHABLE || rc == TD_TIMEOUT || rc == TD_BACKEND_AUTH;
}

/* Count the outcome; opens the circuit after too many failures in a row. */
static void
account(struct engine *e, struct backend *b, enum td_rc rc, int64_t took_ms)
{
	pthread_mutex_lock(&b->lock);
	b->running--;
	b->calls++;
	b->call_us_sum += (uint64_t)took_ms * 1000;
	backend_note_login(b, rc);
	if (!backend_is_ill(rc)) {
		b->failures_in_row = 0;
	} else {
		b->failures++;
		if (++b->failures_in_row >= BREAKER_FAILURES && !b->open) {
			b->open = true;
			b->pause_ms = BREAKER_PAUSE_MIN_MS;
			b->probe_at_mono = td_mono_ms(e->env) + b->pause_ms;
			td_log(TD_LOG_WARN, &(struct td_log_ctx){ .room = "engine" },
			       "circuit of %s in region %s opens after %u failures in a "
			       "row",
			       b->driver->name, b->region->name, b->failures_in_row);
		}
	}
	pthread_mutex_unlock(&b->lock);
}

static enum td_rc
look(struct engine *e, const struct gate_call *g, struct td_err *reterr)
{
	enum td_rc rc = tenant_gate(g->v, g->action, reterr);

	if (rc == TD_OK)
		return TD_OK;
	atomic_fetch_add(&e->held, 1);
	td_log_err(TD_LOG_INFO,
		   &(struct td_log_ctx){ .room = "engine", .appid = g->v->appid }, reterr,
		   "a call is held back at the gate");
	return rc;
}

enum td_rc
gate_call(struct engine *e, struct backend *b, const struct gate_call *g,
	  struct drv_result *result, struct td_err *reterr)
{
	enum td_rc rc = look(e, g, reterr);
	int64_t began = td_mono_ms(e->env);

	if (rc != TD_OK)
		return rc;
	pthread_mutex_lock(&b->lock);
	b->running++;
	pthread_mutex_unlock(&b->lock);
	g->call->deadline_mono_ms = began + e->call_timeout_ms;
	rc = call_driver(b->driver, g->action->verb, g->call, result, reterr);
	account(e, b, rc, td_mono_ms(e->env) - began);
	atomic_fetch_add(&e->actions, 1);
	if (g->action->verb == TENANT_ENSURE && g->action->access == DRV_ACCESS_NONE &&
	    g->v->rec.suspend)
		atomic_fetch_add(&e->revocations, 1);
	return rc;
}
