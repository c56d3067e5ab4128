#include "driver_shell.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_PARALLEL 64

struct shell shell;
const char *const shell_presences[] = { "unknown", "absent", "ours", "foreign" };

static atomic_int calls;
static _Thread_local json_t *trace_list;

void
shell_on_call(void *ctx, const char *backend, const char *what, int64_t took_us,
	      int status)
{
	int n = atomic_fetch_add(&calls, 1) + 1;

	(void)ctx;
	(void)backend;
	(void)took_us;
	if (trace_list)
		json_array_append_new(trace_list, json_pack("[si]", what, status));
	if (n == shell.die_after)
		kill(getpid(), SIGKILL);
	if (n == shell.stop_after)
		raise(SIGSTOP);
}

const char *
shell_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

bool
shell_flag(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

int
shell_one_of(const char *name, const char *const *names, int count, int otherwise)
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
		const char *secret = shell_text(s, "secret");

		secrets[i] = *secret ? td_secret_new(secret, strlen(secret)) : NULL;
		slots[i] = (struct drv_slot){
			.id = (enum drv_slot_id)shell_one_of(shell_text(s, "id"), ids, 4,
							     1),
			.want = strcmp(shell_text(s, "want"), "retire") == 0
					? DRV_SLOT_RETIRE
					: DRV_SLOT_KEEP,
			.secret = secrets[i],
			.fresh = shell_flag(s, "fresh"),
		};
		snprintf(slots[i].key_id, sizeof(slots[i].key_id), "%s",
			 shell_text(s, "key"));
	}
	return n < DRV_SLOT_COUNT ? n : DRV_SLOT_COUNT;
}

json_t *
shell_reply(enum td_rc rc, const struct td_err *err, const struct drv_result *res,
	    int64_t began_ms)
{
	return json_pack("{ss ss si ss ss sb sb ss ss sI sI}", "rc", td_rc_info(rc)->name,
			 "detail", rc == TD_OK ? "" : err->detail, "upstream",
			 rc == TD_OK ? 0 : err->upstream_status, "presence",
			 shell_presences[res->presence], "identity", res->identity,
			 "more", res->more, "drifted", res->drifted, "reason",
			 res->reason, "message", res->message, "progress",
			 (json_int_t)res->progress, "took_ms",
			 (json_int_t)(td_mono_ms(td_env_system()) - began_ms));
}

json_t *
shell_probe(int64_t deadline_mono_ms)
{
	int64_t began = td_mono_ms(td_env_system());
	struct drv_result res = { 0 };
	struct td_err err = { 0 };
	enum td_rc rc = shell.driver->ops->probe(shell.driver, deadline_mono_ms, &err);

	return shell_reply(rc, &err, &res, began);
}

static json_t *
tenant_verb(const json_t *request, const char *verb, int64_t deadline)
{
	static const char *const accesses[] = { "full", "fenced", "none" };
	struct td_secret *secrets[DRV_SLOT_COUNT] = { NULL };
	struct drv_slot slots[DRV_SLOT_COUNT];
	struct drv_result res = { 0 };
	struct td_err err = { 0 };
	int64_t began = td_mono_ms(td_env_system());
	enum td_rc rc = TD_INVALID;
	json_t *out;
	struct drv_call call = {
		.appid = shell_text(request, "appid"),
		.deadline_mono_ms = deadline,
		.access = (enum drv_access)shell_one_of(shell_text(request, "access"),
							accesses, 3, 0),
		.claimed = shell_flag(request, "claimed"),
		.absent_before = shell_flag(request, "absent_before"),
		.unlock = shell_flag(request, "unlock"),
		.template_name = shell_text(request, "template"),
		.slots = slots,
		.slot_count = read_slots(request, slots, secrets),
	};

	if (shell.before)
		shell.before(request, &call);
	if (strcmp(verb, "observe") == 0)
		rc = driver_observe(shell.driver, &call, &res, &err);
	else if (strcmp(verb, "ensure") == 0)
		rc = driver_ensure(shell.driver, &call, &res, &err);
	else if (strcmp(verb, "remove") == 0)
		rc = driver_remove(shell.driver, &call, &res, &err);
	out = shell_reply(rc, &err, &res, began);
	if (shell.after)
		shell.after(&call, &res, out);
	for (size_t i = 0; i < DRV_SLOT_COUNT; i++)
		td_secret_free(secrets[i]);
	return out;
}

static json_t *
run(const json_t *request)
{
	const json_t *ms = json_object_get(request, "deadline_ms");
	int64_t deadline =
		td_mono_ms(td_env_system()) + (ms ? json_integer_value(ms) : 20000);
	const char *verb = shell_text(request, "verb");
	json_t *out, *traced = json_array();

	trace_list = traced;
	if (strcmp(verb, "probe") == 0)
		out = shell_probe(deadline);
	else
		out = shell.own(request, verb, deadline);
	if (!out)
		out = tenant_verb(request, verb, deadline);
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

void
shell_serve(void)
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
shell_complain(const struct td_err *err)
{
	fprintf(stderr, "%s\n", err->detail);
	return 1;
}
