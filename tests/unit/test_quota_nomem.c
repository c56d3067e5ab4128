/*
 * Out of memory at the n-th allocation, for every n: an error, no leak (under the asan
 * preset), and nothing handed out.
 */
#include "quota/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);

static long countdown = -1; /* allocations that still succeed; -1: all */

static bool
fails(void)
{
	if (countdown < 0)
		return false;
	if (countdown == 0)
		return true;
	countdown--;
	return false;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

char *
__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

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

		countdown = n;
		rc = load(&set, &err);
		countdown = -1;
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
