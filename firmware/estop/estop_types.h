/* What the parts of the device's logic share. Times in milliseconds of a steady clock that may wrap at 2^32. */
#ifndef ESTOP_TYPES_H
#define ESTOP_TYPES_H

#include <stdint.h>

typedef struct {
    uint32_t signature;
    uint16_t host_id;
    uint16_t device_id;
    uint16_t status_ms;
    uint16_t watchdog_ms;
    uint16_t discrepancy_ms;
    uint16_t echo_lag; /* frames */
    uint16_t reset_min_ms;
    uint16_t reset_max_ms;
    uint16_t rearm_ms;
    uint16_t relay_delay_ms;
} estop_config_t;

/* One sample of the board. A contact counts as closed, a relay as on and a line as low only at exactly 1. */
typedef struct {
    uint8_t channel_a_closed;
    uint8_t channel_b_closed;
    uint8_t reset_closed;
    uint8_t key_auto_closed;
    uint8_t enable_middle_closed;
    uint8_t enable_panicked_closed;
    uint8_t relay_1_on; /* read back from the relay's own contact, not the pin that drives it */
    uint8_t relay_2_on;
    uint8_t pulse_done;  /* LOOP_PULSE_A or _B: the pulse asked for in the tick before was made; else LOOP_PULSE_NONE */
    uint8_t pulse_a_low; /* what the two channel inputs read in the middle of that pulse */
    uint8_t pulse_b_low;
} estop_inputs_t;

#define LOOP_PULSE_NONE 0U
#define LOOP_PULSE_A 1U
#define LOOP_PULSE_B 2U

/* Why the relays open. */
#define CAUSE_BUTTON 0x01U      /* either channel is not RUN */
#define CAUSE_SILENT 0x02U      /* no CHECKIN for watchdog_ms, or more than 3 frames lost */
#define CAUSE_DEMAND 0x04U      /* the host demands STOP, or its channel bytes are neither RUN nor STOP */
#define CAUSE_SELFTEST 0x08U    /* a test failed: relay read-back or loop */
#define CAUSE_DISCREPANCY 0x10U /* the channels disagreed for too long */
#define CAUSE_ENABLING 0x20U    /* enabling switch in the middle and panicked at once */
#define CAUSE_SESSION 0x40U     /* the host began a new session */

/* What a test found. */
#define FAULT_RELAY_1 0x01U
#define FAULT_RELAY_2 0x02U
#define FAULT_LOOP_A 0x04U
#define FAULT_LOOP_B 0x08U
#define FAULT_TIMEOUT 0x10U

/* A condition as the 1 or 0 that is stored. */
static inline uint8_t flag(int condition)
{
    return (uint8_t)(condition != 0);
}

/* Milliseconds from `then` to `now`, right across the wrap. */
static inline uint32_t since(uint32_t now, uint32_t then)
{
    return now - then;
}

#endif
