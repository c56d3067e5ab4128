/* Text into manual pages: base/man.h, and the keys of a schema in one: td_yaml_man. */
#include "base/man.h"
#include "base/yaml.h"

#include "check.h"

#include <string.h>

static void
text_is_never_a_request_or_an_escape(void **state)
{
	static const struct {
		const char *says, *text, *page;
	} rows[] = {
		{ "plain", "a b", "a b\n" },
		{ "a dot at the beginning", ".Sh X", "\\&.Sh X\n" },
		{ "a quote after a line break", "x\n'y", "x\n\\&'y\n" },
		{ "a dot inside", "x .Sh", "x .Sh\n" },
		{ "a backslash", "a\\fBb", "a\\efBb\n" },
		{ "a sentence ends a line", "One. Two? Three", "One.\nTwo?\nThree\n" },
		{ "no sentence: an abbreviation", "e.g. this", "e.g. this\n" },
		{ "an empty line", "a\n\n.b", "a\n.Pp\n\\&.b\n" },
		{ "a dot after the end of a sentence", "One. .Two", "One. .Two\n" },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct td_buf out;

		td_buf_init(&out, 1000);
		td_man_text(&out, row->text);
		CHECK(row->says, strcmp(td_buf_cstr(&out), row->page) == 0);
		td_buf_done(&out);
	}
}

static void
lines_are_shown_as_they_are(void **state)
{
	struct td_buf out;

	(void)state;
	td_buf_init(&out, 1000);
	td_man_literal(&out, ".x --y\n'z\\");
	assert_string_equal(td_buf_cstr(&out), ".Bd -literal -offset indent\n"
					       "\\&.x \\-\\-y\n\\&'z\\e\n.Ed\n");
	td_buf_done(&out);
}

static void
keys_come_with_what_they_take(void **state)
{
	static const struct td_yaml_key inner[] = {
		{ .path = "name", .type = TD_YAML_STRING, .need = TD_YAML_REQUIRED },
	};
	static const struct td_yaml_schema item = { .keys = inner, .count = 1 };
	static const struct td_yaml_key keys[] = {
		{ .path = "a.size",
		  .type = TD_YAML_BYTES,
		  .fallback = "64Mi",
		  .min = 1 << 20,
		  .doc = "How big. Really." },
		{ .path = "list",
		  .type = TD_YAML_LIST,
		  .items = &item,
		  .max = 3,
		  .reload = TD_YAML_RELOAD,
		  .doc = "Several." },
	};
	static const struct td_yaml_schema schema = { .keys = keys, .count = 2 };
	struct td_buf out;

	(void)state;
	td_buf_init(&out, 4000);
	td_yaml_man(&schema, &out);
	assert_string_equal(
		td_buf_cstr(&out),
		".Bl -tag -width Ds\n"
		".It Ic a.size\nHow big.\nReally.\n.br\n"
		"(size from 1Mi; default 64Mi; restart)\n"
		".It Ic list\nSeveral.\n.br\n(list 0..3; SIGHUP)\n"
		".Pp\nEach item has:\n"
		".Bl -tag -width Ds\n.It Ic name\n.br\n(text; required; restart)\n.El\n"
		".El\n");
	td_buf_done(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_never_a_request_or_an_escape),
		cmocka_unit_test(lines_are_shown_as_they_are),
		cmocka_unit_test(keys_come_with_what_they_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
