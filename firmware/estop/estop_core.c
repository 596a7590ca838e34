#include "estop_core.h"

#include "config.h"
#include "inputs.h"
#include "selftest.h"

const estop_config_t ESTOP_CONFIG = {
    ESTOP_CONFIG_SIGNATURE,
    ESTOP_HOST_ID,
    ESTOP_DEVICE_ID,
    ESTOP_STATUS_MS,
    ESTOP_WATCHDOG_MS,
    ESTOP_DISCREPANCY_MS,
    ESTOP_ECHO_LAG,
    ESTOP_RESET_MIN_MS,
    ESTOP_RESET_MAX_MS,
    ESTOP_REARM_MS,
    ESTOP_RELAY_DELAY_MS,
};

/* What the host sees of this device; a change is sent at once. */
typedef struct {
    uint8_t channel_a;
    uint8_t channel_b;
    uint8_t flags;
    uint8_t inputs;
} status_t;

static struct {
    const estop_config_t *config;
    link_t link;
    inputs_t inputs;
    selftest_t test;
    uint8_t relays;
    uint8_t relay_1;
    uint8_t relay_2;
    uint8_t causes;
    uint8_t opened_by;
    uint8_t reset_counts; /* the reset button was pressed when closing was allowed, and it stayed so */
    status_t sent;
    uint32_t sent_at;
    uint32_t opening_at;
    uint32_t now_ms;
} device;

void estop_init(const estop_config_t *config, uint32_t random32)
{
    static const status_t NOTHING = {0U, 0U, 0U, 0U};

    device.config = config;
    link_init(&device.link, random32);
    inputs_init(&device.inputs);
    selftest_init(&device.test);
    device.relays = RELAYS_OPEN;
    device.relay_1 = 0U;
    device.relay_2 = 0U;
    device.causes = CAUSE_SILENT;
    device.opened_by = 0U;
    device.reset_counts = 0U;
    device.sent = NOTHING;
    device.sent_at = 0U;
    device.opening_at = 0U;
    device.now_ms = 0U;
}

void estop_receive(uint8_t byte, uint32_t now_ms)
{
    link_receive(&device.link, device.config, byte, now_ms);
}

/* Everything that holds now, and everything that came and went since the last tick. */
static uint8_t gather_causes(void)
{
    uint8_t causes = (uint8_t)(device.link.causes | inputs_causes(&device.inputs));

    device.link.causes = 0U;
    if (device.link.heard == 0U) {
        causes |= CAUSE_SILENT;
    } else if (device.link.demand_run == 0U) {
        causes |= CAUSE_DEMAND;
    } else {
        /* the host lets the robot run */
    }
    if (device.test.faults != 0U) {
        causes |= CAUSE_SELFTEST;
    }
    return causes;
}

static void close_on_reset(void)
{
    const reset_button_t *reset = &device.inputs.reset;
    uint8_t may_close = flag((device.relays == RELAYS_OPEN) && (device.causes == 0U) && (device.link.armed == 1U) &&
                             (device.test.step == SELFTEST_IDLE) && (inputs_both_run(&device.inputs) == 1U));

    if (reset->pressed == 1U) {
        device.reset_counts = 1U;
    }
    device.reset_counts &= may_close;
    if (reset->released == 1U) {
        if ((device.reset_counts == 1U) && (reset->width_ms >= device.config->reset_min_ms) &&
            (reset->width_ms <= device.config->reset_max_ms)) {
            device.relays = RELAYS_CLOSED;
        }
        device.reset_counts = 0U;
    }
}

static void move_relays(uint32_t now_ms)
{
    switch (device.relays) {
    case RELAYS_CLOSED:
    case RELAYS_OPENING:
        if ((device.relays == RELAYS_CLOSED) && (device.causes != 0U)) {
            device.relays = RELAYS_OPENING;
            device.opening_at = now_ms;
            device.opened_by = device.causes;
            selftest_interrupt(&device.test);
        }
        if ((device.relays == RELAYS_OPENING) &&
            (since(now_ms, device.opening_at) >= device.config->relay_delay_ms)) {
            device.relays = RELAYS_OPEN;
        }
        break;
    default:
        device.relays = RELAYS_OPEN;
        break;
    }
    close_on_reset();
}

static void command_relays(void)
{
    switch (device.relays) {
    case RELAYS_CLOSED:
        device.relay_1 = (uint8_t)(1U - selftest_changes(&device.test, 1U));
        device.relay_2 = (uint8_t)(1U - selftest_changes(&device.test, 2U));
        break;
    case RELAYS_OPENING:
        break; /* as they are: nothing closes after a stop was decided, and the delay runs */
    default:
        device.relay_1 = selftest_changes(&device.test, 1U);
        device.relay_2 = (uint8_t)(selftest_changes(&device.test, 2U) & (uint8_t)(1U - device.relay_1));
        break;
    }
    selftest_commanded(&device.test, device.relay_1, device.relay_2);
}

void estop_tick(const estop_inputs_t *sample, uint32_t now_ms, estop_outputs_t *outputs)
{
    device.now_ms = now_ms;
    inputs_tick(&device.inputs, device.config, sample, now_ms);
    link_tick(&device.link, device.config, now_ms);
    if (device.link.selftest_asked == 1U) {
        device.link.selftest_asked = 0U;
        selftest_ask(&device.test);
    }
    selftest_tick(&device.test, sample, flag(device.relays != RELAYS_OPENING), now_ms);
    device.causes = gather_causes();
    move_relays(now_ms);
    command_relays();
    outputs->relay_1 = device.relay_1;
    outputs->relay_2 = device.relay_2;
    outputs->test_pulse = device.test.loop.pulse;
}

static status_t status_now(void)
{
    status_t status;

    status.channel_a = (device.inputs.channel_a.value == 1U) ? FRAME_A_RUN : FRAME_A_STOP;
    status.channel_b = (device.inputs.channel_b.value == 1U) ? FRAME_B_RUN : FRAME_B_STOP;
    status.flags = 0U;
    if (device.test.step != SELFTEST_IDLE) {
        status.flags |= FRAME_FLAG_SELFTEST_RUNNING;
    }
    if (device.test.faults != 0U) {
        status.flags |= FRAME_FLAG_SELFTEST_FAILED;
    }
    if ((device.relays != RELAYS_CLOSED) && (device.relays != RELAYS_OPENING)) {
        status.flags |= FRAME_FLAG_RELAYS_OPEN;
    }
    if (device.link.restarted == 1U) {
        status.flags |= FRAME_FLAG_RESTARTED;
    }
    status.inputs = inputs_byte(&device.inputs);
    return status;
}

uint8_t estop_transmit(uint8_t bytes[FRAME_LENGTH])
{
    status_t status = status_now();
    frame_t frame;

    if (device.link.hello_due == 1U) {
        device.link.hello_due = 0U;
        frame.type = FRAME_HELLO;
    } else if (device.link.session == 0U) {
        return 0U;
    } else if ((since(device.now_ms, device.sent_at) < device.config->status_ms) &&
               (status.channel_a == device.sent.channel_a) && (status.channel_b == device.sent.channel_b) &&
               (status.flags == device.sent.flags) && (status.inputs == device.sent.inputs)) {
        return 0U;
    } else {
        frame.type = FRAME_STATUS;
    }
    frame.channel_a = status.channel_a;
    frame.channel_b = status.channel_b;
    frame.flags = status.flags;
    frame.inputs = status.inputs;
    link_send(&device.link, device.config, &frame, bytes);
    device.sent = status;
    device.sent_at = device.now_ms;
    return FRAME_LENGTH;
}

void estop_report(estop_report_t *report)
{
    report->relays = device.relays;
    report->causes = device.causes;
    report->opened_by = device.opened_by;
    report->faults = device.test.faults;
    report->selftest_step = device.test.step;
    report->session = device.link.session;
    report->armed = device.link.armed;
    report->reset_too_long = device.inputs.reset.too_long;
    report->discrepancy = device.inputs.discrepancy;
    report->counts = device.link.counts;
}
