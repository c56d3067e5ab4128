/*
 * API tokens. The store holds a token's SHA-256 alone; the token is shown once, in the
 * answer that made it. A token and its audit entry are one commit.
 */
#include "internal.h"

#include "base/crypto.h"

#include <stdio.h>
#include <string.h>

static void
audit_token(struct req *r, struct store_commit *c, enum api_audit_action action,
	    const struct rec_token *rec)
{
	struct td_buf *b = &r->audit;
	struct rec_audit entry;

	audit_fill(r, action, &entry);
	memcpy(entry.appid, rec->appid, sizeof(entry.appid));
	memcpy(entry.object, rec->id, sizeof(rec->id));
	snprintf(entry.detail, sizeof(entry.detail), "role=%s", api_role_text(rec->role));
	td_buf_reset(b);
	rec_audit_encode(&entry, b);
	store_commit_audit(c, b->data, b->len);
}

/* ---- create ---- */

static void
created(struct req *r)
{
	struct td_buf *b = &r->t->scratch;
	char location[40];

	if (r->result.rc != TD_OK) {
		req_problem_retired(r);
		return;
	}
	snprintf(location, sizeof(location), "/v1/tokens/%s", r->new_token.id);
	td_buf_reset(b);
	api_render_token(b, &r->new_token, r->secret);
	td_buf_char(b, '\n');
	req_reply(r, &(struct reply){ .status = MHD_HTTP_CREATED, .location = location },
		  b);
	td_buf_reset(b);
	explicit_bzero(r->secret, sizeof(r->secret));
}

static enum td_rc
check_tenant(struct req *r, const char *appid, struct td_err *reterr)
{
	unsigned char key[STORE_KEY_MAX];
	size_t len = rec_key_appid(appid, key);
	struct store_read *read = NULL;
	struct store_value tenant = { 0 }, tombstone = { 0 };
	enum td_rc rc = store_read_begin(r->t->api->store, &read, reterr);

	if (rc != TD_OK)
		return rc;
	rc = store_get(read, STORE_TENANT, key, len, &tenant, reterr);
	if (rc == TD_OK)
		rc = store_get(read, STORE_TOMBSTONE, key, len, &tombstone, reterr);
	store_read_end(read);
	if (rc != TD_OK)
		return rc;
	if (tombstone.version != 0)
		return td_err_set(reterr, TD_APPID_RETIRED, "%s", appid);
	if (tenant.version == 0)
		return td_err_set(reterr, TD_UNPROCESSABLE, "there is no tenant %s",
				  appid);
	return TD_OK;
}

static void
make(struct req *r, const struct api_token_body *body, unsigned char hash[TD_SHA256_LEN])
{
	const struct td_env *env = r->t->api->env;
	struct rec_token *rec = &r->new_token;
	unsigned char raw[32], id[8];

	td_random(env, raw, sizeof(raw));
	td_random(env, id, sizeof(id));
	memcpy(r->secret, "tnd_", 4);
	td_b64url(raw, sizeof(raw), r->secret + 4);
	explicit_bzero(raw, sizeof(raw));
	td_sha256(r->secret, API_TOKEN_LEN, hash);
	*rec = (struct rec_token){ .role = (uint8_t)body->role };
	for (unsigned i = 0; i < sizeof(id); i++)
		snprintf(rec->id + (size_t)2 * i, 3, "%02x", id[i]);
	memcpy(rec->appid, body->appid, sizeof(rec->appid));
	memcpy(rec->label, body->label, sizeof(rec->label));
	memcpy(rec->created_by, r->token.id, sizeof(rec->created_by));
	rec->created_ms = td_now_ms(env);
	rec->expires_ms =
		body->ttl_seconds > 0 ? rec->created_ms + body->ttl_seconds * 1000 : 0;
}

static enum td_rc
commit_token(struct req *r, const unsigned char hash[TD_SHA256_LEN])
{
	const struct rec_token *rec = &r->new_token;
	struct store_commit *c = store_commit_new(STORE_NORMAL);
	struct td_buf *b = &r->t->audit_scratch;
	unsigned char key[STORE_KEY_MAX];

	if (c == NULL)
		return TD_NOMEM;
	td_buf_reset(b);
	rec_token_encode(rec, b);
	store_commit_expect(c, STORE_TOKEN, hash, TD_SHA256_LEN, 0);
	store_commit_put(c, STORE_TOKEN, hash, TD_SHA256_LEN, b->data, b->len);
	store_commit_put(c, STORE_TOKEN_ID, rec->id, strlen(rec->id), hash,
			 TD_SHA256_LEN);
	if (rec->appid[0] != '\0') {
		/* A deletion that ends meanwhile must not leave a token behind. */
		store_commit_expect(c, STORE_TOMBSTONE, key,
				    rec_key_appid(rec->appid, key), 0);
		store_commit_put(c, STORE_TOKEN_TENANT, key,
				 rec_key_token_tenant(rec->appid, rec->id, key), hash,
				 TD_SHA256_LEN);
	}
	audit_token(r, c, API_AUDIT_TOKEN_CREATE, rec);
	return req_commit(r, c, created);
}

void
h_token_create(struct req *r)
{
	struct api_token_body body;
	unsigned char hash[TD_SHA256_LEN];
	struct td_err err = { .rc = TD_OK };
	enum td_rc rc = api_decode_token(r->body.data, r->body.len, &body, &err);

	if (rc == TD_OK && body.appid[0] != '\0')
		rc = check_tenant(r, body.appid, &err);
	if (rc == TD_OK) {
		make(r, &body, hash);
		rc = commit_token(r, hash);
	}
	if (rc != TD_OK)
		req_problem(r, rc, &err, NULL);
}

/* ---- read ---- */

/* The record of an id, its hash and the version of the index entry. */
struct found {
	struct rec_token rec;
	unsigned char hash[TD_SHA256_LEN];
	uint64_t version;
};

static enum td_rc
find(struct store_read *read, const void *id, size_t id_len, struct found *f,
     struct td_err *reterr)
{
	struct store_value v;
	enum td_rc rc = store_get(read, STORE_TOKEN_ID, id, id_len, &v, reterr);

	if (rc != TD_OK)
		return rc;
	if (v.version == 0)
		return td_err_set(reterr, TD_NOT_FOUND, "no such token");
	if (v.len != sizeof(f->hash))
		return td_err_set(reterr, TD_CORRUPT, "token index");
	f->version = v.version;
	memcpy(f->hash, v.data, sizeof(f->hash));
	rc = store_get(read, STORE_TOKEN, f->hash, sizeof(f->hash), &v, reterr);
	if (rc == TD_OK && v.version == 0)
		rc = td_err_set(reterr, TD_NOT_FOUND, "no such token");
	return rc == TD_OK ? rec_token_decode(v.data, v.len, &f->rec, reterr) : rc;
}

static enum td_rc
find_id(struct req *r, struct found *f, struct td_err *reterr)
{
	struct store_read *read = NULL;
	enum td_rc rc = store_read_begin(r->t->api->store, &read, reterr);

	if (rc != TD_OK)
		return rc;
	rc = r->path.id[0] == '\0'
		     ? td_err_set(reterr, TD_NOT_FOUND, "no such token")
		     : find(read, r->path.id, strlen(r->path.id), f, reterr);
	store_read_end(read);
	return rc;
}

void
h_token_get(struct req *r)
{
	struct td_buf *b = &r->t->scratch;
	struct found f;
	struct td_err err;
	enum td_rc rc = find_id(r, &f, &err);

	if (rc != TD_OK) {
		req_problem(r, rc, &err, NULL);
		return;
	}
	td_buf_reset(b);
	api_render_token(b, &f.rec, NULL);
	td_buf_char(b, '\n');
	req_reply(r, &(struct reply){ .status = MHD_HTTP_OK }, b);
}

struct list {
	struct store_read *read;
	struct td_buf *b;
	unsigned limit, rows;
	size_t prefix_len; /* of the key, before the id */
	char last[17];
	bool more;
};

static enum td_rc
list_row(void *ctx, const void *key, size_t key_len, const struct store_value *value)
{
	const char *id = (const char *)key + ((struct list *)ctx)->prefix_len;
	struct list *l = ctx;
	struct found f;
	enum td_rc rc;

	(void)value;
	if (l->rows == l->limit) {
		l->more = true;
		return (enum td_rc)STORE_STOP;
	}
	if (key_len - l->prefix_len != sizeof(l->last) - 1)
		return TD_CORRUPT;
	memcpy(l->last, id, sizeof(l->last) - 1);
	rc = find(l->read, l->last, sizeof(l->last) - 1, &f, NULL);
	if (rc == TD_NOT_FOUND)
		return TD_OK;
	if (rc != TD_OK)
		return rc;
	if (l->rows++ > 0)
		td_buf_char(l->b, ',');
	api_render_token(l->b, &f.rec, NULL);
	return TD_OK;
}

static enum td_rc
walk(struct req *r, struct list *l, struct td_err *reterr)
{
	const char *appid = args_get(&r->args, "appid");
	const char *cursor = args_get(&r->args, "cursor");
	unsigned char prefix[STORE_KEY_MAX], after[STORE_KEY_MAX];
	struct store_range range = { .prefix = prefix };
	enum store_table table = STORE_TOKEN_ID;

	if (appid != NULL && !rec_appid_any_ok(appid))
		return td_err_set(reterr, TD_INVALID, "appid is not an appid");
	if (cursor != NULL && strlen(cursor) != sizeof(l->last) - 1)
		return td_err_set(reterr, TD_INVALID, "cursor is not one of ours");
	if (appid != NULL) {
		table = STORE_TOKEN_TENANT;
		range.prefix_len = l->prefix_len = rec_key_prefix(appid, prefix);
	}
	if (cursor != NULL) {
		memcpy(after, prefix, range.prefix_len);
		memcpy(after + range.prefix_len, cursor, strlen(cursor));
		range.after = after;
		range.after_len = range.prefix_len + strlen(cursor);
	}
	return store_walk(l->read, table, &range, list_row, l, reterr);
}

void
h_token_list(struct req *r)
{
	struct list l = { .b = &r->t->scratch };
	struct td_err err = { .rc = TD_OK };
	enum td_rc rc = page_limit(r, &l.limit, &err);

	if (rc == TD_OK)
		rc = store_read_begin(r->t->api->store, &l.read, &err);
	if (rc == TD_OK) {
		td_buf_reset(l.b);
		td_buf_str(l.b, "{\"tokens\":[");
		rc = walk(r, &l, &err);
		store_read_end(l.read);
	}
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

/* ---- delete ---- */

static void
deleted(struct req *r)
{
	if (r->result.rc == TD_OK)
		req_reply_empty(r, MHD_HTTP_NO_CONTENT, NULL);
	else
		/* Somebody else was faster: it is gone. */
		req_problem(r,
			    r->result.rc == TD_PRECONDITION ? TD_NOT_FOUND : r->result.rc,
			    &r->result.err, NULL);
}

void
token_remove(struct store_commit *c, const struct rec_token *rec,
	     const unsigned char hash[TD_SHA256_LEN], uint64_t version)
{
	unsigned char key[STORE_KEY_MAX];

	store_commit_expect(c, STORE_TOKEN_ID, rec->id, strlen(rec->id), version);
	store_commit_del(c, STORE_TOKEN_ID, rec->id, strlen(rec->id));
	store_commit_del(c, STORE_TOKEN, hash, TD_SHA256_LEN);
	if (rec->appid[0] != '\0')
		store_commit_del(c, STORE_TOKEN_TENANT, key,
				 rec_key_token_tenant(rec->appid, rec->id, key));
}

void
h_token_delete(struct req *r)
{
	struct store_commit *c = NULL;
	struct found f;
	struct td_err err;
	enum td_rc rc = find_id(r, &f, &err);

	/* So that nobody locks himself out by a slip; make another one first. */
	if (rc == TD_OK && strcmp(f.rec.id, r->token.id) == 0) {
		td_err_set(&err, TD_WRONG_PHASE, "a token does not delete itself");
		req_problem(r, TD_WRONG_PHASE, &err, "own_token");
		return;
	}
	if (rc == TD_OK && (c = store_commit_new(STORE_RESERVE)) == NULL)
		rc = td_err_set(&err, TD_NOMEM, "commit");
	if (rc == TD_OK) {
		token_remove(c, &f.rec, f.hash, f.version);
		/* Its long polls look again, and find it gone. */
		if (f.rec.appid[0] != '\0')
			store_commit_touch(c, f.rec.appid);
		audit_token(r, c, API_AUDIT_TOKEN_DELETE, &f.rec);
		rc = req_commit(r, c, deleted);
	}
	if (rc != TD_OK)
		req_problem(r, rc, &err, NULL);
}
