/*
 * Modes, budgets, approvals and plans: what an operator stops tenantd with, and sees before
 * letting it go on. Modes and approvals are commits with their audit entry, from the part of
 * the store that is kept for a full disk; after each, everybody who waits is looked at.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- scopes ---- */

struct scope {
	unsigned char key[STORE_KEY_MAX];
	size_t len;
	const char *appid; /* NULL: not of a tenant */
};

static enum td_rc
check_tenant(struct req *r, struct store_read *read, struct td_err *reterr)
{
	const char *appid = r->path.appid;
	unsigned char key[STORE_KEY_MAX];
	size_t len = rec_key_appid(appid, key);
	struct store_value tenant = { 0 }, stone = { 0 };
	enum td_rc rc;

	if (!rec_appid_any_ok(appid))
		return td_err_set(reterr, TD_INVALID, "that is not an appid");
	rc = store_get(read, STORE_TENANT, key, len, &tenant, reterr);
	if (rc == TD_OK)
		rc = store_get(read, STORE_TOMBSTONE, key, len, &stone, reterr);
	if (rc == TD_OK && stone.version != 0)
		return td_err_set(reterr, TD_APPID_RETIRED, "%s is retired", appid);
	if (rc == TD_OK && tenant.version == 0)
		return td_err_set(reterr, TD_NOT_FOUND, "no tenant %s", appid);
	return rc;
}

static enum td_rc
resource_key(struct req *r, struct scope *s, struct td_err *reterr)
{
	for (int i = 0; i < DRV_RESOURCE_COUNT; i++)
		if (strcmp(r->path.name, tenant_resource_text((enum drv_resource)i)) ==
		    0) {
			s->len = rec_key_brake_resource(r->path.appid,
							(enum drv_resource)i, s->key);
			return TD_OK;
		}
	return td_err_set(reterr, TD_NOT_FOUND, "a tenant has no such resource");
}

/* Which scope does the path name, and is there such a thing? */
static enum td_rc
find_scope(struct req *r, struct store_read *read, struct scope *s, struct td_err *reterr)
{
	const char *pattern = r->route->pattern;
	enum td_rc rc;

	*s = (struct scope){ .appid = NULL };
	if (strcmp(pattern, "/v1/modes/daemon") == 0) {
		s->len = rec_key_brake(REC_SCOPE_DAEMON, "", s->key);
		return TD_OK;
	}
	if (strcmp(pattern, "/v1/modes/region/{region}") == 0) {
		s->len = rec_key_brake(REC_SCOPE_REGION, r->path.name, s->key);
		if (engine_region_known(r->t->api->engine, r->path.name))
			return TD_OK;
		return td_err_set(reterr, TD_NOT_FOUND, "no region %s", r->path.name);
	}
	rc = check_tenant(r, read, reterr);
	if (rc != TD_OK)
		return rc;
	s->appid = r->path.appid;
	s->len = rec_key_brake(REC_SCOPE_TENANT, s->appid, s->key);
	if (strcmp(pattern, "/v1/modes/tenant/{appid}/{resource}") == 0)
		return resource_key(r, s, reterr);
	return TD_OK;
}

static void
scope_text(const void *key, size_t len, char out[REC_SCOPE_SIZE])
{
	memset(out, 0, REC_SCOPE_SIZE);
	memcpy(out, key, len < REC_SCOPE_SIZE ? len : REC_SCOPE_SIZE - 1);
}

/* ---- one mode ---- */

static void
reply_mode(struct req *r, const char *scope, const struct rec_brake *rec)
{
	struct td_buf *b = &r->t->scratch;

	td_buf_reset(b);
	api_render_mode(b, scope, rec);
	td_buf_char(b, '\n');
	req_reply(r, &(struct reply){ .status = MHD_HTTP_OK }, b);
}

void
h_mode_get(struct req *r)
{
	struct rec_brake rec = { .mode = REC_MANAGE };
	struct store_read *read = NULL;
	char scope[REC_SCOPE_SIZE] = "";
	struct store_value v = { 0 };
	struct td_err err = { .rc = TD_OK };
	struct scope s;
	enum td_rc rc = store_read_begin(r->t->api->store, &read, &err);

	if (rc == TD_OK)
		rc = find_scope(r, read, &s, &err);
	if (rc == TD_OK)
		rc = store_get(read, STORE_BRAKE, s.key, s.len, &v, &err);
	if (rc == TD_OK && v.version != 0)
		rc = rec_brake_decode(v.data, v.len, &rec, &err);
	store_read_end(read);
	if (rc != TD_OK) {
		req_problem(r, rc, &err, NULL);
		return;
	}
	if (tenant_brake_expired(&rec, engine_believed_ms(r->t->api->engine)))
		rec = (struct rec_brake){ .mode = REC_MANAGE };
	scope_text(s.key, s.len, scope);
	reply_mode(r, scope, &rec);
}

static void
mode_set(struct req *r)
{
	if (r->result.rc != TD_OK) {
		req_problem_retired(r);
		return;
	}
	engine_brakes_changed(r->t->api->engine);
	reply_mode(r, r->scope, &r->new_brake);
}

static void
audit_mode(struct req *r, const struct scope *s, struct store_commit *c)
{
	const struct rec_brake *rec = &r->new_brake;
	char until[TD_TIME_TEXT] = "";
	struct rec_audit entry;

	audit_fill(r, API_AUDIT_MODE_SET, &entry);
	if (s->appid != NULL)
		memcpy(entry.appid, s->appid, strlen(s->appid) + 1);
	memcpy(entry.object, r->scope, sizeof(r->scope));
	if (rec->expires_ms != 0)
		td_time_text(rec->expires_ms, until);
	snprintf(entry.detail, sizeof(entry.detail), "%s%s%s%s%s",
		 tenant_brake_text((enum rec_mode)rec->mode),
		 until[0] != '\0' ? " until " : "", until,
		 rec->reason[0] != '\0' ? ": " : "", rec->reason);
	td_buf_reset(&r->audit);
	rec_audit_encode(&entry, &r->audit);
	store_commit_audit(c, r->audit.data, r->audit.len);
}

/* The commit of r->new_brake. */
static enum td_rc
commit_mode(struct req *r, const struct scope *s)
{
	struct store_commit *c = store_commit_new(STORE_RESERVE);
	struct td_buf *b = &r->t->audit_scratch;
	unsigned char key[STORE_KEY_MAX];

	if (c == NULL)
		return TD_NOMEM;
	if (r->new_brake.mode == REC_MANAGE) {
		store_commit_del(c, STORE_BRAKE, s->key, s->len);
	} else {
		td_buf_reset(b);
		rec_brake_encode(&r->new_brake, b);
		store_commit_put(c, STORE_BRAKE, s->key, s->len, b->data, b->len);
	}
	if (s->appid != NULL) {
		/* A deletion that ends meanwhile must not leave a mode behind. */
		store_commit_expect(c, STORE_TOMBSTONE, key, rec_key_appid(s->appid, key),
				    0);
		store_commit_touch(c, s->appid);
	}
	audit_mode(r, s, c);
	return req_commit(r, c, mode_set);
}

static enum td_rc
fill_brake(struct req *r, const struct api_mode_body *body, struct td_err *reterr)
{
	int64_t now = engine_believed_ms(r->t->api->engine);
	struct rec_brake *rec = &r->new_brake;

	*rec = (struct rec_brake){ .mode = (uint8_t)body->mode,
				   .expires_ms = body->expires_ms };
	if (body->mode == REC_MANAGE)
		return TD_OK;
	memcpy(rec->reason, body->reason, sizeof(rec->reason));
	memcpy(rec->set_by, r->token.id, sizeof(rec->set_by));
	rec->since_ms = now;
	if (body->expires_in_s > 0)
		rec->expires_ms = now + body->expires_in_s * 1000;
	if (tenant_brake_expired(rec, now))
		return td_err_set(reterr, TD_INVALID, "\"expires_at\" is over");
	return TD_OK;
}

void
h_mode_put(struct req *r)
{
	struct api_mode_body body;
	struct store_read *read = NULL;
	struct td_err err = { .rc = TD_OK };
	struct scope s;
	enum td_rc rc = api_decode_mode(r->body.data, r->body.len, &body, &err);

	if (rc == TD_OK)
		rc = fill_brake(r, &body, &err);
	if (rc == TD_OK)
		rc = store_read_begin(r->t->api->store, &read, &err);
	if (rc == TD_OK)
		rc = find_scope(r, read, &s, &err);
	store_read_end(read);
	if (rc == TD_OK) {
		scope_text(s.key, s.len, r->scope);
		rc = commit_mode(r, &s);
	}
	if (rc != TD_OK)
		req_problem(r, rc, &err, NULL);
}

/* ---- all modes ---- */

struct list {
	struct td_buf *b;
	unsigned limit, rows;
	int64_t believed_ms;
	char last[REC_SCOPE_SIZE];
	bool more;
};

static enum td_rc
list_row(void *ctx, const void *key, size_t key_len, const struct store_value *value)
{
	struct list *l = ctx;
	struct rec_brake rec;
	enum td_rc rc;

	if (l->rows == l->limit) {
		l->more = true;
		return (enum td_rc)STORE_STOP;
	}
	rc = rec_brake_decode(value->data, value->len, &rec, NULL);
	if (rc != TD_OK || tenant_brake_expired(&rec, l->believed_ms))
		return rc;
	scope_text(key, key_len, l->last);
	if (l->rows++ > 0)
		td_buf_char(l->b, ',');
	api_render_mode(l->b, l->last, &rec);
	return TD_OK;
}

/* The end of a page: `],"next":...}`. */
static void
end_page(struct td_buf *b, bool more, const char *last)
{
	td_buf_str(b, "],");
	if (more)
		api_json_member(b, "next", last);
	else
		td_buf_str(b, "\"next\":null");
	td_buf_str(b, "}\n");
}

void
h_mode_list(struct req *r)
{
	struct list l = { .b = &r->t->scratch,
			  .believed_ms = engine_believed_ms(r->t->api->engine) };
	const char *cursor = args_get(&r->args, "cursor");
	struct store_range range = { .after = cursor };
	struct store_read *read = NULL;
	struct td_err err = { .rc = TD_OK };
	enum td_rc rc = page_limit(r, &l.limit, &err);

	if (rc == TD_OK && cursor != NULL &&
	    (*cursor == '\0' || strlen(cursor) >= REC_SCOPE_SIZE))
		rc = td_err_set(&err, TD_INVALID, "cursor is not one of ours");
	if (rc == TD_OK)
		rc = store_read_begin(r->t->api->store, &read, &err);
	if (rc == TD_OK) {
		range.after_len = cursor != NULL ? strlen(cursor) : 0;
		td_buf_reset(l.b);
		td_buf_str(l.b, "{\"modes\":[");
		rc = store_walk(read, STORE_BRAKE, &range, list_row, &l, &err);
		store_read_end(read);
	}
	if (rc != TD_OK) {
		req_problem(r, rc, &err, NULL);
		return;
	}
	end_page(l.b, l.more, l.last);
	req_reply(r, &(struct reply){ .status = MHD_HTTP_OK }, l.b);
}

/* ---- budgets ---- */

void
h_budget_list(struct req *r)
{
	struct engine_budget_state states[API_MAX_REGIONS];
	struct td_buf *b = &r->t->scratch;
	struct store_read *read = NULL;
	struct td_err err = { .rc = TD_OK };
	size_t n = 0;
	enum td_rc rc = store_read_begin(r->t->api->store, &read, &err);

	if (rc == TD_OK)
		rc = engine_budgets(r->t->api->engine, read, states, API_MAX_REGIONS, &n,
				    &err);
	store_read_end(read);
	if (rc != TD_OK) {
		req_problem(r, rc, &err, NULL);
		return;
	}
	td_buf_reset(b);
	td_buf_str(b, "{\"budgets\":[");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			td_buf_char(b, ',');
		api_render_budget(b, &states[i]);
	}
	td_buf_str(b, "]}\n");
	req_reply(r, &(struct reply){ .status = MHD_HTTP_OK }, b);
}

static void
approved(struct req *r)
{
	struct td_buf *b = &r->t->scratch;

	if (r->result.rc != TD_OK) {
		/* Something was charged at the same moment. */
		req_problem(r,
			    r->result.rc == TD_PRECONDITION ? TD_CONFLICT : r->result.rc,
			    &r->result.err, NULL);
		return;
	}
	engine_brakes_changed(r->t->api->engine);
	td_buf_reset(b);
	api_render_budget(b, &r->new_budget);
	td_buf_char(b, '\n');
	req_reply(r, &(struct reply){ .status = MHD_HTTP_OK }, b);
}

static void
audit_approval(struct req *r, const struct api_approval_body *body,
	       struct store_commit *c)
{
	struct rec_audit entry;

	audit_fill(r, API_AUDIT_APPROVE, &entry);
	snprintf(entry.object, sizeof(entry.object), "region/%s", body->region);
	if (body->count != 0)
		snprintf(entry.detail, sizeof(entry.detail), "count=%" PRIu32 ": %s",
			 body->count, body->reason);
	else
		snprintf(entry.detail, sizeof(entry.detail), "an hour's budget: %s",
			 body->reason);
	td_buf_reset(&r->audit);
	rec_audit_encode(&entry, &r->audit);
	store_commit_audit(c, r->audit.data, r->audit.len);
}

void
h_approve(struct req *r)
{
	struct api_approval_body body;
	struct store_commit *c = NULL;
	struct store_read *read = NULL;
	struct td_err err = { .rc = TD_OK };
	enum td_rc rc = api_decode_approval(r->body.data, r->body.len, &body, &err);

	if (rc == TD_OK)
		rc = store_read_begin(r->t->api->store, &read, &err);
	if (rc == TD_OK && (c = store_commit_new(STORE_RESERVE)) == NULL)
		rc = td_err_set(&err, TD_NOMEM, "commit");
	if (rc == TD_OK)
		rc = engine_approve(r->t->api->engine, read, body.region, body.count, c,
				    &r->new_budget, &err);
	store_read_end(read);
	if (rc != TD_OK) {
		store_commit_free(c);
		req_problem(r, rc, &err, NULL);
		return;
	}
	audit_approval(r, &body, c);
	rc = req_commit(r, c, approved);
	if (rc != TD_OK)
		req_problem(r, rc, NULL, NULL);
}

/* ---- the plan ---- */

/* Each is two steps of the stepper on this thread. */
#define PLAN_PAGE_MAX 100

struct planning {
	struct req *r;
	struct store_read *read;
	struct td_buf *b;
	unsigned limit, rows;
	char last[DRV_APPID_SIZE];
	bool more;
	struct td_err *reterr;
};

static enum td_rc
plan_one(struct planning *p, const char *appid)
{
	struct engine_plan plan;
	enum td_rc rc =
		engine_plan_load(p->r->t->api->engine, p->read, appid, &plan, p->reterr);

	if (rc != TD_OK)
		return rc;
	if (p->rows++ > 0)
		td_buf_char(p->b, ',');
	api_render_plan(p->b, &plan);
	engine_plan_done(&plan);
	return TD_OK;
}

static enum td_rc
plan_row(void *ctx, const void *key, size_t key_len, const struct store_value *value)
{
	struct planning *p = ctx;

	(void)value;
	if (p->rows == p->limit) {
		p->more = true;
		return (enum td_rc)STORE_STOP;
	}
	if (key_len >= sizeof(p->last))
		return TD_CORRUPT;
	memset(p->last, 0, sizeof(p->last));
	memcpy(p->last, key, key_len);
	return plan_one(p, p->last);
}

static enum td_rc
plan(struct planning *p)
{
	const char *appid = args_get(&p->r->args, "appid");
	const char *cursor = args_get(&p->r->args, "cursor");
	struct store_range range = { .after = cursor };

	if ((appid != NULL && !rec_appid_any_ok(appid)) ||
	    (cursor != NULL && !rec_appid_any_ok(cursor)))
		return td_err_set(p->reterr, TD_INVALID, "%s is not an appid",
				  appid != NULL ? "appid" : "cursor");
	if (appid != NULL)
		return plan_one(p, appid);
	range.after_len = cursor != NULL ? strlen(cursor) : 0;
	return store_walk(p->read, STORE_PENDING, &range, plan_row, p, p->reterr);
}

void
h_plan(struct req *r)
{
	struct td_err err = { .rc = TD_OK };
	struct planning p = { .r = r, .b = &r->t->scratch, .reterr = &err };
	enum td_rc rc = page_limit(r, &p.limit, &err);

	if (p.limit > PLAN_PAGE_MAX)
		p.limit = PLAN_PAGE_MAX;
	if (rc == TD_OK)
		rc = store_read_begin(r->t->api->store, &p.read, &err);
	if (rc == TD_OK) {
		td_buf_reset(p.b);
		td_buf_str(p.b, "{\"tenants\":[");
		rc = plan(&p);
		store_read_end(p.read);
	}
	if (rc != TD_OK) {
		req_problem(r, rc, &err, NULL);
		return;
	}
	end_page(p.b, p.more, p.last);
	req_reply(r, &(struct reply){ .status = MHD_HTTP_OK }, p.b);
}
