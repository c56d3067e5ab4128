td_unit_test(store_commit SOURCES test_store_commit.c DEPENDS store base)
td_unit_test(store_open SOURCES test_store_open.c DEPENDS store base PRIVATE_LIBS lmdb)
td_unit_test(store_full SOURCES test_store_full.c DEPENDS store base)
td_unit_test(store_records SOURCES test_store_records.c DEPENDS store base)
td_unit_test(store_seal SOURCES test_store_seal.c DEPENDS store base)
td_unit_test(store_spool SOURCES test_store_spool.c DEPENDS store base)
td_unit_test(store_audit SOURCES test_store_audit.c DEPENDS store base)
td_unit_test(store_threads SOURCES test_store_threads.c DEPENDS store base PRIVATE_LIBS lmdb)
td_unit_test(store_crash SOURCES test_store_crash.c DEPENDS store base)

if(NOT TD_FUZZ)
	# Not a unit test: tests/service/test_service_manager.py holds a store's lock with it.
	td_test_program(store_hold SOURCES ../service/c/store_hold.c PRIVATE_LIBS lmdb)
endif()
