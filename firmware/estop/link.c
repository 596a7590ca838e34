#include "link.h"

static void count(uint16_t *counter)
{
    if (*counter < 0xFFFFU) {
        (*counter)++;
    }
}

void link_init(link_t *link, uint32_t first_sequence)
{
    static const link_counts_t NOTHING = {0U, 0U, 0U, 0U, 0U, 0U, 0U, 0U, 0U};
    uint8_t i;

    for (i = 0U; i < FRAME_LENGTH; i++) {
        link->window[i] = 0U;
    }
    link->filled = 0U;
    link->session = 0U;
    link->heard = 0U;
    link->demand_run = 0U;
    link->armed = 0U;
    link->restarted = 1U;
    link->hello_due = 1U; /* so that a host whose session ran learns of the restart at once */
    link->selftest_asked = 0U;
    link->causes = 0U;
    link->received = 0U;
    link->next = first_sequence;
    link->checkin_at = 0U;
    link->run_since = 0U;
    link->announced_at = 0U;
    link->counts = NOTHING;
}

/* Whatever was silent has to be armed anew. */
static void fall_silent(link_t *link, uint8_t cause)
{
    link->demand_run = 0U;
    link->armed = 0U;
    link->causes |= cause;
}

static void watch_silence(link_t *link, const estop_config_t *config, uint32_t now_ms)
{
    if ((link->heard == 1U) && (since(now_ms, link->checkin_at) >= config->watchdog_ms)) {
        link->heard = 0U;
        fall_silent(link, CAUSE_SILENT);
    }
}

static void accept_hello(link_t *link, const frame_t *frame)
{
    link->session = 1U;
    link->heard = 0U;
    link->received = frame->sequence;
    link->hello_due = 1U;
    fall_silent(link, CAUSE_SESSION);
}

static void accept_checkin(link_t *link, const frame_t *frame, uint32_t now_ms)
{
    link->heard = 1U;
    link->restarted = 0U;
    link->checkin_at = now_ms;
    if ((frame->channel_a == FRAME_A_RUN) && (frame->channel_b == FRAME_B_RUN)) {
        if (link->demand_run == 0U) {
            link->demand_run = 1U;
            link->run_since = now_ms;
        }
        return;
    }
    if ((frame->channel_a != FRAME_A_STOP) || (frame->channel_b != FRAME_B_STOP)) {
        count(&link->counts.bad_demand);
    }
    fall_silent(link, CAUSE_DEMAND);
}

/* CHECKIN or SELFTEST inside a session: newer, and sent by somebody who has heard this device lately. */
static uint8_t is_fresh(link_t *link, const estop_config_t *config, const frame_t *frame)
{
    uint32_t ahead = frame->sequence - link->received;
    uint32_t lag = (link->next - 1U) - frame->echo;

    if ((link->session == 0U) || (link->hello_due == 1U)) {
        count(&link->counts.no_session);
        return 0U;
    }
    if ((ahead == 0U) || (ahead >= 0x80000000UL)) {
        count(&link->counts.not_newer);
        return 0U;
    }
    if (lag >= config->echo_lag) {
        count(&link->counts.stale);
        return 0U;
    }
    link->received = frame->sequence;
    if ((ahead - 1U) > LINK_LOST_ALLOWED) {
        count(&link->counts.lost);
        fall_silent(link, CAUSE_SILENT);
    }
    return 1U;
}

static void judge(link_t *link, const estop_config_t *config, const frame_t *frame, uint32_t now_ms)
{
    watch_silence(link, config, now_ms); /* a late CHECKIN must not hide the silence before it */
    if (frame->source == config->device_id) {
        count(&link->counts.loopback);
    } else if ((frame->source != config->host_id) || (frame->destination != config->device_id)) {
        count(&link->counts.other_peer);
    } else if (frame->type == FRAME_HELLO) {
        accept_hello(link, frame);
    } else if ((frame->type != FRAME_CHECKIN) && (frame->type != FRAME_SELFTEST)) {
        count(&link->counts.malformed);
    } else if (is_fresh(link, config, frame) == 0U) {
        /* counted there */
    } else if (frame->type == FRAME_CHECKIN) {
        accept_checkin(link, frame, now_ms);
    } else {
        link->selftest_asked = 1U;
    }
}

/* Drops the first byte, and then whatever can not begin a frame. */
static void resynchronise(link_t *link)
{
    uint8_t start = 1U;
    uint8_t i;

    while (start < link->filled) {
        if ((link->window[start] == FRAME_SYNC_0) &&
            (((uint8_t)(start + 1U) == link->filled) || (link->window[start + 1U] == FRAME_SYNC_1))) {
            break;
        }
        start++;
    }
    for (i = start; i < link->filled; i++) {
        link->window[i - start] = link->window[i];
    }
    link->filled = (uint8_t)(link->filled - start);
}

void link_receive(link_t *link, const estop_config_t *config, uint8_t byte, uint32_t now_ms)
{
    frame_t frame;
    frame_verdict_t verdict;

    if (link->filled >= FRAME_LENGTH) {
        link->filled = 0U; /* unreachable; a flipped bit must not write past the end */
    }
    link->window[link->filled] = byte;
    link->filled++;
    if ((link->window[0] != FRAME_SYNC_0) || ((link->filled >= 2U) && (link->window[1] != FRAME_SYNC_1))) {
        resynchronise(link);
        return;
    }
    if (link->filled < FRAME_LENGTH) {
        return;
    }
    verdict = frame_decode(link->window, config->signature, &frame);
    if (verdict == FRAME_OK) {
        link->filled = 0U;
        judge(link, config, &frame, now_ms);
    } else {
        count((verdict == FRAME_BAD_CRC) ? &link->counts.corrupted : &link->counts.malformed);
        resynchronise(link); /* a frame may begin inside what only looked like one */
    }
}

void link_tick(link_t *link, const estop_config_t *config, uint32_t now_ms)
{
    watch_silence(link, config, now_ms);
    /* The host refuses a frame of another configuration, but reads from it whom it has here. */
    if ((link->session == 0U) && (since(now_ms, link->announced_at) >= LINK_ANNOUNCE_MS)) {
        link->announced_at = now_ms;
        link->hello_due = 1U;
    }
    if ((link->heard == 1U) && (link->demand_run == 1U) && (since(now_ms, link->run_since) >= config->rearm_ms)) {
        link->armed = 1U;
    }
}

void link_send(link_t *link, const estop_config_t *config, frame_t *frame, uint8_t bytes[FRAME_LENGTH])
{
    frame->source = config->device_id;
    frame->destination = config->host_id;
    frame->sequence = link->next;
    frame->echo = link->received;
    link->next++;
    frame_encode(frame, config->signature, bytes);
}
