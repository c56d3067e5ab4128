/* Limits: the table, overrides, what may change, bucket counts. */
#include "quota/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define GI (UINT64_C(1) << 30)
#define MI (UINT64_C(1) << 20)

static struct plan_limits
limits(uint64_t object, uint64_t buckets, uint64_t database, uint64_t volume)
{
	const uint64_t value[] = { object, buckets, database, volume };
	struct plan_limits l = { 0 };

	/* 0 stands for "not there" in these rows. */
	for (unsigned i = 0; i < COUNT(value); i++) {
		if (value[i] != 0)
			plan_limits_set(&l, (enum plan_limit)i, value[i]);
	}
	return l;
}

/* Everything, and without a volume. */
static struct plan
full_plan(void)
{
	return (struct plan){ .name = "full",
			      .has = { true, true, true },
			      .limits = limits(10 * GI, 5, 2 * GI, GI) };
}

static struct plan
flat_plan(void)
{
	return (struct plan){ .name = "flat",
			      .has = { true, true, false },
			      .limits = limits(GI, 3, GI, 0) };
}

static void
names_and_resources(void **state)
{
	static const struct {
		enum plan_limit limit;
		unsigned number; /* in records: never changes */
		const char *name;
		enum plan_resource resource;
		bool unlimited;
	} rows[] = {
		{ PLAN_OBJECT_BYTES, 0, "object_bytes", PLAN_OBJECT, true },
		{ PLAN_BUCKETS, 1, "buckets", PLAN_OBJECT, false },
		{ PLAN_DATABASE_BYTES, 2, "database_bytes", PLAN_DATABASE, true },
		{ PLAN_VOLUME_BYTES, 3, "volume_bytes", PLAN_VOLUME, false },
		{ PLAN_REQUESTS_PER_SECOND, 4, "requests_per_second", PLAN_OBJECT, true },
	};
	enum plan_limit limit;

	(void)state;
	assert_int_equal(COUNT(rows), PLAN_LIMIT_COUNT);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct plan_limit_info *info = plan_limit_info(rows[i].limit);

		assert_int_equal(rows[i].limit, rows[i].number);
		assert_string_equal(info->name, rows[i].name);
		assert_int_equal(info->resource, rows[i].resource);
		assert_int_equal(info->may_be_unlimited, rows[i].unlimited);
		assert_true(info->least <= info->most && info->most < PLAN_UNLIMITED);
		assert_true(plan_limit_parse(rows[i].name, &limit));
		assert_int_equal(limit, rows[i].limit);
	}
	assert_false(plan_limit_parse("Buckets", &limit));
	assert_false(plan_limit_parse("", &limit));
	assert_string_equal(plan_resource_name(PLAN_OBJECT), "object");
	assert_string_equal(plan_resource_name(PLAN_DATABASE), "database");
	assert_string_equal(plan_resource_name(PLAN_VOLUME), "volume");
}

static void
presence(void **state)
{
	struct plan_limits a = { 0 };
	struct plan_limits b = { 0 };

	(void)state;
	assert_false(plan_limits_has(&a, PLAN_BUCKETS));
	assert_true(plan_limits_get(&a, PLAN_BUCKETS) == PLAN_UNLIMITED);
	assert_true(plan_limits_equal(&a, &b));
	plan_limits_set(&a, PLAN_BUCKETS, 0);
	assert_true(plan_limits_has(&a, PLAN_BUCKETS));
	assert_true(plan_limits_get(&a, PLAN_BUCKETS) == 0);
	/* A limit of 0 is not the same as none. */
	assert_false(plan_limits_equal(&a, &b));
	plan_limits_set(&b, PLAN_BUCKETS, 1);
	assert_false(plan_limits_equal(&a, &b));
	plan_limits_set(&b, PLAN_BUCKETS, 0);
	assert_true(plan_limits_equal(&a, &b));
	plan_limits_set(&b, PLAN_REQUESTS_PER_SECOND, PLAN_UNLIMITED);
	assert_false(plan_limits_equal(&a, &b));
	plan_limits_clear(&b, PLAN_REQUESTS_PER_SECOND);
	assert_true(plan_limits_equal(&a, &b));
	assert_true(b.value[PLAN_REQUESTS_PER_SECOND] == 0);
}

static void
overrides_take_the_plans_place(void **state)
{
	const struct plan full = full_plan();
	const struct plan flat = flat_plan();
	const struct {
		const char *says;
		const struct plan *plan;
		struct plan_limits over;
		struct plan_limits want;
	} rows[] = {
		{ "none", &full, limits(0, 0, 0, 0), limits(10 * GI, 5, 2 * GI, GI) },
		{ "one", &full, limits(GI, 0, 0, 0), limits(GI, 5, 2 * GI, GI) },
		{ "all", &full, limits(1, 2, 3, 4), limits(1, 2, 3, 4) },
		{ "unlimited", &full, limits(PLAN_UNLIMITED, 0, 0, 0),
		  limits(PLAN_UNLIMITED, 5, 2 * GI, GI) },
		{ "a resource that the plan lacks", &flat, limits(0, 0, 0, GI),
		  limits(GI, 3, GI, 0) },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct plan_limits got = plan_effective(rows[i].plan, &rows[i].over);

		if (!plan_limits_equal(&got, &rows[i].want))
			fail_msg("%s", rows[i].says);
	}
	struct plan_limits got = plan_effective(&full, NULL);

	assert_true(plan_limits_equal(&got, &full.limits));
}

static void
an_override_to_zero_counts(void **state)
{
	const struct plan full = full_plan();
	struct plan_limits over = { 0 };
	struct plan_limits got;

	(void)state;
	plan_limits_set(&over, PLAN_BUCKETS, 0);
	got = plan_effective(&full, &over);
	assert_true(plan_limits_has(&got, PLAN_BUCKETS));
	assert_true(plan_limits_get(&got, PLAN_BUCKETS) == 0);
}

static void
ranges(void **state)
{
	static const struct {
		const char *says;
		enum plan_limit limit;
		uint64_t value;
		const char *wants; /* NULL: good */
	} rows[] = {
		{ "one byte", PLAN_OBJECT_BYTES, 1, NULL },
		{ "0 would switch MinIO's brake off", PLAN_OBJECT_BYTES, 0,
		  "object_bytes is 0, but must be 1 to 1152921504606846976" },
		{ "an exbibyte", PLAN_OBJECT_BYTES, PLAN_MAX_BYTES, NULL },
		{ "one more", PLAN_OBJECT_BYTES, PLAN_MAX_BYTES + 1,
		  "object_bytes is 1152921504606846977, but must be 1 to "
		  "1152921504606846976" },
		{ "next to unlimited", PLAN_OBJECT_BYTES, PLAN_UNLIMITED - 1,
		  "object_bytes is 18446744073709551614, but must be 1 to "
		  "1152921504606846976" },
		{ "unlimited objects", PLAN_OBJECT_BYTES, PLAN_UNLIMITED, NULL },
		{ "unlimited database", PLAN_DATABASE_BYTES, PLAN_UNLIMITED, NULL },
		{ "no database bytes", PLAN_DATABASE_BYTES, 0,
		  "database_bytes is 0, but must be 1 to 1152921504606846976" },
		{ "no buckets", PLAN_BUCKETS, 0, NULL },
		{ "many buckets", PLAN_BUCKETS, 10000, NULL },
		{ "too many buckets", PLAN_BUCKETS, 10001,
		  "buckets is 10001, but must be 0 to 10000" },
		{ "any number of buckets", PLAN_BUCKETS, PLAN_UNLIMITED,
		  "buckets cannot be unlimited" },
		{ "the smallest volume", PLAN_VOLUME_BYTES, MI, NULL },
		{ "a smaller volume", PLAN_VOLUME_BYTES, MI - 1,
		  "volume_bytes is 1048575, but must be 1048576 to 1152921504606846976" },
		{ "any volume", PLAN_VOLUME_BYTES, PLAN_UNLIMITED,
		  "volume_bytes cannot be unlimited" },
		{ "no requests at all is a suspension", PLAN_REQUESTS_PER_SECOND, 0,
		  "requests_per_second is 0, but must be 1 to 1000000" },
		{ "unlimited requests", PLAN_REQUESTS_PER_SECOND, PLAN_UNLIMITED, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct plan full = full_plan();
		struct plan_limits over = { 0 };
		struct td_err err = { 0 };
		enum td_rc want = rows[i].wants == NULL ? TD_OK : TD_UNPROCESSABLE;

		if (plan_limit_check(rows[i].limit, rows[i].value, &err) != want)
			fail_msg("%s", rows[i].says);
		if (rows[i].wants != NULL)
			assert_string_equal(err.detail, rows[i].wants);
		/* The same as an override. */
		plan_limits_set(&over, rows[i].limit, rows[i].value);
		assert_int_equal(plan_check_overrides(&full, &over, NULL), want);
	}
}

static void
overrides_of_what_is_not_there(void **state)
{
	const struct plan flat = flat_plan();
	struct plan_limits over = limits(GI, 0, 0, GI);
	struct td_err err;

	(void)state;
	assert_int_equal(plan_check_overrides(&flat, NULL, &err), TD_OK);
	assert_int_equal(plan_check_overrides(&flat, &over, &err), TD_UNPROCESSABLE);
	assert_string_equal(err.detail, "volume_bytes: the plan flat has no volume");
	plan_limits_clear(&over, PLAN_VOLUME_BYTES);
	assert_int_equal(plan_check_overrides(&flat, &over, &err), TD_OK);
}

static void
changes(void **state)
{
	const struct plan full = full_plan();
	const struct plan flat = flat_plan();
	struct plan bare = { .name = "bare",
			     .has = { true, false, false },
			     .limits = limits(GI, 1, 0, 0) };
	const struct plan_limits less = limits(0, 0, 0, GI - 1);
	const struct plan_limits more = limits(0, 0, 0, GI + 1);
	const struct plan_limits tiny = limits(1, 1, 1, 0);
	const struct {
		const char *says;
		struct plan_spec from, to;
		enum td_rc rc;
		const char *wants;
	} rows[] = {
		{ "nothing changes", { &full, NULL }, { &full, NULL }, TD_OK, NULL },
		{ "the volume grows", { &full, NULL }, { &full, &more }, TD_OK, NULL },
		{ "the volume shrinks",
		  { &full, NULL },
		  { &full, &less },
		  TD_VOLUME_SHRINK,
		  "volume_bytes would go from 1073741824 to 1073741823" },
		{ "an override that is taken back shrinks it too",
		  { &full, &more },
		  { &full, NULL },
		  TD_VOLUME_SHRINK,
		  "volume_bytes would go from 1073741825 to 1073741824" },
		{ "an override that is taken back lets it grow",
		  { &full, &less },
		  { &full, NULL },
		  TD_OK,
		  NULL },
		{ "the volume would go",
		  { &full, NULL },
		  { &flat, NULL },
		  TD_VOLUME_SHRINK,
		  "volume_bytes would go from 1073741824 to 0" },
		{ "a volume comes", { &flat, NULL }, { &full, NULL }, TD_OK, NULL },
		{ "the database would go",
		  { &flat, NULL },
		  { &bare, NULL },
		  TD_UNPROCESSABLE,
		  "the plan bare has no database, and the tenant has one" },
		{ "a database comes", { &bare, NULL }, { &flat, NULL }, TD_OK, NULL },
		{ "everything else may shrink",
		  { &full, NULL },
		  { &full, &tiny },
		  TD_OK,
		  NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct td_err err = { 0 };

		if (plan_check_change(rows[i].from, rows[i].to, &err) != rows[i].rc)
			fail_msg("%s: %s", rows[i].says, err.detail);
		if (rows[i].wants != NULL)
			assert_string_equal(err.detail, rows[i].wants);
	}
}

static void
bucket_counts(void **state)
{
	const struct plan_limits five = limits(GI, 5, 0, 0);
	const struct plan_limits none = { 0 };
	const struct {
		const char *says;
		const struct plan_limits *limits;
		struct plan_bucket_count count;
		const char *wants;
	} rows[] = {
		{ "the first", &five, { 0, 1 }, NULL },
		{ "the last", &five, { 4, 1 }, NULL },
		{ "all at once", &five, { 0, 5 }, NULL },
		{ "one too many",
		  &five,
		  { 5, 1 },
		  "5 buckets and 1 more, but the limit is 5" },
		{ "too many at once",
		  &five,
		  { 3, 3 },
		  "3 buckets and 3 more, but the limit is 5" },
		{ "over the limit already, but no new one", &five, { 9, 0 }, NULL },
		{ "over the limit already",
		  &five,
		  { 9, 1 },
		  "9 buckets and 1 more, but the limit is 5" },
		{ "no overflow",
		  &five,
		  { 4, UINT64_MAX },
		  "4 buckets and 18446744073709551615 more, but the limit is 5" },
		{ "no object storage",
		  &none,
		  { 0, 1 },
		  "0 buckets and 1 more, but the limit is 0" },
		{ "no object storage and no bucket", &none, { 0, 0 }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct td_err err = { 0 };
		enum td_rc want = rows[i].wants == NULL ? TD_OK : TD_UNPROCESSABLE;

		if (plan_check_buckets(rows[i].limits, rows[i].count, &err) != want)
			fail_msg("%s", rows[i].says);
		if (rows[i].wants != NULL)
			assert_string_equal(err.detail, rows[i].wants);
	}
}

static void
the_second_brake(void **state)
{
	static const struct {
		uint64_t limit, brake;
	} rows[] = {
		{ 0, 0 },
		{ 1, 2 },
		{ 3, 4 },
		{ 4, 5 },
		{ 5, 7 },
		{ 1000, 1250 },
		{ GI, GI + GI / 4 },
		{ PLAN_MAX_BYTES, PLAN_MAX_BYTES + PLAN_MAX_BYTES / 4 },
		{ PLAN_MAX_BYTES + 1, 0 },
		{ PLAN_UNLIMITED, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_true(plan_brake_bytes(rows[i].limit) == rows[i].brake);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_resources),
		cmocka_unit_test(presence),
		cmocka_unit_test(overrides_take_the_plans_place),
		cmocka_unit_test(an_override_to_zero_counts),
		cmocka_unit_test(ranges),
		cmocka_unit_test(overrides_of_what_is_not_there),
		cmocka_unit_test(changes),
		cmocka_unit_test(bucket_counts),
		cmocka_unit_test(the_second_brake),
	};

	return cmocka_run_group_tests_name("quota_limits", tests, NULL, NULL);
}
