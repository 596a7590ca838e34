"""Fixtures: real processes beside the panel, as for the tests of the node."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

for room in ("core", "ros"):
    sys.path.insert(0, str(Path(__file__).parents[1] / room))
sys.path.insert(0, str(Path(__file__).parent))

from ros_rig import Rig, running_rig  # noqa: E402


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One cell for all tests of a module."""
    with running_rig(tmp_path_factory.mktemp("panel")) as running:
        yield running
