"""The control process's end of the action servers: goals in, decisions followed, results and feedback out.

A goal takes the way of a trajectory message: rate, decoder, core. What becomes of it is read from the core's decisions
on its id; tolerances are checked against the set-points that were sent and the joint states that came. Nothing here
moves anything: a tolerance that is passed, a cancel, a client that is not proved to be alive enter the core as events.

`follow` and `measure` only take note, since they run while an event is being carried out; `poll` acts.
"""

from __future__ import annotations

import importlib.util
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, Literal

import msgspec

from safety_supervisor.core.errors import Code
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.types import (
    Actuate,
    CommandUnreadable,
    Decision,
    Effect,
    JointStates,
    TrajectoryCommand,
)
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.ros.child import Child
from safety_supervisor.ros.goal_clients import Clients
from safety_supervisor.ros.goal_frames import (
    Began,
    CancelRequested,
    Ended,
    FromGate,
    GateSettings,
    GoalReceived,
    GoalRefused,
    Progress,
    Proof,
    Ready,
)
from safety_supervisor.ros.goal_results import SUCCESSFUL, result_code, result_text
from safety_supervisor.ros.goal_tolerance import Tolerance, find_excess
from safety_supervisor.ros.quality import Sink
from safety_supervisor.ros.source_input import SourceInput

FEEDBACK_PERIOD: Final = NS_PER_S // 10
"""[ns]"""
INTRODUCTION: Final = 2 * NS_PER_S
"""How long a client may need to be discovered, by name, [ns]."""
MOST_WAITING: Final = 16
"""Frames that may wait for the gate before feedback is left out."""
ACTION: Final = "follow_joint_trajectory"
NOT_INSTALLED: Final = "not offered: control_msgs is not installed"


def is_installed() -> bool:
    """Whether the action's messages are there."""
    return importlib.util.find_spec("control_msgs") is not None


class _Phase(Enum):
    JUDGED = auto()  # handed over, without a verdict yet
    ACCEPTED = auto()  # plays, or waits to begin
    SETTLING = auto()  # its trajectory has ended, the robot has to arrive


@dataclass
class _Goal:
    source: str
    joints: tuple[str, ...] = ()
    path: tuple[Tolerance, ...] = ()
    end: tuple[Tolerance, ...] = ()
    patience: Nanoseconds = 0
    phase: _Phase = _Phase.JUDGED
    canceled: bool = False
    settle_by: Nanoseconds = 0
    desired: dict[str, tuple[float, float]] = field(default_factory=dict)
    excess: str = ""


class Goals:
    """All goals of all sources.

    Args:
        configuration: of the robot.
        sink: where events go.
        inputs: source name to its input.
        actions: source name to the action's fully qualified name.
        node: fully qualified name of the control process's node.
        introduced: whether the core was told of a source's client; a goal waits for that, since a client that comes
            while its source moves is a replaced one (SR-050).
    """

    def __init__(
        self,
        configuration: Configuration,
        sink: Sink,
        inputs: Mapping[str, SourceInput],
        actions: Mapping[str, str],
        node: str,
        introduced: Callable[[str], bool],
    ) -> None:
        """Start the gate."""
        self._sink = sink
        self._inputs = inputs
        self._index = {name: i for i, name in enumerate(configuration.robot.joints)}
        self._patience = configuration.timing.stop_allowance
        self._clients = Clients(sink, inputs)
        self._introduced = introduced
        self._goals: dict[str, _Goal] = {}
        self._strangers: deque[tuple[GoalReceived, Nanoseconds]] = deque()
        self._sent: Actuate | None = None
        self._measured: dict[str, tuple[float, float | None]] = {}
        self._feedback_due = 0
        self._ready = False
        self._was_ready = False
        self._encoder = msgspec.msgpack.Encoder()
        self._frames = msgspec.msgpack.Decoder(FromGate)
        settings = [
            GateSettings(source.name, actions[source.name], source.liveliness_lease or 0, source.max_trajectory_bytes)
            for source in configuration.sources
            if source.name in actions
        ]
        described = msgspec.json.encode(settings).decode()
        self._child = Child("safety_supervisor.ros.goal_gate", (f"{node}_actions", described))

    @property
    def text(self) -> str:
        """One line for the status."""
        if self._ready:
            return f"offered, {len(self._goals)} goals"
        return "starting" if self._child.pid is not None else "down"

    # --- taking note

    def measure(self, states: JointStates) -> None:
        """Note measured joint states."""
        names = states.names
        told = len(states.velocities) == len(names)
        speeds: tuple[float | None, ...] = states.velocities if told else (None,) * len(names)
        for name, place, speed in zip(names, states.positions, speeds, strict=False):
            if name in self._index:
                self._measured[name] = (place, speed)

    def _compare(self) -> None:
        """Compare the robot with the set-point that was just sent."""
        for goal in self._goals.values():
            known = all(joint in self._index for joint in goal.joints)
            if goal.phase is _Phase.ACCEPTED and known and goal.path and not goal.excess:
                excess = find_excess(goal.path, self._wanted(goal), self._measured)
                goal.excess = "" if excess is None else str(excess)

    def follow(self, effects: Iterable[Effect]) -> None:
        """Note the set-point that was sent, and what the core decided on goals."""
        for effect in effects:
            if isinstance(effect, Actuate):
                self._sent = effect
                self._compare()
            elif isinstance(effect, Decision):
                goal = self._goals.get(effect.command)
                # Anyone may write a goal's id into a header: only decisions on the goal's own source are of it.
                if goal is not None and goal.source == effect.source:
                    self._decided(effect.command, goal, effect)

    def _decided(self, name: str, goal: _Goal, decision: Decision) -> None:
        if decision.verdict != "PASS":
            canceled = goal.canceled and decision.code == Code.CANCELLED.value
            self._end(name, "canceled" if canceled else "aborted", decision)
        elif decision.code == "":
            for other, older in list(self._goals.items()):
                if older.source == goal.source and older.phase is _Phase.SETTLING:
                    self._abort(other, Code.PREEMPTED)
            goal.phase = _Phase.ACCEPTED
            self._send(Began(goal.source, name))
        elif decision.code == Code.ENDED.value:
            goal.phase = _Phase.SETTLING
            goal.desired = self._wanted(goal)
            goal.settle_by = decision.at + goal.patience

    def _wanted(self, goal: _Goal) -> dict[str, tuple[float, float]]:
        """Return what was last sent for a goal's joints."""
        sent = self._sent
        assert sent is not None
        places = ((name, self._index[name]) for name in goal.joints)
        return {name: (sent.positions[i], sent.velocities[i]) for name, i in places}

    # --- once a cycle

    def poll(self, now: Nanoseconds, *, may_restart: bool) -> None:
        """Exchange frames with the gate and act on what was noted.

        Args:
            now: steady clock, [ns].
            may_restart: whether the milliseconds of starting a process may be spent now.
        """
        if self._child.pid is None:
            self._child.bury()
            if may_restart and self._was_ready:  # one that never came up would not the next time either
                self._child.start()
            return
        frames = self._child.exchange()
        if frames is None:
            self._lose_gate(now)
            return
        for data in frames:
            self._take(self._frames.decode(data), now)
        self._check_clients(now)
        if not self._goals:
            return
        while self._strangers and self._admit(*self._strangers[0], now):
            self._strangers.popleft()
        for name, goal in list(self._goals.items()):
            if name not in self._goals:
                continue
            if goal.phase is _Phase.SETTLING:
                self._settle(name, goal, now)
            elif goal.excess:
                self._cancel(name, goal.source, now, Code.PATH_TOLERANCE)
        if now >= self._feedback_due and self._child.backlog < MOST_WAITING:
            self._feedback_due = now + FEEDBACK_PERIOD
            self._show()

    def _take(self, frame: FromGate, now: Nanoseconds) -> None:
        match frame:
            case Ready():
                self._ready = self._was_ready = True
            case Proof():
                self._clients.prove(frame.source, frame.at)
            case CancelRequested():
                goal = self._goals.get(frame.goal)
                if goal is not None:
                    goal.canceled = True
                    self._cancel_requested(frame.goal, goal, now)
            case GoalRefused():
                self._goals[frame.goal] = _Goal(frame.source)
                self._refuse(now, frame.source, frame.goal, frame.code, frame.value, frame.limit, frame.detail)
            case GoalReceived():
                patience = frame.end_time or self._patience
                self._goals[frame.goal] = _Goal(frame.source, frame.joints, frame.path, frame.end, patience)
                self._strangers.append((frame, now + INTRODUCTION))

    def _admit(self, frame: GoalReceived, due: Nanoseconds, now: Nanoseconds) -> bool:
        """Hand a goal over, or refuse it, as soon as its client is known; return whether that was done."""
        source, name = frame.source, frame.goal
        if name not in self._goals:
            return True  # canceled meanwhile
        if not self._clients.waived(source) and not self._introduced(source):
            if now < due:
                return False
            self._refuse(now, source, name, Code.SOURCE_NOT_ALIVE.value, 0.0, 0.0, "its client is not in the graph")
            return True
        self._receive(frame, now)
        return True

    def _receive(self, frame: GoalReceived, now: Nanoseconds) -> None:
        source, name = frame.source, frame.goal
        blind = [one.joint for one in (*frame.path, *frame.end) if one.velocity and self._speed(one.joint) is None]
        if blind:
            detail = f"joint_states tell no velocity of {blind[0]}"
            self._refuse(now, source, name, Code.GOAL.value, 0.0, 0.0, detail)
            return
        if not self._clients.adopt(source, now):
            self._refuse(now, source, name, Code.SOURCE_NOT_ALIVE.value, 0.0, 0.0, "its proof of life is old")
            return
        self._inputs[source].hear_goal(name, frame.data, frame.clock, frame.received)

    def _speed(self, joint: str) -> float | None:
        return self._measured.get(joint, (0.0, None))[1]

    def _refuse(
        self, now: Nanoseconds, source: str, name: str, code: str, value: float, limit: float, detail: str
    ) -> None:
        self._sink.enter(CommandUnreadable(now, source, code, value, limit, detail, command=name))

    def _cancel_requested(self, name: str, goal: _Goal, now: Nanoseconds) -> None:
        waits = any(frame.goal == name for frame, _ in self._strangers)
        if waits or self._inputs[goal.source].withdraw_goal(name) or goal.phase is _Phase.SETTLING:
            text = f"{Code.CANCELLED.value}: {Code.CANCELLED.cause}"
            self._finish(name, "canceled", SUCCESSFUL, text)
        else:
            self._cancel(name, goal.source, now, Code.CANCELLED)

    def _cancel(self, name: str, source: str, now: Nanoseconds, code: Code) -> None:
        """End the source's trajectories, as an empty one does."""
        reason = "" if code is Code.CANCELLED else code.value
        self._sink.enter(
            TrajectoryCommand(
                at=now,
                source=source,
                names=(),
                times=(),
                positions=b"",
                position_counts=(),
                velocities=b"",
                velocity_counts=(),
                accelerations=b"",
                acceleration_counts=(),
                efforts=0,
                stamp=0,
                clock=time.time_ns(),
                frame_id=f"cid:{name}",
                body="",
                reason=reason,
            )
        )

    def _settle(self, name: str, goal: _Goal, now: Nanoseconds) -> None:
        """End a goal whose trajectory has ended: the robot has arrived, or has not in time."""
        excess = find_excess(goal.end, goal.desired, self._measured)
        if excess is None:
            self._finish(name, "succeeded", SUCCESSFUL, "")
        elif now >= goal.settle_by:
            self._abort(name, Code.GOAL_TOLERANCE, str(excess))

    # --- life

    def _check_clients(self, now: Nanoseconds) -> None:
        """Let the kept stop run for a source whose client is silent (REDTEAM 56)."""
        playing = {goal.source for goal in self._goals.values()}
        for source in self._clients.alive:
            if source not in playing:
                self._clients.release(source, now)
        for source in self._clients.lost(now):
            self._lose_client(source, now)

    def _lose_client(self, source: str, now: Nanoseconds) -> None:
        self._clients.lose(source, now)
        for name, goal in list(self._goals.items()):
            if goal.source == source and self._inputs[source].withdraw_goal(name):
                self._abort(name, Code.SOURCE_NOT_ALIVE)

    def _lose_gate(self, now: Nanoseconds) -> None:
        """The gate is gone, and with it all that it proved."""
        self._child.end()
        self._ready = False
        for source in self._clients.alive:
            self._lose_client(source, now)
        self._goals.clear()
        self._strangers.clear()

    # --- to the client

    def _show(self) -> None:
        sent, clock = self._sent, time.time_ns()
        if sent is None:
            return
        for name, goal in self._goals.items():
            if goal.phase is not _Phase.ACCEPTED:
                continue
            places = [self._index[joint] for joint in goal.joints]
            rows = (sent.positions, sent.velocities, sent.accelerations)
            q, v, a = (tuple(row[i] for i in places) for row in rows)
            measured = [self._measured[joint] for joint in goal.joints]
            speeds = tuple(speed for _, speed in measured if speed is not None)
            actual = (tuple(place for place, _ in measured), speeds if len(speeds) == len(places) else ())
            self._send(Progress(goal.source, name, clock, goal.joints, (q, v, a), actual))

    def _end(self, name: str, outcome: Literal["aborted", "canceled"], decision: Decision) -> None:
        code = SUCCESSFUL if outcome == "canceled" else result_code(decision.code, decision.value)
        text = result_text(decision)
        goal = self._goals[name]
        if goal.excess and decision.code == Code.PATH_TOLERANCE.value:
            text = f"{decision.code}: {goal.excess}"
        self._finish(name, outcome, code, text)

    def _abort(self, name: str, code: Code, detail: str = "") -> None:
        self._finish(name, "aborted", result_code(code.value, 0.0), f"{code.value}: {detail or code.cause} {code.cure}")

    def _finish(self, name: str, outcome: Literal["succeeded", "aborted", "canceled"], code: int, text: str) -> None:
        goal = self._goals.pop(name)
        self._send(Ended(goal.source, name, outcome, code, text))

    def _send(self, frame: Began | Progress | Ended) -> None:
        self._child.send(self._encoder.encode(frame))

    def close(self) -> None:
        """End the gate."""
        self._ready = False
        self._child.close()
        self._goals.clear()
