/*
 * The tenant's database itself.
 *
 * Thread rule: any thread.
 */
#pragma once

#include "mongo/users.h"

/* Drop it, for at most the time that is left. One that is not there is TD_OK. TD_TIMEOUT or
 * TD_CONFLICT: somebody's transaction holds it. */
enum td_rc mongo_database_drop(const struct mongo_op *op,
			       struct td_err *reterr) TD_MUST_CHECK;

/* dbStats; one that is not there gives zeros. */
enum td_rc mongo_database_stats(const struct mongo_op *op, struct mongo_usage *ret_usage,
				struct td_err *reterr) TD_MUST_CHECK;
