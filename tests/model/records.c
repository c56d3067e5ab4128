/*
 * The durable records of the model, through the real codecs, and the commits on them: as the
 * engine does it, a commit expects the version of the tenant and of every record that it
 * replaces. A slot's secret stands in its `sealed` member as it is.
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#define REC_CEILING STORE_VALUE_MAX

static const char *const bucket_names[M_BUCKETS] = { "bk0", "bk1", "bk2", "bk3", "bk4" };

static int
bucket_of(const char *name)
{
	for (int i = 0; i < M_BUCKETS; i++)
		if (strcmp(bucket_names[i], name) == 0)
			return i;
	return -1;
}

static void
need(struct world *w, enum td_rc rc, const struct td_err *err, const char *what)
{
	if (rc != TD_OK)
		m_fail(w, "%s does not decode: %s", what, err->detail);
}

/* ---- loading ---- */

static void
load_part(struct world *w, struct m_tenant *t, unsigned r, struct tenant_part *p)
{
	struct td_err err = { 0 };
	const struct m_record *rec = &t->rec[M_REC_PART + (int)r];
	const struct m_record *in = &t->rec[M_REC_INTENT + (int)r];

	if (rec->version != 0)
		need(w, rec_resource_decode(rec->data, rec->len, &p->rec, &err), &err,
		     "part");
	p->version = rec->version;
	if (in->version != 0)
		need(w, rec_intent_decode(in->data, in->len, &p->intent, &err), &err,
		     "intent");
	p->intent_open = in->version != 0;
	p->intent_version = in->version;
	for (unsigned i = 0; i < DRV_SLOT_COUNT; i++) {
		const struct m_record *s =
			&t->rec[M_REC_SLOT + (int)(r * DRV_SLOT_COUNT + i)];

		if (s->version == 0)
			continue;
		need(w, rec_slot_decode(s->data, s->len, &p->slots[i].rec, &err), &err,
		     "slot");
		p->slots[i].exists = true;
		p->slots[i].version = s->version;
	}
}

static void
take_bucket(struct world *w, struct tenant_view *v, unsigned i,
	    const struct rec_bucket *rec, uint64_t version)
{
	struct tenant_bucket *b = tenant_view_add_bucket(v, bucket_names[i]);

	if (b == NULL) {
		m_fail(w, "out of memory");
		return;
	}
	b->version = version;
	b->rec = *rec;
}

static void
load_buckets(struct world *w, struct m_tenant *t, enum m_load how, unsigned named,
	     struct tenant_view *v)
{
	/* The stepper's second pass has them already. */
	bool closed = v->closed.count == 0;

	for (unsigned i = 0; i < M_BUCKETS; i++) {
		const struct m_record *m = &t->rec[M_REC_BUCKET + (int)i];
		struct td_err err = { 0 };
		struct rec_bucket rec;
		bool take = how == M_LOAD_VERIFY || (named & (1U << i)) != 0;

		if (m->version == 0)
			continue;
		need(w, rec_bucket_decode(m->data, m->len, &rec, &err), &err, "bucket");
		if (closed)
			tenant_closed_note(v, bucket_names[i], &rec);
		if (how == M_LOAD_STEPPER && tenant_bucket_scan(v, &rec, w->now_ms)) {
			if (v->bucket_len < w->window)
				take = true;
			else
				v->buckets_more = true;
		}
		if (take)
			take_bucket(w, v, i, &rec, m->version);
	}
}

static const struct plan *
plan_named(const struct world *w, const char *name)
{
	for (unsigned i = 0; i < M_PLANS; i++)
		if (strcmp(w->plans[i].name, name) == 0)
			return &w->plans[i];
	return NULL;
}

void
m_view_load(struct world *w, unsigned tenant, enum m_load how, unsigned named,
	    struct tenant_view *v)
{
	struct m_tenant *t = &w->t[tenant];
	const struct m_record *rec = &t->rec[M_REC_TENANT];
	struct td_err err = { 0 };

	tenant_view_init(v, t->appid);
	v->env = &w->env;
	v->rules.delete_grace_ms = M_GRACE_MS;
	v->rules.backoff_min_ms = M_BACKOFF_MIN_MS;
	v->rules.backoff_max_ms = M_BACKOFF_MAX_MS;
	v->rules.late_ms = M_LATE_MS;
	v->tombstone = t->rec[M_REC_TOMB].version != 0;
	v->pending = v->want_pending = t->rec[M_REC_PENDING].version != 0;
	if (rec->version == 0)
		return;
	v->exists = true;
	v->version = rec->version;
	need(w, rec_tenant_decode(rec->data, rec->len, &v->rec, &err), &err, "tenant");
	v->plan = plan_named(w, v->rec.plan);
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
		load_part(w, t, r, &v->part[r]);
		v->part[r].wanted =
			v->part[r].version != 0 || (v->plan != NULL && v->plan->has[r]);
	}
	m_brakes_note(w, tenant, v);
	/* The stepper's first, so that the bits named do not take places of its window. */
	if (how == M_LOAD_STEPPER) {
		load_buckets(w, t, how, 0, v);
		for (unsigned i = 0; i < M_BUCKETS; i++)
			if (tenant_view_bucket(v, bucket_names[i]) != NULL)
				named &= ~(1U << i);
		how = M_LOAD_NAMED;
	}
	load_buckets(w, t, how, named, v);
}

/* ---- building a commit ---- */

static void
put(struct world *w, struct m_commit *c, int i, struct td_buf *buf)
{
	if (td_buf_rc(buf) != TD_OK) {
		m_fail(w, "record %d does not encode", i);
		return;
	}
	c->put[i].data = malloc(buf->len + 1);
	if (c->put[i].data == NULL) {
		m_fail(w, "out of memory");
		return;
	}
	if (buf->len > 0)
		memcpy(c->put[i].data, buf->data, buf->len);
	c->put[i].len = buf->len;
	c->put[i].version = 1;
	td_buf_reset(buf);
}

static void
expect(struct m_commit *c, int i, uint64_t version)
{
	c->expected[i] = true;
	c->expect[i] = version;
}

static void
add_slot(struct world *w, struct m_commit *c, int i, struct tenant_slot *s,
	 struct td_buf *buf)
{
	if (s->mark == TENANT_CLEAN)
		return;
	expect(c, i, s->version);
	if (s->mark == TENANT_DEL) {
		c->del[i] = true;
		return;
	}
	if (s->rec.sealed_len == 0) {
		if (s->secret == NULL) {
			m_fail(w, "a slot without a secret");
			return;
		}
		s->rec.sealed_len = (uint16_t)td_secret_len(s->secret);
		memcpy(s->rec.sealed, td_secret_bytes(s->secret), s->rec.sealed_len);
	}
	rec_slot_encode(&s->rec, buf);
	put(w, c, i, buf);
}

static void
add_part(struct world *w, struct m_commit *c, unsigned r, struct tenant_part *p,
	 struct td_buf *buf)
{
	int part = M_REC_PART + (int)r, intent = M_REC_INTENT + (int)r;

	if (p->mark != TENANT_CLEAN) {
		expect(c, part, p->version);
		rec_resource_encode(&p->rec, buf);
		put(w, c, part, buf);
	}
	if (p->intent_mark != TENANT_CLEAN)
		expect(c, intent, p->intent_version);
	if (p->intent_mark == TENANT_PUT) {
		rec_intent_encode(&p->intent, buf);
		put(w, c, intent, buf);
	}
	c->del[intent] = p->intent_mark == TENANT_DEL;
	for (unsigned i = 0; i < DRV_SLOT_COUNT; i++)
		add_slot(w, c, M_REC_SLOT + (int)(r * DRV_SLOT_COUNT + i), &p->slots[i],
			 buf);
}

static void
add_buckets(struct world *w, struct m_commit *c, struct tenant_view *v,
	    struct td_buf *buf)
{
	for (size_t i = 0; i < v->bucket_len; i++) {
		struct tenant_bucket *b = &v->buckets[i];
		int at = M_REC_BUCKET + bucket_of(b->name);

		if (b->mark == TENANT_CLEAN)
			continue;
		expect(c, at, b->version);
		if (b->mark == TENANT_DEL) {
			c->del[at] = true;
			continue;
		}
		rec_bucket_encode(&b->rec, buf);
		put(w, c, at, buf);
	}
}

static bool
live_slot(const struct tenant_slot *s)
{
	return (s->mark == TENANT_PUT || (s->exists && s->mark == TENANT_CLEAN)) &&
	       s->rec.state == REC_SLOT_LIVE;
}

static void
copy_sealed(char *out, size_t size, const struct rec_slot *s)
{
	memset(out, 0, size);
	memcpy(out, s->sealed, s->sealed_len < size ? s->sealed_len : size - 1);
}

/* After the slots were added: then every secret is in `sealed`. */
static void
add_doc(struct m_commit *c, struct tenant_view *v)
{
	struct m_doc *d = &c->doc;

	for (unsigned r = 0; r < DRV_VOLUME; r++) {
		const struct tenant_slot *s = &v->part[r].slots[DRV_SLOT_A];

		if (!v->part[r].wanted)
			continue;
		if (!live_slot(s) && v->rec.credential_serial != 0)
			continue; /* a part that came later */
		if (!live_slot(s))
			return; /* not complete: nothing to hand out yet */
		d->has[r] = true;
		if (r == DRV_OBJECT) {
			memcpy(d->key, s->rec.key_id, sizeof(d->key));
			copy_sealed(d->secret, sizeof(d->secret), &s->rec);
		} else {
			copy_sealed(d->password, sizeof(d->password), &s->rec);
		}
	}
	d->ready = !v->rec.suspend && v->rec.phase != REC_SUSPENDED &&
		   v->rec.phase != REC_DELETING;
	c->has_doc = true;
	v->rec.credential_serial++;
	v->mark = TENANT_PUT;
}

/* As in the engine: conclusions about the tenant hold for the parts that were seen. */
static void
expect_parts(struct m_commit *c, const struct tenant_view *v)
{
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
		expect(c, M_REC_PART + (int)r, v->part[r].version);
		expect(c, M_REC_INTENT + (int)r, v->part[r].intent_version);
	}
}

static void
add_removal(struct world *w, struct m_commit *c, const struct tenant_view *v,
	    struct td_buf *buf)
{
	struct rec_tombstone stone = { .number = v->rec.number,
				       .created_ms = v->rec.created_ms,
				       .deleted_ms = w->now_ms };

	memcpy(stone.region, v->rec.region, sizeof(stone.region));
	for (int i = 0; i < M_REC_COUNT; i++)
		c->del[i] = i != M_REC_TOMB;
	rec_tombstone_encode(&stone, buf);
	put(w, c, M_REC_TOMB, buf);
}

struct m_commit *
m_commit_new(struct world *w, unsigned tenant, struct tenant_view *v)
{
	struct m_commit *c = calloc(1, sizeof(*c));
	struct td_buf buf;

	if (c == NULL) {
		m_fail(w, "out of memory");
		return NULL;
	}
	td_buf_init_secret(&buf, REC_CEILING);
	c->tenant = tenant;
	m_brakes_into_commit(w, v, c);
	expect(c, M_REC_TENANT, v->version);
	if (v->version == 0)
		expect(c, M_REC_TOMB, 0);
	if (v->mark == TENANT_DEL) {
		add_removal(w, c, v, &buf);
		expect_parts(c, v);
		td_buf_done(&buf);
		return c;
	}
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++)
		add_part(w, c, r, &v->part[r], &buf);
	add_buckets(w, c, v, &buf);
	if (v->publish)
		add_doc(c, v);
	c->del[M_REC_CRED] = v->unpublish;
	if (c->has_doc)
		put(w, c, M_REC_CRED, &buf);
	if (v->want_pending && (!v->pending || v->mark == TENANT_PUT))
		put(w, c, M_REC_PENDING, &buf);
	else if (!v->want_pending && v->pending)
		c->del[M_REC_PENDING] = true;
	if (v->mark == TENANT_PUT) {
		rec_tenant_encode(&v->rec, &buf);
		put(w, c, M_REC_TENANT, &buf);
		expect_parts(c, v);
	}
	td_buf_done(&buf);
	return c;
}

void
m_commit_free(struct m_commit *c)
{
	if (c == NULL)
		return;
	for (int i = 0; i < M_REC_COUNT; i++)
		free(c->put[i].data);
	free(c);
}

enum td_rc
m_commit_apply(struct world *w, struct m_commit *c)
{
	struct m_tenant *t = &w->t[c->tenant];
	uint64_t version;

	for (int i = 0; i < M_REC_COUNT; i++)
		if (c->expected[i] && t->rec[i].version != c->expect[i])
			return TD_PRECONDITION;
	if (m_brakes_commit(w, c) != TD_OK)
		return TD_PRECONDITION;
	version = ++w->version;
	for (int i = 0; i < M_REC_COUNT; i++) {
		if (c->del[i] || c->put[i].version != 0) {
			free(t->rec[i].data);
			memset(&t->rec[i], 0, sizeof(t->rec[i]));
		}
		if (c->put[i].version != 0) {
			t->rec[i] = c->put[i];
			t->rec[i].version = version;
			memset(&c->put[i], 0, sizeof(c->put[i]));
		}
	}
	if (c->has_doc)
		t->doc = c->doc;
	if (c->op != NULL)
		t->wish = c->op->after;
	m_check_commit(w, c->tenant);
	return TD_OK;
}

void
m_records_free(struct world *w)
{
	for (unsigned i = 0; i < M_TENANTS; i++)
		for (int k = 0; k < M_REC_COUNT; k++)
			free(w->t[i].rec[k].data);
}
