/*
 * One write(2) per line on a file opened with O_APPEND, so that lines of many threads do
 * not mix and no lock is needed.
 */
#include "trace.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

struct trace {
	struct drv_trace hook;
	int fd;
};

static void
on_call(void *ctx, const char *backend, const char *what, int64_t took_us, int status)
{
	const struct trace *t = ctx;
	struct td_buf line;

	td_buf_init(&line, LINE_MAX_BYTES);
	td_buf_str(&line, "{\"backend\":");
	td_buf_json(&line, backend, strlen(backend));
	td_buf_str(&line, ",\"what\":");
	td_buf_json(&line, what, strlen(what));
	td_buf_fmt(&line, ",\"us\":%" PRId64 ",\"status\":%d}\n", took_us, status);
	/* A measurement that loses a line on a full disk is no reason to fail a tenant. */
	if (td_buf_rc(&line) == TD_OK)
		(void)!write(t->fd, line.data, line.len);
	td_buf_done(&line);
}

enum td_rc
trace_open(const char *path, struct trace **ret_trace, struct td_err *reterr)
{
	struct trace *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	t->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (t->fd < 0) {
		enum td_rc rc = td_err_sys(reterr, TD_IO, errno, "cannot open %s", path);
		free(t);
		return rc;
	}
	t->hook = (struct drv_trace){ .ctx = t, .call = on_call };
	*ret_trace = t;
	return TD_OK;
}

void
trace_close(struct trace *t)
{
	if (t == NULL)
		return;
	(void)close(t->fd);
	free(t);
}

const struct drv_trace *
trace_hook(struct trace *t)
{
	return t != NULL ? &t->hook : NULL;
}
