/* The frame of the e-stop serial protocol, version 1: 24 bytes, little-endian, the same both ways. */
#ifndef ESTOP_FRAME_H
#define ESTOP_FRAME_H

#include <stdint.h>

#define FRAME_LENGTH 24U
#define FRAME_SYNC_0 0xA5U
#define FRAME_SYNC_1 0x5AU
#define FRAME_VERSION 1U

#define FRAME_HELLO 1U
#define FRAME_STATUS 2U
#define FRAME_CHECKIN 3U
#define FRAME_SELFTEST 4U

/* RUN and STOP differ in all 8 bits, and so do the two channels. */
#define FRAME_A_RUN 0x3CU
#define FRAME_A_STOP 0xC3U
#define FRAME_B_RUN 0xC3U
#define FRAME_B_STOP 0x3CU

#define FRAME_FLAG_SELFTEST_RUNNING 0x01U
#define FRAME_FLAG_SELFTEST_FAILED 0x02U
#define FRAME_FLAG_RELAYS_OPEN 0x04U
#define FRAME_FLAG_RESTARTED 0x08U
#define FRAME_FLAGS_DEFINED 0x0FU

#define FRAME_INPUT_ENABLE_MIDDLE 0x01U
#define FRAME_INPUT_KEY_AUTO 0x02U
#define FRAME_INPUT_RESET_DOWN 0x04U
#define FRAME_INPUT_ENABLE_PANICKED 0x08U
#define FRAME_INPUTS_DEFINED 0x0FU

typedef struct {
    uint8_t type;
    uint16_t source;
    uint16_t destination;
    uint32_t sequence;
    uint32_t echo;
    uint8_t channel_a;
    uint8_t channel_b;
    uint8_t flags;
    uint8_t inputs;
} frame_t;

/* What frame_decode() saw, in the order in which it looks. */
typedef enum {
    FRAME_OK = 0,
    FRAME_BAD_SYNC,
    FRAME_BAD_CRC, /* corrupted, or the peer holds another configuration */
    FRAME_BAD_VERSION,
    FRAME_BAD_TYPE,
    FRAME_BAD_RESERVED /* an undefined bit of flags or inputs is set */
} frame_verdict_t;

void frame_encode(const frame_t *frame, uint32_t signature, uint8_t bytes[FRAME_LENGTH]);

/* Fills `frame` only when it returns FRAME_OK. Ids, sequence and channel values are the caller's to judge. */
frame_verdict_t frame_decode(const uint8_t bytes[FRAME_LENGTH], uint32_t signature, frame_t *frame);

#endif
