/*
 * Clients: random requests, each decided on a view and committed, and the model's own idea
 * of what all committed requests together ask for.
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

static void
pick_bucket(struct world *w, struct m_op *op)
{
	op->bucket = m_below(w, M_BUCKETS);
	op->mode = (uint8_t)m_below(w, 3);
	op->quota = m_below(w, 3) * 1000;
}

static enum m_op_kind
pick_kind(struct world *w, const struct m_tenant *t)
{
	unsigned n = m_below(w, 100);

	if (!t->wish.exists || (n < 18 && !w->nervous))
		return M_OP_PUT;
	if (w->nervous && n < 80)
		return t->wish.suspend ? M_OP_RESUME : M_OP_SUSPEND;
	if (w->purging && n < 90 && t == &w->t[0])
		return m_below(w, 2) == 0 ? M_OP_BUCKET_PUT : M_OP_BUCKET_DELETE;
	if (n < 40)
		return m_below(w, 2) == 0 ? M_OP_SUSPEND : M_OP_RESUME;
	if (n < 52)
		return M_OP_DELETE;
	if (n < 62)
		return M_OP_UNDELETE;
	if (n < 80)
		return M_OP_BUCKET_PUT;
	if (n < 93)
		return M_OP_BUCKET_DELETE;
	return M_OP_FENCE;
}

void
m_client_begin(struct world *w, unsigned client)
{
	struct m_op *op = &w->ops[client];

	memset(op, 0, sizeof(*op));
	op->tenant = (w->nervous || w->purging) && m_below(w, 4) > 0
			     ? 0
			     : m_below(w, M_TENANTS);
	op->kind = pick_kind(w, &w->t[op->tenant]);
	op->force = m_below(w, 2) == 0;
	op->plan = m_below(w, M_PLANS + 1); /* the last: left out */
	op->buckets = m_below(w, 1U << M_BUCKETS);
	op->has_limit = m_below(w, 4) == 0;
	op->limit = 5000 + 1000 * (uint64_t)m_below(w, 3);
	pick_bucket(w, op);
	w->op_busy[client] = true;
	m_client_try(w, client);
}

static void
name_bucket(struct tenant_put_bucket *b, unsigned i)
{
	memset(b, 0, sizeof(*b));
	memcpy(b->name, "bk0", 4);
	b->name[2] = (char)('0' + i);
}

static bool
leaving(struct tenant_view *v, unsigned i)
{
	struct tenant_put_bucket b;
	const struct tenant_bucket *have;

	name_bucket(&b, i);
	have = tenant_view_bucket(v, b.name);
	return have != NULL && tenant_bucket_leaving(&have->rec);
}

static enum td_rc
do_put(struct world *w, struct m_op *op, struct tenant_view *v,
       struct tenant_op_result *ret, struct td_err *err)
{
	struct tenant_put_bucket buckets[M_BUCKETS];
	struct tenant_put put = { .default_region = "model",
				  .region_known = true,
				  .number = 1 + op->tenant,
				  .buckets = buckets };
	const struct plan *plan = &w->plans[op->plan % M_PLANS];
	unsigned gone = 0;
	enum td_rc rc;

	if (op->plan < M_PLANS)
		put.plan = plan->name;
	put.new_plan = plan;
	if (op->has_limit) {
		put.has_limits = true;
		put.limits_set = 1U << REC_LIMIT_OBJECT_BYTES;
		put.limits[REC_LIMIT_OBJECT_BYTES] = op->limit;
	}
	if (op->has_limit && (op->plan < M_PLANS ? plan : v->plan) != NULL &&
	    (op->plan < M_PLANS ? plan : v->plan)->has[PLAN_VOLUME]) {
		put.limits_set |= 1U << REC_LIMIT_VOLUME_BYTES;
		put.limits[REC_LIMIT_VOLUME_BYTES] = 1000000 * (op->limit / 1000 - 3);
	}
	for (unsigned i = 0; i < M_BUCKETS; i++) {
		struct tenant_put_bucket *b = &buckets[put.bucket_count];

		if ((op->buckets & (1U << i)) == 0)
			continue;
		if (leaving(v, i))
			gone |= 1U << i;
		name_bucket(b, i);
		b->has_mode = b->has_quota = true;
		b->mode = (enum drv_bucket_mode)op->mode;
		b->quota_bytes = op->quota;
		put.bucket_count++;
	}
	if (!v->exists || put.plan != NULL)
		for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++)
			v->part[r].wanted = v->part[r].version != 0 || plan->has[r];
	rc = tenant_op_put(v, &put, w->now_ms, ret, err);
	if (rc != TD_OK)
		return rc;
	op->after.exists = true;
	for (unsigned i = 0; i < M_BUCKETS; i++) {
		if ((op->buckets & (1U << i)) == 0 || (gone & (1U << i)))
			continue;
		op->after.bucket[i] = true;
		op->after.maybe_kept[i] = false;
		op->after.purge_due_ms[i] = 0;
		op->after.mode[i] = op->mode;
		op->after.quota[i] = op->quota;
	}
	return TD_OK;
}

static enum td_rc
do_bucket(struct world *w, struct m_op *op, struct tenant_view *v,
	  struct tenant_op_result *ret, struct td_err *err)
{
	struct tenant_bucket_delete_options opt = { .purge = op->force };
	struct tenant_put_bucket b;
	unsigned i = op->bucket;
	enum td_rc rc;

	name_bucket(&b, i);
	if (op->kind == M_OP_BUCKET_DELETE) {
		rc = tenant_op_bucket_delete(v, b.name, &opt, w->now_ms, ret, err);
		if (rc == TD_OK && ret->changed) {
			op->after.bucket[i] = false;
			op->after.maybe_kept[i] = !op->force;
			op->after.purge_due_ms[i] =
				op->force && leaving(v, i) ? w->now_ms + M_GRACE_MS : 0;
		}
		return rc;
	}
	b.has_mode = b.has_quota = true;
	b.mode = (enum drv_bucket_mode)op->mode;
	b.quota_bytes = op->quota;
	rc = tenant_op_bucket_put(v, &b, w->now_ms, ret, err);
	if (rc == TD_OK) {
		op->after.bucket[i] = true;
		op->after.maybe_kept[i] = false;
		op->after.purge_due_ms[i] = 0;
		op->after.mode[i] = op->mode;
		op->after.quota[i] = op->quota;
	}
	return rc;
}

/* Not a request: what the quota's decision will do. */
static enum td_rc
do_fence(struct m_op *op, struct tenant_view *v, struct tenant_op_result *ret)
{
	struct tenant_part *p = &v->part[DRV_OBJECT];

	if (!v->exists || p->version == 0 || v->rec.phase == REC_DELETING)
		return TD_NOT_FOUND;
	p->rec.fenced = !p->rec.fenced;
	p->mark = TENANT_PUT;
	v->mark = TENANT_PUT;
	v->want_pending = true;
	ret->changed = true;
	op->after.fenced = p->rec.fenced;
	return TD_OK;
}

static enum td_rc
do_undelete(struct world *w, struct m_op *op, struct tenant_view *v,
	    struct tenant_op_result *ret, struct td_err *err)
{
	enum td_rc rc = tenant_op_undelete(v, w->now_ms, ret, err);

	if (rc != TD_OK)
		return rc;
	if (w->t[op->tenant].remove_started)
		m_fail(w, "undelete after the removal began");
	op->after.deleting = false;
	op->after.reopened++;
	return rc;
}

static enum td_rc
decide(struct world *w, struct m_op *op, struct tenant_view *v,
       struct tenant_op_result *ret, struct td_err *err)
{
	struct tenant_delete_options opt = { .force = op->force };
	enum td_rc rc = TD_OK;

	op->after = w->t[op->tenant].wish;
	memset(ret, 0, sizeof(*ret));
	switch (op->kind) {
	case M_OP_PUT:
		return do_put(w, op, v, ret, err);
	case M_OP_SUSPEND:
		op->after.suspend = true;
		return tenant_op_suspend(v, w->now_ms, ret, err);
	case M_OP_RESUME:
		rc = tenant_op_resume(v, w->now_ms, ret, err);
		op->after.suspend = false;
		op->after.reopened += ret->changed;
		return rc;
	case M_OP_DELETE:
		rc = tenant_op_delete(v, &opt, w->now_ms, ret, err);
		op->after.deleting = op->after.exists;
		return rc;
	case M_OP_UNDELETE:
		return do_undelete(w, op, v, ret, err);
	case M_OP_BUCKET_PUT:
	case M_OP_BUCKET_DELETE:
		return do_bucket(w, op, v, ret, err);
	case M_OP_FENCE:
	case M_OP_KINDS:
		break;
	}
	return do_fence(op, v, ret);
}

static void
check_refusal(struct world *w, const struct m_op *op, const struct tenant_view *v,
	      enum td_rc rc)
{
	if (tenant_view_dirty(v))
		m_fail(w, "a refused request (kind %d, rc %d) left marks", (int)op->kind,
		       (int)rc);
	if (v->tombstone && op->kind == M_OP_PUT && rc != TD_APPID_RETIRED)
		m_fail(w, "PUT on a tombstone gives %d", (int)rc);
}

static struct m_job *
job_for(struct world *w, unsigned client)
{
	for (unsigned i = 0; i < M_JOBS; i++) {
		struct m_job *j = &w->jobs[i];

		if (j->used)
			continue;
		memset(j, 0, sizeof(*j));
		j->used = true;
		j->kind = M_JOB_OP;
		j->tenant = w->ops[client].tenant;
		j->op = (int)client;
		j->at_ms = w->now_ms + m_below(w, 8);
		return j;
	}
	m_fail(w, "too many jobs");
	return NULL;
}

void
m_client_try(struct world *w, unsigned client)
{
	struct m_op *op = &w->ops[client];
	struct tenant_view *v = malloc(sizeof(*v));
	struct tenant_op_result ret;
	struct td_err err = { 0 };
	struct m_job *j;
	enum td_rc rc;

	if (v == NULL) {
		m_fail(w, "out of memory");
		return;
	}
	m_view_load(w, op->tenant, M_LOAD_NAMED, (1U << M_BUCKETS) - 1, v);
	rc = decide(w, op, v, &ret, &err);
	m_tell(w, "%s: request %d b%u force %d: rc %d changed %d", w->t[op->tenant].appid,
	       (int)op->kind, op->bucket, op->force, (int)rc, ret.changed);
	if (rc != TD_OK)
		check_refusal(w, op, v, rc);
	if (rc == TD_OK && !ret.changed && tenant_view_dirty(v))
		m_fail(w, "request %d changed nothing and left marks", (int)op->kind);
	w->op_busy[client] = rc == TD_OK && ret.changed;
	if (w->op_busy[client]) {
		j = job_for(w, client);
		if (j != NULL)
			j->commit = m_commit_new(w, op->tenant, v);
		if (j != NULL && j->commit != NULL)
			j->commit->op = op;
	}
	tenant_view_done(v);
	free(v);
}

void
m_client_committed(struct world *w, unsigned client)
{
	struct m_op *op = &w->ops[client];
	struct m_tenant *t = &w->t[op->tenant];

	w->op_busy[client] = false;
	t->entry.look = true;
	if (op->kind == M_OP_UNDELETE)
		t->remove_started = false;
}
