"""A recorded boot in which a stream drives the hand toward the table until it is stopped."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode puts no test directory there

from recorded_boot import RecordedBoot, record, write_humanoid
from stages import _shared_stages  # noqa: F401  a fixture


@pytest.fixture(scope="session")
def boot(tmp_path_factory: pytest.TempPathFactory) -> RecordedBoot:
    return record(tmp_path_factory.mktemp("explain"))


@pytest.fixture(scope="session")
def humanoid(tmp_path_factory: pytest.TempPathFactory) -> RecordedBoot:
    directory = tmp_path_factory.mktemp("humanoid")
    return record(directory, write_humanoid(directory))
