/*
 * A file with one JSON line per backend request, for measurements (`trace_file`).
 *
 * Thread rule: the hook may be called from many threads.
 */
#pragma once

#include "base/driver.h"

struct trace;

/* Opens for appending, mode 0600. */
enum td_rc trace_open(const char *path, struct trace **ret_trace,
		      struct td_err *reterr) TD_MUST_CHECK;
void trace_close(struct trace *t); /* NULL is ok */
/* The hook for drivers; NULL when t is NULL. Borrowed from t. */
const struct drv_trace *trace_hook(struct trace *t);
