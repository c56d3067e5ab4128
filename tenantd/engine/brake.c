/*
 * Brakes in the store. They are read with every view, in its snapshot, and every commit of
 * a view holds only while they are as they were read. So no intent is ever recorded past a
 * hold that was stored before it, and nothing is kept in memory that could be lost.
 *
 * What a commit charges to a region's budget is in that commit: kill -9 neither forgets it nor
 * counts it twice. The budget's version makes commits that charge exclude each other; the one
 * that was too late looks again.
 */
#include "internal.h"

#include <string.h>

int64_t
engine_believed_ms(struct engine *e)
{
	return e->wall != NULL ? td_wall_ms(e->wall) : td_now_ms(e->env);
}

bool
engine_region_known(const struct engine *e, const char *region)
{
	return engine_region_find(e, region) != NULL;
}

void
engine_brakes_changed(struct engine *e)
{
	engine_kick_all(e);
}

/* Key of the i-th mode that concerns a tenant. */
static size_t
brake_key(const char *appid, const char *region, unsigned i,
	  unsigned char key[STORE_KEY_MAX])
{
	switch (i) {
	case 0:
		return rec_key_brake(REC_SCOPE_DAEMON, "", key);
	case 1:
		return rec_key_brake(REC_SCOPE_REGION, region, key);
	case 2:
		return rec_key_brake(REC_SCOPE_TENANT, appid, key);
	default:
		return rec_key_brake_resource(appid, (enum drv_resource)(i - 3), key);
	}
}

/* *ret_version 0: there is none, and the record is not touched. */
static enum td_rc
get_brake(struct store_read *rd, const void *key, size_t len, struct rec_brake *ret,
	  uint64_t *ret_version, struct td_err *reterr)
{
	struct store_value val;
	enum td_rc rc = store_get(rd, STORE_BRAKE, key, len, &val, reterr);

	if (rc != TD_OK)
		return rc;
	*ret_version = val.version;
	return val.version == 0 ? TD_OK
				: rec_brake_decode(val.data, val.len, ret, reterr);
}

static enum td_rc
get_budget(struct store_read *rd, const char *region, struct rec_budget *ret,
	   uint64_t *ret_version, struct td_err *reterr)
{
	unsigned char key[STORE_KEY_MAX];
	struct store_value val;
	enum td_rc rc = store_get(rd, STORE_BUDGET, key, rec_key_region(region, key),
				  &val, reterr);

	if (rc != TD_OK)
		return rc;
	*ret = (struct rec_budget){ 0 };
	*ret_version = val.version;
	return val.version == 0 ? TD_OK
				: rec_budget_decode(val.data, val.len, ret, reterr);
}

enum td_rc
eview_load_brakes(struct engine *e, struct store_read *rd, struct eview *ev,
		  struct td_err *reterr)
{
	struct tenant_view *v = &ev->v;
	unsigned char key[STORE_KEY_MAX];
	enum td_rc rc = TD_OK;

	for (unsigned i = 0; rc == TD_OK && i < EVIEW_BRAKES; i++) {
		unsigned parts = i < 3 ? TENANT_ALL_PARTS : 1U << (i - 3);
		size_t len = brake_key(v->appid, v->rec.region, i, key);
		char scope[REC_SCOPE_SIZE] = "";
		struct rec_brake rec;

		rc = get_brake(rd, key, len, &rec, &ev->brake_version[i], reterr);
		if (rc != TD_OK || ev->brake_version[i] == 0)
			continue;
		memcpy(scope, key, len < sizeof(scope) ? len : sizeof(scope) - 1);
		tenant_brake_note(v, parts, scope, &rec, td_now_ms(e->env));
	}
	if (rc == TD_OK)
		rc = get_budget(rd, v->rec.region, &ev->budget, &ev->budget_version,
				reterr);
	if (rc == TD_OK)
		budget_show(&ev->budget, &e->budgets, engine_believed_ms(e), &v->budget);
	return rc;
}

static enum td_rc
put_budget(struct store_commit *c, const char *region, const struct rec_budget *b,
	   uint64_t version, struct td_buf *buf)
{
	unsigned char key[STORE_KEY_MAX];
	size_t len = rec_key_region(region, key);
	enum td_rc rc;

	rec_budget_encode(b, buf);
	store_commit_expect(c, STORE_BUDGET, key, len, version);
	store_commit_put(c, STORE_BUDGET, key, len, buf->data, buf->len);
	rc = td_buf_rc(buf);
	td_buf_reset(buf);
	return rc;
}

enum td_rc
eview_commit_brakes(struct engine *e, const struct eview *ev, struct store_commit *c,
		    struct td_buf *buf, struct td_err *reterr)
{
	const struct tenant_view *v = &ev->v;
	int64_t now = engine_believed_ms(e);
	struct rec_budget b = ev->budget;
	unsigned char key[STORE_KEY_MAX];
	bool charges = v->stop;

	if (!ev->was_there)
		return TD_OK; /* no brake concerned it when it was loaded */
	for (unsigned i = 0; i < EVIEW_BRAKES; i++)
		store_commit_expect(c, STORE_BRAKE, key,
				    brake_key(v->appid, v->rec.region, i, key),
				    ev->brake_version[i]);
	for (unsigned d = 0; d < REC_DESTROY_COUNT; d++) {
		charges = charges || v->charge[d] > 0;
		if (!budget_take(&b, &e->budgets, (enum rec_destroy)d, v->charge[d], now))
			return td_err_set(reterr, TD_PRECONDITION,
					  "the budget of region %s has no room for it",
					  v->rec.region);
	}
	if (v->stop)
		budget_stop(&b, v->stop_by, now);
	if (!charges)
		return TD_OK;
	return put_budget(c, v->rec.region, &b, ev->budget_version, buf);
}

void
eview_brakes_committed(const struct eview *ev)
{
	if (!ev->v.stop)
		return;
	td_log(TD_LOG_ERR, &(struct td_log_ctx){ .room = "engine" },
	       "GATE STOPPED: region %s has spent its hour's budget for \"%s\"; nothing "
	       "more is deleted there until `tenantctl approve %s`",
	       ev->v.rec.region, tenant_destroy_text(ev->v.stop_by), ev->v.rec.region);
}

/* ---- for the API ---- */

enum td_rc
engine_mode(struct engine *e, struct store_read *rd, const char *appid,
	    const char *region, enum rec_mode *ret_mode, struct td_err *reterr)
{
	int64_t believed = engine_believed_ms(e);
	unsigned char key[STORE_KEY_MAX];
	enum rec_mode mode = REC_MANAGE;

	for (unsigned i = 0; i < 3; i++) {
		size_t len = brake_key(appid, region, i, key);
		struct rec_brake rec;
		uint64_t version;
		enum td_rc rc = get_brake(rd, key, len, &rec, &version, reterr);

		if (rc != TD_OK)
			return rc;
		if (version != 0 && !tenant_brake_expired(&rec, believed) &&
		    (enum rec_mode)rec.mode > mode)
			mode = (enum rec_mode)rec.mode;
	}
	*ret_mode = mode;
	return TD_OK;
}

static void
show_budget(const struct engine *e, const char *region, const struct rec_budget *b,
	    int64_t now_ms, struct engine_budget_state *ret)
{
	struct tenant_budget show;

	budget_show(b, &e->budgets, now_ms, &show);
	*ret = (struct engine_budget_state){
		.region = region,
		.stopped_ms = show.stopped_ms,
		.stopped_by = (enum rec_destroy)b->stopped_by,
	};
	for (unsigned i = 0; i < REC_DESTROY_COUNT; i++)
		ret->line[i] = (struct engine_budget_line){
			.limit = e->budgets.per_hour[i],
			.spent = budget_spent(b, (enum rec_destroy)i, now_ms),
			.extra = budget_extra(b, (enum rec_destroy)i, now_ms),
		};
}

enum td_rc
engine_budgets(struct engine *e, struct store_read *rd, struct engine_budget_state *out,
	       size_t max, size_t *ret_count, struct td_err *reterr)
{
	int64_t now = engine_believed_ms(e);

	for (size_t i = 0; i < e->region_count && i < max; i++) {
		struct rec_budget b;
		uint64_t version;
		enum td_rc rc = get_budget(rd, e->regions[i].name, &b, &version, reterr);

		if (rc != TD_OK)
			return rc;
		show_budget(e, e->regions[i].name, &b, now, &out[i]);
	}
	*ret_count = e->region_count;
	return TD_OK;
}

enum td_rc
engine_approve(struct engine *e, struct store_read *rd, const char *region,
	       uint32_t count, struct store_commit *c,
	       struct engine_budget_state *ret_state, struct td_err *reterr)
{
	const struct engine_region *g = engine_region_find(e, region);
	int64_t now = engine_believed_ms(e);
	struct rec_budget b;
	struct td_buf buf;
	uint64_t version;
	enum td_rc rc;

	if (g == NULL)
		return td_err_set(reterr, TD_NOT_FOUND, "no region %s", region);
	rc = get_budget(rd, region, &b, &version, reterr);
	if (rc != TD_OK)
		return rc;
	budget_approve(&b, &e->budgets, count, now);
	td_buf_init(&buf, STORE_VALUE_MAX);
	rc = put_budget(c, region, &b, version, &buf);
	td_buf_done(&buf);
	if (rc != TD_OK)
		return td_err_set(reterr, rc, "the budget does not encode");
	show_budget(e, g->name, &b, now, ret_state);
	return TD_OK;
}
