/*
 * The part of tenantctl(1) that the tables can tell: every command with its options and
 * examples. The rest of the page is docs/man/tenantctl.1.in.
 */
#include "args.h"

#include "base/man.h"

#include <string.h>

static void
add_option(struct td_buf *out, const char *macro, const struct ctl_option *o)
{
	td_buf_fmt(out, ".%s Fl -%s", macro, o->name);
	if (o->takes == CTL_VALUE)
		td_buf_fmt(out, " Ar %s", o->value);
	else if (o->takes == CTL_OPTIONAL)
		td_buf_fmt(out, " Ns Op = Ns Ar %s", o->value);
	td_buf_char(out, '\n');
}

static void
add_synopsis(struct td_buf *out, const struct ctl_command *c)
{
	const char *words = c->words;

	td_buf_fmt(out, ".Nm tenantctl\n.Cm %s%s%s\n", c->group != NULL ? c->group : "",
		   c->group != NULL ? " " : "", c->name);
	for (const struct ctl_option *o = c->options; o != NULL && o->name != NULL; o++)
		add_option(out, "Op", o);
	if (words[0] == '[') /* "[APPID]": the one form that there is */
		td_buf_fmt(out, ".Op Ar %.*s\n", (int)strcspn(words + 1, "]"), words + 1);
	else if (words[0] != '\0')
		td_buf_fmt(out, ".Ar %s\n", words);
	if (c->tail == CTL_TAIL)
		td_buf_str(out, ".Fl -\n.Ar COMMAND Op Ar ARGUMENT ...\n");
}

static void
add_command(struct td_buf *out, const struct ctl_command *c)
{
	td_buf_fmt(out, ".Ss %s%s%s\n", c->group != NULL ? c->group : "",
		   c->group != NULL ? " " : "", c->name);
	add_synopsis(out, c);
	td_buf_str(out, ".Pp\n");
	td_man_text(out, c->help);
	if (c->options != NULL && c->options->name != NULL) {
		td_buf_str(out, ".Bl -tag -width Ds\n");
		for (const struct ctl_option *o = c->options; o->name != NULL; o++) {
			add_option(out, "It", o);
			td_man_text(out, o->help);
			if (o->times == CTL_MANY)
				td_buf_str(out, "(may be given often)\n");
		}
		td_buf_str(out, ".El\n");
	}
	td_man_literal(out, c->examples);
}

void
ctl_help_man(struct td_buf *out)
{
	for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++)
		add_command(out, c);
}
