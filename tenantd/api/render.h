/*
 * Records into JSON and the credential formats. No HTTP here: values in, bytes out.
 *
 * Written by hand into a td_buf instead of through a JSON tree: a reply is a handful of
 * known members, the hot path must not allocate for each, and secrets must stay in one
 * buffer that can be wiped. Errors stick to the buffer.
 *
 * Thread rule: pure functions.
 */
#pragma once

#include "base/buf.h"
#include "engine/engine.h"
#include "tenant/tenant.h"

/* A whole tenant, without a trailing comma or newline. Shows at most `bucket_max` of the
 * loaded buckets and, when the tenant has more, "more" with the path to the list. */
void api_render_tenant(struct td_buf *b, const struct tenant_view *v, size_t bucket_max);
/* A row of the list of tenants: what the tenant's own record holds, and the mode in force. */
void api_render_tenant_row(struct td_buf *b, const char *appid,
			   const struct rec_tenant *rec, enum rec_mode mode);
/* A mode of a scope; one of REC_MANAGE is none. */
void api_render_mode(struct td_buf *b, const char *scope, const struct rec_brake *rec);
void api_render_budget(struct td_buf *b, const struct engine_budget_state *s);
void api_render_plan(struct td_buf *b, const struct engine_plan *p);
void api_render_bucket(struct td_buf *b, const struct tenant_view *v,
		       const struct tenant_bucket *bucket);
/* token: shown as member "token"; NULL: none. */
void api_render_token(struct td_buf *b, const struct rec_token *rec, const char *token);
void api_render_audit(struct td_buf *b, uint64_t seq, const struct rec_audit *rec);

/* "key":"text" with escapes. */
void api_json_member(struct td_buf *b, const char *key, const char *text);
/* "key":"2026-01-02T03:04:05.678Z", or null for 0. */
void api_json_time(struct td_buf *b, const char *key, int64_t ms);

/* What pods of a region are told; all strings set ("" = none). */
struct api_site {
	char name[REC_REGION_SIZE];
	char s3_region[64];
	char internal_endpoint[256];
	char external_endpoint[256];
	char mongodb_hosts[1024];
	char mongodb_options[192]; /* "&replicaSet=rs0&tls=true" */
	char volume_driver[16];
	char hash[9]; /* of all that, for ETags */
};

enum api_format {
	API_FORMAT_JSON,
	API_FORMAT_ENV,
	API_FORMAT_AWS,
	API_FORMAT_PROCESS,
	API_FORMAT_COUNT
};
/* "json", "env", "aws", "credential-process". */
bool api_format_parse(const char *text, enum api_format *ret_format);
const char *api_format_type(enum api_format f); /* content type */

struct api_cred {
	const char *appid;
	uint64_t serial;
	const struct api_site *site;
	const struct rec_cred *doc;
	int64_t expires_ms; /* aws, credential-process: Expiration */
};
/* TD_NOT_FOUND: the format speaks of object storage and the tenant has none. Else the
 * buffer's state. */
enum td_rc api_render_cred(struct td_buf *b, enum api_format format,
			   const struct api_cred *cred) TD_MUST_CHECK;

/* "<serial>.<version>.<hash>.<format letter>" in quotes; out holds API_ETAG_SIZE. */
#define API_ETAG_SIZE 64
void api_cred_etag(char out[API_ETAG_SIZE], enum api_format format, uint64_t serial,
		   uint64_t version, const struct api_site *site);
