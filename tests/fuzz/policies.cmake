td_fuzz(policy SOURCES fuzz_policy.c DEPENDS policies base PRIVATE_LIBS jansson)
