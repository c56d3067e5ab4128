/*
 * The processor's own instruction where there is one; elsewhere eight bytes per step through
 * eight tables ("slicing by 8"), which are computed once; table[0] is the usual one of bytes.
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
crc32c_by_tables(uint32_t crc, const void *data, size_t len)
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

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t crc, const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t v, sum = ~crc;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&v, p, sizeof(v));
		sum = __builtin_ia32_crc32di(sum, v);
	}
	crc = (uint32_t)sum;
	for (; len > 0; p++, len--)
		crc = __builtin_ia32_crc32qi(crc, *p);
	return ~crc;
}
#endif

uint32_t
crc32c(uint32_t crc, const void *data, size_t len)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return by_instruction(crc, data, len);
#endif
	return crc32c_by_tables(crc, data, len);
}
