/*
 * One function per call, each a table of parameters around minio_client_do. Two traps of
 * the API shape them: "no such user" also means "disabled" everywhere but in user-info, and
 * a service account without targetUser or policy in its request would be the caller's own,
 * or unrestricted; so both are always sent.
 */
#include "minio/admin.h"

#include "base/env.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "/minio/admin/v3/"
#define BODY_MAX 65536
#define USAGE_MAX (256u << 20) /* some 0.9 kB per bucket */
#define OCTETS "application/octet-stream"

static struct minio_request
request(const char *what, const char *method, const char *path)
{
	return (struct minio_request){
		.what = what, .method = method, .path = path, .member = MINIO_ANY_MEMBER
	};
}

static bool
code_is(const struct minio_answer *a, const char *code)
{
	return strcmp(a->fault.code, code) == 0;
}

/* The end of a call: `rc_of` says what this call makes of an error code of its own. */
struct special {
	const char *code;
	enum td_rc rc;
};

static enum td_rc
run(const struct minio_call *call, const struct minio_request *req,
    const struct special *special, size_t special_count, struct td_err *reterr)
{
	struct minio_answer a;
	enum td_rc rc;

	rc = minio_client_do(call, req, &a, reterr);
	if (rc != TD_OK)
		return rc;
	if (a.status < 200 || a.status > 299) {
		rc = minio_fault_rc(a.status, &a.fault, req->what, reterr);
		for (size_t i = 0; i < special_count; i++) {
			if (!code_is(&a, special[i].code))
				continue;
			rc = special[i].rc;
			if (rc != TD_OK && reterr)
				reterr->rc = rc;
		}
	}
	minio_answer_done(&a);
	return rc;
}

static enum td_rc
unreadable(const char *what, struct td_err *reterr)
{
	return td_err_set(reterr, TD_CORRUPT, "minio %s: unreadable answer", what);
}

static json_t *
parse(const struct minio_answer *a)
{
	return json_loadb(td_buf_cstr(&a->body), a->body.len, 0, NULL);
}

static void
text_of(const json_t *o, const char *name, char *out, size_t size)
{
	const char *s = json_string_value(json_object_get(o, name));

	snprintf(out, size, "%s", s ? s : "");
}

static uint64_t
number_of(const json_t *o, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(o, name));

	return v > 0 ? (uint64_t)v : 0;
}

/* ---- users ---- */

enum td_rc
minio_user_info(const struct minio_call *call, const char *user, struct minio_user *ret,
		struct td_err *reterr)
{
	struct minio_request req = request("user-info", "GET", PREFIX "user-info");
	struct sigv4_param params[] = { { "accessKey", user } };
	struct minio_answer a;
	enum td_rc rc;
	json_t *root;

	req.params = params;
	req.param_count = 1;
	rc = minio_client_do(call, &req, &a, reterr);
	if (rc != TD_OK)
		return rc;
	memset(ret, 0, sizeof(*ret));
	if (a.status == 404 && code_is(&a, "XMinioAdminNoSuchUser")) {
		ret->kind = MINIO_USER_ABSENT;
	} else if (a.status == 403 && code_is(&a, "XMinioIAMActionNotAllowed")) {
		ret->kind = MINIO_USER_OTHER;
	} else if (a.status < 200 || a.status > 299) {
		rc = minio_fault_rc(a.status, &a.fault, req.what, reterr);
	} else if ((root = parse(&a)) == NULL || !json_is_object(root)) {
		json_decref(root);
		rc = unreadable(req.what, reterr);
	} else {
		char status[16];

		text_of(root, "policyName", ret->policy, sizeof(ret->policy));
		text_of(root, "status", status, sizeof(status));
		ret->kind = MINIO_USER_PRESENT;
		ret->enabled = strcmp(status, "enabled") == 0;
		ret->in_group = json_array_size(json_object_get(root, "memberOf")) > 0;
		json_decref(root);
	}
	minio_answer_done(&a);
	return rc;
}

enum td_rc
minio_user_put(const struct minio_call *call, const char *user,
	       const struct td_secret *secret, struct td_err *reterr)
{
	static const struct special special[] = { { "XMinioInvalidIAMCredentials",
						    TD_FOREIGN } };
	struct minio_request req = request("add-user", "PUT", PREFIX "add-user");
	struct sigv4_param params[] = { { "accessKey", user } };
	struct td_buf body;
	enum td_rc rc;

	td_buf_init_secret(&body, BODY_MAX);
	td_buf_str(&body, "{\"secretKey\":");
	td_buf_json(&body, td_secret_bytes(secret), td_secret_len(secret));
	/* Any other word, or none, would answer 200 and disable. */
	td_buf_str(&body, ",\"status\":\"enabled\"}");
	req.params = params;
	req.param_count = 1;
	req.content_type = OCTETS;
	req.body = (struct td_bytes){ body.data, body.len };
	req.body_form = MINIO_SEALED;
	rc = td_buf_rc(&body);
	if (rc == TD_OK)
		rc = run(call, &req, special, 1, reterr);
	else
		td_err_set(reterr, rc, "add-user: body");
	td_buf_done(&body);
	return rc;
}

enum td_rc
minio_user_remove(const struct minio_call *call, const char *user, struct td_err *reterr)
{
	static const struct special special[] = { { "XMinioAdminNoSuchUser", TD_OK } };
	struct minio_request req = request("remove-user", "DELETE", PREFIX "remove-user");
	struct sigv4_param params[] = { { "accessKey", user } };

	req.params = params;
	req.param_count = 1;
	return run(call, &req, special, 1, reterr);
}

enum td_rc
minio_user_status(const struct minio_call *call, const char *user,
		  enum minio_status status, int member, struct td_err *reterr)
{
	struct minio_request req =
		request("set-user-status", "PUT", PREFIX "set-user-status");
	struct sigv4_param params[] = {
		{ "accessKey", user },
		{ "status", status == MINIO_ENABLED ? "enabled" : "disabled" },
	};

	req.params = params;
	req.param_count = 2;
	req.member = member;
	return run(call, &req, NULL, 0, reterr);
}

enum td_rc
minio_tokens_revoke(const struct minio_call *call, const char *user, int member,
		    struct td_err *reterr)
{
	struct minio_request req =
		request("revoke-tokens", "POST", PREFIX "revoke-tokens/builtin");
	struct sigv4_param params[] = { { "user", user }, { "fullRevoke", "true" } };

	req.params = params;
	req.param_count = 2;
	req.member = member;
	return run(call, &req, NULL, 0, reterr);
}

/* ---- policies ---- */

enum td_rc
minio_policy_put(const struct minio_call *call, const char *name, const char *json,
		 size_t json_len, struct td_err *reterr)
{
	struct minio_request req =
		request("add-canned-policy", "PUT", PREFIX "add-canned-policy");
	struct sigv4_param params[] = { { "name", name } };

	req.params = params;
	req.param_count = 1;
	req.content_type = OCTETS;
	req.body = (struct td_bytes){ json, json_len };
	return run(call, &req, NULL, 0, reterr);
}

enum td_rc
minio_policy_map(const struct minio_call *call, const char *user, const char *policy,
		 struct td_err *reterr)
{
	static const struct special special[] = {
		{ "XMinioAdminNoSuchUser", TD_WRONG_PHASE },
		{ "XMinioAdminNoSuchPolicy", TD_NOT_FOUND },
	};
	struct minio_request req = request("set-user-or-group-policy", "PUT",
					   PREFIX "set-user-or-group-policy");
	struct sigv4_param params[] = { { "policyName", policy },
					{ "userOrGroup", user },
					{ "isGroup", "false" } };

	req.params = params;
	req.param_count = 3;
	return run(call, &req, special, 2, reterr);
}

/* ---- service accounts ---- */

static enum td_rc
sealed_call(const struct minio_call *call, struct minio_request *req, struct td_buf *body,
	    const struct special *special, size_t special_count, struct td_err *reterr)
{
	enum td_rc rc = td_buf_rc(body);

	if (rc != TD_OK)
		return td_err_set(reterr, rc, "minio %s: body", req->what);
	req->content_type = OCTETS;
	req->body = (struct td_bytes){ body->data, body->len };
	req->body_form = MINIO_SEALED;
	return run(call, req, special, special_count, reterr);
}

static void
member_add(struct td_buf *body, const char *name, const char *value)
{
	td_buf_char(body, ',');
	td_buf_json(body, name, strlen(name));
	td_buf_char(body, ':');
	td_buf_json(body, value, strlen(value));
}

enum td_rc
minio_sa_add(const struct minio_call *call, const struct minio_sa *sa,
	     struct td_err *reterr)
{
	static const struct special special[] = {
		{ "XMinioIAMServiceAccountNotAllowed", TD_EXISTS },
		{ "XMinioAdminNoSuchUser", TD_WRONG_PHASE },
	};
	struct minio_request req =
		request("add-service-account", "PUT", PREFIX "add-service-account");
	struct td_buf body;
	enum td_rc rc;

	td_buf_init_secret(&body, BODY_MAX);
	td_buf_str(&body, "{\"policy\":");
	td_buf_str(&body, sa->policy);
	member_add(&body, "targetUser", sa->parent);
	member_add(&body, "accessKey", sa->access_key);
	td_buf_str(&body, ",\"secretKey\":");
	td_buf_json(&body, td_secret_bytes(sa->secret), td_secret_len(sa->secret));
	member_add(&body, "name", sa->name);
	member_add(&body, "description", sa->description);
	td_buf_char(&body, '}');
	rc = sealed_call(call, &req, &body, special, 2, reterr);
	td_buf_done(&body);
	return rc;
}

enum td_rc
minio_sa_update(const struct minio_call *call, const struct minio_sa *sa,
		struct td_err *reterr)
{
	static const struct special special[] = { { "XMinioInvalidIAMCredentials",
						    TD_NOT_FOUND } };
	struct minio_request req = request("update-service-account", "POST",
					   PREFIX "update-service-account");
	struct sigv4_param params[] = { { "accessKey", sa->access_key } };
	struct td_buf body;
	enum td_rc rc;

	td_buf_init_secret(&body, BODY_MAX);
	/* Without newPolicy the embedded policy would be dropped. */
	td_buf_str(&body, "{\"newPolicy\":");
	td_buf_str(&body, sa->policy);
	if (sa->secret) {
		td_buf_str(&body, ",\"newSecretKey\":");
		td_buf_json(&body, td_secret_bytes(sa->secret),
			    td_secret_len(sa->secret));
	}
	td_buf_char(&body, '}');
	req.params = params;
	req.param_count = 1;
	rc = sealed_call(call, &req, &body, special, 1, reterr);
	td_buf_done(&body);
	return rc;
}

enum td_rc
minio_sa_delete(const struct minio_call *call, const char *access_key,
		struct td_err *reterr)
{
	static const struct special special[] = { { "XMinioInvalidIAMCredentials",
						    TD_OK } };
	struct minio_request req = request("delete-service-account", "DELETE",
					   PREFIX "delete-service-account");
	struct sigv4_param params[] = { { "accessKey", access_key } };

	req.params = params;
	req.param_count = 1;
	return run(call, &req, special, 1, reterr);
}

static enum td_rc
sa_info_parse(const struct minio_answer *a, struct minio_sa_info *ret,
	      struct td_err *reterr)
{
	json_t *root = parse(a);
	const char *policy = json_string_value(json_object_get(root, "policy"));
	char status[16];
	enum td_rc rc = TD_OK;

	memset(ret, 0, sizeof(*ret));
	td_buf_init(&ret->policy, BODY_MAX);
	text_of(root, "parentUser", ret->parent, sizeof(ret->parent));
	text_of(root, "description", ret->description, sizeof(ret->description));
	text_of(root, "accountStatus", status, sizeof(status));
	ret->enabled = strcmp(status, "on") == 0;
	ret->implied = json_is_true(json_object_get(root, "impliedPolicy"));
	td_buf_str(&ret->policy, policy ? policy : "");
	if (!ret->parent[0] || td_buf_rc(&ret->policy) != TD_OK) {
		minio_sa_info_done(ret);
		rc = unreadable("info-service-account", reterr);
	}
	json_decref(root);
	return rc;
}

enum td_rc
minio_sa_info(const struct minio_call *call, const char *access_key,
	      struct minio_sa_info *ret, struct td_err *reterr)
{
	struct minio_request req =
		request("info-service-account", "GET", PREFIX "info-service-account");
	struct sigv4_param params[] = { { "accessKey", access_key } };
	struct minio_answer a;
	enum td_rc rc;

	req.params = params;
	req.param_count = 1;
	req.reply_form = MINIO_SEALED;
	rc = minio_client_do(call, &req, &a, reterr);
	if (rc != TD_OK)
		return rc;
	if (a.status == 404) {
		rc = td_err_set(reterr, TD_NOT_FOUND, "minio: no such service account");
	} else if (a.status < 200 || a.status > 299) {
		rc = minio_fault_rc(a.status, &a.fault, req.what, reterr);
	} else {
		rc = sa_info_parse(&a, ret, reterr);
	}
	minio_answer_done(&a);
	return rc;
}

void
minio_sa_info_done(struct minio_sa_info *info)
{
	td_buf_done(&info->policy);
}

/* ---- buckets and the server ---- */

enum td_rc
minio_quota_set(const struct minio_call *call, const char *bucket, uint64_t bytes,
		struct td_err *reterr)
{
	struct minio_request req =
		request("set-bucket-quota", "PUT", PREFIX "set-bucket-quota");
	struct sigv4_param params[] = { { "bucket", bucket } };
	unsigned long long n = bytes;
	char body[160];
	int len;

	/* Both members: servers before 2023 and the v2 metrics read `quota`. */
	len = snprintf(body, sizeof(body),
		       "{\"quota\":%llu,\"size\":%llu,\"rate\":0,\"requests\":0,"
		       "\"quotatype\":\"hard\"}",
		       n, n);
	req.params = params;
	req.param_count = 1;
	req.content_type = "application/json";
	req.body = (struct td_bytes){ body, (size_t)len };
	return run(call, &req, NULL, 0, reterr);
}

enum td_rc
minio_quota_get(const struct minio_call *call, const char *bucket, uint64_t *ret_bytes,
		struct td_err *reterr)
{
	struct minio_request req =
		request("get-bucket-quota", "GET", PREFIX "get-bucket-quota");
	struct sigv4_param params[] = { { "bucket", bucket } };
	struct minio_answer a;
	char type[16];
	json_t *root;
	enum td_rc rc;

	req.params = params;
	req.param_count = 1;
	rc = minio_client_expect(call, &req, &a, reterr);
	if (rc != TD_OK)
		return rc;
	root = parse(&a);
	if (json_is_object(root)) {
		uint64_t size = number_of(root, "size");

		text_of(root, "quotatype", type, sizeof(type));
		if (size == 0)
			size = number_of(root, "quota");
		*ret_bytes = strcmp(type, "hard") == 0 ? size : 0;
	} else {
		rc = unreadable(req.what, reterr);
	}
	json_decref(root);
	minio_answer_done(&a);
	return rc;
}

enum td_rc
minio_usage(const struct minio_call *call, minio_usage_fn fn, void *ctx,
	    int64_t *ret_scanned_ms, struct td_err *reterr)
{
	struct minio_request req =
		request("datausageinfo", "GET", PREFIX "datausageinfo");
	struct minio_answer a;
	const char *name;
	int64_t at = 0;
	char when[64];
	json_t *root, *one;
	enum td_rc rc;

	req.reply_ceiling = USAGE_MAX;
	rc = minio_client_expect(call, &req, &a, reterr);
	if (rc != TD_OK)
		return rc;
	root = parse(&a);
	minio_answer_done(&a);
	if (!json_is_object(root)) {
		json_decref(root);
		return unreadable(req.what, reterr);
	}
	text_of(root, "lastUpdate", when, sizeof(when));
	/* The year 1 is Go's "never". */
	if (strncmp(when, "0001-", 5) != 0 && !td_time_parse(when, &at)) {
		json_decref(root);
		return unreadable(req.what, reterr);
	}
	json_object_foreach(json_object_get(root, "bucketsUsageInfo"), name, one)
	{
		struct minio_usage usage = {
			.bucket = name,
			.bytes = number_of(one, "size"),
			.objects = number_of(one, "objectsCount"),
			.versions = number_of(one, "versionsCount"),
			.delete_markers = number_of(one, "deleteMarkersCount"),
		};

		fn(ctx, &usage);
	}
	json_decref(root);
	*ret_scanned_ms = at;
	return TD_OK;
}

enum td_rc
minio_info(const struct minio_call *call, struct minio_server_info *ret,
	   struct td_err *reterr)
{
	struct minio_request req = request("info", "GET", PREFIX "info");
	struct minio_answer a;
	json_t *root, *servers;
	enum td_rc rc;

	req.reply_ceiling = 16u << 20;
	rc = minio_client_expect(call, &req, &a, reterr);
	if (rc != TD_OK)
		return rc;
	root = parse(&a);
	minio_answer_done(&a);
	memset(ret, 0, sizeof(*ret));
	text_of(root, "deploymentID", ret->deployment_id, sizeof(ret->deployment_id));
	servers = json_object_get(root, "servers");
	ret->servers = json_array_size(servers);
	for (size_t i = 0; i < ret->servers; i++) {
		char state[32];

		text_of(json_array_get(servers, i), "state", state, sizeof(state));
		ret->online += strcmp(state, "online") == 0 ? 1 : 0;
	}
	json_decref(root);
	return ret->deployment_id[0] ? TD_OK : unreadable(req.what, reterr);
}
