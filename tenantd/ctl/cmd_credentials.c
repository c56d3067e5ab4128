/*
 * tenantctl credentials, exec. The answer of the API is passed on as it came: here nothing
 * parses a secret that does not have to.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MAX_PATH 1024

extern char **environ;

/* appid: of --appid or the argument; NULL: that of the token. */
static enum ctl_exit
fetch(struct ctl *c, const char *appid, const char *format, struct ctl_answer *ret)
{
	struct ctl_request req = { .method = "GET" };
	struct td_buf path;
	enum ctl_exit ex;

	td_buf_init(&path, MAX_PATH);
	td_buf_str(&path, "/v1/credentials");
	ctl_query_add(&path, "format", format);
	if (appid != NULL)
		ctl_query_add(&path, "appid", appid);
	req.path = td_buf_cstr(&path);
	ex = ctl_call(c, &req, ret);
	td_buf_done(&path);
	return ex;
}

enum ctl_exit
cmd_credentials(struct ctl *c)
{
	const char *appid = ctl_value(&c->args, "appid");
	const char *format = ctl_value(&c->args, "format");
	struct ctl_answer a;
	enum ctl_exit ex;

	if (c->args.word_count > 0) {
		if (appid != NULL) {
			ctl_complain("the appid is given twice");
			return CTL_USAGE;
		}
		appid = c->args.words[0];
	}
	ex = fetch(c, appid, format != NULL ? format : "json", &a);
	if (ex != CTL_OK)
		return ex;
	ex = ctl_print_body(c, &a);
	ctl_answer_done(&a);
	return ex;
}

enum ctl_exit
cmd_exec(struct ctl *c)
{
	char *const *command = c->args.tail;
	char **env = NULL;
	struct td_err err;
	struct ctl_answer a;
	enum td_rc rc;
	enum ctl_exit ex = fetch(c, ctl_value(&c->args, "appid"), "env", &a);

	if (ex != CTL_OK)
		return ex;
	rc = ctl_environ_make(td_buf_cstr(&a.http.body), environ, &env, &err);
	ctl_answer_done(&a);
	if (rc != TD_OK)
		return ctl_fail(&err);
	/* Nothing of ours outlives the exec: no connection, no token. */
	td_http_free(c->http);
	c->http = NULL;
	td_secret_free(c->token);
	c->token = NULL;
	execvpe(command[0], command, env);
	ex = errno == ENOENT ? CTL_NO_COMMAND : CTL_NOT_EXECUTABLE;
	td_err_sys(&err, TD_IO, errno, "%s", command[0]);
	ctl_environ_free(env);
	ctl_complain("%s", err.detail);
	return ex;
}
