/*
 * Wiring: which room gets what. Set up in order, torn down in reverse, once.
 */
#include "daemon.h"

#include "alive.h"
#include "api/api.h"
#include "base/log.h"
#include "engine/denymap.h"
#include "minio/driver.h"
#include "mongo/driver.h"
#include "policies/policy.h"
#include "trace.h"
#include "wallclock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PRUNE_BATCH 5000
/* Of one round: the watchdog is to be fed, and signals heard, while much goes. */
#define PRUNE_ROUND_MS 1000
#define TOKEN_PRUNE_PAUSE_MS (10 * 60 * 1000)
#define PLAN_SETS_MAX 64

static const struct td_log_ctx LOG = { .room = "main" };

struct daemon {
	char *config_path;
	struct config config;
	struct policy_set *policies;
	/* Old sets stay: views may point into them. */
	struct plan_set *plans[PLAN_SETS_MAX];
	size_t plan_count;
	struct store *store;
	struct seal *seal;
	struct spool_set *spools;
	struct trace *trace;
	struct engine_region *regions;
	size_t region_count;
	struct engine *engine;
	struct denymap *denymap; /* NULL: no region has one */
	struct api *api;
	struct wallclock clock;
	struct alive alive;
	struct api_token_prune token_prune;
	int64_t token_prune_mono; /* no sooner than this */
};

/* ---- pieces ---- */

static enum td_rc
path_in(const char *dir, const char *name, char **ret, struct td_err *reterr)
{
	if (asprintf(ret, "%s/%s", dir, name) < 0)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	return TD_OK;
}

/* The plans' templates must be there, and safe unless the plan says otherwise. */
static enum td_rc
check_plans(const struct plan_set *plans, const struct policy_set *policies,
	    struct td_err *reterr)
{
	for (size_t i = 0; i < plan_set_count(plans); i++) {
		const struct plan *p = plan_set_at(plans, i);
		enum policy_optin optin = p->allow_dangerous_templates
						  ? POLICY_DANGEROUS_TOO
						  : POLICY_SAFE_ONLY;
		const struct policy_template *found;
		enum td_rc rc = TD_OK;

		if (p->object_template != NULL)
			rc = policy_check_parent(policies, POLICY_MINIO,
						 p->object_template, optin, &found,
						 reterr);
		if (rc == TD_OK && p->database_template != NULL)
			rc = policy_check_parent(policies, POLICY_MONGODB,
						 p->database_template, optin, &found,
						 reterr);
		if (rc != TD_OK)
			return td_err_prefix(reterr, "plan %s (%s)", p->name, p->file);
	}
	return TD_OK;
}

static enum td_rc
load_plans(struct daemon *d, const struct config *c, struct td_err *reterr)
{
	struct plan_set *set = NULL;

	if (d->plan_count == PLAN_SETS_MAX)
		return td_err_set(
			reterr, TD_UNAVAILABLE,
			"plans were reloaded %d times; restart to load them again",
			PLAN_SETS_MAX - 1);
	enum td_rc rc = plan_set_load(c->plans_dir, &set, NULL, reterr);
	if (rc == TD_OK)
		rc = check_plans(set, d->policies, reterr);
	if (rc != TD_OK) {
		plan_set_free(set);
		return rc;
	}
	d->plans[d->plan_count++] = set;
	return TD_OK;
}

static enum td_rc
open_store(struct daemon *d, struct td_err *reterr)
{
	TD_CLEAN_SECRET struct td_secret *master = NULL;
	const struct config *c = &d->config;
	char *dir = NULL;

	if (mkdir(c->state_dir, 0700) != 0 && errno != EEXIST)
		return td_err_sys(reterr, TD_IO, errno, "cannot make %s", c->state_dir);
	enum td_rc rc = seal_read_master_file(c->master_key_file, &master, reterr);
	if (rc == TD_OK)
		rc = seal_new(td_env_system(), master, &d->seal, reterr);
	if (rc == TD_OK)
		rc = path_in(c->state_dir, "store", &dir, reterr);
	if (rc == TD_OK)
		rc = store_open(
			&(struct store_options){ .dir = dir,
						 .map_bytes = c->store_map_bytes,
						 .max_bytes = c->store_max_bytes,
						 .reserve_bytes = c->store_reserve_bytes,
						 .ballast_bytes = c->store_ballast_bytes,
						 .max_readers = 512,
						 .env = td_env_system() },
			&d->store, reterr);
	free(dir);
	return rc != TD_OK ? rc : seal_check_master(d->seal, d->store, reterr);
}

static enum td_rc
open_spools(struct daemon *d, struct td_err *reterr)
{
	const struct config *c = &d->config;
	char *dir = NULL;
	enum td_rc rc = path_in(c->state_dir, "spool", &dir, reterr);

	if (rc == TD_OK)
		rc = spool_open(
			&(struct spool_options){
				.dir = dir,
				.count = api_threads((unsigned)c->api_threads),
				.bytes = (uint32_t)c->audit_spool_bytes,
				.drain_ms = c->audit_drain,
				.env = td_env_system() },
			d->store, &d->spools, reterr);
	free(dir);
	return rc;
}

static enum td_rc
open_region(struct daemon *d, const struct config_region *r, struct engine_region *out,
	    struct td_err *reterr)
{
	const char *instance = store_instance_id(d->store);
	struct minio_driver_options minio = {
		.endpoints = (const char *const *)r->minio_endpoints.items,
		.endpoint_count = r->minio_endpoints.count,
		.region = r->minio_region,
		.ca_file = r->minio_ca_file,
		.current = { r->minio_access_key_file, r->minio_secret_key_file },
		.next = { r->minio_next_access_key_file, r->minio_next_secret_key_file },
		.instance_id = instance,
		.policies = d->policies,
		.env = td_env_system(),
		.trace = trace_hook(d->trace),
	};
	struct mongo_driver_options mongo = {
		.uri = r->mongodb_uri,
		.ca_file = r->mongodb_ca_file,
		.current = { r->mongodb_username_file, r->mongodb_password_file },
		.next = { r->mongodb_next_username_file, r->mongodb_next_password_file },
		.instance_id = instance,
		.policies = d->policies,
		.env = td_env_system(),
		.trace = trace_hook(d->trace),
	};

	out->name = r->name;
	enum td_rc rc = minio_driver_new(&minio, &out->drivers[DRV_OBJECT], reterr);
	if (rc == TD_OK)
		rc = mongo_driver_new(&mongo, &out->drivers[DRV_DATABASE], reterr);
	return rc == TD_OK ? rc : td_err_prefix(reterr, "region %s", r->name);
}

/* The users that tenantd itself and an operator log in as are nobody's appid. */
static enum td_rc
reserved_names(const struct daemon *d, const char ***ret, size_t *ret_count,
	       struct td_err *reterr)
{
	const struct config *c = &d->config;
	const struct config_region *r = c->regions.items;
	size_t room = c->reserved.count + 4 * c->regions.count;
	const char **names = calloc(room + 1, sizeof(*names));
	size_t n = 0;

	if (names == NULL)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	for (size_t i = 0; i < c->reserved.count; i++)
		names[n++] = strdup(c->reserved.items[i]);
	for (size_t i = 0; i < c->regions.count; i++) {
		const char *files[] = { r[i].minio_access_key_file,
					r[i].minio_next_access_key_file,
					r[i].mongodb_username_file,
					r[i].mongodb_next_username_file };
		for (size_t k = 0; k < 4; k++) {
			TD_CLEAN_SECRET struct td_secret *name = NULL;
			if (files[k] != NULL &&
			    td_secret_read_file(files[k], &name, NULL) == TD_OK)
				names[n++] = strndup(td_secret_bytes(name),
						     td_secret_len(name));
		}
	}
	*ret = names;
	*ret_count = n;
	for (size_t i = 0; i < n; i++)
		if (names[i] == NULL)
			return td_err_set(reterr, TD_NOMEM, "out of memory");
	return TD_OK;
}

static enum td_rc
start_engine(struct daemon *d, struct td_err *reterr)
{
	const struct config *c = &d->config;
	const struct config_region *r = c->regions.items;
	const char **names = NULL;
	size_t count = 0;

	d->regions = calloc(c->regions.count, sizeof(*d->regions));
	if (d->regions == NULL)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	d->region_count = c->regions.count;
	for (size_t i = 0; i < c->regions.count; i++) {
		enum td_rc rc = open_region(d, &r[i], &d->regions[i], reterr);
		if (rc != TD_OK)
			return rc;
	}
	enum td_rc rc = reserved_names(d, &names, &count, reterr);
	if (rc == TD_OK)
		rc = engine_new(
			&(struct engine_options){
				.store = d->store,
				.seal = d->seal,
				.env = td_env_system(),
				.wall = &d->clock.wall,
				.plans = d->plans[d->plan_count - 1],
				.regions = d->regions,
				.region_count = d->region_count,
				.default_region = c->default_region != NULL
							  ? c->default_region
							  : r[0].name,
				.budget = (unsigned)c->engine_budget,
				.call_timeout_ms = c->engine_call_timeout,
				.rules = { .delete_grace_ms = c->engine_delete_grace,
					   .backoff_min_ms = c->engine_backoff_min,
					   .backoff_max_ms = c->engine_backoff_max },
				.budgets = { { [REC_CLOSE] =
						       (uint32_t)c->gate_close_per_hour,
					       [REC_REMOVE] =
						       (uint32_t)c->gate_remove_per_hour,
					       [REC_REMOVE_BUCKET] =
						       (uint32_t)c
							       ->gate_bucket_per_hour } },
				.verify_interval_ms = c->engine_verify_interval,
				.reserved = names,
				.reserved_count = count,
			},
			&d->engine, reterr);
	for (size_t i = 0; i < count; i++)
		free((void *)(uintptr_t)names[i]);
	free(names);
	return rc;
}

static enum td_rc
start_denymap(struct daemon *d, struct td_err *reterr)
{
	const struct config_region *r = d->config.regions.items;
	struct denymap_target targets[ENGINE_REGIONS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < d->config.regions.count; i++)
		if (r[i].gateway_deny_map_file != NULL)
			targets[n++] = (struct denymap_target){
				.region = r[i].name,
				.file = r[i].gateway_deny_map_file,
				.pid_file = r[i].gateway_pid_file,
			};
	if (n == 0)
		return TD_OK;
	return denymap_start(&(struct denymap_options){ .store = d->store,
							.env = td_env_system(),
							.targets = targets,
							.target_count = n },
			     &d->denymap, reterr);
}

/* ---- the API ---- */

struct api_regions {
	struct api_region *items;
	struct td_buf *bufs; /* two per region */
	size_t count;
};

static void
api_regions_done(struct api_regions *a)
{
	for (size_t i = 0; a->bufs != NULL && i < 2 * a->count; i++)
		td_buf_done(&a->bufs[i]);
	free(a->bufs);
	free(a->items);
}

static enum td_rc
api_regions_make(const struct config *c, struct api_regions *a, struct td_err *reterr)
{
	const struct config_region *r = c->regions.items;

	a->items = calloc(c->regions.count + 1, sizeof(*a->items));
	a->bufs = calloc(2 * c->regions.count + 1, sizeof(*a->bufs));
	if (a->items == NULL || a->bufs == NULL)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	for (size_t i = 0; i < c->regions.count; i++) {
		struct td_buf *hosts = &a->bufs[2 * i], *set = &a->bufs[2 * i + 1];

		td_buf_init(hosts, 8192);
		td_buf_init(set, 256);
		a->count++;
		config_mongodb_hosts(&r[i], hosts);
		config_mongodb_replica_set(&r[i], set);
		if (td_buf_rc(hosts) != TD_OK || td_buf_rc(set) != TD_OK)
			return td_err_set(reterr, TD_NOMEM, "out of memory");
		a->items[i] = (struct api_region){
			.name = r[i].name,
			.s3_region = r[i].minio_region,
			.gateway_internal = r[i].gateway_internal,
			.gateway_external = r[i].gateway_external,
			.mongodb_hosts = td_buf_cstr(hosts),
			.mongodb_replica_set = td_buf_cstr(set),
			.mongodb_tls = config_mongodb_tls(&r[i]),
		};
	}
	return TD_OK;
}

static void
fill_listener(const struct config_listener *l, struct api_listener *out, char *host,
	      size_t host_size)
{
	*out = (struct api_listener){ .name = l->name,
				      .routes = config_routes(l),
				      .mode = (unsigned)strtoul(l->mode, NULL, 8),
				      .tls_cert = l->tls_certificate_file,
				      .tls_key = l->tls_key_file,
				      .tls_client_ca = l->tls_client_ca_file };
	if (strncmp(l->address, "unix:", 5) == 0) {
		out->kind = API_UNIX;
		out->path = l->address + 5;
	} else {
		out->kind = API_TCP;
		out->port = (uint16_t)config_split_address(l->address, host, host_size);
		out->address = host;
	}
}

static enum td_rc
start_api(struct daemon *d, struct td_err *reterr)
{
	const struct config *c = &d->config;
	struct api_listener listeners[16];
	char hosts[16][64];
	struct api_regions regions = { 0 };

	for (size_t i = 0; i < c->listeners.count; i++)
		fill_listener((const struct config_listener *)c->listeners.items + i,
			      &listeners[i], hosts[i], sizeof(hosts[i]));
	enum td_rc rc = api_regions_make(c, &regions, reterr);
	if (rc == TD_OK)
		rc = api_new(
			&(struct api_options){
				.listeners = listeners,
				.listener_count = c->listeners.count,
				.threads = (unsigned)c->api_threads,
				.limits = { .max_connections =
						    (unsigned)c->api_max_connections,
					    .max_connections_per_ip =
						    (unsigned)
							    c->api_max_connections_per_ip,
					    .header_bytes = c->api_header_bytes,
					    .header_ms = c->api_header_timeout,
					    .body_ms = c->api_body_timeout,
					    .idle_ms = c->api_idle_timeout },
				.store = d->store,
				.seal = d->seal,
				.spools = d->spools,
				.engine = d->engine,
				.denymap = d->denymap,
				.wall = &d->clock.wall,
				.env = td_env_system(),
				.regions = regions.items,
				.region_count = regions.count,
				.refresh_seconds =
					(unsigned)(c->credentials_refresh / 1000),
				.audit_reads = (enum api_audit_reads)c->audit_reads,
				.version = TD_VERSION,
			},
			&d->api, reterr);
	api_regions_done(&regions);
	return rc != TD_OK ? rc : api_start(d->api, reterr);
}

/* Where the listeners are, for tenantctl and for people: "name address" per line. */
static enum td_rc
write_listeners(struct daemon *d, struct td_err *reterr)
{
	const struct config_listener *l = d->config.listeners.items;
	char *path = NULL, *tmp = NULL;
	enum td_rc rc = path_in(d->config.state_dir, "listeners", &path, reterr);

	if (rc == TD_OK)
		rc = path_in(d->config.state_dir, "listeners.new", &tmp, reterr);
	FILE *f = rc == TD_OK ? fopen(tmp, "we") : NULL;
	if (f != NULL) {
		for (size_t i = 0; i < d->config.listeners.count; i++)
			(void)fprintf(f, "%s %s\n", l[i].name,
				      api_listener_bound(d->api, i));
		int bad = ferror(f) | fclose(f);
		if (bad != 0 || rename(tmp, path) != 0)
			rc = td_err_sys(reterr, TD_IO, errno, "cannot write %s", path);
	} else if (rc == TD_OK) {
		rc = td_err_sys(reterr, TD_IO, errno, "cannot write %s", tmp);
	}
	free(path);
	free(tmp);
	return rc;
}

static enum td_rc
admin_token(struct daemon *d, struct td_err *reterr)
{
	char *path = NULL;
	enum td_rc rc = path_in(d->config.state_dir, "admin.token", &path, reterr);

	if (rc == TD_OK)
		rc = api_admin_token(d->store, td_env_system(), path, reterr);
	free(path);
	return rc;
}

/* ---- the whole ---- */

static enum td_rc
start(struct daemon *d, struct td_err *reterr)
{
	enum td_rc rc =
		policy_set_load(d->config.policies_dir, &d->policies, NULL, reterr);

	if (rc == TD_OK)
		rc = load_plans(d, &d->config, reterr);
	if (rc == TD_OK)
		rc = open_store(d, reterr);
	if (rc == TD_OK)
		rc = wallclock_start(&d->clock, d->store, d->config.clock_settle, reterr);
	if (rc == TD_OK)
		rc = open_spools(d, reterr);
	if (rc == TD_OK)
		rc = admin_token(d, reterr);
	if (rc == TD_OK && d->config.trace_file != NULL)
		rc = trace_open(d->config.trace_file, &d->trace, reterr);
	if (rc == TD_OK)
		rc = start_engine(d, reterr);
	if (rc == TD_OK)
		rc = start_denymap(d, reterr);
	if (rc == TD_OK)
		rc = start_api(d, reterr);
	if (rc == TD_OK)
		rc = write_listeners(d, reterr);
	d->alive = (struct alive){ .api = d->api,
				   .engine = d->engine,
				   .store = d->store,
				   .spools = d->spools,
				   .env = td_env_system() };
	return rc;
}

enum td_rc
daemon_start(const char *config_path, struct config *config, struct daemon **ret_daemon,
	     struct td_err *reterr)
{
	struct daemon *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		config_free(config);
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	}
	d->config = *config;
	memset(config, 0, sizeof(*config));
	d->config_path = strdup(config_path);
	enum td_rc rc = d->config_path == NULL
				? td_err_set(reterr, TD_NOMEM, "out of memory")
				: start(d, reterr);
	if (rc != TD_OK) {
		daemon_stop(d);
		return rc;
	}
	*ret_daemon = d;
	return TD_OK;
}

void
daemon_stop(struct daemon *d)
{
	if (d == NULL)
		return;
	api_stop(d->api);
	engine_free(d->engine);
	denymap_stop(d->denymap);
	spool_close(d->spools);
	wallclock_stop(&d->clock);
	store_close(d->store);
	denymap_free(d->denymap);
	api_free(d->api);
	for (size_t i = 0; i < d->region_count; i++)
		for (int r = 0; r < DRV_RESOURCE_COUNT; r++)
			if (d->regions[i].drivers[r] != NULL)
				d->regions[i].drivers[r]->ops->free(
					d->regions[i].drivers[r]);
	free(d->regions);
	trace_close(d->trace);
	seal_free(d->seal);
	for (size_t i = 0; i < d->plan_count; i++)
		plan_set_free(d->plans[i]);
	policy_set_free(d->policies);
	config_free(&d->config);
	free(d->config_path);
	free(d);
}

static void
tell_change(void *ctx, const char *path, enum td_yaml_reload reload)
{
	(void)ctx;
	if (reload == TD_YAML_RESTART)
		td_log(TD_LOG_WARN, &LOG, "%s changed; that needs a restart", path);
	else
		td_log(TD_LOG_INFO, &LOG, "%s changed and is taken over", path);
}

/* Take over the members that can be; the pointers of the old values go with `fresh`. */
static void
take_over(struct daemon *d, struct config *fresh, struct td_err *reterr)
{
	struct api_regions regions = { 0 };
	struct config *c = &d->config;

	c->log_level = fresh->log_level;
	c->audit_keep = fresh->audit_keep;
	c->audit_max_bytes = fresh->audit_max_bytes;
	c->credentials_refresh = fresh->credentials_refresh;
	td_log_set_level((enum td_log_level)c->log_level);
	/* Regions: endpoints only, and only where the list itself is the same. */
	if (fresh->regions.count == c->regions.count) {
		struct config_region *was = c->regions.items, *now = fresh->regions.items;

		for (size_t i = 0; i < c->regions.count; i++) {
			if (strcmp(was[i].name, now[i].name) != 0)
				continue;
			char *internal = was[i].gateway_internal;
			char *external = was[i].gateway_external;
			struct td_yaml_strings hosts = was[i].mongodb_public_hosts;
			was[i].gateway_internal = now[i].gateway_internal;
			was[i].gateway_external = now[i].gateway_external;
			was[i].mongodb_public_hosts = now[i].mongodb_public_hosts;
			now[i].gateway_internal = internal;
			now[i].gateway_external = external;
			now[i].mongodb_public_hosts = hosts;
		}
	}
	enum td_rc rc = api_regions_make(c, &regions, reterr);
	if (rc == TD_OK)
		rc = api_set_regions(d->api, regions.items, regions.count,
				     (unsigned)(c->credentials_refresh / 1000), reterr);
	api_regions_done(&regions);
	if (rc != TD_OK)
		td_log_err(TD_LOG_ERR, &LOG, reterr, "endpoints are not taken over");
	if (load_plans(d, c, reterr) == TD_OK)
		engine_set_plans(d->engine, d->plans[d->plan_count - 1]);
	else
		td_log_err(TD_LOG_ERR, &LOG, reterr, "plans stay as they are");
}

void
daemon_reload(struct daemon *d)
{
	struct td_yaml_report report;
	struct td_err err = { 0 };
	struct config fresh;

	td_yaml_report_init(&report);
	if (config_load(d->config_path, &fresh, &report, &err) != TD_OK) {
		for (size_t i = 0; i < report.count; i++)
			td_log(TD_LOG_ERR, &LOG, "%s", report.text[i]);
		td_log_err(TD_LOG_ERR, &LOG, &err, "reload refused; nothing changed");
		return;
	}
	size_t restart =
		td_yaml_diff(&config_schema, &d->config, &fresh, tell_change, NULL);
	take_over(d, &fresh, &err);
	config_free(&fresh);
	td_log(TD_LOG_INFO, &LOG, "reloaded; %zu changed keys need a restart", restart);
}

/* A step per tick, and a pause after each round. */
static void
prune_tokens(struct daemon *d)
{
	int64_t now = td_mono_ms(td_env_system());
	struct td_err err = { 0 };
	unsigned pruned = 0;

	if (now < d->token_prune_mono)
		return;
	if (api_prune_tokens(d->store, td_wall_ms(&d->clock.wall), &d->token_prune,
			     &pruned, &err) != TD_OK)
		td_log_err(TD_LOG_ERR, &LOG, &err, "expired tokens cannot be pruned");
	if (pruned > 0)
		td_log(TD_LOG_INFO, &LOG, "%u expired tokens are pruned", pruned);
	if (d->token_prune.after[0] == '\0')
		d->token_prune_mono = now + TOKEN_PRUNE_PAUSE_MS;
}

static void
prune_modes(struct daemon *d)
{
	struct td_err err = { 0 };
	unsigned pruned = 0;

	if (api_prune_modes(d->store, td_wall_ms(&d->clock.wall), &pruned, &err) != TD_OK)
		td_log_err(TD_LOG_ERR, &LOG, &err, "expired modes cannot be pruned");
	if (pruned > 0)
		td_log(TD_LOG_INFO, &LOG, "%u modes have expired", pruned);
}

void
daemon_tick(struct daemon *d)
{
	int64_t from = td_wall_ms(&d->clock.wall) - d->config.audit_keep;
	int64_t until = td_mono_ms(td_env_system()) + PRUNE_ROUND_MS;
	struct td_err err = { 0 };
	unsigned dropped = 0;

	wallclock_tick(&d->clock);
	prune_tokens(d);
	prune_modes(d);
	do {
		if (store_audit_prune(d->store, from, d->config.audit_max_bytes,
				      PRUNE_BATCH, &dropped, &err) != TD_OK) {
			td_log_err(TD_LOG_ERR, &LOG, &err,
				   "audit entries cannot be pruned");
			return;
		}
	} while (dropped == PRUNE_BATCH && td_mono_ms(td_env_system()) < until);
}

const char *
daemon_stuck(struct daemon *d, int64_t limit_ms)
{
	return alive_stuck(&d->alive, limit_ms);
}

void
daemon_status(struct daemon *d, char *out, size_t size)
{
	struct engine_stats s;
	uint64_t tenants = 0;

	engine_stats(d->engine, &s);
	for (unsigned p = REC_CREATING; p < REC_DELETED; p++)
		tenants += s.by_phase[p];
	(void)snprintf(out, size, "serving %llu tenants, %llu of them stuck",
		       (unsigned long long)tenants, (unsigned long long)s.stuck);
}

enum td_rc
daemon_check(const struct config *c, struct td_yaml_report *report, struct td_err *reterr)
{
	TD_CLEAN_SECRET struct td_secret *master = NULL;
	struct policy_set *policies = NULL;
	struct plan_set *plans = NULL;
	enum td_rc rc = seal_read_master_file(c->master_key_file, &master, reterr);

	if (rc == TD_OK)
		rc = policy_set_load(c->policies_dir, &policies, report, reterr);
	if (rc == TD_OK)
		rc = plan_set_load(c->plans_dir, &plans, report, reterr);
	if (rc == TD_OK)
		rc = check_plans(plans, policies, reterr);
	plan_set_free(plans);
	policy_set_free(policies);
	return rc;
}
