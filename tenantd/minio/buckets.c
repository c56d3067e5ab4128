/*
 * Buckets: `<appid>-<name>`, tagged with our instance and the appid, with an anonymous
 * policy that access may narrow, and a hard quota above the limit as a second brake.
 *
 * MinIO knows no owner of a bucket, so the tags are the mark. Between creating and tagging
 * a bucket is untagged and empty: that, together with an intent that says it was not
 * there before, is taken for ours too.
 */
#include "minio/work.h"

#include <stdio.h>
#include <string.h>

#define TAG_INSTANCE "tenantd-instance"
#define TAG_APPID "tenantd-appid"
#define S3_NAME_MAX 63

enum mark { MARK_NONE, MARK_OURS, MARK_OTHER };

/* What is there. */
struct seen {
	enum own own;
	enum mark mark;
	bool made;	      /* by this call */
	struct td_buf policy; /* anonymous; empty: none */
	struct s3_tags tags;
};

enum td_rc
bucket_s3_name(const struct work *w, const struct drv_bucket *b, char out[S3_BUCKET_SIZE],
	       struct td_err *reterr)
{
	size_t len = strnlen(b->name, sizeof(b->name));
	int n;

	for (size_t i = 0; i < len; i++) {
		char c = b->name[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (!alnum && (c != '-' || i == 0 || i + 1 == len))
			len = 0;
	}
	n = snprintf(out, S3_BUCKET_SIZE, "%s-%s", w->c->appid, b->name);
	if (len == 0 || len == sizeof(b->name) || n > S3_NAME_MAX)
		return td_err_set(reterr, TD_INVALID, "not a bucket name");
	return TD_OK;
}

/* ---- whose is it? ---- */

static const char *
tag_value(const struct s3_tags *tags, const char *key)
{
	for (size_t i = 0; i < tags->count; i++)
		if (strcmp(tags->tag[i].key, key) == 0)
			return tags->tag[i].value;
	return NULL;
}

static enum mark
mark_of(const struct work *w, const struct s3_tags *tags)
{
	const char *instance = tag_value(tags, TAG_INSTANCE);
	const char *appid = tag_value(tags, TAG_APPID);

	if (!instance && !appid)
		return MARK_NONE;
	return instance && appid && strcmp(instance, w->instance) == 0 &&
			       strcmp(appid, w->c->appid) == 0
		       ? MARK_OURS
		       : MARK_OTHER;
}

static enum td_rc
is_empty(struct work *w, const char *s3_name, bool *ret, struct td_err *reterr)
{
	struct s3_list_request what = { .list = S3_LIST_VERSIONS,
					.bucket = s3_name,
					.max = 1 };
	struct s3_page page;
	enum td_rc rc;

	rc = s3_list_page(&w->call, &what, &page, reterr);
	if (rc != TD_OK)
		return rc;
	*ret = page.count == 0 && !page.truncated;
	s3_page_done(&page);
	return TD_OK;
}

static enum td_rc
look(struct work *w, const struct drv_bucket *b, const char *s3_name, struct seen *seen,
     struct td_err *reterr)
{
	bool ours;
	enum td_rc rc;

	seen->own = OWN_ABSENT;
	seen->mark = MARK_NONE;
	seen->made = false;
	seen->tags.count = 0;
	td_buf_reset(&seen->policy);
	/* The policy is asked for first: the tags of a missing bucket look like none. */
	rc = s3_policy_get(&w->call, s3_name, &seen->policy, reterr);
	if (rc == TD_NOT_FOUND)
		return TD_OK;
	if (rc == TD_OK)
		rc = s3_tags_get(&w->call, s3_name, &seen->tags, reterr);
	if (rc != TD_OK)
		return rc;
	seen->mark = mark_of(w, &seen->tags);
	ours = seen->mark == MARK_OURS;
	if (seen->mark == MARK_NONE && b->claimed)
		ours = true;
	else if (seen->mark == MARK_NONE && b->absent_before)
		rc = is_empty(w, s3_name, &ours, reterr);
	seen->own = ours ? OWN_OURS : OWN_FOREIGN;
	return rc;
}

enum td_rc
bucket_decide(struct work *w, const struct drv_bucket *b, const char *s3_name,
	      enum own *ret, struct td_err *reterr)
{
	struct seen seen;
	enum td_rc rc;

	td_buf_init(&seen.policy, POLICY_MAX_BUCKET);
	rc = look(w, b, s3_name, &seen, reterr);
	td_buf_done(&seen.policy);
	*ret = seen.own;
	return rc;
}

/* ---- what it should be ---- */

static enum policy_anonymous
anonymous_wanted(const struct work *w, const struct drv_bucket *b)
{
	if (w->c->access == DRV_ACCESS_NONE || b->mode == DRV_BUCKET_PRIVATE)
		return POLICY_ANON_PRIVATE;
	if (b->mode == DRV_BUCKET_READONLY)
		return POLICY_ANON_READONLY;
	return w->c->access == DRV_ACCESS_FENCED ? POLICY_ANON_READWRITE_FENCED
						 : POLICY_ANON_READWRITE;
}

/* 125 %: the fence comes first, MinIO's own brake only when that failed. */
static uint64_t
quota_wanted(const struct drv_bucket *b)
{
	uint64_t extra = b->quota_bytes / 4;

	return b->quota_bytes > INT64_MAX - extra ? INT64_MAX : b->quota_bytes + extra;
}

static enum td_rc
policy_write(const struct work *w, const struct drv_bucket *b, const char *s3_name,
	     struct td_buf *out, struct td_err *reterr)
{
	td_buf_init(out, POLICY_MAX_BUCKET);
	return policy_minio_bucket(s3_name, anonymous_wanted(w, b), out, reterr);
}

static bool
policy_fits(const struct td_buf *is, const struct td_buf *want)
{
	if (want->len == 0 || is->len == 0)
		return want->len == is->len;
	return policy_json_same(is->data, is->len, want->data, want->len);
}

/* Reads back what it wrote: what counts is what MinIO enforces. */
static enum td_rc
policy_ensure(struct work *w, const struct drv_bucket *b, const char *s3_name,
	      struct seen *seen, struct td_err *reterr)
{
	struct td_buf want;
	enum td_rc rc;

	rc = policy_write(w, b, s3_name, &want, reterr);
	if (rc == TD_OK && !policy_fits(&seen->policy, &want)) {
		rc = s3_policy_set(&w->call, s3_name, td_buf_cstr(&want), want.len,
				   reterr);
		td_buf_reset(&seen->policy);
		if (rc == TD_OK)
			rc = s3_policy_get(&w->call, s3_name, &seen->policy, reterr);
		if (rc == TD_OK && !policy_fits(&seen->policy, &want))
			rc = td_err_set(reterr, TD_CONFLICT,
					"somebody else changes the policy of %s",
					s3_name);
	}
	td_buf_done(&want);
	return rc;
}

static enum td_rc
quota_ensure(struct work *w, const struct drv_bucket *b, const char *s3_name,
	     const struct seen *seen, struct td_err *reterr)
{
	uint64_t want = quota_wanted(b);
	uint64_t is = 0;
	enum td_rc rc = TD_OK;

	if (!seen->made)
		rc = minio_quota_get(&w->call, s3_name, &is, reterr);
	if (rc == TD_OK && is != want)
		rc = minio_quota_set(&w->call, s3_name, want, reterr);
	return rc;
}

static void
tag_put(struct s3_tags *tags, const char *key, const char *value)
{
	struct s3_tag *t = NULL;

	for (size_t i = 0; i < tags->count; i++)
		if (strcmp(tags->tag[i].key, key) == 0)
			t = &tags->tag[i];
	if (!t)
		t = &tags->tag[tags->count++];
	snprintf(t->key, sizeof(t->key), "%s", key);
	snprintf(t->value, sizeof(t->value), "%s", value);
}

/* Keeps the tags that others put there. */
static enum td_rc
mark_put(struct work *w, const char *s3_name, struct seen *seen, struct td_err *reterr)
{
	if (seen->tags.count > S3_TAGS_MAX - 2)
		return td_err_set(reterr, TD_BACKEND_REFUSED,
				  "no room for our tags on %s", s3_name);
	tag_put(&seen->tags, TAG_INSTANCE, w->instance);
	tag_put(&seen->tags, TAG_APPID, w->c->appid);
	return s3_tags_set(&w->call, s3_name, &seen->tags, reterr);
}

/* ---- results ---- */

static void
bucket_result(struct drv_bucket *b, enum td_rc rc, const char *detail)
{
	b->rc = rc;
	snprintf(b->detail, sizeof(b->detail), "%.95s", detail);
}

static void
bucket_foreign(struct drv_bucket *b)
{
	b->presence = DRV_FOREIGN;
	bucket_result(b, TD_FOREIGN, "the bucket exists and is not ours");
}

/* ---- observe ---- */

static enum td_rc
observe_ours(struct work *w, struct drv_bucket *b, const char *s3_name,
	     const struct seen *seen, struct td_err *reterr)
{
	struct td_buf want;
	uint64_t quota;
	enum td_rc rc;

	b->presence = DRV_OURS;
	bucket_result(b, TD_OK, "");
	if (!b->claimed)
		return TD_OK;
	if (seen->mark == MARK_NONE) {
		work_drift(w, "BucketMarkMissing", "bucket %s has lost its tags",
			   s3_name);
		bucket_result(b, TD_CONFLICT, "the tags are gone");
	}
	rc = policy_write(w, b, s3_name, &want, reterr);
	if (rc == TD_OK && !policy_fits(&seen->policy, &want)) {
		work_drift(w, "BucketPolicyChanged",
			   "anonymous access to bucket %s was changed", s3_name);
		bucket_result(b, TD_CONFLICT, "anonymous access was changed");
	}
	td_buf_done(&want);
	if (rc == TD_OK)
		rc = minio_quota_get(&w->call, s3_name, &quota, reterr);
	if (rc == TD_OK && quota != quota_wanted(b)) {
		work_drift(w, "BucketQuotaChanged", "the quota of bucket %s was changed",
			   s3_name);
		bucket_result(b, TD_CONFLICT, "the quota was changed");
	}
	return rc;
}

static enum td_rc
bucket_observe(struct work *w, struct drv_bucket *b, struct td_err *reterr)
{
	char s3_name[S3_BUCKET_SIZE];
	struct seen seen;
	enum td_rc rc;

	rc = bucket_s3_name(w, b, s3_name, reterr);
	if (rc != TD_OK)
		return rc;
	td_buf_init(&seen.policy, POLICY_MAX_BUCKET);
	rc = look(w, b, s3_name, &seen, reterr);
	if (rc == TD_OK && seen.own == OWN_FOREIGN) {
		bucket_foreign(b);
	} else if (rc == TD_OK && seen.own == OWN_ABSENT) {
		b->presence = DRV_ABSENT;
		bucket_result(b, TD_OK, "");
		if (b->claimed && !b->remove) {
			work_drift(w, "BucketMissing", "bucket %s has gone", s3_name);
			bucket_result(b, TD_NOT_FOUND, "the bucket has gone");
		}
	} else if (rc == TD_OK) {
		rc = observe_ours(w, b, s3_name, &seen, reterr);
	}
	td_buf_done(&seen.policy);
	return rc;
}

/* ---- ensure ---- */

/* *seen is what is there afterwards: ours, or a stranger's that was faster. */
static enum td_rc
create(struct work *w, const struct drv_bucket *b, const char *s3_name, struct seen *seen,
       struct td_err *reterr)
{
	enum td_rc rc;

	rc = s3_bucket_create(&w->call, s3_name, reterr);
	if (rc == TD_EXISTS)
		/* A reply that was lost, or a stranger. */
		return look(w, b, s3_name, seen, reterr);
	if (rc == TD_OK) {
		seen->own = OWN_OURS;
		seen->made = true;
	}
	return rc;
}

static enum td_rc
repair(struct work *w, struct drv_bucket *b, const char *s3_name, struct seen *seen,
       struct td_err *reterr)
{
	enum td_rc rc = TD_OK;

	if (seen->mark == MARK_NONE)
		rc = mark_put(w, s3_name, seen, reterr);
	if (rc == TD_OK)
		rc = policy_ensure(w, b, s3_name, seen, reterr);
	if (rc == TD_OK)
		rc = quota_ensure(w, b, s3_name, seen, reterr);
	if (rc != TD_OK)
		return rc;
	b->presence = DRV_OURS;
	bucket_result(b, TD_OK, "");
	return TD_OK;
}

static enum td_rc
ensure_there(struct work *w, struct drv_bucket *b, const char *s3_name,
	     struct td_err *reterr)
{
	struct seen seen = { .own = OWN_ABSENT };
	enum td_rc rc = TD_OK;

	td_buf_init(&seen.policy, POLICY_MAX_BUCKET);
	/* Creating is no upsert: what should not be there need not be looked for. */
	if (b->claimed || !b->absent_before)
		rc = look(w, b, s3_name, &seen, reterr);
	if (rc == TD_OK && seen.own == OWN_ABSENT) {
		if (b->claimed)
			work_drift(w, "BucketMissing",
				   "bucket %s had gone; made anew, empty", s3_name);
		rc = create(w, b, s3_name, &seen, reterr);
	} else if (rc == TD_OK && b->claimed && seen.mark == MARK_NONE) {
		work_drift(w, "BucketMarkMissing", "bucket %s had lost its tags",
			   s3_name);
	}
	/* It may bear our mark, but no record and no intent of ours knows it. */
	if (!seen.made && !b->claimed && !b->absent_before)
		seen.own = OWN_FOREIGN;
	if (rc == TD_OK && seen.own == OWN_OURS)
		rc = repair(w, b, s3_name, &seen, reterr);
	else if (rc == TD_OK && seen.own == OWN_FOREIGN)
		bucket_foreign(b);
	else if (rc == TD_OK)
		rc = td_err_set(reterr, TD_CONFLICT, "bucket %s comes and goes", s3_name);
	td_buf_done(&seen.policy);
	return rc;
}

/* For b->remove, and for the whole tenant's end. */
static enum td_rc
ensure_gone(struct work *w, struct drv_bucket *b, const char *s3_name,
	    struct td_err *reterr)
{
	bool more = false;
	enum own own;
	enum td_rc rc;

	rc = bucket_decide(w, b, s3_name, &own, reterr);
	if (rc != TD_OK)
		return rc;
	if (own == OWN_FOREIGN || (own == OWN_OURS && !b->claimed && !b->absent_before)) {
		bucket_foreign(b);
		return TD_OK;
	}
	if (own == OWN_OURS && b->only_if_empty)
		rc = s3_bucket_delete(&w->call, s3_name, S3_EMPTY_ONLY, reterr);
	else if (own == OWN_OURS)
		rc = purge_bucket(w, s3_name, &more, reterr);
	if (rc != TD_OK)
		return rc;
	b->presence = more ? DRV_OURS : DRV_ABSENT;
	bucket_result(b, more ? TD_NOT_READY : TD_OK,
		      more ? "its content is being removed" : "");
	w->r->more |= more;
	return TD_OK;
}

static enum td_rc
bucket_ensure(struct work *w, struct drv_bucket *b, struct td_err *reterr)
{
	char s3_name[S3_BUCKET_SIZE];
	enum td_rc rc;

	rc = bucket_s3_name(w, b, s3_name, reterr);
	if (rc != TD_OK)
		return rc;
	return b->remove ? ensure_gone(w, b, s3_name, reterr)
			 : ensure_there(w, b, s3_name, reterr);
}

static bool
is_closed(const struct work *w, const struct drv_bucket *b)
{
	for (size_t i = 0; i < w->c->closed_count; i++)
		if (strcmp(w->c->closed[i].name, b->name) == 0)
			return true;
	return false;
}

static enum td_rc
bucket_close(struct work *w, struct drv_bucket *b, struct td_err *reterr)
{
	return is_closed(w, b) && !b->remove ? bucket_ensure(w, b, reterr) : TD_OK;
}

static enum td_rc
bucket_remove(struct work *w, struct drv_bucket *b, struct td_err *reterr)
{
	char s3_name[S3_BUCKET_SIZE];
	enum td_rc rc;

	rc = bucket_s3_name(w, b, s3_name, reterr);
	if (rc != TD_OK)
		return rc;
	/* A tenant's end takes what is in its buckets with it. */
	b->only_if_empty = false;
	return ensure_gone(w, b, s3_name, reterr);
}

/* ---- all of them ---- */

typedef enum td_rc (*bucket_fn)(struct work *w, struct drv_bucket *b,
				struct td_err *reterr);

static enum td_rc
for_each(struct work *w, bucket_fn fn, struct td_err *reterr)
{
	for (size_t i = 0; i < w->c->bucket_count; i++) {
		struct drv_bucket *b = &w->c->buckets[i];
		struct td_err err = { 0 };
		enum td_rc rc;

		b->presence = DRV_UNKNOWN;
		rc = fn(w, b, &err);
		if (rc == TD_OK)
			continue;
		bucket_result(b, rc, err.detail);
		if (work_is_fatal(rc)) {
			if (reterr)
				*reterr = err;
			return rc;
		}
	}
	return TD_OK;
}

enum td_rc
buckets_observe(struct work *w, struct td_err *reterr)
{
	return for_each(w, bucket_observe, reterr);
}

enum td_rc
buckets_ensure(struct work *w, struct td_err *reterr)
{
	return for_each(w, bucket_ensure, reterr);
}

enum td_rc
buckets_close(struct work *w, struct td_err *reterr)
{
	return for_each(w, bucket_close, reterr);
}

enum td_rc
buckets_remove(struct work *w, struct td_err *reterr)
{
	return for_each(w, bucket_remove, reterr);
}
