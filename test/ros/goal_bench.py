"""The control process's end of the action beside the real core, in one thread: invented gates, scripted time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
import rig as core
from rclpy.serialization import serialize_message
from ros_rig import make_trajectory

from safety_supervisor.core.effects import Effect
from safety_supervisor.core.events import Event, JointStates, SourceLiveliness
from safety_supervisor.core.settings import CommandKind, Configuration
from safety_supervisor.ros.decoder import decode
from safety_supervisor.ros.frames import DecodeRequest
from safety_supervisor.ros.goals import goals as module
from safety_supervisor.ros.goals.frames import (
    Ended,
    GateSettings,
    GoalReceived,
    Proof,
    Ready,
    Serving,
    ToGate,
    name_goal,
)
from safety_supervisor.ros.goals.goals import Goals
from safety_supervisor.ros.source_input import SourceInput

ID = name_goal(bytes(range(16)))
OTHER = name_goal(bytes(range(1, 17)))
THIRD = name_goal(bytes(range(2, 18)))


class Gate:
    """A gate without a process."""

    def __init__(self, _: str, arguments: tuple[str, str]) -> None:
        self.name = arguments[0]
        self.settings = msgspec.json.decode(arguments[1], type=GateSettings)
        self.pid: int | None = 1
        self.backlog = 0
        self.starts = 1
        self.dead = self.frozen = False
        self.frames: list[bytes] = [msgspec.msgpack.encode(Ready())]
        self.told: list[Any] = []

    def say(self, *frames: Any) -> None:
        self.frames += [msgspec.msgpack.encode(frame) for frame in frames]

    def send(self, payload: bytes) -> None:
        self.told.append(msgspec.msgpack.decode(payload, type=ToGate))

    def exchange(self) -> list[bytes] | None:
        if self.dead:
            return None
        frames, self.frames = self.frames, []
        return frames or ([] if self.frozen else [msgspec.msgpack.encode(Serving())])

    def restart(self, now: int) -> bool:
        self.pid, self.dead, self.starts = 1, False, self.starts + 1
        return True

    def end(self) -> None:
        self.pid = None

    def bury(self) -> None:
        pass

    def close(self) -> None:
        self.pid = None

    @property
    def ended(self) -> list[tuple[str, str, int]]:
        return [(one.goal, one.outcome, one.error_code) for one in self.told if isinstance(one, Ended)]


class _Decoder:
    """Decodes when it is told to."""

    def __init__(self) -> None:
        self.waiting: dict[str, tuple[DecodeRequest, int]] = {}

    def submit(
        self, source: str, data: bytes, clock: int, now: int, most: int, *, received: int = 0, command: str = ""
    ) -> None:
        self.waiting[source] = DecodeRequest(1, source, clock, most, data, command), received

    def withdraw(self, source: str, command: str) -> bool:
        entry = self.waiting.get(source)
        if entry is None or entry[0].command != command:
            return False
        del self.waiting[source]
        return True


class GoalBench(core.Rig):
    """A core in AUTO, sources `planner` and `chief` with an action each.

    Args:
        monkeypatch: puts invented gates in the place of processes.
        lease: of the planner's liveliness, [ns]; None: waived.
        introduced: whether a source's client is in the graph.
        shipped: configuration; None: the Panda's.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        lease: int | None = None,
        introduced: Callable[[str], bool] = lambda source: True,
        shipped: Configuration | None = None,
    ) -> None:
        self.goals: Goals | None = None
        shipped = shipped or core.panda()
        planner = replace(shipped.source("planner"), liveliness_lease=lease)
        chief = replace(planner, name="chief", priority=30, commands=frozenset(CommandKind), liveliness_lease=None)
        super().__init__(replace(shipped, sources=(planner, shipped.source("joystick"), chief)))
        self.auto()
        if lease is not None:  # the client's life is to be that of the action
            self.send(SourceLiveliness(self.now, "planner", False))
        self.decoder, self.gates = _Decoder(), {}
        gates: list[Gate] = []

        def make(module: str, arguments: tuple[str, str]) -> Gate:
            gates.append(Gate(module, arguments))
            return gates[-1]

        monkeypatch.setattr(module, "Child", make)
        decoder: Any = self.decoder
        inputs = {one.name: SourceInput(one, self, decoder) for one in (planner, chief)}
        actions = {name: f"/{name}/fjt" for name in inputs}
        self.goals = Goals(self.configuration, self, inputs, actions, "/s", introduced, self.supervisor.plays)
        self.gates = dict(zip(inputs, gates, strict=True))
        self.may_restart = False
        self.cycle()

    # --- the sink

    def enter(self, event: Event) -> None:
        self.send(event)

    def fail(self, where: str, error: Exception) -> None:
        raise error

    def send(self, event: Event) -> tuple[Effect, ...]:
        effects = super().send(event)
        if self.goals is not None:
            if isinstance(event, JointStates):
                self.goals.measure(event)
            self.goals.follow(effects)
        return effects

    def cycle(self, count: int = 1, each: Callable[[int], None] | None = None) -> None:
        for _ in range(count):
            super().cycle(1, each)
            if self.goals is not None:
                self.goals.poll(self.now, may_restart=self.may_restart)

    # --- clients

    def goal(self, name: str, travel: float = 0.6, seconds: float = 2.0, ahead: int = 0, **fields: Any) -> GoalReceived:
        """Return a goal that turns joint 1, measured from the home pose; it begins `ahead` [ns] from now."""
        there = core.HOME.copy()
        there[0] += travel
        message = make_trajectory([(seconds, there.tolist())])
        if ahead:
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(self.now + ahead, 10**9)
        none: dict[str, Any] = {"path": (), "end": (), "end_time": 0}
        data = bytes(serialize_message(message))
        return GoalReceived(name, data, tuple(message.joint_names), self.now, self.now, **(none | fields))

    def offer(self, source: str, *goals: GoalReceived) -> None:
        """Have a gate hand goals on, of a client that is proved to be alive, and decode them."""
        for one in goals:
            self.gates[source].say(Proof(self.now), one)
            self.cycle()
            self.decode()
            self.cycle(25)  # a verification takes some cycles

    def decode(self) -> None:
        while self.decoder.waiting:
            _, (request, received) = self.decoder.waiting.popitem()
            self.send(msgspec.structs.replace(decode(request), at=self.now, received=received))

    def told(self, name: str) -> list[tuple[str, str, str]]:
        """Source, verdict and code of each decision on an id."""
        return [(one.source, one.verdict, one.code) for one in self.decisions() if one.command == name]

    @property
    def travel(self) -> float:
        return float(self.output[0] - core.HOME[0])

    def rests(self) -> bool:
        return bool(np.array_equal(self.outputs[-1], self.outputs[-2]))
