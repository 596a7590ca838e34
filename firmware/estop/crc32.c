#include "crc32.h"

/* One half-byte at a time: 64 bytes of table, a third of the time of one bit at a time. Entry i is i after four
 * steps of the shift register with the reflected polynomial C8DF352F. */
static const uint32_t NIBBLE[16] = {
    0x00000000UL, 0x2B2C2BEEUL, 0x565857DCUL, 0x7D747C32UL, 0xACB0AFB8UL, 0x879C8456UL, 0xFAE8F864UL, 0xD1C4D38AUL,
    0xC8DF352FUL, 0xE3F31EC1UL, 0x9E8762F3UL, 0xB5AB491DUL, 0x646F9A97UL, 0x4F43B179UL, 0x3237CD4BUL, 0x191BE6A5UL,
};

uint32_t crc32_update(uint32_t crc, const uint8_t *bytes, uint8_t length)
{
    uint8_t i;

    for (i = 0U; i < length; i++) {
        crc ^= (uint32_t)bytes[i];
        crc = (crc >> 4) ^ NIBBLE[crc & 0xFU];
        crc = (crc >> 4) ^ NIBBLE[crc & 0xFU];
    }
    return crc;
}

uint32_t crc32_finish(uint32_t crc)
{
    return crc ^ 0xFFFFFFFFUL;
}
