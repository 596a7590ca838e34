#include "frame.h"

#include "crc32.h"

#define CRC_OFFSET 20U

static void put_u16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)(value & 0xFFU);
    bytes[1] = (uint8_t)((value >> 8) & 0xFFU);
}

static void put_u32(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value & 0xFFUL);
    bytes[1] = (uint8_t)((value >> 8) & 0xFFUL);
    bytes[2] = (uint8_t)((value >> 16) & 0xFFUL);
    bytes[3] = (uint8_t)((value >> 24) & 0xFFUL);
}

static uint16_t get_u16(const uint8_t *bytes)
{
    return (uint16_t)((uint16_t)bytes[0] | (uint16_t)((uint16_t)bytes[1] << 8));
}

static uint32_t get_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | ((uint32_t)bytes[1] << 8) | ((uint32_t)bytes[2] << 16) | ((uint32_t)bytes[3] << 24);
}

/* Over bytes 0 to 19, then the signature, which is not sent. */
static uint32_t frame_crc(const uint8_t bytes[FRAME_LENGTH], uint32_t signature)
{
    uint8_t tail[4];
    uint32_t crc;

    put_u32(tail, signature);
    crc = crc32_update(CRC32_INITIAL, bytes, CRC_OFFSET);
    crc = crc32_update(crc, tail, 4U);
    return crc32_finish(crc);
}

void frame_encode(const frame_t *frame, uint32_t signature, uint8_t bytes[FRAME_LENGTH])
{
    bytes[0] = FRAME_SYNC_0;
    bytes[1] = FRAME_SYNC_1;
    bytes[2] = FRAME_VERSION;
    bytes[3] = frame->type;
    put_u16(&bytes[4], frame->source);
    put_u16(&bytes[6], frame->destination);
    put_u32(&bytes[8], frame->sequence);
    put_u32(&bytes[12], frame->echo);
    bytes[16] = frame->channel_a;
    bytes[17] = frame->channel_b;
    bytes[18] = frame->flags;
    bytes[19] = frame->inputs;
    put_u32(&bytes[CRC_OFFSET], frame_crc(bytes, signature));
}

frame_verdict_t frame_decode(const uint8_t bytes[FRAME_LENGTH], uint32_t signature, frame_t *frame)
{
    if ((bytes[0] != FRAME_SYNC_0) || (bytes[1] != FRAME_SYNC_1)) {
        return FRAME_BAD_SYNC;
    }
    if (get_u32(&bytes[CRC_OFFSET]) != frame_crc(bytes, signature)) {
        return FRAME_BAD_CRC;
    }
    if (bytes[2] != FRAME_VERSION) {
        return FRAME_BAD_VERSION;
    }
    if ((bytes[3] < FRAME_HELLO) || (bytes[3] > FRAME_SELFTEST)) {
        return FRAME_BAD_TYPE;
    }
    if (((bytes[18] & (uint8_t)~FRAME_FLAGS_DEFINED) != 0U) || ((bytes[19] & (uint8_t)~FRAME_INPUTS_DEFINED) != 0U)) {
        return FRAME_BAD_RESERVED;
    }
    frame->type = bytes[3];
    frame->source = get_u16(&bytes[4]);
    frame->destination = get_u16(&bytes[6]);
    frame->sequence = get_u32(&bytes[8]);
    frame->echo = get_u32(&bytes[12]);
    frame->channel_a = bytes[16];
    frame->channel_b = bytes[17];
    frame->flags = bytes[18];
    frame->inputs = bytes[19];
    return FRAME_OK;
}
