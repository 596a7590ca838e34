/*
 * The device's own logic on a pseudo-terminal, or on a terminal named on the command line, in real time.
 *
 * Standard input: the commands of board.h, and `restart`, `mute`, `unmute`, `drop N`, `corrupt N`, `patch OFFSET VALUE N`
 * (write VALUE at OFFSET of the next N frames and make their CRC right again), `report`, `quit`.
 * Standard output: one JSON object a line, each with `t`, the steady clock in ns.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "board.h"
#include "crc32.h"
#include "estop_core.h"
#include "tty.h"

typedef struct {
    int terminal;
    int muted;
    long drop;
    long corrupt;
    long patch;
    uint8_t patch_offset;
    uint8_t patch_value;
    uint64_t started_ns;
    uint8_t pulse;
    uint8_t coil_1;
    uint8_t coil_2;
    board_t board;
    estop_report_t seen;
    uint8_t seen_contacts;
} program_t;

static const struct {
    uint8_t bit;
    const char *name;
} CAUSES[] = {
    {CAUSE_BUTTON, "button"},           {CAUSE_SILENT, "silent"},     {CAUSE_DEMAND, "demand"},
    {CAUSE_SELFTEST, "selftest"},       {CAUSE_DISCREPANCY, "discrepancy"}, {CAUSE_ENABLING, "enabling"},
    {CAUSE_SESSION, "session"},
};

static void print_causes(uint8_t causes)
{
    size_t i;
    const char *comma = "";

    fputs("[", stdout);
    for (i = 0; i < sizeof CAUSES / sizeof CAUSES[0]; i++) {
        if ((causes & CAUSES[i].bit) != 0U) {
            printf("%s\"%s\"", comma, CAUSES[i].name);
            comma = ", ";
        }
    }
    fputs("]", stdout);
}

static const char *relays_name(uint8_t relays)
{
    return (relays == RELAYS_CLOSED) ? "closed" : (relays == RELAYS_OPENING) ? "opening" : "open";
}

static void print_report(const estop_report_t *now, uint64_t now_ns)
{
    printf("{\"t\": %llu, \"event\": \"report\", \"relays\": \"%s\", \"causes\": ", (unsigned long long)now_ns,
           relays_name(now->relays));
    print_causes(now->causes);
    printf(", \"faults\": %u, \"session\": %u, \"armed\": %u, \"corrupted\": %u, \"malformed\": %u, \"other_peer\": %u, "
           "\"loopback\": %u, \"no_session\": %u, \"not_newer\": %u, \"stale\": %u, \"lost\": %u, \"bad_demand\": %u}\n",
           now->faults, now->session, now->armed, now->counts.corrupted, now->counts.malformed, now->counts.other_peer,
           now->counts.loopback, now->counts.no_session, now->counts.not_newer, now->counts.stale, now->counts.lost,
           now->counts.bad_demand);
}

/* `decided`: the logic's state; `contacts`: whether current can flow, which follows the coils by BOARD_RELAY_NS. */
static void print_changes(program_t *program, uint64_t now_ns)
{
    estop_report_t now;
    uint8_t contacts = (uint8_t)(program->board.relay[0].contact & program->board.relay[1].contact);

    estop_report(&now);
    if (now.relays != program->seen.relays) {
        printf("{\"t\": %llu, \"event\": \"relays\", \"state\": \"%s\", \"opened_by\": ", (unsigned long long)now_ns,
               relays_name(now.relays));
        print_causes(now.opened_by);
        puts("}");
    }
    if (contacts != program->seen_contacts) {
        printf("{\"t\": %llu, \"event\": \"contacts\", \"closed\": %s}\n", (unsigned long long)now_ns,
               (contacts == 1U) ? "true" : "false");
    }
    if ((now.session != program->seen.session) || (now.armed != program->seen.armed)) {
        printf("{\"t\": %llu, \"event\": \"link\", \"session\": %u, \"armed\": %u}\n", (unsigned long long)now_ns,
               now.session, now.armed);
    }
    if ((now.faults != program->seen.faults) || (now.selftest_step != program->seen.selftest_step)) {
        printf("{\"t\": %llu, \"event\": \"selftest\", \"step\": %u, \"faults\": %u}\n", (unsigned long long)now_ns,
               now.selftest_step, now.faults);
    }
    if (now.reset_too_long != program->seen.reset_too_long) {
        printf("{\"t\": %llu, \"event\": \"reset_button\", \"stuck\": %s}\n", (unsigned long long)now_ns,
               (now.reset_too_long == 1U) ? "true" : "false");
    }
    program->seen = now;
    program->seen_contacts = contacts;
}

static uint32_t start_number(void)
{
    uint32_t number = 0U;

    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) {
        perror("getrandom");
        exit(1);
    }
    return number;
}

/* A microcontroller that starts again: coils off, logic fresh, its clock at zero; contacts and people stay. */
static void restart(program_t *program, uint64_t now_ns)
{
    estop_init(&ESTOP_CONFIG, start_number());
    program->started_ns = now_ns;
    program->pulse = LOOP_PULSE_NONE;
    program->coil_1 = 0U;
    program->coil_2 = 0U;
    board_advance(&program->board, 0U, 0U, now_ns);
    printf("{\"t\": %llu, \"event\": \"started\", \"signature\": %lu}\n", (unsigned long long)now_ns,
           (unsigned long)ESTOP_CONFIG.signature);
}

static void tick(program_t *program, uint32_t now_ms, uint64_t now_ns)
{
    estop_inputs_t sample;
    estop_outputs_t outputs;
    board_t *board = &program->board;
    uint8_t supply_a = (uint8_t)(program->pulse != LOOP_PULSE_A);
    uint8_t supply_b = (uint8_t)(program->pulse != LOOP_PULSE_B);

    board_advance(board, program->coil_1, program->coil_2, now_ns);
    sample.channel_a_closed = board_loop_a(board, 1U, 1U);
    sample.channel_b_closed = board_loop_b(board, 1U, 1U);
    sample.reset_closed = board->reset_closed;
    sample.key_auto_closed = board->key_auto_closed;
    sample.enable_middle_closed = board->enable_middle_closed;
    sample.enable_panicked_closed = board->enable_panicked_closed;
    sample.relay_1_on = board->relay[0].contact;
    sample.relay_2_on = board->relay[1].contact;
    sample.pulse_done = program->pulse;
    sample.pulse_a_low = (uint8_t)(board_loop_a(board, supply_a, supply_b) == 0U);
    sample.pulse_b_low = (uint8_t)(board_loop_b(board, supply_a, supply_b) == 0U);
    estop_tick(&sample, now_ms, &outputs);
    program->coil_1 = outputs.relay_1;
    program->coil_2 = outputs.relay_2;
    program->pulse = outputs.test_pulse;
    board_advance(board, program->coil_1, program->coil_2, now_ns);
}

/* Another value in a frame that is otherwise right: a device that has a fault of its own. */
static void patch(uint8_t frame[FRAME_LENGTH], uint8_t offset, uint8_t value)
{
    uint8_t tail[4];
    uint32_t crc;
    uint8_t i;

    frame[offset] = value;
    for (i = 0U; i < 4U; i++) {
        tail[i] = (uint8_t)((ESTOP_CONFIG.signature >> (8U * i)) & 0xFFU);
    }
    crc = crc32_finish(crc32_update(crc32_update(CRC32_INITIAL, frame, 20U), tail, 4U));
    for (i = 0U; i < 4U; i++) {
        frame[20U + i] = (uint8_t)((crc >> (8U * i)) & 0xFFU);
    }
}

static void transmit(program_t *program)
{
    uint8_t frame[FRAME_LENGTH];

    if (estop_transmit(frame) == 0U) {
        return;
    }
    if (program->patch > 0) {
        program->patch--;
        patch(frame, program->patch_offset, program->patch_value);
    }
    if (program->corrupt > 0) {
        program->corrupt--;
        frame[9] ^= 0x10U;
    }
    if (program->drop > 0) {
        program->drop--;
    } else if (program->muted == 0) {
        /* As on a wire: what nobody reads is lost. A reader that left room for half a frame gets half a frame. */
        if ((write(program->terminal, frame, sizeof frame) < 0) && (errno != EAGAIN)) {
            perror("estop-pty: terminal");
            exit(1);
        }
    } else {
        /* muted */
    }
}

/* 0 when the program is to end. */
static int command(program_t *program, const char *line, uint64_t now_ns)
{
    unsigned offset = 0U;
    unsigned value = 0U;
    long number = 0;
    char rest = '\0';

    if (strcmp(line, "quit") == 0) {
        return 0;
    }
    if (strcmp(line, "restart") == 0) {
        restart(program, now_ns);
    } else if (strcmp(line, "mute") == 0) {
        program->muted = 1;
    } else if (strcmp(line, "unmute") == 0) {
        program->muted = 0;
    } else if (strcmp(line, "report") == 0) {
        estop_report_t now;

        estop_report(&now);
        print_report(&now, now_ns);
    } else if (sscanf(line, "drop %ld%c", &number, &rest) == 1) {
        program->drop = number;
    } else if (sscanf(line, "corrupt %ld%c", &number, &rest) == 1) {
        program->corrupt = number;
    } else if ((sscanf(line, "patch %u %u %ld%c", &offset, &value, &number, &rest) == 3) && (offset < 20U) &&
               (value < 256U)) {
        program->patch_offset = (uint8_t)offset;
        program->patch_value = (uint8_t)value;
        program->patch = number;
    } else if (board_command(&program->board, line) == 0) {
        fprintf(stderr, "estop-pty: unknown command; known: " BOARD_COMMANDS
                        ", restart, mute, unmute, drop N, corrupt N, patch OFFSET VALUE N, report, quit\n");
        return 1;
    }
    printf("{\"t\": %llu, \"event\": \"done\", \"command\": \"", (unsigned long long)now_ns);
    fputs(line, stdout); /* a known command: letters, digits, spaces */
    puts("\"}");
    return 1;
}

static void receive(program_t *program, uint32_t now_ms)
{
    uint8_t bytes[256];
    ssize_t got = read(program->terminal, bytes, sizeof bytes);
    ssize_t i;

    if ((got < 0) && (errno != EAGAIN) && (errno != EINTR)) {
        perror("estop-pty: terminal");
        exit(1);
    }
    for (i = 0; i < got; i++) {
        estop_receive(bytes[i], now_ms);
    }
}

static void run(program_t *program, uint64_t now_ns)
{
    static tty_lines_t lines;
    char line[128];
    int running = 1;
    uint32_t ticked_ms = 0xFFFFFFFFU;

    while (running) {
        struct pollfd ready[2] = {{program->terminal, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        struct timespec patience = {0, 0};
        uint32_t now_ms;

        patience.tv_nsec = (long)(1000000U - (tty_now_ns() - program->started_ns) % 1000000U);
        ppoll(ready, 2U, &patience, NULL);
        now_ns = tty_now_ns();
        if ((ready[1].revents & (POLLIN | POLLHUP)) != 0) {
            tty_fill(&lines);
            running = (lines.ended == 0);
        }
        while (running && tty_line(&lines, line, sizeof line)) {
            running = command(program, line, now_ns);
        }
        now_ms = (uint32_t)((now_ns - program->started_ns) / 1000000U);
        receive(program, now_ms);
        if (now_ms != ticked_ms) {
            ticked_ms = now_ms;
            tick(program, now_ms, now_ns);
            print_changes(program, now_ns);
        }
        transmit(program);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    static program_t program;
    char name[128] = "";
    uint64_t now_ns = tty_now_ns();

    if (argc > 2) {
        fprintf(stderr, "usage: estop-pty [TTY]\n");
        return 2;
    }
    if (argc == 2) {
        snprintf(name, sizeof name, "%s", argv[1]);
        program.terminal = tty_open(name);
    } else {
        program.terminal = tty_create(name, sizeof name);
    }
    if (program.terminal < 0) {
        perror((argc == 2) ? argv[1] : "estop-pty: pseudo-terminal");
        return 1;
    }
    fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
    board_init(&program.board);
    restart(&program, now_ns);
    estop_report(&program.seen);
    printf("{\"t\": %llu, \"event\": \"ready\", \"tty\": \"%s\"}\n", (unsigned long long)now_ns, name);
    fflush(stdout);
    run(&program, now_ns);
    return 0;
}
