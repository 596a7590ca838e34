"""A serial line, opened for one program alone and never blocking, and why it can not be opened, with the cure."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
import termios
from contextlib import suppress
from typing import Any, Final

import serial

_URL_POLL_S: Final = 0.005
_OUT_QUEUE: Final = 96
"""More bytes than these, four frames or 8 ms of the line, waiting in the driver: the device or the adapter stands."""
_NO_MODEM_LINES: Final = (errno.ENOTTY, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
_WORD: Final = struct.Struct("I")
_NO_BYTES: Final = _WORD.pack(0)

_CURES: Final[dict[int, str]] = {
    errno.ENOENT: "there is no such port. Is it plugged in? `ls /dev/serial/by-id/` shows the ports",
    errno.EACCES: "permission denied. Add the user to the port's group (mostly `sudo usermod -aG dialout $USER`) and "
    "log in again",
    errno.EAGAIN: "another program has it open, such as a supervisor that runs. End it",
    errno.EBUSY: "another program has it open, such as a supervisor that runs. End it",
    errno.ENOTTY: "it is not a serial port. `ls /dev/serial/by-id/` shows the ports",
    errno.EISDIR: "it is a directory, not a serial port. `ls /dev/serial/by-id/` shows the ports",
    errno.ENXIO: "there is no device behind it. Plug it in",
    errno.ENODEV: "there is no device behind it. Plug it in",
    errno.EIO: "the device is gone. Check plug and cable",
    errno.ELOOP: "its symbolic links go in a circle",
    errno.EMFILE: "this process has too many files open",
}
_CURES[errno.EPERM] = _CURES[errno.EACCES]


class LineError(Exception):
    """The line can not be opened, or has failed; the text names what and the cure.

    Attributes:
        number: errno; 0 when there is none.
    """

    def __init__(self, text: str, number: int = 0) -> None:
        """Keep the text and errno."""
        super().__init__(text)
        self.number = number


def explain(name: str, error: Exception, baud: int) -> LineError:
    """Return the line's error with its cure."""
    number = getattr(error, "errno", None)
    if number is None:
        number = _buried(error)
    if number in _CURES:
        return LineError(f"{name}: {_CURES[number]}", number)
    if isinstance(error, OverflowError) or (isinstance(error, ValueError) and "baud" in str(error).lower()):
        return LineError(f"{name}: it can not do {baud} Bd. Change `estop.baud`, here and in the device")
    text = str(error).partition("\n")[0][:200] or type(error).__name__
    return LineError(f"{name}: {text}", number or 0)


def _buried(error: Exception) -> int | None:
    """Return errno of the error that pyserial put into a text: `Could not configure port: (25, '...')`."""
    cause = error.__context__
    if isinstance(cause, termios.error | OSError) and cause.args and isinstance(cause.args[0], int):
        return cause.args[0]
    return None


class SerialLine:
    """An open line.

    A device file is read by `poll` and without a copy through pyserial, which opens and configures it. Ports that are
    no file (`loop://`) are asked every 5 ms.

    Attributes:
        low_latency: whether the driver took low-latency mode; without it a USB adapter holds bytes for up to 16 ms.
    """

    def __init__(self, name: str, baud: int, wake: int) -> None:
        """Open it for us alone; what waited in its input is thrown away.

        Args:
            name: device file, or a URL of pyserial.
            baud: [Bd]; 8N1, no flow control.
            wake: descriptor that ends `wait`, a pipe's read end.

        Raises:
            LineError: with the cure.
        """
        self.low_latency = False
        self._name, self._baud = name, baud
        self._failed = False
        try:
            if os.path.isdir(name):
                raise IsADirectoryError(errno.EISDIR, "directory")
            is_url = "://" in name
            # A URL's write is given a time; a file's never waits.
            self._serial: Any = serial.serial_for_url(
                name, do_not_open=True, baudrate=baud, timeout=_URL_POLL_S if is_url else 0,
                write_timeout=0.05 if is_url else 0, exclusive=None if is_url else True,
            )  # fmt: skip
            self._serial.open()
        except (OSError, ValueError, OverflowError, termios.error) as error:
            raise explain(name, error, baud) from None
        self._file: int | None = None if is_url else self._serial.fileno()
        self._poll = select.poll()
        self._wake = wake
        if self._file is not None:
            self._poll.register(self._file, select.POLLIN)
            self._poll.register(wake, select.POLLIN)
            self._claim(self._file)

    def _claim(self, file: int) -> None:
        """Ask for low latency, and keep out programs that know no file locks."""
        with suppress(OSError, ValueError, AttributeError, NotImplementedError):
            self._serial.set_low_latency_mode(True)
            self.low_latency = True
        with suppress(OSError):  # pyserial's file lock holds
            fcntl.ioctl(file, termios.TIOCEXCL)

    def fileno(self) -> int:
        """Return the device file's descriptor; -1 for a URL."""
        return -1 if self._file is None else self._file

    def wait(self, timeout_ms: int | None) -> tuple[bool, bool]:
        """Wait for bytes, the wake descriptor or the time.

        Returns:
            Whether there may be bytes; whether the wake descriptor is, or may be, ready.
        """
        if self._file is None:
            return True, True  # `read` waits
        readable = woken = False
        for file, found in self._poll.poll(timeout_ms):
            if file == self._file:
                self._failed = bool(found & ~select.POLLIN)
                readable = True
            else:
                woken = True
        return readable, woken

    def read(self, most: int) -> bytes:
        """Return what is there, at most so many bytes; call it when `wait` says that there is something.

        Raises:
            LineError: the device is gone.
        """
        try:
            if self._file is None:
                first: bytes = self._serial.read(1)
                more = min(self._serial.in_waiting, most - 1) if first else 0
                return first + self._serial.read(more) if more else first
            data = os.read(self._file, most)
        except BlockingIOError:
            if self._failed:  # or poll and we would turn in a circle
                raise LineError(f"{self._name}: {_CURES[errno.EIO]}", errno.EIO) from None
            return b""
        except (OSError, TypeError, termios.error) as error:
            raise explain(self._name, error, self._baud) from None
        if not data:
            raise LineError(f"{self._name}: {_CURES[errno.EIO]}", errno.EIO)
        return data

    def write(self, data: bytes) -> int:
        """Write without waiting; return how many bytes were taken, 0 when the output is full.

        Raises:
            LineError: the device is gone.
        """
        try:
            if self._file is None:
                return int(self._serial.write(data) or 0)
            if _WORD.unpack(fcntl.ioctl(self._file, termios.TIOCOUTQ, _NO_BYTES))[0] > _OUT_QUEUE:
                return 0
            return os.write(self._file, data)
        except (BlockingIOError, serial.SerialTimeoutException):
            return 0
        except (OSError, termios.error) as error:
            raise explain(self._name, error, self._baud) from None

    def contacts(self) -> tuple[bool, bool]:
        """Return DSR and CTS.

        Raises:
            LineError: the port has no modem lines, or is gone.
        """
        try:
            if self._file is None:
                return bool(self._serial.dsr), bool(self._serial.cts)
            lines = _WORD.unpack(fcntl.ioctl(self._file, termios.TIOCMGET, _WORD.pack(0)))[0]
        except OSError as error:
            if error.errno in _NO_MODEM_LINES:
                raise LineError(
                    f"{self._name}: it has no modem lines (DSR, CTS). Take a port that has, or another `estop.driver`",
                    error.errno or 0,
                ) from None
            raise explain(self._name, error, self._baud) from None
        return bool(lines & termios.TIOCM_DSR), bool(lines & termios.TIOCM_CTS)

    def close(self) -> None:
        """Give the port back; never raises, never waits for bytes that nobody reads."""
        with suppress(OSError, termios.error):
            if self._file is not None:
                # The kernel would wait up to 30 s for a device that takes no bytes.
                termios.tcflush(self._file, termios.TCOFLUSH)
                fcntl.ioctl(self._file, termios.TIOCNXCL)
        with suppress(OSError, termios.error):  # pulled out; the descriptor is gone either way
            self._serial.close()
