"""Recorded boots of other tests, exported here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# importlib mode puts no test directory there
sys.path[:0] = [str(Path(__file__).parents[1] / room) for room in ("explain", "evidence")]

from recorded_boot import RecordedBoot, record  # noqa: E402


@pytest.fixture(scope="session")
def boot(tmp_path_factory: pytest.TempPathFactory) -> RecordedBoot:
    """A stream drives the hand toward the table until it is stopped."""
    return record(tmp_path_factory.mktemp("export"))
