/*
 * One table gives every code its name, HTTP status, retryable flag, wire code and public
 * text; the enum, this array and the problem documents of the API all come from it.
 * Reports are fixed-size values, so that failing never needs memory.
 */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What stands in for them under the analyzer. */
#undef td_err_set
#undef td_err_sys

static const struct td_rc_info rc_table[TD_RC_COUNT] = {
#define TD_RC_ROW(name, http, retryable, code, text)                                     \
	[TD_##name] = { #name, http, retryable, code, text },
	TD_RC_TABLE(TD_RC_ROW)
#undef TD_RC_ROW
};

const struct td_rc_info *
td_rc_info(enum td_rc rc)
{
	if ((unsigned)rc >= TD_RC_COUNT)
		return &rc_table[TD_INTERNAL];
	return &rc_table[rc];
}

/* Formats into err->detail from offset at; what does not fit is cut. */
static void detail_fmt(struct td_err *err, size_t at, const char *fmt, va_list ap)
	TD_PRINTF(3, 0);

static void
detail_fmt(struct td_err *err, size_t at, const char *fmt, va_list ap)
{
	if (vsnprintf(err->detail + at, sizeof(err->detail) - at, fmt, ap) < 0)
		err->detail[at] = '\0';
}

/* Appends to err->detail. */
static void detail_add(struct td_err *err, const char *fmt, ...) TD_PRINTF(2, 3);

static void
detail_add(struct td_err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	detail_fmt(err, strlen(err->detail), fmt, ap);
	va_end(ap);
}

enum td_rc
td_err_set(struct td_err *err, enum td_rc rc, const char *fmt, ...)
{
	int saved = errno;
	struct td_err fresh = { .rc = rc };
	va_list ap;

	if (err == NULL)
		return rc;
	va_start(ap, fmt);
	/* Into a fresh one first: an argument may point into *err. */
	detail_fmt(&fresh, 0, fmt, ap);
	va_end(ap);
	*err = fresh;
	errno = saved;
	return rc;
}

enum td_rc
td_err_sys(struct td_err *err, enum td_rc rc, int sys_errno, const char *fmt, ...)
{
	int saved = errno;
	struct td_err fresh = { .rc = rc, .sys_errno = sys_errno };
	const char *text = strerrordesc_np(sys_errno);
	va_list ap;

	if (err == NULL)
		return rc;
	va_start(ap, fmt);
	detail_fmt(&fresh, 0, fmt, ap);
	va_end(ap);
	if (text != NULL)
		detail_add(&fresh, ": %s", text);
	else
		detail_add(&fresh, ": errno %d", sys_errno);
	*err = fresh;
	errno = saved;
	return rc;
}

enum td_rc
td_err_prefix(struct td_err *err, const char *fmt, ...)
{
	int saved = errno;
	struct td_err fresh;
	va_list ap;

	if (err == NULL)
		return TD_INTERNAL;
	fresh = *err;
	va_start(ap, fmt);
	detail_fmt(&fresh, 0, fmt, ap);
	va_end(ap);
	detail_add(&fresh, ": %s", err->detail);
	*err = fresh;
	errno = saved;
	return err->rc;
}
