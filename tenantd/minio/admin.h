/*
 * The calls of MinIO's admin API (v3) that tenantd makes. Names are checked by the caller;
 * a missing thing is TD_NOT_FOUND unless it says otherwise; other failures are those of
 * minio_client_expect.
 *
 * Only service account details and their creation cost the server an Argon2 (some 100 ms,
 * one at a time): the rest is cheap.
 *
 * Thread rule: any thread.
 */
#pragma once

#include "minio/client.h"

enum minio_user_kind {
	MINIO_USER_ABSENT,
	MINIO_USER_PRESENT,
	MINIO_USER_OTHER /* the name is a service account or temporary key */
};

struct minio_user {
	enum minio_user_kind kind;
	bool enabled;
	bool in_group;
	char policy[512]; /* names, joined by commas; "" none */
};

/* Never TD_NOT_FOUND. The root user looks absent here. */
enum td_rc minio_user_info(const struct minio_call *call, const char *user,
			   struct minio_user *ret, struct td_err *reterr) TD_MUST_CHECK;
/*
 * Create or overwrite: secret and status are reset, a mapping stays. TD_FOREIGN when the
 * name is the root user's or a service account's.
 */
enum td_rc minio_user_put(const struct minio_call *call, const char *user,
			  const struct td_secret *secret,
			  struct td_err *reterr) TD_MUST_CHECK;
/* With its service accounts and mapping; its temporary keys stay. Absent is TD_OK. */
enum td_rc minio_user_remove(const struct minio_call *call, const char *user,
			     struct td_err *reterr) TD_MUST_CHECK;
enum minio_status { MINIO_DISABLED, MINIO_ENABLED };
/* member: MINIO_ANY_MEMBER or one. */
enum td_rc minio_user_status(const struct minio_call *call, const char *user,
			     enum minio_status status, int member,
			     struct td_err *reterr) TD_MUST_CHECK;
/* End all temporary keys of a user (also of one that is gone), on this member. */
enum td_rc minio_tokens_revoke(const struct minio_call *call, const char *user,
			       int member, struct td_err *reterr) TD_MUST_CHECK;

enum td_rc minio_policy_put(const struct minio_call *call, const char *name,
			    const char *json, size_t json_len,
			    struct td_err *reterr) TD_MUST_CHECK;
/* Make it the user's only policy. TD_NOT_FOUND: no such policy; TD_WRONG_PHASE: the user is
 * disabled (or absent). */
enum td_rc minio_policy_map(const struct minio_call *call, const char *user,
			    const char *policy, struct td_err *reterr) TD_MUST_CHECK;

struct minio_sa {
	const char *access_key;
	const struct td_secret *secret;
	const char *parent;
	const char *name;	 /* at most 32 bytes, starts with a letter */
	const char *description; /* at most 256 bytes */
	const char *policy;	 /* JSON, embedded */
};
/* TD_EXISTS: the access key is taken; TD_WRONG_PHASE: the parent is disabled or absent. */
enum td_rc minio_sa_add(const struct minio_call *call, const struct minio_sa *sa,
			struct td_err *reterr) TD_MUST_CHECK;
/* Secret and embedded policy; the rest of `sa` is ignored but access_key. secret NULL: as
 * it is. */
enum td_rc minio_sa_update(const struct minio_call *call, const struct minio_sa *sa,
			   struct td_err *reterr) TD_MUST_CHECK;
/* Absent is TD_OK. */
enum td_rc minio_sa_delete(const struct minio_call *call, const char *access_key,
			   struct td_err *reterr) TD_MUST_CHECK;

struct minio_sa_info {
	char parent[256];
	char description[260];
	bool enabled;
	bool implied; /* has no policy of its own: may do all that its parent may */
	struct td_buf policy;
};
enum td_rc minio_sa_info(const struct minio_call *call, const char *access_key,
			 struct minio_sa_info *ret, struct td_err *reterr) TD_MUST_CHECK;
void minio_sa_info_done(struct minio_sa_info *info);

/* Hard quota in bytes; 0 clears. TD_NOT_FOUND: no such bucket. */
enum td_rc minio_quota_set(const struct minio_call *call, const char *bucket,
			   uint64_t bytes, struct td_err *reterr) TD_MUST_CHECK;
/* 0: none, or one that MinIO does not enforce. */
enum td_rc minio_quota_get(const struct minio_call *call, const char *bucket,
			   uint64_t *ret_bytes, struct td_err *reterr) TD_MUST_CHECK;

struct minio_usage {
	const char *bucket;
	uint64_t bytes; /* all versions; unfinished uploads are not in it */
	uint64_t objects;
	uint64_t versions;
	uint64_t delete_markers;
};
/*
 * What MinIO's scanner last counted, per bucket, in any order. *ret_scanned_ms: wall time
 * of that count, 0 when it has not counted yet (then there are no buckets).
 */
typedef void (*minio_usage_fn)(void *ctx, const struct minio_usage *usage);
enum td_rc minio_usage(const struct minio_call *call, minio_usage_fn fn, void *ctx,
		       int64_t *ret_scanned_ms, struct td_err *reterr) TD_MUST_CHECK;

#define MINIO_DEPLOYMENT_SIZE 64
struct minio_server_info {
	char deployment_id[MINIO_DEPLOYMENT_SIZE];
	size_t servers;
	size_t online;
};
enum td_rc minio_info(const struct minio_call *call, struct minio_server_info *ret,
		      struct td_err *reterr) TD_MUST_CHECK;
