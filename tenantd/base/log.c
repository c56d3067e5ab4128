/*
 * A record is put together on the stack and leaves with one system call, so that records
 * of different threads never mix and logging works without memory. Values come from
 * outside: in logfmt they are quoted and control bytes are escaped, so that nobody can
 * write a second record or a terminal sequence into the log.
 */
#include "log.h"

#include "env.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#define MESSAGE_MAX 2048
#define RECORD_MAX 8192

static const struct level {
	const char *name;
	char priority; /* of syslog */
} levels[] = {
	[TD_LOG_ERR] = { "error", '3' },
	[TD_LOG_WARN] = { "warning", '4' },
	[TD_LOG_INFO] = { "info", '6' },
	[TD_LOG_DEBUG] = { "debug", '7' },
};

static atomic_int max_level = TD_LOG_INFO;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool to_journal;

/* systemd names the device and inode of the stream that it connected to stderr: when that
 * is still our stderr, nobody has redirected it since. */
static void
find_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[64];
	struct stat st;

	if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
		return;
	snprintf(ours, sizeof(ours), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	to_journal = strcmp(stream, ours) == 0;
}

void
td_log_set_level(enum td_log_level level)
{
	atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

bool
td_log_enabled(enum td_log_level level)
{
	return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

bool
td_log_level_parse(const char *text, enum td_log_level *ret_level)
{
	for (int i = TD_LOG_ERR; i <= TD_LOG_DEBUG; i++) {
		if (strcmp(text, levels[i].name) == 0) {
			*ret_level = (enum td_log_level)i;
			return true;
		}
	}
	return false;
}

/* Fixed memory; room for the newline is kept back. */
struct line {
	size_t len;
	char text[RECORD_MAX];
};

static void
put(struct line *l, const char *s, size_t len)
{
	size_t room = sizeof(l->text) - 1 - l->len;

	if (len > room)
		len = room;
	memcpy(l->text + l->len, s, len);
	l->len += len;
}

static bool
is_plain(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= ' ' || *s == '"' || *s == '=' || *s == '\\' ||
		    (unsigned char)*s >= 0x7f)
			return false;
	return true;
}

static void
put_value(struct line *l, const char *s)
{
	if (*s != '\0' && is_plain(s)) {
		put(l, s, strlen(s));
		return;
	}
	put(l, "\"", 1);
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		char esc[8];

		if (c == '"' || c == '\\') {
			put(l, "\\", 1);
			put(l, s, 1);
		} else if (c == '\n') {
			put(l, "\\n", 2);
		} else if (c < ' ' || c == 0x7f) {
			put(l, esc, (size_t)snprintf(esc, sizeof(esc), "\\x%02x", c));
		} else {
			put(l, s, 1);
		}
	}
	put(l, "\"", 1);
}

/* A member of a record: its name in logfmt and in the journal. */
struct field {
	const char *logfmt;
	const char *journal;
	const char *value; /* NULL: left out */
};

#define MAX_FIELDS 10

static void
write_logfmt(const struct field *fields, size_t count)
{
	struct line l = { 0 };
	size_t done = 0;
	char now[TD_TIME_TEXT];

	td_time_text(td_now_ms(td_env_system()), now);
	put(&l, "time=", 5);
	put(&l, now, strlen(now));
	for (size_t i = 0; i < count; i++) {
		if (fields[i].logfmt == NULL || fields[i].value == NULL)
			continue;
		put(&l, " ", 1);
		put(&l, fields[i].logfmt, strlen(fields[i].logfmt));
		put(&l, "=", 1);
		put_value(&l, fields[i].value);
	}
	l.text[l.len++] = '\n';
	while (done < l.len) {
		ssize_t n = write(STDERR_FILENO, l.text + done, l.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* nowhere to complain to */
		done += (size_t)n;
	}
}

static void
write_journal(const struct field *fields, size_t count)
{
	char text[MAX_FIELDS][MESSAGE_MAX + 64];
	struct iovec iov[MAX_FIELDS + 1];
	char ident[64];
	int n = 0;

	for (size_t i = 0; i < count; i++) {
		int len;

		if (fields[i].journal == NULL || fields[i].value == NULL)
			continue;
		len = snprintf(text[n], sizeof(text[n]), "%s=%s", fields[i].journal,
			       fields[i].value);
		iov[n].iov_base = text[n];
		iov[n].iov_len = len < 0			 ? 0
				 : (size_t)len < sizeof(text[n]) ? (size_t)len
								 : sizeof(text[n]) - 1;
		n++;
	}
	snprintf(ident, sizeof(ident), "SYSLOG_IDENTIFIER=%s",
		 program_invocation_short_name);
	iov[n].iov_base = ident;
	iov[n].iov_len = strlen(ident);
	sd_journal_sendv(iov, n + 1);
}

static void
emit(enum td_log_level level, const struct td_log_ctx *ctx, const struct td_err *err,
     const char *message)
{
	static const struct td_log_ctx nothing;
	char priority[2] = { levels[level].priority, '\0' };
	char number[2][16];
	const struct td_log_ctx *c = ctx == NULL ? &nothing : ctx;
	struct field fields[MAX_FIELDS] = {
		{ "level", NULL, levels[level].name },
		{ NULL, "PRIORITY", priority },
		{ "room", "TENANTD_ROOM", c->room },
		{ "appid", "TENANTD_APPID", c->appid },
		{ "request_id", "TENANTD_REQUEST_ID", c->request_id },
		{ "msg", "MESSAGE", message },
	};
	size_t n = 6;

	if (err != NULL) {
		fields[n++] = (struct field){ "code", "TENANTD_CODE",
					      td_rc_info(err->rc)->code };
		fields[n++] = (struct field){ "detail", "TENANTD_DETAIL", err->detail };
	}
	if (err != NULL && err->sys_errno != 0) {
		snprintf(number[0], sizeof(number[0]), "%d", err->sys_errno);
		fields[n++] = (struct field){ "errno", "ERRNO", number[0] };
	}
	if (err != NULL && err->upstream_status != 0) {
		snprintf(number[1], sizeof(number[1]), "%d", err->upstream_status);
		fields[n++] = (struct field){ "upstream", "TENANTD_UPSTREAM", number[1] };
	}
	pthread_once(&once, find_journal);
	if (to_journal)
		write_journal(fields, n);
	else
		write_logfmt(fields, n);
}

/* Formats; a message that is too long ends in three dots. */
static void message_fmt(char out[MESSAGE_MAX], const char *fmt, va_list ap)
	TD_PRINTF(2, 0);

static void
message_fmt(char out[MESSAGE_MAX], const char *fmt, va_list ap)
{
	int n = vsnprintf(out, MESSAGE_MAX, fmt, ap);

	if (n < 0)
		memcpy(out, "(unprintable)", sizeof("(unprintable)"));
	else if (n >= MESSAGE_MAX)
		memcpy(out + MESSAGE_MAX - 4, "...", 4);
}

void
td_log(enum td_log_level level, const struct td_log_ctx *ctx, const char *fmt, ...)
{
	int saved = errno;
	char message[MESSAGE_MAX];
	va_list ap;

	if (!td_log_enabled(level))
		return;
	va_start(ap, fmt);
	message_fmt(message, fmt, ap);
	va_end(ap);
	emit(level, ctx, NULL, message);
	errno = saved;
}

void
td_log_err(enum td_log_level level, const struct td_log_ctx *ctx,
	   const struct td_err *err, const char *fmt, ...)
{
	int saved = errno;
	char message[MESSAGE_MAX], full[MESSAGE_MAX + TD_ERR_DETAIL_MAX + 4];
	va_list ap;

	if (!td_log_enabled(level))
		return;
	va_start(ap, fmt);
	message_fmt(message, fmt, ap);
	va_end(ap);
	pthread_once(&once, find_journal);
	/* `journalctl` without options shows the message alone: the reason goes there. */
	if (to_journal && err != NULL && err->detail[0] != '\0') {
		snprintf(full, sizeof(full), "%s: %s", message, err->detail);
		full[MESSAGE_MAX - 1] = '\0';
		emit(level, ctx, err, full);
	} else {
		emit(level, ctx, err, message);
	}
	errno = saved;
}
