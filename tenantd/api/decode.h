/*
 * Request bodies into structs. No HTTP here: bytes in, values out.
 *
 * Every refusal is TD_INVALID with a detail that may be shown to the client: it speaks of
 * the body alone. Unknown members, duplicate keys, bad UTF-8 and NUL characters are
 * refused; members that only a GET reply has are accepted and ignored, so that a reply can
 * be edited and put back.
 *
 * Thread rule: pure functions.
 */
#pragma once

#include "tenant/tenant.h"

struct api_tenant_body {
	struct tenant_put put; /* points into this struct: do not copy it by value */
	char plan[REC_PLAN_SIZE];
	char region[REC_REGION_SIZE];
	char labels[REC_LABEL_BYTES + 2 * REC_LABELS_MAX];
	struct tenant_put_bucket *buckets; /* owned */
};

/* *ret needs no preparation; on TD_OK end it with api_tenant_body_done. TD_NOMEM too. An
 * empty body means {}. */
enum td_rc api_decode_tenant(const void *body, size_t len, struct api_tenant_body *ret,
			     struct td_err *reterr) TD_MUST_CHECK;
/* Safe on a zeroed struct. */
void api_tenant_body_done(struct api_tenant_body *b);

/* Fills all of *ret but the name. An empty body means {}. */
enum td_rc api_decode_bucket(const void *body, size_t len, struct tenant_put_bucket *ret,
			     struct td_err *reterr) TD_MUST_CHECK;

#define API_TTL_MAX INT64_C(315360000) /* ten years */
struct api_token_body {
	enum rec_role role;
	char appid[DRV_APPID_SIZE]; /* "": not bound */
	char label[65];
	int64_t ttl_seconds; /* 0: never expires */
};
/* Checks also that bound roles have an appid and others have none. */
enum td_rc api_decode_token(const void *body, size_t len, struct api_token_body *ret,
			    struct td_err *reterr) TD_MUST_CHECK;

struct api_mode_body {
	enum rec_mode mode;
	char reason[REC_MODE_REASON_SIZE]; /* "" only with manage */
	int64_t expires_ms;		   /* wall clock; 0: not given */
	int64_t expires_in_s;		   /* 0: not given */
};
enum td_rc api_decode_mode(const void *body, size_t len, struct api_mode_body *ret,
			   struct td_err *reterr) TD_MUST_CHECK;

#define API_APPROVE_MAX 1000000
struct api_approval_body {
	char region[REC_REGION_SIZE];
	uint32_t count; /* 0: not given */
	char reason[REC_MODE_REASON_SIZE];
};
enum td_rc api_decode_approval(const void *body, size_t len,
			       struct api_approval_body *ret,
			       struct td_err *reterr) TD_MUST_CHECK;

/* For routes that need no body: nothing, or {}. */
enum td_rc api_decode_empty(const void *body, size_t len,
			    struct td_err *reterr) TD_MUST_CHECK;

/* Roles bound to one tenant: runtime, tenant. */
bool api_role_bound(enum rec_role role);
/* "admin" ...; NULL for an unknown one. */
const char *api_role_text(unsigned role);
bool api_role_parse(const char *text, enum rec_role *ret_role);

/* Digits only, at most max; for query parameters. */
bool api_parse_u64(const char *text, uint64_t max, uint64_t *ret_value);
