/* What needs many runs, in C: check value, every flip of one and two bits, random bytes against the whole logic. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "crc32.h"
#include "estop_core.h"

#define FUZZ_BYTES 3000000UL

static unsigned long failures;

static void check(int holds, const char *what)
{
    if (!holds) {
        failures++;
        printf("FAILED: %s\n", what);
    }
}

/* xorshift32: the same bytes in every run. */
static uint32_t random32(void)
{
    static uint32_t state = 2463534242U;

    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static void flip(uint8_t *bytes, unsigned bit)
{
    bytes[bit / 8U] ^= (uint8_t)(1U << (bit % 8U));
}

static void test_check_value(void)
{
    static const uint8_t DIGITS[9] = {'1', '2', '3', '4', '5', '6', '7', '8', '9'};

    check(crc32_finish(crc32_update(CRC32_INITIAL, DIGITS, 9U)) == 0x1697D06AUL, "check value of CRC-32/AUTOSAR");
}

static void test_bit_flips(void)
{
    frame_t frame = {FRAME_CHECKIN, ESTOP_HOST_ID, ESTOP_DEVICE_ID, 0U, 0U, FRAME_A_RUN, FRAME_B_RUN, 0U, 0U};
    frame_t decoded;
    uint8_t bytes[FRAME_LENGTH];
    unsigned long refused = 0UL;
    unsigned first;
    unsigned second;

    frame.sequence = random32();
    frame.echo = random32();
    frame_encode(&frame, ESTOP_CONFIG_SIGNATURE, bytes);
    check(frame_decode(bytes, ESTOP_CONFIG_SIGNATURE, &decoded) == FRAME_OK, "an untouched frame decodes");
    check(frame_decode(bytes, ESTOP_CONFIG_SIGNATURE ^ 1U, &decoded) == FRAME_BAD_CRC, "another signature is refused");
    for (first = 0U; first < 8U * FRAME_LENGTH; first++) {
        flip(bytes, first);
        refused += (unsigned long)(frame_decode(bytes, ESTOP_CONFIG_SIGNATURE, &decoded) != FRAME_OK);
        for (second = 0U; second < first; second++) {
            flip(bytes, second);
            refused += (unsigned long)(frame_decode(bytes, ESTOP_CONFIG_SIGNATURE, &decoded) != FRAME_OK);
            flip(bytes, second);
        }
        flip(bytes, first);
    }
    printf("bit flips refused: %lu of 18528\n", refused);
    check(refused == 192UL + 18336UL, "every flip of one or two bits is refused");
}

/* A whole session is alive while random bytes, and torn and flipped frames, come: the relays never close, as the reset
 * button is never pressed and released in order, and nothing is read or written out of bounds. */
static void test_random_bytes(void)
{
    estop_inputs_t sample;
    estop_outputs_t outputs;
    estop_report_t report;
    uint8_t frame[FRAME_LENGTH];
    uint32_t now_ms = 0xFFFF0000UL; /* the clock wraps on the way */
    unsigned long sent = 0UL;
    unsigned long frames = 0UL;
    unsigned closed = 0U;

    estop_init(&ESTOP_CONFIG, random32());
    memset(&sample, 0, sizeof sample);
    while (sent < FUZZ_BYTES) {
        unsigned length = random32() % 40U;
        unsigned i;

        if ((random32() % 4U) == 0U) {
            frame_t torn;

            torn.type = (uint8_t)(random32() % 6U);
            torn.source = (uint16_t)(random32() % 4U);
            torn.destination = ESTOP_DEVICE_ID;
            torn.sequence = random32();
            torn.echo = random32();
            torn.channel_a = (uint8_t)random32();
            torn.channel_b = (uint8_t)random32();
            torn.flags = (uint8_t)(random32() & 0x1FU);
            torn.inputs = (uint8_t)(random32() & 0x1FU);
            frame_encode(&torn, ESTOP_CONFIG_SIGNATURE, frame);
            for (i = 0U; i < FRAME_LENGTH; i++) {
                estop_receive(frame[i], now_ms);
            }
            frames++;
        }
        for (i = 0U; i < length; i++) {
            uint32_t chance = random32();

            estop_receive(((chance & 0x300U) == 0U) ? FRAME_SYNC_0 : (uint8_t)chance, now_ms);
            sent++;
        }
        memset(&sample, (int)(random32() & 1U), sizeof sample);
        ((uint8_t *)&sample)[random32() % sizeof sample] = (uint8_t)random32();
        now_ms += random32() % 30U;
        estop_tick(&sample, now_ms, &outputs);
        (void)estop_transmit(frame);
        estop_report(&report);
        closed += (unsigned)(report.relays != RELAYS_OPEN) + (unsigned)((outputs.relay_1 & outputs.relay_2) != 0U);
    }
    printf("random bytes: %lu, whole frames among them: %lu, corrupted counted: %u\n", sent, frames,
           report.counts.corrupted);
    check(closed == 0U, "random bytes close no relay");
    check(report.counts.corrupted > 0U, "random bytes were seen");
}

int main(void)
{
    test_check_value();
    test_bit_flips();
    test_random_bytes();
    printf("%s\n", (failures == 0UL) ? "ok" : "FAILED");
    return (failures == 0UL) ? 0 : 1;
}
