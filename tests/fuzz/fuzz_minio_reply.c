/* Error answers, JSON or XML by their first byte: any bytes give a code that may go into a
 * log, or none. */
#include "minio/reply.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct minio_fault fault;
	struct td_err err;

	minio_fault_parse(data, size, &fault);
	for (const char *p = fault.code; *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
			abort();
	if (minio_fault_rc(400 + (int)(size % 105), &fault, "fuzz", &err) == TD_OK)
		abort();
	return 0;
}
