/*
 * Health, readiness, metrics and the API's own description.
 *
 * Ready means: this process can serve credentials and take orders. That depends on local
 * things alone (store, spool, what main says), because pods get their credentials also
 * while every backend is down: a load balancer that took tenantd out then would make an
 * outage of it. Backends, deny maps, stopped gates and a full store show as `degraded`; with
 * ?strict=true they count.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#define MAX_BACKENDS (ENGINE_REGIONS_MAX * DRV_RESOURCE_COUNT)

void
h_healthz(struct req *r)
{
	static const char text[] = "{\"status\":\"ok\"}\n";

	req_reply_static(r, &(struct reply){ .status = MHD_HTTP_OK }, text,
			 sizeof(text) - 1);
}

void
h_openapi(struct req *r)
{
	req_reply_static(r,
			 &(struct reply){ .status = MHD_HTTP_OK,
					  .type = "application/yaml; charset=utf-8" },
			 api_openapi, (size_t)(api_openapi_end - api_openapi));
}

struct checks {
	struct td_buf *b;
	bool ready;
	bool degraded;
	bool any;
};

enum need { REQUIRED, OPTIONAL };

/* One line of the list. detail NULL: it is fine. */
static void
check(struct checks *c, const char *name, enum need need, const char *detail)
{
	td_buf_str(c->b, c->any ? ",{" : "{");
	c->any = true;
	api_json_member(c->b, "name", name);
	td_buf_fmt(c->b, ",\"required\":%s,\"ok\":%s,",
		   need == REQUIRED ? "true" : "false",
		   detail == NULL ? "true" : "false");
	api_json_member(c->b, "detail", detail != NULL ? detail : "");
	td_buf_char(c->b, '}');
	if (detail == NULL)
		return;
	if (need == REQUIRED)
		c->ready = false;
	else
		c->degraded = true;
}

static void
check_local(struct req *r, struct checks *c)
{
	struct api *api = r->t->api;
	struct store_read *read = NULL;
	struct spool_stats spool;
	struct store_stats store;
	struct td_err err = { .rc = TD_OK };
	enum td_rc rc = store_read_begin(api->store, &read, NULL);

	store_read_end(read);
	store_stats(api->store, &store);
	check(c, "store", REQUIRED, rc == TD_OK ? NULL : td_rc_info(rc)->text);
	check(c, "store writes", REQUIRED,
	      store.broken ? "a write failed for good: restart on a sound disk" : NULL);
	check(c, "store space", OPTIONAL,
	      store.full ? "full: new tenants are refused" : NULL);
	spool_stats(api->spools, &spool);
	check(c, "audit spool", REQUIRED,
	      spool.failing ? "not drained: credential reads are refused" : NULL);
	if (api->ready != NULL && api->ready(api->ready_ctx, &err) != TD_OK)
		check(c, "daemon", REQUIRED, err.detail);
	if (r->t->stopping)
		check(c, "daemon", REQUIRED, "stopping");
}

static void
check_backends(struct req *r, struct checks *c)
{
	struct engine_backend_state states[MAX_BACKENDS];
	size_t n = engine_backends(r->t->api->engine, states, MAX_BACKENDS);

	for (size_t i = 0; i < n; i++) {
		char name[96];

		snprintf(name, sizeof(name), "backend %s/%s (%s)", states[i].region,
			 tenant_resource_text(states[i].resource), states[i].driver);
		check(c, name, OPTIONAL,
		      states[i].login_refused  ? "refuses tenantd's own login"
		      : states[i].circuit_open ? "does not answer"
					       : NULL);
	}
}

static const char *
denymap_trouble(const struct denymap_stats *s)
{
	if (s->write_failing)
		return "the file cannot be written: the gateway has an old one";
	if (s->signal_failing)
		return "the gateway cannot be told of a change";
	return s->known ? NULL : "not all tenants were looked at yet";
}

static void
check_denymaps(struct req *r, struct checks *c)
{
	struct denymap_stats stats[ENGINE_REGIONS_MAX];
	size_t n = denymap_stats(r->t->api->denymap, stats, ENGINE_REGIONS_MAX);

	for (size_t i = 0; i < n; i++) {
		char name[64];

		snprintf(name, sizeof(name), "deny map %s", stats[i].region);
		check(c, name, OPTIONAL, denymap_trouble(&stats[i]));
	}
}

static void
check_gates(struct req *r, struct checks *c)
{
	struct engine_budget_state s[ENGINE_REGIONS_MAX];
	struct store_read *read = NULL;
	size_t n = 0;
	enum td_rc rc = store_read_begin(r->t->api->store, &read, NULL);

	if (rc == TD_OK) /* that the store cannot be read is told elsewhere */
		rc = engine_budgets(r->t->api->engine, read, s, ENGINE_REGIONS_MAX, &n,
				    NULL);
	store_read_end(read);
	for (size_t i = 0; rc == TD_OK && i < n; i++) {
		char name[64], detail[128];

		snprintf(name, sizeof(name), "gate %s", s[i].region);
		snprintf(detail, sizeof(detail),
			 "stopped: the budget for \"%s\" is spent; see tenantctl plan, "
			 "then "
			 "tenantctl approve %s",
			 tenant_destroy_text(s[i].stopped_by), s[i].region);
		check(c, name, OPTIONAL, s[i].stopped_ms != 0 ? detail : NULL);
	}
}

void
h_readyz(struct req *r)
{
	const char *strict = args_get(&r->args, "strict");
	struct td_buf *b = &r->t->scratch;
	struct checks c = { .b = b, .ready = true };
	bool ok;

	td_buf_reset(b);
	td_buf_str(b, "{\"checks\":[");
	check_local(r, &c);
	check_backends(r, &c);
	check_denymaps(r, &c);
	check_gates(r, &c);
	ok = c.ready && !(c.degraded && strict != NULL && strcmp(strict, "true") == 0);
	td_buf_fmt(b, "],\"ready\":%s,\"degraded\":%s}\n", c.ready ? "true" : "false",
		   c.degraded ? "true" : "false");
	req_reply(r,
		  &(struct reply){ .status = ok ? MHD_HTTP_OK
						: MHD_HTTP_SERVICE_UNAVAILABLE,
				   .retry_after = ok ? 0 : 1 },
		  b);
}

void
h_metrics(struct req *r)
{
	struct td_buf *b = &r->t->scratch;

	td_buf_reset(b);
	metrics_render(r->t->api, b);
	req_reply(r,
		  &(struct reply){ .status = MHD_HTTP_OK,
				   .type = "text/plain; version=0.0.4; charset=utf-8" },
		  b);
}
