/* Requests: every refusal with its code, what changes, what a repetition does. */
#include "check.h"
#include "tenant_view.h"

#include <stdlib.h>
#include <string.h>

static const char *const one_bucket[] = { "data", NULL };

enum state_of { FRESH, LIVING, DELETING, TOMB };

static void
view_in(struct tenant_view *v, const char *appid, enum state_of state)
{
	struct tenant_op_result ret;

	view_start(v, appid);
	if (state == TOMB)
		v->tombstone = true;
	if (state != LIVING && state != DELETING)
		return;
	view_create(v, one_bucket);
	run_all(v, T0);
	assert_int_equal(v->rec.phase, REC_CREATED);
	if (state == LIVING)
		return;
	assert_int_equal(
		tenant_op_delete(v, &(struct tenant_delete_options){ 0 }, T0, &ret, NULL),
		TD_OK);
	view_commit(v);
}

static void
want_plan(struct tenant_put *p)
{
	*p = put_plan(&plan_flat);
}
static void
want_reserved(struct tenant_put *p)
{
	*p = put_plan(&plan_flat);
	p->reserved = true;
}
static void
want_no_plan(struct tenant_put *p)
{
	*p = put_plan(&plan_flat);
	p->new_plan = NULL;
}
static void
want_no_region(struct tenant_put *p)
{
	*p = put_plan(&plan_flat);
	p->region_known = false;
}
static void
want_other_region(struct tenant_put *p)
{
	*p = put_plan(&plan_flat);
	p->region = "there";
}
static void
want_bad_limit(struct tenant_put *p)
{
	*p = put_plan(&plan_flat);
	p->has_limits = true;
	p->limits_set = 1U << REC_LIMIT_VOLUME_BYTES; /* the plan has no volume */
	p->limits[REC_LIMIT_VOLUME_BYTES] = 8 << 20;
}
static const struct plan object_only = { .name = "less",
					 .version = 1,
					 .has = { true, false, false },
					 .object_template = "object_t",
					 .limits = { .present = 3,
						     .value = { 9000, 3 } } };
static void
want_less(struct tenant_put *p)
{
	*p = put_plan(&object_only);
}
static const struct tenant_put_bucket many[] = {
	{ .name = "one" }, { .name = "two" }, { .name = "three" }, { .name = "four" }
};
static void
want_many(struct tenant_put *p)
{
	*p = put_plan(&plan_flat);
	p->buckets = many;
	p->bucket_count = 4;
}
static const struct tenant_put_bucket twice[] = { { .name = "one" }, { .name = "one" } };
static void
want_twice(struct tenant_put *p)
{
	*p = put_plan(&plan_flat);
	p->buckets = twice;
	p->bucket_count = 2;
}
static const struct tenant_put_bucket bad_name[] = { { .name = "-x" } };
static void
want_bad_name(struct tenant_put *p)
{
	*p = put_plan(&plan_flat);
	p->buckets = bad_name;
	p->bucket_count = 1;
}

static void
put_refusals(void **state)
{
	static const struct row {
		const char *says;
		const char *appid;
		enum state_of in;
		void (*want)(struct tenant_put *);
		enum td_rc rc;
		const char *code;
	} rows[] = {
		{ "a tombstone is for ever", "abcdef", TOMB, want_plan, TD_APPID_RETIRED,
		  "" },
		{ "reserved comes before malformed", "admin", FRESH, want_reserved,
		  TD_APPID_RESERVED, "" },
		{ "a short appid is malformed", "abc", FRESH, want_plan, TD_INVALID, "" },
		{ "no hyphen in an appid", "abc-def", FRESH, want_plan, TD_INVALID, "" },
		{ "an unknown plan", "abcdef", FRESH, want_no_plan, TD_UNPROCESSABLE,
		  "unknown_plan" },
		{ "an unknown region", "abcdef", FRESH, want_no_region, TD_UNPROCESSABLE,
		  "unknown_region" },
		{ "a limit of what the plan lacks", "abcdef", FRESH, want_bad_limit,
		  TD_UNPROCESSABLE, "invalid_limit" },
		{ "four buckets where three are allowed", "abcdef", FRESH, want_many,
		  TD_UNPROCESSABLE, "bucket_limit" },
		{ "the same bucket twice", "abcdef", FRESH, want_twice, TD_INVALID, "" },
		{ "not a bucket name", "abcdef", FRESH, want_bad_name, TD_INVALID, "" },
		{ "another region", "abcdef", LIVING, want_other_region, TD_IMMUTABLE,
		  "" },
		{ "a plan without the database", "abcdef", LIVING, want_less,
		  TD_UNPROCESSABLE, "plan_drops_resource" },
		{ "three more buckets than one", "abcdef", LIVING, want_many,
		  TD_UNPROCESSABLE, "bucket_limit" },
		{ "one that is being deleted", "abcdef", DELETING, want_plan,
		  TD_WRONG_PHASE, "" },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct tenant_view v;
		struct tenant_put put;
		struct tenant_op_result ret;
		struct td_err err = { 0 };

		view_in(&v, row->appid, row->in);
		row->want(&put);
		CHECK(row->says, tenant_op_put(&v, &put, T0, &ret, &err) == row->rc);
		CHECK(row->says, strcmp(ret.code, row->code) == 0);
		CHECK(row->says, err.rc == row->rc);
		CHECK(row->says, !tenant_view_dirty(&v));
		tenant_view_done(&v);
	}
}

static void
put_creates(void **state)
{
	struct tenant_view v;

	(void)state;
	view_start(&v, "abcdef");
	view_create(&v, one_bucket);
	assert_int_equal(v.rec.phase, REC_CREATING);
	assert_int_equal(v.rec.generation, 1);
	assert_int_equal(v.rec.number, 7);
	assert_int_equal(v.rec.bucket_count, 1);
	assert_string_equal(v.rec.region, "here");
	assert_string_equal(v.part[DRV_OBJECT].rec.cond[REC_COND_READY].reason,
			    "Pending");
	assert_int_equal(v.part[DRV_VOLUME].version, 0);
	assert_true(v.pending);
	assert_int_equal(tenant_view_bucket(&v, "data")->rec.state, REC_BUCKET_NEW);
	tenant_view_done(&v);
}

static void
put_again_changes_nothing(void **state)
{
	struct tenant_view v;
	struct tenant_put put = put_plan(&plan_flat);
	struct tenant_op_result ret;

	(void)state;
	view_in(&v, "abcdef", LIVING);
	assert_int_equal(tenant_op_put(&v, &put, T0, &ret, NULL), TD_OK);
	assert_false(ret.changed);
	assert_int_equal(v.rec.generation, 1);
	assert_false(tenant_view_dirty(&v));
	tenant_view_done(&v);
}

static void
labels_cost_the_backends_nothing(void **state)
{
	struct tenant_view v;
	struct tenant_put put = { .has_labels = true, .labels = "k\0v", .labels_len = 4 };
	struct tenant_op_result ret;

	(void)state;
	view_in(&v, "abcdef", LIVING);
	assert_int_equal(tenant_op_put(&v, &put, T0, &ret, NULL), TD_OK);
	assert_true(ret.changed);
	assert_int_equal(v.rec.generation, 2);
	assert_int_equal(v.rec.observed_generation, 2);
	assert_true(tenant_settled(&v));
	view_commit(&v);
	assert_null(step_one(&v, DRV_OBJECT, T0, NULL));
	tenant_view_done(&v);
}

static void
volume_never_shrinks(void **state)
{
	struct tenant_view v;
	struct tenant_put put = put_plan(&plan_full);
	struct tenant_op_result ret;

	(void)state;
	view_in(&v, "abcdef", LIVING);
	v.part[DRV_VOLUME].wanted = true;
	assert_int_equal(tenant_op_put(&v, &put, T0, &ret, NULL), TD_OK);
	view_commit(&v);
	run_all(&v, T0);
	put.has_limits = true;
	put.limits_set = 1U << REC_LIMIT_VOLUME_BYTES;
	put.limits[REC_LIMIT_VOLUME_BYTES] = 2 << 20;
	assert_int_equal(tenant_op_put(&v, &put, T0, &ret, NULL), TD_VOLUME_SHRINK);
	assert_false(tenant_view_dirty(&v));
	put.limits[REC_LIMIT_VOLUME_BYTES] = 8 << 20;
	assert_int_equal(tenant_op_put(&v, &put, T0, &ret, NULL), TD_OK);
	assert_true(ret.changed);
	tenant_view_done(&v);
}

static void
deletion(void **state)
{
	struct tenant_view v;
	struct tenant_put put = { .has_protection = true, .deletion_protection = true };
	struct tenant_delete_options force = { .force = true };
	struct tenant_op_result ret;

	(void)state;
	view_in(&v, "abcdef", LIVING);
	assert_int_equal(tenant_op_put(&v, &put, T0, &ret, NULL), TD_OK);
	view_commit(&v);
	assert_int_equal(tenant_op_delete(&v, &force, T0, &ret, NULL),
			 TD_DELETION_PROTECTED);
	put.deletion_protection = false;
	assert_int_equal(tenant_op_put(&v, &put, T0, &ret, NULL), TD_OK);
	view_commit(&v);
	force.force = false;
	assert_int_equal(tenant_op_delete(&v, &force, T0, &ret, NULL), TD_OK);
	assert_int_equal(v.rec.delete_due_ms, T0 + GRACE);
	assert_true(v.publish);
	view_commit(&v);
	run_all(&v, T0); /* closes the access */
	assert_int_equal(v.part[DRV_OBJECT].rec.access, DRV_ACCESS_NONE);
	assert_int_equal(tenant_op_delete(&v, &force, T0 + 5, &ret, NULL), TD_OK);
	assert_false(ret.changed);
	assert_int_equal(tenant_op_undelete(&v, T0 + 5, &ret, NULL), TD_OK);
	assert_int_equal(v.rec.phase, REC_CREATING);
	view_commit(&v);
	run_all(&v, T0 + 5);
	assert_int_equal(v.rec.phase, REC_CREATED);
	assert_int_equal(tenant_op_undelete(&v, T0 + 5, &ret, NULL), TD_WRONG_PHASE);
	force.force = true;
	assert_int_equal(tenant_op_delete(&v, &force, T0 + 5, &ret, NULL), TD_OK);
	view_commit(&v);
	assert_int_equal(tenant_op_undelete(&v, T0 + 5, &ret, NULL), TD_WRONG_PHASE);
	run_all(&v, T0 + 5);
	assert_int_equal(v.mark, TENANT_DEL);
	tenant_view_done(&v);
	view_in(&v, "abcdef", TOMB);
	assert_int_equal(tenant_op_delete(&v, &force, T0, &ret, NULL), TD_OK);
	assert_false(ret.changed);
	assert_int_equal(tenant_op_suspend(&v, T0, &ret, NULL), TD_APPID_RETIRED);
	tenant_view_done(&v);
	view_in(&v, "abcdef", FRESH);
	assert_int_equal(tenant_op_delete(&v, &force, T0, &ret, NULL), TD_NOT_FOUND);
	tenant_view_done(&v);
}

static void
suspend_and_resume(void **state)
{
	struct tenant_view v;
	struct tenant_op_result ret;

	(void)state;
	view_in(&v, "abcdef", LIVING);
	assert_int_equal(tenant_op_suspend(&v, T0, &ret, NULL), TD_OK);
	assert_true(ret.changed && v.publish);
	assert_int_equal(v.rec.phase, REC_CREATED); /* not before it is so */
	view_commit(&v);
	assert_int_equal(tenant_op_suspend(&v, T0, &ret, NULL), TD_OK);
	assert_false(ret.changed);
	run_all(&v, T0);
	assert_int_equal(v.rec.phase, REC_SUSPENDED);
	assert_int_equal(tenant_op_resume(&v, T0, &ret, NULL), TD_OK);
	assert_int_equal(v.rec.phase, REC_CREATING); /* before anything is opened */
	view_commit(&v);
	struct tenant_action *a = step_one(&v, DRV_OBJECT, T0, NULL);
	assert_non_null(a);
	assert_true(a->unlock);
	assert_int_equal(a->access, DRV_ACCESS_FULL);
	free(a);
	tenant_view_done(&v);
}

static void
bucket_requests(void **state)
{
	struct tenant_view v;
	struct tenant_put_bucket b = { .name = "logs" };
	struct tenant_bucket_delete_options purge = { .purge = true };
	struct tenant_op_result ret;

	(void)state;
	view_in(&v, "abcdef", LIVING);
	assert_int_equal(tenant_op_bucket_put(&v, &b, T0, &ret, NULL), TD_OK);
	assert_true(ret.created);
	view_commit(&v);
	run_all(&v, T0);
	assert_true(tenant_bucket_ready(&v, &tenant_view_bucket(&v, "logs")->rec));
	assert_int_equal(tenant_op_bucket_put(&v, &b, T0, &ret, NULL), TD_OK);
	assert_false(ret.created || ret.changed);
	assert_int_equal(tenant_op_bucket_delete(&v, "none", &purge, T0, &ret, NULL),
			 TD_NOT_FOUND);
	assert_int_equal(tenant_op_bucket_delete(&v, "logs", &purge, T0, &ret, NULL),
			 TD_OK);
	assert_true(tenant_bucket_leaving(&tenant_view_bucket(&v, "logs")->rec));
	assert_int_equal(tenant_bucket_mode(&v, &tenant_view_bucket(&v, "logs")->rec),
			 DRV_BUCKET_PRIVATE);
	view_commit(&v);
	assert_int_equal(tenant_op_bucket_put(&v, &b, T0 + GRACE, &ret, NULL),
			 TD_WRONG_PHASE);
	assert_string_equal(ret.code, "bucket_removing");
	assert_int_equal(tenant_op_bucket_put(&v, &b, T0 + 5, &ret, NULL), TD_OK);
	assert_true(ret.changed);
	assert_false(tenant_bucket_leaving(&tenant_view_bucket(&v, "logs")->rec));
	tenant_view_done(&v);
}

static void
bucket_that_is_not_empty(void **state)
{
	struct tenant_view v;
	struct tenant_bucket_delete_options keep = { .purge = false };
	struct tenant_put_bucket wish = { .name = "data",
					  .has_mode = true,
					  .mode = DRV_BUCKET_READWRITE };
	struct drv_result res = { .presence = DRV_OURS };
	struct tenant_op_result ret;
	struct tenant_action *a;

	(void)state;
	view_in(&v, "abcdef", LIVING);
	assert_int_equal(tenant_op_bucket_delete(&v, "data", &keep, T0, &ret, NULL),
			 TD_OK);
	view_commit(&v);
	a = step_one(&v, DRV_OBJECT, T0, NULL);
	assert_non_null(a);
	assert_true(a->buckets[0].remove && a->buckets[0].only_if_empty);
	a->buckets[0].rc = TD_BUCKET_NOT_EMPTY;
	tenant_done(&v, a, TD_OK, &res, &(struct td_err){ 0 }, T0);
	free(a);
	assert_int_equal(tenant_view_bucket(&v, "data")->rec.state, REC_BUCKET_OURS);
	assert_string_equal(tenant_view_bucket(&v, "data")->rec.message,
			    "bucket_not_empty");

	/* Who waits for the answer may look only after the bucket was brought in order. */
	a = step_one(&v, DRV_OBJECT, T0, NULL);
	assert_non_null(a);
	assert_int_equal(a->verb, TENANT_ENSURE);
	a->buckets[0].presence = DRV_OURS;
	tenant_done(&v, a, TD_OK, &res, &(struct td_err){ 0 }, T0);
	free(a);
	assert_int_equal(tenant_view_bucket(&v, "data")->rec.observed, 1);
	assert_string_equal(tenant_view_bucket(&v, "data")->rec.message,
			    "bucket_not_empty");

	/* The next wish forgets it. */
	assert_int_equal(tenant_op_bucket_put(&v, &wish, T0, &ret, NULL), TD_OK);
	assert_true(ret.changed);
	assert_string_equal(tenant_view_bucket(&v, "data")->rec.message, "");
	tenant_view_done(&v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(put_refusals),
		cmocka_unit_test(put_creates),
		cmocka_unit_test(put_again_changes_nothing),
		cmocka_unit_test(labels_cost_the_backends_nothing),
		cmocka_unit_test(volume_never_shrinks),
		cmocka_unit_test(deletion),
		cmocka_unit_test(suspend_and_resume),
		cmocka_unit_test(bucket_requests),
		cmocka_unit_test(bucket_that_is_not_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
