/* A tenant in memory for unit tests: a view, two plans, a clock that stands. */
#pragma once

#include "tenant/tenant.h"

#define T0 INT64_C(1700000000000)
#define GRACE 3600000
#define BACKOFF_MIN 500
#define BACKOFF_MAX 60000

extern const struct plan plan_flat; /* object and database, 3 buckets */
extern const struct plan plan_full; /* and a volume */

/* An empty view of `appid`, as the engine would load it. */
void view_start(struct tenant_view *v, const char *appid);
/* As if what is marked had been committed and everything loaded again. */
void view_commit(struct tenant_view *v);
/* A PUT that creates it on plan_flat, with these buckets (NULL ends), committed. */
void view_create(struct tenant_view *v, const char *const *buckets);
/* The PUT of a plan, with what the engine fills in. */
struct tenant_put put_plan(const struct plan *plan);
/* tenant_next and commit; the action of that resource, owned by the caller, or NULL. */
struct tenant_action *step_one(struct tenant_view *v, enum drv_resource r, int64_t now_ms,
			       int64_t *ret_wake_ms);
/* Every action that comes up succeeds, until nothing is left to do. */
void run_all(struct tenant_view *v, int64_t now_ms);
