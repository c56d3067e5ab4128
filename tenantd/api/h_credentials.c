/*
 * GET /v1/credentials: the hot path. It reads the token's record and the tenant's one
 * credential record, opens it, renders it and records the read, and asks no backend: pods
 * start while MinIO and MongoDB are down.
 *
 * Nothing goes out before its audit entry is in the spool (or, if configured, durable in
 * the store). A poll that finds nothing new is counted, not recorded.
 */
#include "internal.h"

#include <string.h>

static void serve(struct req *r);

/* What the look into the store found; the rest of the state is in r and t->cred. */
struct look {
	struct rec_cred_head head;
	uint64_t version;
	const struct sites *sites;
	const struct api_site *site;
	char etag[API_ETAG_SIZE];
};

/* Why is there no document? */
static enum td_rc
why_none(struct store_read *read, const char *appid, struct td_err *reterr)
{
	unsigned char key[STORE_KEY_MAX];
	size_t len = rec_key_appid(appid, key);
	struct store_value v;
	static _Thread_local struct rec_tenant rec;
	enum td_rc rc = store_get(read, STORE_TENANT, key, len, &v, reterr);

	if (rc != TD_OK)
		return rc;
	if (v.version != 0) {
		rc = rec_tenant_decode(v.data, v.len, &rec, reterr);
		if (rc != TD_OK)
			return rc;
		return rec.phase == REC_DELETING || rec.phase == REC_SUSPENDED
			       ? TD_TENANT_SUSPENDED
			       : TD_NOT_READY;
	}
	rc = store_get(read, STORE_TOMBSTONE, key, len, &v, reterr);
	if (rc != TD_OK)
		return rc;
	return v.version != 0 ? TD_APPID_RETIRED : TD_NOT_FOUND;
}

/* doc NULL: the head alone. */
static enum td_rc
look_at(struct req *r, struct rec_cred *doc, struct look *l, struct td_err *reterr)
{
	struct api *api = r->t->api;
	struct store_read *read = NULL;
	enum td_rc rc = store_read_begin(api->store, &read, reterr);

	if (rc != TD_OK)
		return rc;
	rc = seal_cred_get(api->seal, read, r->wait_appid, &l->head, doc, &l->version,
			   reterr);
	if (rc == TD_NOT_FOUND)
		rc = why_none(read, r->wait_appid, reterr);
	else if (rc == TD_OK && l->head.state == REC_CRED_SUSPENDED)
		rc = TD_TENANT_SUSPENDED;
	store_read_end(read);
	if (rc != TD_OK)
		return rc;
	l->sites = api_sites(api);
	l->site = api_site_find(l->sites, l->head.region);
	if (l->site == NULL)
		return td_err_set(reterr, TD_UNAVAILABLE, "region %s is not configured",
				  l->head.region);
	api_cred_etag(l->etag, r->format, l->head.serial, l->version, l->site);
	return TD_OK;
}

static enum td_rc
encode_entry(struct req *r)
{
	static const char *const names[API_FORMAT_COUNT] = { "json", "env", "aws",
							     "credential-process" };
	struct td_buf *b = &r->t->audit_scratch;
	struct rec_audit entry;

	audit_fill(r, API_AUDIT_CREDENTIALS_READ, &entry);
	memcpy(entry.appid, r->wait_appid, sizeof(entry.appid));
	memcpy(entry.object, names[r->format], strlen(names[r->format]));
	td_buf_reset(b);
	rec_audit_encode(&entry, b);
	return td_buf_rc(b);
}

static void
recorded(struct req *r)
{
	if (r->result.rc != TD_OK) {
		metrics_add(&r->t->metrics.audit_refused, 1);
		req_problem(r, r->result.rc, &r->result.err, NULL);
		return;
	}
	r->recorded = true;
	serve(r);
}

/* TD_OK: the entry is safe. TD_NOT_READY: it will be, and recorded() goes on. */
static enum td_rc
record(struct req *r, struct td_err *reterr)
{
	struct td_buf *b = &r->t->audit_scratch;
	struct store_commit *c;
	enum td_rc rc;

	if (r->recorded)
		return TD_OK;
	rc = encode_entry(r);
	if (rc != TD_OK)
		return td_err_set(reterr, rc, "audit entry");
	if (r->t->api->audit_reads == API_AUDIT_SPOOL) {
		rc = spool_append(r->t->spool, b->data, b->len);
		if (rc != TD_OK) {
			metrics_add(&r->t->metrics.audit_refused, 1);
			return td_err_set(reterr, TD_UNAVAILABLE,
					  "the audit spool is full");
		}
		return TD_OK;
	}
	c = store_commit_new(STORE_RESERVE);
	if (c == NULL)
		return td_err_set(reterr, TD_NOMEM, "audit entry");
	store_commit_audit(c, b->data, b->len);
	rc = req_commit(r, c, recorded);
	return rc == TD_OK ? TD_NOT_READY : rc;
}

static void
send_document(struct req *r, const struct look *l)
{
	struct td_err err = { .rc = TD_OK };
	struct td_buf *b = &r->t->scratch;
	struct api_cred cred = {
		.appid = r->wait_appid,
		.serial = l->head.serial,
		.site = l->site,
		.doc = &r->t->cred,
		.expires_ms = td_now_ms(r->t->api->env) +
			      (int64_t)l->sites->refresh_seconds * 1000,
	};
	struct reply how = { .status = MHD_HTTP_OK,
			     .type = api_format_type(r->format),
			     .etag = l->etag };
	enum td_rc rc;

	/* Each use wipes it at its end; a problem may have left its text. */
	if (b->len > 0 || b->rc != TD_OK)
		td_buf_reset(b);
	rc = api_render_cred(b, r->format, &cred);
	if (rc == TD_OK)
		rc = record(r, &err);
	if (rc == TD_OK)
		req_reply(r, &how, b);
	else if (!r->op_pending)
		req_problem(r, rc, &err, NULL);
	td_buf_reset(b);
}

static void
not_modified(struct req *r, const struct look *l)
{
	agg_count(r->t, &(struct agg_key){ .action = API_AUDIT_CREDENTIALS_UNCHANGED,
					   .role = (uint8_t)(r->token.role + 1U),
					   .appid = r->wait_appid,
					   .token_id = r->token.id,
					   .address = r->conn->address });
	req_reply_empty(r, MHD_HTTP_NOT_MODIFIED, l->etag);
}

static void
woken(struct req *r, enum wake why)
{
	struct td_err err;
	enum td_rc rc;

	if (r->t->stopping) {
		req_problem(r, TD_UNAVAILABLE, NULL, NULL);
		return;
	}
	if (why == WAKE_TIMEOUT)
		r->wait_until = 0;
	/* What was true a minute ago need not be now. */
	rc = auth_again(r, &err);
	if (rc != TD_OK)
		req_problem(r, rc, &err, NULL);
	else
		serve(r);
}

/* The document, 304, a problem, or (while there is time) nothing yet. */
static void
serve(struct req *r)
{
	const char *known =
		MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, "If-None-Match");
	struct td_err err = { .rc = TD_OK };
	struct look l = { .version = 0 };
	enum td_rc rc = TD_OK;

	/* In the table first, then the look: see wait.c. */
	if (r->wait_until != 0 && wait_begin(r, r->wait_appid, woken) != TD_OK) {
		req_problem(r, TD_RATE_LIMITED, NULL, NULL);
		return;
	}
	if (known != NULL) {
		rc = look_at(r, NULL, &l, &err);
		if (rc == TD_OK && etag_in_list(known, l.etag)) {
			if (!r->in_waiters)
				not_modified(r, &l);
			return;
		}
	}
	if (rc == TD_OK)
		rc = look_at(r, &r->t->cred, &l, &err);
	if (rc == TD_NOT_READY && r->in_waiters)
		return;
	wait_end(r);
	if (rc == TD_OK)
		send_document(r, &l);
	else
		req_problem(r, rc, &err, NULL);
	/* The names of the buckets behind them are no secret. */
	explicit_bzero(&r->t->cred, offsetof(struct rec_cred, buckets));
}

/* RFC 7240: "wait=60", perhaps among others. Nonsense is ignored, as it asks to. */
static void
take_prefer(struct req *r)
{
	const char *p = MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, "Prefer");
	uint64_t seconds = 0;

	while (p != NULL && *p != '\0') {
		p += strspn(p, " \t,;");
		if (strncasecmp(p, "wait=", 5) == 0) {
			for (p += 5; *p >= '0' && *p <= '9' && seconds < 1000; p++)
				seconds = seconds * 10 + (uint64_t)(*p - '0');
			wait_set(r, seconds < API_MAX_WAIT_S ? seconds : API_MAX_WAIT_S);
			return;
		}
		p += strcspn(p, ",;");
	}
}

void
h_credentials(struct req *r)
{
	const char *format = args_get(&r->args, "format");
	const char *appid = args_get(&r->args, "appid");
	struct td_err err;

	r->format = API_FORMAT_JSON;
	if (format != NULL && !api_format_parse(format, &r->format)) {
		td_err_set(&err, TD_INVALID,
			   "format must be json, env, aws or credential-process");
		req_problem(r, TD_INVALID, &err, NULL);
		return;
	}
	if (r->token.role != REC_ROLE_ADMIN) {
		if (appid != NULL) {
			req_problem(r, TD_FORBIDDEN, NULL, NULL);
			return;
		}
		appid = r->token.appid;
	} else if (appid == NULL || !rec_appid_any_ok(appid)) {
		td_err_set(&err, TD_INVALID, "an admin must say which appid");
		req_problem(r, TD_INVALID, &err, NULL);
		return;
	}
	memcpy(r->wait_appid, appid, strlen(appid) + 1);
	take_prefer(r);
	serve(r);
}
