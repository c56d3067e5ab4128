td_unit_test(mongo_err SOURCES test_mongo_err.c DEPENDS mongo base PRIVATE_LIBS libmongoc-1.0)
td_unit_test(mongo_site SOURCES test_mongo_site.c DEPENDS mongo base
	PRIVATE_LIBS libmongoc-1.0)
td_unit_test(mongo_creds SOURCES test_mongo_creds.c DEPENDS mongo base)
td_unit_test(mongo_users SOURCES test_mongo_users.c DEPENDS mongo base
	PRIVATE_LIBS libmongoc-1.0)
td_unit_test(mongo_driver SOURCES test_mongo_driver.c DEPENDS mongo policies base
	PRIVATE_LIBS libmongoc-1.0 WRAP free)

if(NOT TD_FUZZ)
	# Not a unit test: tests/service/test_mongo_driver*.py run it against a real mongod.
	td_test_program(mongo_driver_shell
		SOURCES ../service/c/mongo_driver_shell.c ../service/c/driver_shell.c
		DEPENDS mongo policies base
		PRIVATE_LIBS jansson)
endif()
