/*
 * A pool of worker threads with a bounded queue.
 *
 * Thread rule: submit from any thread; jobs run on a pool thread, in no promised order.
 */
#pragma once

#include "error.h"

struct td_pool;

typedef void (*td_job_fn)(void *ctx);

struct td_pool_options {
	const char *name;   /* thread name, at most 10 bytes */
	unsigned threads;   /* 1..256 */
	unsigned queue_max; /* jobs that may wait, 1..1,000,000 */
};

enum td_rc td_pool_new(const struct td_pool_options *opt, struct td_pool **ret_pool,
		       struct td_err *reterr) TD_MUST_CHECK;
/* TD_UNAVAILABLE when the queue is full or the pool is stopping; then fn never runs. */
enum td_rc td_pool_submit(struct td_pool *pool, td_job_fn fn, void *ctx) TD_MUST_CHECK;
/* Runs what is queued, joins all threads, frees. NULL is a no-op. */
void td_pool_free(struct td_pool *pool);
