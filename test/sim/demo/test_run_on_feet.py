"""Runs of a robot on its feet as a user starts them: real nodes, physics, judged by the oracle."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LIMIT_S = 420.0
"""On a starved machine the replay of a long log alone takes minutes."""
TOLD = {
    "both hands forward": "unchanged",
    "a joint of the legs": "E_UNKNOWN_JOINT",
    "hands into each other": "E_SELF_COLLISION",
    "a hand into the thigh": "E_SELF_COLLISION",
    "both hands too far": "E_BALANCE",
    "e-stop while it leans": "E_ESTOP",
    "a push of 150 N": "E_FALL",
}


def run(*arguments: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "safety_supervisor.cli", *arguments, "--json"],
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    return done, json.loads(done.stdout)


@pytest.mark.long
@pytest.mark.requirement("SR-034")
@pytest.mark.requirement("SR-010")
@pytest.mark.timeout(LIMIT_S + 30)
def test_the_short_demonstration_of_the_g1_is_good(tmp_path: Path) -> None:
    done, summary = run("demo", "--robot", "g1", "--seconds", "40", "--log-directory", str(tmp_path))
    assert [act for act in summary["acts"] if not act["ok"]] == []
    assert done.returncode == 0, done.stderr
    acts = {act["name"]: act for act in summary["acts"]}
    for name, expected in TOLD.items():
        assert expected in acts[name]["expected"], name
    assert summary["good_unchanged"]["set_points"] >= 100
    assert summary["good_unchanged"]["missing"] == 0
    assert summary["replay"]["identical"]
    assert summary["oracle"]["violations"] == []
    assert acts["e-stop while it leans"]["oracle"]["modes"][:2] == ["lower", "damp"]
    fell = [name for name, act in acts.items() if act["oracle"].get("fell") and act["name"] != "e-stop while it leans"]
    assert fell == ["a push of 150 N"], "who is let go lies down; nobody else fell"
