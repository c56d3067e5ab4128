td_unit_test(engine_denymap SOURCES test_engine_denymap.c DEPENDS engine store base)
