td_unit_test(store_commit SOURCES test_store_commit.c DEPENDS store base)
td_unit_test(store_open SOURCES test_store_open.c DEPENDS store base PRIVATE_LIBS lmdb)
td_unit_test(store_full SOURCES test_store_full.c DEPENDS store base)
