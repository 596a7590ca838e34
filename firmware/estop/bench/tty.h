/* Pseudo-terminals, lines of standard input and the steady clock, for the programs that stand in for the hardware. */
#ifndef ESTOP_BENCH_TTY_H
#define ESTOP_BENCH_TTY_H

#include <stddef.h>
#include <stdint.h>

/* Steady clock, ns. */
uint64_t tty_now_ns(void);

/* A raw pseudo-terminal whose other end, named in `name`, stays open; its descriptor, or -1 with errno. */
int tty_create(char *name, size_t size);

/* An existing terminal, raw, 115200 baud 8N1; its descriptor, or -1 with errno. */
int tty_open(const char *name);

typedef struct {
    char text[8192];
    size_t length;
    int ended;
} tty_lines_t;

/* Reads what standard input holds, without waiting. */
void tty_fill(tty_lines_t *lines);

/* Takes one whole line, without its newline, into `line`; 0 when there is none. */
int tty_line(tty_lines_t *lines, char *line, size_t size);

#endif
