td_fuzz(record SOURCES fuzz_record.c DEPENDS store base)
