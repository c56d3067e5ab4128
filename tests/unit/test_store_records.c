/*
 * Every record codec: what was encoded comes back; cut, lengthened, turned-over bytes are
 * refused or are another record's one encoding; and what could not be read back is not
 * written.
 */
#include "test_store_support.h"

#include "store/records.h"

union any {
	struct rec_tenant tenant;
	struct rec_resource resource;
	struct rec_bucket bucket;
	struct rec_slot slot;
	struct rec_intent intent;
	struct rec_datakey datakey;
	struct rec_tombstone tombstone;
	struct rec_token token;
	struct rec_cred_head cred_head;
	struct rec_cred cred;
	struct rec_audit audit;
	struct rec_brake brake;
	struct rec_budget budget;
};

#define SET(member, text) (void)snprintf(member, sizeof(member), "%s", text)

/* A string as long as the member holds. */
static void
fill_text(char *out, size_t size)
{
	memset(out, 'x', size - 1);
	out[size - 1] = '\0';
}
#define FULL(member) fill_text(member, sizeof(member))

static void
make_tenant(union any *a)
{
	static const char labels[] = "owner\0\xc3\xa9milie\0team\0";
	struct rec_tenant *t = &a->tenant;

	t->number = 77;
	SET(t->plan, "standard");
	FULL(t->region);
	t->limits_set = 1u << REC_LIMIT_BUCKETS | 1u << REC_LIMIT_OBJECT_BYTES;
	t->limits[REC_LIMIT_OBJECT_BYTES] = UINT64_MAX;
	t->limits[REC_LIMIT_BUCKETS] = 5;
	t->labels_len = sizeof(labels); /* the last value is empty */
	memcpy(t->labels, labels, sizeof(labels));
	t->suspend = 1;
	t->phase = REC_DELETING;
	t->mode = REC_HOLD;
	SET(t->mode_reason, "maintenance of the \xe2\x98\x85 rack");
	t->mode_expires_ms = INT64_MAX;
	t->generation = 3;
	t->observed_generation = 2;
	t->created_ms = 1700000000000;
	t->delete_asked_ms = 1700000000001;
	t->delete_due_ms = 1700000000002;
	t->bucket_count = 9;
	t->credential_serial = 12;
}

static void
make_resource(union any *a)
{
	struct rec_resource *r = &a->resource;

	r->claimed = 1;
	r->access = DRV_ACCESS_NONE;
	r->access_known = 1;
	FULL(r->identity);
	r->failures = UINT32_MAX;
	r->due_ms = 5;
	r->closed = REC_CLOSED_UNSURE;
	for (int i = 0; i < REC_COND_COUNT; i++) {
		r->cond[i].status = i % 2 != 0;
		r->cond[i].since_ms = i;
		FULL(r->cond[i].reason);
		FULL(r->cond[i].message);
	}
}

static void
make_bucket(union any *a)
{
	a->bucket.state = REC_BUCKET_REMOVING;
	a->bucket.mode = DRV_BUCKET_READWRITE;
	a->bucket.quota_bytes = 1;
	a->bucket.observed = 1;
	a->bucket.observed_mode = DRV_BUCKET_READONLY;
	a->bucket.purge = 1;
	a->bucket.created_ms = 8;
	a->bucket.closed = 1;
	FULL(a->bucket.message);
}

static void
make_slot(union any *a)
{
	a->slot.serial = 4;
	a->slot.state = REC_SLOT_DRAINING;
	a->slot.consumers = REC_STATIC;
	a->slot.sealed_len = REC_SEALED_MAX;
	SET(a->slot.key_id, "AKIA1234567890123456");
	memset(a->slot.sealed, 0xa5, REC_SEALED_MAX);
}

static void
make_intent(union any *a)
{
	a->intent.id = 1;
	a->intent.verb = REC_VERB_REMOVE;
	a->intent.access = DRV_ACCESS_FENCED;
	a->intent.absent_before = 1;
	a->intent.unlock = 1;
	a->intent.generation = 5;
	a->intent.started_ms = 6;
}

static void
make_datakey(union any *a)
{
	memset(a->datakey.master_id, 1, sizeof(a->datakey.master_id));
	memset(a->datakey.wrapped, 2, sizeof(a->datakey.wrapped));
}

static void
make_tombstone(union any *a)
{
	a->tombstone.number = 9;
	a->tombstone.created_ms = 1;
	a->tombstone.deleted_ms = 2;
	SET(a->tombstone.region, "default");
}

static void
make_token(union any *a)
{
	a->token.role = REC_ROLE_TENANT;
	a->token.expires_ms = 1;
	SET(a->token.id, "0123456789abcdef");
	SET(a->token.appid, "abc123");
	FULL(a->token.label);
	SET(a->token.created_by, "bootstrap");
}

static void
make_cred_head(union any *a)
{
	a->cred_head.state = REC_CRED_SUSPENDED;
	a->cred_head.serial = UINT64_MAX;
	a->cred_head.total_len = 7000;
	SET(a->cred_head.region, "default");
}

static void
make_cred(union any *a)
{
	struct rec_cred *c = &a->cred;

	c->has_object = 1;
	FULL(c->access_key);
	SET(c->secret_key, "any \x01 byte \xff");
	c->has_database = 1;
	SET(c->username, "abc123.b");
	FULL(c->password);
	SET(c->database, "abc123");
	c->has_volume = 1;
	c->volume_bytes = 1ull << 40;
	c->bucket_total = 3000;
	c->bucket_count = REC_CRED_BUCKETS;
	for (int i = 0; i < REC_CRED_BUCKETS; i++) {
		(void)snprintf(c->buckets[i].name, sizeof(c->buckets[i].name), "b%d", i);
		c->buckets[i].mode = (uint8_t)(i % 3);
	}
}

static void
make_audit(union any *a)
{
	a->audit.time_ms = 1700000000000;
	a->audit.action = 255;
	a->audit.outcome = 255;
	a->audit.role = REC_ROLE_COUNT;
	a->audit.count = 2;
	FULL(a->audit.appid);
	FULL(a->audit.token_id);
	FULL(a->audit.address);
	FULL(a->audit.request_id);
	FULL(a->audit.object);
	FULL(a->audit.detail);
}

static void
make_brake(union any *a)
{
	a->brake.mode = REC_HOLD;
	FULL(a->brake.reason);
	a->brake.since_ms = 1;
	a->brake.expires_ms = INT64_MAX;
	SET(a->brake.set_by, "0123456789abcdef");
}

static void
make_budget(union any *a)
{
	struct rec_budget *b = &a->budget;

	b->slot = 77;
	for (int i = 0; i < REC_DESTROY_COUNT; i++) {
		for (int k = 0; k < REC_BUDGET_SLOTS; k++)
			b->line[i].spent[k] = (uint32_t)(i * 100 + k);
		b->line[i].extra = UINT32_MAX;
	}
	b->extra_until_ms = 2;
	b->stopped_ms = 3;
	b->stopped_by = REC_REMOVE_BUCKET;
}

#define WRAP(name)                                                                       \
	static void encode_##name(const union any *a, struct td_buf *out)                \
	{                                                                                \
		rec_##name##_encode(&a->name, out);                                      \
	}                                                                                \
	static enum td_rc decode_##name(const void *data, size_t len, union any *a,      \
					struct td_err *err)                              \
	{                                                                                \
		return rec_##name##_decode(data, len, &a->name, err);                    \
	}
WRAP(tenant)
WRAP(resource)
WRAP(bucket)
WRAP(slot)
WRAP(intent)
WRAP(datakey)
WRAP(tombstone)
WRAP(token)
WRAP(cred_head)
WRAP(cred)
WRAP(audit)
WRAP(brake)
WRAP(budget)

/* Members one by one into zeroed memory: whole structs are compared, with their padding. */
struct row {
	const char *name;
	size_t size, format_at;
	unsigned char format;
	void (*make)(union any *);
	void (*encode)(const union any *, struct td_buf *);
	enum td_rc (*decode)(const void *, size_t, union any *, struct td_err *);
};
#define ROW(name, at, format)                                                            \
	{                                                                                \
#name, sizeof(struct rec_##name), at, format, make_##name,               \
			encode_##name, decode_##name                                     \
	}
static const struct row rows[] = {
	ROW(tenant, 0, 1),    ROW(resource, 0, 2), ROW(bucket, 0, 2),	 ROW(slot, 0, 1),
	ROW(intent, 0, 1),    ROW(datakey, 0, 1),  ROW(tombstone, 0, 1), ROW(token, 0, 1),
	ROW(cred_head, 0, 1), ROW(cred, 0, 1),	   ROW(audit, 8, 1),	 ROW(brake, 0, 1),
	ROW(budget, 0, 1),
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void
encode(const struct row *row, const union any *a, struct td_buf *out)
{
	td_buf_init(out, 16384);
	row->encode(a, out);
	if (td_buf_rc(out) != TD_OK)
		fail_msg("%s: encode: %d", row->name, td_buf_rc(out));
}

static void
test_round_trips(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		union any a, b;
		struct td_buf out;
		struct td_err err = { .rc = TD_OK };

		memset(&a, 0, sizeof(a));
		memset(&b, 0xee, sizeof(b));
		rows[i].make(&a);
		encode(&rows[i], &a, &out);
		if (rows[i].decode(out.data, out.len, &b, &err) != TD_OK)
			fail_msg("%s: %s", rows[i].name, err.detail);
		assert_memory_equal(&a, &b, rows[i].size);
		/* Every record but the document, which is chunked, fits into one value. */
		if (strcmp(rows[i].name, "cred") != 0)
			assert_true(out.len <= STORE_VALUE_MAX);
		td_buf_done(&out);
	}
}

/* All members of the smallest record, too. */
static void
test_zeroed_records(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		union any a, b;
		struct td_buf out;

		memset(&a, 0, sizeof(a));
		if (strcmp(rows[i].name, "intent") == 0)
			a.intent.verb = REC_VERB_ENSURE;
		if (strcmp(rows[i].name, "brake") == 0)
			a.brake.mode = REC_OBSERVE;
		if (strcmp(rows[i].name, "token") == 0)
			SET(a.token.id, "0000000000000000");
		encode(&rows[i], &a, &out);
		assert_int_equal(rows[i].decode(out.data, out.len, &b, NULL), TD_OK);
		assert_memory_equal(&a, &b, rows[i].size);
		td_buf_done(&out);
	}
}

/* On the heap with its exact size, so that a sanitizer sees a read beyond. */
static enum td_rc
decode_exact(const struct row *row, const void *data, size_t len, union any *a)
{
	struct td_err err = { .rc = TD_OK };
	unsigned char *copy = malloc(len == 0 ? 1 : len);
	enum td_rc rc;

	assert_non_null(copy);
	memcpy(copy, data, len);
	rc = row->decode(copy, len, a, &err);
	free(copy);
	if (rc != TD_OK) {
		assert_int_equal(rc, TD_CORRUPT);
		assert_true(err.detail[0] != '\0');
		for (size_t i = 0; i < row->size; i++)
			assert_int_equal(((const unsigned char *)a)[i], 0);
	}
	return rc;
}

static void
test_every_cut_and_every_addition_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		union any a, b;
		struct td_buf out;

		memset(&a, 0, sizeof(a));
		rows[i].make(&a);
		encode(&rows[i], &a, &out);
		for (size_t len = 0; len < out.len; len++)
			assert_int_equal(decode_exact(&rows[i], out.data, len, &b),
					 TD_CORRUPT);
		td_buf_u8(&out, 0);
		assert_int_equal(decode_exact(&rows[i], out.data, out.len, &b),
				 TD_CORRUPT);
		td_buf_done(&out);
	}
}

/* Every byte, several ways: it is refused, or it is the encoding of what it decodes to. */
static void
test_every_byte_turned_over(void **state)
{
	static const unsigned char flips[] = { 0x01, 0x80, 0xff, 0x20 };
	unsigned refused = 0, other = 0;

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		union any a, b;
		struct td_buf out, again;

		memset(&a, 0, sizeof(a));
		rows[i].make(&a);
		encode(&rows[i], &a, &out);
		for (size_t k = 0; k < out.len * sizeof(flips); k++) {
			unsigned char *p = out.data + k / sizeof(flips);
			unsigned char flip = flips[k % sizeof(flips)];

			*p ^= flip;
			if (decode_exact(&rows[i], out.data, out.len, &b) == TD_OK) {
				encode(&rows[i], &b, &again);
				assert_int_equal(again.len, out.len);
				assert_memory_equal(again.data, out.data, out.len);
				td_buf_done(&again);
				other++;
			} else {
				refused++;
			}
			*p ^= flip;
		}
		td_buf_done(&out);
	}
	assert_true(refused > 1000);
	assert_true(other > 1000);
}

static void
test_a_newer_format_says_so(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		struct td_err err = { .rc = TD_OK };
		union any a, b;
		struct td_buf out;

		memset(&a, 0, sizeof(a));
		rows[i].make(&a);
		encode(&rows[i], &a, &out);
		assert_int_equal(out.data[rows[i].format_at], rows[i].format);
		out.data[rows[i].format_at] = rows[i].format + 1;
		assert_int_equal(rows[i].decode(out.data, out.len, &b, &err), TD_CORRUPT);
		assert_non_null(strstr(err.detail, "newer tenantd"));
		/* An older one is not: the store was not upgraded, or it is damaged. */
		out.data[rows[i].format_at] = rows[i].format - 1;
		assert_int_equal(rows[i].decode(out.data, out.len, &b, &err), TD_CORRUPT);
		assert_null(strstr(err.detail, "newer tenantd"));
		td_buf_done(&out);
	}
}

/* ---- what is not written ---- */

static enum td_rc
encode_rc(void (*encode_one)(const union any *, struct td_buf *), const union any *a)
{
	struct td_buf out;
	enum td_rc rc;

	td_buf_init(&out, 16384);
	encode_one(a, &out);
	rc = td_buf_rc(&out);
	td_buf_done(&out);
	return rc;
}

static void
set_labels(union any *a, const char *labels, size_t len)
{
	a->tenant.labels_len = (uint16_t)len;
	memcpy(a->tenant.labels, labels, len);
}

#define BAD(kind, ...)                                                                   \
	do {                                                                             \
		memset(&a, 0, sizeof(a));                                                \
		make_##kind(&a);                                                         \
		assert_int_equal(encode_rc(encode_##kind, &a), TD_OK);                   \
		__VA_ARGS__;                                                             \
		assert_int_equal(encode_rc(encode_##kind, &a), TD_INVALID);              \
	} while (0)
static void
test_what_the_encoder_refuses_of_a_tenant(void **state)
{
	union any a;

	(void)state;
	BAD(tenant, a.tenant.phase = REC_DELETED);
	BAD(tenant, a.tenant.mode = 3);
	BAD(tenant, a.tenant.suspend = 2);
	BAD(tenant, a.tenant.limits_set = 1u << REC_LIMIT_COUNT);
	BAD(tenant, a.tenant.created_ms = -1);
	BAD(tenant, SET(a.tenant.plan, "two words"));
	BAD(tenant, memset(a.tenant.plan, 'x', sizeof(a.tenant.plan)));
	BAD(tenant, a.tenant.labels_len = UINT16_MAX);
	BAD(tenant, set_labels(&a,
			       "b\0"
			       "1\0"
			       "a\0"
			       "2",
			       8));
	BAD(tenant, set_labels(&a,
			       "a\0"
			       "1\0"
			       "a\0"
			       "2",
			       8));
	BAD(tenant, set_labels(&a,
			       "\0"
			       "1",
			       3));
	BAD(tenant, set_labels(&a,
			       "a\0"
			       "1",
			       3));
	BAD(tenant, set_labels(&a, "a", 2));
	BAD(tenant, set_labels(&a, "a\0\xff", 4));
}

static void
test_what_the_encoder_refuses(void **state)
{
	union any a;

	(void)state;
	BAD(resource, a.resource.access = 3);
	BAD(resource, a.resource.cond[2].status = 2);
	BAD(bucket, a.bucket.state = 5);
	BAD(bucket, a.bucket.mode = 3);
	BAD(slot, a.slot.state = 4);
	BAD(slot, a.slot.sealed_len = REC_SEALED_MAX + 1);
	BAD(intent, a.intent.verb = 0);
	BAD(intent, a.intent.verb = 3);
	BAD(token, a.token.role = REC_ROLE_COUNT);
	BAD(token, SET(a.token.id, "0123456789ABCDEF"));
	BAD(token, SET(a.token.appid, "a-b"));
	BAD(cred_head, a.cred_head.state = 2);
	BAD(cred, a.cred.bucket_count = REC_CRED_BUCKETS + 1);
	BAD(cred, a.cred.buckets[99].mode = 3);
	BAD(cred, a.cred.has_object = 2);
}
#undef BAD

static void
test_seventeen_labels_are_too_many(void **state)
{
	char labels[17 * 4];
	union any a;

	(void)state;
	memset(&a, 0, sizeof(a));
	for (int i = 0; i < 17; i++) {
		char one[4] = { (char)('a' + i), '\0', 'v', '\0' };
		memcpy(labels + i * 4, one, 4);
	}
	set_labels(&a, labels, 16 * 4);
	assert_int_equal(encode_rc(encode_tenant, &a), TD_OK);
	set_labels(&a, labels, 17 * 4);
	assert_int_equal(encode_rc(encode_tenant, &a), TD_INVALID);
}

/* A message of a backend, cut in the middle of a character, costs no record. */
static void
test_texts_are_made_clean(void **state)
{
	static const struct {
		const char *in, *out;
	} texts[] = {
		{ "plain", "plain" },
		{ "two\nlines\ttab", "two?lines?tab" },
		{ "cut \xe2\x98", "cut ??" },
		{ "lone \x80 over \xc0\xaf long", "lone ? over ?? long" },
		{ "surrogate \xed\xa0\x80", "surrogate ???" },
		{ "beyond \xf4\x90\x80\x80", "beyond ????" },
		{ "control \xc2\x85", "control ??" },
		{ "\xf0\x9f\x98\x80 fine", "\xf0\x9f\x98\x80 fine" },
		{ "\x7f", "?" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		union any a, b;
		struct td_buf out;

		memset(&a, 0, sizeof(a));
		SET(a.bucket.message, texts[i].in);
		encode(&rows[2], &a, &out);
		assert_int_equal(rows[2].decode(out.data, out.len, &b, NULL), TD_OK);
		assert_string_equal(b.bucket.message, texts[i].out);
		td_buf_done(&out);
	}
}

/* ---- keys and names ---- */

static void
test_keys(void **state)
{
	unsigned char k[STORE_KEY_MAX], p[STORE_KEY_MAX];
	char long_name[200];
	size_t n;

	(void)state;
	fill_text(long_name, sizeof(long_name));
	assert_int_equal(rec_key_appid("abc123", k), 6);
	assert_memory_equal(k, "abc123", 6);
	n = rec_key_prefix("abc123", p);
	assert_int_equal(n, 7);
	assert_int_equal(rec_key_resource("abc123", DRV_DATABASE, k), 8);
	assert_memory_equal(k, "abc123\0\1", 8);
	assert_int_equal(rec_key_slot("abc123", DRV_OBJECT, DRV_SLOT_B, k), 9);
	assert_memory_equal(k, "abc123\0\0\2", 9);
	assert_int_equal(rec_key_bucket("abc123", "data", k), 11);
	assert_memory_equal(k, "abc123\0data", 11);
	assert_int_equal(rec_key_credential("abc123", 2, k), 8);
	assert_int_equal(rec_key_token_tenant("abc123", "0123456789abcdef", k), 23);
	assert_memory_equal(k, p, n);
	/* The prefix of one is none of another whose name begins the same. */
	rec_key_resource("abc1234", DRV_OBJECT, k);
	assert_memory_not_equal(k, p, n);
	/* A cut key would be another tenant's. */
	assert_int_equal(rec_key_appid("", k), 0);
	assert_int_equal(rec_key_appid("a23456789012345678901234567890123", k), 0);
	assert_int_equal(rec_key_resource(long_name, DRV_OBJECT, k), 0);
	assert_int_equal(rec_key_bucket("abc123", long_name, k), 0);
	assert_int_equal(rec_key_bucket("abc123", "", k), 0);
}

static void
test_names(void **state)
{
	static const struct {
		const char *name;
		bool new_ok, any_ok, bucket_ok;
	} names[] = {
		{ "abc123", true, true, true },
		{ "abcdef0123456789", true, true, true },
		{ "abcdef01234567890", false, true, true },
		{ "1bcdef", false, true, true },
		{ "abc", false, true, true },
		{ "ab", false, false, false },
		{ "", false, false, false },
		{ "Abc123", false, false, false },
		{ "abc-123", false, false, true },
		{ "-abc123", false, false, false },
		{ "abc123-", false, false, false },
		{ "abc_123", false, false, false },
		{ "abc.123", false, false, false },
		{ "abc 123", false, false, false },
		{ "abcdefghabcdefghabcdefghabcdefgh", false, true, true },
		{ "abcdefghabcdefghabcdefghabcdefghi", false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (rec_appid_new_ok(names[i].name) != names[i].new_ok ||
		    rec_appid_any_ok(names[i].name) != names[i].any_ok ||
		    rec_bucket_name_ok(names[i].name) != names[i].bucket_ok)
			fail_msg("%s", names[i].name);
	}
}

/* With a folder as its argument the program writes there what the fuzzer starts from. */
static int
write_corpus(const char *folder)
{
	for (size_t i = 0; i < ROWS; i++) {
		char path[512];
		union any a;
		struct td_buf out;
		FILE *file;

		memset(&a, 0, sizeof(a));
		rows[i].make(&a);
		td_buf_init(&out, 16384);
		td_buf_u8(&out, (uint8_t)i);
		rows[i].encode(&a, &out);
		(void)snprintf(path, sizeof(path), "%s/%s", folder, rows[i].name);
		file = fopen(path, "wb");
		if (file == NULL || fwrite(out.data, 1, out.len, file) != out.len)
			return 1;
		fclose(file);
		td_buf_done(&out);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_zeroed_records),
		cmocka_unit_test(test_every_cut_and_every_addition_is_refused),
		cmocka_unit_test(test_every_byte_turned_over),
		cmocka_unit_test(test_a_newer_format_says_so),
		cmocka_unit_test(test_what_the_encoder_refuses_of_a_tenant),
		cmocka_unit_test(test_what_the_encoder_refuses),
		cmocka_unit_test(test_seventeen_labels_are_too_many),
		cmocka_unit_test(test_texts_are_made_clean),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_names),
	};

	if (argc == 2)
		return write_corpus(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
