"""What the tests of this folder share: the rig of the line (also for other folders), and the emulated device."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from emulator_process import EmulatorProcess


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    """The emulated device, a process for all tests of a file."""
    with EmulatorProcess(tmp_path_factory.mktemp("line") / "estop", "--seed", "7") as emulator:
        yield emulator


@pytest.fixture
def emulator(device: EmulatorProcess) -> EmulatorProcess:
    """As if just powered on: every test has its own session."""
    device.order("good")
    device.order("restart")
    device.told.clear()
    return device
