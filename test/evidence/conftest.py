"""Feeds that are closed, recorders that do not stay, and a small disk."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode puts no test directory there

from evidence_records import header
from small_disk import small_disk_at
from stages import fresh_stages  # noqa: F401  a fixture

from safety_supervisor.evidence.feed import EventFeed, FeedLimits


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., EventFeed]]:
    feeds: list[EventFeed] = []

    def start(directory: Path | None = None, **limits: int) -> EventFeed:
        feed = EventFeed(directory or tmp_path / "log", header(), FeedLimits(**limits))
        feeds.append(feed)
        return feed

    yield start
    for feed in feeds:
        with contextlib.suppress(ProcessLookupError):
            os.kill(feed.process_id, signal.SIGCONT)
        feed.close(10.0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    with small_disk_at(tmp_path / "disk", "256k") as place:
        yield place
