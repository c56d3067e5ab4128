/*
 * Help texts, from the tables of commands and options.
 */
#include "args.h"

#include <string.h>

#define OPTION_COLUMN 28

static void
pad_to(struct td_buf *out, size_t used, size_t column)
{
	if (used + 1 > column) {
		td_buf_char(out, '\n');
		used = 0;
	}
	for (; used < column; used++)
		td_buf_char(out, ' ');
}

/* Text whose lines after the first begin in the same column. */
static void
add_indented(struct td_buf *out, const char *text, size_t column)
{
	for (; *text != '\0'; text++) {
		td_buf_char(out, *text);
		if (*text == '\n' && text[1] != '\0')
			pad_to(out, 0, column);
	}
	td_buf_char(out, '\n');
}

static void
add_options(struct td_buf *out, const char *title, const struct ctl_option *table)
{
	if (table == NULL || table->name == NULL)
		return;
	td_buf_fmt(out, "\n%s:\n", title);
	for (; table->name != NULL; table++) {
		size_t before = out->len;

		if (table->letter != '\0')
			td_buf_fmt(out, "  -%c, --%s", table->letter, table->name);
		else
			td_buf_fmt(out, "  --%s", table->name);
		if (table->takes == CTL_VALUE)
			td_buf_fmt(out, " %s", table->value);
		else if (table->takes == CTL_OPTIONAL)
			td_buf_fmt(out, "[=%s]", table->value);
		pad_to(out, out->len - before, OPTION_COLUMN);
		add_indented(out, table->help, OPTION_COLUMN);
	}
}

static void
add_usage(struct td_buf *out, const struct ctl_command *c)
{
	td_buf_str(out, "usage: tenantctl ");
	if (c->group != NULL)
		td_buf_fmt(out, "%s ", c->group);
	td_buf_str(out, c->name);
	if (c->options != NULL)
		td_buf_str(out, " [OPTION...]");
	if (c->words[0] != '\0')
		td_buf_fmt(out, " %s", c->words);
	if (c->tail == CTL_TAIL)
		td_buf_str(out, " -- COMMAND [ARGUMENT...]");
	td_buf_char(out, '\n');
}

static void
add_command_line(struct td_buf *out, const struct ctl_command *c)
{
	size_t before = out->len;

	td_buf_fmt(out, "  %s%s%s", c->group != NULL ? c->group : "",
		   c->group != NULL ? " " : "", c->name);
	pad_to(out, out->len - before, OPTION_COLUMN - 4);
	td_buf_fmt(out, "%s\n", c->summary);
}

static void
help_list(const char *group, struct td_buf *out)
{
	if (group != NULL)
		td_buf_fmt(out, "usage: tenantctl %s COMMAND ...\n\n", group);
	else
		td_buf_str(out,
			   "usage: tenantctl COMMAND ...\n\n"
			   "The command line of tenantd, which keeps the tenants of a\n"
			   "serverless platform apart.\n\n");
	td_buf_str(out, "Commands:\n");
	for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++)
		if (group == NULL || (c->group != NULL && strcmp(group, c->group) == 0))
			add_command_line(out, c);
	add_options(out, "Options of every command", ctl_global_options);
	td_buf_fmt(out,
		   "\n`tenantctl %s%sCOMMAND --help` shows its arguments and examples; "
		   "exit\nstatuses are in tenantctl(1).\n",
		   group != NULL ? group : "", group != NULL ? " " : "");
}

void
ctl_help(const struct ctl_args *args, struct td_buf *out)
{
	const struct ctl_command *c = args->command;

	if (args->help_as == CTL_HELP_MAN) {
		ctl_help_man(out);
		return;
	}
	if (args->help_as == CTL_HELP_BASH) {
		ctl_help_bash(out);
		return;
	}
	if (c == NULL) {
		help_list(args->group, out);
		return;
	}
	add_usage(out, c);
	td_buf_fmt(out, "\n%s\n", c->help);
	add_options(out, "Options", c->options);
	add_options(out, "Options of every command", ctl_global_options);
	td_buf_str(out, "\nExamples:\n  ");
	add_indented(out, c->examples, 2);
}
