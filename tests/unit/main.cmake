# What main wires together, tested without main.
td_unit_test(main_alive
	SOURCES test_main_alive.c test_api_support.c ../../tenantd/alive.c
	DEPENDS ${api_rooms}
	WRAP spool_stats store_stats)
