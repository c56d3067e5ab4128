/*
 * Out of memory at the n-th allocation, for every n: an error, no leak (under the asan
 * preset), and nothing handed out.
 */
#include "policies/policy.h"

#include "alloc_fail.h"
#include "base/crypto.h"
#include "check.h"

#include <string.h>

#define SHIPPED TD_SOURCE_DIR "/policies"

static enum td_rc
load_folder(struct policy_set **ret, struct td_err *err)
{
	return policy_set_load(SHIPPED, ret, NULL, err);
}

static enum td_rc
load_one(struct policy_set **ret, struct td_err *err)
{
	return policy_set_load_file(SHIPPED "/tenantd_owner.yaml", ret, NULL, err);
}

static enum td_rc
load_text(struct policy_set **ret, struct td_err *err)
{
	static const char yaml[] = "kind: mongodb\nname: a\nactions: [find]\n";
	const struct td_yaml_text text = { "a.yaml", yaml, sizeof(yaml) - 1 };

	return policy_set_load_memory(&text, 1, ret, NULL, err);
}

static void every_allocation(enum td_rc (*load)(struct policy_set **ret,
						struct td_err *err))
{
	unsigned char sum[TD_SHA256_LEN];
	long n = 0;

	/* A thread's first hash sets up OpenSSL, and aborts where it cannot. */
	td_sha256("", 0, sum);
	for (;; n++) {
		struct policy_set *set = NULL;
		struct td_err err = { 0 };
		enum td_rc rc;

		alloc_fail_at(n);
		rc = load(&set, &err);
		alloc_fail_off();
		if (rc == TD_OK) {
			policy_set_free(set);
			break;
		}
		assert_int_equal(rc, TD_NOMEM);
		assert_int_equal(err.rc, TD_NOMEM);
		assert_null(set);
	}
	/* It was reached: the set, the items, a document, a template, a policy. */
	assert_true(n > 5);
}

static void
loading_a_folder(void **state)
{
	(void)state;
	every_allocation(load_folder);
}

static void
loading_a_file(void **state)
{
	(void)state;
	every_allocation(load_one);
}

static void
loading_a_text(void **state)
{
	(void)state;
	every_allocation(load_text);
}

static void
comparing_resources(void **state)
{
	long n = 0;
	struct td_err err;

	(void)state;
	for (;; n++) {
		enum td_rc rc;

		alloc_fail_at(n);
		rc = policy_patterns_meet("${aws:username}-*", "*", NULL, &err);
		alloc_fail_off();
		if (rc == TD_CONFLICT)
			break;
		assert_int_equal(rc, TD_NOMEM);
	}
	assert_int_equal(n, 2);
}

static void
compiling_into_a_buffer(void **state)
{
	struct policy_set *set = NULL;
	struct td_err err;
	struct td_buf b;

	(void)state;
	assert_int_equal(load_one(&set, &err), TD_OK);
	td_buf_init(&b, POLICY_MAX_SA);
	alloc_fail_at(0);
	assert_int_equal(policy_minio_sa(policy_set_at(set, 0), "abc", &b, &err),
			 TD_NOMEM);
	alloc_fail_off();
	td_buf_reset(&b);
	alloc_fail_at(0);
	assert_int_equal(policy_minio_bucket("abc-d", POLICY_ANON_READONLY, &b, &err),
			 TD_NOMEM);
	alloc_fail_off();
	td_buf_done(&b);
	policy_set_free(set);
}

static void
comparing_documents(void **state)
{
	static const char a[] = "{\"Action\":[\"b\",\"a\"],\"x\":1}";
	static const char b[] = "{\"x\":1,\"Action\":[\"a\",\"b\"]}";
	bool same = false;
	long n = 0;

	(void)state;
	for (; !same; n++) {
		alloc_fail_at(n);
		same = policy_json_same(a, strlen(a), b, strlen(b));
		alloc_fail_off();
	}
	/* Out of memory was "different" each time before. */
	assert_true(n > 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loading_a_folder),
		cmocka_unit_test(loading_a_file),
		cmocka_unit_test(loading_a_text),
		cmocka_unit_test(comparing_resources),
		cmocka_unit_test(compiling_into_a_buffer),
		cmocka_unit_test(comparing_documents),
	};

	return cmocka_run_group_tests_name("policies_nomem", tests, NULL, NULL);
}
