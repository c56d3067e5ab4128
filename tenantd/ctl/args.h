/*
 * The command line: tables of options and commands, and the parser over them. The same
 * tables give the help texts, so that help and parser cannot disagree.
 *
 * Thread rule: plain values, no shared state. Every text is borrowed from the tables or
 * from argv.
 */
#pragma once

#include "ctl.h"

#include "base/buf.h"

struct ctl;

enum ctl_takes {
	CTL_FLAG,     /* --force */
	CTL_VALUE,    /* --plan NAME or --plan=NAME */
	CTL_OPTIONAL, /* --wait or --wait=SECONDS */
};
enum ctl_times { CTL_ONCE, CTL_MANY };

struct ctl_option {
	const char *name; /* without "--"; NULL ends a table */
	char letter;	  /* "-o", 0: none */
	enum ctl_takes takes;
	enum ctl_times times;
	/* "NAME", as shown by --help; NULL for a flag. "a|b" are all that can be given, and
	 * FILE is one: completion offers them. */
	const char *value;
	const char *help;
};

#define CTL_ANY_WORDS 1000000

struct ctl_command {
	const char *group; /* "tenant"; NULL: a command of its own */
	const char *name;
	const char *words;  /* "APPID [NAME]", as shown by --help; "" none */
	unsigned min_words; /* before a "--" */
	unsigned max_words;
	enum ctl_tail {
		CTL_NO_TAIL,
		CTL_TAIL /* takes "-- COMMAND [ARGUMENT...]" */
	} tail;
	enum ctl_local {
		CTL_REMOTE,
		CTL_LOCAL /* needs no daemon, no URL and no token */
	} local;
	const struct ctl_option *options; /* NULL: none of its own */
	const char *summary;		  /* a few words, for lists */
	const char *help;		  /* paragraphs; lines of at most 78 columns */
	const char *examples;		  /* lines */
	enum ctl_exit (*run)(struct ctl *c);
};

/* commands.c: ends with a name of NULL; commands of a group stand together. */
extern const struct ctl_command ctl_commands[];
extern const struct ctl_option ctl_global_options[];

struct ctl_given {
	const struct ctl_option *option;
	const char *value; /* NULL: a flag, or an optional value left out */
};

struct ctl_args {
	const struct ctl_command *command; /* NULL: help for all or for `group` */
	const char *group;		   /* help for a group; NULL: all */
	bool help;
	enum ctl_help_as {
		CTL_HELP_TEXT,
		CTL_HELP_MAN, /* COMMANDS of tenantctl(1) */
		CTL_HELP_BASH /* a completion script */
	} help_as;
	bool version;		 /* asks for the version, whatever else is there */
	struct ctl_given *given; /* owned */
	size_t given_count;
	const char **words; /* owned array */
	size_t word_count;
	char *const *tail; /* argv after "--", ends with NULL; NULL: none */
};

/*
 * Reads argv[1..]. TD_INVALID with a sentence for the user: unknown command or option,
 * missing or unwanted value, an option twice, too few or many or empty words; TD_NOMEM.
 * *ret only on TD_OK; end it with ctl_args_done. --help and --version win over missing words.
 */
enum td_rc ctl_parse(int argc, char *const argv[], struct ctl_args *ret,
		     struct td_err *reterr) TD_MUST_CHECK;
void ctl_args_done(struct ctl_args *args);

/* Was --name given? */
bool ctl_has(const struct ctl_args *args, const char *name);
/* Its value; NULL when it was not given or has none. */
const char *ctl_value(const struct ctl_args *args, const char *name);
/* The next value of an option that may be given often, from *cursor (start with 0), in the
 * order of the command line; NULL at the end. */
const char *ctl_next_value(const struct ctl_args *args, const char *name, size_t *cursor);

/* What --help prints for it: all commands, a group, or one command. */
void ctl_help(const struct ctl_args *args, struct td_buf *out);
/* help_man.c: all commands, options and examples in mdoc(7). */
void ctl_help_man(struct td_buf *out);
/* help_bash.c: a script that makes bash complete all commands and options. */
void ctl_help_bash(struct td_buf *out);
