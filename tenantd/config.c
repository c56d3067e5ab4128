/*
 * The schema of the configuration file, and the checks that need more than one key.
 */
#include "config.h"

#include "api/api.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))
/* Where plans and templates are installed; CMake says so. */
#ifndef TD_DATA_DIR
#define TD_DATA_DIR "/usr/share/tenantd"
#endif

static const char *const log_levels[] = { "error", "warning", "info", "debug", NULL };
static const char *const audit_reads[] = { "spool", "durable", NULL };
static const char *const volume_drivers[] = { "none", NULL };
static const struct {
	const char *name;
	unsigned bit;
} route_sets[] = { { "runtime", API_ROUTES_RUNTIME },
		   { "control", API_ROUTES_CONTROL },
		   { "ingest", API_ROUTES_INGEST },
		   { "ops", API_ROUTES_OPS } };

static const char *
check_url(const char *text)
{
	bool plain = strncmp(text, "http://", 7) == 0;

	if (!plain && strncmp(text, "https://", 8) != 0)
		return "a URL that starts with http:// or https://";
	const char *host = text + (plain ? 7 : 8);
	if (*host == '\0' || strpbrk(host, "/?#@ ") != NULL)
		return "http(s)://host:port without a path";
	return NULL;
}

static const char *
check_mongodb(const char *text)
{
	if (strncmp(text, "mongodb://", 10) != 0)
		return "a URI that starts with mongodb://";
	if (strchr(text, '@') != NULL)
		return "a URI without user and password (they are in files)";
	return NULL;
}

static const char *
check_name(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return text[n] != '\0' || n == 0 || n > 32 ? "1 to 32 of a-z, 0-9 and -" : NULL;
}

static const char *
check_appid(const char *text)
{
	return rec_appid_any_ok(text) ? NULL : "an appid: 3 to 32 of a-z and 0-9";
}

static const char *
check_route(const char *text)
{
	for (size_t i = 0; i < ELEMENTS(route_sets); i++)
		if (strcmp(route_sets[i].name, text) == 0)
			return NULL;
	return "one of runtime, control, ingest, ops";
}

static const char *
check_address(const char *text)
{
	char host[64];

	if (strncmp(text, "unix:/", 6) == 0)
		return NULL;
	return config_split_address(text, host, sizeof(host)) < 0
		       ? "address:port with a numeric address, or unix:/path"
		       : NULL;
}

static const char *
check_octal(const char *text)
{
	return strlen(text) == 4 && text[0] == '0' && strspn(text, "01234567") == 4
		       ? NULL
		       : "an octal mode such as 0660";
}

#define KEY(path_, type_, member_, fallback_, ...)                                       \
	{                                                                                \
		.path = path_, .type = type_, .offset = offsetof(ROW_STRUCT, member_),   \
		.fallback = fallback_, __VA_ARGS__                                       \
	}

#define ROW_STRUCT struct config_listener
static const struct td_yaml_key listener_keys[] = {
	KEY("name", TD_YAML_STRING, name, NULL, .need = TD_YAML_REQUIRED,
	    .check = check_name,
	    .doc = "Name in logs, metrics and the file STATE/listeners."),
	KEY("address", TD_YAML_STRING, address, NULL, .need = TD_YAML_REQUIRED,
	    .check = check_address,
	    .doc = "address:port (port 0: a free one), or unix:/path."),
	KEY("routes", TD_YAML_STRING_LIST, routes, NULL, .need = TD_YAML_REQUIRED,
	    .min = 1, .max = 4, .check = check_route,
	    .doc = "Route sets served here: runtime (credentials only), control, ingest, "
		   "ops."),
	KEY("tls.certificate_file", TD_YAML_PATH, tls_certificate_file, NULL,
	    .doc = "PEM certificate chain; makes it a TLS listener."),
	KEY("tls.key_file", TD_YAML_PATH, tls_key_file, NULL, .doc = "PEM private key."),
	KEY("tls.client_ca_file", TD_YAML_PATH, tls_client_ca_file, NULL,
	    .doc = "Clients are asked for a certificate of this CA."),
	KEY("mode", TD_YAML_STRING, mode, "0660", .check = check_octal,
	    .doc = "Mode of a unix socket."),
};
#undef ROW_STRUCT
static const struct td_yaml_schema listener_schema = { .keys = listener_keys,
						       .count = ELEMENTS(listener_keys),
						       .size = sizeof(
							       struct config_listener) };

#define ROW_STRUCT struct config_region
static const struct td_yaml_key region_keys[] = {
	KEY("name", TD_YAML_STRING, name, NULL, .need = TD_YAML_REQUIRED,
	    .check = check_name, .doc = "Name that tenants are bound to, for ever."),
	KEY("minio.endpoints", TD_YAML_STRING_LIST, minio_endpoints, NULL,
	    .need = TD_YAML_REQUIRED, .min = 1, .max = 32, .check = check_url,
	    .doc = "Every member of the MinIO cluster, as tenantd reaches it."),
	KEY("minio.access_key_file", TD_YAML_PATH, minio_access_key_file, NULL,
	    .need = TD_YAML_REQUIRED,
	    .doc = "File (mode 0400) with the user name of tenantd's own MinIO user."),
	KEY("minio.secret_key_file", TD_YAML_PATH, minio_secret_key_file, NULL,
	    .need = TD_YAML_REQUIRED, .doc = "File (mode 0400) with its secret."),
	KEY("minio.next_access_key_file", TD_YAML_PATH, minio_next_access_key_file, NULL,
	    .doc = "The next user name, tried when MinIO refuses the current one."),
	KEY("minio.next_secret_key_file", TD_YAML_PATH, minio_next_secret_key_file, NULL,
	    .doc = "The next secret."),
	KEY("minio.region", TD_YAML_STRING, minio_region, "us-east-1", .max = 64,
	    .doc = "Region of the signatures; pods are told it, too."),
	KEY("minio.ca_file", TD_YAML_PATH, minio_ca_file, NULL,
	    .doc = "PEM of the CA of https endpoints; default: the system's."),
	KEY("minio.gateway_internal", TD_YAML_STRING, gateway_internal, NULL,
	    .need = TD_YAML_REQUIRED, .reload = TD_YAML_RELOAD, .check = check_url,
	    .doc = "Gateway endpoint that pods in the cluster use."),
	KEY("minio.gateway_external", TD_YAML_STRING, gateway_external, NULL,
	    .need = TD_YAML_REQUIRED, .reload = TD_YAML_RELOAD, .check = check_url,
	    .doc = "Gateway endpoint that the world uses."),
	KEY("gateway.deny_map_file", TD_YAML_PATH, gateway_deny_map_file, NULL,
	    .doc = "The gateway's deny map, which tenantd keeps (docs/gateway.md); "
		   "default: none."),
	KEY("gateway.pid_file", TD_YAML_PATH, gateway_pid_file, NULL,
	    .doc = "Pid file of the gateway's nginx, which gets SIGHUP after a change of "
		   "it; "
		   "default: whoever runs the gateway sees to reloads."),
	KEY("mongodb.uri", TD_YAML_STRING, mongodb_uri, NULL, .need = TD_YAML_REQUIRED,
	    .max = 1024, .check = check_mongodb,
	    .doc = "mongodb://host:port[,host:port]/?replicaSet=NAME of every member, "
		   "without user."),
	KEY("mongodb.username_file", TD_YAML_PATH, mongodb_username_file, NULL,
	    .need = TD_YAML_REQUIRED,
	    .doc = "File (mode 0400) with the name of tenantd's own user."),
	KEY("mongodb.password_file", TD_YAML_PATH, mongodb_password_file, NULL,
	    .need = TD_YAML_REQUIRED, .doc = "File (mode 0400) with its password."),
	KEY("mongodb.next_username_file", TD_YAML_PATH, mongodb_next_username_file, NULL,
	    .doc = "The next name, tried when MongoDB refuses the current one."),
	KEY("mongodb.next_password_file", TD_YAML_PATH, mongodb_next_password_file, NULL,
	    .doc = "The next password."),
	KEY("mongodb.ca_file", TD_YAML_PATH, mongodb_ca_file, NULL,
	    .doc = "PEM of the CA when the URI says tls=true."),
	KEY("mongodb.public_hosts", TD_YAML_STRING_LIST, mongodb_public_hosts, NULL,
	    .reload = TD_YAML_RELOAD, .max = 32,
	    .doc = "host:port list that pods are given; default: the hosts of the URI."),
	KEY("volume.driver", TD_YAML_ENUM, volume_driver, "none", .names = volume_drivers,
	    .doc = "Driver of tenants' volumes."),
};
#undef ROW_STRUCT
static const struct td_yaml_schema region_schema = { .keys = region_keys,
						     .count = ELEMENTS(region_keys),
						     .size = sizeof(
							     struct config_region) };

#define ROW_STRUCT struct config
static const struct td_yaml_key keys[] = {
	KEY("state_dir", TD_YAML_PATH, state_dir, "/var/lib/tenantd",
	    .doc = "The store, the audit spool and the first admin token."),
	KEY("master_key_file", TD_YAML_PATH, master_key_file, NULL,
	    .need = TD_YAML_REQUIRED,
	    .doc = "The master key: a file of mode 0400 with 64 hex digits."),
	KEY("plans_dir", TD_YAML_PATH, plans_dir, TD_DATA_DIR "/quota",
	    .doc = "Folder of plans (*.yaml). The files are read again at SIGHUP."),
	KEY("policies_dir", TD_YAML_PATH, policies_dir, TD_DATA_DIR "/policies",
	    .doc = "Folder of policy templates (*.yaml)."),
	KEY("default_region", TD_YAML_STRING, default_region, NULL, .check = check_name,
	    .doc = "Region of tenants that name none; default: the first one."),
	KEY("reserved", TD_YAML_STRING_LIST, reserved, NULL, .max = 1000,
	    .check = check_appid, .doc = "More appids that nobody may have."),
	KEY("trace_file", TD_YAML_PATH, trace_file, NULL,
	    .doc = "For measurements: one JSON line per backend request, without "
		   "secrets."),
	KEY("log.level", TD_YAML_ENUM, log_level, "info", .reload = TD_YAML_RELOAD,
	    .names = log_levels, .doc = "Least important level that is logged."),
	KEY("store.map_bytes", TD_YAML_BYTES, store_map_bytes, "64Gi", .min = 16 << 20,
	    .doc = "Address space reserved for the store."),
	KEY("store.max_bytes", TD_YAML_BYTES, store_max_bytes, "16Gi", .min = 8 << 20,
	    .doc = "Most that the store may take on disk."),
	KEY("store.reserve_bytes", TD_YAML_BYTES, store_reserve_bytes, "64Mi",
	    .min = 1 << 20,
	    .doc = "Part of max_bytes kept for suspend, delete, revoke and the audit."),
	KEY("store.ballast_bytes", TD_YAML_BYTES, store_ballast_bytes, "64Mi",
	    .doc = "File that is given up when the file system itself is full; 0: none."),
	KEY("api.threads", TD_YAML_UINT, api_threads, "0", .max = 64,
	    .doc = "Threads that serve HTTP; 0: one per core."),
	KEY("api.max_connections", TD_YAML_UINT, api_max_connections, "4096", .min = 16,
	    .max = 1000000, .doc = "Over all listeners."),
	KEY("api.max_connections_per_ip", TD_YAML_UINT, api_max_connections_per_ip, "0",
	    .max = 1000000, .doc = "Of one client address; 0: no limit."),
	KEY("api.header_bytes", TD_YAML_BYTES, api_header_bytes, "8Ki", .min = 2048,
	    .max = 1 << 20, .doc = "Request line and headers."),
	KEY("api.header_timeout", TD_YAML_DURATION, api_header_timeout, "10s", .min = 100,
	    .max = 600000, .doc = "For a whole request header, however it drips."),
	KEY("api.body_timeout", TD_YAML_DURATION, api_body_timeout, "30s", .min = 100,
	    .max = 3600000, .doc = "For a request body, and for taking an answer."),
	KEY("api.idle_timeout", TD_YAML_DURATION, api_idle_timeout, "75s", .min = 100,
	    .max = 3600000, .doc = "Of a connection between two requests."),
	KEY("audit.reads", TD_YAML_ENUM, audit_reads, "spool", .names = audit_reads,
	    .doc = "Where a credential read is recorded before its answer: spool "
		   "survives kill "
		   "-9, durable a power cut."),
	KEY("audit.keep", TD_YAML_DURATION, audit_keep, "400d", .reload = TD_YAML_RELOAD,
	    .min = 60000, .doc = "Age at which audit entries go."),
	KEY("audit.max_bytes", TD_YAML_BYTES, audit_max_bytes, "4Gi",
	    .reload = TD_YAML_RELOAD, .min = 1 << 20,
	    .doc = "Size at which the oldest audit entries go."),
	KEY("audit.spool_bytes", TD_YAML_BYTES, audit_spool_bytes, "8Mi", .min = 64 << 10,
	    .max = 1 << 30, .doc = "Of each API thread's spool."),
	KEY("audit.drain", TD_YAML_DURATION, audit_drain, "50ms", .min = 20, .max = 100,
	    .doc = "Longest time from the spool to the store."),
	KEY("clock.settle", TD_YAML_DURATION, clock_settle, "1h", .max = 2678400000,
	    .doc = "A wall clock that leapt ahead by more than 5 minutes, also over a "
		   "restart, must keep its course for so long before data past its grace "
		   "time, expired tokens and old audit entries go by it; 0: at once."),
	KEY("engine.budget", TD_YAML_UINT, engine_budget, "16", .min = 1, .max = 64,
	    .doc = "Calls at once per region and resource."),
	KEY("engine.call_timeout", TD_YAML_DURATION, engine_call_timeout, "30s",
	    .min = 500, .max = 600000, .doc = "Of one driver call."),
	KEY("engine.backoff_min", TD_YAML_DURATION, engine_backoff_min, "500ms",
	    .min = 10, .max = 600000,
	    .doc = "Pause after a first failure; doubled each time."),
	KEY("engine.backoff_max", TD_YAML_DURATION, engine_backoff_max, "60s", .min = 10,
	    .max = 3600000, .doc = "Longest pause between tries."),
	KEY("engine.delete_grace", TD_YAML_DURATION, engine_delete_grace, "1d",
	    .max = 31622400000,
	    .doc = "From DELETE to the removal of data; undelete within it."),
	KEY("engine.verify_interval", TD_YAML_DURATION, engine_verify_interval, "6h",
	    .max = 31622400000,
	    .doc = "Each settled tenant is compared with its backends once in it; 0: "
		   "never."),
	KEY("gate.close_per_hour", TD_YAML_UINT, gate_close_per_hour, "300",
	    .max = 1000000,
	    .doc = "Deleted tenants per region whose access is closed within an hour; "
		   "what is more stops the region until `tenantctl approve`; 0: no "
		   "limit."),
	KEY("gate.remove_per_hour", TD_YAML_UINT, gate_remove_per_hour, "300",
	    .max = 1000000,
	    .doc = "The same for tenants whose data begins to be removed."),
	KEY("gate.bucket_per_hour", TD_YAML_UINT, gate_bucket_per_hour, "1000",
	    .max = 1000000,
	    .doc = "The same for buckets that are removed from tenants that stay."),
	KEY("credentials.refresh", TD_YAML_DURATION, credentials_refresh, "1h",
	    .reload = TD_YAML_RELOAD, .min = 60000, .max = 43200000,
	    .doc = "What format=aws promises as lifetime."),
	KEY("listeners", TD_YAML_LIST, listeners, NULL, .need = TD_YAML_REQUIRED,
	    .min = 1, .max = 16, .items = &listener_schema,
	    .doc = "Where the API is served."),
	KEY("regions", TD_YAML_LIST, regions, NULL, .need = TD_YAML_REQUIRED, .min = 1,
	    .max = ENGINE_REGIONS_MAX, .items = &region_schema,
	    .doc = "Sets of backends that tenants live on."),
};
#undef ROW_STRUCT

const struct td_yaml_schema config_schema = {
	.keys = keys,
	.count = ELEMENTS(keys),
	.size = sizeof(struct config),
	.doc = "tenantd.yaml: where tenantd keeps its state, what it serves and which "
	       "backends "
	       "it owns. SIGHUP takes over the keys marked so.",
};

unsigned
config_routes(const struct config_listener *l)
{
	unsigned bits = 0;

	for (size_t i = 0; i < l->routes.count; i++)
		for (size_t k = 0; k < ELEMENTS(route_sets); k++)
			if (strcmp(route_sets[k].name, l->routes.items[i]) == 0)
				bits |= route_sets[k].bit;
	return bits;
}

int
config_split_address(const char *address, char *host, size_t size)
{
	const char *colon = strrchr(address, ':');
	const char *from = address;
	char *end;

	if (colon == NULL || colon == address || colon[1] == '\0')
		return -1;
	size_t len = (size_t)(colon - address);
	if (address[0] == '[') {
		if (colon[-1] != ']')
			return -1;
		from++;
		len -= 2;
	}
	long port = strtol(colon + 1, &end, 10);
	if (*end != '\0' || colon[1] < '0' || colon[1] > '9' || port > 65535 ||
	    len >= size)
		return -1;
	memcpy(host, from, len);
	host[len] = '\0';
	return (int)port;
}

/* The authority of the URI, which has no user part. */
static struct td_bytes_view {
	const char *data;
	size_t len;
} uri_hosts(const char *uri)
{
	const char *from = uri + strlen("mongodb://");

	return (struct td_bytes_view){ from, strcspn(from, "/?") };
}

void
config_mongodb_hosts(const struct config_region *r, struct td_buf *out)
{
	if (r->mongodb_public_hosts.count == 0) {
		struct td_bytes_view v = uri_hosts(r->mongodb_uri);
		td_buf_add(out, v.data, v.len);
		return;
	}
	for (size_t i = 0; i < r->mongodb_public_hosts.count; i++) {
		if (i > 0)
			td_buf_char(out, ',');
		td_buf_str(out, r->mongodb_public_hosts.items[i]);
	}
}

/* The value of a query option of the URI; len 0 when it is not there. */
static struct td_bytes_view
uri_option(const char *uri, const char *name)
{
	const char *at = strchr(uri, '?');
	size_t n = strlen(name);

	while (at != NULL && at[0] != '\0') {
		at++;
		if (strncasecmp(at, name, n) == 0 && at[n] == '=')
			return (struct td_bytes_view){ at + n + 1,
						       strcspn(at + n + 1, "&") };
		at = strchr(at, '&');
	}
	return (struct td_bytes_view){ "", 0 };
}

void
config_mongodb_replica_set(const struct config_region *r, struct td_buf *out)
{
	struct td_bytes_view v = uri_option(r->mongodb_uri, "replicaSet");

	td_buf_add(out, v.data, v.len);
}

bool
config_mongodb_tls(const struct config_region *r)
{
	struct td_bytes_view tls = uri_option(r->mongodb_uri, "tls");
	struct td_bytes_view ssl = uri_option(r->mongodb_uri, "ssl");

	return (tls.len == 4 && memcmp(tls.data, "true", 4) == 0) ||
	       (ssl.len == 4 && memcmp(ssl.data, "true", 4) == 0);
}

/* ---- checks over several keys ---- */

static void
check_listeners(const struct config *c, const struct td_yaml_doc *doc,
		struct td_yaml_report *report)
{
	const struct config_listener *l = c->listeners.items;

	for (size_t i = 0; i < c->listeners.count; i++) {
		if ((l[i].tls_certificate_file == NULL) != (l[i].tls_key_file == NULL))
			td_yaml_complain(
				report, doc, td_yaml_find(doc, "listeners"),
				"listeners[%zu].tls: expected both certificate_file and "
				"key_file",
				i);
		for (size_t k = 0; k < i; k++)
			if (strcmp(l[i].name, l[k].name) == 0)
				td_yaml_complain(
					report, doc, td_yaml_find(doc, "listeners"),
					"listeners[%zu].name: \"%s\" is there twice", i,
					l[i].name);
	}
}

/* Each gateway has a map of its own, and a signal needs a reason. */
static void
check_deny_maps(const struct config *c, const struct td_yaml_doc *doc,
		struct td_yaml_report *report)
{
	const struct config_region *r = c->regions.items;

	for (size_t i = 0; i < c->regions.count; i++) {
		const char *file = r[i].gateway_deny_map_file;

		if (file == NULL && r[i].gateway_pid_file != NULL)
			td_yaml_complain(
				report, doc, td_yaml_find(doc, "regions"),
				"regions[%zu].gateway.pid_file: expected deny_map_file "
				"beside it",
				i);
		for (size_t k = 0; k < i && file != NULL; k++)
			if (r[k].gateway_deny_map_file != NULL &&
			    strcmp(file, r[k].gateway_deny_map_file) == 0)
				td_yaml_complain(
					report, doc, td_yaml_find(doc, "regions"),
					"regions[%zu].gateway.deny_map_file: \"%s\" is "
					"there twice",
					i, file);
	}
}

static void
check_regions(const struct config *c, const struct td_yaml_doc *doc,
	      struct td_yaml_report *report)
{
	const struct config_region *r = c->regions.items;
	bool found = c->default_region == NULL;

	for (size_t i = 0; i < c->regions.count; i++) {
		if (!found && strcmp(r[i].name, c->default_region) == 0)
			found = true;
		for (size_t k = 0; k < i; k++)
			if (strcmp(r[i].name, r[k].name) == 0)
				td_yaml_complain(
					report, doc, td_yaml_find(doc, "regions"),
					"regions[%zu].name: \"%s\" is there twice", i,
					r[i].name);
	}
	if (!found)
		td_yaml_complain(
			report, doc, td_yaml_find(doc, "default_region"),
			"default_region: expected the name of a region, found \"%s\"",
			c->default_region);
}

static void
check_sizes(const struct config *c, const struct td_yaml_doc *doc,
	    struct td_yaml_report *report)
{
	const struct td_yaml_node *node = td_yaml_find(doc, "store");

	if (c->store_max_bytes > c->store_map_bytes)
		td_yaml_complain(report, doc, node,
				 "store.max_bytes: expected at most store.map_bytes");
	if (c->store_reserve_bytes > c->store_max_bytes / 2)
		td_yaml_complain(
			report, doc, node,
			"store.reserve_bytes: expected at most half of max_bytes");
	if (c->engine_backoff_min > c->engine_backoff_max)
		td_yaml_complain(report, doc, td_yaml_find(doc, "engine"),
				 "engine.backoff_min: expected at most backoff_max");
}

enum td_rc
config_load(const char *path, struct config *ret_config, struct td_yaml_report *report,
	    struct td_err *reterr)
{
	struct td_yaml_doc *doc = NULL;
	enum td_rc rc = td_yaml_read(path, &doc, report, reterr);

	if (rc != TD_OK)
		return rc;
	rc = td_yaml_load(&config_schema, doc, ret_config, report, reterr);
	if (rc == TD_OK) {
		check_listeners(ret_config, doc, report);
		check_regions(ret_config, doc, report);
		check_deny_maps(ret_config, doc, report);
		check_sizes(ret_config, doc, report);
		rc = td_yaml_report_rc(report, reterr);
		if (rc != TD_OK)
			config_free(ret_config);
	}
	td_yaml_doc_free(doc);
	return rc;
}

void
config_free(struct config *c)
{
	td_yaml_free(&config_schema, c);
}
