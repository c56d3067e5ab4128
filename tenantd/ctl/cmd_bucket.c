/*
 * tenantctl bucket ...
 */
#include "internal.h"

#include "base/yaml.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define MAX_PATH 1024
#define DELETE_HOLD_MS 30000 /* how long tenantd waits for the backend by default */

static void
bucket_path(struct td_buf *path, const struct ctl_args *args)
{
	td_buf_init(path, MAX_PATH);
	ctl_path_add(path, "/v1/tenants/", args->words[0]);
	ctl_path_add(path, "/buckets/", args->words[1]);
}

static enum ctl_exit
make_body(const struct ctl_args *args, json_t *body)
{
	const char *mode = ctl_value(args, "mode");
	const char *quota = ctl_value(args, "quota");
	uint64_t bytes = 0;

	if (mode != NULL && json_object_set_new(body, "mode", json_string(mode)) != 0) {
		ctl_complain("--mode: not UTF-8");
		return CTL_USAGE;
	}
	if (quota == NULL)
		return CTL_OK;
	if (!td_yaml_bytes(quota, &bytes) || bytes > INT64_MAX) {
		ctl_complain("--quota %s is no size; 500M, 10Gi and 0 (no limit) are",
			     quota);
		return CTL_USAGE;
	}
	json_object_set_new(body, "quota_bytes", json_integer((json_int_t)bytes));
	return CTL_OK;
}

static enum ctl_exit
say_bucket(struct ctl *c, const char *what)
{
	ctl_say(c, "%s/%s: %s", c->args.words[0], c->args.words[1], what);
	return ctl_flush(c);
}

static enum ctl_exit
put_bucket(struct ctl *c, const struct ctl_request *req, int64_t wait_ms)
{
	struct ctl_answer a;
	enum ctl_exit ex = ctl_call(c, req, &a);

	if (ex != CTL_OK)
		return ex;
	if (wait_ms > 0) {
		ctl_answer_done(&a);
		ex = ctl_wait_bucket(c, req->path, CTL_SETTLED, wait_ms, &a);
	}
	if (ex != CTL_OK)
		return ex;
	if (c->set.output == CTL_JSON && !c->set.quiet)
		ex = ctl_print_body(c, &a);
	else
		ex = say_bucket(c, json_is_true(json_object_get(a.json, "ready"))
					   ? "ready"
					   : "accepted");
	ctl_answer_done(&a);
	return ex;
}

/* enum ctl_exit of a GET; CTL_NOT_FOUND is not told. */
static enum ctl_exit
look(struct ctl *c, const char *path)
{
	struct ctl_request req = { .method = "GET", .path = path };
	struct td_err err;
	struct ctl_answer a;
	enum ctl_exit ex = ctl_send(c, &req, &a, &err);

	if (ex != CTL_OK) {
		ctl_complain("%s", err.detail);
		return ex;
	}
	ex = ctl_exit_of_status(a.http.status);
	if (ex != CTL_OK &&
	    (ex != CTL_NOT_FOUND || strcmp(ctl_text(a.json, "code"), "not_found") != 0))
		ctl_problem(&a);
	ctl_answer_done(&a);
	return ex;
}

/* The API's PUT makes and changes; `create` and `set` are told apart here, so that a
 * mistyped name is not made. */
static enum ctl_exit
create_or_set(struct ctl *c, bool create)
{
	json_t *body = json_object();
	struct ctl_request req = { .method = "PUT", .body = body };
	struct td_buf path;
	int64_t wait_ms;
	enum ctl_exit ex = ctl_wait_option(c, &wait_ms);

	bucket_path(&path, &c->args);
	req.path = td_buf_cstr(&path);
	if (ex == CTL_OK)
		ex = make_body(&c->args, body);
	if (ex == CTL_OK && !create && json_object_size(body) == 0) {
		ctl_complain("nothing to set: give --mode or --quota");
		ex = CTL_USAGE;
	}
	if (ex == CTL_OK && !create) {
		ex = look(c, req.path);
		if (ex == CTL_NOT_FOUND)
			ctl_complain("there is no bucket %s of %s", c->args.words[1],
				     c->args.words[0]);
	}
	if (ex == CTL_OK)
		ex = put_bucket(c, &req, wait_ms);
	td_buf_done(&path);
	json_decref(body);
	return ex;
}

enum ctl_exit
cmd_bucket_create(struct ctl *c)
{
	return create_or_set(c, true);
}

enum ctl_exit
cmd_bucket_set(struct ctl *c)
{
	return create_or_set(c, false);
}

static void
list_row(struct ctl_table *t, const json_t *item)
{
	ctl_table_cell(t, ctl_text(item, "name"));
	ctl_table_cell(t, ctl_text(item, "bucket"));
	ctl_table_cell(t, ctl_text(item, "mode"));
	ctl_table_cell(t, json_integer_value(json_object_get(item, "quota_bytes")) == 0
				  ? ""
				  : ctl_text_size(item, "quota_bytes"));
	ctl_table_cell(t, ctl_text(item, "ready"));
	ctl_table_cell(t, ctl_text(item, "state"));
	ctl_table_cell(t, ctl_text(item, "message"));
}

enum ctl_exit
cmd_bucket_list(struct ctl *c)
{
	static const char *const titles[] = { "BUCKET", "S3 NAME", "MODE",   "QUOTA",
					      "READY",	"STATE",   "MESSAGE" };
	struct ctl_list list = CTL_LIST("buckets", titles, list_row);
	enum ctl_exit ex = ctl_limit_option(c, &list.limit);
	struct td_buf path;

	td_buf_init(&path, MAX_PATH);
	ctl_path_add(&path, "/v1/tenants/", c->args.words[0]);
	td_buf_str(&path, "/buckets");
	list.path = td_buf_cstr(&path);
	if (ex == CTL_OK)
		ex = ctl_list_print(c, &list);
	td_buf_done(&path);
	return ex;
}

/* Without --purge tenantd answers when the backend has looked whether it is empty. */
static enum ctl_exit
delete_once(struct ctl *c, const char *path, bool purge, bool *ret_gone)
{
	struct ctl_request req = { .method = "DELETE",
				   .wait_ms = purge ? 0 : DELETE_HOLD_MS };
	struct ctl_answer a;
	struct td_buf query;
	enum ctl_exit ex;

	td_buf_init(&query, MAX_PATH);
	td_buf_str(&query, path);
	if (purge)
		ctl_query_add(&query, "purge", "true");
	req.path = td_buf_cstr(&query);
	ex = ctl_call(c, &req, &a);
	td_buf_done(&query);
	if (ex != CTL_OK)
		return ex;
	*ret_gone = a.http.status == 204;
	ctl_answer_done(&a);
	return CTL_OK;
}

enum ctl_exit
cmd_bucket_delete(struct ctl *c)
{
	bool gone = false;
	struct ctl_answer a;
	struct td_buf path;
	int64_t wait_ms;
	enum ctl_exit ex = ctl_wait_option(c, &wait_ms);

	bucket_path(&path, &c->args);
	if (ex == CTL_OK)
		ex = delete_once(c, td_buf_cstr(&path), ctl_has(&c->args, "purge"),
				 &gone);
	if (ex == CTL_OK && !gone && wait_ms > 0) {
		ex = ctl_wait_bucket(c, td_buf_cstr(&path), CTL_GONE, wait_ms, &a);
		gone = ex == CTL_OK;
		if (gone)
			ctl_answer_done(&a);
	}
	td_buf_done(&path);
	return ex == CTL_OK ? say_bucket(c, gone ? "deleted" : "being deleted") : ex;
}
