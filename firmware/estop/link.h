/* The line to the host: resynchronisation, session, judgement of every frame, silence. */
#ifndef ESTOP_LINK_H
#define ESTOP_LINK_H

#include "estop_types.h"
#include "frame.h"

#define LINK_LOST_ALLOWED 3U /* frames in a row */

#define LINK_ANNOUNCE_MS 1000U /* HELLO so often while there is no session */

/* Frames that were not accepted, by what was wrong; they feed nothing. Saturating. */
typedef struct {
    uint16_t corrupted;  /* CRC: noise, or another configuration */
    uint16_t malformed;  /* version, type, reserved bits, a type that only the device sends */
    uint16_t other_peer; /* source or destination */
    uint16_t loopback;   /* own id as source */
    uint16_t no_session;
    uint16_t not_newer; /* repeated, reordered, replayed */
    uint16_t stale;     /* echo outside the window */
    uint16_t lost;      /* gaps of more than LINK_LOST_ALLOWED */
    uint16_t bad_demand;
} link_counts_t;

/*
 * Session and demand.
 *
 * | session | heard | means                                      | leaves by                              |
 * | ------- | ----- | ------------------------------------------ | -------------------------------------- |
 * | 0       | 0     | nothing is accepted but a HELLO            | HELLO: session = 1                     |
 * | 1       | 0     | answered, or silent                        | CHECKIN: heard = 1                     |
 * | 1       | 1     | CHECKINs come                              | silence, HELLO: heard = 0              |
 *
 * `armed` is 1 while CHECKINs have demanded RUN for rearm_ms without a break.
 */
typedef struct {
    uint8_t window[FRAME_LENGTH];
    uint8_t filled;
    uint8_t session;
    uint8_t heard;
    uint8_t demand_run;
    uint8_t armed;
    uint8_t restarted; /* until the first CHECKIN after the start */
    uint8_t hello_due;
    uint8_t selftest_asked; /* taken by the core */
    uint8_t causes;         /* of the past, taken by the core */
    uint32_t received;      /* last sequence number accepted */
    uint32_t next;          /* sequence number of the next frame */
    uint32_t checkin_at;
    uint32_t run_since;
    uint32_t announced_at;
    link_counts_t counts;
} link_t;

void link_init(link_t *link, uint32_t first_sequence);
void link_receive(link_t *link, const estop_config_t *config, uint8_t byte, uint32_t now_ms);
void link_tick(link_t *link, const estop_config_t *config, uint32_t now_ms);

/* Numbers, addresses and encodes one frame; the caller has filled type, channels, flags, inputs. */
void link_send(link_t *link, const estop_config_t *config, frame_t *frame, uint8_t bytes[FRAME_LENGTH]);

#endif
