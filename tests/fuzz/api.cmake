td_fuzz(http_body SOURCES fuzz_http_body.c
	DEPENDS api engine tenant store quota policies base)
