/*
 * Ending what runs: sessions (with their cursors and transactions) and operations.
 *
 * A change of rights is not applied to work that has begun, so every change that takes
 * rights away is followed by these. Sessions alone are not enough: a client may leave the
 * session id out of a command, and what it started then belongs to no session.
 *
 * Thread rule: any thread.
 */
#pragma once

#include "mongo/users.h"

/*
 * End all sessions, cursors, transactions and running operations that these users of the
 * tenant's database have, and wait until those operations are gone. A user that is not
 * there is TD_OK, its operations are ended all the same.
 * An empty list is TD_INVALID: to the server it would mean everybody's sessions.
 */
enum td_rc mongo_work_end(const struct mongo_op *op, const char *const *users,
			  size_t count, struct td_err *reterr) TD_MUST_CHECK;
