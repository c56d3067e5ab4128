td_unit_test(store_commit SOURCES test_store_commit.c DEPENDS store base)
