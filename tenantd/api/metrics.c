/*
 * Prometheus text format 0.0.4. Simple figures come from one table (name, type, help,
 * value), so that each has its HELP and TYPE line once; the two families with labels that
 * vary (requests, backends) have a writer each.
 */
#include "internal.h"

#include <inttypes.h>
#include <string.h>

/* Upper bounds in milliseconds, and as they are written. */
static const struct {
	int64_t ms;
	const char *le;
} bounds[METRICS_BUCKETS] = {
	{ 1, "0.001" }, { 5, "0.005" }, { 10, "0.01" },	 { 25, "0.025" },
	{ 50, "0.05" }, { 100, "0.1" }, { 250, "0.25" }, { 500, "0.5" },
	{ 1000, "1" },	{ 5000, "5" },	{ 15000, "15" }, { 60000, "60" },
};

/* All that a reply of ours can have; anything else is counted in the last place. */
static const unsigned short statuses[] = {
	200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 409, 410,
	412, 413, 415, 422, 429, 431, 500, 502, 503, 504, 507, 0,
};
#define STATUS_COUNT (sizeof(statuses) / sizeof(statuses[0]))
_Static_assert(STATUS_COUNT <= METRICS_STATUSES, "METRICS_STATUSES is too small");

void
metrics_request(struct metrics *m, size_t route, unsigned status, int64_t took_ms)
{
	size_t s = 0, b = 0;

	while (s < STATUS_COUNT - 1 && statuses[s] != status)
		s++;
	while (b < METRICS_BUCKETS && took_ms > bounds[b].ms)
		b++;
	metrics_add(&m->requests[route][s], 1);
	metrics_add(&m->latency[route][b], 1);
	if (took_ms > 0)
		metrics_add(&m->latency_sum_ms[route], (uint64_t)took_ms);
}

static uint64_t
load(const atomic_ullong *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Sum of one counter over all threads; offset within struct metrics. */
static uint64_t
total(const struct api *api, size_t offset)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < api->thread_count; i++)
		sum += load((const atomic_ullong *)(const void *)((const char *)&api
									  ->threads[i]
									  .metrics +
								  offset));
	return sum;
}
#define TOTAL(api, member) total(api, offsetof(struct metrics, member))

static const char *
route_name(size_t row)
{
	return row < api_route_count ? api_route_table[row].doc_id : "none";
}

static void
family(struct td_buf *b, const char *name, const char *type, const char *help)
{
	td_buf_fmt(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
render_requests(const struct api *api, struct td_buf *b)
{
	family(b, "tenantd_http_requests_total", "counter",
	       "Answers by route (operationId of the description) and status.");
	for (size_t r = 0; r <= api_route_count; r++) {
		for (size_t s = 0; s < STATUS_COUNT; s++) {
			uint64_t n = TOTAL(api, requests[r][s]);

			if (n == 0)
				continue;
			td_buf_fmt(b,
				   "tenantd_http_requests_total{route=\"%s\",status=\"",
				   route_name(r));
			if (statuses[s] != 0)
				td_buf_fmt(b, "%u", statuses[s]);
			else
				td_buf_str(b, "other");
			td_buf_fmt(b, "\"} %" PRIu64 "\n", n);
		}
	}
}

static void
render_latency(const struct api *api, struct td_buf *b)
{
	family(b, "tenantd_http_request_duration_seconds", "histogram",
	       "From the end of the header to the answer, waits included.");
	for (size_t r = 0; r <= api_route_count; r++) {
		uint64_t n = 0, ms;

		for (size_t i = 0; i <= METRICS_BUCKETS; i++)
			n += TOTAL(api, latency[r][i]);
		if (n == 0)
			continue;
		n = 0;
		for (size_t i = 0; i <= METRICS_BUCKETS; i++) {
			n += TOTAL(api, latency[r][i]);
			td_buf_fmt(b,
				   "tenantd_http_request_duration_seconds_bucket{route="
				   "\"%s\""
				   ",le=\"%s\"} %" PRIu64 "\n",
				   route_name(r),
				   i < METRICS_BUCKETS ? bounds[i].le : "+Inf", n);
		}
		ms = TOTAL(api, latency_sum_ms[r]);
		td_buf_fmt(b,
			   "tenantd_http_request_duration_seconds_sum{route=\"%s\"} "
			   "%" PRIu64 ".%03" PRIu64 "\n"
			   "tenantd_http_request_duration_seconds_count{route=\"%s\"} "
			   "%" PRIu64 "\n",
			   route_name(r), ms / 1000, ms % 1000, route_name(r), n);
	}
}

/* ---- figures without labels ---- */

enum kind { GAUGE, COUNTER };
struct figure {
	const char *name;
	enum kind kind;
	const char *help;
	uint64_t value;
};

static void
render_figures(struct td_buf *b, const struct figure *f, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		family(b, f[i].name, f[i].kind == GAUGE ? "gauge" : "counter", f[i].help);
		td_buf_fmt(b, "%s %" PRIu64 "\n", f[i].name, f[i].value);
	}
}

static void
render_api(struct api *api, struct td_buf *b)
{
	unsigned waiting = 0;

	for (unsigned i = 0; i < api->thread_count; i++)
		waiting += atomic_load_explicit(&api->threads[i].waiting,
						memory_order_relaxed);
	const struct figure figures[] = {
		{ "tenantd_http_connections", GAUGE, "Open connections.",
		  atomic_load_explicit(&api->connections, memory_order_relaxed) },
		{ "tenantd_http_waiting", GAUGE, "Requests that wait for a change.",
		  waiting },
		{ "tenantd_http_connections_accepted_total", COUNTER, "Accepted.",
		  TOTAL(api, accepted) },
		{ "tenantd_http_connections_refused_total", COUNTER,
		  "Over a connection limit.", TOTAL(api, refused_connections) },
		{ "tenantd_logins_refused_total", COUNTER, "Requests with a bad token.",
		  TOTAL(api, refused_logins) },
		{ "tenantd_audit_reads_refused_total", COUNTER,
		  "Credential reads refused because they could not be recorded.",
		  TOTAL(api, audit_refused) },
		{ "tenantd_audit_counts_lost_total", COUNTER,
		  "Counted events that found no place in the minute's table.",
		  TOTAL(api, audit_lost) },
		{ "tenantd_start_time_seconds", GAUGE, "When the API started.",
		  (uint64_t)(api->started_ms / 1000) },
	};

	render_figures(b, figures, sizeof(figures) / sizeof(figures[0]));
	family(b, "tenantd_http_connections_cut_total", "counter",
	       "Ended because the client took too long.");
	static const char *const phases[CONN_PHASES] = { "header", "body", "sending",
							 "idle" };
	for (size_t i = 0; i < CONN_PHASES; i++)
		td_buf_fmt(b,
			   "tenantd_http_connections_cut_total{phase=\"%s\"} %" PRIu64
			   "\n",
			   phases[i], TOTAL(api, cut_connections[i]));
	family(b, "tenantd_tls_certificate_expiry_seconds", "gauge",
	       "When a listener's certificate chain ends, Unix time.");
	for (size_t i = 0; i < api->listener_count; i++)
		if (api->listeners[i].tls_cert != NULL)
			td_buf_fmt(b,
				   "tenantd_tls_certificate_expiry_seconds{listener="
				   "\"%s\"} %" PRId64 "\n",
				   api->listeners[i].name,
				   api->listeners[i].tls_not_after);
	family(b, "tenantd_build_info", "gauge", "Always 1; the version is the label.");
	td_buf_fmt(b, "tenantd_build_info{version=\"%s\"} 1\n", api->version);
}

static void
render_store(struct api *api, struct td_buf *b)
{
	struct store_stats s;
	struct spool_stats sp;
	uint64_t first = 0, next = 0;

	store_stats(api->store, &s);
	spool_stats(api->spools, &sp);
	store_audit_range(api->store, &first, &next);
	const struct figure figures[] = {
		{ "tenantd_store_used_bytes", GAUGE, "Pages in use.", s.used_bytes },
		{ "tenantd_store_max_bytes", GAUGE, "Configured ceiling.", s.max_bytes },
		{ "tenantd_store_reserve_bytes", GAUGE,
		  "Of the ceiling, kept for suspend, delete, revoke and the audit.",
		  s.reserve_bytes },
		{ "tenantd_store_file_bytes", GAUGE, "Size of the file.", s.file_bytes },
		{ "tenantd_store_free_bytes", GAUGE, "Free on the file system.",
		  s.free_bytes },
		{ "tenantd_store_commits_total", COUNTER, "Durable commits.", s.commits },
		{ "tenantd_store_conflicts_total", COUNTER,
		  "Commits dropped by a precondition.", s.conflicts },
		{ "tenantd_store_failures_total", COUNTER,
		  "Commits that failed otherwise.", s.failures },
		{ "tenantd_store_queue", GAUGE, "Commits waiting.", s.queue },
		{ "tenantd_store_full", GAUGE, "1: refused for want of space.", s.full },
		{ "tenantd_store_broken", GAUGE,
		  "1: a write failed for good; nothing is stored until a restart.",
		  s.broken },
		{ "tenantd_store_ballast_used", GAUGE, "1: the ballast file is given up.",
		  s.ballast_used },
		{ "tenantd_spool_appended_total", COUNTER, "Audit entries spooled.",
		  sp.appended },
		{ "tenantd_spool_drained_total", COUNTER, "Moved to the store.",
		  sp.drained },
		{ "tenantd_spool_refused_total", COUNTER, "Refused: full or not drained.",
		  sp.refused },
		{ "tenantd_spool_waiting_bytes", GAUGE, "In the fullest spool.",
		  sp.waiting_bytes },
		{ "tenantd_spool_bytes", GAUGE, "Size of one spool.", sp.spool_bytes },
		{ "tenantd_spool_failing", GAUGE, "1: the drainer fails.", sp.failing },
		{ "tenantd_audit_entries", GAUGE, "Kept in the store.", next - first },
	};

	render_figures(b, figures, sizeof(figures) / sizeof(figures[0]));
}

static void
render_engine(struct api *api, struct td_buf *b)
{
	struct engine_stats s;

	engine_stats(api->engine, &s);
	const struct figure figures[] = {
		{ "tenantd_engine_active", GAUGE, "Tenants with something left to do.",
		  s.active },
		{ "tenantd_engine_stuck", GAUGE,
		  "Of these, foreign or failed 8 times in a row and more.", s.stuck },
		{ "tenantd_engine_steps_total", COUNTER, "Looks at a tenant.", s.steps },
		{ "tenantd_engine_actions_total", COUNTER, "Driver calls begun.",
		  s.actions },
		{ "tenantd_engine_conflicts_total", COUNTER,
		  "Steps repeated because the record changed.", s.conflicts },
		{ "tenantd_engine_retries_total", COUNTER, "Failed calls to be retried.",
		  s.retries },
		{ "tenantd_engine_verified_total", COUNTER, "Settled tenants looked at.",
		  s.verified },
		{ "tenantd_engine_drifts_total", COUNTER, "Differences found.",
		  s.drifts },
		{ "tenantd_gate_held_total", COUNTER,
		  "Driver calls that the gate refused for a mode or a budget.", s.held },
		{ "tenantd_gate_revocations_total", COUNTER,
		  "Driver calls that closed the access of suspended tenants.",
		  s.revocations },
		{ "tenantd_clock_ahead_seconds", GAUGE,
		  "The wall clock is ahead of what is believed; removals by time wait.",
		  api->wall != NULL ? (uint64_t)td_wall_ahead_ms(api->wall) / 1000 : 0 },
	};

	render_figures(b, figures, sizeof(figures) / sizeof(figures[0]));
	family(b, "tenantd_tenants", "gauge", "Tenants by phase.");
	for (unsigned p = REC_CREATING; p < REC_DELETED; p++)
		td_buf_fmt(b, "tenantd_tenants{phase=\"%s\"} %" PRIu64 "\n",
			   tenant_phase_text((enum rec_phase)p), s.by_phase[p]);
}

/* One family over all regions, or their backends. */
struct region_family {
	const char *name, *type, *help;
};

static uint64_t
backend_value(const struct engine_backend_state *s, size_t which)
{
	const uint64_t values[] = { s->circuit_open, s->login_refused, s->running,
				    s->queued,	     s->calls,	       s->failures };

	return values[which];
}

static void
render_backends(struct api *api, struct td_buf *b)
{
	static const struct region_family families[] = {
		{ "tenantd_backend_circuit_open", "gauge",
		  "1: the backend does not answer." },
		{ "tenantd_backend_login_refused", "gauge",
		  "1: the backend refused tenantd's own login when last asked." },
		{ "tenantd_backend_running", "gauge", "Calls under way." },
		{ "tenantd_backend_queued", "gauge", "Calls waiting for a worker." },
		{ "tenantd_backend_calls_total", "counter", "Driver calls ended." },
		{ "tenantd_backend_failures_total", "counter", "Of these, failed." },
	};
	struct engine_backend_state states[ENGINE_REGIONS_MAX * DRV_RESOURCE_COUNT];
	size_t n =
		engine_backends(api->engine, states, sizeof(states) / sizeof(states[0]));

	for (size_t f = 0; n > 0 && f < sizeof(families) / sizeof(families[0]); f++) {
		family(b, families[f].name, families[f].type, families[f].help);
		for (size_t i = 0; i < n; i++)
			td_buf_fmt(b, "%s{region=\"%s\",resource=\"%s\"} %" PRIu64 "\n",
				   families[f].name, states[i].region,
				   tenant_resource_text(states[i].resource),
				   backend_value(&states[i], f));
	}
	if (n > 0)
		family(b, "tenantd_backend_call_seconds_total", "counter",
		       "Time spent in driver calls.");
	for (size_t i = 0; i < n; i++)
		td_buf_fmt(b,
			   "tenantd_backend_call_seconds_total{region=\"%s\",resource=\"%"
			   "s\"} "
			   "%" PRIu64 ".%06" PRIu64 "\n",
			   states[i].region, tenant_resource_text(states[i].resource),
			   states[i].call_us_sum / 1000000,
			   states[i].call_us_sum % 1000000);
}

/* ---- deny maps ---- */

static uint64_t
denymap_value(const struct denymap_stats *s, size_t which)
{
	const uint64_t values[] = { s->entries,	       s->known,  s->write_failing,
				    s->signal_failing, s->writes, s->signals };

	return values[which];
}

static void
render_denymaps(struct api *api, struct td_buf *b)
{
	static const struct region_family families[] = {
		{ "tenantd_denymap_entries", "gauge",
		  "Tenants that the region's gateway is to keep out." },
		{ "tenantd_denymap_known", "gauge",
		  "1: all tenants were looked at since the start." },
		{ "tenantd_denymap_write_failing", "gauge",
		  "1: the file is not what it should be." },
		{ "tenantd_denymap_signal_failing", "gauge",
		  "1: the gateway could not be told of a change yet." },
		{ "tenantd_denymap_writes_total", "counter", "New files." },
		{ "tenantd_denymap_signals_total", "counter",
		  "Reloads that the gateway was asked for." },
	};
	struct denymap_stats stats[ENGINE_REGIONS_MAX];
	size_t n = denymap_stats(api->denymap, stats, ENGINE_REGIONS_MAX);

	for (size_t f = 0; n > 0 && f < sizeof(families) / sizeof(families[0]); f++) {
		family(b, families[f].name, families[f].type, families[f].help);
		for (size_t i = 0; i < n; i++)
			td_buf_fmt(b, "%s{region=\"%s\"} %" PRIu64 "\n", families[f].name,
				   stats[i].region, denymap_value(&stats[i], f));
	}
}

/* ---- brakes ---- */

static uint64_t
gate_value(const struct engine_budget_line *l, size_t which)
{
	const uint64_t values[] = { l->spent, l->limit, l->extra };

	return values[which];
}

static void
render_gate_lines(struct td_buf *b, const struct engine_budget_state *s, size_t n)
{
	static const struct region_family families[] = {
		{ "tenantd_gate_budget_used", "gauge",
		  "Of a budgeted verb, begun within the last hour." },
		{ "tenantd_gate_budget_limit", "gauge",
		  "How many may begin in an hour; 0: not limited, not counted." },
		{ "tenantd_gate_budget_approved", "gauge",
		  "Approved besides, and left." },
	};

	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		family(b, families[f].name, families[f].type, families[f].help);
		for (size_t i = 0; i < n; i++)
			for (unsigned d = 0; d < REC_DESTROY_COUNT; d++)
				td_buf_fmt(b,
					   "%s{region=\"%s\",verb=\"%s\"} %" PRIu64 "\n",
					   families[f].name, s[i].region,
					   tenant_destroy_text((enum rec_destroy)d),
					   gate_value(&s[i].line[d], f));
	}
}

static void
render_gates(struct api *api, struct td_buf *b)
{
	struct engine_budget_state s[ENGINE_REGIONS_MAX];
	struct store_read *read = NULL;
	uint64_t modes = 0;
	size_t n = 0;
	enum td_rc rc = store_read_begin(api->store, &read, NULL);

	if (rc == TD_OK) {
		modes = store_count(read, STORE_BRAKE);
		rc = engine_budgets(api->engine, read, s, ENGINE_REGIONS_MAX, &n, NULL);
	}
	store_read_end(read);
	if (rc != TD_OK)
		return;
	family(b, "tenantd_modes", "gauge",
	       "Scopes (daemon, regions, tenants, resources) that are held or observed.");
	td_buf_fmt(b, "tenantd_modes %" PRIu64 "\n", modes);
	family(b, "tenantd_gate_stopped", "gauge",
	       "1: a budget is spent; nothing destructive begins before an approval.");
	for (size_t i = 0; i < n; i++)
		td_buf_fmt(b, "tenantd_gate_stopped{region=\"%s\"} %d\n", s[i].region,
			   s[i].stopped_ms != 0);
	render_gate_lines(b, s, n);
}

void
metrics_render(struct api *api, struct td_buf *b)
{
	render_requests(api, b);
	render_latency(api, b);
	render_api(api, b);
	render_store(api, b);
	render_engine(api, b);
	render_backends(api, b);
	render_denymaps(api, b);
	render_gates(api, b);
}
