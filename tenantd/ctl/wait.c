/*
 * Waiting for tenantd to finish. The API holds an answer until the tenant is settled, so a
 * script asks seldom; on a terminal it asks more often, to show what is going on.
 */
#include "internal.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_WAIT_MS (120 * 1000)
/* How long tenantd may hold one answer: longer and longer, so that what can never be done is
 * seen soon; on a terminal short, to show what is going on. */
#define HOLD_FIRST_S 1
#define HOLD_MOST_S 16
#define HOLD_TERMINAL_S 1
#define PAUSE_MS 300
#define MAX_PATH 1024
#define WHY_SIZE 600

struct wait {
	struct ctl *c;
	enum ctl_goal goal;
	const char *path; /* of the thing waited for */
	bool holds;	  /* its route takes ?wait= */
	/* Is it there? And if not, why; *ret_stuck when it never will be. */
	bool (*reached)(const struct wait *w, const json_t *doc, char why[WHY_SIZE],
			bool *ret_stuck);
	int64_t started;
	int64_t hold_s; /* of the next request */
	bool progress;	/* a line of progress is on the terminal */
};

enum ctl_exit
ctl_wait_option(struct ctl *c, int64_t *ret_ms)
{
	const char *text = ctl_value(&c->args, "wait");
	struct td_err err;

	*ret_ms = 0;
	if (!ctl_has(&c->args, "wait"))
		return CTL_OK;
	*ret_ms = DEFAULT_WAIT_MS;
	if (text == NULL || ctl_duration(text, ret_ms, &err) == TD_OK)
		return CTL_OK;
	td_err_prefix(&err, "--wait");
	return ctl_fail_usage(&err);
}

static void
add_why(char why[WHY_SIZE], const char *part, const char *reason, const char *message)
{
	size_t used = strlen(why);

	snprintf(why + used, WHY_SIZE - used, "%s%s: %s%s%s", used > 0 ? "; " : "", part,
		 reason[0] != '\0' ? reason : "not ready", message[0] != '\0' ? ", " : "",
		 message);
}

/* What keeps a resource from being ready. */
static void
resource_why(const char *name, const json_t *resource, char why[WHY_SIZE],
	     bool *ret_stuck)
{
	const json_t *conditions = json_object_get(resource, "conditions");

	for (size_t i = 0; i < json_array_size(conditions); i++) {
		const json_t *k = json_array_get(conditions, i);
		const char *type = ctl_text(k, "type");
		bool on = json_is_true(json_object_get(k, "status"));

		if (strcmp(type, "Foreign") == 0 && on)
			*ret_stuck = true;
		if (strcmp(type, "Ready") == 0 ? !on : on)
			add_why(why, name, ctl_text(k, "reason"), ctl_text(k, "message"));
	}
}

static bool
tenant_reached(const struct wait *w, const json_t *doc, char why[WHY_SIZE],
	       bool *ret_stuck)
{
	static const char *const names[] = { "object", "database", "volume" };
	const json_t *resources = json_object_get(doc, "resources");
	const json_t *buckets = json_object_get(doc, "buckets");

	if (json_is_true(json_object_get(doc, "settled")))
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		resource_why(names[i], json_object_get(resources, names[i]), why,
			     ret_stuck);
	for (size_t i = 0; i < json_array_size(buckets); i++) {
		const json_t *b = json_array_get(buckets, i);

		if (strcmp(ctl_text(b, "state"), "foreign") != 0)
			continue;
		*ret_stuck = true;
		add_why(why, ctl_text(b, "bucket"), "Foreign", ctl_text(b, "message"));
	}
	/* What is not ours does not keep a tenant from going. */
	if (w->goal == CTL_GONE)
		*ret_stuck = false;
	return false;
}

static bool
bucket_reached(const struct wait *w, const json_t *doc, char why[WHY_SIZE],
	       bool *ret_stuck)
{
	const char *state = ctl_text(doc, "state");
	bool ready = json_is_true(json_object_get(doc, "ready"));

	/* A delete that was refused leaves it as it was, with the reason. */
	if (w->goal == CTL_GONE)
		*ret_stuck = strcmp(ctl_text(doc, "message"), "bucket_not_empty") == 0;
	else
		*ret_stuck = strcmp(state, "foreign") == 0;
	if (!ready || *ret_stuck)
		add_why(why, ctl_text(doc, "bucket"), state, ctl_text(doc, "message"));
	return ready;
}

static void
show(struct wait *w, const json_t *doc, const char *why)
{
	struct td_buf line;
	int64_t s = (td_mono_ms(w->c->env) - w->started) / 1000;

	if (w->c->set.quiet || !isatty(STDERR_FILENO))
		return;
	td_buf_init(&line, 4096);
	td_buf_fmt(&line, "\r\033[K... %lld s ", (long long)s);
	ctl_add_clean(&line, doc != NULL ? ctl_text(doc, "phase") : "no answer");
	td_buf_char(&line, ' ');
	ctl_add_clean(&line, why);
	if (write(STDERR_FILENO, td_buf_cstr(&line), line.len > 79 ? 79 : line.len) > 0)
		w->progress = true;
	td_buf_done(&line);
}

static void
unshow(struct wait *w)
{
	if (w->progress && write(STDERR_FILENO, "\r\033[K", 4) < 0)
		w->progress = false;
}

enum turn { TURN_AGAIN, TURN_DONE };

/* What an answer means; takes it unless the goal is reached. */
static enum turn
judge(struct wait *w, struct ctl_answer *a, enum ctl_exit *ex, char why[WHY_SIZE])
{
	int status = a->http.status;
	bool stuck = false;

	*ex = CTL_OK;
	if (w->goal == CTL_GONE && (status == 404 || status == 410))
		return TURN_DONE;
	if (status >= 400 && status < 500 && status != 429) {
		unshow(w);
		*ex = ctl_problem(a);
		ctl_answer_done(a);
		return TURN_DONE;
	}
	if (status >= 400)
		snprintf(why, WHY_SIZE, "%s", ctl_text(a->json, "title"));
	else if (w->reached(w, a->json, why, &stuck) && w->goal == CTL_SETTLED)
		return TURN_DONE;
	*ex = stuck ? CTL_CONFLICT : CTL_TIMEOUT;
	show(w, a->json, why);
	ctl_answer_done(a);
	return stuck ? TURN_DONE : TURN_AGAIN;
}

/* One question. *ex is what to end with: at once on TURN_DONE, else when time is up. */
static enum turn
ask(struct wait *w, int64_t left_ms, struct ctl_answer *ret, enum ctl_exit *ex,
    char why[WHY_SIZE])
{
	int64_t hold = isatty(STDERR_FILENO) ? HOLD_TERMINAL_S : w->hold_s;
	struct ctl_request req = { .method = "GET" };
	struct td_err err = { 0 };
	char seconds[24];
	struct td_buf path;

	td_buf_init(&path, MAX_PATH);
	td_buf_str(&path, w->path);
	if (w->holds && w->goal == CTL_SETTLED && left_ms >= 1000) {
		hold = left_ms / 1000 < hold ? left_ms / 1000 : hold;
		snprintf(seconds, sizeof(seconds), "%lld", (long long)hold);
		ctl_query_add(&path, "wait", seconds);
		req.wait_ms = hold * 1000;
	}
	req.path = td_buf_cstr(&path);
	*ex = ctl_send(w->c, &req, ret, &err);
	td_buf_done(&path);
	why[0] = '\0';
	if (*ex == CTL_OK)
		return judge(w, ret, ex, why);
	if (*ex == CTL_UNREACHABLE) {
		snprintf(why, WHY_SIZE, "%s", err.detail);
		show(w, NULL, why);
		return TURN_AGAIN;
	}
	unshow(w);
	ctl_complain("%s", err.detail);
	return TURN_DONE;
}

static enum ctl_exit
wait_for(struct wait *w, int64_t ms, struct ctl_answer *ret)
{
	const struct td_env *env = w->c->env;
	enum ctl_exit ex = CTL_TIMEOUT;
	char why[WHY_SIZE] = "";
	int64_t left = ms;

	w->started = td_mono_ms(env);
	w->hold_s = HOLD_FIRST_S;
	for (;;) {
		int64_t before = td_mono_ms(env);
		int64_t took;

		if (ask(w, left, ret, &ex, why) == TURN_DONE)
			break;
		w->hold_s = w->hold_s < HOLD_MOST_S ? w->hold_s * 2 : HOLD_MOST_S;
		left = w->started + ms - td_mono_ms(env);
		if (left <= 0)
			break;
		took = td_mono_ms(env) - before;
		if (took < PAUSE_MS)
			td_sleep_ms(env, left < PAUSE_MS ? left : PAUSE_MS);
	}
	unshow(w);
	if (ex == CTL_TIMEOUT)
		ctl_complain("not finished after %lld s%s%s", (long long)(ms / 1000),
			     why[0] != '\0' ? ": " : "", why);
	else if (ex == CTL_CONFLICT && why[0] != '\0')
		ctl_complain("it cannot be done: %s", why);
	else if (ex == CTL_UNREACHABLE)
		ctl_complain("%s", why);
	return ex;
}

enum ctl_exit
ctl_wait_tenant(struct ctl *c, const char *appid, enum ctl_goal goal, int64_t ms,
		struct ctl_answer *ret)
{
	enum ctl_exit ex;
	struct td_buf path;
	struct wait w = {
		.c = c, .goal = goal, .holds = true, .reached = tenant_reached
	};

	td_buf_init(&path, MAX_PATH);
	ctl_path_add(&path, "/v1/tenants/", appid);
	w.path = td_buf_cstr(&path);
	ex = wait_for(&w, ms, ret);
	td_buf_done(&path);
	return ex;
}

enum ctl_exit
ctl_wait_bucket(struct ctl *c, const char *path, enum ctl_goal goal, int64_t ms,
		struct ctl_answer *ret)
{
	struct wait w = { .c = c, .goal = goal, .path = path, .reached = bucket_reached };

	return wait_for(&w, ms, ret);
}
