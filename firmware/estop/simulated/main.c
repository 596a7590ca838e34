/*
 * Runs the image that is flashed, instruction by instruction, on a simulated ATmega328P with the board of board.h
 * around it. A test tool: it links libsimavr (GPL 3), is built where it is used, and is not shipped.
 *
 * usage: estop-simulated IMAGE.elf [--tty]
 *
 * Without --tty, simulated time stands still between commands of standard input, so that every run is the same:
 * the commands of board.h, and
 *   run US     simulate that many microseconds
 *   send HEX   put bytes on the line to the device, at its speed
 *   hang       replace the next instruction by a jump to itself, until a reset
 *   restart    reset pin
 *   stack      the lowest stack pointer so far, and the first address behind the variables
 *   quit
 * Standard output: one JSON object a line, `us` since the start: `tx` a byte as its transmission begins, `coils`,
 * `contacts`, `supply` of a loop, `reset`; and `done` after each command.
 *
 * With --tty the UART is a pseudo-terminal, named in the first line, and simulated time follows the steady clock.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <simavr/avr_ioport.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>

#include "board.h"
#include "tty.h"

#define CYCLES_PER_US 16U
#define CYCLES_PER_BYTE 1389U /* 10 bits at 115200 baud */
#define DDR_B 0x24
#define PORT_B 0x25
#define DDR_C 0x27
#define PORT_C 0x28
#define JUMP_TO_ITSELF 0xCFFFU

static avr_t *avr;
static board_t board;
static int terminal = -1; /* the pseudo-terminal of --tty */
static avr_irq_t *line_in;
static uint8_t queue[65536];
static size_t queue_head;
static size_t queue_tail;
static avr_cycle_count_t line_free_at;
static avr_flashaddr_t hung_at;
static uint16_t hung_instruction;
static int hung;
static uint8_t seen_coils;
static uint8_t seen_contacts;
static uint8_t seen_supply;
static uint32_t variables_end;
static uint16_t lowest_stack = 0xFFFFU;
static uint64_t offset_us; /* a reset sets the simulator's cycle counter back */

static uint64_t now_us(void)
{
    return offset_us + avr->cycle / CYCLES_PER_US;
}

static void sent(struct avr_irq_t *irq, uint32_t value, void *param)
{
    uint8_t byte = (uint8_t)value;

    (void)irq;
    (void)param;
    if (terminal >= 0) {
        if ((write(terminal, &byte, 1) < 0) && (errno != EAGAIN)) {
            perror("terminal");
            exit(1);
        }
    } else {
        printf("{\"us\": %llu, \"tx\": %u}\n", (unsigned long long)now_us(), byte);
    }
}

static avr_irq_t *pin(char port, int number)
{
    return avr_io_getirq(avr, (uint32_t)AVR_IOCTL_IOPORT_GETIRQ(port), number);
}

/* A pin that floats, as all do after a reset, is pulled down: relay off, loop without supply. */
static uint8_t driven_high(uint16_t ddr, uint16_t port)
{
    return (uint8_t)(avr->data[ddr] & avr->data[port]);
}

/* Carries pins to the board and back: always after a command or reset, else when a pin or a contact has moved. */
static void settle_board(int always)
{
    static uint8_t seen_b;
    static uint8_t seen_c;
    static uint64_t look_at_us; /* contacts move later than coils */
    uint8_t b = driven_high(DDR_B, PORT_B);
    uint8_t c = driven_high(DDR_C, PORT_C);
    uint8_t coils = (uint8_t)(b & 3U);
    uint8_t supply_a = (uint8_t)(c & 1U);
    uint8_t supply_b = (uint8_t)((c >> 1) & 1U);
    uint8_t contacts;

    if (!always && (b == seen_b) && (c == seen_c) && (now_us() < look_at_us)) {
        return;
    }
    look_at_us = now_us() + 100U;
    board_advance(&board, (uint8_t)(coils & 1U), (uint8_t)(coils >> 1), now_us() * 1000U);
    seen_b = b;
    seen_c = c;
    avr_raise_irq(pin('D', 2), board.relay[0].contact);
    avr_raise_irq(pin('D', 3), board.relay[1].contact);
    avr_raise_irq(pin('D', 4), board_loop_a(&board, supply_a, supply_b));
    avr_raise_irq(pin('D', 5), board_loop_b(&board, supply_a, supply_b));
    avr_raise_irq(pin('D', 6), (uint32_t)(board.reset_closed == 0U));
    avr_raise_irq(pin('D', 7), (uint32_t)(board.key_auto_closed == 0U));
    avr_raise_irq(pin('B', 2), (uint32_t)(board.enable_middle_closed == 0U));
    avr_raise_irq(pin('B', 3), (uint32_t)(board.enable_panicked_closed == 0U));
    contacts = (uint8_t)(board.relay[0].contact & board.relay[1].contact);
    if (coils != seen_coils) {
        printf("{\"us\": %llu, \"coils\": %u}\n", (unsigned long long)now_us(), coils);
        seen_coils = coils;
    }
    if (contacts != seen_contacts) {
        printf("{\"us\": %llu, \"contacts\": %u}\n", (unsigned long long)now_us(), contacts);
        seen_contacts = contacts;
    }
    if ((terminal < 0) && ((c & 3U) != seen_supply)) {
        seen_supply = (uint8_t)(c & 3U);
        printf("{\"us\": %llu, \"supply\": %u}\n", (unsigned long long)now_us(), seen_supply);
    }
}

static void feed_line(void)
{
    if ((queue_tail != queue_head) && (avr->cycle >= line_free_at)) {
        avr_raise_irq(line_in, queue[queue_tail]);
        queue_tail = (queue_tail + 1U) % sizeof queue;
        line_free_at = avr->cycle + CYCLES_PER_BYTE;
    }
}

static void enqueue(uint8_t byte)
{
    queue[queue_head] = byte;
    queue_head = (queue_head + 1U) % sizeof queue;
}

static void put_instruction(avr_flashaddr_t address, uint16_t instruction)
{
    avr->flash[address] = (uint8_t)(instruction & 0xFFU);
    avr->flash[address + 1U] = (uint8_t)(instruction >> 8);
}

/* The simulated part has been reset: by its watchdog, or by us. */
static void after_reset(void)
{
    if (hung) {
        put_instruction(hung_at, hung_instruction);
        hung = 0;
    }
    line_free_at = 0U;
    settle_board(1);
    printf("{\"us\": %llu, \"reset\": true}\n", (unsigned long long)now_us());
}

/* The start-up code sets the pointer to the end of the memory; before, it is zero. */
static void watch_stack(void)
{
    uint16_t pointer = (uint16_t)(avr->data[0x5D] | (avr->data[0x5E] << 8));

    if ((pointer >= 0x100U) && (pointer < lowest_stack)) {
        lowest_stack = pointer;
    }
}

static void simulate(uint64_t us)
{
    uint64_t end_us = now_us() + us;

    while (now_us() < end_us) {
        avr_cycle_count_t before = avr->cycle;
        int state = avr_run(avr);

        if ((state == cpu_Done) || (state == cpu_Crashed)) {
            fprintf(stderr, "estop-simulated: the simulated part has crashed\n");
            exit(1);
        }
        if (avr->cycle < before) {
            offset_us += before / CYCLES_PER_US;
            after_reset();
        } else if ((avr->pc == 0U) && (before > 0U)) {
            after_reset();
        }
        watch_stack();
        settle_board(0);
        feed_line();
    }
}

/* 0 when the program is to end. */
static int command(const char *line)
{
    unsigned long long us = 0U;
    unsigned value = 0U;
    const char *hex;

    if (strcmp(line, "quit") == 0) {
        return 0;
    }
    if (sscanf(line, "run %llu", &us) == 1) {
        simulate(us);
    } else if (strncmp(line, "send ", 5) == 0) {
        for (hex = line + 5; sscanf(hex, "%2x", &value) == 1; hex += 2) {
            enqueue((uint8_t)value);
        }
    } else if (strcmp(line, "hang") == 0) {
        hung = 1;
        hung_at = avr->pc;
        hung_instruction = (uint16_t)(avr->flash[hung_at] | (avr->flash[hung_at + 1U] << 8));
        put_instruction(hung_at, JUMP_TO_ITSELF);
    } else if (strcmp(line, "stack") == 0) {
        printf("{\"us\": %llu, \"stack_bytes\": %d, \"free_bytes\": %d}\n", (unsigned long long)now_us(),
               avr->ramend - lowest_stack, (int)lowest_stack - (int)variables_end);
    } else if (strcmp(line, "restart") == 0) {
        uint64_t until_now = now_us();

        avr_reset(avr);
        offset_us = until_now - avr->cycle / CYCLES_PER_US;
        after_reset();
    } else if (board_command(&board, line) == 0) {
        fprintf(stderr, "estop-simulated: unknown command %s\n", line);
        exit(2);
    }
    settle_board(1);
    printf("{\"us\": %llu, \"done\": true}\n", (unsigned long long)now_us());
    fflush(stdout);
    return 1;
}

static void run_commands(void)
{
    static char line[200000];
    int running = 1;

    while (running && (fgets(line, sizeof line, stdin) != NULL)) {
        line[strcspn(line, "\n")] = '\0';
        running = command(line);
    }
}

/* Simulated time follows the steady clock; what a slow machine could not simulate in time is left out, and said. */
static void run_in_real_time(void)
{
    static tty_lines_t lines;
    char line[128];
    char name[128];
    int running = 1;
    uint64_t base_us;

    terminal = tty_create(name, sizeof name);
    if (terminal < 0) {
        perror("estop-simulated: pseudo-terminal");
        exit(1);
    }
    fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
    printf("{\"event\": \"ready\", \"tty\": \"%s\"}\n", name);
    fflush(stdout);
    base_us = tty_now_ns() / 1000U - now_us();
    while (running) {
        struct pollfd ready[2] = {{terminal, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        uint64_t behind_us;
        uint8_t bytes[64];
        ssize_t got;
        ssize_t i;

        poll(ready, 2U, 1);
        if ((ready[1].revents & (POLLIN | POLLHUP)) != 0) {
            tty_fill(&lines);
            running = (lines.ended == 0);
        }
        while (running && tty_line(&lines, line, sizeof line)) {
            running = command(line);
        }
        got = read(terminal, bytes, sizeof bytes);
        for (i = 0; i < got; i++) {
            enqueue(bytes[i]);
        }
        behind_us = tty_now_ns() / 1000U - base_us - now_us();
        if (behind_us > 20000U) {
            printf("{\"us\": %llu, \"left_out_us\": %llu}\n", (unsigned long long)now_us(),
                   (unsigned long long)(behind_us - 20000U));
            base_us += behind_us - 20000U;
            behind_us = 20000U;
        }
        simulate(behind_us);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    elf_firmware_t image;
    uint32_t flags = 0U;

    memset(&image, 0, sizeof image);
    if ((argc < 2) || (argc > 3) || ((argc == 3) && (strcmp(argv[2], "--tty") != 0))) {
        fprintf(stderr, "usage: estop-simulated IMAGE.elf [--tty]\n");
        return 2;
    }
    if (elf_read_firmware(argv[1], &image) != 0) {
        fprintf(stderr, "estop-simulated: %s is no image\n", argv[1]);
        return 1;
    }
    avr = avr_make_mcu_by_name("atmega328p");
    if (avr == NULL) {
        fprintf(stderr, "estop-simulated: this simavr knows no atmega328p\n");
        return 1;
    }
    avr_init(avr);
    avr->log = LOG_ERROR;
    avr->frequency = 16000000U;
    avr->vcc = 5000U;
    avr->avcc = 5000U;
    avr->aref = 5000U;
    avr_load_firmware(avr, &image);
    avr_ioctl(avr, (uint32_t)AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    line_in = avr_io_getirq(avr, (uint32_t)AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
    avr_irq_register_notify(avr_io_getirq(avr, (uint32_t)AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), sent, NULL);
    variables_end = 0x100U + image.datasize + image.bsssize;
    board_init(&board);
    settle_board(1);
    if (argc == 3) {
        run_in_real_time();
    } else {
        run_commands();
    }
    avr_terminate(avr);
    return 0;
}
