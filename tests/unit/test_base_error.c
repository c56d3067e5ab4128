/* Error codes and reports: base/error.h. */
#include "base/error.h"
#include "check.h"

#include <errno.h>
#include <string.h>

static void
every_code_has_a_complete_row(void **state)
{
	(void)state;
	for (int rc = 0; rc < TD_RC_COUNT; rc++) {
		const struct td_rc_info *info = td_rc_info((enum td_rc)rc);

		assert_non_null(info->name);
		CHECK(info->name, info->http_status >= 200 && info->http_status < 600);
		CHECK(info->name, rc == TD_OK || info->http_status >= 400);
		CHECK(info->name, info->code[0] != '\0');
		CHECK(info->name, info->text[strlen(info->text) - 1] == '.');
		for (int other = 0; other < rc; other++)
			CHECK(info->name,
			      strcmp(info->code, td_rc_info((enum td_rc)other)->code) !=
				      0);
	}
}

static void
retryable_are_those_that_can_pass(void **state)
{
	(void)state;
	assert_true(td_rc_info(TD_STORE_FULL)->retryable);
	assert_int_equal(td_rc_info(TD_STORE_FULL)->http_status, 507);
	assert_string_equal(td_rc_info(TD_APPID_RETIRED)->code, "appid_retired");
	assert_int_equal(td_rc_info(TD_APPID_RETIRED)->http_status, 410);
	assert_false(td_rc_info(TD_APPID_RETIRED)->retryable);
}

static void
an_unknown_code_reads_as_internal(void **state)
{
	(void)state;
	assert_string_equal(td_rc_info((enum td_rc)9999)->name, "INTERNAL");
	assert_string_equal(td_rc_info((enum td_rc) - 1)->name, "INTERNAL");
}

static void
set_replaces_the_whole_report(void **state)
{
	struct td_err err = { .rc = TD_IO, .sys_errno = 5, .upstream_status = 500 };

	(void)state;
	errno = EPIPE;
	assert_int_equal(td_err_set(&err, TD_NOT_FOUND, "bucket %s", "x"), TD_NOT_FOUND);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(err.rc, TD_NOT_FOUND);
	assert_int_equal(err.sys_errno, 0);
	assert_int_equal(err.upstream_status, 0);
	assert_string_equal(err.detail, "bucket x");
}

static void
sys_adds_the_text_of_errno(void **state)
{
	struct td_err err;

	(void)state;
	assert_int_equal(td_err_sys(&err, TD_IO, ENOSPC, "write"), TD_IO);
	assert_int_equal(err.sys_errno, ENOSPC);
	assert_string_equal(err.detail, "write: No space left on device");
	td_err_sys(&err, TD_IO, 123456, "write");
	assert_string_equal(err.detail, "write: errno 123456");
}

static void
prefix_goes_in_front_and_keeps_the_rest(void **state)
{
	struct td_err err;

	(void)state;
	td_err_sys(&err, TD_IO, EACCES, "open");
	assert_int_equal(td_err_prefix(&err, "region %s", "eu"), TD_IO);
	assert_string_equal(err.detail, "region eu: open: Permission denied");
	assert_int_equal(err.sys_errno, EACCES);
	/* An argument may be the old detail itself. */
	td_err_prefix(&err, "%s", err.detail);
	assert_string_equal(
		err.detail,
		"region eu: open: Permission denied: region eu: open: Permission denied");
}

static void
long_text_is_cut_and_ends(void **state)
{
	struct td_err err;
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	td_err_set(&err, TD_IO, "%s", text);
	assert_int_equal(strlen(err.detail), TD_ERR_DETAIL_MAX - 1);
	td_err_prefix(&err, "p");
	assert_int_equal(strlen(err.detail), TD_ERR_DETAIL_MAX - 1);
	assert_memory_equal(err.detail, "p: xxx", 6);
	td_err_sys(&err, TD_IO, EIO, "%s", text);
	assert_int_equal(strlen(err.detail), TD_ERR_DETAIL_MAX - 1);
}

static void
nobody_has_to_want_a_report(void **state)
{
	(void)state;
	assert_int_equal(td_err_set(NULL, TD_IO, "x"), TD_IO);
	assert_int_equal(td_err_sys(NULL, TD_IO, EIO, "x"), TD_IO);
	td_err_prefix(NULL, "x");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_a_complete_row),
		cmocka_unit_test(retryable_are_those_that_can_pass),
		cmocka_unit_test(an_unknown_code_reads_as_internal),
		cmocka_unit_test(set_replaces_the_whole_report),
		cmocka_unit_test(sys_adds_the_text_of_errno),
		cmocka_unit_test(prefix_goes_in_front_and_keeps_the_rest),
		cmocka_unit_test(long_text_is_cut_and_ends),
		cmocka_unit_test(nobody_has_to_want_a_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
