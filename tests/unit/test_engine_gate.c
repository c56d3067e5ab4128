/*
 * The gate in front of a driver that counts: what a brake holds back never reaches it, on a
 * real backend structure but without threads.
 */
#include "check.h"
#include "engine/internal.h"
#include "tenant_view.h"

#include <string.h>

static struct calls {
	unsigned observe, ensure, remove;
} calls;

static enum td_rc
observe(struct driver *d, const struct drv_call *c, struct drv_result *r,
	struct td_err *e)
{
	(void)d;
	(void)c;
	(void)r;
	(void)e;
	calls.observe++;
	return TD_OK;
}

static enum td_rc
ensure(struct driver *d, const struct drv_call *c, struct drv_result *r, struct td_err *e)
{
	(void)d;
	(void)r;
	(void)e;
	assert_true(c->deadline_mono_ms > 0);
	calls.ensure++;
	return TD_OK;
}

static enum td_rc
remove_all(struct driver *d, const struct drv_call *c, struct drv_result *r,
	   struct td_err *e)
{
	(void)d;
	(void)c;
	(void)r;
	(void)e;
	calls.remove++;
	return TD_OK;
}

static const struct driver_ops ops = { .observe = observe,
				       .ensure = ensure,
				       .remove = remove_all };

/* A claimed tenant, in that mode. */
static void
view_in(struct tenant_view *v, enum rec_mode mode)
{
	struct rec_brake rec = { .mode = (uint8_t)mode };

	view_start(v, "abcdef");
	v->exists = true;
	v->rec.phase = REC_CREATED;
	v->part[DRV_DATABASE].rec.claimed = 1;
	if (mode != REC_MANAGE)
		tenant_brake_note(v, TENANT_ALL_PARTS, "daemon", &rec, T0);
}

static void
what_is_held_never_reaches_the_driver(void **state)
{
	static const struct row {
		const char *says;
		enum rec_mode mode;
		enum tenant_verb verb;
		enum drv_access access;
		bool suspend;
		enum { NO_INTENT, INTENT } intent;
		enum td_rc rc;
	} rows[] = {
		{ "managed", REC_MANAGE, TENANT_ENSURE, DRV_ACCESS_FULL, false, NO_INTENT,
		  TD_OK },
		{ "a look under observe", REC_OBSERVE, TENANT_OBSERVE, DRV_ACCESS_FULL,
		  false, NO_INTENT, TD_OK },
		{ "a look under hold", REC_HOLD, TENANT_OBSERVE, DRV_ACCESS_FULL, false,
		  NO_INTENT, TD_HELD },
		{ "a change under observe", REC_OBSERVE, TENANT_ENSURE, DRV_ACCESS_FULL,
		  false, INTENT, TD_HELD },
		{ "a change under hold", REC_HOLD, TENANT_ENSURE, DRV_ACCESS_FULL, false,
		  INTENT, TD_HELD },
		{ "a suspend under hold", REC_HOLD, TENANT_ENSURE, DRV_ACCESS_NONE, true,
		  INTENT, TD_OK },
		{ "a closing that nobody asked for", REC_HOLD, TENANT_ENSURE,
		  DRV_ACCESS_NONE, false, INTENT, TD_HELD },
		{ "a removal under hold", REC_HOLD, TENANT_REMOVE, DRV_ACCESS_NONE, true,
		  INTENT, TD_HELD },
		{ "a removal without its record", REC_MANAGE, TENANT_REMOVE,
		  DRV_ACCESS_NONE, false, NO_INTENT, TD_HELD },
		{ "a removal with it", REC_MANAGE, TENANT_REMOVE, DRV_ACCESS_NONE, false,
		  INTENT, TD_OK },
	};
	struct driver driver = { .ops = &ops, .name = "counting" };
	struct backend b = { .driver = &driver };
	struct engine e = { .env = td_env_system(), .call_timeout_ms = 1000 };

	(void)state;
	pthread_mutex_init(&b.lock, NULL);
	for (EACH(row, rows)) {
		struct tenant_action a = { .resource = DRV_DATABASE,
					   .verb = row->verb,
					   .access = row->access,
					   .intent_id = 7 };
		struct drv_call call = { .appid = "abcdef" };
		struct drv_result result = { 0 };
		struct tenant_view v;

		view_in(&v, row->mode);
		v.rec.suspend = row->suspend;
		v.part[DRV_DATABASE].intent_open = row->intent == INTENT;
		v.part[DRV_DATABASE].intent.id = 7;
		v.part[DRV_DATABASE].intent.verb =
			row->verb == TENANT_REMOVE ? REC_VERB_REMOVE : REC_VERB_ENSURE;
		memset(&calls, 0, sizeof(calls));
		CHECK(row->says, gate_call(&e, &b,
					   &(struct gate_call){
						   .v = &v, .action = &a, .call = &call },
					   &result, NULL) == row->rc);
		CHECK(row->says, calls.observe + calls.ensure + calls.remove ==
					 (row->rc == TD_OK ? 1U : 0U));
		tenant_view_done(&v);
	}
	assert_int_equal(atomic_load(&e.held), 6);
	assert_int_equal(atomic_load(&e.revocations), 1);
	assert_int_equal(b.calls, 4);
	assert_int_equal(b.running, 0);
	pthread_mutex_destroy(&b.lock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_held_never_reaches_the_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
