/*
 * PUT of a tenant and of one bucket: a desired spec, checked as a whole and then stored.
 *
 * What a member that is left out means, which changes are refused and with which code, is
 * in docs/api. The generation grows with every change; parts that the change does not
 * concern follow it at once, so that a new label costs the backends nothing.
 */
#include "step.h"

#include <string.h>

#define S3_BUCKET_MAX 63

static enum td_rc
refuse(struct tenant_op_result *ret, const char *code, struct td_err *reterr,
       const char *detail)
{
	tenant_text(ret->code, sizeof(ret->code), code);
	return td_err_set(reterr, TD_UNPROCESSABLE, "%s", detail);
}

/* ---- buckets ---- */

static enum td_rc
check_bucket(const struct tenant_view *v, const struct tenant_put_bucket *want,
	     struct td_err *reterr)
{
	if (!rec_bucket_name_ok(want->name))
		return td_err_set(reterr, TD_INVALID, "not a bucket name");
	if (strlen(v->appid) + 1 + strlen(want->name) > S3_BUCKET_MAX)
		return td_err_set(reterr, TD_INVALID, "%s-%s is longer than %d bytes",
				  v->appid, want->name, S3_BUCKET_MAX);
	return TD_OK;
}

static bool
bucket_differs(const struct rec_bucket *b, const struct tenant_put_bucket *want)
{
	return (want->has_mode && b->mode != (uint8_t)want->mode) ||
	       (want->has_quota && b->quota_bytes != want->quota_bytes);
}

static enum td_rc
check_buckets(struct tenant_view *v, const struct tenant_put *put,
	      const struct plan_limits *limits, struct tenant_op_result *ret,
	      struct td_err *reterr)
{
	struct plan_bucket_count count = { .have = v->exists ? v->rec.bucket_count : 0 };
	struct td_err why = { 0 };

	for (size_t i = 0; i < put->bucket_count; i++) {
		const struct tenant_bucket *have =
			tenant_view_bucket(v, put->buckets[i].name);
		enum td_rc rc = check_bucket(v, &put->buckets[i], reterr);

		if (rc != TD_OK)
			return rc;
		for (size_t j = 0; j < i; j++)
			if (strcmp(put->buckets[i].name, put->buckets[j].name) == 0)
				return td_err_set(reterr, TD_INVALID, "bucket %s twice",
						  put->buckets[i].name);
		if (have == NULL) {
			count.more++;
		} else if (tenant_bucket_leaving(&have->rec) &&
			   bucket_differs(&have->rec, &put->buckets[i])) {
			tenant_text(ret->code, sizeof(ret->code), "bucket_removing");
			return td_err_set(reterr, TD_WRONG_PHASE,
					  "bucket %s is being removed", have->name);
		}
	}
	if (plan_check_buckets(limits, count, &why) != TD_OK)
		return refuse(ret, "bucket_limit", reterr, why.detail);
	return TD_OK;
}

/* Change or add one. All checks are done; TD_NOMEM is left. */
static enum td_rc
store_bucket(struct tenant_view *v, const struct tenant_put_bucket *want, int64_t now_ms,
	     struct tenant_op_result *ret, struct td_err *reterr)
{
	struct tenant_bucket *b = tenant_view_bucket(v, want->name);

	if (b == NULL) {
		b = tenant_view_add_bucket(v, want->name);
		if (b == NULL)
			return td_err_set(reterr, TD_NOMEM, "no memory for a bucket");
		b->rec.state = REC_BUCKET_NEW;
		b->rec.created_ms = now_ms;
		v->rec.bucket_count++;
	} else if (tenant_bucket_leaving(&b->rec) || !bucket_differs(&b->rec, want)) {
		return TD_OK;
	}
	if (want->has_mode)
		b->rec.mode = (uint8_t)want->mode;
	if (want->has_quota)
		b->rec.quota_bytes = want->quota_bytes;
	b->rec.observed = 0;
	b->rec.observed_mode = 0;
	b->rec.observed_quota = 0;
	b->rec.message[0] = '\0';
	b->mark = TENANT_PUT;
	ret->changed = true;
	return TD_OK;
}

/* So that store_bucket() cannot fail half way through a spec. */
static enum td_rc
room_for_buckets(struct tenant_view *v, const struct tenant_put *put,
		 struct td_err *reterr)
{
	size_t len = v->bucket_len;
	size_t fresh = 0;

	for (size_t i = 0; i < put->bucket_count; i++)
		if (tenant_view_bucket(v, put->buckets[i].name) == NULL)
			fresh++;
	for (size_t i = 0; i < fresh; i++) {
		if (tenant_view_add_bucket(v, "") == NULL) {
			v->bucket_len = len;
			return td_err_set(reterr, TD_NOMEM, "no memory for buckets");
		}
	}
	v->bucket_len = len;
	return TD_OK;
}

/* ---- plan and limits ---- */

static struct plan_limits
overrides(uint32_t set, const uint64_t values[REC_LIMIT_COUNT])
{
	struct plan_limits own = { 0 };

	for (unsigned i = 0; i < REC_LIMIT_COUNT; i++)
		if (set & (1U << i))
			plan_limits_set(&own, (enum plan_limit)i, values[i]);
	return own;
}

struct spec {
	const struct plan *plan;
	struct plan_limits own;
	struct plan_limits effective;
};

static enum td_rc
check_plan_change(const struct tenant_view *v, const struct spec *to,
		  struct tenant_op_result *ret, struct td_err *reterr)
{
	struct plan_limits had = overrides(v->rec.limits_set, v->rec.limits);
	struct td_err why = { 0 };
	enum td_rc rc;

	if (v->plan == NULL)
		return TD_OK;
	rc = plan_check_change((struct plan_spec){ v->plan, &had },
			       (struct plan_spec){ to->plan, &to->own }, &why);
	if (rc == TD_UNPROCESSABLE)
		return refuse(ret, "plan_drops_resource", reterr, why.detail);
	if (rc != TD_OK && reterr != NULL)
		*reterr = why;
	return rc;
}

static enum td_rc
check_spec(const struct tenant_view *v, const struct tenant_put *put, struct spec *spec,
	   struct tenant_op_result *ret, struct td_err *reterr)
{
	struct td_err why = { 0 };

	spec->plan = put->plan == NULL && v->exists ? v->plan : put->new_plan;
	if (spec->plan == NULL)
		return refuse(ret, "unknown_plan", reterr, "there is no such plan");
	if (!v->exists && !put->region_known)
		return refuse(ret, "unknown_region", reterr, "there is no such region");
	if (v->exists && put->region != NULL && strcmp(put->region, v->rec.region) != 0)
		return td_err_set(reterr, TD_IMMUTABLE, "the region is %s",
				  v->rec.region);
	for (unsigned r = 0; v->exists && v->plan != NULL && r < DRV_RESOURCE_COUNT; r++)
		if (v->plan->has[r] && !spec->plan->has[r])
			return refuse(ret, "plan_drops_resource", reterr,
				      plan_resource_name((enum plan_resource)r));
	if (put->has_limits)
		spec->own = overrides(put->limits_set, put->limits);
	else if (v->exists)
		spec->own = overrides(v->rec.limits_set, v->rec.limits);
	else
		spec->own = (struct plan_limits){ 0 };
	if (plan_check_overrides(spec->plan, &spec->own, &why) != TD_OK)
		return refuse(ret, "invalid_limit", reterr, why.detail);
	spec->effective = plan_effective(spec->plan, &spec->own);
	if (v->exists)
		return check_plan_change(v, spec, ret, reterr);
	return TD_OK;
}

static enum td_rc
check_appid(const struct tenant_view *v, const struct tenant_put *put,
	    struct td_err *reterr)
{
	if (v->tombstone)
		return td_err_set(reterr, TD_APPID_RETIRED, "%s is retired", v->appid);
	if (v->exists) {
		if (v->rec.phase == REC_DELETING)
			return td_err_set(reterr, TD_WRONG_PHASE, "%s is being deleted",
					  v->appid);
		return TD_OK;
	}
	if (put->reserved)
		return td_err_set(reterr, TD_APPID_RESERVED, "%s is reserved", v->appid);
	if (!rec_appid_new_ok(v->appid))
		return td_err_set(reterr, TD_INVALID, "not an appid");
	return TD_OK;
}

/* ---- storing ---- */

static bool
limit_differs(const struct plan_limits *a, const struct plan_limits *b, enum plan_limit l)
{
	return plan_limits_get(a, l) != plan_limits_get(b, l);
}

/* By name: after a reload the same plan is another object. */
static bool
other_plan(const struct tenant_view *v, const struct spec *to)
{
	return v->plan == NULL || strcmp(v->rec.plan, to->plan->name) != 0;
}

/* Does the spec differ in what comes from the plan and the overrides? */
static bool
spec_differs(const struct tenant_view *v, const struct spec *to)
{
	struct plan_limits had = overrides(v->rec.limits_set, v->rec.limits);

	return other_plan(v, to) || !plan_limits_equal(&had, &to->own);
}

/* Which parts must be gone over again when the plan or a limit changes. */
static unsigned
concerned(const struct tenant_view *v, const struct spec *to)
{
	struct plan_limits had = tenant_limits(v);
	unsigned parts = 0;

	if (other_plan(v, to))
		return TENANT_ALL_PARTS;
	if (limit_differs(&had, &to->effective, PLAN_OBJECT_BYTES))
		parts |= 1U << DRV_OBJECT;
	if (limit_differs(&had, &to->effective, PLAN_VOLUME_BYTES))
		parts |= 1U << DRV_VOLUME;
	return parts;
}

static void
store_plan(struct tenant_view *v, const struct spec *spec, int64_t now_ms)
{
	v->plan = spec->plan;
	tenant_text(v->rec.plan, sizeof(v->rec.plan), spec->plan->name);
	v->rec.limits_set = spec->own.present;
	for (unsigned i = 0; i < REC_LIMIT_COUNT; i++)
		v->rec.limits[i] =
			plan_limits_has(&spec->own, (enum plan_limit)i)
				? plan_limits_get(&spec->own, (enum plan_limit)i)
				: 0;
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
		struct tenant_part *p = &v->part[r];

		if (p->wanted && p->version == 0 && p->mark == TENANT_CLEAN)
			tenant_cond_unready(p, "Pending", "Not made yet.", now_ms);
	}
}

static void
store_new(struct tenant_view *v, const struct tenant_put *put, int64_t now_ms)
{
	memset(&v->rec, 0, sizeof(v->rec));
	v->exists = true;
	v->rec.number = put->number;
	v->rec.phase = REC_CREATING;
	v->rec.created_ms = now_ms;
	tenant_text(v->rec.region, sizeof(v->rec.region),
		    put->region != NULL ? put->region : put->default_region);
}

/* Labels and protection: nothing that a backend hears of. */
static bool
store_words(struct tenant_view *v, const struct tenant_put *put)
{
	bool differs = false;

	if (put->has_labels && (put->labels_len != v->rec.labels_len ||
				(put->labels_len > 0 && memcmp(put->labels, v->rec.labels,
							       put->labels_len) != 0))) {
		memset(v->rec.labels, 0, sizeof(v->rec.labels));
		if (put->labels_len > 0)
			memcpy(v->rec.labels, put->labels, put->labels_len);
		v->rec.labels_len = put->labels_len;
		differs = true;
	}
	if (put->has_protection &&
	    v->rec.deletion_protection != (put->deletion_protection ? 1 : 0)) {
		v->rec.deletion_protection = put->deletion_protection ? 1 : 0;
		differs = true;
	}
	return differs;
}

static void
finish(struct tenant_view *v, unsigned affected, int64_t now_ms)
{
	tenant_respec(v, affected);
	tenant_hurry(v, now_ms);
	tenant_conclude(v, TENANT_SETTLE_KEEP, now_ms);
}

enum td_rc
tenant_op_put(struct tenant_view *v, const struct tenant_put *put, int64_t now_ms,
	      struct tenant_op_result *ret, struct td_err *reterr)
{
	struct spec spec;
	unsigned affected;
	enum td_rc rc;

	memset(ret, 0, sizeof(*ret));
	rc = check_appid(v, put, reterr);
	if (rc == TD_OK)
		rc = check_spec(v, put, &spec, ret, reterr);
	if (rc == TD_OK)
		rc = check_buckets(v, put, &spec.effective, ret, reterr);
	if (rc == TD_OK && put->has_labels && put->labels_len > sizeof(v->rec.labels))
		rc = td_err_set(reterr, TD_INVALID, "too many labels");
	if (rc == TD_OK)
		rc = room_for_buckets(v, put, reterr);
	if (rc != TD_OK)
		return rc;
	ret->created = !v->exists;
	if (ret->created)
		store_new(v, put, now_ms);
	affected = ret->created ? TENANT_ALL_PARTS : concerned(v, &spec);
	ret->changed = ret->created || spec_differs(v, &spec);
	store_plan(v, &spec, now_ms);
	if (store_words(v, put))
		ret->changed = true;
	for (size_t i = 0; i < put->bucket_count; i++) {
		struct tenant_op_result one = { 0 };

		rc = store_bucket(v, &put->buckets[i], now_ms, &one, reterr);
		if (rc != TD_OK)
			return rc; /* cannot be: there is room */
		if (one.changed) {
			ret->changed = true;
			affected |= 1U << DRV_OBJECT;
		}
	}
	if (ret->changed)
		finish(v, affected, now_ms);
	return TD_OK;
}

enum td_rc
tenant_op_bucket_put(struct tenant_view *v, const struct tenant_put_bucket *b,
		     int64_t now_ms, struct tenant_op_result *ret, struct td_err *reterr)
{
	struct tenant_put put = { .buckets = b, .bucket_count = 1 };
	struct tenant_bucket *have;
	enum td_rc rc;

	memset(ret, 0, sizeof(*ret));
	if (v->tombstone)
		return td_err_set(reterr, TD_APPID_RETIRED, "%s is retired", v->appid);
	if (!v->exists)
		return td_err_set(reterr, TD_NOT_FOUND, "no tenant %s", v->appid);
	have = tenant_view_bucket(v, b->name);
	if (have == NULL || v->rec.phase == REC_DELETING) {
		rc = tenant_op_put(v, &put, now_ms, ret, reterr);
		ret->created = ret->changed;
		return rc;
	}
	if (tenant_bucket_leaving(&have->rec)) {
		if (have->rec.remove_due_ms == TENANT_REMOVE_BEGUN ||
		    tenant_bucket_remove_now(v, &have->rec, now_ms)) {
			tenant_text(ret->code, sizeof(ret->code), "bucket_removing");
			return td_err_set(reterr, TD_WRONG_PHASE,
					  "bucket %s is being removed", b->name);
		}
		/* Asked for by its name within the grace time: it stays after all. */
		if (tenant_bucket_shut(&have->rec))
			tenant_closed_changed(v);
		if (have->rec.state == REC_BUCKET_REMOVING)
			have->rec.state = REC_BUCKET_OURS;
		have->rec.remove_due_ms = 0;
		have->rec.purge = 0;
		have->rec.closed = 0;
		have->rec.observed = 0;
		ret->changed = true;
	} else if (have->rec.state == REC_BUCKET_FOREIGN) {
		have->rec.state = REC_BUCKET_NEW; /* look again */
		ret->changed = true;
	}
	if (ret->changed)
		have->mark = TENANT_PUT;
	rc = store_bucket(v, b, now_ms, ret, reterr);
	if (rc == TD_OK && ret->changed) {
		tenant_handed_out(v);
		finish(v, 1U << DRV_OBJECT, now_ms);
	}
	return rc;
}
