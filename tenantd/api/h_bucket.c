/*
 * Buckets. Deleting one without purge=true is refused by the backend when it holds objects:
 * that is known only when the driver has looked, so the answer waits for the outcome, by
 * default for half a minute.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#define DELETE_WAIT_S 30

static void show(struct req *r, enum wake why);

static void
woken(struct req *r, enum wake why)
{
	struct td_err err;
	enum td_rc rc;

	if (r->t->stopping) {
		req_problem(r, TD_UNAVAILABLE, NULL, NULL);
		return;
	}
	rc = auth_again(r, &err);
	if (rc != TD_OK)
		req_problem(r, rc, &err, NULL);
	else
		show(r, why);
}

/* The tenant and this one bucket. TD_NOT_FOUND: there is no such bucket. */
static enum td_rc
load(struct req *r, struct tenant_view *v, const struct tenant_bucket **ret_bucket,
     struct td_err *reterr)
{
	unsigned char key[STORE_KEY_MAX];
	struct store_read *read = NULL;
	struct tenant_bucket *b = NULL;
	struct store_value value;
	enum td_rc rc = store_read_begin(r->t->api->store, &read, reterr);

	if (rc != TD_OK)
		return rc;
	rc = engine_view_load(r->t->api->engine, read, r->path.appid, "", 0, v, reterr);
	if (rc != TD_OK) {
		store_read_end(read);
		return rc;
	}
	rc = store_get(read, STORE_BUCKET, key,
		       rec_key_bucket(r->path.appid, r->path.name, key), &value, reterr);
	if (rc == TD_OK && value.version == 0)
		rc = td_err_set(reterr, TD_NOT_FOUND, "no such bucket");
	if (rc == TD_OK && (b = tenant_view_add_bucket(v, r->path.name)) == NULL)
		rc = td_err_set(reterr, TD_NOMEM, "bucket");
	if (rc == TD_OK) {
		b->version = value.version;
		rc = rec_bucket_decode(value.data, value.len, &b->rec, reterr);
	}
	store_read_end(read);
	if (rc != TD_OK)
		tenant_view_done(v);
	else
		*ret_bucket = b;
	return rc;
}

static void
reply_bucket(struct req *r, const struct tenant_view *v,
	     const struct tenant_bucket *bucket)
{
	struct td_buf *b = &r->t->scratch;
	char location[128];
	struct reply how = { .status = r->ok_status };

	snprintf(location, sizeof(location), "/v1/tenants/%s/buckets/%s", v->appid,
		 bucket->name);
	if (r->ok_status == MHD_HTTP_CREATED)
		how.location = location;
	td_buf_reset(b);
	api_render_bucket(b, v, bucket);
	td_buf_char(b, '\n');
	req_reply(r, &how, b);
}

enum outcome { OPEN, SETTLED, REFUSED };

static enum outcome
outcome(const struct req *r, const struct tenant_view *v, const struct rec_bucket *rec)
{
	if (r->expect_gone) {
		/* With a grace time to come, that it is closed is all there is to wait for. */
		bool later = rec->remove_due_ms > td_now_ms(r->t->api->env) - v->ahead_ms;

		if (rec->state == REC_BUCKET_REMOVING)
			/* Whoever did not ask to wait need not, where a brake is on. */
			return (later && tenant_bucket_closed(rec)) ||
					       (tenant_bucket_put_off(v, rec) &&
						args_get(&r->args, "wait") == NULL)
				       ? SETTLED
				       : OPEN;
		return tenant_bucket_refused(rec) ? REFUSED : OPEN;
	}
	if (rec->state == REC_BUCKET_FOREIGN)
		return SETTLED;
	return tenant_bucket_ready(v, rec) ? SETTLED : OPEN;
}

static void
show(struct req *r, enum wake why)
{
	bool wait = r->wait_until != 0 && why != WAKE_TIMEOUT;
	const struct tenant_bucket *bucket = NULL;
	struct tenant_view v;
	struct td_err err;
	enum outcome o;
	enum td_rc rc;

	if (wait)
		wait = wait_begin(r, r->path.appid, woken) == TD_OK;
	rc = load(r, &v, &bucket, &err);
	if (rc != TD_OK) {
		wait_end(r);
		if (r->expect_gone && (rc == TD_NOT_FOUND || rc == TD_APPID_RETIRED))
			req_reply_empty(r, MHD_HTTP_NO_CONTENT, NULL);
		else
			req_problem(r, rc, &err, NULL);
		return;
	}
	o = outcome(r, &v, &bucket->rec);
	if (o == REFUSED) {
		wait_end(r);
		req_problem(r, TD_BUCKET_NOT_EMPTY, NULL, NULL);
	} else if (!wait || o == SETTLED) {
		wait_end(r);
		reply_bucket(r, &v, bucket);
	}
	tenant_view_done(&v);
}

static void
op_done(struct req *r)
{
	if (r->result.rc != TD_OK) {
		req_problem(r, r->result.rc, &r->result.err, r->result.op.code);
		return;
	}
	if (r->result.op.created)
		r->ok_status = MHD_HTTP_CREATED;
	show(r, WAKE_CHANGED);
}

void
h_bucket_get(struct req *r)
{
	r->ok_status = MHD_HTTP_OK;
	show(r, WAKE_TIMEOUT);
}

void
h_bucket_put(struct req *r)
{
	struct engine_op op = { .kind = ENGINE_BUCKET_PUT };
	struct td_err err;
	char detail[96];
	enum td_rc rc = api_decode_bucket(r->body.data, r->body.len, &op.bucket, &err);

	if (rc != TD_OK) {
		req_problem(r, rc, &err, NULL);
		return;
	}
	r->ok_status = MHD_HTTP_OK;
	snprintf(detail, sizeof(detail), "mode=%s quota_bytes=%s%llu",
		 op.bucket.has_mode ? tenant_mode_text(op.bucket.mode) : "-",
		 op.bucket.has_quota ? "" : "-",
		 (unsigned long long)op.bucket.quota_bytes);
	req_order(r, &op, API_AUDIT_BUCKET_PUT, detail, op_done);
}

void
h_bucket_delete(struct req *r)
{
	struct engine_op op = { .kind = ENGINE_BUCKET_DELETE };
	const char *purge = args_get(&r->args, "purge");
	struct td_err err;

	if (purge != NULL && strcmp(purge, "true") != 0 && strcmp(purge, "false") != 0) {
		td_err_set(&err, TD_INVALID, "purge must be true or false");
		req_problem(r, TD_INVALID, &err, NULL);
		return;
	}
	op.bucket_del.purge = purge != NULL && purge[0] == 't';
	if (!op.bucket_del.purge && args_get(&r->args, "wait") == NULL)
		wait_set(r, DELETE_WAIT_S);
	r->ok_status = MHD_HTTP_ACCEPTED;
	r->expect_gone = true;
	req_order(r, &op, API_AUDIT_BUCKET_DELETE, op.bucket_del.purge ? "purge" : "",
		  op_done);
}

/* ---- the list ---- */

void
h_bucket_list(struct req *r)
{
	const char *cursor = args_get(&r->args, "cursor");
	struct td_buf *b = &r->t->scratch;
	struct store_read *read = NULL;
	struct td_err err = { .rc = TD_OK };
	struct tenant_view v;
	unsigned limit;
	enum td_rc rc = page_limit(r, &limit, &err);

	if (rc == TD_OK && cursor != NULL && !rec_bucket_name_ok(cursor))
		rc = td_err_set(&err, TD_INVALID, "cursor is not one of ours");
	if (rc == TD_OK)
		rc = store_read_begin(r->t->api->store, &read, &err);
	if (rc == TD_OK) {
		/* One more than asked tells whether there are more. */
		rc = engine_view_load(r->t->api->engine, read, r->path.appid,
				      cursor != NULL ? cursor : "", limit + 1, &v, &err);
		store_read_end(read);
	}
	if (rc != TD_OK) {
		req_problem(r, rc, &err, NULL);
		return;
	}
	td_buf_reset(b);
	td_buf_str(b, "{\"buckets\":[");
	for (size_t i = 0; i < v.bucket_len && i < limit; i++) {
		if (i > 0)
			td_buf_char(b, ',');
		api_render_bucket(b, &v, &v.buckets[i]);
	}
	td_buf_str(b, "],");
	if (v.bucket_len > limit)
		api_json_member(b, "next", v.buckets[limit - 1].name);
	else
		td_buf_str(b, "\"next\":null");
	td_buf_str(b, "}\n");
	tenant_view_done(&v);
	req_reply(r, &(struct reply){ .status = MHD_HTTP_OK }, b);
}
