"""A pseudo-terminal as a serial line's far end, with a name that stays the same when it is unplugged and replugged."""

from __future__ import annotations

import errno
import os
import pty
import tty
from contextlib import suppress
from pathlib import Path


class PseudoTerminal:
    """The device's end of a pseudo-terminal.

    Attributes:
        path: device file for the host; changes with every `plug`. Empty while unplugged.
        unsent: bytes that the host did not take in time.
    """

    def __init__(self, link: Path | None = None) -> None:
        """Make one.

        Args:
            link: symbolic link that always names the current device file; an old one is replaced.

        Raises:
            FileExistsError: there is something at `link` that is no symbolic link.
            OSError: the link can not be made.
        """
        self.path = ""
        self.unsent = 0
        self._link = link
        self._file = -1
        self.plug()

    @property
    def name(self) -> str:
        """What the host is to be told: the link, else the device file."""
        return str(self._link) if self._link else self.path

    def fileno(self) -> int:
        """Return the descriptor to wait for, -1 while unplugged."""
        return self._file

    @property
    def asked(self) -> bool:
        """It has a descriptor."""
        return False

    def plug(self) -> None:
        """Make a new pseudo-terminal behind the link; does nothing while one is there."""
        if self._file >= 0:
            return
        if self._link and self._link.exists() and not self._link.is_symlink():
            raise FileExistsError(errno.EEXIST, "there is something that is no symbolic link", str(self._link))
        self._file, other = pty.openpty()
        tty.setraw(other)
        os.set_blocking(self._file, False)
        self.path = os.ttyname(other)
        os.close(other)  # so that we see when the host closes it
        if self._link:
            new = self._link.with_name(f".{self._link.name}.{os.getpid()}")
            try:
                new.unlink(missing_ok=True)
                new.symlink_to(self.path)
                new.replace(self._link)
            except OSError as error:
                os.close(self._file)
                self._file = -1
                raise OSError(error.errno, error.strerror, str(self._link)) from None

    def unplug(self) -> None:
        """Take the pseudo-terminal away: the host's next read fails, and the link is gone."""
        if self._file < 0:
            return
        if self._link and self._link.is_symlink() and os.readlink(self._link) == self.path:
            with suppress(OSError):
                self._link.unlink()
        os.close(self._file)
        self._file, self.path = -1, ""

    def read(self) -> bytes | None:
        """Return what the host sent, empty for nothing, None when nobody has the other end open."""
        if self._file < 0:
            return b""
        try:
            return os.read(self._file, 4096)
        except BlockingIOError:
            return b""
        except OSError:  # EIO: the host has closed it
            return None

    def write(self, data: bytes) -> None:
        """Send; what does not fit is lost, as on a wire."""
        if self._file < 0 or not data:
            return
        try:
            written = os.write(self._file, data)
        except OSError:
            written = 0
        self.unsent += len(data) - written

    def close(self) -> None:
        """Unplug for good."""
        self.unplug()
