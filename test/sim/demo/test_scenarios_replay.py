"""The log of a run of every scenario comes out again in other processes, from the middle, and by another Python.

    OTHER_PYTHON=/path/to/python3.13 python -m pytest test/sim/demo/test_scenarios_replay.py

`OTHER_PYTHON` is a program that runs Python with the packages of its lock file (requirements/py313.txt), such as the
`.venv/bin/python` of a clone that was set up with `PYTHON=python3.13 scripts/setup.sh`. Promised there is verdict for
verdict; what comes out with the libraries of today is each effect, bit for bit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from safety_supervisor.evidence.event_log import EventLog
from safety_supervisor_sim.scenario import load_scenario

ROOT = Path(__file__).resolve().parents[3]
SCENARIOS = sorted((ROOT / "sim" / "scenarios").glob("*.yaml"))
OTHER = os.environ.get("OTHER_PYTHON", "")
LOG = "from safety_supervisor.evidence.cli import app; app()"


def log(python: str, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run a command of `log` in a process where sets and dictionaries are ordered by another seed."""
    search = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    done = subprocess.run(
        [python, "-c", LOG, *arguments],
        env={**os.environ, "PYTHONHASHSEED": "4242", "PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout.startswith("{") else {}, done.stderr


def engines() -> list[Any]:
    """Each scenario by the core engine, and by real nodes what they can play."""
    return [
        pytest.param((path, engine), id=f"{path.stem}-{engine}")
        for path in SCENARIOS
        for engine in ("core", "ros")
        if load_scenario(path).for_engine(engine)[0].acts
    ]


@pytest.fixture(scope="module", params=engines())
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A segment of the event log of a run; whether the run was good is judged elsewhere."""
    place = tmp_path_factory.mktemp("run")
    path, engine = request.param
    command = [sys.executable, "-m", "safety_supervisor.cli", "sim", "run", str(path), "--json", "--engine", engine]
    done = subprocess.run(
        [*command, "--log-directory", str(place)], capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    found = next(place.rglob("*.events.mcap"))
    assert sum(1 for _ in EventLog(found)) > 500
    return found


@pytest.mark.long
@pytest.mark.requirement("SR-044")
def test_every_effect_comes_out_again_in_another_process_and_from_the_middle(recording: Path) -> None:
    status, whole, said = log(sys.executable, "replay", str(recording), "--json")
    assert (status, whole["same"], whole["divergence"]) == (0, True, None), said
    status, _, said = log(sys.executable, "snapshot", str(recording), "--every", "2")
    assert status == 0, said
    for share in (0.3, 0.6, 0.95):
        event = f"event:{int(share * whole['events'])}"
        status, part, said = log(sys.executable, "replay", str(recording), "--json", "--from", event)
        assert (status, part["same"]) == (0, True), said
        assert part["first_event"] > 0, said
        for name in ("events", "set_points", "verdicts", "final_state", "tail", "tail_offset"):
            assert part[name] == whole[name], name


@pytest.mark.long
@pytest.mark.requirement("SR-044")
@pytest.mark.skipif(not OTHER, reason="OTHER_PYTHON names no other Python")
def test_verdict_for_verdict_on_another_python(recording: Path) -> None:
    _, here, _ = log(sys.executable, "replay", str(recording), "--json", "--show-decisions")
    _, there, said = log(OTHER, "replay", str(recording), "--json", "--show-decisions")
    assert "python" in there["different_software"], said
    assert there["rows"] == here["rows"]
    assert (there["verdicts"], there["final_state"]) == (here["verdicts"], here["final_state"])
    assert there["divergence"] is None, "more than is promised"
