/*
 * The records, as codec tables. The order of the rows is the order of the bytes: a row is
 * never moved, and a new member means a new format version, a new schema and an upgrade
 * (schema.c).
 */
#include "records.h"
#include "codec.h"

#include <string.h>

#define DEFINE_CODEC(name, checker)                                                      \
	static const struct codec name##_codec = { #name, name##_fields,                 \
						   CODEC_COUNT(name##_fields),           \
						   sizeof(struct rec_##name), checker }; \
	void rec_##name##_encode(const struct rec_##name *rec, struct td_buf *out)       \
	{                                                                                \
		codec_encode(&name##_codec, rec, out);                                   \
	}                                                                                \
	enum td_rc rec_##name##_decode(const void *data, size_t len,                     \
				       struct rec_##name *ret_rec,                       \
				       struct td_err *reterr)                            \
	{                                                                                \
		return codec_decode(&name##_codec, data, len, ret_rec, reterr);          \
	}

#define T struct rec_tenant
static const struct codec_field limit_fields[] = {
	{ .kind = CODEC_U64 },
};
static const struct codec_field tenant_fields[] = {
	FORMAT_FIELD(1),
	U64_FIELD(T, number),
	STR_FIELD(T, plan, CODEC_NAME),
	STR_FIELD(T, region, CODEC_NAME),
	U32_FIELD(T, limits_set, (1u << REC_LIMIT_COUNT) - 1),
	EACH_FIELD(T, limits, limit_fields),
	BLOB_FIELD(T, labels, labels_len),
	FLAG_FIELD(T, deletion_protection),
	FLAG_FIELD(T, suspend),
	U8_FIELD(T, phase, REC_CREATING, REC_DELETING),
	U8_FIELD(T, mode, REC_MANAGE, REC_HOLD),
	STR_FIELD(T, mode_reason, CODEC_TEXT),
	TIME_FIELD(T, mode_expires_ms),
	U64_FIELD(T, generation),
	U64_FIELD(T, observed_generation),
	TIME_FIELD(T, created_ms),
	TIME_FIELD(T, delete_asked_ms),
	TIME_FIELD(T, delete_due_ms),
	U32_FIELD(T, bucket_count, UINT32_MAX),
	U64_FIELD(T, credential_serial),
};
#undef T

/* A string of a label with its NUL; 0 when it is not one. */
static size_t
label_part(const char *s, size_t left)
{
	size_t n = strnlen(s, left);

	return n < left && codec_text_ok(s, n) ? n + 1 : 0;
}

/* key NUL value NUL ..., keys not empty and strictly ascending. */
static bool
labels_ok(const char *s, size_t left)
{
	const char *last = NULL;
	size_t bytes = 0;

	if (left > sizeof(((struct rec_tenant *)0)->labels))
		return false;
	for (unsigned count = 0; left > 0; count++) {
		size_t key = label_part(s, left);
		size_t value = key > 1 ? label_part(s + key, left - key) : 0;

		if (value == 0 || count == REC_LABELS_MAX ||
		    (last != NULL && strcmp(last, s) >= 0))
			return false;
		bytes += key + value - 2;
		last = s;
		s += key + value;
		left -= key + value;
	}
	return bytes <= REC_LABEL_BYTES;
}

static bool
tenant_ok(const void *rec)
{
	const struct rec_tenant *t = rec;

	return labels_ok(t->labels, t->labels_len);
}
DEFINE_CODEC(tenant, tenant_ok)

static const struct codec_field cond_fields[] = {
	FLAG_FIELD(struct rec_cond, status),
	TIME_FIELD(struct rec_cond, since_ms),
	STR_FIELD(struct rec_cond, reason, CODEC_TEXT),
	STR_FIELD(struct rec_cond, message, CODEC_TEXT),
};
#define T struct rec_resource
static const struct codec_field resource_fields[] = {
	FORMAT_FIELD(2),
	FLAG_FIELD(T, claimed),
	FLAG_FIELD(T, gone),
	FLAG_FIELD(T, fenced),
	U8_FIELD(T, access, DRV_ACCESS_FULL, DRV_ACCESS_NONE),
	FLAG_FIELD(T, access_known),
	U64_FIELD(T, observed_generation),
	STR_FIELD(T, identity, CODEC_TEXT),
	U32_FIELD(T, failures, UINT32_MAX),
	TIME_FIELD(T, due_ms),
	U64_FIELD(T, progress),
	EACH_FIELD(T, cond, cond_fields),
	U8_FIELD(T, closed, REC_CLOSED_KNOWN, REC_CLOSED_UNSURE), /* from format 2 on */
};
#undef T
DEFINE_CODEC(resource, NULL)

#define T struct rec_bucket
static const struct codec_field bucket_fields[] = {
	FORMAT_FIELD(2),
	U8_FIELD(T, state, REC_BUCKET_NEW, REC_BUCKET_REMOVING),
	U8_FIELD(T, mode, DRV_BUCKET_PRIVATE, DRV_BUCKET_READWRITE),
	U64_FIELD(T, quota_bytes),
	FLAG_FIELD(T, observed),
	U8_FIELD(T, observed_mode, DRV_BUCKET_PRIVATE, DRV_BUCKET_READWRITE),
	U64_FIELD(T, observed_quota),
	FLAG_FIELD(T, purge),
	TIME_FIELD(T, remove_due_ms),
	TIME_FIELD(T, created_ms),
	STR_FIELD(T, message, CODEC_TEXT),
	FLAG_FIELD(T, closed), /* from format 2 on */
};
#undef T
DEFINE_CODEC(bucket, NULL)

#define T struct rec_slot
static const struct codec_field slot_fields[] = {
	FORMAT_FIELD(1),
	U64_FIELD(T, serial),
	STR_FIELD(T, key_id, CODEC_NAME),
	U8_FIELD(T, state, REC_SLOT_MINTING, REC_SLOT_DEAD),
	U8_FIELD(T, consumers, REC_REFRESHING, REC_STATIC),
	TIME_FIELD(T, created_ms),
	TIME_FIELD(T, state_since_ms),
	BLOB_FIELD(T, sealed, sealed_len),
};
#undef T
DEFINE_CODEC(slot, NULL)

#define T struct rec_intent
static const struct codec_field intent_fields[] = {
	FORMAT_FIELD(1),
	U64_FIELD(T, id),
	U8_FIELD(T, verb, REC_VERB_ENSURE, REC_VERB_REMOVE),
	U8_FIELD(T, access, DRV_ACCESS_FULL, DRV_ACCESS_NONE),
	FLAG_FIELD(T, absent_before),
	FLAG_FIELD(T, unlock),
	U64_FIELD(T, generation),
	TIME_FIELD(T, started_ms),
};
#undef T
DEFINE_CODEC(intent, NULL)

static const struct codec_field datakey_fields[] = {
	FORMAT_FIELD(1),
	BYTES_FIELD(struct rec_datakey, master_id),
	BYTES_FIELD(struct rec_datakey, wrapped),
};
DEFINE_CODEC(datakey, NULL)

#define T struct rec_tombstone
static const struct codec_field tombstone_fields[] = {
	FORMAT_FIELD(1),
	U64_FIELD(T, number),
	TIME_FIELD(T, created_ms),
	TIME_FIELD(T, deleted_ms),
	STR_FIELD(T, region, CODEC_NAME),
};
#undef T
DEFINE_CODEC(tombstone, NULL)

#define T struct rec_token
static const struct codec_field token_fields[] = {
	FORMAT_FIELD(1),
	STR_FIELD(T, id, CODEC_HEX16),
	U8_FIELD(T, role, 0, REC_ROLE_COUNT - 1),
	STR_FIELD(T, appid, CODEC_APPID),
	STR_FIELD(T, label, CODEC_TEXT),
	TIME_FIELD(T, created_ms),
	TIME_FIELD(T, expires_ms),
	STR_FIELD(T, created_by, CODEC_NAME),
};
#undef T
DEFINE_CODEC(token, NULL)

#define T struct rec_cred_head
static const struct codec_field cred_head_fields[] = {
	FORMAT_FIELD(1),
	BYTES_FIELD(T, datakey.master_id),
	BYTES_FIELD(T, datakey.wrapped),
	U8_FIELD(T, state, REC_CRED_READY, REC_CRED_SUSPENDED),
	U64_FIELD(T, serial),
	STR_FIELD(T, region, CODEC_NAME),
	U32_FIELD(T, total_len, UINT32_MAX),
};
#undef T
DEFINE_CODEC(cred_head, NULL)

/* A bucket's name here is what the backend has, perhaps one that we would not make. */
static const struct codec_field cred_bucket_fields[] = {
	STR_FIELD(struct rec_cred_bucket, name, CODEC_NAME),
	U8_FIELD(struct rec_cred_bucket, mode, DRV_BUCKET_PRIVATE, DRV_BUCKET_READWRITE),
};
#define T struct rec_cred
static const struct codec_field cred_fields[] = {
	FORMAT_FIELD(1),
	FLAG_FIELD(T, has_object),
	STR_FIELD(T, access_key, CODEC_NAME),
	STR_FIELD(T, secret_key, CODEC_OPAQUE),
	FLAG_FIELD(T, has_database),
	STR_FIELD(T, username, CODEC_NAME),
	STR_FIELD(T, password, CODEC_OPAQUE),
	STR_FIELD(T, database, CODEC_APPID),
	FLAG_FIELD(T, has_volume),
	U64_FIELD(T, volume_bytes),
	U32_FIELD(T, bucket_total, UINT32_MAX),
	LIST_FIELD(T, buckets, bucket_count, cred_bucket_fields),
};
#undef T
DEFINE_CODEC(cred, NULL)

/* All texts are free: an audit entry must not be lost for what somebody else sent. Action
 * and outcome are not held to a range, so that entries outlive the tables they point at. */
#define T struct rec_audit
static const struct codec_field audit_fields[] = {
	TIME_FIELD(T, time_ms),
	FORMAT_FIELD(1),
	U8_FIELD(T, action, 0, UINT8_MAX),
	U8_FIELD(T, outcome, 0, UINT8_MAX),
	U8_FIELD(T, role, 0, REC_ROLE_COUNT),
	U32_FIELD(T, count, UINT32_MAX),
	STR_FIELD(T, appid, CODEC_TEXT),
	STR_FIELD(T, token_id, CODEC_TEXT),
	STR_FIELD(T, address, CODEC_TEXT),
	STR_FIELD(T, request_id, CODEC_TEXT),
	STR_FIELD(T, object, CODEC_TEXT),
	STR_FIELD(T, detail, CODEC_TEXT),
};
#undef T
DEFINE_CODEC(audit, NULL)

#define T struct rec_brake
static const struct codec_field brake_fields[] = {
	FORMAT_FIELD(1),
	U8_FIELD(T, mode, REC_OBSERVE, REC_HOLD),
	STR_FIELD(T, reason, CODEC_TEXT),
	TIME_FIELD(T, since_ms),
	TIME_FIELD(T, expires_ms),
	STR_FIELD(T, set_by, CODEC_NAME),
};
#undef T
DEFINE_CODEC(brake, NULL)

static const struct codec_field spent_fields[] = {
	{ .kind = CODEC_U32, .max = UINT32_MAX },
};
static const struct codec_field budget_line_fields[] = {
	EACH_FIELD(struct rec_budget_line, spent, spent_fields),
	U32_FIELD(struct rec_budget_line, extra, UINT32_MAX),
};
#define T struct rec_budget
static const struct codec_field budget_fields[] = {
	FORMAT_FIELD(1),
	U64_FIELD(T, slot),
	EACH_FIELD(T, line, budget_line_fields),
	TIME_FIELD(T, extra_until_ms),
	TIME_FIELD(T, stopped_ms),
	U8_FIELD(T, stopped_by, 0, REC_DESTROY_COUNT - 1),
};
#undef T
DEFINE_CODEC(budget, NULL)
