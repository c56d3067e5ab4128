/*
 * From records to a view. A view is loaded within one read transaction, so all its parts
 * are of one moment; their versions are what the later commit is conditional on.
 */
#include "internal.h"

#include <string.h>

void
eview_init(struct eview *ev, const char *appid)
{
	memset(ev, 0, sizeof(*ev));
	tenant_view_init(&ev->v, appid);
}

void
eview_done(struct eview *ev)
{
	tenant_view_done(&ev->v);
	explicit_bzero(&ev->datakey, sizeof(ev->datakey));
}

const struct engine_region *
engine_region_find(const struct engine *e, const char *name)
{
	for (size_t i = 0; i < e->region_count; i++)
		if (strcmp(e->regions[i].name, name) == 0)
			return &e->regions[i];
	return NULL;
}

void
eview_set_wanted(const struct engine *e, struct eview *ev, const struct plan *plan,
		 const char *region)
{
	const struct engine_region *g = engine_region_find(e, region);

	for (int r = 0; r < DRV_RESOURCE_COUNT; r++)
		ev->v.part[r].wanted = ev->v.part[r].version != 0 ||
				       (plan != NULL && plan->has[r] && g != NULL &&
					g->drivers[r] != NULL);
}

static enum td_rc
load_slots(struct store_read *rd, struct eview *ev, enum drv_resource r,
	   struct td_err *reterr)
{
	unsigned char key[STORE_KEY_MAX];
	struct store_value val;

	for (int id = 0; id < DRV_SLOT_COUNT; id++) {
		struct tenant_slot *s = &ev->v.part[r].slots[id];
		size_t len = rec_key_slot(ev->v.appid, r, (enum drv_slot_id)id, key);
		enum td_rc rc = store_get(rd, STORE_SLOT, key, len, &val, reterr);

		if (rc != TD_OK)
			return rc;
		if (val.version == 0)
			continue;
		rc = rec_slot_decode(val.data, val.len, &s->rec, reterr);
		if (rc != TD_OK)
			return rc;
		s->exists = true;
		s->version = val.version;
	}
	return TD_OK;
}

static enum td_rc
load_part(struct store_read *rd, struct eview *ev, enum drv_resource r,
	  struct td_err *reterr)
{
	struct tenant_part *p = &ev->v.part[r];
	unsigned char key[STORE_KEY_MAX];
	size_t len = rec_key_resource(ev->v.appid, r, key);
	struct store_value val;
	enum td_rc rc = store_get(rd, STORE_RESOURCE, key, len, &val, reterr);

	if (rc != TD_OK || val.version == 0)
		return rc;
	rc = rec_resource_decode(val.data, val.len, &p->rec, reterr);
	if (rc != TD_OK)
		return rc;
	p->version = val.version;
	rc = store_get(rd, STORE_INTENT, key, len, &val, reterr);
	if (rc != TD_OK)
		return rc;
	if (val.version != 0) {
		rc = rec_intent_decode(val.data, val.len, &p->intent, reterr);
		if (rc != TD_OK)
			return rc;
		p->intent_open = true;
		p->intent_version = val.version;
	}
	return load_slots(rd, ev, r, reterr);
}

struct bucket_walk {
	struct eview *ev;
	const struct eview_load *how;
	size_t limit;
	size_t prefix_len;
	bool both; /* the closed ones are gathered on the same walk */
	struct td_err *reterr;
};

static enum td_rc
read_bucket(const struct bucket_walk *w, struct td_bytes key,
	    const struct store_value *val, char name[DRV_BUCKET_NAME_SIZE],
	    struct rec_bucket *rec)
{
	size_t name_len = key.len - w->prefix_len;

	if (name_len == 0 || name_len >= DRV_BUCKET_NAME_SIZE)
		return td_err_set(w->reterr, TD_CORRUPT, "bucket key of %zu bytes",
				  key.len);
	memcpy(name, (const char *)key.data + w->prefix_len, name_len);
	name[name_len] = '\0';
	return rec_bucket_decode(val->data, val->len, rec, w->reterr);
}

static enum td_rc
note_closed(void *ctx, const void *key, size_t key_len, const struct store_value *val)
{
	struct bucket_walk *w = ctx;
	char name[DRV_BUCKET_NAME_SIZE];
	struct rec_bucket rec;
	enum td_rc rc =
		read_bucket(w, (struct td_bytes){ key, key_len }, val, name, &rec);

	if (rc == TD_OK)
		tenant_closed_note(&w->ev->v, name, &rec);
	return rc;
}

static enum td_rc
take_bucket(void *ctx, const void *key, size_t key_len, const struct store_value *val)
{
	struct bucket_walk *w = ctx;
	char name[DRV_BUCKET_NAME_SIZE];
	struct rec_bucket rec;
	enum td_rc rc =
		read_bucket(w, (struct td_bytes){ key, key_len }, val, name, &rec);

	if (rc != TD_OK)
		return rc;
	if (w->both)
		tenant_closed_note(&w->ev->v, name, &rec);
	if (w->ev->v.buckets_more)
		return TD_OK; /* walked on for the closed ones only */
	if (w->how->buckets == EVIEW_WORK &&
	    !tenant_bucket_scan(&w->ev->v, &rec, w->how->now_ms))
		return TD_OK;
	if (w->ev->v.bucket_len >= w->limit) {
		w->ev->v.buckets_more = true;
		return w->both ? TD_OK : (enum td_rc)STORE_STOP;
	}
	struct tenant_bucket *b = tenant_view_add_bucket(&w->ev->v, name);
	if (b == NULL)
		return td_err_set(w->reterr, TD_NOMEM, "out of memory");
	b->version = val->version;
	b->rec = rec;
	return TD_OK;
}

static enum td_rc
load_buckets(struct store_read *rd, struct eview *ev, const struct eview_load *how,
	     struct td_err *reterr)
{
	unsigned char prefix[STORE_KEY_MAX], after[STORE_KEY_MAX];
	struct store_range range = { .prefix = prefix };
	struct bucket_walk w = { .ev = ev,
				 .how = how,
				 .both = how->closed && how->buckets == EVIEW_WORK,
				 .reterr = reterr };
	enum td_rc rc = TD_OK;

	range.prefix_len = rec_key_prefix(ev->v.appid, prefix);
	w.prefix_len = range.prefix_len;
	if (how->closed && !w.both)
		rc = store_walk(rd, STORE_BUCKET, &range, note_closed, &w, reterr);
	if (rc != TD_OK || how->buckets == EVIEW_NO_BUCKETS)
		return rc;
	w.limit = how->buckets == EVIEW_AFTER ? how->limit : TENANT_WORK_BUCKETS;
	if (how->buckets == EVIEW_AFTER && how->after != NULL && how->after[0] != '\0') {
		range.after_len = rec_key_bucket(ev->v.appid, how->after, after);
		range.after = after;
	}
	return store_walk(rd, STORE_BUCKET, &range, take_bucket, &w, reterr);
}

enum td_rc
eview_load_bucket(struct store_read *rd, struct eview *ev, const char *name,
		  struct td_err *reterr)
{
	unsigned char key[STORE_KEY_MAX];
	struct store_value val;
	struct rec_bucket rec;

	if (tenant_view_bucket(&ev->v, name) != NULL)
		return TD_OK;
	enum td_rc rc = store_get(rd, STORE_BUCKET, key,
				  rec_key_bucket(ev->v.appid, name, key), &val, reterr);
	if (rc != TD_OK || val.version == 0)
		return rc;
	rc = rec_bucket_decode(val.data, val.len, &rec, reterr);
	if (rc != TD_OK)
		return rc;
	struct tenant_bucket *b = tenant_view_add_bucket(&ev->v, name);
	if (b == NULL)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	b->version = val.version;
	b->rec = rec;
	return TD_OK;
}

static enum td_rc
load_head(struct engine *e, struct store_read *rd, struct eview *ev,
	  struct td_err *reterr)
{
	unsigned char key[STORE_KEY_MAX];
	size_t len = rec_key_appid(ev->v.appid, key);
	struct store_value val;
	enum td_rc rc = store_get(rd, STORE_TENANT, key, len, &val, reterr);

	if (rc != TD_OK)
		return rc;
	if (val.version == 0) {
		rc = store_get(rd, STORE_TOMBSTONE, key, len, &val, reterr);
		ev->v.tombstone = rc == TD_OK && val.version != 0;
		return rc;
	}
	rc = rec_tenant_decode(val.data, val.len, &ev->v.rec, reterr);
	if (rc != TD_OK)
		return rc;
	ev->v.exists = true;
	ev->v.version = val.version;
	ev->was_there = true;
	ev->phase_before = ev->v.rec.phase;
	ev->v.plan = plan_find(atomic_load(&e->plans), ev->v.rec.plan);
	rc = store_get(rd, STORE_DATAKEY, key, len, &val, reterr);
	if (rc == TD_OK && val.version != 0) {
		rc = rec_datakey_decode(val.data, val.len, &ev->datakey, reterr);
		ev->has_datakey = rc == TD_OK;
	}
	if (rc != TD_OK)
		return rc;
	rc = store_get(rd, STORE_PENDING, key, len, &val, reterr);
	ev->v.pending = ev->v.want_pending = rc == TD_OK && val.version != 0;
	return rc;
}

enum td_rc
eview_load(struct engine *e, struct store_read *rd, const struct eview_load *how,
	   struct eview *ret_ev, struct td_err *reterr)
{
	eview_init(ret_ev, how->appid);
	ret_ev->v.rules = e->rules;
	ret_ev->v.env = e->env;
	ret_ev->v.ahead_ms = e->wall != NULL ? td_wall_ahead_ms(e->wall) : 0;

	enum td_rc rc = load_head(e, rd, ret_ev, reterr);

	if (rc == TD_OK && ret_ev->v.exists && !how->unbraked)
		rc = eview_load_brakes(e, rd, ret_ev, reterr);
	for (int r = 0; rc == TD_OK && ret_ev->v.exists && r < DRV_RESOURCE_COUNT; r++)
		rc = load_part(rd, ret_ev, (enum drv_resource)r, reterr);
	if (rc == TD_OK && ret_ev->v.exists) {
		eview_set_wanted(e, ret_ev, ret_ev->v.plan, ret_ev->v.rec.region);
		rc = load_buckets(rd, ret_ev, how, reterr);
	}
	if (rc != TD_OK) {
		eview_done(ret_ev);
		return td_err_prefix(reterr, "tenant %s", how->appid);
	}
	return TD_OK;
}

/* The stepper knows what it would do if the region were not stopped. */
static enum td_rc
note_budget_waits(struct engine *e, struct store_read *rd, struct tenant_view *v,
		  struct td_err *reterr)
{
	struct engine_plan plan;
	enum td_rc rc = engine_plan_load(e, rd, v->appid, &plan, reterr);

	if (rc != TD_OK)
		return rc;
	for (size_t i = 0; i < plan.count; i++)
		if (plan.row[i].held == ENGINE_HELD_BUDGET)
			v->part[plan.row[i].resource].budget_waits = true;
	engine_plan_done(&plan);
	return TD_OK;
}

enum td_rc
engine_view_load(struct engine *e, struct store_read *rd, const char *appid,
		 const char *bucket_after, size_t bucket_limit,
		 struct tenant_view *ret_view, struct td_err *reterr)
{
	struct eview_load how = { .appid = appid,
				  .buckets = bucket_limit != 0 ? EVIEW_AFTER
							       : EVIEW_NO_BUCKETS,
				  .after = bucket_after,
				  .limit = bucket_limit };
	struct eview ev;
	enum td_rc rc = eview_load(e, rd, &how, &ev, reterr);

	if (rc != TD_OK)
		return rc;
	explicit_bzero(&ev.datakey, sizeof(ev.datakey));
	if (ev.v.tombstone)
		rc = td_err_set(reterr, TD_APPID_RETIRED, "%s has a tombstone", appid);
	else if (!ev.v.exists)
		rc = td_err_set(reterr, TD_NOT_FOUND, "no tenant %s", appid);
	if (rc != TD_OK) {
		eview_done(&ev);
		return rc;
	}
	if (ev.v.budget.stopped && ev.v.pending)
		rc = note_budget_waits(e, rd, &ev.v, reterr);
	if (rc != TD_OK) {
		eview_done(&ev);
		return rc;
	}
	*ret_view = ev.v;
	return TD_OK;
}

enum td_rc
eview_open_slot(struct engine *e, struct eview *ev, enum drv_resource r,
		enum drv_slot_id id, struct td_err *reterr)
{
	struct tenant_slot *s = &ev->v.part[r].slots[id];

	if (s->secret != NULL)
		return TD_OK;
	if (!s->exists || !ev->has_datakey)
		return td_err_set(reterr, TD_CORRUPT,
				  "%s: slot %d of resource %d is not there", ev->v.appid,
				  (int)id, (int)r);
	return seal_slot_open(e->seal, &ev->datakey, ev->v.appid, r, id, &s->rec,
			      &s->secret, reterr);
}
