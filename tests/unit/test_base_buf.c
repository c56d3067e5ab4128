/* Buffers and cursors: base/buf.h. */
#include "alloc_fail.h"
#include "base/buf.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

static void
text_ends_in_nul_and_counts_without_it(void **state)
{
	struct td_buf b;

	(void)state;
	td_buf_init(&b, 100);
	assert_string_equal(td_buf_cstr(&b), "");
	td_buf_str(&b, "ab");
	td_buf_char(&b, 'c');
	td_buf_fmt(&b, "%d-%s", 42, "x");
	assert_string_equal(td_buf_cstr(&b), "abc42-x");
	assert_int_equal(b.len, 7);
	assert_int_equal(td_buf_rc(&b), TD_OK);
	td_buf_done(&b);
	td_buf_done(&b);
}

static void
the_ceiling_is_exact_and_sticky(void **state)
{
	struct td_buf b;

	(void)state;
	td_buf_init(&b, 5);
	td_buf_str(&b, "12345");
	assert_int_equal(td_buf_rc(&b), TD_OK);
	td_buf_char(&b, '6');
	assert_int_equal(td_buf_rc(&b), TD_TOO_LARGE);
	td_buf_str(&b, "");
	td_buf_fmt(&b, "%s", "more");
	assert_string_equal(td_buf_cstr(&b), "12345");
	td_buf_reset(&b);
	assert_int_equal(td_buf_rc(&b), TD_OK);
	td_buf_fmt(&b, "%s", "123456");
	assert_int_equal(td_buf_rc(&b), TD_TOO_LARGE);
	assert_int_equal(b.len, 0);
	td_buf_done(&b);
}

static void
it_grows_byte_by_byte_to_a_megabyte(void **state)
{
	struct td_buf b;

	(void)state;
	td_buf_init(&b, 1 << 20);
	for (int i = 0; i < 1 << 20; i++)
		td_buf_char(&b, (char)('a' + i % 26));
	assert_int_equal(td_buf_rc(&b), TD_OK);
	assert_int_equal(b.len, 1 << 20);
	for (int i = 0; i < 1 << 20; i++)
		assert_true(b.data[i] == 'a' + i % 26);
	td_buf_done(&b);
}

static void
a_secret_buffer_is_wiped_when_emptied(void **state)
{
	static const unsigned char zero[300];
	struct td_buf b;

	(void)state;
	td_buf_init_secret(&b, 1000);
	td_buf_str(&b, "hunter2hunter2");
	td_buf_reset(&b);
	assert_true(b.cap >= 14);
	assert_memory_equal(b.data, zero, b.cap < 300 ? b.cap : 300);
	td_buf_done(&b);
}

static void
no_memory_is_reported_once_and_stays(void **state)
{
	bool failed = true;

	(void)state;
	for (long n = 0; failed; n++) {
		struct td_buf b;

		assert_true(n < 20);
		td_buf_init(&b, 10000);
		alloc_fail_at(n);
		for (int i = 0; i < 500; i++)
			td_buf_fmt(&b, "%05d", i);
		failed = alloc_fail_off();
		assert_int_equal(td_buf_rc(&b), failed ? TD_NOMEM : TD_OK);
		assert_int_equal(b.len % 5, 0);
		assert_true(failed || b.len == 2500);
		td_buf_done(&b);
	}
}

static void
json_strings_are_always_valid(void **state)
{
	static const struct row {
		const char *says, *in;
		size_t len;
		const char *out;
	} rows[] = {
		{ "plain text", "abc", 3, "\"abc\"" },
		{ "nothing", "", 0, "\"\"" },
		{ "quotes and backslashes", "a\"b\\c", 5, "\"a\\\"b\\\\c\"" },
		{ "short escapes", "\n\r\t", 3, "\"\\n\\r\\t\"" },
		{ "other control bytes", "\x01\x1f\x7f", 3, "\"\\u0001\\u001f\\u007f\"" },
		{ "a NUL byte", "a\0b", 3, "\"a\\u0000b\"" },
		{ "UTF-8 of 2, 3 and 4 bytes", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9,
		  "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "a lone continuation byte", "a\x80", 2, "\"a\xef\xbf\xbd\"" },
		{ "a sequence that is cut short", "\xe2\x82", 2,
		  "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "overlong slash", "\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "a surrogate", "\xed\xa0\x80", 3,
		  "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "beyond U+10FFFF", "\xf4\x90\x80\x80", 4,
		  "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct td_buf b;

		td_buf_init(&b, 1000);
		td_buf_json(&b, row->in, row->len);
		CHECK(row->says, td_buf_rc(&b) == TD_OK);
		CHECK(row->says, strcmp(td_buf_cstr(&b), row->out) == 0);
		td_buf_done(&b);
	}
}

static void
uris_keep_the_unreserved_set_only(void **state)
{
	static const struct row {
		const char *says, *in;
		enum td_uri_mode mode;
		const char *out;
	} rows[] = {
		{ "RFC 3986 unreserved stays", "AZaz09-._~", TD_URI_COMPONENT,
		  "AZaz09-._~" },
		{ "space is %20 and never plus", "a b+c", TD_URI_COMPONENT, "a%20b%2Bc" },
		{ "a slash is encoded in a component", "a/b", TD_URI_COMPONENT, "a%2Fb" },
		{ "a slash stays in a path", "a/b", TD_URI_PATH, "a/b" },
		{ "hex digits are upper case", "\xc3\xbc", TD_URI_PATH, "%C3%BC" },
		{ "sub-delims are encoded", "!$&'()*,;=:@", TD_URI_PATH,
		  "%21%24%26%27%28%29%2A%2C%3B%3D%3A%40" },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct td_buf b;

		td_buf_init(&b, 1000);
		td_buf_uri(&b, row->in, strlen(row->in), row->mode);
		CHECK(row->says, strcmp(td_buf_cstr(&b), row->out) == 0);
		td_buf_done(&b);
	}
}

static void
hex_is_lower_case(void **state)
{
	struct td_buf b;

	(void)state;
	td_buf_init(&b, 8);
	td_buf_hex(&b, "\x00\xff\xa5\x1e", 4);
	assert_string_equal(td_buf_cstr(&b), "00ffa51e");
	td_buf_hex(&b, "", 0);
	assert_int_equal(td_buf_rc(&b), TD_OK);
	td_buf_hex(&b, "x", 1);
	assert_int_equal(td_buf_rc(&b), TD_TOO_LARGE);
	td_buf_done(&b);
}

static void
records_read_back_as_written(void **state)
{
	static const unsigned char bytes[] = { 1, 0x03, 0x02, 7, 6, 5, 4,   8,	 7,  6,
					       5, 4,	3,    2, 1, 3, 'a', 'b', 'c' };
	struct td_buf b;
	struct td_cur c;
	char text[4];

	(void)state;
	td_buf_init(&b, 100);
	td_buf_u8(&b, 1);
	td_buf_u16(&b, 0x0203);
	td_buf_u32(&b, 0x04050607);
	td_buf_u64(&b, UINT64_C(0x0102030405060708));
	td_buf_str8(&b, "abc");
	assert_int_equal(b.len, sizeof(bytes));
	assert_memory_equal(b.data, bytes, sizeof(bytes));
	c = td_cur_make(b.data, b.len);
	assert_int_equal(td_cur_u8(&c), 1);
	assert_int_equal(td_cur_u16(&c), 0x0203);
	assert_int_equal(td_cur_u32(&c), 0x04050607);
	assert_true(td_cur_u64(&c) == UINT64_C(0x0102030405060708));
	td_cur_str8(&c, text, sizeof(text));
	assert_string_equal(text, "abc");
	assert_true(td_cur_ok(&c));
	assert_int_equal(c.left, 0);
	assert_int_equal(td_cur_u8(&c), 0);
	assert_false(td_cur_ok(&c));
	td_buf_done(&b);
}

static void
a_cursor_never_reads_past_the_end(void **state)
{
	/* On the heap and exact, so that the sanitizer sees one byte too many. */
	unsigned char *p = malloc(3);
	struct td_cur c;

	(void)state;
	assert_non_null(p);
	memset(p, 1, 3);
	c = td_cur_make(p, 3);
	assert_true(td_cur_u64(&c) == 0);
	assert_false(td_cur_ok(&c));
	/* Once bad, always bad: a later read that would fit gives 0 too. */
	assert_int_equal(td_cur_u8(&c), 0);
	assert_null(td_cur_bytes(&c, 1));
	c = td_cur_make(p, 3);
	assert_ptr_equal(td_cur_bytes(&c, 3), p);
	assert_non_null(td_cur_bytes(&c, 0));
	assert_null(td_cur_bytes(&c, SIZE_MAX));
	free(p);
	c = td_cur_make(NULL, 0);
	assert_non_null(td_cur_bytes(&c, 0));
	assert_true(td_cur_ok(&c));
}

static void
short_strings_fit_or_are_bad(void **state)
{
	static const struct row {
		const char *says, *in;
		size_t len;
		const char *out; /* NULL: bad */
	} rows[] = {
		{ "an empty one", "\0", 1, "" },
		{ "one that just fits with its NUL", "\3abc", 4, "abc" },
		{ "one byte too long for the place", "\4abcd", 5, NULL },
		{ "longer than what is left", "\3ab", 3, NULL },
		{ "with a NUL inside", "\2a\0", 3, NULL },
		{ "nothing at all", "", 0, NULL },
	};
	struct td_buf b;
	char long_text[258];

	(void)state;
	for (EACH(row, rows)) {
		char out[4] = "zzz";
		struct td_cur c = td_cur_make(row->in, row->len);

		td_cur_str8(&c, out, sizeof(out));
		CHECK(row->says, td_cur_ok(&c) == (row->out != NULL));
		CHECK(row->says, strcmp(out, row->out == NULL ? "" : row->out) == 0);
	}
	memset(long_text, 'x', 257);
	long_text[256] = '\0';
	td_buf_init(&b, 1000);
	td_buf_str8(&b, long_text + 1);
	assert_int_equal(td_buf_rc(&b), TD_OK);
	assert_int_equal(b.len, 256);
	td_buf_str8(&b, long_text);
	assert_int_equal(td_buf_rc(&b), TD_TOO_LARGE);
	td_buf_done(&b);
}

static void
space_is_for_the_caller_to_fill(void **state)
{
	struct td_buf b;
	char *at;

	(void)state;
	td_buf_init(&b, 8);
	td_buf_str(&b, "ab");
	at = td_buf_space(&b, 3);
	assert_non_null(at);
	memcpy(at, "cde", 3);
	assert_string_equal(td_buf_cstr(&b), "abcde");
	assert_non_null(td_buf_space(&b, 0));
	assert_int_equal(b.len, 5);
	assert_null(td_buf_space(&b, 4));
	assert_int_equal(td_buf_rc(&b), TD_TOO_LARGE);
	td_buf_done(&b);
}

/* Every byte at every place of texts shorter and longer than a word of eight. */
static void
printable_text_is_told_byte_by_byte(void **state)
{
	static const char leasts[] = { ' ', '!' };
	char text[19];

	(void)state;
	assert_true(td_printable("", 0, ' '));
	for (size_t l = 0; l < sizeof(leasts); l++)
		for (size_t at = 0; at < sizeof(text); at++)
			for (int c = 0; c < 256; c++) {
				memset(text, at % 2 == 0 ? '~' : leasts[l], sizeof(text));
				text[at] = (char)c;
				assert_int_equal(
					td_printable(text, sizeof(text), leasts[l]),
					c >= leasts[l] && c <= '~');
			}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_ends_in_nul_and_counts_without_it),
		cmocka_unit_test(the_ceiling_is_exact_and_sticky),
		cmocka_unit_test(it_grows_byte_by_byte_to_a_megabyte),
		cmocka_unit_test(a_secret_buffer_is_wiped_when_emptied),
		cmocka_unit_test(no_memory_is_reported_once_and_stays),
		cmocka_unit_test(json_strings_are_always_valid),
		cmocka_unit_test(uris_keep_the_unreserved_set_only),
		cmocka_unit_test(hex_is_lower_case),
		cmocka_unit_test(records_read_back_as_written),
		cmocka_unit_test(a_cursor_never_reads_past_the_end),
		cmocka_unit_test(short_strings_fit_or_are_bad),
		cmocka_unit_test(space_is_for_the_caller_to_fill),
		cmocka_unit_test(printable_text_is_told_byte_by_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
