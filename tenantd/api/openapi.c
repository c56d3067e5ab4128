/*
 * docs/api/openapi.yaml as the build found it, so that a daemon describes itself and not
 * a file that may have moved on.
 */
#include "internal.h"

__asm__(".section .rodata\n"
	".global api_openapi\n"
	".global api_openapi_end\n"
	"api_openapi:\n"
	".incbin \"" API_OPENAPI_PATH "\"\n"
	"api_openapi_end:\n"
	".byte 0\n"
	".previous\n");
