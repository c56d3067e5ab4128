td_unit_test(ctl_args SOURCES test_ctl_args.c DEPENDS ctl base)
td_unit_test(ctl_table SOURCES test_ctl_table.c DEPENDS ctl base)
td_unit_test(ctl_environ SOURCES test_ctl_environ.c DEPENDS ctl base)
td_unit_test(ctl_values SOURCES test_ctl_values.c DEPENDS ctl base PRIVATE_LIBS jansson)
