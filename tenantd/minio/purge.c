/*
 * Emptying a bucket. Unfinished uploads go first, as far as MinIO still lists them: their
 * parts would stay on disk. Then MinIO is asked to drop the bucket with all versions,
 * which it does in the background and answers at once. Where it may not do that (object
 * lock, replication), versions are deleted page by page until the time is up; what a lock
 * holds is told, since only time or somebody with other rights can help.
 */
#include "minio/work.h"

#include <stdio.h>
#include <string.h>

/* A page takes up to some seconds on a busy server: no new one is begun after this. */
#define SLICE_LEFT_MS 2000

static bool
time_is_up(const struct work *w)
{
	return minio_call_left(&w->call) < SLICE_LEFT_MS;
}

/* *ret_more: the time was up before the end. */
static enum td_rc
uploads_abort(struct work *w, const char *s3_name, bool *ret_more, struct td_err *reterr)
{
	struct s3_list_request what = { .list = S3_LIST_UPLOADS,
					.bucket = s3_name,
					.max = S3_PAGE_MAX };
	struct s3_page before = { 0 };
	bool truncated;
	enum td_rc rc;

	do {
		struct s3_page page;

		rc = s3_list_page(&w->call, &what, &page, reterr);
		for (size_t i = 0; rc == TD_OK && i < page.count && !*ret_more; i++) {
			rc = s3_upload_abort(&w->call, s3_name, &page.entries[i], reterr);
			*ret_more = time_is_up(w);
		}
		if (rc != TD_OK)
			break;
		s3_page_done(&before);
		before = page; /* for its markers */
		what.from = &before;
		truncated = page.truncated;
	} while (truncated && !*ret_more);
	s3_page_done(&before);
	return rc == TD_NOT_FOUND ? TD_OK : rc;
}

static enum td_rc
locked(struct work *w, const char *s3_name, const struct s3_deleted *refused,
       struct td_err *reterr)
{
	snprintf(w->r->reason, sizeof(w->r->reason), "ObjectLock");
	snprintf(w->r->message, sizeof(w->r->message),
		 "bucket %s holds objects that must not be removed yet", s3_name);
	return td_err_set(reterr, TD_BACKEND_REFUSED, "%zu versions in %s are kept: %s",
			  refused->refused, s3_name, refused->first_code);
}

static enum td_rc
versions_delete(struct work *w, const char *s3_name, bool *ret_more,
		struct td_err *reterr)
{
	struct s3_list_request what = { .list = S3_LIST_VERSIONS,
					.bucket = s3_name,
					.max = S3_PAGE_MAX };
	struct s3_deleted refused = { 0 };
	struct s3_page before = { 0 };
	bool truncated = true;
	enum td_rc rc = TD_OK;

	while (rc == TD_OK && truncated && !*ret_more) {
		struct s3_deleted deleted = { 0 };
		struct s3_page page;

		rc = s3_list_page(&w->call, &what, &page, reterr);
		if (rc != TD_OK)
			break;
		if (page.count > 0)
			rc = s3_delete_page(&w->call, s3_name, &page, &deleted, reterr);
		w->r->progress +=
			page.count - (rc == TD_OK ? deleted.refused : page.count);
		if (refused.refused == 0)
			refused = deleted;
		else
			refused.refused += deleted.refused;
		truncated = page.truncated;
		s3_page_done(&before);
		before = page;
		what.from = &before;
		*ret_more = truncated && time_is_up(w);
	}
	s3_page_done(&before);
	if (rc == TD_OK && !*ret_more && refused.refused > 0)
		return locked(w, s3_name, &refused, reterr);
	return rc;
}

static enum td_rc
bucket_delete_slowly(struct work *w, const char *s3_name, bool *ret_more,
		     struct td_err *reterr)
{
	enum td_rc rc;

	rc = versions_delete(w, s3_name, ret_more, reterr);
	if (rc != TD_OK || *ret_more)
		return rc;
	rc = s3_bucket_delete(&w->call, s3_name, S3_EMPTY_ONLY, reterr);
	if (rc == TD_BUCKET_NOT_EMPTY) {
		/* Somebody writes into it still; the next call sees it. */
		*ret_more = true;
		return TD_OK;
	}
	return rc;
}

enum td_rc
purge_bucket(struct work *w, const char *s3_name, bool *ret_more, struct td_err *reterr)
{
	enum td_rc rc;

	*ret_more = false;
	rc = s3_policy_set(&w->call, s3_name, NULL, 0, reterr);
	if (rc == TD_OK)
		rc = uploads_abort(w, s3_name, ret_more, reterr);
	if (rc != TD_OK || *ret_more)
		return rc;
	rc = s3_bucket_delete(&w->call, s3_name, S3_WITH_CONTENT, reterr);
	if (rc == TD_METHOD)
		rc = bucket_delete_slowly(w, s3_name, ret_more, reterr);
	return rc;
}
