/*
 * One walk over the members of an object, driven by a table of names per kind of body: a
 * name that is not in the table is refused, one without a taker is a read-only member of
 * the reply and ignored. So adding a member is a row, and none can be forgotten silently.
 */
#include "decode.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* A taker reads one member into the struct behind ctx; what it refuses, it explains. */
typedef enum td_rc (*take_fn)(void *ctx, const char *name, const json_t *value,
			      struct td_err *err);

struct member {
	const char *name;
	take_fn take; /* NULL: read-only, ignored */
};

static enum td_rc
walk(const json_t *object, const struct member *members, void *ctx, struct td_err *err)
{
	/* jansson's iterators take a non-const object, but do not change it. */
	json_t *o = json_incref((json_t *)(uintptr_t)object);
	enum td_rc rc = TD_OK;

	for (void *it = json_object_iter(o); it != NULL && rc == TD_OK;
	     it = json_object_iter_next(o, it)) {
		const char *name = json_object_iter_key(it);
		const struct member *m = members;

		while (m->name != NULL && strcmp(m->name, name) != 0)
			m++;
		if (m->name == NULL)
			rc = td_err_set(err, TD_INVALID, "unknown member \"%.64s\"",
					name);
		else if (m->take != NULL)
			rc = m->take(ctx, name, json_object_iter_value(it), err);
	}
	json_decref(o);
	return rc;
}

static enum td_rc
parse_and_walk(const void *body, size_t len, const struct member *members, void *ctx,
	       struct td_err *err)
{
	json_error_t je;
	enum td_rc rc;
	json_t *root;

	if (len == 0)
		return TD_OK;
	root = json_loadb(body, len, JSON_REJECT_DUPLICATES, &je);
	if (root == NULL)
		return td_err_set(err, TD_INVALID, "not valid JSON: %.120s (byte %d)",
				  je.text, je.position);
	if (!json_is_object(root))
		rc = td_err_set(err, TD_INVALID, "the body must be a JSON object");
	else
		rc = walk(root, members, ctx, err);
	json_decref(root);
	return rc;
}

/* ---- values ---- */

static enum td_rc
take_text(const char *name, const json_t *v, char *out, size_t size, struct td_err *err)
{
	size_t len = json_string_length(v);

	if (!json_is_string(v))
		return td_err_set(err, TD_INVALID, "\"%s\" must be a string", name);
	if (len >= size)
		return td_err_set(err, TD_INVALID, "\"%s\" is longer than %zu bytes",
				  name, size - 1);
	memcpy(out, json_string_value(v), len + 1);
	return TD_OK;
}

/* Text for people, on one line. */
static enum td_rc
take_line(const char *name, const json_t *v, char *out, size_t size, struct td_err *err)
{
	enum td_rc rc = take_text(name, v, out, size, err);

	for (const char *p = out; rc == TD_OK && *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			rc = td_err_set(err, TD_INVALID,
					"\"%s\" holds a control character", name);
	return rc;
}

static enum td_rc
take_uint(const char *name, const json_t *v, uint64_t *out, struct td_err *err)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return td_err_set(err, TD_INVALID, "\"%s\" must be an integer, 0 or more",
				  name);
	*out = (uint64_t)json_integer_value(v);
	return TD_OK;
}

/* null stays 0. */
static enum td_rc
take_seconds(const char *name, const json_t *v, int64_t *out, struct td_err *err)
{
	uint64_t n = 0;

	if (json_is_null(v))
		return TD_OK;
	if (take_uint(name, v, &n, NULL) != TD_OK || n < 1 || n > (uint64_t)API_TTL_MAX)
		return td_err_set(err, TD_INVALID,
				  "\"%s\" must be an integer from 1 to %lld, or null",
				  name, (long long)API_TTL_MAX);
	*out = (int64_t)n;
	return TD_OK;
}

bool
api_parse_u64(const char *text, uint64_t max, uint64_t *ret_value)
{
	uint64_t v = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		unsigned digit = (unsigned)(*text - '0');

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	if (v > max)
		return false;
	*ret_value = v;
	return true;
}

/* ---- buckets ---- */

static enum td_rc
take_bucket_name(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct tenant_put_bucket *b = ctx;
	enum td_rc rc = take_text(name, v, b->name, sizeof(b->name), err);

	if (rc == TD_OK && !rec_bucket_name_ok(b->name))
		rc = td_err_set(err, TD_INVALID, "\"%s\" is not a bucket name", b->name);
	return rc;
}

static enum td_rc
take_bucket_mode(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct tenant_put_bucket *b = ctx;

	if (!json_is_string(v) || !tenant_mode_parse(json_string_value(v), &b->mode))
		return td_err_set(err, TD_INVALID,
				  "\"%s\" must be private, readonly or readwrite", name);
	b->has_mode = true;
	return TD_OK;
}

static enum td_rc
take_bucket_quota(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct tenant_put_bucket *b = ctx;

	b->has_quota = true;
	b->quota_bytes = 0;
	if (json_is_null(v))
		return TD_OK;
	enum td_rc rc = take_uint(name, v, &b->quota_bytes, err);

	if (rc == TD_OK && b->quota_bytes > PLAN_MAX_BYTES)
		rc = td_err_set(err, TD_INVALID, "\"%s\" is too large", name);
	return rc;
}

static const struct member bucket_members[] = {
	{ "name", take_bucket_name },
	{ "mode", take_bucket_mode },
	{ "quota_bytes", take_bucket_quota },
	{ "bucket", NULL },
	{ "ready", NULL },
	{ "state", NULL },
	{ "message", NULL },
	{ "created_at", NULL },
	{ "remove_due_at", NULL },
	{ "access", NULL },
	{ NULL, NULL },
};
/* The path names the bucket. */
static const struct member bucket_path_members[] = {
	{ "name", NULL },
	{ "mode", take_bucket_mode },
	{ "quota_bytes", take_bucket_quota },
	{ "bucket", NULL },
	{ "ready", NULL },
	{ "state", NULL },
	{ "message", NULL },
	{ "created_at", NULL },
	{ "remove_due_at", NULL },
	{ "access", NULL },
	{ NULL, NULL },
};

enum td_rc
api_decode_bucket(const void *body, size_t len, struct tenant_put_bucket *ret,
		  struct td_err *reterr)
{
	*ret = (struct tenant_put_bucket){ .mode = DRV_BUCKET_PRIVATE };
	return parse_and_walk(body, len, bucket_path_members, ret, reterr);
}

/* ---- tenants ---- */

static int
bucket_order(const void *a, const void *b)
{
	const struct tenant_put_bucket *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static enum td_rc
take_buckets(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct api_tenant_body *t = ctx;
	size_t n = json_array_size(v);

	if (!json_is_array(v))
		return td_err_set(err, TD_INVALID, "\"%s\" must be an array", name);
	if (n > REC_BUCKETS_MAX)
		return td_err_set(err, TD_INVALID, "\"%s\" has more than %d items", name,
				  REC_BUCKETS_MAX);
	if (n == 0)
		return TD_OK;
	t->buckets = calloc(n, sizeof(*t->buckets));
	if (t->buckets == NULL)
		return td_err_set(err, TD_NOMEM, "%zu buckets", n);
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(v, i);
		enum td_rc rc;

		if (!json_is_object(item))
			return td_err_set(err, TD_INVALID,
					  "\"%s\" must hold JSON objects", name);
		rc = walk(item, bucket_members, &t->buckets[i], err);
		if (rc != TD_OK)
			return rc;
		if (t->buckets[i].name[0] == '\0')
			return td_err_set(err, TD_INVALID, "a bucket without \"name\"");
	}
	qsort(t->buckets, n, sizeof(*t->buckets), bucket_order);
	for (size_t i = 1; i < n; i++)
		if (strcmp(t->buckets[i - 1].name, t->buckets[i].name) == 0)
			return td_err_set(err, TD_INVALID, "bucket \"%s\" is there twice",
					  t->buckets[i].name);
	t->put.buckets = t->buckets;
	t->put.bucket_count = n;
	return TD_OK;
}

static enum td_rc
take_limits(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct api_tenant_body *t = ctx;
	const char *key;
	const json_t *value;

	if (!json_is_object(v))
		return td_err_set(err, TD_INVALID, "\"%s\" must be an object", name);
	t->put.has_limits = true;
	json_object_foreach((json_t *)(uintptr_t)v, key, value)
	{
		enum plan_limit limit;
		enum td_rc rc = TD_OK;
		uint64_t n = 0;

		if (!plan_limit_parse(key, &limit) || (unsigned)limit >= REC_LIMIT_COUNT)
			return td_err_set(err, TD_INVALID, "unknown limit \"%.64s\"",
					  key);
		if (json_is_string(value) &&
		    strcmp(json_string_value(value), "unlimited") == 0)
			n = PLAN_UNLIMITED;
		else
			rc = take_uint(key, value, &n, err);
		if (rc != TD_OK)
			return rc;
		t->put.limits[limit] = n;
		t->put.limits_set |= UINT32_C(1) << limit;
	}
	return TD_OK;
}

static bool
label_key_ok(const char *key)
{
	size_t len = strlen(key);

	return len >= 1 && len <= 63 &&
	       strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			   "0123456789._-/") == len;
}

static int
text_order(const void *a, const void *b)
{
	const char *const *x = a;
	const char *const *y = b;

	return strcmp(*x, *y);
}

static enum td_rc
take_labels(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct api_tenant_body *t = ctx;
	const char *keys[REC_LABELS_MAX], *key;
	size_t n = 0, at = 0;
	const json_t *value;

	if (!json_is_object(v))
		return td_err_set(err, TD_INVALID, "\"%s\" must be an object", name);
	if (json_object_size(v) > REC_LABELS_MAX)
		return td_err_set(err, TD_INVALID, "more than %d labels", REC_LABELS_MAX);
	json_object_foreach((json_t *)(uintptr_t)v, key, value)
	{
		if (!label_key_ok(key))
			return td_err_set(err, TD_INVALID, "bad label name \"%.64s\"",
					  key);
		if (!json_is_string(value))
			return td_err_set(err, TD_INVALID,
					  "label \"%s\" must be a string", key);
		keys[n++] = key;
	}
	qsort(keys, n, sizeof(keys[0]), text_order);
	for (size_t i = 0; i < n; i++) {
		const json_t *label = json_object_get(v, keys[i]);
		size_t klen = strlen(keys[i]) + 1, vlen = json_string_length(label) + 1;

		if (at + klen + vlen > sizeof(t->labels) ||
		    at + klen + vlen - 2 * (i + 1) > REC_LABEL_BYTES)
			return td_err_set(err, TD_INVALID,
					  "labels are longer than %d bytes",
					  REC_LABEL_BYTES);
		memcpy(t->labels + at, keys[i], klen);
		memcpy(t->labels + at + klen, json_string_value(label), vlen);
		at += klen + vlen;
	}
	t->put.has_labels = true;
	t->put.labels = t->labels;
	t->put.labels_len = (uint16_t)at;
	return TD_OK;
}

static enum td_rc
take_plan(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct api_tenant_body *t = ctx;

	t->put.plan = t->plan;
	return take_text(name, v, t->plan, sizeof(t->plan), err);
}

static enum td_rc
take_region(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct api_tenant_body *t = ctx;

	t->put.region = t->region;
	return take_text(name, v, t->region, sizeof(t->region), err);
}

static enum td_rc
take_protection(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct api_tenant_body *t = ctx;

	if (!json_is_boolean(v))
		return td_err_set(err, TD_INVALID, "\"%s\" must be true or false", name);
	t->put.has_protection = true;
	t->put.deletion_protection = json_is_true(v);
	return TD_OK;
}

static const struct member tenant_members[] = {
	{ "plan", take_plan },
	{ "region", take_region },
	{ "buckets", take_buckets },
	{ "labels", take_labels },
	{ "limits", take_limits },
	{ "deletion_protection", take_protection },
	/* what a GET reply has besides */
	{ "appid", NULL },
	{ "phase", NULL },
	{ "generation", NULL },
	{ "observed_generation", NULL },
	{ "settled", NULL },
	{ "mode", NULL },
	{ "effective_limits", NULL },
	{ "created_at", NULL },
	{ "delete_asked_at", NULL },
	{ "delete_due_at", NULL },
	{ "bucket_count", NULL },
	{ "more", NULL },
	{ "resources", NULL },
	{ NULL, NULL },
};

enum td_rc
api_decode_tenant(const void *body, size_t len, struct api_tenant_body *ret,
		  struct td_err *reterr)
{
	enum td_rc rc;

	*ret = (struct api_tenant_body){ 0 };
	rc = parse_and_walk(body, len, tenant_members, ret, reterr);
	if (rc != TD_OK)
		api_tenant_body_done(ret);
	return rc;
}

void
api_tenant_body_done(struct api_tenant_body *b)
{
	free(b->buckets);
	b->buckets = NULL;
	b->put.buckets = NULL;
	b->put.bucket_count = 0;
}

/* ---- tokens ---- */

static const char *const role_texts[REC_ROLE_COUNT] = {
	[REC_ROLE_ADMIN] = "admin",	[REC_ROLE_AUDITOR] = "auditor",
	[REC_ROLE_BILLING] = "billing", [REC_ROLE_PRODUCER] = "producer",
	[REC_ROLE_RUNTIME] = "runtime", [REC_ROLE_TENANT] = "tenant",
};

const char *
api_role_text(unsigned role)
{
	return role < REC_ROLE_COUNT ? role_texts[role] : NULL;
}

bool
api_role_parse(const char *text, enum rec_role *ret_role)
{
	for (unsigned i = 0; i < REC_ROLE_COUNT; i++) {
		if (strcmp(role_texts[i], text) == 0) {
			*ret_role = (enum rec_role)i;
			return true;
		}
	}
	return false;
}

bool
api_role_bound(enum rec_role role)
{
	return role == REC_ROLE_RUNTIME || role == REC_ROLE_TENANT;
}

struct token_ctx {
	struct api_token_body *body;
	bool has_role;
};

static enum td_rc
take_role(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct token_ctx *t = ctx;

	if (!json_is_string(v) || !api_role_parse(json_string_value(v), &t->body->role))
		return td_err_set(
			err, TD_INVALID,
			"\"%s\" must be admin, auditor, billing, producer, runtime "
			"or tenant",
			name);
	t->has_role = true;
	return TD_OK;
}

static enum td_rc
take_appid(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct token_ctx *t = ctx;
	enum td_rc rc;

	if (json_is_null(v))
		return TD_OK;
	rc = take_text(name, v, t->body->appid, sizeof(t->body->appid), err);
	if (rc == TD_OK && !rec_appid_any_ok(t->body->appid))
		rc = td_err_set(err, TD_INVALID, "\"%s\" is not an appid", name);
	return rc;
}

static enum td_rc
take_label(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct token_ctx *t = ctx;

	return take_line(name, v, t->body->label, sizeof(t->body->label), err);
}

static enum td_rc
take_ttl(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct token_ctx *t = ctx;

	return take_seconds(name, v, &t->body->ttl_seconds, err);
}

static const struct member token_members[] = {
	{ "role", take_role },	     { "appid", take_appid }, { "label", take_label },
	{ "ttl_seconds", take_ttl }, { NULL, NULL },
};

enum td_rc
api_decode_token(const void *body, size_t len, struct api_token_body *ret,
		 struct td_err *reterr)
{
	struct token_ctx ctx = { .body = ret };
	enum td_rc rc;

	*ret = (struct api_token_body){ 0 };
	rc = parse_and_walk(body, len, token_members, &ctx, reterr);
	if (rc != TD_OK)
		return rc;
	if (!ctx.has_role)
		return td_err_set(reterr, TD_INVALID, "\"role\" is required");
	if (api_role_bound(ret->role) && ret->appid[0] == '\0')
		return td_err_set(reterr, TD_INVALID, "role %s needs an \"appid\"",
				  api_role_text(ret->role));
	if (!api_role_bound(ret->role) && ret->appid[0] != '\0')
		return td_err_set(reterr, TD_INVALID, "role %s takes no \"appid\"",
				  api_role_text(ret->role));
	return TD_OK;
}

/* ---- brakes ---- */

struct mode_ctx {
	struct api_mode_body *body;
	bool has_mode;
};

static enum td_rc
take_mode(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct mode_ctx *m = ctx;

	if (!json_is_string(v) ||
	    !tenant_brake_parse(json_string_value(v), &m->body->mode))
		return td_err_set(err, TD_INVALID,
				  "\"%s\" must be manage, observe or hold", name);
	m->has_mode = true;
	return TD_OK;
}

static enum td_rc
take_mode_reason(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct mode_ctx *m = ctx;

	return take_line(name, v, m->body->reason, sizeof(m->body->reason), err);
}

static enum td_rc
take_expires_at(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct mode_ctx *m = ctx;

	if (json_is_null(v))
		return TD_OK;
	if (!json_is_string(v) ||
	    !td_time_parse(json_string_value(v), &m->body->expires_ms) ||
	    m->body->expires_ms <= 0)
		return td_err_set(err, TD_INVALID,
				  "\"%s\" must be a time such as 2030-01-31T12:00:00Z",
				  name);
	return TD_OK;
}

static enum td_rc
take_expires_in(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct mode_ctx *m = ctx;

	return take_seconds(name, v, &m->body->expires_in_s, err);
}

static const struct member mode_members[] = {
	{ "mode", take_mode },
	{ "reason", take_mode_reason },
	{ "expires_at", take_expires_at },
	{ "expires_in_seconds", take_expires_in },
	{ "scope", NULL },
	{ "since", NULL },
	{ "set_by", NULL },
	{ NULL, NULL },
};

enum td_rc
api_decode_mode(const void *body, size_t len, struct api_mode_body *ret,
		struct td_err *reterr)
{
	struct mode_ctx ctx = { .body = ret };
	enum td_rc rc;

	*ret = (struct api_mode_body){ .mode = REC_MANAGE };
	rc = parse_and_walk(body, len, mode_members, &ctx, reterr);
	if (rc != TD_OK)
		return rc;
	if (!ctx.has_mode)
		return td_err_set(reterr, TD_INVALID, "\"mode\" is required");
	if (ret->mode != REC_MANAGE && ret->reason[0] == '\0')
		return td_err_set(reterr, TD_INVALID, "\"reason\" is required");
	if (ret->expires_ms != 0 && ret->expires_in_s != 0)
		return td_err_set(
			reterr, TD_INVALID,
			"\"expires_at\" and \"expires_in_seconds\" exclude each other");
	if (ret->mode == REC_MANAGE && (ret->expires_ms != 0 || ret->expires_in_s != 0))
		return td_err_set(reterr, TD_INVALID, "manage does not expire");
	return TD_OK;
}

static enum td_rc
take_approval_region(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct api_approval_body *a = ctx;

	return take_text(name, v, a->region, sizeof(a->region), err);
}

static enum td_rc
take_approval_count(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct api_approval_body *a = ctx;
	uint64_t n = 0;

	if (json_is_null(v))
		return TD_OK;
	if (take_uint(name, v, &n, NULL) != TD_OK || n < 1 || n > API_APPROVE_MAX)
		return td_err_set(err, TD_INVALID,
				  "\"%s\" must be an integer from 1 to %d, or null", name,
				  API_APPROVE_MAX);
	a->count = (uint32_t)n;
	return TD_OK;
}

static enum td_rc
take_approval_reason(void *ctx, const char *name, const json_t *v, struct td_err *err)
{
	struct api_approval_body *a = ctx;

	return take_line(name, v, a->reason, sizeof(a->reason), err);
}

static const struct member approval_members[] = {
	{ "region", take_approval_region },
	{ "count", take_approval_count },
	{ "reason", take_approval_reason },
	{ NULL, NULL },
};

enum td_rc
api_decode_approval(const void *body, size_t len, struct api_approval_body *ret,
		    struct td_err *reterr)
{
	enum td_rc rc;

	*ret = (struct api_approval_body){ 0 };
	rc = parse_and_walk(body, len, approval_members, ret, reterr);
	if (rc == TD_OK && ret->region[0] == '\0')
		rc = td_err_set(reterr, TD_INVALID, "\"region\" is required");
	if (rc == TD_OK && ret->reason[0] == '\0')
		rc = td_err_set(reterr, TD_INVALID, "\"reason\" is required");
	return rc;
}

enum td_rc
api_decode_empty(const void *body, size_t len, struct td_err *reterr)
{
	static const struct member none[] = { { NULL, NULL } };

	return parse_and_walk(body, len, none, NULL, reterr);
}
