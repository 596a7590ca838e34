/*
 * Logic of an emergency-stop device with a serial line, protocol version 1. Pure: no pins, no clock, no heap; one
 * static state. Call estop_tick() every millisecond; a late tick is judged by its time, and nothing is opened late
 * for it by more than it was late itself.
 *
 * Informs the supervisor and opens two relays in the drive's stop input. Not certified; no category is claimed.
 */
#ifndef ESTOP_CORE_H
#define ESTOP_CORE_H

#include "estop_types.h"
#include "frame.h"
#include "link.h"

/*
 * Relays. Opening is decided at once and acts after relay_delay_ms (SS1-t), so that the controlled stop can end
 * first; once decided it is not taken back. Any other value of the state is OPEN.
 *
 * | state   | on                                                              | goes to |
 * | ------- | --------------------------------------------------------------- | ------- |
 * | OPEN    | reset button released after reset_min..reset_max, and all of    | CLOSED  |
 * |         | this from its press to its release: no cause, CHECKIN armed, no |         |
 * |         | self-test running                                               |         |
 * | CLOSED  | any cause                                                       | OPENING |
 * | OPENING | relay_delay_ms after the decision                               | OPEN    |
 */
#define RELAYS_OPEN 0xA5U
#define RELAYS_CLOSED 0x5AU
#define RELAYS_OPENING 0x3CU

typedef struct {
    uint8_t relay_1; /* 1: energise */
    uint8_t relay_2;
    uint8_t test_pulse; /* LOOP_PULSE_*: take that loop's supply away for at most 1 ms, read both inputs meanwhile */
} estop_outputs_t;

/* For a display or a test; nothing in it is needed to run the device. */
typedef struct {
    uint8_t relays; /* RELAYS_* */
    uint8_t causes; /* CAUSE_* that hold now */
    uint8_t opened_by; /* CAUSE_* of the last decision to open */
    uint8_t faults; /* FAULT_* */
    uint8_t selftest_step;
    uint8_t session;
    uint8_t armed;
    uint8_t reset_too_long;
    uint8_t discrepancy;
    link_counts_t counts;
} estop_report_t;

/* The shipped configuration, from config.h. */
extern const estop_config_t ESTOP_CONFIG;

/* Starts with open relays. `config` must stay; `random32` is the first sequence number. */
void estop_init(const estop_config_t *config, uint32_t random32);

void estop_receive(uint8_t byte, uint32_t now_ms);
void estop_tick(const estop_inputs_t *sample, uint32_t now_ms, estop_outputs_t *outputs);

/* The next frame: FRAME_LENGTH, or 0 when none is due. Call it whenever the line is free. */
uint8_t estop_transmit(uint8_t bytes[FRAME_LENGTH]);

void estop_report(estop_report_t *report);

#endif
