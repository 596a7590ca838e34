"""The same events give the same bytes of effects, in this process and in others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from events_run import run


@pytest.mark.requirement("SR-044")
def test_the_same_events_give_the_same_bytes_of_effects_here_and_in_two_other_processes() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("events_run.py"))],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "4242")
    ]
    here, count, kinds, codes = run()
    there = [process.communicate(timeout=100)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    print(f"{count} effects {dict(kinds)}, codes {dict(codes)}")
    assert there == [[here, str(count)]] * 2
    assert run()[0] == here, "a second supervisor in the same process is coloured by the first"
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
        assert codes[code], code
