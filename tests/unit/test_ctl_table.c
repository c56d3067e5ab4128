/* What tenantctl shows to people: ctl/table.h. */
#include "check.h"
#include "ctl/table.h"

#include <string.h>

static void
columns_are_as_wide_as_what_is_in_them(void **state)
{
	static const char *const titles[] = { "APPID", "PHASE", "PLAN" };
	struct ctl_table t;
	struct td_buf out;

	(void)state;
	ctl_table_init(&t, titles, 3);
	td_buf_init(&out, 1000);
	ctl_table_cell(&t, "abc123");
	ctl_table_cell(&t, "Created");
	ctl_table_cell(&t, "standard");
	ctl_table_cell(&t, "x");
	ctl_table_cell(&t, NULL);
	ctl_table_cell(&t, "");
	assert_int_equal(ctl_table_flush(&t, &out), TD_OK);
	assert_string_equal(td_buf_cstr(&out), "APPID   PHASE    PLAN\n"
					       "abc123  Created  standard\n"
					       "x       -        -\n");
	td_buf_done(&out);
	ctl_table_done(&t);
}

static void
a_second_page_has_no_titles_and_keeps_the_widths(void **state)
{
	static const char *const titles[] = { "A", "B" };
	struct ctl_table t;
	struct td_buf out;

	(void)state;
	ctl_table_init(&t, titles, 2);
	td_buf_init(&out, 1000);
	assert_int_equal(ctl_table_flush(&t, &out), TD_OK);
	assert_string_equal(td_buf_cstr(&out), "");
	ctl_table_cell(&t, "wide");
	ctl_table_cell(&t, "1");
	assert_int_equal(ctl_table_flush(&t, &out), TD_OK);
	ctl_table_cell(&t, "n");
	ctl_table_cell(&t, "2");
	assert_int_equal(ctl_table_flush(&t, &out), TD_OK);
	assert_string_equal(td_buf_cstr(&out), "A     B\nwide  1\nn     2\n");
	td_buf_done(&out);
	ctl_table_done(&t);
}

static void
width_is_counted_in_characters(void **state)
{
	static const char *const titles[] = { "L", "R" };
	struct ctl_table t;
	struct td_buf out;

	(void)state;
	ctl_table_init(&t, titles, 2);
	td_buf_init(&out, 1000);
	ctl_table_cell(&t, "\xc3\xa4\xc3\xb6\xc3\xbc");
	ctl_table_cell(&t, "1");
	ctl_table_cell(&t, "abc");
	ctl_table_cell(&t, "2");
	assert_int_equal(ctl_table_flush(&t, &out), TD_OK);
	assert_string_equal(td_buf_cstr(&out),
			    "L    R\n\xc3\xa4\xc3\xb6\xc3\xbc  1\nabc  2\n");
	td_buf_done(&out);
	ctl_table_done(&t);
}

static void
nothing_that_drives_a_terminal_comes_through(void **state)
{
	static const struct {
		const char *says;
		const char *in;
		const char *out;
	} rows[] = {
		{ "plain text stays", "abc 123 ~", "abc 123 ~" },
		{ "an escape sequence", "\x1b[2J", "?[2J" },
		{ "a new line", "a\nb\r", "a?b?" },
		{ "DEL", "a\x7f", "a?" },
		{ "C1 in UTF-8",
		  "\xc2\x9b"
		  "31m",
		  "?31m" },
		{ "C1 as a byte",
		  "\x9b"
		  "31m",
		  "?31m" },
		{ "right-to-left override",
		  "a\xe2\x80\xae"
		  "b",
		  "a?b" },
		{ "isolates", "\xe2\x81\xa6x", "?x" },
		{ "a line separator", "\xe2\x80\xa8", "?" },
		{ "letters of two, three and four bytes stay",
		  "\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82",
		  "\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82" },
		{ "a cut sequence", "\xe2\x82", "??" },
		{ "an overlong one", "\xc0\xaf", "??" },
		{ "an overlong one of three bytes", "\xe0\x80\x9b", "???" },
		{ "a surrogate", "\xed\xa0\x80", "???" },
		{ "past the end of Unicode", "\xf4\x90\x80\x80", "????" },
		{ "a byte that starts nothing", "\xff", "?" },
		{ "empty", "", "" },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct td_buf b;

		td_buf_init(&b, 1000);
		ctl_add_clean(&b, row->in);
		CHECK(row->says, strcmp(td_buf_cstr(&b), row->out) == 0);
		td_buf_done(&b);
	}
}

static void
sizes_read_well(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{ 0, "0 B" },
		{ 1, "1 B" },
		{ 1023, "1023 B" },
		{ 1024, "1 KiB" },
		{ 1536, "1.5 KiB" },
		{ 1025, "1.0 KiB" },
		{ 1073741824, "1 GiB" },
		{ 1073741825, "1.0 GiB" },
		{ 10737418240, "10 GiB" },
		{ UINT64_MAX, "15.9 EiB" },
	};

	(void)state;
	for (EACH(row, rows)) {
		char out[CTL_SIZE_TEXT];

		ctl_size_text(row->bytes, out);
		assert_string_equal(out, row->text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_what_is_in_them),
		cmocka_unit_test(a_second_page_has_no_titles_and_keeps_the_widths),
		cmocka_unit_test(width_is_counted_in_characters),
		cmocka_unit_test(nothing_that_drives_a_terminal_comes_through),
		cmocka_unit_test(sizes_read_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
