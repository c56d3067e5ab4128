td_fuzz(base_yaml SOURCES fuzz_base_yaml.c DEPENDS base)
