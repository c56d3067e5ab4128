/*
 * The S3 calls that tenantd makes: buckets, their tags and anonymous policies, listings and
 * deletions, and the login test of a key.
 *
 * A missing bucket is TD_NOT_FOUND unless it says otherwise; other failures are those of
 * minio_client_expect.
 *
 * Thread rule: any thread.
 */
#pragma once

#include "minio/client.h"
#include "minio/listing.h"

/* What MinIO makes of a key. It compares signatures before it looks at rights, and at the
 * parent of a service account after them. */
enum s3_login {
	S3_LOGIN_LIVE,	 /* logs in and may use the bucket */
	S3_LOGIN_DENIED, /* the secret is right, but there are no rights (or no parent) */
	S3_LOGIN_WRONG,	 /* the key is known, with another secret */
	S3_LOGIN_NO_KEY	 /* unknown, or disabled */
};
/* By one signed request for the location of `bucket`, which need not exist. */
enum td_rc s3_login(const struct minio_call *call, const struct sigv4_key *key,
		    const char *bucket, int member, enum s3_login *ret,
		    struct td_err *reterr) TD_MUST_CHECK;

/* TD_EXISTS: it is there, whoever made it. */
enum td_rc s3_bucket_create(const struct minio_call *call, const char *bucket,
			    struct td_err *reterr) TD_MUST_CHECK;

enum s3_force {
	S3_EMPTY_ONLY,
	S3_WITH_CONTENT /* MinIO drops all versions in the background */
};
/* Absent is TD_OK. TD_BUCKET_NOT_EMPTY; TD_METHOD: S3_WITH_CONTENT is refused because of
 * object lock or replication. */
enum td_rc s3_bucket_delete(const struct minio_call *call, const char *bucket,
			    enum s3_force force, struct td_err *reterr) TD_MUST_CHECK;

/* Appends the policy; nothing when it has none. */
enum td_rc s3_policy_get(const struct minio_call *call, const char *bucket,
			 struct td_buf *out, struct td_err *reterr) TD_MUST_CHECK;
/* len 0: the bucket shall have none. */
enum td_rc s3_policy_set(const struct minio_call *call, const char *bucket,
			 const char *json, size_t len,
			 struct td_err *reterr) TD_MUST_CHECK;

/* All tags. A missing bucket looks like one without tags to MinIO. */
struct s3_tags {
	struct s3_tag tag[S3_TAGS_MAX];
	size_t count;
};
enum td_rc s3_tags_get(const struct minio_call *call, const char *bucket,
		       struct s3_tags *ret, struct td_err *reterr) TD_MUST_CHECK;
enum td_rc s3_tags_set(const struct minio_call *call, const char *bucket,
		       const struct s3_tags *tags, struct td_err *reterr) TD_MUST_CHECK;

/* One page of at most `max` (1..S3_PAGE_MAX) entries after `from` (NULL: the first), the
 * page before. End *ret with s3_page_done. */
struct s3_list_request {
	enum s3_list list;
	const char *bucket;
	const struct s3_page *from;
	unsigned max;
};
enum td_rc s3_list_page(const struct minio_call *call, const struct s3_list_request *what,
			struct s3_page *ret, struct td_err *reterr) TD_MUST_CHECK;

/* Delete these versions; what was refused is told in *ret. */
enum td_rc s3_delete_page(const struct minio_call *call, const char *bucket,
			  const struct s3_page *page, struct s3_deleted *ret,
			  struct td_err *reterr) TD_MUST_CHECK;
/* Absent is TD_OK. */
enum td_rc s3_upload_abort(const struct minio_call *call, const char *bucket,
			   const struct s3_entry *upload,
			   struct td_err *reterr) TD_MUST_CHECK;
