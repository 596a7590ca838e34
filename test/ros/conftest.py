"""Fixtures: real processes, real Fast DDS, a domain of its own for each module."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
sys.path.insert(0, str(Path(__file__).parent))

from ros_rig import Rig, running_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Processes of one test."""
    with running_rig(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def cell_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A simulated cell and a client that serve all tests of a module; each starts a supervisor of its own."""
    with running_rig(tmp_path_factory.mktemp("cell")) as running:
        running.cell()
        yield running
