"""What a recorded run touched, by the meshes of the G1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from safety_supervisor_sim.lab.humanoid import standing_file
from safety_supervisor_sim.lab.stand import load_stand
from safety_supervisor_sim.oracle.history import History
from safety_supervisor_sim.oracle.touch import TouchJudge
from safety_supervisor_sim.oracle.trace import judge_trace

HOME = np.array(standing_file("g1").robot.home)
JOINTS = standing_file("g1").robot.joints
INTO_ITSELF = HOME.copy()
INTO_ITSELF[JOINTS.index("left_shoulder_roll_joint")] = -0.4


@pytest.fixture(scope="module")
def judge() -> Iterator[TouchJudge]:
    made = load_stand("g1").judge()
    yield made
    made.close()


def write(path: Path, stretches: list[tuple[np.ndarray, bool]]) -> Path:
    """A trace of straight ways from home, 200 samples each, that are judged or are not."""
    history, time = History(10_000, len(HOME), 1), 0
    for goal, judged in stretches:
        rows = HOME + np.linspace(0.0, 1.0, 200)[:, None] * (goal - HOME)
        times = time + np.arange(200, dtype=np.int64) * 2_000_000
        history.extend(times, rows, np.zeros_like(rows), np.zeros((200, 1, 3)), judged)
        time = int(times[-1]) + 2_000_000
    history.save(path, JOINTS, ("pelvis",))
    return path


def test_an_arm_that_goes_into_the_body_is_found_at_its_time(judge: TouchJudge, tmp_path: Path) -> None:
    raised = HOME.copy()
    raised[JOINTS.index("left_elbow_joint")] = 0.3
    found = judge_trace(write(tmp_path / "trace.npz", [(raised, True), (INTO_ITSELF, True)]), judge)
    ((at, pair, distance),) = found.touched
    assert found.samples == 400
    assert found.asked < 300, "or the judge looks everywhere, and takes as long as the run"
    assert 200 * 2_000_000 < at < 400 * 2_000_000
    assert "left" in pair
    assert distance <= 1e-4


def test_what_it_did_limp_or_by_hand_is_nobodys_contact(judge: TouchJudge, tmp_path: Path) -> None:
    found = judge_trace(write(tmp_path / "trace.npz", [(HOME, True), (INTO_ITSELF, False), (HOME, True)]), judge)
    assert found.touched == []
    assert found.samples == 400
