/*
 * The names in a folder, in a fixed order.
 *
 * Thread rule: plain values, no shared state.
 */
#pragma once

#include "error.h"

struct td_names {
	char **items; /* owned */
	size_t count;
};

/*
 * Names (not paths) in `dir` that end in `suffix` and do not begin with a dot, sorted by
 * their bytes. TD_IO with errno when the folder cannot be read; TD_NOMEM. *ret_names
 * only on TD_OK; the caller ends it with td_names_done.
 */
enum td_rc td_dir_names(const char *dir, const char *suffix, struct td_names *ret_names,
			struct td_err *reterr) TD_MUST_CHECK;
/* Frees what it holds and zeroes it. Safe on a zeroed struct and twice. */
void td_names_done(struct td_names *names);
