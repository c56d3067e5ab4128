set(api_rooms api engine tenant store quota policies base)
td_unit_test(api_decode SOURCES test_api_decode.c DEPENDS ${api_rooms})
td_unit_test(api_render SOURCES test_api_render.c DEPENDS ${api_rooms}
	PRIVATE_LIBS jansson)
td_unit_test(api_http SOURCES test_api_http.c test_api_support.c DEPENDS ${api_rooms})
td_unit_test(api_ops SOURCES test_api_ops.c test_api_support.c DEPENDS ${api_rooms})
td_unit_test(api_tenants SOURCES test_api_tenants.c test_api_support.c DEPENDS ${api_rooms})
td_unit_test(api_tokens SOURCES test_api_tokens.c test_api_support.c DEPENDS ${api_rooms})
td_unit_test(api_traps SOURCES test_api_traps.c test_api_support.c DEPENDS ${api_rooms})
