/*
 * From a marked view to one commit. Everything that a step or an operation decided goes
 * into one commit that is conditional on the tenant's version and on the versions of the
 * records it replaces, so a decision made on a stale view is never applied.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

struct builder {
	struct engine *e;
	struct store_read *rd;
	struct eview *ev;
	struct store_commit *c;
	struct td_buf buf;
	struct td_err *reterr;
};

static enum td_rc
put_buf(struct builder *b, enum store_table t, const void *key, size_t key_len)
{
	enum td_rc rc = td_buf_rc(&b->buf);

	if (rc != TD_OK)
		return td_err_set(b->reterr, rc, "a record of table %d does not encode",
				  (int)t);
	store_commit_put(b->c, t, key, key_len, b->buf.data, b->buf.len);
	td_buf_reset(&b->buf);
	return TD_OK;
}

static enum td_rc
add_slot(struct builder *b, enum drv_resource r, enum drv_slot_id id)
{
	struct tenant_slot *s = &b->ev->v.part[r].slots[id];
	unsigned char key[STORE_KEY_MAX];
	size_t len = rec_key_slot(b->ev->v.appid, r, id, key);

	if (s->mark == TENANT_CLEAN)
		return TD_OK;
	store_commit_expect(b->c, STORE_SLOT, key, len, s->version);
	if (s->mark == TENANT_DEL) {
		store_commit_del(b->c, STORE_SLOT, key, len);
		return TD_OK;
	}
	if (s->rec.sealed_len == 0) {
		if (s->secret == NULL)
			return td_err_set(b->reterr, TD_INTERNAL,
					  "a slot without a secret");
		enum td_rc rc =
			seal_slot_close(b->e->seal, &b->ev->datakey, b->ev->v.appid, r,
					id, s->secret, &s->rec, b->reterr);
		if (rc != TD_OK)
			return rc;
	}
	rec_slot_encode(&s->rec, &b->buf);
	return put_buf(b, STORE_SLOT, key, len);
}

static enum td_rc
add_part(struct builder *b, enum drv_resource r)
{
	struct tenant_part *p = &b->ev->v.part[r];
	unsigned char key[STORE_KEY_MAX];
	size_t len = rec_key_resource(b->ev->v.appid, r, key);
	enum td_rc rc = TD_OK;

	if (p->mark != TENANT_CLEAN) {
		store_commit_expect(b->c, STORE_RESOURCE, key, len, p->version);
		if (p->mark == TENANT_DEL) {
			store_commit_del(b->c, STORE_RESOURCE, key, len);
		} else {
			rec_resource_encode(&p->rec, &b->buf);
			rc = put_buf(b, STORE_RESOURCE, key, len);
		}
	}
	if (rc == TD_OK && p->intent_mark != TENANT_CLEAN) {
		store_commit_expect(b->c, STORE_INTENT, key, len, p->intent_version);
		if (p->intent_mark == TENANT_DEL) {
			store_commit_del(b->c, STORE_INTENT, key, len);
		} else {
			rec_intent_encode(&p->intent, &b->buf);
			rc = put_buf(b, STORE_INTENT, key, len);
		}
	}
	for (int id = 0; rc == TD_OK && id < DRV_SLOT_COUNT; id++)
		rc = add_slot(b, r, (enum drv_slot_id)id);
	return rc;
}

static enum td_rc
add_buckets(struct builder *b)
{
	unsigned char key[STORE_KEY_MAX];
	enum td_rc rc = TD_OK;

	for (size_t i = 0; rc == TD_OK && i < b->ev->v.bucket_len; i++) {
		struct tenant_bucket *t = &b->ev->v.buckets[i];
		size_t len = rec_key_bucket(b->ev->v.appid, t->name, key);

		if (t->mark == TENANT_CLEAN)
			continue;
		store_commit_expect(b->c, STORE_BUCKET, key, len, t->version);
		if (t->mark == TENANT_DEL) {
			store_commit_del(b->c, STORE_BUCKET, key, len);
			continue;
		}
		rec_bucket_encode(&t->rec, &b->buf);
		rc = put_buf(b, STORE_BUCKET, key, len);
	}
	return rc;
}

/* What is concluded about the whole tenant (a phase, its end) holds only for the parts that
 * were looked at: the end of an action changes its part without touching the tenant. */
static void
expect_parts(struct builder *b)
{
	unsigned char key[STORE_KEY_MAX];

	for (int r = 0; r < DRV_RESOURCE_COUNT; r++) {
		const struct tenant_part *p = &b->ev->v.part[r];
		size_t len = rec_key_resource(b->ev->v.appid, (enum drv_resource)r, key);

		store_commit_expect(b->c, STORE_RESOURCE, key, len, p->version);
		store_commit_expect(b->c, STORE_INTENT, key, len, p->intent_version);
	}
}

/* ---- the credential document ---- */

struct cred_walk {
	struct builder *b;
	struct rec_cred *doc;
	size_t prefix_len;
};

static bool
handed_out(const struct rec_bucket *rec)
{
	return rec->state == REC_BUCKET_OURS && rec->observed != 0;
}

static void
cred_add_bucket(struct rec_cred *doc, const char *name, const struct rec_bucket *rec)
{
	if (!handed_out(rec))
		return;
	doc->bucket_total++;
	if (doc->bucket_count >= REC_CRED_BUCKETS)
		return;
	struct rec_cred_bucket *cb = &doc->buckets[doc->bucket_count++];
	memcpy(cb->name, name, strlen(name) + 1); /* a bucket's name, of the same size */
	cb->mode = rec->mode;
}

static enum td_rc
cred_take(void *ctx, const void *key, size_t key_len, const struct store_value *val)
{
	struct cred_walk *w = ctx;
	char name[DRV_BUCKET_NAME_SIZE] = "";
	size_t len = key_len - w->prefix_len;
	struct rec_bucket rec;

	if (len == 0 || len >= sizeof(name))
		return td_err_set(w->b->reterr, TD_CORRUPT, "bucket key of %zu bytes",
				  key_len);
	memcpy(name, (const char *)key + w->prefix_len, len);
	/* What the view changes is added after the walk. */
	const struct tenant_bucket *t = tenant_view_bucket(&w->b->ev->v, name);
	if (t != NULL && t->mark != TENANT_CLEAN)
		return TD_OK;
	enum td_rc rc = rec_bucket_decode(val->data, val->len, &rec, w->b->reterr);
	if (rc == TD_OK)
		cred_add_bucket(w->doc, name, &rec);
	return rc;
}

static int
cred_bucket_cmp(const void *a, const void *b)
{
	return strcmp(((const struct rec_cred_bucket *)a)->name,
		      ((const struct rec_cred_bucket *)b)->name);
}

static enum td_rc
cred_buckets(struct builder *b, struct rec_cred *doc)
{
	unsigned char prefix[STORE_KEY_MAX];
	struct store_range range = { .prefix = prefix };
	struct cred_walk w = { .b = b, .doc = doc };

	range.prefix_len = rec_key_prefix(b->ev->v.appid, prefix);
	w.prefix_len = range.prefix_len;
	for (size_t i = 0; i < b->ev->v.bucket_len; i++)
		if (b->ev->v.buckets[i].mark == TENANT_PUT)
			cred_add_bucket(doc, b->ev->v.buckets[i].name,
					&b->ev->v.buckets[i].rec);
	enum td_rc rc = store_walk(b->rd, STORE_BUCKET, &range, cred_take, &w, b->reterr);
	qsort(doc->buckets, doc->bucket_count, sizeof(doc->buckets[0]), cred_bucket_cmp);
	return rc;
}

/* The slot to hand out: the live one with the greatest serial. */
static struct tenant_slot *
cred_slot(struct builder *b, enum drv_resource r, enum td_rc *rc)
{
	struct tenant_slot *best = NULL;
	enum drv_slot_id best_id = DRV_SLOT_A;

	for (int id = DRV_SLOT_A; id < DRV_SLOT_COUNT; id++) {
		struct tenant_slot *s = &b->ev->v.part[r].slots[id];
		bool there =
			s->mark == TENANT_PUT || (s->exists && s->mark == TENANT_CLEAN);

		if (!there || s->rec.state != REC_SLOT_LIVE)
			continue;
		if (best == NULL || s->rec.serial > best->rec.serial) {
			best = s;
			best_id = (enum drv_slot_id)id;
		}
	}
	if (best != NULL)
		*rc = eview_open_slot(b->e, b->ev, r, best_id, b->reterr);
	return best;
}

static enum td_rc
cred_copy_secret(const struct td_secret *s, char *out, size_t size)
{
	if (td_secret_len(s) >= size)
		return TD_TOO_LARGE;
	memcpy(out, td_secret_bytes(s), td_secret_len(s));
	return TD_OK;
}

static enum td_rc
cred_fill(struct builder *b, struct rec_cred *doc, bool *ret_complete)
{
	struct tenant_view *v = &b->ev->v;
	enum td_rc rc = TD_OK;

	*ret_complete = true;
	for (int r = 0; rc == TD_OK && r < DRV_VOLUME; r++) {
		if (!v->part[r].wanted)
			continue;
		struct tenant_slot *s = cred_slot(b, (enum drv_resource)r, &rc);
		if (rc != TD_OK)
			break;
		if (s == NULL && v->rec.credential_serial != 0)
			continue; /* a part that came later; the others stay handed out */
		if (s == NULL) {
			*ret_complete = false;
			return TD_OK;
		}
		if (r == DRV_OBJECT) {
			doc->has_object = 1;
			memcpy(doc->access_key, s->rec.key_id, sizeof(doc->access_key));
			rc = cred_copy_secret(s->secret, doc->secret_key,
					      sizeof(doc->secret_key));
		} else {
			doc->has_database = 1;
			memcpy(doc->username, s->rec.key_id, sizeof(doc->username));
			memcpy(doc->database, v->appid, sizeof(doc->database));
			rc = cred_copy_secret(s->secret, doc->password,
					      sizeof(doc->password));
		}
	}
	if (rc == TD_OK && v->part[DRV_VOLUME].wanted) {
		struct plan_limits limits = tenant_limits(v);
		doc->has_volume = 1;
		doc->volume_bytes = plan_limits_get(&limits, PLAN_VOLUME_BYTES);
	}
	return rc;
}

static enum td_rc
add_credential(struct builder *b)
{
	struct tenant_view *v = &b->ev->v;
	struct rec_cred_head head = { .state = REC_CRED_READY };
	bool complete;
	struct rec_cred *doc = calloc(1, sizeof(*doc));

	if (doc == NULL)
		return td_err_set(b->reterr, TD_NOMEM, "out of memory");
	enum td_rc rc = cred_fill(b, doc, &complete);
	if (rc == TD_OK && complete)
		rc = cred_buckets(b, doc);
	if (rc == TD_OK && complete) {
		if (v->rec.suspend != 0 || v->rec.phase == REC_SUSPENDED ||
		    v->rec.phase == REC_DELETING)
			head.state = REC_CRED_SUSPENDED;
		head.serial = ++v->rec.credential_serial;
		v->mark = TENANT_PUT;
		memcpy(head.region, v->rec.region, sizeof(head.region));
		rc = seal_cred_put(b->e->seal, &b->ev->datakey, v->appid, &head, doc,
				   b->c, b->reterr);
	}
	explicit_bzero(doc, sizeof(*doc));
	free(doc);
	return rc;
}

/* ---- the end of a tenant ---- */

struct token_walk {
	struct builder *b;
	size_t prefix_len;
};

static enum td_rc
drop_token(void *ctx, const void *key, size_t key_len, const struct store_value *val)
{
	struct token_walk *w = ctx;

	store_commit_del(w->b->c, STORE_TOKEN, val->data, val->len);
	store_commit_del(w->b->c, STORE_TOKEN_ID, (const char *)key + w->prefix_len,
			 key_len - w->prefix_len);
	store_commit_del(w->b->c, STORE_TOKEN_TENANT, key, key_len);
	return TD_OK;
}

static enum td_rc
add_removal(struct builder *b)
{
	static const enum store_table tables[] = { STORE_RESOURCE, STORE_BUCKET,
						   STORE_SLOT, STORE_CREDENTIAL,
						   STORE_INTENT };
	struct tenant_view *v = &b->ev->v;
	unsigned char key[STORE_KEY_MAX], prefix[STORE_KEY_MAX];
	size_t len = rec_key_appid(v->appid, key);
	struct store_range range = { .prefix = prefix,
				     .prefix_len = rec_key_prefix(v->appid, prefix) };
	struct token_walk w = { .b = b, .prefix_len = range.prefix_len };
	struct rec_tombstone stone = { .number = v->rec.number,
				       .created_ms = v->rec.created_ms,
				       .deleted_ms = td_now_ms(b->e->env) };

	memcpy(stone.region, v->rec.region, sizeof(stone.region));
	rec_tombstone_encode(&stone, &b->buf);
	enum td_rc rc = put_buf(b, STORE_TOMBSTONE, key, len);
	if (rc != TD_OK)
		return rc;
	store_commit_del(b->c, STORE_TENANT, key, len);
	store_commit_del(b->c, STORE_DATAKEY, key, len);
	store_commit_del(b->c, STORE_PENDING, key, len);
	len = rec_key_brake(REC_SCOPE_TENANT, v->appid, key);
	store_commit_del(b->c, STORE_BRAKE, key, len);
	for (int r = 0; r < DRV_RESOURCE_COUNT; r++) {
		len = rec_key_brake_resource(v->appid, (enum drv_resource)r, key);
		store_commit_del(b->c, STORE_BRAKE, key, len);
	}
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		store_commit_del_prefix(b->c, tables[i], prefix, range.prefix_len);
	return store_walk(b->rd, STORE_TOKEN_TENANT, &range, drop_token, &w, b->reterr);
}

/* ---- all of it ---- */

static enum td_rc
add_datakey(struct builder *b)
{
	unsigned char key[STORE_KEY_MAX];
	size_t len = rec_key_appid(b->ev->v.appid, key);

	if (b->ev->has_datakey)
		return TD_OK;
	enum td_rc rc =
		seal_datakey_new(b->e->seal, b->ev->v.appid, &b->ev->datakey, b->reterr);
	if (rc != TD_OK)
		return rc;
	b->ev->has_datakey = true;
	store_commit_expect(b->c, STORE_DATAKEY, key, len, 0);
	store_commit_expect(b->c, STORE_TOMBSTONE, key, len, 0);
	rec_datakey_encode(&b->ev->datakey, &b->buf);
	return put_buf(b, STORE_DATAKEY, key, len);
}

static enum td_rc
add_tenant(struct builder *b)
{
	struct tenant_view *v = &b->ev->v;
	unsigned char key[STORE_KEY_MAX];
	size_t len = rec_key_appid(v->appid, key);
	enum td_rc rc = add_datakey(b);

	for (int r = 0; rc == TD_OK && r < DRV_RESOURCE_COUNT; r++)
		rc = add_part(b, (enum drv_resource)r);
	if (rc == TD_OK)
		rc = add_buckets(b);
	if (rc == TD_OK && v->publish)
		rc = add_credential(b);
	if (rc != TD_OK)
		return rc;
	if (v->unpublish) {
		unsigned char prefix[STORE_KEY_MAX];
		size_t plen = rec_key_prefix(v->appid, prefix);
		store_commit_del_prefix(b->c, STORE_CREDENTIAL, prefix, plen);
	}
	/* Also when it was pending: a look may just have found nothing left and take that
	 * record away, in a commit that does not touch the tenant. */
	if (v->want_pending && (!v->pending || v->mark == TENANT_PUT))
		store_commit_put(b->c, STORE_PENDING, key, len, "", 0);
	else if (!v->want_pending && v->pending)
		store_commit_del(b->c, STORE_PENDING, key, len);
	if (v->mark != TENANT_PUT)
		return TD_OK;
	rec_tenant_encode(&v->rec, &b->buf);
	return put_buf(b, STORE_TENANT, key, len);
}

enum td_rc
eview_commit_build(struct engine *e, struct store_read *rd, struct eview *ev,
		   const struct eview_commit *how, struct store_commit **ret_commit,
		   struct td_err *reterr)
{
	struct builder b = { .e = e, .rd = rd, .ev = ev, .reterr = reterr };
	unsigned char key[STORE_KEY_MAX];
	size_t len = rec_key_appid(ev->v.appid, key);

	b.c = store_commit_new(how->class);
	if (b.c == NULL)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	td_buf_init_secret(&b.buf, 64 * 1024);
	store_commit_expect(b.c, STORE_TENANT, key, len, ev->v.version);
	enum td_rc rc = ev->v.mark == TENANT_DEL ? add_removal(&b) : add_tenant(&b);
	if (rc == TD_OK && ev->v.mark != TENANT_CLEAN)
		expect_parts(&b);
	if (rc == TD_OK)
		rc = eview_commit_brakes(e, ev, b.c, &b.buf, reterr);
	if (rc == TD_OK && how->audit != NULL)
		store_commit_audit(b.c, how->audit, how->audit_len);
	td_buf_done(&b.buf);
	if (rc != TD_OK) {
		store_commit_free(b.c);
		return rc;
	}
	store_commit_touch(b.c, ev->v.appid);
	*ret_commit = b.c;
	return TD_OK;
}

void
eview_committed(struct engine *e, const struct eview *ev)
{
	bool there =
		ev->v.mark != TENANT_DEL && (ev->was_there || ev->v.mark == TENANT_PUT);
	uint8_t after = ev->v.rec.phase;

	eview_brakes_committed(ev);
	if (ev->was_there && there && after == ev->phase_before)
		return;
	if (ev->was_there)
		atomic_fetch_sub(&e->by_phase[ev->phase_before], 1);
	if (there)
		atomic_fetch_add(&e->by_phase[after], 1);
}
