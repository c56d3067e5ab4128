/*
 * Every command in one table: its words, options, help, examples and what runs it.
 */
#include "internal.h"

#define WAIT                                                                             \
	{                                                                                \
		"wait", 0, CTL_OPTIONAL, CTL_ONCE, "TIME",                               \
			"wait until the backends hold it, at most TIME (120s);\n"        \
			"exit status 6 when the time was not enough"                     \
	}
#define END                                                                              \
	{                                                                                \
		0                                                                        \
	}

const struct ctl_option ctl_global_options[] = {
	{ "url", 0, CTL_VALUE, CTL_ONCE, "URL",
	  "where tenantd is: http://HOST:PORT, https://HOST:PORT\n"
	  "or unix:/PATH (TENANTD_URL)" },
	{ "token-file", 0, CTL_VALUE, CTL_ONCE, "FILE",
	  "file with the API token (TENANTD_TOKEN_FILE)" },
	{ "ca-file", 0, CTL_VALUE, CTL_ONCE, "FILE",
	  "PEM certificates that an https URL is checked against" },
	{ "output", 'o', CTL_VALUE, CTL_ONCE, "table|json",
	  "for people, or the API's objects, one on a line" },
	{ "timeout", 0, CTL_VALUE, CTL_ONCE, "TIME", "for one answer of tenantd (30s)" },
	{ "quiet", 'q', CTL_FLAG, CTL_ONCE, NULL, "say nothing about what went well" },
	{ "version", 0, CTL_FLAG, CTL_ONCE, NULL, "show the version" },
	{ "help", 'h', CTL_OPTIONAL, CTL_ONCE, "man|bash",
	  "show help; or all of it for a manual page, or a\nscript for completion in "
	  "bash" },
	END,
};

#define PROTECT                                                                          \
	{                                                                                \
		"deletion-protection", 0, CTL_VALUE, CTL_ONCE, "on|off",                 \
			"refuse to delete this tenant"                                   \
	}
#define LIMIT                                                                            \
	{                                                                                \
		"limit", 0, CTL_VALUE, CTL_MANY, "NAME=SIZE",                            \
			"override a limit of the plan: 100, 500M, 10Gi,\nunlimited"      \
	}

static const struct ctl_option tenant_create_options[] = {
	{ "plan", 0, CTL_VALUE, CTL_ONCE, "NAME", "plan; a new tenant needs one" },
	{ "region", 0, CTL_VALUE, CTL_ONCE, "NAME", "region; cannot be changed later" },
	{ "bucket", 0, CTL_VALUE, CTL_MANY, "NAME[:MODE[:QUOTA]]",
	  "bucket; MODE is private, readonly or readwrite" },
	{ "label", 0, CTL_VALUE, CTL_MANY, "KEY=VALUE", "label" },
	LIMIT,
	PROTECT,
	{ "if-absent", 0, CTL_FLAG, CTL_ONCE, NULL,
	  "only create: exit status 4 when there is one" },
	WAIT,
	END,
};

static const struct ctl_option tenant_set_options[] = {
	{ "plan", 0, CTL_VALUE, CTL_ONCE, "NAME", "move it to another plan" },
	{ "label", 0, CTL_VALUE, CTL_MANY, "KEY=VALUE", "add or change a label" },
	{ "unset-label", 0, CTL_VALUE, CTL_MANY, "KEY", "remove a label" },
	LIMIT,
	{ "unset-limit", 0, CTL_VALUE, CTL_MANY, "NAME", "go back to the plan's limit" },
	PROTECT,
	WAIT,
	END,
};

static const struct ctl_option tenant_list_options[] = {
	{ "phase", 0, CTL_VALUE, CTL_ONCE, "Creating|Created|Suspended|Deleting",
	  "only those" },
	{ "limit", 0, CTL_VALUE, CTL_ONCE, "N", "at most so many" },
	END,
};

static const struct ctl_option tenant_delete_options[] = {
	{ "force", 0, CTL_FLAG, CTL_ONCE, NULL,
	  "without the grace time: it cannot be undone" },
	{ "wait", 0, CTL_OPTIONAL, CTL_ONCE, "TIME",
	  "wait until it is gone, at most TIME (120s); useful\nwith --force" },
	END,
};

static const struct ctl_option wait_only[] = { WAIT, END };

static const struct ctl_option bucket_put_options[] = {
	{ "mode", 0, CTL_VALUE, CTL_ONCE, "private|readonly|readwrite",
	  "what anonymous access there is" },
	{ "quota", 0, CTL_VALUE, CTL_ONCE, "SIZE", "limit of this bucket; 0: none" },
	WAIT,
	END,
};

static const struct ctl_option limit_only[] = {
	{ "limit", 0, CTL_VALUE, CTL_ONCE, "N", "at most so many" },
	END,
};

static const struct ctl_option bucket_delete_options[] = {
	{ "purge", 0, CTL_FLAG, CTL_ONCE, NULL,
	  "with the objects in it: access ends at once, the data\n"
	  "goes after the grace time" },
	{ "wait", 0, CTL_OPTIONAL, CTL_ONCE, "TIME",
	  "wait until it is gone, at most TIME (120s)" },
	END,
};

static const struct ctl_option token_create_options[] = {
	{ "role", 0, CTL_VALUE, CTL_ONCE, "admin|auditor|billing|producer|runtime|tenant",
	  "what it may be used for" },
	{ "appid", 0, CTL_VALUE, CTL_ONCE, "APPID",
	  "tenant that it is for (runtime and tenant)" },
	{ "label", 0, CTL_VALUE, CTL_ONCE, "TEXT", "what it is for, shown in lists" },
	{ "ttl", 0, CTL_VALUE, CTL_ONCE, "TIME", "how long it works: 15m, 12h, 30d" },
	{ "to-file", 0, CTL_VALUE, CTL_ONCE, "FILE",
	  "write it to a new file of mode 0400, print nothing\nof it" },
	END,
};

static const struct ctl_option token_list_options[] = {
	{ "appid", 0, CTL_VALUE, CTL_ONCE, "APPID", "only those of this tenant" },
	{ "limit", 0, CTL_VALUE, CTL_ONCE, "N", "at most so many" },
	END,
};

static const struct ctl_option credentials_options[] = {
	{ "appid", 0, CTL_VALUE, CTL_ONCE, "APPID",
	  "tenant, for an admin token; a runtime token has one" },
	{ "format", 0, CTL_VALUE, CTL_ONCE, "json|env|aws|credential-process",
	  "how to print them (json)" },
	END,
};

static const struct ctl_option exec_options[] = {
	{ "appid", 0, CTL_VALUE, CTL_ONCE, "APPID",
	  "tenant, for an admin token; a runtime token has one" },
	END,
};

static const struct ctl_option status_options[] = {
	{ "strict", 0, CTL_FLAG, CTL_ONCE, NULL, "degraded counts as not ready" },
	END,
};

static const struct ctl_option audit_list_options[] = {
	{ "appid", 0, CTL_VALUE, CTL_ONCE, "APPID", "only what concerns this tenant" },
	{ "after", 0, CTL_VALUE, CTL_ONCE, "SEQ", "only what came after this entry" },
	{ "limit", 0, CTL_VALUE, CTL_ONCE, "N", "at most so many" },
	END,
};

#define REASON                                                                           \
	{                                                                                \
		"reason", 0, CTL_VALUE, CTL_ONCE, "TEXT", "why; shown to whoever asks"   \
	}

static const struct ctl_option brake_options[] = {
	REASON,
	{ "for", 0, CTL_VALUE, CTL_ONCE, "TIME",
	  "it ends by itself after that: 15m, 2h, 1d" },
	END,
};

static const struct ctl_option approve_options[] = {
	REASON,
	{ "count", 0, CTL_VALUE, CTL_ONCE, "N",
	  "so many more of each; without it as many as in an\nhour" },
	END,
};

static const struct ctl_option policy_compile_options[] = {
	{ "appid", 0, CTL_VALUE, CTL_ONCE, "APPID",
	  "the policy of this tenant's service accounts instead\n"
	  "of the one shared by all" },
	END,
};

const struct ctl_command ctl_commands[] = {
	{ "tenant", "create", "APPID", 1, 1, CTL_NO_TAIL, CTL_REMOTE,
	  tenant_create_options, "make a tenant, or change it",
	  "Makes a tenant: users, buckets and database on the backends of its region. "
	  "If\n"
	  "there is one already, its plan becomes the one given, labels and limits "
	  "given\n"
	  "replace all of their kind, buckets given are added or changed, and what is "
	  "not\n"
	  "given stays. So running it twice does no harm.",
	  "tenantctl tenant create abc123 --plan standard --bucket data --wait\n"
	  "tenantctl tenant create abc123 --plan small --bucket web:readonly:10Gi",
	  cmd_tenant_create },
	{ "tenant", "get", "APPID", 1, 1, CTL_NO_TAIL, CTL_REMOTE, NULL, "show a tenant",
	  "Shows what is desired of a tenant and what the backends hold. A resource that "
	  "is\n"
	  "not ready says why.",
	  "tenantctl tenant get abc123\n"
	  "tenantctl tenant get abc123 --output json | jq .resources",
	  cmd_tenant_get },
	{ "tenant", "list", "", 0, 0, CTL_NO_TAIL, CTL_REMOTE, tenant_list_options,
	  "list tenants", "Lists tenants in the order of their names.",
	  "tenantctl tenant list --phase Suspended\n"
	  "tenantctl tenant list --output json | jq -r .appid",
	  cmd_tenant_list },
	{ "tenant", "set", "APPID", 1, 1, CTL_NO_TAIL, CTL_REMOTE, tenant_set_options,
	  "change plan, labels, limits",
	  "Changes single things of a tenant and leaves the rest as it is. When "
	  "somebody\n"
	  "else changes it meanwhile, it is read and tried again.",
	  "tenantctl tenant set abc123 --plan large --wait\n"
	  "tenantctl tenant set abc123 --limit object_bytes=10Gi --unset-label team",
	  cmd_tenant_set },
	{ "tenant", "suspend", "APPID", 1, 1, CTL_NO_TAIL, CTL_REMOTE, wait_only,
	  "cut a tenant off, keep its data",
	  "Ends all access of a tenant: its credentials, temporary and presigned ones "
	  "made\n"
	  "from them, open database sessions, anonymous buckets. The data stays.",
	  "tenantctl tenant suspend abc123 --wait", cmd_tenant_suspend },
	{ "tenant", "resume", "APPID", 1, 1, CTL_NO_TAIL, CTL_REMOTE, wait_only,
	  "undo a suspend",
	  "Brings back all access, with the same credentials as before.",
	  "tenantctl tenant resume abc123 --wait", cmd_tenant_resume },
	{ "tenant", "delete", "APPID", 1, 1, CTL_NO_TAIL, CTL_REMOTE,
	  tenant_delete_options, "delete a tenant",
	  "Ends all access at once and removes the data after the grace time; until "
	  "then\n"
	  "`tenant undelete` brings it back. The appid is never used again.",
	  "tenantctl tenant delete abc123\n"
	  "tenantctl tenant delete abc123 --force --wait=10m",
	  cmd_tenant_delete },
	{ "tenant", "undelete", "APPID", 1, 1, CTL_NO_TAIL, CTL_REMOTE, wait_only,
	  "undo a delete within the grace time",
	  "Brings back a tenant whose data is still there.",
	  "tenantctl tenant undelete abc123 --wait", cmd_tenant_undelete },

	{ "bucket", "create", "APPID NAME", 2, 2, CTL_NO_TAIL, CTL_REMOTE,
	  bucket_put_options, "add a bucket",
	  "Adds a bucket to a tenant. On the object store it is called APPID-NAME. If "
	  "there\n"
	  "is one already, mode and quota become those given.",
	  "tenantctl bucket create abc123 data --wait\n"
	  "tenantctl bucket create abc123 web --mode readonly --quota 10Gi",
	  cmd_bucket_create },
	{ "bucket", "set", "APPID NAME", 2, 2, CTL_NO_TAIL, CTL_REMOTE,
	  bucket_put_options, "change mode or quota of a bucket",
	  "Changes a bucket that is there.",
	  "tenantctl bucket set abc123 web --mode private --wait", cmd_bucket_set },
	{ "bucket", "list", "APPID", 1, 1, CTL_NO_TAIL, CTL_REMOTE, limit_only,
	  "list buckets of a tenant", "Lists the buckets of a tenant.",
	  "tenantctl bucket list abc123", cmd_bucket_list },
	{ "bucket", "delete", "APPID NAME", 2, 2, CTL_NO_TAIL, CTL_REMOTE,
	  bucket_delete_options, "delete a bucket",
	  "Deletes an empty bucket; one that holds objects is refused (exit status 4) "
	  "unless\n"
	  "--purge is given: then access ends at once, also for keys and links that\n"
	  "were handed out, and the data goes after the grace time. Until then\n"
	  "`bucket create` brings it back.",
	  "tenantctl bucket delete abc123 old\n"
	  "tenantctl bucket delete abc123 old --purge",
	  cmd_bucket_delete },

	{ "token", "create", "", 0, 0, CTL_NO_TAIL, CTL_REMOTE, token_create_options,
	  "make an API token",
	  "Makes a token and prints it, alone, on standard output. tenantd keeps only "
	  "its\n"
	  "hash: it cannot be shown again.",
	  "tenantctl token create --role runtime --appid abc123 --to-file pod.token\n"
	  "tenantctl token create --role auditor --ttl 30d --label \"yearly audit\"",
	  cmd_token_create },
	{ "token", "list", "", 0, 0, CTL_NO_TAIL, CTL_REMOTE, token_list_options,
	  "list API tokens", "Lists tokens by their ids, never the tokens themselves.",
	  "tenantctl token list --appid abc123", cmd_token_list },
	{ "token", "delete", "ID", 1, 1, CTL_NO_TAIL, CTL_REMOTE, NULL,
	  "revoke an API token", "Ends a token, at once.",
	  "tenantctl token delete 0011223344556677", cmd_token_delete },

	{ NULL, "credentials", "[APPID]", 0, 1, CTL_NO_TAIL, CTL_REMOTE,
	  credentials_options, "print a tenant's credentials",
	  "Prints the credentials that pods of a tenant are given, secrets included. "
	  "Each\n"
	  "call is recorded in the audit.\n\n"
	  "env is KEY='value' lines for a shell. credential-process is what the AWS "
	  "command\n"
	  "line expects of a program named in its configuration.",
	  "eval \"$(tenantctl credentials abc123 --format env)\"\n"
	  "tenantctl credentials --token-file /run/pod.token --format credential-process",
	  cmd_credentials },
	{ NULL, "exec", "", 0, 0, CTL_TAIL, CTL_REMOTE, exec_options,
	  "run a program with a tenant's credentials",
	  "Replaces itself by COMMAND, with the platform's variables in its "
	  "environment:\n"
	  "APPID, DB_URI, OSS_ACCESS_KEY, OSS_ACCESS_SECRET, OSS_INTERNAL_ENDPOINT,\n"
	  "OSS_EXTERNAL_ENDPOINT, OSS_REGION. The token is not passed on.\n\n"
	  "The environment is made once: it does not follow a later rotation of the\n"
	  "credentials.",
	  "tenantctl exec --appid abc123 -- node server.js\n"
	  "tenantctl exec --token-file /run/pod.token -- sh -c 'echo \"$APPID\"'",
	  cmd_exec },
	{ NULL, "status", "", 0, 0, CTL_NO_TAIL, CTL_REMOTE, status_options,
	  "is tenantd up, and are its backends?",
	  "Shows what tenantd says of itself and of its backends. Needs no token, but a\n"
	  "listener with the route set ops. It is ready when it can serve credentials "
	  "and\n"
	  "take orders, and degraded when a backend does not answer or the store is "
	  "full.\n"
	  "Exit status 1: not ready.",
	  "tenantctl status\n"
	  "tenantctl status --strict --quiet && echo all is well",
	  cmd_status },
	{ NULL, "hold", "SCOPE", 1, 1, CTL_NO_TAIL, CTL_REMOTE, brake_options,
	  "change nothing, until it is released",
	  "Holds a scope: daemon, region/NAME, tenant/APPID or tenant/APPID/RESOURCE. "
	  "Orders\n"
	  "are still taken and carried out when the hold ends; no backend is called "
	  "for it\n"
	  "meanwhile, except to cut off a tenant that is suspended. The strictest mode "
	  "of\n"
	  "daemon, region, tenant and resource counts.",
	  "tenantctl hold region/default --reason maintenance --for 2h\n"
	  "tenantctl hold tenant/abc123 --reason investigation",
	  cmd_hold },
	{ NULL, "observe", "SCOPE", 1, 1, CTL_NO_TAIL, CTL_REMOTE, brake_options,
	  "look and tell, change nothing",
	  "As hold, but drift is still looked for and told.",
	  "tenantctl observe daemon --reason drill", cmd_observe },
	{ NULL, "release-hold", "SCOPE", 1, 1, CTL_NO_TAIL, CTL_REMOTE, NULL,
	  "end a hold or observe", "Goes on with the scope, unless a wider one is held.",
	  "tenantctl release-hold region/default", cmd_release_hold },
	{ NULL, "modes", "", 0, 0, CTL_NO_TAIL, CTL_REMOTE, limit_only,
	  "what is held or observed, and why", "Lists the scopes that are not managed.",
	  "tenantctl modes", cmd_modes },
	{ NULL, "plan", "[APPID]", 0, 1, CTL_NO_TAIL, CTL_REMOTE, limit_only,
	  "what would be done now, and what holds it",
	  "Shows for every tenant that is not settled, or for one, the next call to "
	  "each\n"
	  "backend and why; whether it destroys something; and what holds it: a mode, "
	  "or the\n"
	  "budget of its region. Nothing is done.",
	  "tenantctl plan\n"
	  "tenantctl plan abc123 --output json",
	  cmd_plan },
	{ NULL, "approve", "REGION", 1, 1, CTL_NO_TAIL, CTL_REMOTE, approve_options,
	  "let deletions go on in a region",
	  "When more is deleted in a region within an hour than its budget allows, "
	  "nothing\n"
	  "more is, until it is approved. An approval is good for an hour. See "
	  "`tenantctl\n"
	  "plan` first: what waits can still be taken back with `tenant undelete`.",
	  "tenantctl approve default --count 40 --reason ticket-4711", cmd_approve },
	{ "audit", "list", "", 0, 0, CTL_NO_TAIL, CTL_REMOTE, audit_list_options,
	  "show who did what", "Lists the audit entries, oldest first.",
	  "tenantctl audit list --appid abc123\n"
	  "tenantctl audit list --after 4711 --output json",
	  cmd_audit_list },
	{ "policy", "compile", "FILE", 1, 1, CTL_NO_TAIL, CTL_LOCAL,
	  policy_compile_options, "show what a policy template becomes",
	  "Compiles a policy template and prints what the backend is given. Needs no "
	  "tenantd.",
	  "tenantctl policy compile policies/laf_owner_by_prefix.yaml\n"
	  "tenantctl policy compile policies/laf_owner_by_prefix.yaml --appid abc123",
	  cmd_policy_compile },
	{ "policy", "check", "FILE...", 1, CTL_ANY_WORDS, CTL_NO_TAIL, CTL_LOCAL, NULL,
	  "check policy templates",
	  "Checks policy templates, and says of each refused one file, line and reason "
	  "(exit\n"
	  "status 1). A folder is checked as a whole, as tenantd loads it. Needs no "
	  "tenantd.",
	  "tenantctl policy check policies\n"
	  "tenantctl policy check my.yaml other.yaml",
	  cmd_policy_check },
	{ NULL, "version", "", 0, 0, CTL_NO_TAIL, CTL_LOCAL, NULL, "show the version",
	  "Shows the version of tenantctl.", "tenantctl version", cmd_version },
	{ 0 },
};
