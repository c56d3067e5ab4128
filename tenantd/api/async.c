/*
 * The way out of an API thread and back: engine and store call back on their own threads,
 * the result is copied into the request and the request posted to its owner.
 */
#include "internal.h"

#include <stdio.h>
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

/* Its audit entry, for the same commit. */
static enum td_rc
audit_order(struct req *r, struct engine_op *op, enum api_audit_action action,
	    const char *detail)
{
	struct rec_audit entry;

	audit_fill(r, action, &entry);
	memcpy(entry.appid, r->path.appid, sizeof(entry.appid));
	snprintf(entry.object, sizeof(entry.object), "%s", r->path.name);
	snprintf(entry.detail, sizeof(entry.detail), "%s", detail);
	td_buf_reset(&r->audit);
	rec_audit_encode(&entry, &r->audit);
	op->audit = r->audit.data;
	op->audit_len = r->audit.len;
	return td_buf_rc(&r->audit);
}

void
req_order(struct req *r, struct engine_op *op, enum api_audit_action action,
	  const char *detail, req_done_fn on_done)
{
	struct td_err err = { .rc = TD_OK };
	enum td_rc rc = match_headers(r, op, &err);

	memcpy(op->appid, r->path.appid, sizeof(op->appid));
	memcpy(op->bucket.name, r->path.name, sizeof(op->bucket.name));
	if (rc == TD_OK)
		rc = audit_order(r, op, action, detail);
	if (rc == TD_OK && !begin(r, on_done))
		rc = TD_RATE_LIMITED;
	if (rc == TD_OK)
		engine_op_submit(r->t->api->engine, op, engine_done, r);
	else
		req_problem(r, rc, &err, NULL);
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

void
req_problem_retired(struct req *r)
{
	enum td_rc rc = r->result.rc == TD_PRECONDITION ? TD_APPID_RETIRED : r->result.rc;

	req_problem(r, rc, &r->result.err, NULL);
}
