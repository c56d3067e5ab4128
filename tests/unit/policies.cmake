td_unit_test(policies_template SOURCES test_policies_template.c DEPENDS policies base)
td_unit_test(policies_set SOURCES test_policies_set.c DEPENDS policies base)
td_unit_test(policies_minio SOURCES test_policies_minio.c DEPENDS policies base)
td_unit_test(policies_overlap SOURCES test_policies_overlap.c DEPENDS policies base)
td_unit_test(policies_same SOURCES test_policies_same.c DEPENDS policies base)
td_unit_test(policies_nomem SOURCES test_policies_nomem.c alloc_fail.c DEPENDS policies base
	WRAP ${TD_ALLOC})
