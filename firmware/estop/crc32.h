/* CRC-32/AUTOSAR: polynomial F4ACFB13, reflected in and out, initial value and final xor FFFFFFFF. */
#ifndef ESTOP_CRC32_H
#define ESTOP_CRC32_H

#include <stdint.h>

#define CRC32_INITIAL 0xFFFFFFFFUL

/* The register after `length` more bytes; start with CRC32_INITIAL, end with crc32_finish(). */
uint32_t crc32_update(uint32_t crc, const uint8_t *bytes, uint8_t length);

/* The CRC of all bytes so far; "123456789" gives 1697D06A. */
uint32_t crc32_finish(uint32_t crc);

#endif
