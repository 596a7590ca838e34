"""Scripts of events for a rig, drawn or fixed, and how each is played.

A script is written for seven joints: the Panda's, or seven of a humanoid's, of each of its groups.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rig import Rig

from safety_supervisor.core.act_events import HoldToRun, StopRequested, ToolChange
from safety_supervisor.core.events import (
    AdapterFault,
    CommandUnreadable,
    OutputEndpoints,
    SourceEndpoints,
    SourceLiveliness,
)

Step = tuple[Any, ...]
"""Name of what happens, then its numbers."""

SEVEN = {
    "panda": tuple(f"panda_joint{number}" for number in range(1, 8)),
    "g1": (
        "left_shoulder_pitch_joint", "left_shoulder_roll_joint", "left_wrist_pitch_joint", "left_elbow_joint",
        "waist_yaw_joint", "right_elbow_joint", "left_knee_joint",
    ),
}  # fmt: skip
"""Joints that a script's vectors are of; the first two lead into a zone together."""


class Player:
    """Plays a script on a rig; knows which acts may place the robot anew."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.seven = [rig.names.index(name) for name in SEVEN[rig.configuration.robot.id]]

    def spread(self, values: list[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        """A vector of all joints with the seven values."""
        vector = np.zeros(len(self.rig.names))
        vector[self.seven] = values
        return vector

    def play(self, script: list[Step]) -> None:
        for name, *arguments in script:
            getattr(self, name)(*arguments)

    # --- commands

    def stream_sine(self, amplitude: float, hertz: float, count: int, joint: int) -> None:
        """A good or a too lively stream of positions, one joint, from where the robot is."""
        rig, base = self.rig, self.rig.output
        every = rig.configuration.source("planner").period / rig.period
        due = 0.0
        for i in range(count):
            target = base.copy()
            target[self.seven[joint]] += amplitude * (1 - np.cos(2 * np.pi * hertz * i * 0.01))
            rig.stream(target)
            due += every
            rig.cycle(int(due))
            due -= int(due)

    def stream_velocity(self, speed: float, count: int, joint: int) -> None:
        rig = self.rig
        for i in range(count):
            rig.stream(rig.unit(self.seven[joint], speed * min(1.0, i / 10)), source="joystick", velocity=True)
            rig.cycle(5)

    def stream_raw(self, values: list[float], velocity: bool, cycles: int) -> None:
        """Anything at all."""
        self.rig.stream(values, source="joystick" if velocity else "planner", velocity=velocity)
        self.rig.cycle(cycles)

    def stream_near(self, offsets: list[float], count: int, cycles: int) -> None:
        """Set-points a little off, in a burst or one by one."""
        for _ in range(count):
            self.rig.stream(self.rig.output + self.spread(offsets))
            self.rig.cycle(cycles)

    def reach(self, offsets: list[float], duration: float, form: str, cycles: int) -> None:
        """A trajectory of two points to an offset from the present set-point."""
        rig = self.rig
        goal = rig.output + self.spread(offsets)
        q = np.stack([(rig.output + goal) / 2, goal])
        v, a = np.zeros_like(q), np.zeros_like(q)
        v[0] = (goal - rig.output) / duration * 1.5
        rig.trajectory(
            [duration / 2, duration],
            q,
            None if form == "linear" else v,
            a if form == "quintic" else None,
        )
        rig.cycle(cycles)

    def go_home(self, duration: float, cycles: int) -> None:
        rig = self.rig
        rig.trajectory([duration], rig.home[None, :], rig.rest, rig.rest)
        self.rig.cycle(cycles)

    def trajectory_raw(self, times: list[float], values: list[float], cycles: int) -> None:
        rows = np.resize(np.array(values), (len(times), len(self.rig.names)))
        self.rig.trajectory(times, rows)
        self.rig.cycle(cycles)

    def scheduled(self, offsets: list[float], ahead: float, cycles: int) -> None:
        rig = self.rig
        goal = rig.output + self.spread(offsets)
        rig.trajectory([1.0], goal[None, :], rig.rest, rig.rest, stamp=rig.now + round(ahead * 1e9))
        rig.cycle(cycles)

    def cancel(self) -> None:
        self.rig.trajectory([], self.rig.rest[:0], names=())

    def unreadable(self, count: int) -> None:
        self.rig.send(CommandUnreadable(self.rig.now, "planner", "E_TOO_LARGE", 1e9, 1e5, "", count))

    # --- tools

    def tool(self, who: str, name: str, cycles: int) -> None:
        """A source or a person says that the robot carries something else, at whatever moment."""
        if who == "person":
            self.rig.act("tool", name)
        else:
            self.rig.send(ToolChange(self.rig.now, who, name))
        self.rig.cycle(cycles)

    # --- the world

    def wait(self, cycles: int) -> None:
        self.rig.cycle(cycles)

    def late(self, milliseconds: float) -> None:
        self.rig.late = round(milliseconds * 1e6)
        self.rig.cycle()
        self.rig.late = 0

    def skip(self, cycles: int) -> None:
        """The process sleeps: no event at all for some periods."""
        self.rig.now += cycles * self.rig.period

    def unmeasured(self, cycles: int) -> None:
        self.rig.measure = False
        self.rig.cycle(cycles)
        self.rig.measure = True

    def blocked(self, cycles: int) -> None:
        """The robot does not follow."""
        self.rig.follow = False
        self.rig.cycle(cycles)
        self.rig.follow = True

    def pushed(self, joint: int, angle: float) -> None:
        """Somebody moves the robot."""
        robot = self.rig.robot.copy()
        robot[self.seven[joint]] += angle
        self.rig.robot = robot
        self.rig.follow = False
        self.rig.cycle(70)
        self.rig.follow = True

    def estop(self, word: str, cycles: int) -> None:
        self.rig.estop = word
        self.rig.cycle(cycles)
        self.rig.estop = "run"
        self.rig.cycle(2)

    def log(self, ok: bool, cycles: int) -> None:
        self.rig.log_ok = ok
        self.rig.cycle(cycles)
        self.rig.log_ok = True

    def alive(self, source: str, alive: bool) -> None:
        self.rig.send(SourceLiveliness(self.rig.now, source, alive))

    def endpoints(self, source: str, count: int) -> None:
        self.rig.send(SourceEndpoints(self.rig.now, source, count))
        self.rig.cycle()
        self.rig.send(SourceEndpoints(self.rig.now, source, 1))

    def foreign(self) -> None:
        self.rig.send(OutputEndpoints(self.rig.now, ("/rogue",)))
        self.rig.cycle()
        self.rig.send(OutputEndpoints(self.rig.now, ()))

    def stop(self) -> None:
        self.rig.send(StopRequested(self.rig.now, "panel", "test"))

    def fault(self) -> None:
        self.rig.send(AdapterFault(self.rig.now, "E_SELF_TEST", "test"))

    def hold(self, counter: int) -> None:
        self.rig.send(HoldToRun(self.rig.now, counter))

    def act(self, act: str, target: str) -> None:
        self.rig.act(act, target)
        self.rig.cycle()

    def to_auto(self) -> None:
        """Everything a person and a maintainer would do until motion is possible again."""
        rig = self.rig
        rig.seconds(0.6)
        if rig.state == "FAULT":
            rig.act("maintainer")
            rig.seconds(0.5)
        if rig.state == "EMERGENCY_STOP":
            rig.estop = "stop"
            rig.cycle(5)
            rig.estop = "run"
            rig.seconds(0.4)
        rig.act("reset")
        rig.seconds(0.3)
        rig.act("start", "auto")
        rig.cycle(2)
