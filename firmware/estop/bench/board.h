/* The hardware around the device, for programs that run it without any: contacts, relays, faults, by text commands. */
#ifndef ESTOP_BENCH_BOARD_H
#define ESTOP_BENCH_BOARD_H

#include <stdint.h>

#define BOARD_RELAY_NS 5000000U /* from coil to contact, either way */

#define BOARD_COMMANDS                                                                                            \
    "press, release, channel A|B run|stop, reset down|up, key auto|manual, enable released|middle|panicked|both, " \
    "weld 1|2|none, selftest fail|ok, short A|B|AB|low|none"

typedef struct {
    uint8_t coil;
    uint8_t contact;
    uint8_t stuck; /* the contact no longer follows the coil */
    uint64_t moves_at;
} board_relay_t;

typedef struct {
    uint8_t channel_a_closed;
    uint8_t channel_b_closed;
    uint8_t reset_closed;
    uint8_t key_auto_closed;
    uint8_t enable_middle_closed;
    uint8_t enable_panicked_closed;
    uint8_t short_a; /* the input hangs on a supply of its own */
    uint8_t short_b;
    uint8_t short_ab; /* loop A carries both inputs */
    uint8_t short_low; /* the loops touch, and a supply that is off pulls both down */
    board_relay_t relay[2];
} board_t;

/* Button released, everything else at rest. */
void board_init(board_t *board);

/* Carries out one line; 0 when it is none of BOARD_COMMANDS. */
int board_command(board_t *board, const char *line);

/* Sets the coils and moves the contacts whose time has come. */
void board_advance(board_t *board, uint8_t coil_1, uint8_t coil_2, uint64_t now_ns);

/* What the inputs of the loops read while the supplies are as given. */
uint8_t board_loop_a(const board_t *board, uint8_t supply_a, uint8_t supply_b);
uint8_t board_loop_b(const board_t *board, uint8_t supply_a, uint8_t supply_b);

#endif
