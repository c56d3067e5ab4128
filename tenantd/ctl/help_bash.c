/*
 * Completion for bash: the tables as two shell functions, and one that looks at the command
 * line. It asks nobody, so that a press on the tab key is neither slow nor a call to tenantd.
 *
 * bash splits at "=" and ":" where COMP_WORDBREAKS has them: "--plan=x" is then three words.
 */
#include "args.h"

#include <string.h>

static const char LOGIC[] =
	"# What is to be completed: sets command, group, words (how many), option, "
	"tail.\n"
	"_tenantctl_scan()\n"
	"{\n"
	"	local i word kind\n"
	"	command='' group='' words=0 option='' tail=''\n"
	"	for ((i = 1; i < COMP_CWORD; i++)); do\n"
	"		word=${COMP_WORDS[i]}\n"
	"		case $word in\n"
	"		--) tail=$((i + 1)) && return ;;\n"
	"		-*)\n"
	"			kind=$(_tenantctl_kind \"$word\")\n"
	"			if [ \"${COMP_WORDS[i + 1]}\" = = ]; then\n"
	"				option=$word && i=$((i + 2))\n"
	"				[ $i -ge $COMP_CWORD ] || option=''\n"
	"			elif [ \"${kind%% *}\" = value ]; then\n"
	"				option=$word && i=$((i + 1))\n"
	"				[ $i -ge $COMP_CWORD ] || option=''\n"
	"			fi\n"
	"			;;\n"
	"		*)\n"
	"			if [ -n \"$command\" ]; then\n"
	"				words=$((words + 1))\n"
	"			elif [ -n \"$group\" ]; then\n"
	"				command=\"$group $word\"\n"
	"			elif [ -n \"$(_tenantctl_words \"$word\")\" ]; then\n"
	"				group=$word\n"
	"			else\n"
	"				command=$word\n"
	"			fi\n"
	"			;;\n"
	"		esac\n"
	"	done\n"
	"}\n"
	"\n"
	"# OPTION: \"flag\", \"optional\" or \"value\", and what can be given.\n"
	"_tenantctl_kind()\n"
	"{\n"
	"	local name kind\n"
	"	while read -r name kind; do\n"
	"		[ \"$name\" != \"$1\" ] || { echo \"$kind\" && return; }\n"
	"	done < <(_tenantctl_options \"$command\")\n"
	"}\n"
	"\n"
	"_tenantctl_files()\n"
	"{\n"
	"	compopt -o filenames 2>/dev/null\n"
	"	mapfile -t COMPREPLY < <(compgen -f -- \"$1\")\n"
	"}\n"
	"\n"
	"_tenantctl()\n"
	"{\n"
	"	local command group words option tail name kind\n"
	"	local word=${COMP_WORDS[COMP_CWORD]} list=''\n"
	"	COMPREPLY=()\n"
	"	_tenantctl_scan\n"
	"	[ \"$word\" != = ] || word=''\n"
	"	if [ -n \"$tail\" ]; then\n"
	"		[ \"$tail\" = \"$COMP_CWORD\" ] || { _tenantctl_files \"$word\" "
	"&& return; }\n"
	"		mapfile -t COMPREPLY < <(compgen -c -- \"$word\")\n"
	"		return\n"
	"	elif [ -n \"$option\" ]; then\n"
	"		list=$(_tenantctl_kind \"$option\")\n"
	"		[[ $list == *' '* ]] && list=${list#* } || list=''\n"
	"	elif [[ $word == -* ]]; then\n"
	"		while read -r name kind; do list+=\" $name\"; done \\\n"
	"			< <(_tenantctl_options \"$command\")\n"
	"	elif [ -n \"$command\" ]; then\n"
	"		list=$(_tenantctl_takes \"$command\")\n"
	"	else\n"
	"		list=$(_tenantctl_words \"$group\")\n"
	"	fi\n"
	"	if [ \"$list\" = FILE ]; then\n"
	"		_tenantctl_files \"$word\"\n"
	"	else\n"
	"		mapfile -t COMPREPLY < <(compgen -W \"$list\" -- \"$word\")\n"
	"	fi\n"
	"}\n"
	"complete -F _tenantctl tenantctl\n";

/* "a|b" as words; FILE as it is; of anything else there is nothing to offer. */
static void
add_choices(struct td_buf *out, const char *value)
{
	if (strcmp(value, "FILE") == 0)
		td_buf_str(out, " FILE");
	if (strchr(value, '|') == NULL)
		return;
	td_buf_char(out, ' ');
	for (; *value != '\0'; value++)
		td_buf_char(out, *value == '|' ? ' ' : *value);
}

static void
add_option(struct td_buf *out, const char *dashes, const char *name,
	   const struct ctl_option *o)
{
	static const char *const kinds[] = {
		[CTL_FLAG] = "flag", [CTL_VALUE] = "value", [CTL_OPTIONAL] = "optional"
	};

	td_buf_fmt(out, "\t\techo '%s%s %s", dashes, name, kinds[o->takes]);
	if (o->value != NULL)
		add_choices(out, o->value);
	td_buf_str(out, "'\n");
}

static void
add_options(struct td_buf *out, const struct ctl_option *o)
{
	for (; o != NULL && o->name != NULL; o++) {
		const char letter[2] = { o->letter, '\0' };

		add_option(out, "--", o->name, o);
		if (o->letter != '\0')
			add_option(out, "-", letter, o);
	}
}

static const char *
group_of(const struct ctl_command *c)
{
	return c->group != NULL ? c->group : "";
}

/* The words that may follow a group; "" is what may come first. */
static void
add_words(struct td_buf *out, const char *group)
{
	const char *last = "";

	td_buf_fmt(out, "\t'%s') echo '", group);
	for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++) {
		const char *word = c->name;

		if (strcmp(group_of(c), group) != 0) {
			if (group[0] != '\0' || strcmp(last, group_of(c)) == 0)
				continue;
			last = word = group_of(c);
		}
		td_buf_fmt(out, "%s ", word);
	}
	td_buf_str(out, "' ;;\n");
}

void
ctl_help_bash(struct td_buf *out)
{
	const char *last = "";

	td_buf_str(out,
		   "# bash completion for tenantctl; `tenantctl --help=bash` made it.\n\n"
		   "# GROUP: the words that follow it.\n"
		   "_tenantctl_words()\n{\n\tcase $1 in\n");
	add_words(out, "");
	for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++) {
		if (strcmp(group_of(c), last) != 0 && c->group != NULL)
			add_words(out, c->group);
		last = group_of(c);
	}
	td_buf_str(out, "\tesac\n}\n\n# COMMAND: what its arguments are.\n"
			"_tenantctl_takes()\n{\n\tcase $1 in\n");
	for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++)
		if (strncmp(c->words, "FILE", 4) == 0)
			td_buf_fmt(out, "\t'%s%s%s') echo FILE ;;\n", group_of(c),
				   c->group != NULL ? " " : "", c->name);
	td_buf_str(out, "\tesac\n}\n\n# COMMAND: its options, one on a line.\n"
			"_tenantctl_options()\n{\n\tcase $1 in\n");
	for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++) {
		if (c->options == NULL)
			continue;
		td_buf_fmt(out, "\t'%s%s%s')\n", group_of(c), c->group != NULL ? " " : "",
			   c->name);
		add_options(out, c->options);
		td_buf_str(out, "\t\t;;\n");
	}
	td_buf_str(out, "\tesac\n");
	add_options(out, ctl_global_options);
	td_buf_str(out, "}\n\n");
	td_buf_str(out, LOGIC);
}
