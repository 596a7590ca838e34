"""What a library answers that is not finite is no distance and no speed: a FAULT, whoever asked (SR-036)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from crowd import Perception, standing, watched
from machines import Machine
from rig import MS, Rig, panda
from test_limiting import Agent, limited, ramp
from two_tools import write_two_tools

from safety_supervisor.config import load_config
from safety_supervisor.core.act_events import ToolChange
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.settings import LimitingSettings
from safety_supervisor.core.verifier import Verifier

VALUES = [np.nan, np.inf, -np.inf]
pytestmark = [pytest.mark.requirement("SR-036"), pytest.mark.redteam(1)]


def nowhere(value: float) -> Callable[..., Any]:
    return lambda self, q, numbers: np.full((len(numbers), 12), value)


def faulty(rig: Rig) -> None:
    rig.until("FAULT")
    assert rig.status.cause == "E_NOT_FINITE_RESULT"
    assert np.isfinite(rig.outputs).all()


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("on", [True, False], ids=["limited", "refused"])
def test_kinematics_of_a_streamed_step(on: bool, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    envelope = replace(panda().envelope, frame_speed=0.5)
    rig = Rig(limited(envelope=envelope, **({} if on else {"limiting": None}))).auto()
    agent = Agent(rig, ramp(-0.55)).run(0.2)
    assert rig.state == "AUTO/MOVING"
    monkeypatch.setattr(RobotModel, "placements", nowhere(value))
    agent.run(0.4)
    faulty(rig)


@pytest.mark.parametrize("value", VALUES)
def test_kinematics_of_a_trajectory(machine: Machine, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = machine.rig(envelope=replace(machine.configuration.envelope, frame_speed=0.5)).auto()
    # So fast that the bound of joint speeds alone does not prove it slow enough.
    by = {"panda": 0.4, "g1": 1.0}[machine.configuration.robot.id]
    goal = machine.home - machine.unit(machine.free, by)
    monkeypatch.setattr(RobotModel, "placements", nowhere(value))
    rig.trajectory([1.2], goal[None, :], rig.rest, rig.rest)
    rig.seconds(0.2)
    faulty(rig)


def test_kinematics_in_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the speed rises: where it does not, the step that was asked last proves the next ones."""
    rig = Rig(replace(watched(), limiting=LimitingSettings(("planner",), 500 * MS)))
    Perception(rig, standing((1.2, 0.0, 0.5))).auto()
    agent = Agent(rig, ramp(0.6)).run(0.1)
    assert rig.state == "AUTO/REDUCED", rig.status
    monkeypatch.setattr(RobotModel, "placements", nowhere(np.nan))
    agent.run(0.5)
    faulty(rig)


@pytest.mark.parametrize("on", ["tried", "sent"])
def test_a_distance_of_a_slower_step(on: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that are tried to be sent; what is only a guess is judged by the step that follows it."""
    rig = Rig(limited()).auto()
    agent = Agent(rig, ramp(1.0))
    while not rig.decisions("LIMIT"):
        agent.run(0.004)
    original, main, asked = Verifier.verify, rig.supervisor._verifier, 0

    def verify(self: Verifier, *arguments: Any) -> Any:
        nonlocal asked
        if self is main:
            asked += 1
            if asked == 1 or on == "tried":
                return Violation(Code.NOT_FINITE_RESULT, "zones.wall")
        return original(self, *arguments)

    monkeypatch.setattr(Verifier, "verify", verify)
    agent.run(0.004)
    assert asked
    faulty(rig)


@pytest.mark.parametrize("who", ["person", "source"])
def test_a_distance_of_another_tool(who: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(load_config(write_two_tools(tmp_path, own=("gripper",)))).auto()
    monkeypatch.setattr(Scene, "distances", lambda self, q: np.full(len(self.pairs), np.nan))
    if who == "person":
        assert rig.act("tool", "gripper").code == "E_NOT_FINITE_RESULT"
    else:
        rig.send(ToolChange(rig.now, "planner", "gripper"))
    monkeypatch.undo()
    faulty(rig)
    assert rig.supervisor.tool == ""
