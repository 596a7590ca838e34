/* What proves that the device could still stop: relay read-back, test pulses on the loops, self-test on request. */
#ifndef ESTOP_SELFTEST_H
#define ESTOP_SELFTEST_H

#include "estop_types.h"

#define RELAY_SETTLE_MS 50U    /* longest time from coil to read-back contact, either way */
#define LOOP_TEST_MS 1000U     /* both loops, this often, always */
#define LOOP_ANSWER_MS 10U     /* a board that does not make the pulse fails the test */
#define SELFTEST_LIMIT_MS 1900U /* the host waits for 2 s */

/*
 * Self-test. One relay at a time changes its state and back, so that open relays never close the chain together.
 *
 * | step      | does                    | after RELAY_SETTLE_MS, with both read-backs right |
 * | --------- | ----------------------- | ------------------------------------------------- |
 * | IDLE      | nothing                 | (asked: WAITING)                                  |
 * | WAITING   | waits for the relays    | (open or closed, not opening: REST)               |
 * | REST      | nothing                 | RELAY_1                                           |
 * | RELAY_1   | changes relay 1         | BACK_1                                            |
 * | BACK_1    | nothing                 | RELAY_2                                           |
 * | RELAY_2   | changes relay 2         | BACK_2                                            |
 * | BACK_2    | asks for a loop test    | LOOPS                                             |
 * | LOOPS     | waits for both loops    | passed: faults = 0, IDLE                          |
 *
 * A read-back that is wrong, or SELFTEST_LIMIT_MS: failed, IDLE. A stop decided meanwhile: WAITING again.
 */
#define SELFTEST_IDLE 0U
#define SELFTEST_WAITING 1U
#define SELFTEST_REST 2U
#define SELFTEST_RELAY_1 3U
#define SELFTEST_BACK_1 4U
#define SELFTEST_RELAY_2 5U
#define SELFTEST_BACK_2 6U
#define SELFTEST_LOOPS 7U

/* Loop test: IDLE until due, then pulse A, then pulse B; a failed pulse is repeated once. */
typedef struct {
    uint8_t pulse;   /* LOOP_PULSE_*: asked for and not yet answered */
    uint8_t again;   /* the pulse was repeated already */
    uint8_t wanted;  /* a test is to start at once */
    uint8_t passed;  /* pulses passed since the test began: 2 is all */
    uint8_t started;
    uint32_t began;
    uint32_t pulse_at;
} loop_test_t;

typedef struct {
    uint8_t step;
    uint8_t faults; /* FAULT_*: latched until a self-test passes */
    uint8_t relay_1; /* last commanded */
    uint8_t relay_2;
    uint8_t relay_1_wrong;
    uint8_t relay_2_wrong;
    uint32_t relay_1_wrong_at;
    uint32_t relay_2_wrong_at;
    uint32_t step_at;
    uint32_t began;
    loop_test_t loop;
} selftest_t;

void selftest_init(selftest_t *test);

/* Request of the host. While a test runs, it is the answer. */
void selftest_ask(selftest_t *test);

/* Judges the sample against what was commanded last, and moves the tests on. `steady` is 0 while the relays wait to
 * open. Call selftest_commanded() with what goes out afterwards. */
void selftest_tick(selftest_t *test, const estop_inputs_t *sample, uint8_t steady, uint32_t now_ms);

/* 1 when the relay (1 or 2) is to differ from its state of rest in this tick. */
uint8_t selftest_changes(const selftest_t *test, uint8_t relay);

/* A stop was decided: begin again once the relays are open. */
void selftest_interrupt(selftest_t *test);

void selftest_commanded(selftest_t *test, uint8_t relay_1, uint8_t relay_2);

#endif
