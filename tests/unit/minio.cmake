td_unit_test(minio_sigv4 SOURCES test_minio_sigv4.c DEPENDS minio base)
td_unit_test(minio_sealed SOURCES test_minio_sealed.c DEPENDS minio base
	PRIVATE_LIBS libargon2)
td_unit_test(minio_xml SOURCES test_minio_xml.c DEPENDS minio base)
td_unit_test(minio_client SOURCES test_minio_client.c DEPENDS minio base)
td_unit_test(minio_reply SOURCES test_minio_reply.c DEPENDS minio base)

if(NOT TD_FUZZ)
	# Not a unit test: tests/service/test_minio_driver.py runs it against a real MinIO.
	td_test_program(minio_driver_shell
		SOURCES ../service/c/minio_driver_shell.c ../service/c/driver_shell.c
		DEPENDS minio policies base
		PRIVATE_LIBS jansson)
endif()
