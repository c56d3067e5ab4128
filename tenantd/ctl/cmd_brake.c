/*
 * tenantctl hold, observe, release-hold, modes, plan, approve: what somebody needs who is
 * called at night.
 */
#include "internal.h"

#include "base/yaml.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define MAX_PATH 1024

/* "/v1/modes/" and a scope, whose slashes stay. */
static enum ctl_exit
scope_path(struct td_buf *path, const char *scope)
{
	const char *part = scope;
	bool first = true;

	td_buf_init(path, MAX_PATH);
	td_buf_str(path, "/v1/modes");
	for (;;) {
		size_t len = strcspn(part, "/");
		char word[128];

		if (len == 0 || len >= sizeof(word)) {
			ctl_complain("%s: expected daemon, region/NAME, tenant/APPID or "
				     "tenant/APPID/RESOURCE",
				     scope);
			return CTL_USAGE;
		}
		memcpy(word, part, len);
		word[len] = '\0';
		if (first && part[len] != '\0' && strcmp(word, "region") != 0 &&
		    strcmp(word, "tenant") != 0) {
			ctl_complain("%s: no such scope", scope);
			return CTL_USAGE;
		}
		ctl_path_add(path, "/", word);
		if (part[len] == '\0')
			return CTL_OK;
		part += len + 1;
		first = false;
	}
}

static enum ctl_exit
add_reason(struct ctl *c, json_t *body)
{
	const char *reason = ctl_value(&c->args, "reason");

	if (reason == NULL) {
		ctl_complain("--reason is missing: whoever finds this needs to know why");
		return CTL_USAGE;
	}
	if (json_object_set_new(body, "reason", json_string(reason)) != 0) {
		ctl_complain("--reason: not UTF-8");
		return CTL_USAGE;
	}
	return CTL_OK;
}

static enum ctl_exit
add_for(struct ctl *c, json_t *body)
{
	const char *text = ctl_value(&c->args, "for");
	struct td_err err;
	int64_t ms;

	if (text == NULL)
		return CTL_OK;
	if (ctl_duration(text, &ms, &err) != TD_OK || ms < 1000) {
		ctl_complain("--for %s: expected a time such as 15m, 2h or 1d", text);
		return CTL_USAGE;
	}
	json_object_set_new(body, "expires_in_seconds", json_integer(ms / 1000));
	return CTL_OK;
}

static enum ctl_exit
print_mode(struct ctl *c, const struct ctl_answer *a)
{
	const char *until = ctl_text_time(a->json, "expires_at");

	if (c->set.quiet)
		return CTL_OK;
	if (c->set.output == CTL_JSON)
		return ctl_print_body(c, a);
	ctl_say(c, "%s: %s%s%s", ctl_text(a->json, "scope"), ctl_text(a->json, "mode"),
		until[0] != '\0' ? " until " : "", until);
	return ctl_flush(c);
}

/* Takes body. */
static enum ctl_exit
put_mode(struct ctl *c, json_t *body)
{
	struct ctl_request req = { .method = "PUT", .body = body };
	struct ctl_answer a;
	struct td_buf path;
	enum ctl_exit ex = scope_path(&path, c->args.words[0]);

	req.path = td_buf_cstr(&path);
	if (ex == CTL_OK)
		ex = ctl_call(c, &req, &a);
	if (ex == CTL_OK) {
		ex = print_mode(c, &a);
		ctl_answer_done(&a);
	}
	td_buf_done(&path);
	json_decref(body);
	return ex;
}

static enum ctl_exit
brake(struct ctl *c, const char *mode)
{
	json_t *body = json_object();
	enum ctl_exit ex;

	json_object_set_new(body, "mode", json_string(mode));
	ex = add_reason(c, body);
	if (ex == CTL_OK)
		ex = add_for(c, body);
	if (ex != CTL_OK) {
		json_decref(body);
		return ex;
	}
	return put_mode(c, body);
}

enum ctl_exit
cmd_hold(struct ctl *c)
{
	return brake(c, "hold");
}

enum ctl_exit
cmd_observe(struct ctl *c)
{
	return brake(c, "observe");
}

enum ctl_exit
cmd_release_hold(struct ctl *c)
{
	json_t *body = json_object();

	json_object_set_new(body, "mode", json_string("manage"));
	return put_mode(c, body);
}

static void
mode_row(struct ctl_table *t, const json_t *item)
{
	ctl_table_cell(t, ctl_text(item, "scope"));
	ctl_table_cell(t, ctl_text(item, "mode"));
	ctl_table_cell(t, ctl_text_time(item, "since"));
	ctl_table_cell(t, ctl_text_time(item, "expires_at"));
	ctl_table_cell(t, ctl_text(item, "set_by"));
	ctl_table_cell(t, ctl_text(item, "reason"));
}

enum ctl_exit
cmd_modes(struct ctl *c)
{
	static const char *const titles[] = { "SCOPE", "MODE",	 "SINCE",
					      "UNTIL", "SET BY", "REASON" };
	struct ctl_list list = CTL_LIST("modes", titles, mode_row);
	enum ctl_exit ex = ctl_limit_option(c, &list.limit);

	list.path = "/v1/modes";
	return ex == CTL_OK ? ctl_list_print(c, &list) : ex;
}

/* ---- plan ---- */

static void
plan_cells(struct ctl_table *t, const json_t *tenant, const json_t *action)
{
	const char *held = ctl_text(action, "held");

	ctl_table_cell(t, ctl_text(tenant, "appid"));
	ctl_table_cell(t, ctl_text(tenant, "phase"));
	ctl_table_cell(t, ctl_text(action, "resource"));
	ctl_table_cell(t, ctl_text(action, "action"));
	ctl_table_cell(t, ctl_text(action, "destroys"));
	ctl_table_cell(t, strcmp(held, "mode") == 0 ? ctl_text(tenant, "mode") : held);
	ctl_table_cell(t, ctl_text(action, "why"));
}

/* One row per action; a tenant that only waits has one without. */
static void
plan_row(struct ctl_table *t, const json_t *item)
{
	const json_t *actions = json_object_get(item, "actions");

	for (size_t i = 0; i < json_array_size(actions); i++)
		plan_cells(t, item, json_array_get(actions, i));
	if (json_array_size(actions) == 0)
		plan_cells(t, item, NULL);
}

enum ctl_exit
cmd_plan(struct ctl *c)
{
	static const char *const titles[] = { "APPID",	  "PHASE", "RESOURCE", "ACTION",
					      "DESTROYS", "HELD",  "WHY" };
	struct ctl_list list = CTL_LIST("tenants", titles, plan_row);
	enum ctl_exit ex = ctl_limit_option(c, &list.limit);
	struct td_buf path;

	td_buf_init(&path, MAX_PATH);
	td_buf_str(&path, "/v1/plan");
	if (c->args.word_count > 0)
		ctl_query_add(&path, "appid", c->args.words[0]);
	list.path = td_buf_cstr(&path);
	if (ex == CTL_OK)
		ex = ctl_list_print(c, &list);
	td_buf_done(&path);
	return ex;
}

/* ---- approve ---- */

static enum ctl_exit
add_count(struct ctl *c, json_t *body)
{
	const char *text = ctl_value(&c->args, "count");
	uint64_t n;

	if (text == NULL)
		return CTL_OK;
	if (!td_yaml_uint(text, &n) || n == 0 || n > INT32_MAX) {
		ctl_complain("--count %s: expected a number", text);
		return CTL_USAGE;
	}
	json_object_set_new(body, "count", json_integer((json_int_t)n));
	return CTL_OK;
}

static enum ctl_exit
print_budget(struct ctl *c, const struct ctl_answer *a)
{
	if (c->set.quiet)
		return CTL_OK;
	if (c->set.output == CTL_JSON)
		return ctl_print_body(c, a);
	ctl_say(c,
		"%s goes on; approved for the next hour: close %s, remove %s, buckets %s",
		ctl_text(a->json, "region"),
		ctl_text(json_object_get(a->json, "close"), "approved"),
		ctl_text(json_object_get(a->json, "remove"), "approved"),
		ctl_text(json_object_get(a->json, "remove-bucket"), "approved"));
	return ctl_flush(c);
}

enum ctl_exit
cmd_approve(struct ctl *c)
{
	json_t *body = json_object();
	struct ctl_request req = { .method = "POST",
				   .path = "/v1/approvals",
				   .body = body };
	struct ctl_answer a;
	enum ctl_exit ex = add_reason(c, body);

	if (ex == CTL_OK)
		ex = add_count(c, body);
	if (ex == CTL_OK &&
	    json_object_set_new(body, "region", json_string(c->args.words[0])) != 0) {
		ctl_complain("the region's name is not UTF-8");
		ex = CTL_USAGE;
	}
	if (ex == CTL_OK)
		ex = ctl_call(c, &req, &a);
	json_decref(body);
	if (ex != CTL_OK)
		return ex;
	ex = print_budget(c, &a);
	ctl_answer_done(&a);
	return ex;
}
