/*
 * The gate: every driver call passes here. Today it counts, times and logs; modes and
 * budgets for destructive verbs have their place in this one function.
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

enum td_rc
gate_call(struct engine *e, struct backend *b, enum tenant_verb verb,
	  struct drv_call *call, struct drv_result *result, struct td_err *reterr)
{
	int64_t began = td_mono_ms(e->env);

	pthread_mutex_lock(&b->lock);
	b->running++;
	pthread_mutex_unlock(&b->lock);
	call->deadline_mono_ms = began + e->call_timeout_ms;
	enum td_rc rc = call_driver(b->driver, verb, call, result, reterr);
	account(e, b, rc, td_mono_ms(e->env) - began);
	atomic_fetch_add(&e->actions, 1);
	return rc;
}
