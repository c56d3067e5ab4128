/*
 * Tenants. A mutation is handed to the engine and answered when it is durable; with ?wait=
 * the answer is held until the tenant is as desired or the time is up, and then tells the
 * state as it is. No rule about tenants is here: the engine's stepper has them all.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

static void
reply_view(struct req *r, const struct tenant_view *v)
{
	struct td_buf *b = &r->t->scratch;
	char etag[24], location[64];
	struct reply how = { .status = r->ok_status, .etag = etag };

	snprintf(etag, sizeof(etag), "\"%" PRIu64 "\"", v->version);
	snprintf(location, sizeof(location), "/v1/tenants/%s", v->appid);
	if (r->ok_status == MHD_HTTP_CREATED)
		how.location = location;
	td_buf_reset(b);
	api_render_tenant(b, v, API_SHOWN_BUCKETS);
	td_buf_char(b, '\n');
	req_reply(r, &how, b);
}

static enum td_rc
load_view(struct req *r, struct tenant_view *v, struct td_err *reterr)
{
	struct store_read *read = NULL;
	enum td_rc rc = store_read_begin(r->t->api->store, &read, reterr);

	if (rc != TD_OK)
		return rc;
	rc = engine_view_load(r->t->api->engine, read, r->path.appid, "",
			      API_SHOWN_BUCKETS, v, reterr);
	store_read_end(read);
	return rc;
}

/* Answer with the tenant, or wait for it to settle. */
static void
show(struct req *r, enum wake why)
{
	bool wait = r->wait_until != 0 && why != WAKE_TIMEOUT;
	struct tenant_view v;
	struct td_err err;
	enum td_rc rc;

	/* In the table first, then the look: see wait.c. Too many that wait already: answer
	 * what there is, since a mutation is done by now. */
	if (wait)
		wait = wait_begin(r, r->path.appid, woken) == TD_OK;
	rc = load_view(r, &v, &err);
	if (rc == TD_APPID_RETIRED && r->expect_gone) {
		wait_end(r);
		req_reply_empty(r, MHD_HTTP_NO_CONTENT, NULL);
		return;
	}
	if (rc != TD_OK) {
		wait_end(r);
		req_problem(r, rc, &err, NULL);
		return;
	}
	if (!wait || (!r->expect_gone && tenant_settled(&v))) {
		wait_end(r);
		reply_view(r, &v);
	}
	tenant_view_done(&v);
}

static void
op_done(struct req *r)
{
	const struct engine_op_result *res = &r->result;

	if (res->rc == TD_APPID_RETIRED && r->expect_gone) {
		/* Deleting what is deleted is done. */
		req_reply_empty(r, MHD_HTTP_NO_CONTENT, NULL);
		return;
	}
	if (res->rc != TD_OK) {
		req_problem(r, res->rc, &res->err, res->op.code);
		return;
	}
	if (res->op.created)
		r->ok_status = MHD_HTTP_CREATED;
	show(r, WAKE_CHANGED);
}

void
h_tenant_get(struct req *r)
{
	r->ok_status = MHD_HTTP_OK;
	show(r, WAKE_CHANGED);
}

/* What changes, for people who read the audit. */
static void
put_detail(const struct tenant_put *put, char *out, size_t size)
{
	snprintf(out, size, "plan=%s region=%s buckets=%zu%s%s%s",
		 put->plan != NULL ? put->plan : "-",
		 put->region != NULL ? put->region : "-", put->bucket_count,
		 put->has_limits ? " limits" : "", put->has_labels ? " labels" : "",
		 put->has_protection ? " protection" : "");
}

void
h_tenant_put(struct req *r)
{
	struct engine_op op = { .kind = ENGINE_PUT };
	struct td_err err;
	char detail[160];
	enum td_rc rc =
		api_decode_tenant(r->body.data, r->body.len, &r->tenant_body, &err);

	if (rc != TD_OK) {
		req_problem(r, rc, &err, NULL);
		return;
	}
	r->ok_status = MHD_HTTP_OK;
	op.put = r->tenant_body.put;
	put_detail(&op.put, detail, sizeof(detail));
	req_order(r, &op, API_AUDIT_TENANT_PUT, detail, op_done);
}

/* A query parameter that is true, false or not there. */
static enum td_rc
flag_arg(struct req *r, const char *name, bool *ret_flag)
{
	const char *text = args_get(&r->args, name);

	*ret_flag = text != NULL && strcmp(text, "true") == 0;
	if (text == NULL || *ret_flag || strcmp(text, "false") == 0)
		return TD_OK;
	return TD_INVALID;
}

void
h_tenant_delete(struct req *r)
{
	struct engine_op op = { .kind = ENGINE_DELETE };
	struct td_err err;

	if (flag_arg(r, "force", &op.del.force) != TD_OK) {
		td_err_set(&err, TD_INVALID, "force must be true or false");
		req_problem(r, TD_INVALID, &err, NULL);
		return;
	}
	r->ok_status = MHD_HTTP_ACCEPTED;
	r->expect_gone = true;
	req_order(r, &op, API_AUDIT_TENANT_DELETE, op.del.force ? "force" : "", op_done);
}

static void
change_phase(struct req *r, enum engine_op_kind kind, enum api_audit_action action)
{
	struct engine_op op = { .kind = kind };
	struct td_err err;
	enum td_rc rc = api_decode_empty(r->body.data, r->body.len, &err);

	if (rc != TD_OK) {
		req_problem(r, rc, &err, NULL);
		return;
	}
	r->ok_status = MHD_HTTP_OK;
	req_order(r, &op, action, "", op_done);
}

void
h_tenant_suspend(struct req *r)
{
	change_phase(r, ENGINE_SUSPEND, API_AUDIT_TENANT_SUSPEND);
}

void
h_tenant_resume(struct req *r)
{
	change_phase(r, ENGINE_RESUME, API_AUDIT_TENANT_RESUME);
}

void
h_tenant_undelete(struct req *r)
{
	change_phase(r, ENGINE_UNDELETE, API_AUDIT_TENANT_UNDELETE);
}

/* ---- the list ---- */

struct list {
	struct engine *engine;
	struct store_read *read;
	struct td_buf *b;
	unsigned limit, rows, seen;
	int phase; /* -1: any */
	char last[DRV_APPID_SIZE];
	bool more;
};

static enum td_rc
list_row(void *ctx, const void *key, size_t key_len, const struct store_value *value)
{
	static _Thread_local struct rec_tenant rec;
	struct list *l = ctx;
	enum rec_mode mode;
	enum td_rc rc;

	if (l->rows == l->limit || l->seen == API_SCAN_MAX) {
		l->more = true;
		return (enum td_rc)STORE_STOP;
	}
	l->seen++;
	if (key_len >= sizeof(l->last))
		return TD_CORRUPT;
	memcpy(l->last, key, key_len);
	l->last[key_len] = '\0';
	rc = rec_tenant_decode(value->data, value->len, &rec, NULL);
	if (rc != TD_OK)
		return rc;
	if (l->phase >= 0 && rec.phase != (uint8_t)l->phase)
		return TD_OK;
	rc = engine_mode(l->engine, l->read, l->last, rec.region, &mode, NULL);
	if (rc != TD_OK)
		return rc;
	if (l->rows++ > 0)
		td_buf_char(l->b, ',');
	api_render_tenant_row(l->b, l->last, &rec, mode);
	return TD_OK;
}

static enum td_rc
list_args(struct req *r, struct list *l, struct td_err *reterr)
{
	const char *phase = args_get(&r->args, "phase");
	const char *cursor = args_get(&r->args, "cursor");

	l->phase = -1;
	for (int i = REC_CREATING; phase != NULL && i < REC_DELETED; i++)
		if (strcmp(phase, tenant_phase_text((enum rec_phase)i)) == 0)
			l->phase = i;
	if (phase != NULL && l->phase < 0)
		return td_err_set(
			reterr, TD_INVALID,
			"phase must be Creating, Created, Suspended or Deleting");
	if (cursor != NULL && !rec_appid_any_ok(cursor))
		return td_err_set(reterr, TD_INVALID, "cursor is not one of ours");
	return page_limit(r, &l->limit, reterr);
}

void
h_tenant_list(struct req *r)
{
	struct list l = { .engine = r->t->api->engine, .b = &r->t->scratch };
	const char *cursor = args_get(&r->args, "cursor");
	struct store_range range = { 0 };
	struct td_err err = { .rc = TD_OK };
	enum td_rc rc = list_args(r, &l, &err);

	if (rc == TD_OK)
		rc = store_read_begin(r->t->api->store, &l.read, &err);
	if (rc != TD_OK) {
		req_problem(r, rc, &err, NULL);
		return;
	}
	td_buf_reset(l.b);
	td_buf_str(l.b, "{\"tenants\":[");
	if (cursor != NULL) {
		range.after = cursor;
		range.after_len = strlen(cursor);
	}
	rc = store_walk(l.read, STORE_TENANT, &range, list_row, &l, &err);
	store_read_end(l.read);
	if (rc != TD_OK) {
		req_problem(r, rc, &err, NULL);
		return;
	}
	td_buf_str(l.b, "],");
	if (l.more)
		api_json_member(l.b, "next", l.last);
	else
		td_buf_str(l.b, "\"next\":null");
	td_buf_str(l.b, "}\n");
	req_reply(r, &(struct reply){ .status = MHD_HTTP_OK }, l.b);
}
