/*
 * tenantctl audit ...
 */
#include "internal.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define MAX_PATH 1024

static void
list_row(struct ctl_table *t, const json_t *item)
{
	ctl_table_cell(t, ctl_text(item, "seq"));
	ctl_table_cell(t, ctl_text_time(item, "time"));
	ctl_table_cell(t, ctl_text(item, "action"));
	ctl_table_cell(t, ctl_text(item, "outcome"));
	ctl_table_cell(t, ctl_text(item, "count"));
	ctl_table_cell(t, ctl_text(item, "appid"));
	ctl_table_cell(t, ctl_text(item, "role"));
	ctl_table_cell(t, ctl_text(item, "address"));
	ctl_table_cell(t, ctl_text(item, "object"));
	ctl_table_cell(t, ctl_text(item, "detail"));
}

enum ctl_exit
cmd_audit_list(struct ctl *c)
{
	static const char *const titles[] = { "SEQ",	"TIME",	 "ACTION", "OUTCOME",
					      "COUNT",	"APPID", "ROLE",   "ADDRESS",
					      "OBJECT", "DETAIL" };
	struct ctl_list list = CTL_LIST("entries", titles, list_row);
	const char *appid = ctl_value(&c->args, "appid");
	const char *after = ctl_value(&c->args, "after");
	enum ctl_exit ex = ctl_limit_option(c, &list.limit);
	struct td_buf path;

	td_buf_init(&path, MAX_PATH);
	td_buf_str(&path, "/v1/audit");
	if (appid != NULL)
		ctl_query_add(&path, "appid", appid);
	list.path = td_buf_cstr(&path);
	list.start = after;
	list.cursor = "after";
	if (ex == CTL_OK)
		ex = ctl_list_print(c, &list);
	td_buf_done(&path);
	return ex;
}
