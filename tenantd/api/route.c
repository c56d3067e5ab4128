/*
 * One table says everything that a request may do; 401, 403, 404, 405, 413, 415 and the
 * refusal of unknown query parameters come from it, never from a handler. The credentials
 * route is first because it is the one that is asked thousands of times a second.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#define ADMIN API_ROLE(ADMIN)
#define READERS (API_ROLE(ADMIN) | API_ROLE(AUDITOR) | API_ROLE(TENANT))
#define OWNERS (API_ROLE(ADMIN) | API_ROLE(TENANT))
#define AUDITORS (API_ROLE(ADMIN) | API_ROLE(AUDITOR))
#define PODS (API_ROLE(RUNTIME) | API_ROLE(ADMIN))
#define CONTROL API_ROUTES_CONTROL
#define OPS API_ROUTES_OPS
#define SMALL 4096

const struct api_route api_route_table[] = {
	{ "GET",
	  "/v1/credentials",
	  PODS,
	  API_ROUTES_RUNTIME,
	  API_BARE_TOKEN,
	  0,
	  { "format", "appid" },
	  h_credentials,
	  "getCredentials" },

	{ "GET",
	  "/v1/tenants",
	  AUDITORS,
	  CONTROL,
	  0,
	  0,
	  { "phase", "limit", "cursor" },
	  h_tenant_list,
	  "listTenants" },
	{ "PUT",
	  "/v1/tenants/{appid}",
	  ADMIN,
	  CONTROL,
	  0,
	  262144,
	  { "wait" },
	  h_tenant_put,
	  "putTenant" },
	{ "GET",
	  "/v1/tenants/{appid}",
	  READERS,
	  CONTROL,
	  API_OWN_TENANT,
	  0,
	  { "wait" },
	  h_tenant_get,
	  "getTenant" },
	{ "DELETE",
	  "/v1/tenants/{appid}",
	  ADMIN,
	  CONTROL,
	  0,
	  0,
	  { "wait", "force" },
	  h_tenant_delete,
	  "deleteTenant" },
	{ "POST",
	  "/v1/tenants/{appid}/suspend",
	  ADMIN,
	  CONTROL,
	  0,
	  SMALL,
	  { "wait" },
	  h_tenant_suspend,
	  "suspendTenant" },
	{ "POST",
	  "/v1/tenants/{appid}/resume",
	  ADMIN,
	  CONTROL,
	  0,
	  SMALL,
	  { "wait" },
	  h_tenant_resume,
	  "resumeTenant" },
	{ "POST",
	  "/v1/tenants/{appid}/undelete",
	  ADMIN,
	  CONTROL,
	  0,
	  SMALL,
	  { "wait" },
	  h_tenant_undelete,
	  "undeleteTenant" },

	{ "GET",
	  "/v1/tenants/{appid}/buckets",
	  READERS,
	  CONTROL,
	  API_OWN_TENANT,
	  0,
	  { "limit", "cursor" },
	  h_bucket_list,
	  "listBuckets" },
	{ "PUT",
	  "/v1/tenants/{appid}/buckets/{name}",
	  OWNERS,
	  CONTROL,
	  API_OWN_TENANT,
	  SMALL,
	  { "wait" },
	  h_bucket_put,
	  "putBucket" },
	{ "GET",
	  "/v1/tenants/{appid}/buckets/{name}",
	  READERS,
	  CONTROL,
	  API_OWN_TENANT,
	  0,
	  { NULL },
	  h_bucket_get,
	  "getBucket" },
	{ "DELETE",
	  "/v1/tenants/{appid}/buckets/{name}",
	  OWNERS,
	  CONTROL,
	  API_OWN_TENANT,
	  0,
	  { "wait", "purge" },
	  h_bucket_delete,
	  "deleteBucket" },

	{ "POST",
	  "/v1/tokens",
	  ADMIN,
	  CONTROL,
	  0,
	  SMALL,
	  { NULL },
	  h_token_create,
	  "createToken" },
	{ "GET",
	  "/v1/tokens",
	  ADMIN,
	  CONTROL,
	  0,
	  0,
	  { "appid", "limit", "cursor" },
	  h_token_list,
	  "listTokens" },
	{ "GET",
	  "/v1/tokens/{id}",
	  ADMIN,
	  CONTROL,
	  0,
	  0,
	  { NULL },
	  h_token_get,
	  "getToken" },
	{ "DELETE",
	  "/v1/tokens/{id}",
	  ADMIN,
	  CONTROL,
	  0,
	  0,
	  { NULL },
	  h_token_delete,
	  "deleteToken" },

	{ "GET",
	  "/v1/audit",
	  AUDITORS,
	  CONTROL,
	  0,
	  0,
	  { "after", "limit", "appid" },
	  h_audit_list,
	  "listAudit" },

	{ "GET",
	  "/v1/modes",
	  AUDITORS,
	  CONTROL,
	  0,
	  0,
	  { "limit", "cursor" },
	  h_mode_list,
	  "listModes" },
	{ "GET",
	  "/v1/modes/daemon",
	  AUDITORS,
	  CONTROL,
	  0,
	  0,
	  { NULL },
	  h_mode_get,
	  "getDaemonMode" },
	{ "PUT",
	  "/v1/modes/daemon",
	  ADMIN,
	  CONTROL,
	  0,
	  SMALL,
	  { NULL },
	  h_mode_put,
	  "putDaemonMode" },
	{ "GET",
	  "/v1/modes/region/{region}",
	  AUDITORS,
	  CONTROL,
	  0,
	  0,
	  { NULL },
	  h_mode_get,
	  "getRegionMode" },
	{ "PUT",
	  "/v1/modes/region/{region}",
	  ADMIN,
	  CONTROL,
	  0,
	  SMALL,
	  { NULL },
	  h_mode_put,
	  "putRegionMode" },
	{ "GET",
	  "/v1/modes/tenant/{appid}",
	  AUDITORS,
	  CONTROL,
	  0,
	  0,
	  { NULL },
	  h_mode_get,
	  "getTenantMode" },
	{ "PUT",
	  "/v1/modes/tenant/{appid}",
	  ADMIN,
	  CONTROL,
	  0,
	  SMALL,
	  { NULL },
	  h_mode_put,
	  "putTenantMode" },
	{ "GET",
	  "/v1/modes/tenant/{appid}/{resource}",
	  AUDITORS,
	  CONTROL,
	  0,
	  0,
	  { NULL },
	  h_mode_get,
	  "getResourceMode" },
	{ "PUT",
	  "/v1/modes/tenant/{appid}/{resource}",
	  ADMIN,
	  CONTROL,
	  0,
	  SMALL,
	  { NULL },
	  h_mode_put,
	  "putResourceMode" },
	{ "GET",
	  "/v1/budgets",
	  AUDITORS,
	  CONTROL,
	  0,
	  0,
	  { NULL },
	  h_budget_list,
	  "listBudgets" },
	{ "POST",
	  "/v1/approvals",
	  ADMIN,
	  CONTROL,
	  0,
	  SMALL,
	  { NULL },
	  h_approve,
	  "approve" },
	{ "GET",
	  "/v1/plan",
	  AUDITORS,
	  CONTROL,
	  0,
	  0,
	  { "appid", "limit", "cursor" },
	  h_plan,
	  "getPlan" },

	{ "GET",
	  "/healthz",
	  API_ANYONE,
	  OPS,
	  API_ANY_ARGS,
	  0,
	  { NULL },
	  h_healthz,
	  "getHealth" },
	{ "GET",
	  "/readyz",
	  API_ANYONE,
	  OPS,
	  API_ANY_ARGS,
	  0,
	  { "strict" },
	  h_readyz,
	  "getReadiness" },
	{ "GET",
	  "/metrics",
	  API_ANYONE,
	  OPS,
	  API_ANY_ARGS,
	  0,
	  { NULL },
	  h_metrics,
	  "getMetrics" },
	{ "GET",
	  "/openapi.yaml",
	  API_ANYONE,
	  OPS,
	  API_ANY_ARGS,
	  0,
	  { NULL },
	  h_openapi,
	  "getDescription" },
};
const size_t api_route_count = sizeof(api_route_table) / sizeof(api_route_table[0]);

_Static_assert(sizeof(api_route_table) / sizeof(api_route_table[0]) < METRICS_ROUTES,
	       "METRICS_ROUTES is too small");

const char *
args_get(const struct req_args *args, const char *name)
{
	for (unsigned i = 0; i < args->count; i++)
		if (strcmp(args->arg[i].name, name) == 0)
			return args->arg[i].value;
	return NULL;
}

struct target {
	char *out;
	size_t size;
};

/* Where the parameter at p ("{appid}...") goes; *ret_end is behind its brace. */
static struct target
param_target(const char *p, struct req_path *path, const char **ret_end)
{
	const char *end = strchr(p, '}') + 1;

	*ret_end = end;
	if (strncmp(p, "{appid}", (size_t)(end - p)) == 0)
		return (struct target){ path->appid, sizeof(path->appid) };
	if (strncmp(p, "{name}", (size_t)(end - p)) == 0 ||
	    strncmp(p, "{region}", (size_t)(end - p)) == 0 ||
	    strncmp(p, "{resource}", (size_t)(end - p)) == 0)
		return (struct target){ path->name, sizeof(path->name) };
	return (struct target){ path->id, sizeof(path->id) };
}

static bool
match(const char *pattern, const char *path, struct req_path *ret_path)
{
	while (*pattern != '\0') {
		if (*pattern == '{') {
			const char *end;
			struct target t = param_target(pattern, ret_path, &end);
			size_t len = strcspn(path, "/");

			if (len == 0)
				return false;
			/* Too long to be anything: left empty, which no name is. */
			t.out[0] = '\0';
			if (len < t.size) {
				memcpy(t.out, path, len);
				t.out[len] = '\0';
			}
			path += len;
			pattern = end;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return *path == '\0';
}

static void
allow_add(char allow[ALLOW_SIZE], const char *method)
{
	size_t len = strlen(allow);

	snprintf(allow + len, ALLOW_SIZE - len, "%s%s", len > 0 ? ", " : "", method);
}

enum td_rc
route_find(const char *method, const char *path, unsigned sets,
	   const struct api_route **ret_route, struct req_path *ret_path,
	   char allow[ALLOW_SIZE])
{
	/* HEAD is GET without the body, which the HTTP library leaves out. */
	const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;

	allow[0] = '\0';
	for (size_t i = 0; i < api_route_count; i++) {
		const struct api_route *route = &api_route_table[i];

		if ((route->sets & sets) == 0 || !match(route->pattern, path, ret_path))
			continue;
		if (strcmp(route->method, wanted) == 0) {
			*ret_route = route;
			allow[0] = '\0';
			return TD_OK;
		}
		allow_add(allow, route->method);
		if (strcmp(route->method, "GET") == 0)
			allow_add(allow, "HEAD");
	}
	return allow[0] != '\0' ? TD_METHOD : TD_NOT_FOUND;
}
