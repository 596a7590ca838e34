"""What people do with a robot that stands: they push it, and set it on its feet again."""

from __future__ import annotations

from typing import Any, Final

from safety_supervisor_sim import scenario as script
from safety_supervisor_sim.agent.cast import Hand
from safety_supervisor_sim.agent.marks import AFTER
from safety_supervisor_sim.agent.motions import NANO
from safety_supervisor_sim.agent.stage import Stage

SENSED: Final = 0.3
"""How long IMU and feet tell of a robot that was set on its feet before anybody goes on, [s]."""
LIES: Final = 1.0
"""How long it is watched after it was told to give way, [s]."""
LYING: Final = ("EMERGENCY_STOP", "FAULT", "LOCKED")
"""States in which nothing is on its way down any more."""


def push(stage: Stage, act: script.Push) -> dict[str, Any]:
    """Push the robot and watch it."""
    pose = stage.commanded()
    stage.mark(act.name + AFTER)
    stage.push(act.force)
    stage.sleep(act.watched)
    return {"start": pose.tolist()}


def stand_up(stage: Stage, estop: Hand, act: script.StandUp) -> dict[str, Any]:
    """Set the robot on its feet when it is down and its motors have no power, and release the e-stop."""
    pose = stage.commanded()
    set_on_feet(stage, estop)
    estop.release()
    return {"start": pose.tolist()}


def see_down(stage: Stage) -> None:
    """Watch a robot until it was told to give way, and a moment longer."""
    if stage.on_feet and stage.wait(lambda: stage.status.get("ladder_phase") in ("damp", "off"), stage.settles):
        stage.sleep(LIES)


def set_on_feet(stage: Stage, estop: Hand) -> None:
    """Set the robot on its feet, in its hoist, and wait until the supervisor knows that nothing moves any more.

    A robot that creeps on the floor ends no stop; whatever becomes of it, the device opens its relays, and before that
    nobody goes near.
    """
    stage.wait_for_state(LYING, stage.settles)
    due = stage.now() + round(stage.settles * NANO)
    while estop.on_line and not estop.relays_open and stage.now() < due:
        stage.sleep(0.1)
    stage.stand_up()
    stage.wait_for_state(LYING, stage.settles)
    stage.sleep(SENSED)
