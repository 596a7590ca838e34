#define _GNU_SOURCE
#include "tty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

uint64_t tty_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int make_raw(int terminal)
{
    struct termios settings;

    if (tcgetattr(terminal, &settings) != 0) {
        return -1;
    }
    cfmakeraw(&settings);
    cfsetispeed(&settings, B115200);
    cfsetospeed(&settings, B115200);
    settings.c_cflag |= CLOCAL | CREAD;
    return tcsetattr(terminal, TCSANOW, &settings);
}

int tty_create(char *name, size_t size)
{
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    int other;

    if ((terminal < 0) || (grantpt(terminal) != 0) || (unlockpt(terminal) != 0) ||
        (ptsname_r(terminal, name, size) != 0)) {
        return -1;
    }
    /* Held open: otherwise the line ends with an error each time that a host closes it. */
    other = open(name, O_RDWR | O_NOCTTY);
    if ((other < 0) || (make_raw(other) != 0)) {
        return -1;
    }
    return terminal;
}

int tty_open(const char *name)
{
    int terminal = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);

    return ((terminal < 0) || (make_raw(terminal) != 0)) ? -1 : terminal;
}

void tty_fill(tty_lines_t *lines)
{
    ssize_t got = read(STDIN_FILENO, &lines->text[lines->length], sizeof lines->text - lines->length);

    if (got > 0) {
        lines->length += (size_t)got;
    } else if ((got == 0) || ((errno != EAGAIN) && (errno != EINTR))) {
        lines->ended = 1;
    }
}

int tty_line(tty_lines_t *lines, char *line, size_t size)
{
    const char *end = memchr(lines->text, '\n', lines->length);
    size_t length;

    if (end == NULL) {
        if (lines->length == sizeof lines->text) {
            lines->length = 0; /* no command is that long */
        }
        return 0;
    }
    length = (size_t)(end - lines->text);
    if (length < size) {
        memcpy(line, lines->text, length);
        line[length] = '\0';
    } else {
        line[0] = '\0';
    }
    lines->length -= length + 1;
    memmove(lines->text, end + 1, lines->length);
    return 1;
}
