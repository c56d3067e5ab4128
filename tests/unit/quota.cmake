td_unit_test(quota_limits SOURCES test_quota_limits.c DEPENDS quota base)
td_unit_test(quota_plan SOURCES test_quota_plan.c DEPENDS quota policies base)
td_unit_test(quota_nomem SOURCES test_quota_nomem.c alloc_fail.c DEPENDS quota base
	WRAP ${TD_ALLOC})
