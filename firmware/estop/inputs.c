#include "inputs.h"

#include "frame.h"

static const permit_t NOT_PERMITTED = {0U, 0U, 0U};

static void permit_tick(permit_t *permit, uint8_t raw, uint32_t now_ms)
{
    if (raw != 1U) {
        permit->value = 0U;
        permit->counting = 0U;
    } else if (permit->counting == 0U) {
        permit->counting = 1U;
        permit->began = now_ms;
    } else if (since(now_ms, permit->began) >= INPUT_RELEASE_MS) {
        permit->value = 1U;
    } else {
        /* stable, but not for long enough */
    }
}

/* The width is the one of the contact: both edges are late by the same debounce. */
static void reset_tick(reset_button_t *reset, const estop_config_t *config, uint8_t raw, uint32_t now_ms)
{
    uint8_t closed = flag(raw == 1U);

    reset->pressed = 0U;
    reset->released = 0U;
    permit_tick(&reset->up, flag(closed == 0U), now_ms);
    if (closed == reset->down) {
        reset->differs = 0U;
        if (closed == 0U) {
            reset->seen_up |= reset->up.value;
        } else if (since(now_ms, reset->down_at) > config->reset_max_ms) {
            reset->too_long = 1U; /* latched: the age wraps after 49 days */
        } else {
            /* held */
        }
        return;
    }
    if (reset->differs == 0U) {
        reset->differs = 1U;
        reset->differs_at = now_ms;
    }
    if (since(now_ms, reset->differs_at) < RESET_DEBOUNCE_MS) {
        return;
    }
    reset->differs = 0U;
    reset->down = closed;
    if (closed == 1U) {
        reset->pressed = reset->seen_up;
        reset->too_long = flag(reset->seen_up == 0U);
        reset->down_at = reset->differs_at;
    } else {
        reset->width_ms = since(reset->differs_at, reset->down_at);
        reset->released = 1U;
        reset->seen_up = 1U;
    }
}

static void discrepancy_tick(inputs_t *inputs, const estop_config_t *config, uint32_t now_ms)
{
    uint8_t a = inputs->channel_a.value;
    uint8_t b = inputs->channel_b.value;

    if (a != b) {
        if (inputs->disagreeing == 0U) {
            inputs->disagreeing = 1U;
            inputs->disagree_at = now_ms;
        }
        if (since(now_ms, inputs->disagree_at) > config->discrepancy_ms) {
            inputs->discrepancy = DISCREPANCY_DISAGREED;
        }
        return;
    }
    inputs->disagreeing = 0U;
    if ((inputs->discrepancy == DISCREPANCY_DISAGREED) && (a == 0U)) {
        inputs->discrepancy = DISCREPANCY_BOTH_STOP;
    } else if ((inputs->discrepancy == DISCREPANCY_BOTH_STOP) && (a == 1U)) {
        inputs->discrepancy = DISCREPANCY_AGREED;
    } else {
        /* as it was */
    }
}

void inputs_init(inputs_t *inputs)
{
    static const reset_button_t UNKNOWN = {{0U, 0U, 0U}, 0U, 0U, 0U, 0U, 0U, 0U, 0U, 0U, 0U};

    inputs->channel_a = NOT_PERMITTED;
    inputs->channel_b = NOT_PERMITTED;
    inputs->key_auto = NOT_PERMITTED;
    inputs->middle = NOT_PERMITTED;
    inputs->not_panicked = NOT_PERMITTED;
    inputs->enabling_consistent = NOT_PERMITTED;
    inputs->enabling_consistent.value = 1U; /* no contact was seen yet: the first sample tells */
    inputs->not_panicked.value = 1U;
    inputs->reset = UNKNOWN;
    inputs->disagreeing = 0U;
    inputs->discrepancy = DISCREPANCY_AGREED;
    inputs->disagree_at = 0U;
}

void inputs_tick(inputs_t *inputs, const estop_config_t *config, const estop_inputs_t *sample, uint32_t now_ms)
{
    uint8_t middle = flag(sample->enable_middle_closed == 1U);
    uint8_t panicked = flag(sample->enable_panicked_closed == 1U);

    permit_tick(&inputs->channel_a, sample->channel_a_closed, now_ms);
    permit_tick(&inputs->channel_b, sample->channel_b_closed, now_ms);
    permit_tick(&inputs->key_auto, sample->key_auto_closed, now_ms);
    permit_tick(&inputs->middle, middle, now_ms);
    permit_tick(&inputs->not_panicked, flag(panicked == 0U), now_ms);
    permit_tick(&inputs->enabling_consistent, flag((middle == 0U) || (panicked == 0U)), now_ms);
    reset_tick(&inputs->reset, config, sample->reset_closed, now_ms);
    discrepancy_tick(inputs, config, now_ms);
}

uint8_t inputs_both_run(const inputs_t *inputs)
{
    return flag((inputs->channel_a.value == 1U) && (inputs->channel_b.value == 1U) &&
                (inputs->discrepancy == DISCREPANCY_AGREED));
}

uint8_t inputs_causes(const inputs_t *inputs)
{
    uint8_t causes = 0U;

    if ((inputs->channel_a.value != 1U) || (inputs->channel_b.value != 1U)) {
        causes |= CAUSE_BUTTON;
    }
    if (inputs->discrepancy != DISCREPANCY_AGREED) {
        causes |= CAUSE_DISCREPANCY;
    }
    if (inputs->enabling_consistent.value != 1U) {
        causes |= CAUSE_ENABLING;
    }
    return causes;
}

uint8_t inputs_byte(const inputs_t *inputs)
{
    uint8_t byte = 0U;

    if (inputs->enabling_consistent.value != 1U) {
        byte |= FRAME_INPUT_ENABLE_MIDDLE | FRAME_INPUT_ENABLE_PANICKED;
    } else if (inputs->not_panicked.value != 1U) {
        byte |= FRAME_INPUT_ENABLE_PANICKED;
    } else if (inputs->middle.value == 1U) {
        byte |= FRAME_INPUT_ENABLE_MIDDLE;
    } else {
        /* released */
    }
    if (inputs->key_auto.value == 1U) {
        byte |= FRAME_INPUT_KEY_AUTO;
    }
    if (inputs->reset.down == 1U) {
        byte |= FRAME_INPUT_RESET_DOWN;
    }
    return byte;
}
