/*
 * Operations of the API: load, decide, commit, and once more when somebody else was
 * faster. They run on a few threads of their own, because an API thread never blocks.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

struct op_job {
	struct engine *e;
	struct engine_op op;
	engine_op_done_fn done;
	void *ctx;
};

bool
engine_appid_reserved(const struct engine *e, const char *appid)
{
	/* Databases of MongoDB, our own names, and what people would mistake for root. */
	static const char *const words[] = { "admin",  "local",	  "config",    "root",
					     "test",   "minio",	  "tenantd",   "mongodb",
					     "system", "console", "minioadmin" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], appid) == 0)
			return true;
	for (size_t i = 0; i < e->reserved_count; i++)
		if (strcmp(e->reserved[i], appid) == 0)
			return true;
	return strncmp(appid, "tenantd", 7) == 0;
}

static enum td_rc
check_match(const struct engine_op *op, const struct tenant_view *v,
	    struct td_err *reterr)
{
	if (op->match == ENGINE_IF_NONE_MATCH_ANY && v->exists)
		return td_err_set(reterr, TD_PRECONDITION, "%s exists already", v->appid);
	if (op->match == ENGINE_IF_MATCH &&
	    (!v->exists || v->version != op->match_version))
		return td_err_set(reterr, TD_PRECONDITION, "%s is not at that version",
				  v->appid);
	return TD_OK;
}

static enum td_rc
prepare_put(struct engine *e, struct eview *ev, struct tenant_put *put,
	    struct td_err *reterr)
{
	const struct plan *plan = ev->v.plan;
	const char *region = ev->v.exists ? ev->v.rec.region : put->region;

	put->reserved = engine_appid_reserved(e, ev->v.appid);
	put->default_region = e->default_region;
	if (put->plan != NULL)
		put->new_plan = plan = plan_find(atomic_load(&e->plans), put->plan);
	if (region == NULL)
		region = e->default_region;
	put->region_known = engine_region_find(e, region) != NULL;
	eview_set_wanted(e, ev, plan, region);
	if (ev->v.exists || ev->v.tombstone || put->reserved)
		return TD_OK;
	return engine_number_next(e, &put->number, reterr);
}

static enum td_rc
load_buckets(struct store_read *rd, const struct engine_op *op, struct eview *ev,
	     struct td_err *reterr)
{
	enum td_rc rc = TD_OK;

	if (!ev->v.exists)
		return TD_OK;
	for (size_t i = 0;
	     rc == TD_OK && op->kind == ENGINE_PUT && i < op->put.bucket_count; i++)
		rc = eview_load_bucket(rd, ev, op->put.buckets[i].name, reterr);
	if (rc == TD_OK &&
	    (op->kind == ENGINE_BUCKET_PUT || op->kind == ENGINE_BUCKET_DELETE))
		rc = eview_load_bucket(rd, ev, op->bucket.name, reterr);
	return rc;
}

static enum td_rc
decide(struct op_job *j, struct eview *ev, struct tenant_op_result *ret,
       struct td_err *reterr)
{
	struct engine_op *op = &j->op;
	int64_t now = td_now_ms(j->e->env);
	enum td_rc rc = check_match(op, &ev->v, reterr);

	if (rc != TD_OK && !ev->v.tombstone)
		return rc;
	switch (op->kind) {
	case ENGINE_PUT:
		rc = prepare_put(j->e, ev, &op->put, reterr);
		return rc != TD_OK ? rc
				   : tenant_op_put(&ev->v, &op->put, now, ret, reterr);
	case ENGINE_DELETE:
		return tenant_op_delete(&ev->v, &op->del, now, ret, reterr);
	case ENGINE_UNDELETE:
		return tenant_op_undelete(&ev->v, now, ret, reterr);
	case ENGINE_SUSPEND:
		return tenant_op_suspend(&ev->v, now, ret, reterr);
	case ENGINE_RESUME:
		return tenant_op_resume(&ev->v, now, ret, reterr);
	case ENGINE_BUCKET_PUT:
		return tenant_op_bucket_put(&ev->v, &op->bucket, now, ret, reterr);
	case ENGINE_BUCKET_DELETE:
		return tenant_op_bucket_delete(&ev->v, op->bucket.name, &op->bucket_del,
					       now, ret, reterr);
	default:
		return td_err_set(reterr, TD_INTERNAL, "operation %d", (int)op->kind);
	}
}

/* What must work on a full disk. */
static enum store_class
op_class(enum engine_op_kind kind)
{
	return kind == ENGINE_DELETE || kind == ENGINE_SUSPEND ? STORE_RESERVE
							       : STORE_NORMAL;
}

static enum td_rc
op_once(struct op_job *j, struct engine_op_result *res)
{
	struct eview_load how = { .appid = j->op.appid,
				  .buckets = EVIEW_NO_BUCKETS,
				  .closed = j->op.kind == ENGINE_BUCKET_DELETE &&
					    j->op.bucket_del.purge };
	struct eview_commit commit = { .class = op_class(j->op.kind),
				       .audit = j->op.audit,
				       .audit_len = j->op.audit_len };
	struct store_commit *c = NULL;
	struct store_read *rd;
	struct eview ev;
	enum td_rc rc = store_read_begin(j->e->store, &rd, &res->err);

	if (rc != TD_OK)
		return rc;
	rc = eview_load(j->e, rd, &how, &ev, &res->err);
	if (rc != TD_OK) {
		store_read_end(rd);
		return rc;
	}
	rc = load_buckets(rd, &j->op, &ev, &res->err);
	memset(&res->op, 0, sizeof(res->op));
	if (rc == TD_OK && j->op.kind == ENGINE_PUT && !ev.v.exists) {
		/* Numbers may be reserved by a commit: not inside a snapshot. */
		store_read_end(rd);
		rd = NULL;
	}
	if (rc == TD_OK)
		rc = decide(j, &ev, &res->op, &res->err);
	if (rc == TD_OK && rd == NULL)
		rc = store_read_begin(j->e->store, &rd, &res->err);
	res->version = ev.v.version;
	if (rc == TD_OK && res->op.changed)
		rc = eview_commit_build(j->e, rd, &ev, &commit, &c, &res->err);
	store_read_end(rd);
	if (rc == TD_OK && c != NULL) {
		rc = store_commit(j->e->store, c, &res->version, &res->err);
		if (rc == TD_OK)
			eview_committed(j->e, &ev);
		else if (rc == TD_PRECONDITION)
			rc = TD_CONFLICT;
		if (rc == TD_OK && ev.v.mark != TENANT_PUT)
			res->version = ev.v.version;
	}
	eview_done(&ev);
	return rc;
}

static void
op_run(void *ctx)
{
	struct op_job *j = ctx;
	struct engine_op_result res;

	memset(&res, 0, sizeof(res));
	for (int i = 0; i < ENGINE_COMMIT_TRIES; i++) {
		memset(&res.err, 0, sizeof(res.err));
		res.rc = op_once(j, &res);
		if (res.rc != TD_CONFLICT)
			break;
		atomic_fetch_add(&j->e->conflicts, 1);
	}
	j->done(j->ctx, &res);
	free(j);
}

void
engine_op_submit(struct engine *e, const struct engine_op *op, engine_op_done_fn done,
		 void *ctx)
{
	struct engine_op_result res;
	struct op_job *j = calloc(1, sizeof(*j));

	if (j != NULL) {
		j->e = e;
		j->op = *op;
		j->done = done;
		j->ctx = ctx;
		if (td_pool_submit(e->ops, op_run, j) == TD_OK)
			return;
		free(j);
	}
	memset(&res, 0, sizeof(res));
	res.rc = td_err_set(&res.err, TD_UNAVAILABLE, "too many operations are waiting");
	done(ctx, &res);
}
