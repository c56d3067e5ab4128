/*
 * tenantctl status: /readyz in words. tenantd is ready when it can serve credentials and take
 * orders, which needs no backend; what does not work besides makes it degraded.
 */
#include "internal.h"

#include <jansson.h>
#include <string.h>

static enum ctl_exit
print_checks(struct ctl *c, const json_t *checks)
{
	static const char *const titles[] = { "CHECK", "OK", "REQUIRED", "DETAIL" };
	enum ctl_exit ex = CTL_OK;
	struct ctl_table t;

	ctl_table_init(&t, titles, 4);
	for (size_t i = 0; i < json_array_size(checks); i++) {
		const json_t *k = json_array_get(checks, i);

		ctl_table_cell(&t, ctl_text(k, "name"));
		ctl_table_cell(&t, ctl_text(k, "ok"));
		ctl_table_cell(&t, ctl_text(k, "required"));
		ctl_table_cell(&t, ctl_text(k, "detail"));
	}
	if (ctl_table_flush(&t, &c->out) != TD_OK) {
		ctl_complain("no memory for the table");
		ex = CTL_ERROR;
	}
	ctl_table_done(&t);
	return ex;
}

static enum ctl_exit
print(struct ctl *c, const struct ctl_answer *a, const char *state)
{
	enum ctl_exit ex;

	if (c->set.quiet)
		return CTL_OK;
	if (c->set.output == CTL_JSON)
		return ctl_print_body(c, a);
	ctl_say(c, "tenantd at %s%s: %s", c->set.unix_socket[0] != '\0' ? "unix:" : "",
		c->set.unix_socket[0] != '\0' ? c->set.unix_socket : c->set.url, state);
	td_buf_char(&c->out, '\n');
	ex = print_checks(c, json_object_get(a->json, "checks"));
	return ex == CTL_OK ? ctl_flush(c) : ex;
}

enum ctl_exit
cmd_status(struct ctl *c)
{
	struct ctl_request req = { .method = "GET",
				   .path = "/readyz",
				   .token = CTL_WITHOUT_TOKEN };
	bool ready, degraded, bad;
	struct td_err err;
	struct ctl_answer a;
	enum ctl_exit ex = ctl_send(c, &req, &a, &err);

	if (ex != CTL_OK) {
		ctl_complain("%s", err.detail);
		return ex;
	}
	if (!json_is_array(json_object_get(a.json, "checks"))) {
		ex = ctl_problem(&a);
		ctl_answer_done(&a);
		return ex == CTL_OK ? CTL_ERROR : ex;
	}
	ready = json_is_true(json_object_get(a.json, "ready"));
	degraded = json_is_true(json_object_get(a.json, "degraded"));
	bad = !ready || (degraded && ctl_has(&c->args, "strict"));
	ex = print(c, &a,
		   !ready     ? "not ready"
		   : degraded ? "ready, but degraded"
			      : "ready");
	ctl_answer_done(&a);
	return ex == CTL_OK && bad ? CTL_ERROR : ex;
}
