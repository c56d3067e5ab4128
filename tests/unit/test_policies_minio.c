/* What MinIO is given: canned policies, service accounts' policies, bucket policies. */
#include "policies/policy.h"

#include "base/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SHIPPED TD_SOURCE_DIR "/policies"

static int
load_shipped(void **state)
{
	struct policy_set *set = NULL;
	struct td_err err;

	if (policy_set_load(SHIPPED, &set, NULL, &err) != TD_OK) {
		print_error("%s\n", err.detail);
		return -1;
	}
	*state = set;
	return 0;
}

static int
free_shipped(void **state)
{
	policy_set_free(*state);
	return 0;
}

static const char *
hex_of(const char *text, char out[65])
{
	unsigned char sum[TD_SHA256_LEN];
	struct td_buf b;

	td_sha256(text, strlen(text), sum);
	td_buf_init(&b, 64);
	td_buf_hex(&b, sum, sizeof(sum));
	memcpy(out, td_buf_cstr(&b), 65);
	td_buf_done(&b);
	return out;
}

#define POLICY(statements) "{\"Version\":\"2012-10-17\",\"Statement\":[" statements "]}"
#define OWN "\"arn:aws:s3:::${aws:username}-*\""
#define OWN_BOTH OWN ",\"arn:aws:s3:::${aws:username}-*/*\""
#define NO_ADMIN ",{\"Effect\":\"Deny\",\"Action\":[\"admin:*\"]}"

static void
the_shipped_policies_are_these_bytes(void **state)
{
	static const struct {
		const char *name;
		const char *json;
	} rows[] = {
		{ "laf_owner_by_prefix",
		  POLICY("{\"Effect\":\"Allow\",\"Action\":[\"s3:DeleteObject\","
			 "\"s3:GetBucketLocation\",\"s3:GetBucketPolicy\",\"s3:"
			 "GetObject\","
			 "\"s3:ListBucket\",\"s3:ListBucketMultipartUploads\","
			 "\"s3:ListMultipartUploadParts\",\"s3:PutObject\"],\"Resource\":"
			 "[" OWN "]}") },
		{ "laf_owner_readonly_by_prefix",
		  POLICY("{\"Effect\":\"Allow\",\"Action\":[\"s3:DeleteObject\","
			 "\"s3:GetBucketLocation\",\"s3:GetBucketPolicy\",\"s3:"
			 "GetObject\","
			 "\"s3:ListBucket\",\"s3:ListBucketMultipartUploads\","
			 "\"s3:ListMultipartUploadParts\"],\"Resource\":[" OWN "]}") },
		{ "tenantd_fenced",
		  POLICY("{\"Effect\":\"Allow\",\"Action\":[\"s3:AbortMultipartUpload\","
			 "\"s3:DeleteObject\",\"s3:GetBucketLocation\",\"s3:GetObject\","
			 "\"s3:ListBucket\",\"s3:ListBucketMultipartUploads\","
			 "\"s3:ListMultipartUploadParts\"],\"Resource\":[" OWN_BOTH
			 "]}" NO_ADMIN) },
		{ "tenantd_owner",
		  POLICY("{\"Effect\":\"Allow\",\"Action\":[\"s3:AbortMultipartUpload\","
			 "\"s3:DeleteObject\",\"s3:GetBucketLocation\",\"s3:GetObject\","
			 "\"s3:ListBucket\",\"s3:ListBucketMultipartUploads\","
			 "\"s3:ListMultipartUploadParts\",\"s3:PutObject\"],\"Resource\":"
			 "[" OWN_BOTH "]}" NO_ADMIN) },
		{ "tenantd_suspended",
		  POLICY("{\"Effect\":\"Deny\",\"Action\":[\"s3:*\"],\"Resource\":"
			 "[\"arn:aws:s3:::*\"]}" NO_ADMIN) },
	};
	char hash[65];

	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct policy_template *t =
			policy_find(*state, POLICY_MINIO, rows[i].name);

		assert_non_null(t);
		assert_string_equal(t->json, rows[i].json);
		assert_string_equal(t->hash, hex_of(t->json, hash));
		assert_memory_equal(t->compiled_name, t->name, strlen(t->name));
		assert_int_equal(t->compiled_name[strlen(t->name)], '-');
		assert_memory_equal(t->compiled_name + strlen(t->name) + 1, hash, 12);
		assert_int_equal(strlen(t->compiled_name), strlen(t->name) + 13);
	}
}

static const char *
sa(void **state, const char *name, const char *appid, struct td_buf *b)
{
	struct td_err err;

	td_buf_init(b, POLICY_MAX_SA);
	if (policy_minio_sa(policy_find(*state, POLICY_MINIO, name), appid, b, &err) !=
	    TD_OK)
		fail_msg("%s: %s", name, err.detail);
	return td_buf_cstr(b);
}

static void
a_service_account_has_literals_in_both_forms(void **state)
{
	struct td_buf b;

	assert_string_equal(
		sa(state, "laf_owner_by_prefix", "abc123", &b),
		POLICY("{\"Effect\":\"Allow\",\"Action\":[\"s3:DeleteObject\","
		       "\"s3:GetBucketLocation\",\"s3:GetBucketPolicy\",\"s3:GetObject\","
		       "\"s3:ListBucket\",\"s3:ListBucketMultipartUploads\","
		       "\"s3:ListMultipartUploadParts\",\"s3:PutObject\"],\"Resource\":["
		       "\"arn:aws:s3:::abc123-*\",\"arn:aws:s3:::abc123-*/*\"]}"));
	td_buf_done(&b);
	assert_string_equal(
		sa(state, "tenantd_owner", "abc123", &b),
		POLICY("{\"Effect\":\"Allow\",\"Action\":[\"s3:AbortMultipartUpload\","
		       "\"s3:DeleteObject\",\"s3:GetBucketLocation\",\"s3:GetObject\","
		       "\"s3:ListBucket\",\"s3:ListBucketMultipartUploads\","
		       "\"s3:ListMultipartUploadParts\",\"s3:PutObject\"],\"Resource\":["
		       "\"arn:aws:s3:::abc123-*\",\"arn:aws:s3:::abc123-*/"
		       "*\"]}" NO_ADMIN));
	td_buf_done(&b);
}

static void
a_service_account_follows_a_narrow_template(void **state)
{
	static const char yaml[] =
		"name: t\nstatements:\n"
		"- {effect: Deny, actions: [s3:PutObject], resources: ['arn:aws:s3:::*',"
		" 'arn:aws:s3:::${aws:username}-*']}\n"
		"- {effect: Allow, actions: [s3:GetObject], resources: ["
		"'arn:aws:s3:::${aws:username}-one',"
		" 'arn:aws:s3:::${aws:username}-pub*', "
		"'arn:aws:s3:::${aws:username}-x/*']}\n";
	const struct td_yaml_text text = { "t.yaml", yaml, sizeof(yaml) - 1 };
	struct policy_set *set = NULL;
	struct td_err err;
	struct td_buf b;

	(void)state;
	assert_int_equal(policy_set_load_memory(&text, 1, &set, NULL, &err), TD_OK);
	td_buf_init(&b, POLICY_MAX_SA);
	assert_int_equal(policy_minio_sa(policy_set_at(set, 0), "xyz", &b, &err), TD_OK);
	assert_string_equal(
		td_buf_cstr(&b),
		POLICY("{\"Effect\":\"Deny\",\"Action\":[\"s3:PutObject\"],\"Resource\":["
		       "\"arn:aws:s3:::*\",\"arn:aws:s3:::xyz-*\"]},"
		       "{\"Effect\":\"Allow\",\"Action\":[\"s3:GetObject\"],\"Resource\":"
		       "["
		       "\"arn:aws:s3:::xyz-one\",\"arn:aws:s3:::xyz-pub*\","
		       "\"arn:aws:s3:::xyz-pub*/*\",\"arn:aws:s3:::xyz-x/*\"]}"));
	td_buf_done(&b);
	policy_set_free(set);
}

static void
a_service_account_is_appended(void **state)
{
	struct td_err err;
	struct td_buf b;

	td_buf_init(&b, 2 * POLICY_MAX_SA);
	td_buf_str(&b, "{\"policy\":");
	assert_int_equal(
		policy_minio_sa(policy_find(*state, POLICY_MINIO, "tenantd_owner"), "abc",
				&b, &err),
		TD_OK);
	assert_memory_equal(td_buf_cstr(&b), "{\"policy\":{\"Version\"", 20);
	td_buf_done(&b);
}

/* Closed buckets are denied by name, after all else; without any not a byte changes. */
static void
closed_buckets_are_denied(void **state)
{
	static const char *const names[] = { "data", "a-b" };
	const struct policy_template *t =
		policy_find(*state, POLICY_MINIO, "tenantd_owner");
	struct policy_closed closed = { names, 0 };
	struct td_buf plain, b;
	struct td_err err;
	static const char deny[] =
		",{\"Effect\":\"Deny\",\"Action\":[\"s3:*\"],\"Resource\":["
		"\"arn:aws:s3:::abc-data\",\"arn:aws:s3:::abc-data/*\","
		"\"arn:aws:s3:::abc-a-b\",\"arn:aws:s3:::abc-a-b/*\"]}]}";

	td_buf_init(&plain, POLICY_MAX_SA);
	td_buf_init(&b, POLICY_MAX_SA);
	assert_int_equal(policy_minio_sa(t, "abc", &plain, &err), TD_OK);
	assert_int_equal(policy_minio_sa_closed(t, "abc", &closed, &b, &err), TD_OK);
	assert_string_equal(td_buf_cstr(&b), td_buf_cstr(&plain));
	td_buf_reset(&b);
	closed.count = 2;
	assert_int_equal(policy_minio_sa_closed(t, "abc", &closed, &b, &err), TD_OK);
	assert_memory_equal(td_buf_cstr(&b), td_buf_cstr(&plain), plain.len - 2);
	assert_string_equal(td_buf_cstr(&b) + plain.len - 2, deny);
	td_buf_done(&plain);
	td_buf_done(&b);
}

static void
closed_buckets_that_are_refused(void **state)
{
	static const char *const bad[] = { "", "a*b", "a/b", "A", "${x}", "a\"b", "a.b" };
	const struct policy_template *t =
		policy_find(*state, POLICY_MINIO, "tenantd_owner");

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct policy_closed closed = { &bad[i], 1 };
		struct td_err err;
		struct td_buf b;

		td_buf_init(&b, POLICY_MAX_SA);
		if (policy_minio_sa_closed(t, "abc", &closed, &b, &err) != TD_INVALID)
			fail_msg("\"%s\" is taken", bad[i]);
		assert_int_equal(b.len, 0);
		td_buf_done(&b);
	}
}

/* As many as policy_closed_fit() takes have room in what a template leaves, whatever the
 * lengths of the names are, and one more is refused. */
static void
closed_buckets_have_room(void **state)
{
	static const char *const appids[] = { "abc", "abcdefghijklmnopqrstuvwxyz012345" };
	static const size_t lengths[] = { 3, 4, 9, 32 };
	const struct policy_template *t =
		policy_find(*state, POLICY_MINIO, "tenantd_owner");

	for (size_t i = 0; i < COUNT(appids) * COUNT(lengths); i++) {
		const char *appid = appids[i % COUNT(appids)];
		char text[64][33] = { "" };
		const char *names[64];
		struct policy_closed closed = { names, 0 };
		struct td_buf plain, b;
		struct td_err err;
		size_t bytes = 0;

		for (size_t k = 0; k < 64; k++) {
			memset(text[k], 'x', lengths[i / COUNT(appids)]);
			text[k][0] = (char)('a' + k % 26);
			text[k][1] = (char)('a' + k / 26);
			names[k] = text[k];
		}
		while (closed.count < 64 &&
		       policy_closed_fit(appid, names[closed.count], &bytes))
			closed.count++;
		assert_in_range(closed.count, 10, 63);
		td_buf_init(&plain, POLICY_MAX_SA);
		td_buf_init(&b, POLICY_MAX_SA);
		assert_int_equal(policy_minio_sa(t, appid, &plain, &err), TD_OK);
		assert_int_equal(policy_minio_sa_closed(t, appid, &closed, &b, &err),
				 TD_OK);
		assert_true(bytes <= POLICY_CLOSED_BYTES);
		assert_int_equal(b.len - plain.len, bytes - 1);
		td_buf_reset(&b);
		closed.count++;
		assert_int_equal(policy_minio_sa_closed(t, appid, &closed, &b, &err),
				 TD_TOO_LARGE);
		td_buf_done(&plain);
		td_buf_done(&b);
	}
}

static void
a_service_account_is_refused(void **state)
{
	static const struct {
		const char *says;
		enum policy_kind kind;
		const char *name;
		const char *appid;
		const char *wants;
	} rows[] = {
		{ "no MinIO template", POLICY_MONGODB, "tenantd_owner", "abc",
		  "template tenantd_owner is not for minio" },
		{ "a suspended template allows nothing", POLICY_MINIO,
		  "tenantd_suspended", "abc",
		  "template tenantd_suspended allows nothing" },
		{ "too short", POLICY_MINIO, "tenantd_owner", "ab", "not an appid" },
		{ "too long", POLICY_MINIO, "tenantd_owner",
		  "a23456789012345678901234567890123", "not an appid" },
		{ "a hyphen", POLICY_MINIO, "tenantd_owner", "abc-d", "not an appid" },
		{ "a wildcard", POLICY_MINIO, "tenantd_owner", "a*c", "not an appid" },
		{ "capitals", POLICY_MINIO, "tenantd_owner", "ABC", "not an appid" },
		{ "nothing", POLICY_MINIO, "tenantd_owner", "", "not an appid" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct td_err err = { 0 };
		struct td_buf b;

		td_buf_init(&b, POLICY_MAX_SA);
		if (policy_minio_sa(policy_find(*state, rows[i].kind, rows[i].name),
				    rows[i].appid, &b, &err) != TD_INVALID)
			fail_msg("%s", rows[i].says);
		assert_string_equal(err.detail, rows[i].wants);
		assert_int_equal(b.len, 0);
		td_buf_done(&b);
	}
}

static void
a_full_buffer_is_told(void **state)
{
	struct td_err err;
	struct td_buf b;

	td_buf_init(&b, 100);
	assert_int_equal(
		policy_minio_sa(policy_find(*state, POLICY_MINIO, "tenantd_owner"), "abc",
				&b, &err),
		TD_TOO_LARGE);
	td_buf_reset(&b);
	assert_int_equal(policy_minio_bucket("abc-data", POLICY_ANON_READWRITE, &b, &err),
			 TD_TOO_LARGE);
	td_buf_done(&b);
}

static void
bucket_policies_are_the_platforms(void **state)
{
	static const char listing[] =
		"{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":["
		"\"s3:GetBucketLocation\",\"s3:ListBucket\","
		"\"s3:ListBucketMultipartUploads\"],\"Resource\":[\"arn:aws:s3:::abc-"
		"data\"]},";
	static const struct {
		enum policy_anonymous mode;
		bool lists;
		const char *rest; /* the object statement; NULL: no policy */
	} rows[] = {
		{ POLICY_ANON_PRIVATE, false, NULL },
		{ POLICY_ANON_READONLY, false, "\"s3:GetObject\"" },
		{ POLICY_ANON_READWRITE, true,
		  "\"s3:AbortMultipartUpload\",\"s3:DeleteObject\",\"s3:GetObject\","
		  "\"s3:ListMultipartUploadParts\",\"s3:PutObject\"" },
		{ POLICY_ANON_READWRITE_FENCED, true,
		  "\"s3:AbortMultipartUpload\",\"s3:DeleteObject\",\"s3:GetObject\","
		  "\"s3:ListMultipartUploadParts\"" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct td_err err;
		struct td_buf got, want;

		td_buf_init(&got, POLICY_MAX_BUCKET);
		td_buf_init(&want, POLICY_MAX_BUCKET);
		assert_int_equal(
			policy_minio_bucket("abc-data", rows[i].mode, &got, &err), TD_OK);
		if (rows[i].rest != NULL)
			td_buf_fmt(&want,
				   "{\"Version\":\"2012-10-17\",\"Statement\":[%s{"
				   "\"Effect\":"
				   "\"Allow\",\"Principal\":\"*\",\"Action\":[%s],"
				   "\"Resource\":["
				   "\"arn:aws:s3:::abc-data/*\"]}]}",
				   rows[i].lists ? listing : "", rows[i].rest);
		assert_string_equal(td_buf_cstr(&got), td_buf_cstr(&want));
		td_buf_done(&got);
		td_buf_done(&want);
	}
}

static void
bucket_names_are_checked(void **state)
{
	static const struct {
		const char *says;
		const char *name;
		enum td_rc rc;
	} rows[] = {
		{ "dots and hyphens inside", "a.b-c", TD_OK },
		{ "63 bytes",
		  "a23456789012345678901234567890123456789012345678901234567890123",
		  TD_OK },
		{ "64 bytes",
		  "a234567890123456789012345678901234567890123456789012345678901234",
		  TD_INVALID },
		{ "two bytes", "ab", TD_INVALID },
		{ "a wildcard", "abc-*", TD_INVALID },
		{ "a quote", "abc\"-d", TD_INVALID },
		{ "a slash", "abc/d", TD_INVALID },
		{ "capitals", "ABC-d", TD_INVALID },
		{ "a hyphen at the end", "abc-", TD_INVALID },
		{ "a dot at the start", ".abc", TD_INVALID },
		{ "nothing", "", TD_INVALID },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct td_buf b;

		td_buf_init(&b, POLICY_MAX_BUCKET);
		if (policy_minio_bucket(rows[i].name, POLICY_ANON_READONLY, &b, NULL) !=
		    rows[i].rc)
			fail_msg("%s", rows[i].says);
		assert_int_equal(
			policy_minio_bucket(rows[i].name, POLICY_ANON_PRIVATE, &b, NULL),
			rows[i].rc);
		td_buf_done(&b);
	}
}

/* As MinIO writes it back, and as it would be with one action changed. */
static void
reading_back_a_shipped_policy(void **state)
{
	static const char back[] =
		"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\","
		"\"Action\":"
		"[\"admin:*\"]},{\"Effect\":\"Allow\",\"Action\":[\"s3:ListBucket\","
		"\"s3:ListBucketMultipartUploads\",\"s3:ListMultipartUploadParts\","
		"\"s3:AbortMultipartUpload\",\"s3:DeleteObject\",\"s3:"
		"GetBucketLocation\","
		"\"s3:GetObject\"],\"Resource\":[\"arn:aws:s3:::${aws:username}-*/*\","
		"\"arn:aws:s3:::${aws:username}-*\"]}]}";
	const struct policy_template *fenced =
		policy_find(*state, POLICY_MINIO, "tenantd_fenced");
	const struct policy_template *owner =
		policy_find(*state, POLICY_MINIO, "tenantd_owner");

	assert_true(policy_json_same(fenced->json, fenced->json_len, back, strlen(back)));
	assert_false(policy_json_same(owner->json, owner->json_len, back, strlen(back)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_shipped_policies_are_these_bytes),
		cmocka_unit_test(a_service_account_has_literals_in_both_forms),
		cmocka_unit_test(a_service_account_follows_a_narrow_template),
		cmocka_unit_test(a_service_account_is_appended),
		cmocka_unit_test(closed_buckets_are_denied),
		cmocka_unit_test(closed_buckets_that_are_refused),
		cmocka_unit_test(closed_buckets_have_room),
		cmocka_unit_test(a_service_account_is_refused),
		cmocka_unit_test(a_full_buffer_is_told),
		cmocka_unit_test(bucket_policies_are_the_platforms),
		cmocka_unit_test(bucket_names_are_checked),
		cmocka_unit_test(reading_back_a_shipped_policy),
	};

	return cmocka_run_group_tests_name("policies_minio", tests, load_shipped,
					   free_shipped);
}
