/*
 * The way out of an API thread and back: engine and store call back on their own threads,
 * the result is copied into the request and the request posted to its owner.
 */
#include "internal.h"

#include <string.h>

static void
engine_done(void *ctx, const struct engine_op_result *result)
{
	struct req *r = ctx;

	r->result = *result;
	thread_post(r);
}

static void
store_done(void *ctx, enum td_rc rc, uint64_t version, const struct td_err *err)
{
	struct req *r = ctx;

	memset(&r->result, 0, sizeof(r->result));
	r->result.rc = rc;
	r->result.version = version;
	if (rc != TD_OK && err != NULL)
		r->result.err = *err;
	thread_post(r);
}

static bool
begin(struct req *r, req_done_fn on_done)
{
	if (r->t->ops >= API_MAX_OPS)
		return false;
	r->t->ops++;
	r->op_pending = true;
	r->on_done = on_done;
	return true;
}

enum td_rc
req_engine(struct req *r, const struct engine_op *op, req_done_fn on_done)
{
	if (!begin(r, on_done))
		return TD_RATE_LIMITED;
	engine_op_submit(r->t->api->engine, op, engine_done, r);
	return TD_OK;
}

enum td_rc
req_commit(struct req *r, struct store_commit *c, req_done_fn on_done)
{
	if (!begin(r, on_done)) {
		store_commit_free(c);
		return TD_RATE_LIMITED;
	}
	store_submit(r->t->api->store, c, store_done, r);
	return TD_OK;
}
