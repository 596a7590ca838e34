"""Watches the configuration file and the URDF on disk: a change while running is a fault (SR-041)."""

from __future__ import annotations

import os
import time
from pathlib import Path

from safety_supervisor.config import disk_sha256, urdf_path
from safety_supervisor.core.events import ConfigurationChanged
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.ros.quality import Sink

_Fingerprint = tuple[int, int, int, int]


def _fingerprint(path: Path) -> _Fingerprint | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class FileWatch:
    """Asks the file system once a second, and hashes only where something looks changed."""

    def __init__(self, configuration: Configuration, sink: Sink) -> None:
        """Find the URDF's file.

        Raises:
            ConfigurationError: the configuration can not be read any more.
        """
        self._sink = sink
        self._path = Path(configuration.path)
        self._urdf = urdf_path(configuration.path)
        self._expected = configuration.sha256
        self._seen: tuple[_Fingerprint | None, ...] | None = None  # the first look hashes: they may have changed since
        self._next = 0

    def _look(self) -> tuple[_Fingerprint | None, ...]:
        return _fingerprint(self._path), _fingerprint(self._urdf)

    def slice(self, now: Nanoseconds) -> bool:
        """Look when it is time; return whether anything was done."""
        if now < self._next:
            return False
        self._next = now + NS_PER_S
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            if disk_sha256(self._path, self._urdf) != self._expected:
                detail = f"{self._path} or {self._urdf} is not what was loaded"
                self._sink.enter(ConfigurationChanged(time.monotonic_ns(), detail))
        return True
