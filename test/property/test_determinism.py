"""The same events give the same bytes of effects, in this process and in others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from events_run import run
from machines import ROBOTS


@pytest.mark.requirement("SR-044")
def test_the_same_events_give_the_same_bytes_of_effects_in_two_processes() -> None:
    # Sets and dictionaries are ordered by another seed there.
    other = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("events_run.py"))],
        env={**os.environ, "PYTHONHASHSEED": "4242"},
        stdout=subprocess.PIPE,
        text=True,
    )
    here = []
    for robot in ROBOTS:
        digest, count, kinds, codes = run(robot)
        here += [digest, str(count)]
        print(f"{robot}: {count} effects {dict(kinds)}, codes {dict(codes)}")
        # The script is worth comparing: trajectories, zones, refusals, stops.
        assert kinds["Actuate"] > 2000
        for code in (
            "E_WORKSPACE",
            "E_NOT_FINITE",
            "E_TIME_ORDER",
            "E_CANCELLED",
            "E_ESTOP",
            "E_TRACKING",
            "E_ENDED",
            "E_OVERRUN",
        ):
            assert codes[code], (robot, code)
    there = other.communicate(timeout=400)[0].split()
    assert other.returncode == 0
    assert there == here
