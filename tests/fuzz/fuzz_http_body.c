/*
 * Bodies of requests. The first byte chooses the decoder, the rest is the body. What is
 * taken must be sound: names valid, texts terminated, counts as they are told.
 */
#include "api/decode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_tenant(const struct api_tenant_body *t)
{
	if (t->put.plan != NULL && strlen(t->put.plan) >= REC_PLAN_SIZE)
		abort();
	if (t->put.labels_len > sizeof(t->labels))
		abort();
	for (size_t i = 0; i < t->put.bucket_count; i++) {
		const struct tenant_put_bucket *b = &t->put.buckets[i];

		if (!rec_bucket_name_ok(b->name))
			abort();
		if (i > 0 && strcmp(t->put.buckets[i - 1].name, b->name) >= 0)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct api_tenant_body tenant;
	struct tenant_put_bucket bucket;
	struct api_approval_body approval;
	struct api_token_body token;
	struct api_mode_body mode;
	struct td_err err;

	if (size == 0)
		return 0;
	switch (data[0] % 6) {
	case 0:
		if (api_decode_tenant(data + 1, size - 1, &tenant, &err) == TD_OK) {
			check_tenant(&tenant);
			api_tenant_body_done(&tenant);
		}
		break;
	case 1:
		if (api_decode_bucket(data + 1, size - 1, &bucket, &err) == TD_OK &&
		    bucket.quota_bytes > PLAN_MAX_BYTES)
			abort();
		break;
	case 2:
		if (api_decode_token(data + 1, size - 1, &token, &err) == TD_OK &&
		    api_role_bound(token.role) != (token.appid[0] != '\0'))
			abort();
		break;
	case 4:
		if (api_decode_mode(data + 1, size - 1, &mode, &err) == TD_OK &&
		    mode.mode != REC_MANAGE && mode.reason[0] == '\0')
			abort();
		break;
	case 5:
		if (api_decode_approval(data + 1, size - 1, &approval, &err) == TD_OK &&
		    (approval.count > API_APPROVE_MAX || approval.reason[0] == '\0'))
			abort();
		break;
	default:
		/* Only white space and {} are nothing. */
		if (api_decode_empty(data + 1, size - 1, &err) == TD_OK &&
		    memchr(data + 1, '"', size - 1) != NULL)
			abort();
		break;
	}
	return 0;
}
