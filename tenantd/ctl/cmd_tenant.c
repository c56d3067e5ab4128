/*
 * tenantctl tenant ...: each command is one request, and with --wait further ones until
 * tenantd is done.
 */
#include "internal.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define MAX_PATH 1024
#define SET_RETRIES 5

/* "/v1/tenants/APPID" and what follows. */
static void
tenant_path(struct td_buf *path, const char *appid, const char *verb)
{
	td_buf_init(path, MAX_PATH);
	ctl_path_add(path, "/v1/tenants/", appid);
	td_buf_str(path, verb);
}

/* "abc123: Created", and what comes next for one that is being deleted. */
static enum ctl_exit
print_short(struct ctl *c, const struct ctl_answer *a)
{
	const char *due = ctl_text_time(a->json, "delete_due_at");

	if (c->set.quiet)
		return CTL_OK;
	if (c->set.output == CTL_JSON)
		return ctl_print_body(c, a);
	if (a->json == NULL) {
		/* 204: nothing is left to describe. */
		ctl_say(c, "%s: Deleted", c->args.words[0]);
		return ctl_flush(c);
	}
	ctl_say(c, "%s: %s%s%s", ctl_text(a->json, "appid"), ctl_text(a->json, "phase"),
		due[0] != '\0' ? ", its data goes at " : "", due);
	return ctl_flush(c);
}

/* After a change that was accepted: wait for it where that was asked for, then say how it
 * stands. Takes the answer. */
static enum ctl_exit
finish(struct ctl *c, struct ctl_answer *a, int64_t wait_ms)
{
	enum ctl_exit ex = CTL_OK;

	if (wait_ms > 0) {
		ctl_answer_done(a);
		ex = ctl_wait_tenant(c, c->args.words[0], CTL_SETTLED, wait_ms, a);
		if (ex != CTL_OK)
			return ex;
	}
	ex = print_short(c, a);
	ctl_answer_done(a);
	return ex;
}

/* The options that create and set have in common, into the members of a spec. `labels` and
 * `limits` are where those go, borrowed. */
static enum td_rc
add_spec(const struct ctl_args *args, json_t *spec, json_t *labels, json_t *limits,
	 struct td_err *err)
{
	static const char *const texts[] = { "plan", "region" };
	const char *protect = ctl_value(args, "deletion-protection");
	enum td_rc rc = TD_OK;
	const char *v;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		v = ctl_value(args, texts[i]);
		if (v != NULL && json_object_set_new(spec, texts[i], json_string(v)) != 0)
			return td_err_set(err, TD_INVALID, "--%s: not UTF-8", texts[i]);
	}
	if (protect != NULL) {
		if (strcmp(protect, "on") != 0 && strcmp(protect, "off") != 0)
			return td_err_set(err, TD_INVALID,
					  "--deletion-protection %s: expected on or off",
					  protect);
		json_object_set_new(spec, "deletion_protection",
				    json_boolean(strcmp(protect, "on") == 0));
	}
	for (size_t at = 0;
	     rc == TD_OK && (v = ctl_next_value(args, "label", &at)) != NULL;)
		rc = ctl_label_add(labels, v, err);
	for (size_t at = 0;
	     rc == TD_OK && (v = ctl_next_value(args, "limit", &at)) != NULL;)
		rc = ctl_limit_add(limits, v, err);
	return rc;
}

/* Puts member into spec when it holds something; takes it. */
static void
add_filled(json_t *spec, const char *key, json_t *value)
{
	if (json_object_size(value) > 0 || json_array_size(value) > 0)
		json_object_set_new(spec, key, value);
	else
		json_decref(value);
}

static enum td_rc
create_spec(const struct ctl_args *args, json_t *spec, struct td_err *err)
{
	json_t *labels = json_object();
	json_t *limits = json_object();
	json_t *buckets = json_array();
	enum td_rc rc = add_spec(args, spec, labels, limits, err);
	const char *v;

	for (size_t at = 0;
	     rc == TD_OK && (v = ctl_next_value(args, "bucket", &at)) != NULL;)
		rc = ctl_bucket_add(buckets, v, err);
	add_filled(spec, "labels", labels);
	add_filled(spec, "limits", limits);
	add_filled(spec, "buckets", buckets);
	return rc;
}

enum ctl_exit
cmd_tenant_create(struct ctl *c)
{
	json_t *spec = json_object();
	struct ctl_request req = { .method = "PUT", .body = spec };
	struct td_err err;
	struct td_buf path;
	struct ctl_answer a;
	int64_t wait_ms;
	enum ctl_exit ex = ctl_wait_option(c, &wait_ms);

	if (ex == CTL_OK && create_spec(&c->args, spec, &err) != TD_OK)
		ex = ctl_fail_usage(&err);
	tenant_path(&path, c->args.words[0], "");
	req.path = td_buf_cstr(&path);
	if (ctl_has(&c->args, "if-absent"))
		req.if_none_match = "*";
	if (ex == CTL_OK)
		ex = ctl_call(c, &req, &a);
	if (ex == CTL_OK)
		ex = finish(c, &a, wait_ms);
	td_buf_done(&path);
	json_decref(spec);
	return ex;
}

/*
 * `set` changes single labels and limits, while a PUT replaces them all: so read, change and
 * put back, on the condition that nobody else did so in between.
 */
static enum td_rc
set_spec(const struct ctl_args *args, const json_t *now, json_t *spec, struct td_err *err)
{
	json_t *labels = json_object();
	json_t *limits = json_object();
	enum td_rc rc = add_spec(args, spec, labels, limits, err);
	json_t *all;
	const char *v;

	if (ctl_has(args, "label") || ctl_has(args, "unset-label")) {
		all = json_deep_copy(json_object_get(now, "labels"));
		json_object_update(all, labels);
		for (size_t at = 0;
		     (v = ctl_next_value(args, "unset-label", &at)) != NULL;)
			json_object_del(all, v);
		json_object_set_new(spec, "labels", all);
	}
	if (ctl_has(args, "limit") || ctl_has(args, "unset-limit")) {
		all = json_deep_copy(json_object_get(now, "limits"));
		json_object_update(all, limits);
		for (size_t at = 0;
		     (v = ctl_next_value(args, "unset-limit", &at)) != NULL;)
			json_object_del(all, v);
		json_object_set_new(spec, "limits", all);
	}
	json_decref(labels);
	json_decref(limits);
	return rc;
}

/* One attempt. *again: somebody else changed it between the two requests. */
static enum ctl_exit
set_once(struct ctl *c, const char *path, struct ctl_answer *ret, bool *again)
{
	struct ctl_request get = { .method = "GET", .path = path };
	json_t *spec = json_object();
	struct ctl_request put = { .method = "PUT", .path = path, .body = spec };
	struct ctl_answer now;
	struct td_err err;
	enum ctl_exit ex = ctl_call(c, &get, &now);

	*again = false;
	if (ex != CTL_OK) {
		json_decref(spec);
		return ex;
	}
	put.if_match = now.http.etag[0] != '\0' ? now.http.etag : NULL;
	if (set_spec(&c->args, now.json, spec, &err) != TD_OK) {
		ex = ctl_fail_usage(&err);
	} else if (put.if_match == NULL) {
		ctl_complain("the answer has no ETag: nothing was changed");
		ex = CTL_ERROR;
	} else {
		ex = ctl_send(c, &put, ret, &err);
		if (ex != CTL_OK) {
			ctl_complain("%s", err.detail);
		} else if (ret->http.status == 412) {
			*again = true;
			ctl_answer_done(ret);
		} else if (ret->http.status >= 400) {
			ex = ctl_problem(ret);
			ctl_answer_done(ret);
		}
	}
	ctl_answer_done(&now);
	json_decref(spec);
	return ex;
}

enum ctl_exit
cmd_tenant_set(struct ctl *c)
{
	bool again = true;
	struct ctl_answer a;
	struct td_buf path;
	int64_t wait_ms;
	enum ctl_exit ex = ctl_wait_option(c, &wait_ms);

	if (ex == CTL_OK && c->args.given_count == 0) {
		ctl_complain("nothing to set: give an option, see --help");
		ex = CTL_USAGE;
	}
	tenant_path(&path, c->args.words[0], "");
	for (int i = 0; i < SET_RETRIES && again && ex == CTL_OK; i++)
		ex = set_once(c, td_buf_cstr(&path), &a, &again);
	td_buf_done(&path);
	if (ex != CTL_OK)
		return ex;
	if (again) {
		ctl_complain("somebody else keeps changing %s", c->args.words[0]);
		return CTL_CONFLICT;
	}
	return finish(c, &a, wait_ms);
}

static void
add_line(struct td_buf *out, const char *key, const char *value)
{
	td_buf_fmt(out, "%-12s", key);
	ctl_add_clean(out, value[0] != '\0' ? value : "-");
	td_buf_char(out, '\n');
}

/* "team=x, tier=1" */
static void
add_pairs(struct td_buf *out, const char *title, const json_t *object, bool sizes)
{
	json_t *o = json_incref((json_t *)(uintptr_t)object);
	const char *comma = "";

	td_buf_fmt(out, "%-12s", title);
	if (json_object_size(o) == 0)
		td_buf_char(out, '-');
	for (void *it = json_object_iter(o); it != NULL;
	     it = json_object_iter_next(o, it)) {
		const char *key = json_object_iter_key(it);
		bool size = sizes && strstr(key, "_bytes") != NULL;

		td_buf_str(out, comma);
		ctl_add_clean(out, key);
		td_buf_char(out, '=');
		ctl_add_clean(out, size ? ctl_text_size(o, key) : ctl_text(o, key));
		comma = ", ";
	}
	td_buf_char(out, '\n');
	json_decref(o);
}

static void
print_resources(struct ctl *c, const json_t *resources, struct td_err *err)
{
	static const char *const titles[] = { "RESOURCE", "CONDITION", "STATUS",
					      "SINCE",	  "REASON",    "MESSAGE" };
	static const char *const names[] = { "object", "database", "volume" };
	struct ctl_table t;

	ctl_table_init(&t, titles, 6);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const json_t *r = json_object_get(resources, names[i]);
		const json_t *conditions = json_object_get(r, "conditions");

		for (size_t k = 0; k < json_array_size(conditions); k++) {
			const json_t *x = json_array_get(conditions, k);

			ctl_table_cell(&t, names[i]);
			ctl_table_cell(&t, ctl_text(x, "type"));
			ctl_table_cell(&t, ctl_text(x, "status"));
			ctl_table_cell(&t, ctl_text_time(x, "since"));
			ctl_table_cell(&t, ctl_text(x, "reason"));
			ctl_table_cell(&t, ctl_text(x, "message"));
		}
	}
	err->rc = ctl_table_flush(&t, &c->out);
	ctl_table_done(&t);
}

static void
print_buckets(struct ctl *c, const json_t *buckets, struct td_err *err)
{
	static const char *const titles[] = { "BUCKET", "S3 NAME", "MODE", "QUOTA",
					      "READY" };
	struct ctl_table t;

	ctl_table_init(&t, titles, 5);
	for (size_t i = 0; i < json_array_size(buckets); i++) {
		const json_t *b = json_array_get(buckets, i);

		ctl_table_cell(&t, ctl_text(b, "name"));
		ctl_table_cell(&t, ctl_text(b, "bucket"));
		ctl_table_cell(&t, ctl_text(b, "mode"));
		ctl_table_cell(&t,
			       json_integer_value(json_object_get(b, "quota_bytes")) == 0
				       ? ""
				       : ctl_text_size(b, "quota_bytes"));
		ctl_table_cell(&t, ctl_text(b, "ready"));
	}
	if (json_array_size(buckets) > 0)
		td_buf_char(&c->out, '\n');
	if (err->rc == TD_OK)
		err->rc = ctl_table_flush(&t, &c->out);
	ctl_table_done(&t);
}

enum ctl_exit
cmd_tenant_get(struct ctl *c)
{
	struct ctl_request req = { .method = "GET" };
	struct td_err err = { 0 };
	struct ctl_answer a;
	struct td_buf path;
	enum ctl_exit ex;

	tenant_path(&path, c->args.words[0], "");
	req.path = td_buf_cstr(&path);
	ex = ctl_call(c, &req, &a);
	td_buf_done(&path);
	if (ex != CTL_OK)
		return ex;
	if (c->set.output == CTL_JSON) {
		ex = ctl_print_body(c, &a);
		ctl_answer_done(&a);
		return ex;
	}
	add_line(&c->out, "appid", ctl_text(a.json, "appid"));
	add_line(&c->out, "phase", ctl_text(a.json, "phase"));
	add_line(&c->out, "settled", ctl_text(a.json, "settled"));
	add_line(&c->out, "plan", ctl_text(a.json, "plan"));
	add_line(&c->out, "region", ctl_text(a.json, "region"));
	add_line(&c->out, "protected", ctl_text(a.json, "deletion_protection"));
	add_line(&c->out, "created", ctl_text_time(a.json, "created_at"));
	if (json_is_string(json_object_get(a.json, "delete_due_at")))
		add_line(&c->out, "data goes", ctl_text_time(a.json, "delete_due_at"));
	add_pairs(&c->out, "limits", json_object_get(a.json, "effective_limits"), true);
	add_pairs(&c->out, "labels", json_object_get(a.json, "labels"), false);
	td_buf_char(&c->out, '\n');
	print_resources(c, json_object_get(a.json, "resources"), &err);
	print_buckets(c, json_object_get(a.json, "buckets"), &err);
	if (json_is_string(json_object_get(a.json, "more")))
		td_buf_fmt(&c->out, "\nmore: tenantctl bucket list %s\n",
			   c->args.words[0]);
	ctl_answer_done(&a);
	if (err.rc != TD_OK) {
		ctl_complain("no memory for the table");
		return CTL_ERROR;
	}
	return ctl_flush(c);
}

static void
list_row(struct ctl_table *t, const json_t *item)
{
	ctl_table_cell(t, ctl_text(item, "appid"));
	ctl_table_cell(t, ctl_text(item, "phase"));
	ctl_table_cell(t, ctl_text(item, "plan"));
	ctl_table_cell(t, ctl_text(item, "region"));
	ctl_table_cell(t, ctl_text(item, "bucket_count"));
	ctl_table_cell(t, ctl_text_time(item, "created_at"));
}

enum ctl_exit
cmd_tenant_list(struct ctl *c)
{
	static const char *const titles[] = { "APPID",	"PHASE",   "PLAN",
					      "REGION", "BUCKETS", "CREATED" };
	struct ctl_list list = CTL_LIST("tenants", titles, list_row);
	const char *phase = ctl_value(&c->args, "phase");
	enum ctl_exit ex = ctl_limit_option(c, &list.limit);
	struct td_buf path;

	td_buf_init(&path, MAX_PATH);
	td_buf_str(&path, "/v1/tenants");
	if (phase != NULL)
		ctl_query_add(&path, "phase", phase);
	list.path = td_buf_cstr(&path);
	if (ex == CTL_OK)
		ex = ctl_list_print(c, &list);
	td_buf_done(&path);
	return ex;
}

/* A POST on a tenant, then waiting. */
static enum ctl_exit
change(struct ctl *c, const char *verb)
{
	struct ctl_request req = { .method = "POST" };
	struct ctl_answer a;
	struct td_buf path;
	int64_t wait_ms;
	enum ctl_exit ex = ctl_wait_option(c, &wait_ms);

	tenant_path(&path, c->args.words[0], verb);
	req.path = td_buf_cstr(&path);
	if (ex == CTL_OK)
		ex = ctl_call(c, &req, &a);
	if (ex == CTL_OK)
		ex = finish(c, &a, wait_ms);
	td_buf_done(&path);
	return ex;
}

enum ctl_exit
cmd_tenant_suspend(struct ctl *c)
{
	return change(c, "/suspend");
}

enum ctl_exit
cmd_tenant_resume(struct ctl *c)
{
	return change(c, "/resume");
}

enum ctl_exit
cmd_tenant_undelete(struct ctl *c)
{
	return change(c, "/undelete");
}

enum ctl_exit
cmd_tenant_delete(struct ctl *c)
{
	struct ctl_request req = { .method = "DELETE" };
	struct ctl_answer a;
	struct td_buf path;
	int64_t wait_ms;
	enum ctl_exit ex = ctl_wait_option(c, &wait_ms);

	tenant_path(&path, c->args.words[0], "");
	if (ctl_has(&c->args, "force"))
		ctl_query_add(&path, "force", "true");
	req.path = td_buf_cstr(&path);
	if (ex == CTL_OK)
		ex = ctl_call(c, &req, &a);
	td_buf_done(&path);
	if (ex != CTL_OK)
		return ex;
	if (wait_ms == 0) {
		ex = print_short(c, &a);
		ctl_answer_done(&a);
		return ex;
	}
	ctl_answer_done(&a);
	ex = ctl_wait_tenant(c, c->args.words[0], CTL_GONE, wait_ms, &a);
	if (ex != CTL_OK)
		return ex;
	ctl_answer_done(&a);
	ctl_say(c, "%s: Deleted", c->args.words[0]);
	return ctl_flush(c);
}
