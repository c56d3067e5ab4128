td_unit_test(engine_denymap SOURCES test_engine_denymap.c DEPENDS engine store base)
td_unit_test(engine_gate SOURCES test_engine_gate.c tenant_view.c DEPENDS engine tenant policies quota store base)
