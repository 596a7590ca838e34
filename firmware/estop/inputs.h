/* Contacts to values: what stops counts at once, what permits only after it was stable. */
#ifndef ESTOP_INPUTS_H
#define ESTOP_INPUTS_H

#include "estop_types.h"

#define INPUT_RELEASE_MS 50U /* how long what permits must be stable */
#define RESET_DEBOUNCE_MS 20U

/* 0 at once, 1 after INPUT_RELEASE_MS of nothing but 1. */
typedef struct {
    uint8_t value;
    uint8_t counting;
    uint32_t began;
} permit_t;

/*
 * Reset button. `seen_up` keeps a button that was held at the start from ever counting as pressed.
 *
 * | down | raw differs for 20 ms | becomes                                     |
 * | ---- | --------------------- | ------------------------------------------- |
 * | 0    | closed                | down = 1, pressed = 1 for this tick         |
 * | 1    | open                  | down = 0, released = 1, width_ms since down |
 */
typedef struct {
    permit_t up;
    uint8_t down;
    uint8_t seen_up;
    uint8_t differs;
    uint8_t pressed;  /* this tick */
    uint8_t released; /* this tick */
    uint8_t too_long; /* held for more than reset_max_ms, or at the start */
    uint32_t differs_at;
    uint32_t down_at;
    uint32_t width_ms;
} reset_button_t;

/*
 * Discrepancy of the channels.
 *
 * | stage     | on                                | goes to   |
 * | --------- | --------------------------------- | --------- |
 * | AGREED    | disagree for > discrepancy_ms     | DISAGREED |
 * | DISAGREED | both STOP                         | BOTH_STOP |
 * | BOTH_STOP | both RUN                          | AGREED    |
 * | BOTH_STOP | disagree for > discrepancy_ms     | DISAGREED |
 */
#define DISCREPANCY_AGREED 0U
#define DISCREPANCY_DISAGREED 1U
#define DISCREPANCY_BOTH_STOP 2U

typedef struct {
    permit_t channel_a;
    permit_t channel_b;
    permit_t key_auto;
    permit_t middle;
    permit_t not_panicked;
    permit_t enabling_consistent;
    reset_button_t reset;
    uint8_t disagreeing;
    uint8_t discrepancy; /* a stage */
    uint32_t disagree_at;
} inputs_t;

void inputs_init(inputs_t *inputs);
void inputs_tick(inputs_t *inputs, const estop_config_t *config, const estop_inputs_t *sample, uint32_t now_ms);

/* 1 when both channels are RUN and no discrepancy stands. */
uint8_t inputs_both_run(const inputs_t *inputs);

/* The causes to open that lie in the inputs. */
uint8_t inputs_causes(const inputs_t *inputs);

/* The `inputs` byte of a frame. */
uint8_t inputs_byte(const inputs_t *inputs);

#endif
