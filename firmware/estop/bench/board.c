#include "board.h"

#include <stddef.h>
#include <string.h>

void board_init(board_t *board)
{
    memset(board, 0, sizeof *board);
    board->channel_a_closed = 1U;
    board->channel_b_closed = 1U;
}

static void weld(board_relay_t *relay)
{
    relay->stuck = 1U;
    relay->contact = 1U;
}

static void set_enabling(board_t *board, uint8_t middle, uint8_t panicked)
{
    board->enable_middle_closed = middle;
    board->enable_panicked_closed = panicked;
}

static void set_short(board_t *board, uint8_t a, uint8_t b, uint8_t ab, uint8_t low)
{
    board->short_a = a;
    board->short_b = b;
    board->short_ab = ab;
    board->short_low = low;
}

static int person_command(board_t *board, const char *line)
{
    static const struct {
        const char *line;
        size_t offset;
        uint8_t value;
    } CONTACTS[] = {
        {"channel A run", offsetof(board_t, channel_a_closed), 1U},
        {"channel A stop", offsetof(board_t, channel_a_closed), 0U},
        {"channel B run", offsetof(board_t, channel_b_closed), 1U},
        {"channel B stop", offsetof(board_t, channel_b_closed), 0U},
        {"reset down", offsetof(board_t, reset_closed), 1U},
        {"reset up", offsetof(board_t, reset_closed), 0U},
        {"key auto", offsetof(board_t, key_auto_closed), 1U},
        {"key manual", offsetof(board_t, key_auto_closed), 0U},
    };
    size_t i;

    for (i = 0; i < sizeof CONTACTS / sizeof CONTACTS[0]; i++) {
        if (strcmp(line, CONTACTS[i].line) == 0) {
            ((uint8_t *)board)[CONTACTS[i].offset] = CONTACTS[i].value;
            return 1;
        }
    }
    if (strcmp(line, "press") == 0) {
        board->channel_a_closed = 0U;
        board->channel_b_closed = 0U;
    } else if (strcmp(line, "release") == 0) {
        board->channel_a_closed = 1U;
        board->channel_b_closed = 1U;
    } else if (strcmp(line, "enable released") == 0) {
        set_enabling(board, 0U, 0U);
    } else if (strcmp(line, "enable middle") == 0) {
        set_enabling(board, 1U, 0U);
    } else if (strcmp(line, "enable panicked") == 0) {
        set_enabling(board, 0U, 1U);
    } else if (strcmp(line, "enable both") == 0) {
        set_enabling(board, 1U, 1U);
    } else {
        return 0;
    }
    return 1;
}

static int fault_command(board_t *board, const char *line)
{
    if (strcmp(line, "weld 1") == 0) {
        weld(&board->relay[0]);
    } else if (strcmp(line, "weld 2") == 0) {
        weld(&board->relay[1]);
    } else if ((strcmp(line, "weld none") == 0) || (strcmp(line, "selftest ok") == 0)) {
        board->relay[0].stuck = 0U;
        board->relay[1].stuck = 0U;
        board->relay[0].moves_at = 0U;
        board->relay[1].moves_at = 0U;
    } else if (strcmp(line, "selftest fail") == 0) {
        board->relay[0].stuck = 1U; /* where it is: nobody notices before the next test */
    } else if (strcmp(line, "short A") == 0) {
        set_short(board, 1U, 0U, 0U, 0U);
    } else if (strcmp(line, "short B") == 0) {
        set_short(board, 0U, 1U, 0U, 0U);
    } else if (strcmp(line, "short AB") == 0) {
        set_short(board, 0U, 0U, 1U, 0U);
    } else if (strcmp(line, "short low") == 0) {
        set_short(board, 0U, 0U, 0U, 1U);
    } else if (strcmp(line, "short none") == 0) {
        set_short(board, 0U, 0U, 0U, 0U);
    } else {
        return 0;
    }
    return 1;
}

int board_command(board_t *board, const char *line)
{
    return person_command(board, line) || fault_command(board, line);
}

static void move_relay(board_relay_t *relay, uint8_t coil, uint64_t now_ns)
{
    if (coil != relay->coil) {
        relay->coil = coil;
        relay->moves_at = now_ns + BOARD_RELAY_NS;
    }
    if ((relay->stuck == 0U) && (now_ns >= relay->moves_at)) {
        relay->contact = relay->coil;
    }
}

void board_advance(board_t *board, uint8_t coil_1, uint8_t coil_2, uint64_t now_ns)
{
    move_relay(&board->relay[0], coil_1, now_ns);
    move_relay(&board->relay[1], coil_2, now_ns);
}

uint8_t board_loop_a(const board_t *board, uint8_t supply_a, uint8_t supply_b)
{
    if ((board->short_low != 0U) && (supply_b == 0U) && (board->channel_b_closed != 0U)) {
        return 0U;
    }
    return (uint8_t)((board->short_a != 0U) || ((board->channel_a_closed != 0U) && (supply_a != 0U)));
}

uint8_t board_loop_b(const board_t *board, uint8_t supply_a, uint8_t supply_b)
{
    if (board->short_ab != 0U) {
        return board_loop_a(board, supply_a, supply_b);
    }
    if ((board->short_low != 0U) && (supply_a == 0U) && (board->channel_a_closed != 0U)) {
        return 0U;
    }
    return (uint8_t)((board->short_b != 0U) || ((board->channel_b_closed != 0U) && (supply_b != 0U)));
}
