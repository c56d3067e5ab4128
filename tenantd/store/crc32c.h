/* CRC-32C (Castagnoli, RFC 3720 B.4). Private to store/. Any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Goes on from crc; begin with 0. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
/* The same value without the processor's instruction for it. */
uint32_t crc32c_by_tables(uint32_t crc, const void *data, size_t len);
