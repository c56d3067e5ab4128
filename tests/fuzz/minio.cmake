td_fuzz(minio_xml SOURCES fuzz_minio_xml.c DEPENDS minio base)
td_fuzz(minio_reply SOURCES fuzz_minio_reply.c DEPENDS minio base)
td_fuzz(minio_sealed SOURCES fuzz_minio_sealed.c DEPENDS minio base)
