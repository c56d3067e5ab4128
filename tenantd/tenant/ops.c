/*
 * Requests other than PUT of a tenant. Each checks everything first and then changes the
 * view, so that a refused one marks nothing. Repeating one is not an error and changes
 * nothing, except where the state has gone past it.
 */
#include "step.h"

#include <string.h>

/* For requests on a tenant that must be there and not be going. */
static enum td_rc
check_there(const struct tenant_view *v, struct td_err *reterr)
{
	if (v->tombstone)
		return td_err_set(reterr, TD_APPID_RETIRED, "%s is retired", v->appid);
	if (!v->exists)
		return td_err_set(reterr, TD_NOT_FOUND, "no tenant %s", v->appid);
	if (v->rec.phase == REC_DELETING)
		return td_err_set(reterr, TD_WRONG_PHASE, "%s is being deleted",
				  v->appid);
	return TD_OK;
}

static void
changed(struct tenant_view *v, struct tenant_op_result *ret, unsigned affected,
	int64_t now_ms)
{
	tenant_respec(v, affected);
	tenant_hurry(v, now_ms);
	tenant_conclude(v, TENANT_SETTLE_KEEP, now_ms);
	ret->changed = true;
}

enum td_rc
tenant_op_suspend(struct tenant_view *v, int64_t now_ms, struct tenant_op_result *ret,
		  struct td_err *reterr)
{
	enum td_rc rc = check_there(v, reterr);

	memset(ret, 0, sizeof(*ret));
	if (rc != TD_OK)
		return rc;
	if (v->rec.suspend)
		return TD_OK;
	v->rec.suspend = 1;
	tenant_handed_out(v); /* pods hear of it before the backends do */
	changed(v, ret, TENANT_ALL_PARTS, now_ms);
	return TD_OK;
}

enum td_rc
tenant_op_resume(struct tenant_view *v, int64_t now_ms, struct tenant_op_result *ret,
		 struct td_err *reterr)
{
	enum td_rc rc = check_there(v, reterr);

	memset(ret, 0, sizeof(*ret));
	if (rc != TD_OK)
		return rc;
	if (!v->rec.suspend)
		return TD_OK;
	v->rec.suspend = 0;
	v->rec.phase = REC_CREATING;
	changed(v, ret, TENANT_ALL_PARTS, now_ms);
	return TD_OK;
}

enum td_rc
tenant_op_delete(struct tenant_view *v, const struct tenant_delete_options *opt,
		 int64_t now_ms, struct tenant_op_result *ret, struct td_err *reterr)
{
	bool published = v->rec.credential_serial != 0;
	int64_t believed = tenant_believed(v, now_ms);

	memset(ret, 0, sizeof(*ret));
	if (v->tombstone)
		return TD_OK;
	if (!v->exists)
		return td_err_set(reterr, TD_NOT_FOUND, "no tenant %s", v->appid);
	if (v->rec.deletion_protection)
		return td_err_set(reterr, TD_DELETION_PROTECTED, "%s is protected",
				  v->appid);
	if (v->rec.phase == REC_DELETING) {
		if (!opt->force || v->rec.delete_due_ms <= believed)
			return TD_OK;
		v->rec.delete_due_ms = believed;
		v->mark = TENANT_PUT;
		tenant_hurry(v, now_ms);
		tenant_conclude(v, TENANT_SETTLE_KEEP, now_ms);
		ret->changed = true;
		return TD_OK;
	}
	v->rec.phase = REC_DELETING;
	v->rec.delete_asked_ms = now_ms;
	v->rec.delete_due_ms = believed + (opt->force ? 0 : v->rules.delete_grace_ms);
	if (published)
		tenant_handed_out(v);
	changed(v, ret, TENANT_ALL_PARTS, now_ms);
	return TD_OK;
}

enum td_rc
tenant_op_undelete(struct tenant_view *v, int64_t now_ms, struct tenant_op_result *ret,
		   struct td_err *reterr)
{
	memset(ret, 0, sizeof(*ret));
	if (v->tombstone)
		return td_err_set(reterr, TD_APPID_RETIRED, "%s is retired", v->appid);
	if (!v->exists)
		return td_err_set(reterr, TD_NOT_FOUND, "no tenant %s", v->appid);
	if (v->rec.phase != REC_DELETING)
		return td_err_set(reterr, TD_WRONG_PHASE, "%s is not being deleted",
				  v->appid);
	if (tenant_removing(v, now_ms))
		return td_err_set(reterr, TD_WRONG_PHASE, "the removal of %s has begun",
				  v->appid);
	v->rec.phase = REC_CREATING;
	v->rec.delete_asked_ms = 0;
	v->rec.delete_due_ms = 0;
	changed(v, ret, TENANT_ALL_PARTS, now_ms);
	return TD_OK;
}

enum td_rc
tenant_op_bucket_delete(struct tenant_view *v, const char *name,
			const struct tenant_bucket_delete_options *opt, int64_t now_ms,
			struct tenant_op_result *ret, struct td_err *reterr)
{
	enum td_rc rc = check_there(v, reterr);
	struct tenant_bucket *b;

	memset(ret, 0, sizeof(*ret));
	if (rc != TD_OK)
		return rc;
	b = tenant_view_bucket(v, name);
	if (b == NULL)
		return td_err_set(reterr, TD_NOT_FOUND, "%s has no such bucket",
				  v->appid);
	if (tenant_bucket_leaving(&b->rec))
		return TD_OK;
	if (b->rec.state == REC_BUCKET_NEW || b->rec.state == REC_BUCKET_FOREIGN) {
		/* Nothing of ours is there: only the wish is forgotten. */
		tenant_bucket_drop(v, b);
	} else {
		if (opt->purge && !tenant_closed_fits(v, name))
			return td_err_set(reterr, TD_PURGE_LIMIT,
					  "%zu buckets of %s are closed", v->closed.count,
					  v->appid);
		if (b->rec.state == REC_BUCKET_OURS)
			b->rec.state = REC_BUCKET_REMOVING;
		if (opt->purge)
			tenant_closed_changed(v);
		b->rec.purge = opt->purge ? 1 : 0;
		b->rec.remove_due_ms = tenant_believed(v, now_ms) +
				       (opt->purge ? v->rules.delete_grace_ms : 0);
		b->rec.message[0] = '\0';
		b->mark = TENANT_PUT;
	}
	tenant_handed_out(v);
	changed(v, ret, 1U << DRV_OBJECT, now_ms);
	return TD_OK;
}
