#include "selftest.h"

void selftest_init(selftest_t *test)
{
    static const selftest_t FRESH = {0U, 0U, 0U, 0U, 0U, 0U, 0U, 0U, 0U, 0U, {0U, 0U, 0U, 0U, 0U, 0U, 0U}};

    *test = FRESH;
}

void selftest_ask(selftest_t *test)
{
    if (test->step == SELFTEST_IDLE) {
        test->step = SELFTEST_WAITING;
    }
}

void selftest_interrupt(selftest_t *test)
{
    if (test->step != SELFTEST_IDLE) {
        test->step = SELFTEST_WAITING;
    }
}

uint8_t selftest_changes(const selftest_t *test, uint8_t relay)
{
    return flag(((relay == 1U) && (test->step == SELFTEST_RELAY_1)) ||
                ((relay == 2U) && (test->step == SELFTEST_RELAY_2)));
}

void selftest_commanded(selftest_t *test, uint8_t relay_1, uint8_t relay_2)
{
    test->relay_1 = relay_1;
    test->relay_2 = relay_2;
}

static void fail(selftest_t *test, uint8_t fault)
{
    test->faults |= fault;
    test->step = SELFTEST_IDLE;
}

/* Relay contacts lag their coils, so only what stays wrong is a fault. */
static void watch_relays(selftest_t *test, const estop_inputs_t *sample, uint32_t now_ms)
{
    if (sample->relay_1_on == test->relay_1) {
        test->relay_1_wrong = 0U;
    } else if (test->relay_1_wrong == 0U) {
        test->relay_1_wrong = 1U;
        test->relay_1_wrong_at = now_ms;
    } else if (since(now_ms, test->relay_1_wrong_at) >= RELAY_SETTLE_MS) {
        fail(test, FAULT_RELAY_1);
    } else {
        /* settling */
    }
    if (sample->relay_2_on == test->relay_2) {
        test->relay_2_wrong = 0U;
    } else if (test->relay_2_wrong == 0U) {
        test->relay_2_wrong = 1U;
        test->relay_2_wrong_at = now_ms;
    } else if (since(now_ms, test->relay_2_wrong_at) >= RELAY_SETTLE_MS) {
        fail(test, FAULT_RELAY_2);
    } else {
        /* settling */
    }
}

static void request_pulse(loop_test_t *loop, uint8_t pulse, uint32_t now_ms)
{
    loop->pulse = pulse;
    loop->pulse_at = now_ms;
}

/*
 * Without its supply a loop must read open; otherwise it is shorted to a supply, or to the other loop. A loop that
 * reads open during the *other* one's pulse, and closed after it, is pulled down by that one. A button that moves in
 * just this moment looks the same, but not twice in a row.
 */
static uint8_t pulse_passed(const loop_test_t *loop, const estop_inputs_t *sample)
{
    uint8_t own_low = (loop->pulse == LOOP_PULSE_A) ? sample->pulse_a_low : sample->pulse_b_low;
    uint8_t other_low = (loop->pulse == LOOP_PULSE_A) ? sample->pulse_b_low : sample->pulse_a_low;
    uint8_t other_is = (loop->pulse == LOOP_PULSE_A) ? sample->channel_b_closed : sample->channel_a_closed;

    if (own_low != 1U) {
        return 0U;
    }
    return flag((other_low != 1U) || (other_is != 1U));
}

static void loop_tick(selftest_t *test, const estop_inputs_t *sample, uint32_t now_ms)
{
    loop_test_t *loop = &test->loop;

    if (loop->pulse == LOOP_PULSE_NONE) {
        if ((loop->started == 0U) || (loop->wanted == 1U) || (since(now_ms, loop->began) >= LOOP_TEST_MS)) {
            loop->started = 1U;
            loop->wanted = 0U;
            loop->passed = 0U;
            loop->again = 0U;
            loop->began = now_ms;
            request_pulse(loop, LOOP_PULSE_A, now_ms);
        }
    } else if ((sample->pulse_done == loop->pulse) && (pulse_passed(loop, sample) == 1U)) {
        loop->passed++;
        loop->again = 0U;
        request_pulse(loop, (loop->pulse == LOOP_PULSE_A) ? LOOP_PULSE_B : LOOP_PULSE_NONE, now_ms);
    } else if ((sample->pulse_done == loop->pulse) && (loop->again == 0U)) {
        loop->again = 1U; /* a spike on the line is no short: once more */
        request_pulse(loop, loop->pulse, now_ms);
    } else if ((sample->pulse_done == loop->pulse) || (since(now_ms, loop->pulse_at) >= LOOP_ANSWER_MS)) {
        fail(test, (loop->pulse == LOOP_PULSE_A) ? FAULT_LOOP_A : FAULT_LOOP_B);
        loop->again = 0U;
        request_pulse(loop, (loop->pulse == LOOP_PULSE_A) ? LOOP_PULSE_B : LOOP_PULSE_NONE, now_ms);
    } else {
        /* the board has not answered yet */
    }
}

static void step_tick(selftest_t *test, uint8_t steady, uint32_t now_ms)
{
    if (test->step == SELFTEST_IDLE) {
        return;
    }
    if (test->step == SELFTEST_WAITING) {
        if (steady == 1U) {
            test->step = SELFTEST_REST;
            test->step_at = now_ms;
            test->began = now_ms;
        }
        return;
    }
    if (since(now_ms, test->began) >= SELFTEST_LIMIT_MS) {
        fail(test, FAULT_TIMEOUT);
        return;
    }
    if (test->step == SELFTEST_LOOPS) {
        if ((test->loop.wanted == 0U) && (test->loop.pulse == LOOP_PULSE_NONE) && (test->loop.passed == 2U)) {
            test->faults = 0U;
            test->step = SELFTEST_IDLE;
        }
        return;
    }
    if (since(now_ms, test->step_at) < RELAY_SETTLE_MS) {
        return;
    }
    if ((test->relay_1_wrong == 1U) || (test->relay_2_wrong == 1U)) {
        fail(test, (test->relay_1_wrong == 1U) ? FAULT_RELAY_1 : FAULT_RELAY_2);
        return;
    }
    test->step++;
    test->step_at = now_ms;
    if (test->step == SELFTEST_LOOPS) {
        test->loop.wanted = 1U;
    }
}

void selftest_tick(selftest_t *test, const estop_inputs_t *sample, uint8_t steady, uint32_t now_ms)
{
    watch_relays(test, sample, now_ms);
    loop_tick(test, sample, now_ms);
    step_tick(test, steady, now_ms);
}
