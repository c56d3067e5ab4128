/* The stepper: order of steps, secrets, failures and their conditions, circuits, words. */
#include "check.h"
#include "tenant_view.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const no_bucket[] = { NULL };
static const char *const one_bucket[] = { "data", NULL };

static void
done_with(struct tenant_view *v, const struct tenant_action *a, enum td_rc rc,
	  const struct drv_result *res, int64_t now_ms)
{
	v->part[a->resource].busy = true;
	tenant_done(v, a, rc, res, &(struct td_err){ .rc = rc, .detail = "inside" },
		    now_ms);
	view_commit(v);
}

/* A tenant whose object part was seen to be absent. */
static void
start_absent(struct tenant_view *v)
{
	struct drv_result absent = { .presence = DRV_ABSENT };
	struct tenant_action *a;

	view_start(v, "abcdef");
	view_create(v, one_bucket);
	a = step_one(v, DRV_OBJECT, T0, NULL);
	assert_non_null(a);
	assert_int_equal(a->verb, TENANT_OBSERVE);
	assert_int_equal(a->bucket_count, 1);
	a->buckets[0].presence = DRV_ABSENT;
	done_with(v, a, TD_OK, &absent, T0);
	free(a);
}

static bool
all_of(const char *s, int (*is)(int))
{
	for (; *s != '\0'; s++)
		if (!is((unsigned char)*s))
			return false;
	return true;
}

static int
upper_or_digit(int c)
{
	return isupper(c) || isdigit(c);
}

static void
secrets_before_the_backend(void **state)
{
	struct tenant_view v;
	struct tenant_action *a;

	(void)state;
	start_absent(&v);
	const struct tenant_slot *parent = &v.part[DRV_OBJECT].slots[DRV_SLOT_PARENT];
	const struct tenant_slot *key = &v.part[DRV_OBJECT].slots[DRV_SLOT_A];
	assert_true(v.part[DRV_OBJECT].intent_open);
	assert_int_equal(v.part[DRV_OBJECT].intent.absent_before, 1);
	assert_int_equal(parent->rec.state, REC_SLOT_MINTING);
	assert_string_equal(parent->rec.key_id, "abcdef");
	assert_int_equal(td_secret_len(parent->secret), 40);
	assert_int_equal(strlen(key->rec.key_id), 20);
	assert_true(isupper((unsigned char)key->rec.key_id[0]));
	assert_true(all_of(key->rec.key_id, upper_or_digit));
	assert_int_equal(td_secret_len(key->secret), 40);
	assert_true(all_of(td_secret_bytes(key->secret), isalnum));
	assert_false(td_secret_equal(parent->secret, key->secret));
	a = step_one(&v, DRV_OBJECT, T0, NULL);
	assert_non_null(a);
	assert_int_equal(a->verb, TENANT_ENSURE);
	assert_true(a->absent_before && !a->claimed && !a->unlock);
	assert_int_equal(a->slot_count, 2);
	assert_true(a->slots[0].fresh && a->slots[1].fresh);
	assert_int_equal(a->intent_id, v.part[DRV_OBJECT].intent.id);
	assert_true(a->buckets[0].absent_before && !a->buckets[0].claimed);
	assert_string_equal(a->template_name, "object_t");
	assert_int_equal(a->buckets[0].quota_bytes, 10000); /* the tenant's limit */
	free(a);
	tenant_view_done(&v);
}

static void
database_slot(void **state)
{
	struct tenant_view v;
	struct drv_result absent = { .presence = DRV_ABSENT };
	struct tenant_action *a;

	(void)state;
	view_start(&v, "abcdef");
	view_create(&v, no_bucket);
	a = step_one(&v, DRV_DATABASE, T0, NULL);
	done_with(&v, a, TD_OK, &absent, T0);
	free(a);
	assert_string_equal(v.part[DRV_DATABASE].slots[DRV_SLOT_A].rec.key_id, "abcdef");
	assert_int_equal(td_secret_len(v.part[DRV_DATABASE].slots[DRV_SLOT_A].secret),
			 64);
	assert_false(v.part[DRV_DATABASE].slots[DRV_SLOT_PARENT].exists);
	tenant_view_done(&v);
}

static void
foreign_is_left_alone(void **state)
{
	static const struct row {
		const char *says;
		enum drv_presence presence;
	} rows[] = {
		{ "somebody else's", DRV_FOREIGN },
		{ "with our mark and without our record", DRV_OURS },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct tenant_view v;
		struct drv_result res = { .presence = row->presence };
		struct tenant_action *a;
		int64_t wake;

		view_start(&v, "abcdef");
		view_create(&v, no_bucket);
		a = step_one(&v, DRV_DATABASE, T0, NULL);
		done_with(&v, a, TD_OK, &res, T0);
		free(a);
		const struct tenant_part *p = &v.part[DRV_DATABASE];
		CHECK(row->says, p->rec.cond[REC_COND_FOREIGN].status == 1);
		CHECK(row->says, p->rec.cond[REC_COND_READY].status == 0);
		CHECK(row->says, !p->intent_open && !p->slots[DRV_SLOT_A].exists);
		v.part[DRV_OBJECT].busy = true;
		CHECK(row->says, step_one(&v, DRV_DATABASE, T0, &wake) == NULL);
		CHECK(row->says,
		      wake >= T0 + BACKOFF_MAX / 2 && wake <= T0 + BACKOFF_MAX);
		a = step_one(&v, DRV_DATABASE, wake, NULL);
		CHECK(row->says, a != NULL && a->verb == TENANT_OBSERVE);
		free(a);
		tenant_view_done(&v);
	}
}

static void
foreign_bucket_blocks_the_claim(void **state)
{
	struct tenant_view v;
	struct drv_result absent = { .presence = DRV_ABSENT };
	struct tenant_op_result ret;
	struct tenant_action *a;

	(void)state;
	view_start(&v, "abcdef");
	view_create(&v, one_bucket);
	a = step_one(&v, DRV_OBJECT, T0, NULL);
	a->buckets[0].presence = DRV_FOREIGN;
	done_with(&v, a, TD_OK, &absent, T0);
	free(a);
	assert_false(v.part[DRV_OBJECT].intent_open);
	assert_string_equal(v.part[DRV_OBJECT].rec.cond[REC_COND_FOREIGN].reason,
			    "BucketForeign");
	/* Giving up the bucket is enough. */
	assert_int_equal(tenant_op_bucket_delete(
				 &v, "data", &(struct tenant_bucket_delete_options){ 0 },
				 T0, &ret, NULL),
			 TD_OK);
	view_commit(&v);
	run_all(&v, T0 + BACKOFF_MAX);
	assert_int_equal(v.rec.phase, REC_CREATED);
	assert_int_equal(v.part[DRV_OBJECT].rec.cond[REC_COND_FOREIGN].status, 0);
	tenant_view_done(&v);
}

static void
failures(void **state)
{
	static const struct row {
		const char *says;
		enum td_rc rc;
		const char *reason; /* of the driver */
		const char *want;   /* of Ready */
		bool unreachable;
	} rows[] = {
		{ "no answer", TD_UNREACHABLE, "", "Unreachable", true },
		{ "too late", TD_TIMEOUT, "", "Timeout", true },
		{ "refused", TD_BACKEND_REFUSED, "", "BackendRefused", false },
		{ "the driver knows more", TD_CONFLICT, "PolicyChanged", "PolicyChanged",
		  false },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct tenant_view v;
		struct drv_result res = { .presence = DRV_UNKNOWN };
		struct tenant_action *a;
		int64_t wake, last = 0;

		start_absent(&v);
		v.part[DRV_DATABASE].busy = true;
		memcpy(res.reason, row->reason, strlen(row->reason) + 1);
		for (int64_t now = T0, n = 0; n < 12; n++) {
			a = step_one(&v, DRV_OBJECT, now, NULL);
			CHECK(row->says, a != NULL && a->verb == TENANT_ENSURE);
			done_with(&v, a, row->rc, &res, now);
			free(a);
			CHECK(row->says, step_one(&v, DRV_OBJECT, now, &wake) == NULL);
			CHECK(row->says, wake > now && wake <= now + BACKOFF_MAX);
			last = wake - now;
			now = wake;
		}
		CHECK(row->says, last >= BACKOFF_MAX / 2);
		const struct rec_cond *c = v.part[DRV_OBJECT].rec.cond;
		CHECK(row->says,
		      c[REC_COND_UNREACHABLE].status == (row->unreachable ? 1 : 0));
		CHECK(row->says, strcmp(c[REC_COND_READY].reason, row->want) == 0);
		CHECK(row->says, strstr(c[REC_COND_READY].message, "inside") == NULL);
		CHECK(row->says, c[REC_COND_READY].since_ms == T0);
		CHECK(row->says, v.part[DRV_OBJECT].intent_open);
		run_all(&v, T0 + 100 * BACKOFF_MAX);
		tenant_view_done(&v);
	}
}

static void
clock_that_was_set_back(void **state)
{
	struct tenant_view v;
	struct drv_result res = { .presence = DRV_UNKNOWN };
	struct tenant_action *a;

	(void)state;
	start_absent(&v);
	a = step_one(&v, DRV_OBJECT, T0, NULL);
	done_with(&v, a, TD_BACKEND_REFUSED, &res, T0);
	free(a);
	/* A day earlier: what was due in a second would be due in a day. */
	a = step_one(&v, DRV_OBJECT, T0 - 86400000, NULL);
	assert_non_null(a);
	free(a);
	tenant_view_done(&v);
}

static void
open_circuit(void **state)
{
	struct tenant_view v;
	int64_t wake;

	(void)state;
	start_absent(&v);
	v.part[DRV_DATABASE].busy = true;
	v.part[DRV_OBJECT].blocked = true;
	assert_null(step_one(&v, DRV_OBJECT, T0, &wake));
	assert_int_equal(wake, T0 + BACKOFF_MAX);
	const struct rec_resource *rec = &v.part[DRV_OBJECT].rec;
	assert_string_equal(rec->cond[REC_COND_UNREACHABLE].reason, "CircuitOpen");
	assert_int_equal(rec->failures, 0);
	struct tenant_step step;
	assert_int_equal(tenant_next(&v, T0, &step, NULL), TD_OK);
	assert_int_equal(v.part[DRV_OBJECT].mark, TENANT_CLEAN); /* told once */
	tenant_step_done(&step);
	v.part[DRV_OBJECT].blocked = v.part[DRV_DATABASE].busy = false;
	run_all(&v, T0);
	assert_int_equal(v.rec.phase, REC_CREATED);
	assert_int_equal(rec->cond[REC_COND_UNREACHABLE].status, 0);
	/* One that is settled and only to be verified is not disturbed by a circuit. */
	v.part[DRV_OBJECT].blocked = v.part[DRV_OBJECT].verify = true;
	assert_null(step_one(&v, DRV_OBJECT, T0, NULL));
	assert_int_equal(rec->cond[REC_COND_UNREACHABLE].status, 0);
	tenant_view_done(&v);
}

/* A settled tenant and the action of a verify pass over it. */
static struct tenant_action *
verify(struct tenant_view *v)
{
	struct tenant_action *a;

	view_start(v, "abcdef");
	view_create(v, one_bucket);
	run_all(v, T0);
	assert_false(v->pending);
	v->part[DRV_OBJECT].verify = true;
	a = step_one(v, DRV_OBJECT, T0, NULL);
	assert_non_null(a);
	assert_int_equal(a->verb, TENANT_OBSERVE);
	assert_true(a->claimed && a->buckets[0].claimed);
	v->part[DRV_OBJECT].verify = false;
	return a;
}

static void
drift_is_repaired(void **state)
{
	struct tenant_view v;
	struct drv_result res = { .presence = DRV_OURS,
				  .drifted = true,
				  .reason = "PolicyChanged" };
	struct tenant_action *a = verify(&v);
	const struct rec_resource *rec = &v.part[DRV_OBJECT].rec;

	(void)state;
	done_with(&v, a, TD_OK, &res, T0);
	free(a);
	assert_string_equal(rec->cond[REC_COND_DRIFTED].reason, "PolicyChanged");
	assert_true(v.pending);
	assert_int_equal(v.rec.phase, REC_CREATED);
	a = step_one(&v, DRV_OBJECT, T0, NULL);
	assert_int_equal(a->verb, TENANT_ENSURE);
	assert_false(a->unlock);
	free(a);
	v.part[DRV_OBJECT].busy = false;
	run_all(&v, T0);
	assert_int_equal(rec->cond[REC_COND_DRIFTED].status, 0);
	assert_false(v.pending);
	tenant_view_done(&v);
}

static void
what_an_operator_disabled_stays_so(void **state)
{
	struct tenant_view v;
	struct drv_result res = { .presence = DRV_OURS,
				  .drifted = true,
				  .reason = "UserDisabled" };
	struct tenant_op_result ret;
	struct tenant_action *a = verify(&v);
	const struct rec_resource *rec = &v.part[DRV_OBJECT].rec;
	int64_t wake;

	(void)state;
	done_with(&v, a, TD_OK, &res, T0);
	free(a);
	a = step_one(&v, DRV_OBJECT, T0, NULL);
	assert_false(a->unlock);
	done_with(&v, a, TD_OK, &res, T0);
	free(a);
	assert_int_equal(rec->cond[REC_COND_DRIFTED].status, 1);
	assert_int_equal(rec->cond[REC_COND_READY].status, 0);
	assert_null(step_one(&v, DRV_OBJECT, T0, &wake));
	assert_true(wake >= T0 + BACKOFF_MAX / 2);
	/* Suspend and resume is the operator's word for it. */
	assert_int_equal(tenant_op_suspend(&v, T0, &ret, NULL), TD_OK);
	view_commit(&v);
	run_all(&v, T0);
	assert_int_equal(v.rec.phase, REC_SUSPENDED);
	assert_int_equal(tenant_op_resume(&v, T0, &ret, NULL), TD_OK);
	view_commit(&v);
	a = step_one(&v, DRV_OBJECT, T0, NULL);
	assert_true(a->unlock);
	free(a);
	tenant_view_done(&v);
}

static void
unreachable_but_created(void **state)
{
	struct tenant_view v;
	struct drv_result res = { .presence = DRV_UNKNOWN };
	struct tenant_action *a = verify(&v);
	const struct rec_resource *rec = &v.part[DRV_OBJECT].rec;

	(void)state;
	done_with(&v, a, TD_UNREACHABLE, &res, T0);
	free(a);
	assert_int_equal(rec->cond[REC_COND_UNREACHABLE].status, 1);
	assert_int_equal(rec->cond[REC_COND_READY].status, 1);
	assert_int_equal(v.rec.phase, REC_CREATED);
	assert_true(v.pending); /* to be looked at again, also after a restart */
	run_all(&v, T0 + BACKOFF_MAX);
	assert_int_equal(rec->cond[REC_COND_UNREACHABLE].status, 0);
	assert_false(v.pending);
	tenant_view_done(&v);
}

static void
change_during_a_call(void **state)
{
	struct tenant_view v;
	struct tenant_put_bucket b = { .name = "more" };
	struct drv_result res = { .presence = DRV_OURS };
	struct tenant_op_result ret;
	struct tenant_action *a;

	(void)state;
	start_absent(&v);
	a = step_one(&v, DRV_OBJECT, T0, NULL);
	assert_int_equal(tenant_op_bucket_put(&v, &b, T0, &ret, NULL), TD_OK);
	view_commit(&v);
	a->buckets[0].rc = TD_OK;
	a->buckets[0].presence = DRV_OURS;
	done_with(&v, a, TD_OK, &res, T0);
	free(a);
	assert_true(v.part[DRV_OBJECT].rec.observed_generation < v.rec.generation);
	run_all(&v, T0);
	assert_int_equal(v.rec.phase, REC_CREATED);
	assert_int_equal(v.rec.observed_generation, 2);
	assert_true(tenant_bucket_ready(&v, &tenant_view_bucket(&v, "more")->rec));
	tenant_view_done(&v);
}

static void
words(void **state)
{
	enum drv_bucket_mode mode;

	(void)state;
	assert_string_equal(tenant_phase_text(REC_CREATING), "Creating");
	assert_string_equal(tenant_phase_text(REC_DELETED), "Deleted");
	assert_null(tenant_phase_text((enum rec_phase)99));
	assert_string_equal(tenant_resource_text(DRV_DATABASE), "database");
	assert_string_equal(tenant_condition_text(REC_COND_FOREIGN), "Foreign");
	for (int m = DRV_BUCKET_PRIVATE; m <= DRV_BUCKET_READWRITE; m++) {
		assert_true(tenant_mode_parse(tenant_mode_text((enum drv_bucket_mode)m),
					      &mode));
		assert_int_equal(mode, m);
	}
	assert_false(tenant_mode_parse("Private", &mode));
	assert_false(tenant_mode_parse("", &mode));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_before_the_backend),
		cmocka_unit_test(database_slot),
		cmocka_unit_test(foreign_is_left_alone),
		cmocka_unit_test(foreign_bucket_blocks_the_claim),
		cmocka_unit_test(failures),
		cmocka_unit_test(clock_that_was_set_back),
		cmocka_unit_test(open_circuit),
		cmocka_unit_test(drift_is_repaired),
		cmocka_unit_test(what_an_operator_disabled_stays_so),
		cmocka_unit_test(unreachable_but_created),
		cmocka_unit_test(change_during_a_call),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
