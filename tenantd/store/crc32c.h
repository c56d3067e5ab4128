/* CRC-32C (Castagnoli, RFC 3720 B.4) in software. Private to store/. Any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Goes on from crc; begin with 0. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
