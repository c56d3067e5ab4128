/*
 * One command line from argv to exit status: parse, help or settings, run, tear down.
 */
#include "internal.h"

#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#define MAX_OUTPUT (64U << 20)

/* JSON trees hold what the API answers, a new token for instance. */
static void
wiping_free(void *p)
{
	if (p != NULL)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

static enum ctl_exit
run(struct ctl *c)
{
	struct td_err err;
	enum ctl_exit ex;

	if (c->args.help) {
		ctl_help(&c->args, &c->out);
		return ctl_flush(c);
	}
	if (c->args.version)
		return cmd_version(c);
	if (ctl_settings_read(&c->args, &c->set, &err) != TD_OK)
		return ctl_fail_usage(&err);
	if (c->args.command->local == CTL_LOCAL)
		return c->args.command->run(c);
	if (td_http_global_init(&err) != TD_OK)
		return ctl_fail(&err);
	ex = c->args.command->run(c);
	td_http_free(c->http);
	td_secret_free(c->token);
	td_http_global_done();
	return ex;
}

int
ctl_main(int argc, char *const argv[])
{
	struct ctl c = { .env = td_env_system() };
	struct td_err err;
	enum ctl_exit ex;

	json_set_alloc_funcs(malloc, wiping_free);
	if (ctl_parse(argc, argv, &c.args, &err) != TD_OK) {
		ctl_complain("%s", err.detail);
		ctl_complain("try --help");
		return CTL_USAGE;
	}
	td_buf_init_secret(&c.out, MAX_OUTPUT);
	ex = run(&c);
	td_buf_done(&c.out);
	ctl_args_done(&c.args);
	return (int)ex;
}

enum ctl_exit
cmd_version(struct ctl *c)
{
	if (c->set.output == CTL_JSON)
		td_buf_str(&c->out, "{\"version\":\"" TD_VERSION "\"}\n");
	else
		td_buf_str(&c->out, "tenantctl " TD_VERSION "\n");
	return ctl_flush(c);
}
