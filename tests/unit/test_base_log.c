/*
 * Logs: base/log.h. stderr is a pipe while a test logs. The journal's library call is
 * replaced at link time, since a journal is rarely there where tests run.
 */
#include "base/log.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char got[20000];
static int saved_stderr, pipe_read;

static void
catch_stderr(void)
{
	int p[2];

	fflush(stderr);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	saved_stderr = dup(STDERR_FILENO);
	dup2(p[1], STDERR_FILENO);
	close(p[1]);
	pipe_read = p[0];
}

static const char *
caught(void)
{
	ssize_t n = read(pipe_read, got, sizeof(got) - 1);

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(pipe_read);
	got[n < 0 ? 0 : n] = '\0';
	return got;
}

/* Everything after "time=... ", which is checked here. */
static const char *
record(void)
{
	const char *text = caught(), *rest = strchr(text, ' ');

	assert_memory_equal(text, "time=20", 7);
	assert_non_null(rest);
	assert_int_equal(rest - text, 29);
	assert_int_equal(rest[-1], 'Z');
	return rest + 1;
}

static void
a_record_is_one_line_of_logfmt(void **state)
{
	struct td_log_ctx ctx = { "api", "abc123", "req-1" };

	(void)state;
	catch_stderr();
	td_log(TD_LOG_INFO, &ctx, "started %d", 7);
	assert_string_equal(record(), "level=info room=api appid=abc123 request_id=req-1 "
				      "msg=\"started 7\"\n");
	catch_stderr();
	td_log(TD_LOG_WARN, NULL, "word");
	assert_string_equal(record(), "level=warning msg=word\n");
}

static void
nobody_can_forge_a_record(void **state)
{
	static const struct row {
		const char *says, *in, *out;
	} rows[] = {
		{ "a line break", "a\nlevel=error", "\"a\\nlevel=error\"" },
		{ "a quote", "a\" msg=\"b", "\"a\\\" msg=\\\"b\"" },
		{ "a backslash", "a\\", "\"a\\\\\"" },
		{ "a terminal sequence", "\x1b[2J", "\"\\x1b[2J\"" },
		{ "a carriage return", "a\rb", "\"a\\x0db\"" },
		{ "an equals sign", "a=b", "\"a=b\"" },
		{ "nothing", "", "\"\"" },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct td_log_ctx ctx = { NULL, row->in, NULL };
		char want[200];

		catch_stderr();
		td_log(TD_LOG_ERR, &ctx, "x");
		snprintf(want, sizeof(want), "level=error appid=%s msg=x\n", row->out);
		CHECK(row->says, strcmp(record(), want) == 0);
	}
}

static void
an_error_brings_code_detail_errno_and_status(void **state)
{
	struct td_err err;

	(void)state;
	td_err_sys(&err, TD_IO, ENOSPC, "write");
	err.upstream_status = 507;
	errno = EPIPE;
	catch_stderr();
	td_log_err(TD_LOG_ERR, NULL, &err, "commit failed");
	assert_int_equal(errno, EPIPE);
	assert_string_equal(record(),
			    "level=error msg=\"commit failed\" code=io_error "
			    "detail=\"write: No space left on device\" errno=28 "
			    "upstream=507\n");
	catch_stderr();
	td_log_err(TD_LOG_ERR, NULL, NULL, "alone");
	assert_string_equal(record(), "level=error msg=alone\n");
}

static void
levels_are_kept(void **state)
{
	enum td_log_level level;

	(void)state;
	assert_false(td_log_enabled(TD_LOG_DEBUG));
	catch_stderr();
	td_log(TD_LOG_DEBUG, NULL, "quiet");
	assert_string_equal(caught(), "");
	assert_true(td_log_level_parse("debug", &level));
	td_log_set_level(level);
	catch_stderr();
	td_log(TD_LOG_DEBUG, NULL, "loud");
	assert_string_equal(record(), "level=debug msg=loud\n");
	td_log_set_level(TD_LOG_ERR);
	assert_false(td_log_enabled(TD_LOG_WARN));
	td_log_set_level(TD_LOG_INFO);
	assert_true(td_log_level_parse("warning", &level));
	assert_int_equal(level, TD_LOG_WARN);
	assert_false(td_log_level_parse("warn", &level));
	assert_false(td_log_level_parse("", &level));
}

static void
too_long_is_cut_in_one_line(void **state)
{
	static char text[20000];
	const char *r;

	(void)state;
	memset(text, '\x01', sizeof(text) - 1);
	catch_stderr();
	td_log(TD_LOG_INFO, NULL, "%s", text);
	r = record();
	assert_true(strlen(r) < 8192);
	assert_int_equal(r[strlen(r) - 1], '\n');
	assert_ptr_equal(strchr(r, '\n'), r + strlen(r) - 1);
	memset(text, 'a', sizeof(text) - 1);
	catch_stderr();
	td_log(TD_LOG_INFO, NULL, "%s", text);
	assert_non_null(strstr(record(), "aaa...\n"));
}

int __wrap_sd_journal_sendv(const struct iovec *iov, int n);

int
__wrap_sd_journal_sendv(const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++)
		printf("%.*s\n", (int)iov[i].iov_len, (const char *)iov[i].iov_base);
	fflush(stdout);
	return 0;
}

/* Runs first: which way records go is found out once per process, so in a child. */
static void
the_journal_gets_fields(void **state)
{
	char text[2000] = "";
	int p[2], status;
	ssize_t n;
	pid_t pid;

	(void)state;
	fflush(stdout);
	assert_int_equal(pipe(p), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct td_log_ctx ctx = { "api", "abc123", NULL };
		struct td_err err;
		struct stat st;
		char stream[64];

		fstat(STDERR_FILENO, &st);
		snprintf(stream, sizeof(stream), "%llu:%llu",
			 (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
		setenv("JOURNAL_STREAM", stream, 1);
		dup2(p[1], STDOUT_FILENO);
		td_err_sys(&err, TD_IO, EIO, "read");
		td_log_err(TD_LOG_WARN, &ctx, &err, "no");
		_exit(0);
	}
	close(p[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	n = read(p[0], text, sizeof(text) - 1);
	close(p[0]);
	assert_true(n > 0);
	assert_string_equal(text, "PRIORITY=4\nTENANTD_ROOM=api\nTENANTD_APPID=abc123\n"
				  "MESSAGE=no: read: Input/output error\n"
				  "TENANTD_CODE=io_error\n"
				  "TENANTD_DETAIL=read: Input/output error\nERRNO=5\n"
				  "SYSLOG_IDENTIFIER=test_base_log\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_journal_gets_fields),
		cmocka_unit_test(a_record_is_one_line_of_logfmt),
		cmocka_unit_test(nobody_can_forge_a_record),
		cmocka_unit_test(an_error_brings_code_detail_errno_and_status),
		cmocka_unit_test(levels_are_kept),
		cmocka_unit_test(too_long_is_cut_in_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
