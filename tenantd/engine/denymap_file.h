/*
 * Inside the deny map: the file and the signal. Not for other rooms.
 *
 * Thread rule: one thread at a time per file.
 */
#pragma once

#include "base/buf.h"

/* Make the file's content that of `content`. *ret_changed: it was another one, and the new
 * file is in place. TD_IO, TD_NOMEM: the old file is in place, whole; or the new one, but its
 * folder could not be synced (*ret_changed says which). */
enum td_rc denymap_file_write(const char *path, const struct td_buf *content,
			      bool *ret_changed, struct td_err *reterr) TD_MUST_CHECK;
/* SIGHUP to the nginx that the pid file names. TD_NOT_FOUND: it does not run (no file, no
 * such process); TD_INVALID: what the file holds is no pid, or of something else than an
 * nginx, which was not touched; TD_IO; TD_FORBIDDEN: may not signal it. */
enum td_rc denymap_file_signal(const char *pid_file, struct td_err *reterr) TD_MUST_CHECK;
