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
#include "base/env.h"
#include "base/http.h"
#include "base/yaml.h"
#include "minio/admin.h"
#include "minio/driver.h"
#include "minio/sts.h"
#include "policies/policy.h"

#include <getopt.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_PARALLEL 64

static struct driver *driver;
static struct minio_client *client;
static atomic_int calls;
static int die_after;
static _Thread_local json_t *trace_list;

static void
on_call(void *ctx, const char *backend, const char *what, int64_t took_us, int status)
{
	(void)ctx;
	(void)backend;
	(void)took_us;
	if (trace_list)
		json_array_append_new(trace_list, json_pack("[si]", what, status));
	if (atomic_fetch_add(&calls, 1) + 1 == die_after)
		kill(getpid(), SIGKILL);
}

static const char *
text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static bool
flag(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static int
one_of(const char *name, const char *const *names, int count, int otherwise)
{
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return otherwise;
}

static size_t
read_slots(const json_t *request, struct drv_slot slots[DRV_SLOT_COUNT],
	   struct td_secret *secrets[DRV_SLOT_COUNT])
{
	static const char *const ids[] = { "parent", "a", "b", "legacy" };
	const json_t *list = json_object_get(request, "slots");
	size_t n = json_array_size(list);

	for (size_t i = 0; i < n && i < DRV_SLOT_COUNT; i++) {
		const json_t *s = json_array_get(list, i);
		const char *secret = text(s, "secret");

		secrets[i] = *secret ? td_secret_new(secret, strlen(secret)) : NULL;
		slots[i] = (struct drv_slot){
			.id = (enum drv_slot_id)one_of(text(s, "id"), ids, 4, 1),
			.want = strcmp(text(s, "want"), "retire") == 0 ? DRV_SLOT_RETIRE
								       : DRV_SLOT_KEEP,
			.secret = secrets[i],
			.fresh = flag(s, "fresh"),
		};
		snprintf(slots[i].key_id, sizeof(slots[i].key_id), "%s", text(s, "key"));
	}
	return n < DRV_SLOT_COUNT ? n : DRV_SLOT_COUNT;
}

static size_t
read_buckets(const json_t *request, struct drv_bucket buckets[DRV_BUCKETS_PER_CALL])
{
	static const char *const modes[] = { "private", "readonly", "readwrite" };
	const json_t *list = json_object_get(request, "buckets");
	size_t n = json_array_size(list);

	for (size_t i = 0; i < n && i < DRV_BUCKETS_PER_CALL; i++) {
		const json_t *b = json_array_get(list, i);

		buckets[i] = (struct drv_bucket){
			.mode = (enum drv_bucket_mode)one_of(text(b, "mode"), modes, 3,
							     0),
			.quota_bytes =
				(uint64_t)json_integer_value(json_object_get(b, "quota")),
			.claimed = flag(b, "claimed"),
			.absent_before = flag(b, "absent_before"),
			.remove = flag(b, "remove"),
			.only_if_empty = flag(b, "only_if_empty"),
		};
		snprintf(buckets[i].name, sizeof(buckets[i].name), "%s", text(b, "name"));
	}
	return n;
}

static size_t
read_closed(const json_t *request, struct drv_closed closed[DRV_CLOSED_MAX])
{
	const json_t *list = json_object_get(request, "closed");
	size_t n = json_array_size(list);

	for (size_t i = 0; i < n && i < DRV_CLOSED_MAX; i++) {
		const json_t *c = json_array_get(list, i);

		closed[i].seen = flag(c, "seen");
		snprintf(closed[i].name, sizeof(closed[i].name), "%s", text(c, "name"));
	}
	return n;
}

static const char *const presences[] = { "unknown", "absent", "ours", "foreign" };

static json_t *
reply(enum td_rc rc, const struct td_err *err, const struct drv_result *res, int64_t took)
{
	return json_pack("{ss ss si ss ss sb sb sb ss ss ss sI sI}", "rc",
			 td_rc_info(rc)->name, "detail", rc == TD_OK ? "" : err->detail,
			 "upstream", rc == TD_OK ? 0 : err->upstream_status, "presence",
			 presences[res->presence], "identity", res->identity, "more",
			 res->more, "drifted", res->drifted, "closed", res->closed,
			 "unclosed", res->unclosed, "reason", res->reason, "message",
			 res->message, "progress", (json_int_t)res->progress, "took_ms",
			 (json_int_t)took);
}

static json_t *
bucket_results(const struct drv_bucket *buckets, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(
			list, json_pack("{ss ss ss ss}", "name", buckets[i].name,
					"presence", presences[buckets[i].presence], "rc",
					td_rc_info(buckets[i].rc)->name, "detail",
					buckets[i].detail));
	return list;
}

static json_t *
tenant_verb(const json_t *request, int64_t deadline)
{
	static const char *const accesses[] = { "full", "fenced", "none" };
	struct drv_bucket buckets[DRV_BUCKETS_PER_CALL];
	struct td_secret *secrets[DRV_SLOT_COUNT] = { NULL };
	struct drv_closed closed[DRV_CLOSED_MAX];
	struct drv_slot slots[DRV_SLOT_COUNT];
	struct drv_result res = { 0 };
	struct td_err err = { 0 };
	const char *verb = text(request, "verb");
	int64_t began = td_mono_ms(td_env_system());
	enum td_rc rc = TD_INVALID;
	json_t *out;
	struct drv_call call = {
		.appid = text(request, "appid"),
		.deadline_mono_ms = deadline,
		.access =
			(enum drv_access)one_of(text(request, "access"), accesses, 3, 0),
		.claimed = flag(request, "claimed"),
		.absent_before = flag(request, "absent_before"),
		.unlock = flag(request, "unlock"),
		.template_name = text(request, "template"),
		.slots = slots,
		.slot_count = read_slots(request, slots, secrets),
		.buckets = buckets,
		.bucket_count = read_buckets(request, buckets),
		.closed = closed,
		.closed_count = read_closed(request, closed),
		.reclose = flag(request, "reclose"),
	};

	if (strcmp(verb, "observe") == 0)
		rc = driver_observe(driver, &call, &res, &err);
	else if (strcmp(verb, "ensure") == 0)
		rc = driver_ensure(driver, &call, &res, &err);
	else if (strcmp(verb, "remove") == 0)
		rc = driver_remove(driver, &call, &res, &err);
	for (size_t i = 0; i < DRV_SLOT_COUNT; i++)
		td_secret_free(secrets[i]);
	out = reply(rc, &err, &res, td_mono_ms(td_env_system()) - began);
	if (call.bucket_count <= DRV_BUCKETS_PER_CALL)
		json_object_set_new(out, "buckets",
				    bucket_results(buckets, call.bucket_count));
	return out;
}

static json_t *
assume(const json_t *request, const struct minio_call *call)
{
	const char *secret = text(request, "secret");
	const char *policy = text(request, "policy");
	TD_CLEAN_SECRET struct td_secret *s = td_secret_new(secret, strlen(secret));
	struct sigv4_key parent = { .access_key = text(request, "key"), .secret = s };
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
	json_t *buckets = json_object();
	struct td_err err = { 0 };
	int64_t scanned = 0;
	enum td_rc rc;

	rc = minio_usage(call, on_usage, buckets, &scanned, &err);
	return json_pack("{ss ss sI so}", "rc", td_rc_info(rc)->name, "detail",
			 rc == TD_OK ? "" : err.detail, "scanned_ms", (json_int_t)scanned,
			 "usage", buckets);
}

static json_t *
probe(int64_t deadline)
{
	int64_t began = td_mono_ms(td_env_system());
	struct drv_result res = { 0 };
	struct td_err err = { 0 };
	enum td_rc rc = driver->ops->probe(driver, deadline, &err);

	return reply(rc, &err, &res, td_mono_ms(td_env_system()) - began);
}

static json_t *
run(const json_t *request)
{
	const json_t *ms = json_object_get(request, "deadline_ms");
	int64_t deadline =
		td_mono_ms(td_env_system()) + (ms ? json_integer_value(ms) : 20000);
	struct minio_call call = { client, deadline };
	const char *verb = text(request, "verb");
	json_t *out, *traced = json_array();

	trace_list = traced;
	if (strcmp(verb, "probe") == 0)
		out = probe(deadline);
	else if (strcmp(verb, "usage") == 0)
		out = usage(&call);
	else if (strcmp(verb, "assume") == 0)
		out = assume(request, &call);
	else
		out = tenant_verb(request, deadline);
	trace_list = NULL;
	json_object_set_new(out, "calls", traced);
	return out;
}

struct job {
	const json_t *request;
	json_t *result;
};

static void *
run_job(void *arg)
{
	struct job *job = arg;

	job->result = run(job->request);
	return NULL;
}

static json_t *
run_parallel(const json_t *list)
{
	pthread_t threads[MAX_PARALLEL];
	struct job jobs[MAX_PARALLEL];
	size_t n = json_array_size(list);
	json_t *out = json_array();

	if (n > MAX_PARALLEL)
		abort();
	for (size_t i = 0; i < n; i++) {
		jobs[i] = (struct job){ .request = json_array_get(list, i) };
		if (pthread_create(&threads[i], NULL, run_job, &jobs[i]) != 0)
			abort();
	}
	for (size_t i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
		json_array_append_new(out, jobs[i].result);
	}
	return out;
}

static void
serve(void)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		json_t *request = json_loads(line, JSON_REJECT_DUPLICATES, NULL), *out;
		const json_t *parallel = json_object_get(request, "parallel");

		if (!request)
			abort();
		out = parallel ? run_parallel(parallel) : run(request);
		json_dumpf(out, stdout, JSON_COMPACT);
		putchar('\n');
		fflush(stdout);
		json_decref(out);
		json_decref(request);
	}
	free(line);
}

static int
complain(const struct td_err *err)
{
	fprintf(stderr, "%s\n", err->detail);
	return 1;
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
	struct drv_trace trace = { .call = on_call };
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
			die_after = (int)strtol(optarg, NULL, 10);
			break;
		default:
			return 2;
		}
	}
	if (td_http_global_init(&err) != TD_OK)
		return complain(&err);
	td_yaml_report_init(&report);
	if (policy_set_load(dir, &policies, &report, &err) != TD_OK)
		return complain(&err);
	opt.policies = policies;
	if (minio_driver_new(&opt, &driver, &err) != TD_OK ||
	    minio_client_new(&opt, &client, &err) != TD_OK)
		return complain(&err);
	serve();
	minio_client_free(client);
	driver->ops->free(driver);
	policy_set_free(policies);
	td_http_global_done();
	return 0;
}
