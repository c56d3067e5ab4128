/*
 * The MinIO driver at the end of a pipe, for tests/service/test_minio_driver.py: one JSON
 * request per line in, one JSON reply per line out. The tests are in Python because the
 * other side of each of them is a tenant at work with a real S3 client, or a server that is
 * being stopped, slowed or cut.
 *
 *   minio_driver_shell --endpoint URL [--endpoint URL ...] --access-key-file F
 *       --secret-key-file F [--next-access-key-file F --next-secret-key-file F]
 *       --policies DIR --instance HEX [--die-after N]
 *
 * {"verb": "observe" | "ensure" | "remove" | "probe", "appid", "access", "slots", "buckets",
 * ...}, {"verb": "usage"}, {"verb": "assume", "key", "secret", "policy"}, or
 * {"parallel": [request, ...]}, each in a thread of its own.
 *
 * --die-after N: the process kills itself when the N-th backend request has come back and
 * before anything was made of its reply; the way to stop at every sub-step.
 */
#include "base/http.h"
#include "base/yaml.h"
#include "driver_shell.h"
#include "minio/admin.h"
#include "minio/driver.h"
#include "minio/sts.h"
#include "policies/policy.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct minio_client *client;
/* Of the request on this thread. */
static _Thread_local struct drv_bucket buckets[DRV_BUCKETS_PER_CALL];
static _Thread_local struct drv_closed closed[DRV_CLOSED_MAX];

static size_t
read_buckets(const json_t *request)
{
	static const char *const modes[] = { "private", "readonly", "readwrite" };
	const json_t *list = json_object_get(request, "buckets");
	size_t n = json_array_size(list);

	for (size_t i = 0; i < n && i < DRV_BUCKETS_PER_CALL; i++) {
		const json_t *b = json_array_get(list, i);

		buckets[i] = (struct drv_bucket){
			.mode = (enum drv_bucket_mode)shell_one_of(shell_text(b, "mode"),
								   modes, 3, 0),
			.quota_bytes =
				(uint64_t)json_integer_value(json_object_get(b, "quota")),
			.claimed = shell_flag(b, "claimed"),
			.absent_before = shell_flag(b, "absent_before"),
			.remove = shell_flag(b, "remove"),
			.only_if_empty = shell_flag(b, "only_if_empty"),
		};
		snprintf(buckets[i].name, sizeof(buckets[i].name), "%s",
			 shell_text(b, "name"));
	}
	return n;
}

static size_t
read_closed(const json_t *request)
{
	const json_t *list = json_object_get(request, "closed");
	size_t n = json_array_size(list);

	for (size_t i = 0; i < n && i < DRV_CLOSED_MAX; i++) {
		const json_t *c = json_array_get(list, i);

		closed[i].seen = shell_flag(c, "seen");
		snprintf(closed[i].name, sizeof(closed[i].name), "%s",
			 shell_text(c, "name"));
	}
	return n;
}

static void
before(const json_t *request, struct drv_call *call)
{
	call->buckets = buckets;
	call->bucket_count = read_buckets(request);
	call->closed = closed;
	call->closed_count = read_closed(request);
	call->reclose = shell_flag(request, "reclose");
}

static void
after(const struct drv_call *call, const struct drv_result *res, json_t *out)
{
	json_t *list;

	json_object_set_new(out, "closed", json_boolean(res->closed));
	json_object_set_new(out, "unclosed", json_string(res->unclosed));
	if (call->bucket_count > DRV_BUCKETS_PER_CALL)
		return; /* refused, and more than there is room for */
	list = json_array();
	for (size_t i = 0; i < call->bucket_count; i++)
		json_array_append_new(
			list,
			json_pack("{ss ss ss ss}", "name", call->buckets[i].name,
				  "presence", shell_presences[call->buckets[i].presence],
				  "rc", td_rc_info(call->buckets[i].rc)->name, "detail",
				  call->buckets[i].detail));
	json_object_set_new(out, "buckets", list);
}

static json_t *
assume(const json_t *request, const struct minio_call *call)
{
	const char *secret = shell_text(request, "secret");
	const char *policy = shell_text(request, "policy");
	TD_CLEAN_SECRET struct td_secret *s = td_secret_new(secret, strlen(secret));
	struct sigv4_key parent = { .access_key = shell_text(request, "key"),
				    .secret = s };
	struct sts_wish wish = { .parent = &parent,
				 .seconds = 900,
				 .policy = *policy ? policy : NULL };
	struct td_err err = { 0 };
	struct sts_key key;
	json_t *out;
	enum td_rc rc;

	rc = sts_assume_role(call, &wish, &key, &err);
	if (rc != TD_OK)
		return json_pack("{ss ss}", "rc", td_rc_info(rc)->name, "detail",
				 err.detail);
	out = json_pack("{ss ss ss ss sI}", "rc", "OK", "key", key.access_key, "secret",
			(const char *)td_secret_bytes(key.secret), "token",
			(const char *)td_secret_bytes(key.session_token), "expires_ms",
			(json_int_t)key.expires_ms);
	sts_key_done(&key);
	return out;
}

static void
on_usage(void *ctx, const struct minio_usage *u)
{
	json_object_set_new(ctx, u->bucket,
			    json_pack("{sI sI sI sI}", "bytes", (json_int_t)u->bytes,
				      "objects", (json_int_t)u->objects, "versions",
				      (json_int_t)u->versions, "delete_markers",
				      (json_int_t)u->delete_markers));
}

static json_t *
usage(const struct minio_call *call)
{
	json_t *by_bucket = json_object();
	struct td_err err = { 0 };
	int64_t scanned = 0;
	enum td_rc rc;

	rc = minio_usage(call, on_usage, by_bucket, &scanned, &err);
	return json_pack("{ss ss sI so}", "rc", td_rc_info(rc)->name, "detail",
			 rc == TD_OK ? "" : err.detail, "scanned_ms", (json_int_t)scanned,
			 "usage", by_bucket);
}

static json_t *
own(const json_t *request, const char *verb, int64_t deadline)
{
	struct minio_call call = { client, deadline };

	if (strcmp(verb, "usage") == 0)
		return usage(&call);
	if (strcmp(verb, "assume") == 0)
		return assume(request, &call);
	return NULL;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = { { "endpoint", 1, NULL, 'e' },
						 { "access-key-file", 1, NULL, 'a' },
						 { "secret-key-file", 1, NULL, 's' },
						 { "next-access-key-file", 1, NULL, 'A' },
						 { "next-secret-key-file", 1, NULL, 'S' },
						 { "policies", 1, NULL, 'd' },
						 { "instance", 1, NULL, 'i' },
						 { "die-after", 1, NULL, 'k' },
						 { NULL, 0, NULL, 0 } };
	const char *endpoints[MINIO_ENDPOINTS_MAX];
	struct drv_trace trace = { .call = shell_on_call };
	struct minio_driver_options opt = { .endpoints = endpoints, .trace = &trace };
	static struct td_yaml_report report;
	struct policy_set *policies;
	const char *dir = "";
	struct td_err err;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'e':
			endpoints[opt.endpoint_count++] = optarg;
			break;
		case 'a':
			opt.current.access_key_file = optarg;
			break;
		case 's':
			opt.current.secret_key_file = optarg;
			break;
		case 'A':
			opt.next.access_key_file = optarg;
			break;
		case 'S':
			opt.next.secret_key_file = optarg;
			break;
		case 'd':
			dir = optarg;
			break;
		case 'i':
			opt.instance_id = optarg;
			break;
		case 'k':
			shell.die_after = (int)strtol(optarg, NULL, 10);
			break;
		default:
			return 2;
		}
	}
	if (td_http_global_init(&err) != TD_OK)
		return shell_complain(&err);
	td_yaml_report_init(&report);
	if (policy_set_load(dir, &policies, &report, &err) != TD_OK)
		return shell_complain(&err);
	opt.policies = policies;
	if (minio_driver_new(&opt, &shell.driver, &err) != TD_OK ||
	    minio_client_new(&opt, &client, &err) != TD_OK)
		return shell_complain(&err);
	shell.own = own;
	shell.before = before;
	shell.after = after;
	shell_serve();
	minio_client_free(client);
	shell.driver->ops->free(shell.driver);
	policy_set_free(policies);
	td_http_global_done();
	return 0;
}
