/* tenantctl's command line: ctl/args.h, over the real table of commands. */
#include "check.h"
#include "ctl/args.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ARGV 16

/* "a b c" into argv, one blank between words; '_' stands for an empty word. */
static int
split(const char *line, char *copy, char *argv[MAX_ARGV])
{
	int argc = 0;

	memcpy(copy, line, strlen(line) + 1);
	argv[argc++] = copy + strlen(line);
	while (*copy != '\0') {
		size_t len = strcspn(copy, " ");
		bool last = copy[len] == '\0';

		copy[len] = '\0';
		argv[argc++] = copy + (strcmp(copy, "_") == 0);
		copy += last ? len : len + 1;
	}
	argv[argc] = NULL;
	return argc;
}

static enum td_rc
parse(const char *line, struct ctl_args *ret, struct td_err *err, char copy[256])
{
	char *argv[MAX_ARGV];
	char **heap;
	int argc = split(line, copy, argv);
	enum td_rc rc;

	/* Exactly as long as it is, so that a read past its end is seen. */
	heap = malloc(((size_t)argc + 1) * sizeof(heap[0]));
	assert_non_null(heap);
	memcpy(heap, argv, ((size_t)argc + 1) * sizeof(heap[0]));
	rc = ctl_parse(argc, heap, ret, err);
	free(heap);
	return rc;
}

static void
a_good_line_gives_command_words_and_options(void **state)
{
	struct ctl_args a;
	char copy[256];
	size_t at = 0;

	(void)state;
	assert_int_equal(
		parse("-o json tenant create --bucket data abc123 --wait --bucket=web:"
		      "readonly --quiet",
		      &a, NULL, copy),
		TD_OK);
	assert_string_equal(a.command->group, "tenant");
	assert_string_equal(a.command->name, "create");
	assert_int_equal(a.word_count, 1);
	assert_string_equal(a.words[0], "abc123");
	assert_string_equal(ctl_value(&a, "output"), "json");
	assert_true(ctl_has(&a, "wait"));
	assert_null(ctl_value(&a, "wait"));
	assert_true(ctl_has(&a, "quiet"));
	assert_false(ctl_has(&a, "plan"));
	assert_string_equal(ctl_next_value(&a, "bucket", &at), "data");
	assert_string_equal(ctl_next_value(&a, "bucket", &at), "web:readonly");
	assert_null(ctl_next_value(&a, "bucket", &at));
	ctl_args_done(&a);
	ctl_args_done(&a);
}

static void
an_optional_value_is_only_taken_when_attached(void **state)
{
	struct ctl_args a;
	char copy[256];

	(void)state;
	assert_int_equal(parse("tenant suspend --wait=30s abc123", &a, NULL, copy),
			 TD_OK);
	assert_string_equal(ctl_value(&a, "wait"), "30s");
	ctl_args_done(&a);
	assert_int_equal(parse("tenant suspend --wait abc123", &a, NULL, copy), TD_OK);
	assert_null(ctl_value(&a, "wait"));
	assert_string_equal(a.words[0], "abc123");
	ctl_args_done(&a);
}

static void
what_follows_two_dashes_is_left_alone(void **state)
{
	char copy[256];
	char *argv[MAX_ARGV];
	int argc = split("exec --appid abc123 -- sh -c --help", copy, argv);
	struct ctl_args a;

	(void)state;
	assert_int_equal(ctl_parse(argc, argv, &a, NULL), TD_OK);
	assert_false(a.help);
	assert_string_equal(ctl_value(&a, "appid"), "abc123");
	assert_ptr_equal(a.tail, &argv[5]);
	ctl_args_done(&a);
}

static void
a_bad_line_is_refused_and_says_why(void **state)
{
	static const struct {
		const char *line;
		const char *says; /* part of the reason */
	} rows[] = {
		{ "", "a command is missing" },
		{ "tenant", "tenant: a command is missing" },
		{ "tenants", "unknown command tenants" },
		{ "tenant mak", "unknown command tenant mak" },
		{ "create abc123", "unknown command create" },
		{ "tenant create", "an argument is missing: APPID" },
		{ "tenant create abc123 def456", "unexpected argument def456" },
		{ "tenant create _", "an argument is empty" },
		{ "tenant create abc123 --colour", "unknown option --colour" },
		{ "tenant create abc123 --colour=red", "unknown option --colour" },
		{ "tenant create abc123 --waits", "unknown option --waits" },
		{ "tenant create abc123 --wai", "unknown option --wai" },
		{ "tenant create abc123 -x", "unknown option -x" },
		{ "tenant create abc123 -oq json", "unknown option -oq" },
		{ "--plan standard tenant create abc123", "options come after it" },
		{ "tenant create abc123 --plan", "--plan needs a value: --plan=NAME" },
		{ "tenant create abc123 --plan --wait", "--plan needs a value" },
		{ "tenant create abc123 --plan=", "the value is empty" },
		{ "tenant create abc123 --wait=", "the value is empty" },
		{ "tenant delete abc123 --force=yes", "--force takes no value" },
		{ "tenant create abc123 --plan a --plan b", "--plan is given twice" },
		{ "tenant create abc123 --wait --wait=5", "--wait is given twice" },
		{ "tenant delete abc123 -- x", "unexpected argument --" },
		{ "-- tenant list", "unexpected argument --" },
		{ "exec", "the command to run is missing" },
		{ "exec --", "the command to run is missing" },
		{ "exec env", "the command to run comes after --" },
		{ "tenant get abc123 --force", "unknown option --force" },
		{ "--help=html", "--help knows man|bash, not html" },
		{ "--version=2", "--version takes no value" },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct td_err err = { 0 };
		struct ctl_args a;
		char copy[256];

		CHECK(row->line, parse(row->line, &a, &err, copy) == TD_INVALID);
		if (strstr(err.detail, row->says) == NULL)
			fail_msg("%s: says \"%s\", not \"%s\"", row->line, err.detail,
				 row->says);
	}
}

static void
help_is_given_at_every_level(void **state)
{
	static const struct {
		const char *line;
		const char *shows;
		const char * not ; /* NULL: nothing to check */
	} rows[] = {
		{ "--help", "tenant create", NULL },
		{ "-h", "policy check", NULL },
		{ "tenant --help", "tenant suspend", "bucket create" },
		{ "tenant create --help", "--bucket NAME[:MODE[:QUOTA]]", NULL },
		{ "tenant create -h abc123", "Examples:", NULL },
		{ "exec --help", "-- COMMAND [ARGUMENT...]", NULL },
		{ "--help=man", ".Ss tenant create", "usage:" },
		{ "tenant --help=bash", "complete -F _tenantctl tenantctl", "usage:" },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct ctl_args a;
		char copy[256];
		struct td_buf out;

		CHECK(row->line, parse(row->line, &a, NULL, copy) == TD_OK);
		CHECK(row->line, a.help);
		td_buf_init(&out, 100000);
		ctl_help(&a, &out);
		CHECK(row->line, td_buf_rc(&out) == TD_OK);
		CHECK(row->line, strstr(td_buf_cstr(&out), row->shows) != NULL);
		CHECK(row->line,
		      row->not == NULL || strstr(td_buf_cstr(&out), row->not ) == NULL);
		td_buf_done(&out);
		ctl_args_done(&a);
	}
}

static void
the_version_is_given_at_every_level(void **state)
{
	static const char *const lines[] = { "--version", "tenant --version",
					     "tenant create --version" };

	(void)state;
	for (EACH(line, lines)) {
		struct ctl_args a;
		char copy[256];

		CHECK(*line, parse(*line, &a, NULL, copy) == TD_OK);
		CHECK(*line, a.version && !a.help);
		ctl_args_done(&a);
	}
}

static size_t
longest_line(const char *text)
{
	size_t longest = 0;

	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		longest = len > longest ? len : longest;
		text += len + (text[len] == '\n');
	}
	return longest;
}

/* An example that its own command refuses would be worse than none. Shell quoting is cut
 * off: only what stands before the first quote or pipe is parsed. */
static void
check_examples(const struct ctl_command *c)
{
	const char *next = c->examples;

	while (*next != '\0') {
		size_t len = strcspn(next, "\n");
		const char *at = memmem(next, len, "tenantctl ", 10);
		char line[256], copy[256];
		struct td_err err = { 0 };
		struct ctl_args a;
		size_t used;

		CHECK(c->name, at != NULL && len < sizeof(line));
		used = len - (size_t)(at - next) - 10;
		memcpy(line, at + 10, used);
		line[used] = '\0';
		line[strcspn(line, "|&)'\"")] = '\0';
		next += len + (next[len] == '\n');
		if (strstr(line, "--label ") != NULL && line[strlen(line) - 1] == ' ')
			*strstr(line, "--label ") = '\0';
		if (parse(line, &a, &err, copy) != TD_OK)
			fail_msg("example \"%s\": %s", line, err.detail);
		CHECK(line, a.command == c);
		ctl_args_done(&a);
	}
}

static void
the_table_is_complete_and_in_order(void **state)
{
	(void)state;
	for (const struct ctl_command *c = ctl_commands; c->name != NULL; c++) {
		CHECK(c->name, c->run != NULL && c->words != NULL);
		CHECK(c->name, c->summary[0] != '\0' && longest_line(c->summary) <= 52);
		CHECK(c->name, c->help[0] != '\0' && longest_line(c->help) <= 82);
		CHECK(c->name, c->min_words <= c->max_words);
		check_examples(c);
		for (const struct ctl_option *o = c->options;
		     o != NULL && o->name != NULL; o++) {
			CHECK(o->name, (o->takes == CTL_FLAG) == (o->value == NULL));
			CHECK(o->name, longest_line(o->help) <= 60);
			for (const struct ctl_option *g = ctl_global_options;
			     g->name != NULL; g++)
				CHECK(o->name, strcmp(g->name, o->name) != 0);
			for (const struct ctl_option *p = c->options; p < o; p++)
				CHECK(o->name, strcmp(p->name, o->name) != 0);
		}
		for (const struct ctl_command *d = ctl_commands; d < c; d++)
			CHECK(c->name, strcmp(d->name, c->name) != 0 ||
					       (d->group == NULL) != (c->group == NULL) ||
					       strcmp(d->group, c->group) != 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_line_gives_command_words_and_options),
		cmocka_unit_test(an_optional_value_is_only_taken_when_attached),
		cmocka_unit_test(what_follows_two_dashes_is_left_alone),
		cmocka_unit_test(a_bad_line_is_refused_and_says_why),
		cmocka_unit_test(help_is_given_at_every_level),
		cmocka_unit_test(the_version_is_given_at_every_level),
		cmocka_unit_test(the_table_is_complete_and_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
