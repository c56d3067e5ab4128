/*
 * The MongoDB driver at the end of a pipe, for tests/service/test_mongo_driver*.py: one JSON
 * request per line in, one JSON reply per line out. The tests are in Python because the
 * other side of each of them is a tenant at work with a real client, or a server that is
 * being stopped, slowed or cut.
 *
 *   mongo_driver_shell --uri U --username-file F --password-file F [--next-username-file F
 *       --next-password-file F] --policies DIR --instance HEX [--die-after N]
 *       [--stop-after N]
 *
 * {"verb": "observe" | "ensure" | "remove" | "probe" | "measure", "appid", "access", ...}
 * or {"parallel": [request, ...]}, each in a thread of its own.
 *
 * --die-after N: the process kills itself when the N-th backend request has come back and
 * before anything was made of its reply; the way to stop at every sub-step. --stop-after N:
 * it is stopped there (SIGSTOP) and goes on when it is told to, so that a test can do
 * something in between.
 */
#include "base/env.h"
#include "base/yaml.h"
#include "mongo/driver.h"
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
static atomic_int calls;
static int die_after, stop_after;
static _Thread_local json_t *trace_list;

static void
on_call(void *ctx, const char *backend, const char *what, int64_t took_us, int status)
{
	int n = atomic_fetch_add(&calls, 1) + 1;

	(void)ctx;
	(void)backend;
	(void)took_us;
	if (trace_list)
		json_array_append_new(trace_list, json_pack("[si]", what, status));
	if (n == die_after)
		kill(getpid(), SIGKILL);
	if (n == stop_after)
		raise(SIGSTOP);
}

static const char *
text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
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
			.fresh = json_is_true(json_object_get(s, "fresh")),
		};
		snprintf(slots[i].key_id, sizeof(slots[i].key_id), "%s", text(s, "key"));
	}
	return n < DRV_SLOT_COUNT ? n : DRV_SLOT_COUNT;
}

static json_t *
reply(enum td_rc rc, const struct td_err *err, const struct drv_result *res, int64_t took)
{
	static const char *const presences[] = { "unknown", "absent", "ours", "foreign" };

	return json_pack("{ss ss si ss ss sb sb ss ss sI sI}", "rc", td_rc_info(rc)->name,
			 "detail", rc == TD_OK ? "" : err->detail, "upstream",
			 rc == TD_OK ? 0 : err->upstream_status, "presence",
			 presences[res->presence], "identity", res->identity, "more",
			 res->more, "drifted", res->drifted, "reason", res->reason,
			 "message", res->message, "progress", (json_int_t)res->progress,
			 "took_ms", (json_int_t)took);
}

static json_t *
tenant_verb(const json_t *request, int64_t deadline)
{
	static const char *const accesses[] = { "full", "fenced", "none" };
	struct td_secret *secrets[DRV_SLOT_COUNT] = { NULL };
	struct drv_slot slots[DRV_SLOT_COUNT];
	struct drv_result res = { 0 };
	struct td_err err = { 0 };
	const char *verb = text(request, "verb");
	int64_t began = td_mono_ms(td_env_system());
	enum td_rc rc = TD_INVALID;
	struct drv_call call = {
		.appid = text(request, "appid"),
		.deadline_mono_ms = deadline,
		.access =
			(enum drv_access)one_of(text(request, "access"), accesses, 3, 0),
		.claimed = json_is_true(json_object_get(request, "claimed")),
		.absent_before = json_is_true(json_object_get(request, "absent_before")),
		.unlock = json_is_true(json_object_get(request, "unlock")),
		.template_name = text(request, "template"),
		.slots = slots,
		.slot_count = read_slots(request, slots, secrets),
	};

	if (strcmp(verb, "observe") == 0)
		rc = driver_observe(driver, &call, &res, &err);
	else if (strcmp(verb, "ensure") == 0)
		rc = driver_ensure(driver, &call, &res, &err);
	else if (strcmp(verb, "remove") == 0)
		rc = driver_remove(driver, &call, &res, &err);
	for (size_t i = 0; i < DRV_SLOT_COUNT; i++)
		td_secret_free(secrets[i]);
	return reply(rc, &err, &res, td_mono_ms(td_env_system()) - began);
}

static json_t *
other_verb(const json_t *request, int64_t deadline)
{
	struct mongo_usage usage = { 0 };
	struct drv_result res = { 0 };
	struct td_err err = { 0 };
	int64_t began = td_mono_ms(td_env_system());
	json_t *out;
	enum td_rc rc;

	if (strcmp(text(request, "verb"), "probe") == 0)
		rc = driver->ops->probe(driver, deadline, &err);
	else
		rc = mongo_driver_measure(driver, text(request, "appid"), deadline,
					  &usage, &err);
	out = reply(rc, &err, &res, td_mono_ms(td_env_system()) - began);
	json_object_set_new(out, "data_bytes",
			    json_integer((json_int_t)usage.data_bytes));
	json_object_set_new(out, "index_bytes",
			    json_integer((json_int_t)usage.index_bytes));
	json_object_set_new(out, "collections",
			    json_integer((json_int_t)usage.collections));
	json_object_set_new(out, "objects", json_integer((json_int_t)usage.objects));
	return out;
}

static json_t *
run(const json_t *request)
{
	const json_t *ms = json_object_get(request, "deadline_ms");
	int64_t deadline =
		td_mono_ms(td_env_system()) + (ms ? json_integer_value(ms) : 20000);
	const char *verb = text(request, "verb");
	json_t *out, *traced = json_array();

	trace_list = traced;
	if (strcmp(verb, "probe") == 0 || strcmp(verb, "measure") == 0)
		out = other_verb(request, deadline);
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

int
main(int argc, char **argv)
{
	static const struct option options[] = { { "uri", 1, NULL, 'u' },
						 { "username-file", 1, NULL, 'n' },
						 { "password-file", 1, NULL, 'p' },
						 { "next-username-file", 1, NULL, 'N' },
						 { "next-password-file", 1, NULL, 'P' },
						 { "policies", 1, NULL, 'd' },
						 { "instance", 1, NULL, 'i' },
						 { "die-after", 1, NULL, 'k' },
						 { "stop-after", 1, NULL, 's' },
						 { NULL, 0, NULL, 0 } };
	struct drv_trace trace = { .call = on_call };
	struct mongo_driver_options opt = { .trace = &trace };
	static struct td_yaml_report report;
	struct policy_set *policies;
	const char *dir = "";
	struct td_err err;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'u':
			opt.uri = optarg;
			break;
		case 'n':
			opt.current.username_file = optarg;
			break;
		case 'p':
			opt.current.password_file = optarg;
			break;
		case 'N':
			opt.next.username_file = optarg;
			break;
		case 'P':
			opt.next.password_file = optarg;
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
		case 's':
			stop_after = (int)strtol(optarg, NULL, 10);
			break;
		default:
			return 2;
		}
	}
	mongo_global_init();
	td_yaml_report_init(&report);
	if (policy_set_load(dir, &policies, &report, &err) != TD_OK) {
		fprintf(stderr, "%s\n", err.detail);
		return 1;
	}
	opt.policies = policies;
	if (mongo_driver_new(&opt, &driver, &err) != TD_OK) {
		fprintf(stderr, "%s\n", err.detail);
		return 1;
	}
	serve();
	driver->ops->free(driver);
	policy_set_free(policies);
	mongo_global_done();
	return 0;
}
