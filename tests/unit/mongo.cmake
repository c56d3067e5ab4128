if(NOT TD_FUZZ)
	# Not a unit test: tests/service/test_mongo_driver.py runs it against a real mongod.
	td_test_program(mongo_driver_shell
		SOURCES ../service/c/mongo_driver_shell.c
		DEPENDS mongo policies base
		PRIVATE_LIBS jansson)
endif()
