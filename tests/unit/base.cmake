td_unit_test(base_error SOURCES test_base_error.c DEPENDS base)
td_unit_test(base_buf SOURCES test_base_buf.c alloc_fail.c DEPENDS base WRAP ${TD_ALLOC})
td_unit_test(base_secret SOURCES test_base_secret.c alloc_fail.c DEPENDS base WRAP ${TD_ALLOC})
