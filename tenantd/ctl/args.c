/*
 * One pass over argv. Until the command is known only global options are; after it, those
 * of the command and the global ones, anywhere, up to "--". getopt_long is not used because
 * its table cannot hold what the help needs, and because it permutes argv and keeps state.
 *
 * A value that begins with "-" must be attached (--label=-x): `--plan --wait` is a forgotten
 * value far more often than a plan of that name.
 */
#include "args.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Where the parser stands. */
struct scan {
	char *const *argv;
	int argc;
	int at;
	struct ctl_args *args;
	struct td_err *err;
};

void
ctl_args_done(struct ctl_args *args)
{
	free(args->given);
	free(args->words);
	memset(args, 0, sizeof(*args));
}

static bool
is_group(const char *word)
{
	for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++)
		if (c->group != NULL && strcmp(c->group, word) == 0)
			return true;
	return false;
}

static const struct ctl_command *
find_command(const char *group, const char *name)
{
	for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++) {
		if ((c->group == NULL) != (group == NULL))
			continue;
		if (group != NULL && strcmp(c->group, group) != 0)
			continue;
		if (strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}

static const struct ctl_option *
find_in(const struct ctl_option *table, const char *name, size_t len, char letter)
{
	for (; table != NULL && table->name != NULL; table++) {
		if (letter != '\0' && table->letter == letter)
			return table;
		if (letter == '\0' && strlen(table->name) == len &&
		    memcmp(table->name, name, len) == 0)
			return table;
	}
	return NULL;
}

static const struct ctl_option *
find_option(const struct ctl_args *args, const char *name, size_t len, char letter)
{
	const struct ctl_option *found = NULL;

	if (args->command != NULL)
		found = find_in(args->command->options, name, len, letter);
	if (found == NULL)
		found = find_in(ctl_global_options, name, len, letter);
	return found;
}

/* Takes the option's value from the word itself or from the next one. */
static enum td_rc
take_value(struct scan *s, const struct ctl_option *o, const char *attached,
	   const char **ret_value)
{
	*ret_value = attached;
	switch (o->takes) {
	case CTL_FLAG:
		if (attached != NULL)
			return td_err_set(s->err, TD_INVALID, "--%s takes no value",
					  o->name);
		return TD_OK;
	case CTL_OPTIONAL:
		break;
	case CTL_VALUE:
		if (attached == NULL && s->at + 1 < s->argc &&
		    s->argv[s->at + 1][0] != '-')
			*ret_value = s->argv[++s->at];
		if (*ret_value == NULL)
			return td_err_set(s->err, TD_INVALID,
					  "--%s needs a value: --%s=%s", o->name, o->name,
					  o->value);
		break;
	}
	if (*ret_value != NULL && (*ret_value)[0] == '\0')
		return td_err_set(s->err, TD_INVALID, "--%s: the value is empty",
				  o->name);
	return TD_OK;
}

/* Those that are about the program itself; false: it is none of them. */
static bool
take_question(struct scan *s, const struct ctl_option *o, const char *value,
	      enum td_rc *ret_rc)
{
	static const char *const as[] = {
		[CTL_HELP_MAN] = "man", [CTL_HELP_BASH] = "bash"
	};

	*ret_rc = TD_OK;
	if (strcmp(o->name, "version") == 0) {
		s->args->version = true;
		return true;
	}
	if (strcmp(o->name, "help") != 0)
		return false;
	s->args->help = true;
	s->args->help_as = CTL_HELP_TEXT;
	for (int i = CTL_HELP_MAN; value != NULL && i <= CTL_HELP_BASH; i++)
		if (strcmp(value, as[i]) == 0)
			s->args->help_as = (enum ctl_help_as)i;
	if (value != NULL && s->args->help_as == CTL_HELP_TEXT)
		*ret_rc = td_err_set(s->err, TD_INVALID, "--help knows %s, not %s",
				     o->value, value);
	return true;
}

static enum td_rc
take_option(struct scan *s)
{
	struct ctl_args *a = s->args;
	const char *word = s->argv[s->at];
	const struct ctl_option *o = NULL;
	const char *attached = NULL;
	const char *value;
	enum td_rc rc;

	if (word[1] == '-') {
		size_t len = strcspn(word + 2, "=");

		attached = word[2 + len] == '=' ? word + 2 + len + 1 : NULL;
		o = find_option(a, word + 2, len, '\0');
	} else if (word[1] != '\0' && word[2] == '\0') {
		o = find_option(a, NULL, 0, word[1]);
	}
	if (o == NULL)
		return td_err_set(
			s->err, TD_INVALID, "unknown option %.*s%s",
			(int)strcspn(word, "="), word,
			a->command == NULL ? " (a command's options come after it)" : "");
	rc = take_value(s, o, attached, &value);
	if (rc != TD_OK)
		return rc;
	if (take_question(s, o, value, &rc))
		return rc;
	if (o->times == CTL_ONCE && ctl_has(a, o->name))
		return td_err_set(s->err, TD_INVALID, "--%s is given twice", o->name);
	a->given[a->given_count++] = (struct ctl_given){ o, value };
	return TD_OK;
}

static enum td_rc
take_word(struct scan *s)
{
	struct ctl_args *a = s->args;
	const char *word = s->argv[s->at];

	if (word[0] == '\0')
		return td_err_set(s->err, TD_INVALID, "an argument is empty");
	if (a->command != NULL) {
		if (a->word_count == a->command->max_words)
			return td_err_set(s->err, TD_INVALID, "unexpected argument %s%s",
					  word,
					  a->command->tail == CTL_TAIL
						  ? " (the command to run comes after --)"
						  : "");
		a->words[a->word_count++] = word;
		return TD_OK;
	}
	a->command = find_command(a->group, word);
	if (a->command != NULL)
		return TD_OK;
	if (a->group == NULL && is_group(word)) {
		a->group = word;
		return TD_OK;
	}
	return td_err_set(s->err, TD_INVALID, "unknown command %s%s%s",
			  a->group != NULL ? a->group : "", a->group != NULL ? " " : "",
			  word);
}

/* Is all there that the command needs? */
static enum td_rc
check_complete(const struct ctl_args *a, struct td_err *err)
{
	if (a->help || a->version)
		return TD_OK;
	if (a->command == NULL)
		return td_err_set(err, TD_INVALID, "%s%sa command is missing",
				  a->group != NULL ? a->group : "",
				  a->group != NULL ? ": " : "");
	if (a->word_count < a->command->min_words)
		return td_err_set(err, TD_INVALID, "an argument is missing: %s",
				  a->command->words);
	if (a->command->tail == CTL_TAIL && (a->tail == NULL || a->tail[0] == NULL))
		return td_err_set(err, TD_INVALID,
				  "the command to run is missing: -- COMMAND");
	return TD_OK;
}

static enum td_rc
scan_all(struct scan *s)
{
	enum td_rc rc = TD_OK;

	for (s->at = 1; s->at < s->argc && rc == TD_OK; s->at++) {
		const char *word = s->argv[s->at];

		if (strcmp(word, "--") == 0) {
			if (s->args->command == NULL ||
			    s->args->command->tail != CTL_TAIL)
				return td_err_set(s->err, TD_INVALID,
						  "unexpected argument --");
			s->args->tail = s->argv + s->at + 1;
			return TD_OK;
		}
		/* "-" alone is a word: a file name that some commands read as stdin. */
		rc = word[0] == '-' && word[1] != '\0' ? take_option(s) : take_word(s);
	}
	return rc;
}

enum td_rc
ctl_parse(int argc, char *const argv[], struct ctl_args *ret, struct td_err *reterr)
{
	struct ctl_args args = { 0 };
	struct scan s = { .argv = argv, .argc = argc, .args = &args, .err = reterr };
	enum td_rc rc;

	args.given = calloc((size_t)argc + 1, sizeof(args.given[0]));
	args.words = calloc((size_t)argc + 1, sizeof(args.words[0]));
	if (args.given == NULL || args.words == NULL)
		rc = td_err_set(reterr, TD_NOMEM, "out of memory");
	else
		rc = scan_all(&s);
	if (rc == TD_OK)
		rc = check_complete(&args, reterr);
	if (rc != TD_OK) {
		ctl_args_done(&args);
		return rc;
	}
	*ret = args;
	return TD_OK;
}

bool
ctl_has(const struct ctl_args *args, const char *name)
{
	for (size_t i = 0; i < args->given_count; i++)
		if (strcmp(args->given[i].option->name, name) == 0)
			return true;
	return false;
}

const char *
ctl_value(const struct ctl_args *args, const char *name)
{
	size_t cursor = 0;

	return ctl_next_value(args, name, &cursor);
}

const char *
ctl_next_value(const struct ctl_args *args, const char *name, size_t *cursor)
{
	while (*cursor < args->given_count) {
		const struct ctl_given *g = &args->given[(*cursor)++];

		if (strcmp(g->option->name, name) == 0)
			return g->value;
	}
	return NULL;
}
