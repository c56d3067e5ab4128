/*
 * tenantctl token ...: the only command that ever prints a token, once, when it is made.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_PATH 1024

static enum ctl_exit
make_body(const struct ctl_args *args, json_t *body)
{
	static const char *const texts[] = { "role", "appid", "label" };
	const char *ttl = ctl_value(args, "ttl");
	struct td_err err;
	int64_t ms = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *v = ctl_value(args, texts[i]);

		if (v != NULL &&
		    json_object_set_new(body, texts[i], json_string(v)) != 0) {
			ctl_complain("--%s: not UTF-8", texts[i]);
			return CTL_USAGE;
		}
	}
	if (ttl == NULL)
		return CTL_OK;
	if (ctl_duration(ttl, &ms, &err) != TD_OK || ms < 1000) {
		ctl_complain("--ttl %s: expected a time such as 15m, 12h or 30d", ttl);
		return CTL_USAGE;
	}
	json_object_set_new(body, "ttl_seconds", json_integer(ms / 1000));
	return CTL_OK;
}

/* A new file of mode 0400; never over an old one, whose readers would be cut off. */
static enum ctl_exit
open_new(const char *path, int *ret_fd)
{
	struct td_err err;

	*ret_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);
	if (*ret_fd >= 0)
		return CTL_OK;
	td_err_sys(&err, TD_IO, errno, "--to-file %s", path);
	return ctl_fail_usage(&err);
}

/* The file is opened before the token is asked for: a token that cannot be kept would live
 * on unseen. */
static enum ctl_exit
save(const char *path, int fd, const char *token)
{
	size_t len = strlen(token);
	struct td_err err;

	if (write(fd, token, len) == (ssize_t)len && write(fd, "\n", 1) == 1 &&
	    fsync(fd) == 0)
		return CTL_OK;
	td_err_sys(&err, TD_IO, errno, "--to-file %s", path);
	return ctl_fail(&err);
}

/* The token alone on stdout, so that it can be redirected; what it is goes to stderr. */
static enum ctl_exit
print_token(struct ctl *c, const struct ctl_answer *a)
{
	const char *token = json_string_value(json_object_get(a->json, "token"));
	const char *until = ctl_text_time(a->json, "expires_at");

	if (c->set.output == CTL_JSON)
		return ctl_print_body(c, a);
	td_buf_str(&c->out, token);
	td_buf_char(&c->out, '\n');
	if (!c->set.quiet)
		ctl_complain("token %s of role %s, %s%s; it is shown only this once",
			     ctl_text(a->json, "id"), ctl_text(a->json, "role"),
			     until[0] != '\0' ? "valid until " : "never expires", until);
	return ctl_flush(c);
}

/* JSON for machines, without the token, which is in the file. */
static enum ctl_exit
print_saved(struct ctl *c, const struct ctl_answer *a, const char *file)
{
	if (c->set.output == CTL_JSON) {
		json_object_del(a->json, "token");
		return ctl_print_json(c, a->json);
	}
	ctl_say(c, "token %s is in %s", ctl_text(a->json, "id"), file);
	return ctl_flush(c);
}

enum ctl_exit
cmd_token_create(struct ctl *c)
{
	const char *file = ctl_value(&c->args, "to-file");
	json_t *body = json_object();
	struct ctl_request req = { .method = "POST", .path = "/v1/tokens", .body = body };
	enum ctl_exit ex = make_body(&c->args, body);
	const char *token;
	struct ctl_answer a;
	int fd = -1;

	if (ex == CTL_OK && ctl_value(&c->args, "role") == NULL) {
		ctl_complain("--role is missing");
		ex = CTL_USAGE;
	}
	if (ex == CTL_OK && file != NULL)
		ex = open_new(file, &fd);
	if (ex == CTL_OK)
		ex = ctl_call(c, &req, &a);
	json_decref(body);
	if (ex != CTL_OK) {
		if (fd >= 0) {
			close(fd);
			unlink(file);
		}
		return ex;
	}
	token = json_string_value(json_object_get(a.json, "token"));
	if (token == NULL) {
		ctl_complain("the answer has no token");
		ex = CTL_ERROR;
	} else if (file != NULL) {
		ex = save(file, fd, token);
		if (ex == CTL_OK)
			ex = print_saved(c, &a, file);
	} else {
		ex = print_token(c, &a);
	}
	if (fd >= 0)
		close(fd);
	ctl_answer_done(&a);
	return ex;
}

static void
list_row(struct ctl_table *t, const json_t *item)
{
	ctl_table_cell(t, ctl_text(item, "id"));
	ctl_table_cell(t, ctl_text(item, "role"));
	ctl_table_cell(t, ctl_text(item, "appid"));
	ctl_table_cell(t, ctl_text_time(item, "created_at"));
	ctl_table_cell(t, ctl_text_time(item, "expires_at"));
	ctl_table_cell(t, ctl_text(item, "label"));
}

enum ctl_exit
cmd_token_list(struct ctl *c)
{
	static const char *const titles[] = { "ID",	 "ROLE",    "APPID",
					      "CREATED", "EXPIRES", "LABEL" };
	struct ctl_list list = CTL_LIST("tokens", titles, list_row);
	const char *appid = ctl_value(&c->args, "appid");
	enum ctl_exit ex = ctl_limit_option(c, &list.limit);
	struct td_buf path;

	td_buf_init(&path, MAX_PATH);
	td_buf_str(&path, "/v1/tokens");
	if (appid != NULL)
		ctl_query_add(&path, "appid", appid);
	list.path = td_buf_cstr(&path);
	if (ex == CTL_OK)
		ex = ctl_list_print(c, &list);
	td_buf_done(&path);
	return ex;
}

enum ctl_exit
cmd_token_delete(struct ctl *c)
{
	struct ctl_request req = { .method = "DELETE" };
	struct ctl_answer a;
	struct td_buf path;
	enum ctl_exit ex;

	td_buf_init(&path, MAX_PATH);
	ctl_path_add(&path, "/v1/tokens/", c->args.words[0]);
	req.path = td_buf_cstr(&path);
	ex = ctl_call(c, &req, &a);
	td_buf_done(&path);
	if (ex != CTL_OK)
		return ex;
	ctl_answer_done(&a);
	ctl_say(c, "token %s no longer works", c->args.words[0]);
	return ctl_flush(c);
}
