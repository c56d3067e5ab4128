/*
 * Out of memory at the n-th allocation, for every n: an error, no leak (under the asan
 * preset), and nothing handed out.
 */
#include "quota/plan.h"

#include "alloc_fail.h"
#include "check.h"

static enum td_rc
load_folder(struct plan_set **ret, struct td_err *err)
{
	return plan_set_load(TD_SOURCE_DIR "/quota", ret, NULL, err);
}

static enum td_rc
load_text(struct plan_set **ret, struct td_err *err)
{
	static const char yaml[] =
		"name: p\nversion: 1\n"
		"resources: {object: null, database: null, volume: {}}\n"
		"limits: {volume_bytes: 1Gi}\n";
	const struct td_yaml_text text = { "p.yaml", yaml, sizeof(yaml) - 1 };

	return plan_set_load_memory(&text, 1, ret, NULL, err);
}

static void every_allocation(enum td_rc (*load)(struct plan_set **ret,
						struct td_err *err))
{
	long n = 0;

	for (;; n++) {
		struct plan_set *set = NULL;
		struct td_err err = { 0 };
		enum td_rc rc;

		alloc_fail_at(n);
		rc = load(&set, &err);
		alloc_fail_off();
		if (rc == TD_OK) {
			plan_set_free(set);
			break;
		}
		assert_int_equal(rc, TD_NOMEM);
		assert_int_equal(err.rc, TD_NOMEM);
		assert_null(set);
	}
	/* It was reached: the set, the items, a document with its nodes. */
	assert_true(n > 5);
}

static void
loading_a_folder(void **state)
{
	(void)state;
	every_allocation(load_folder);
}

static void
loading_a_text(void **state)
{
	(void)state;
	every_allocation(load_text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loading_a_folder),
		cmocka_unit_test(loading_a_text),
	};

	return cmocka_run_group_tests_name("quota_nomem", tests, NULL, NULL);
}
