td_unit_test(tenant_ops SOURCES test_tenant_ops.c tenant_view.c DEPENDS tenant policies quota store base)
td_unit_test(tenant_steps SOURCES test_tenant_steps.c tenant_view.c DEPENDS tenant policies quota store base)
td_unit_test(tenant_closed SOURCES test_tenant_closed.c tenant_view.c DEPENDS tenant policies quota store base)
td_unit_test(tenant_clock SOURCES test_tenant_clock.c tenant_view.c DEPENDS tenant policies quota store base)
