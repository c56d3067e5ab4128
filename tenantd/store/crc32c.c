/*
 * Eight bytes per step through eight tables ("slicing by 8"), some 0.1 microseconds for an
 * audit entry. The tables are computed once; table[0] is the usual one of bytes.
 */
#include "crc32c.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* reflected */

static uint32_t table[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
make_tables(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t v = i;

		for (int bit = 0; bit < 8; bit++)
			v = (v >> 1) ^ ((v & 1) != 0 ? POLYNOMIAL : 0);
		table[0][i] = v;
	}
	for (uint32_t i = 0; i < 256; i++) {
		for (int t = 1; t < 8; t++)
			table[t][i] =
				(table[t - 1][i] >> 8) ^ table[0][table[t - 1][i] & 0xff];
	}
}

uint32_t
crc32c(uint32_t crc, const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t v;

	pthread_once(&once, make_tables);
	crc = ~crc;
	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&v, p, sizeof(v));
		v = le64toh(v) ^ crc;
		crc = 0;
		for (int t = 7; t >= 0; t--, v >>= 8)
			crc ^= table[t][v & 0xff];
	}
	for (; len > 0; p++, len--)
		crc = (crc >> 8) ^ table[0][(crc ^ *p) & 0xff];
	return ~crc;
}
