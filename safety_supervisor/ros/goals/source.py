"""The action goals of one source, in the control process: handed to the core, followed by its decisions, ended.

A goal takes the way of a trajectory message: rate, decoder, core. What becomes of it is read from the core's decisions
on its id; tolerances are checked against the set-points that were sent and the joint states that came. Nothing here
moves anything: a tolerance that is passed, a cancel, a client that is not proved to be alive, a gate that is lost enter
the core as events.

`compare` and `decided` only take note, since they run while an event is being carried out; `poll` acts.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from safety_supervisor.core.effects import Decision
from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import CommandUnreadable
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.ros.child import Child
from safety_supervisor.ros.goals.clients import ActionClientLife
from safety_supervisor.ros.goals.frames import (
    Began,
    CancelRequested,
    Ended,
    FromGate,
    GoalReceived,
    GoalRefused,
    Progress,
    Proof,
    Ready,
)
from safety_supervisor.ros.goals.results import SUCCESSFUL, result_code, result_text
from safety_supervisor.ros.goals.robot import RobotSeen
from safety_supervisor.ros.goals.state import Goal, Phase, end_trajectories
from safety_supervisor.ros.quality import Sink
from safety_supervisor.ros.source_input import SourceInput

FEEDBACK_PERIOD: Final = NS_PER_S // 10
"""[ns]"""
INTRODUCTION: Final = 5 * NS_PER_S
"""How long a client may need to be discovered, by name, [ns]: participants announce themselves every 3 s."""
WAIVED_INTRODUCTION: Final = NS_PER_S
"""The same where liveliness is waived: then the goal plays, whoever sent it, [ns]."""
SILENCE: Final = 2 * NS_PER_S
"""A gate that has goals and says nothing for so long is frozen, [ns]; the longest lease there is."""
ASKING: Final = NS_PER_S // 50
"""Time between two looks at the graph, which cost more than all else here, [ns]."""
MOST_WAITING: Final = 16
"""Frames that may wait for the gate before feedback is left out."""

_Outcome = Literal["succeeded", "aborted", "canceled"]


class SourceGoals:
    """All goals of one source. Goals of other sources have a gate, ids and a life of their own.

    Args:
        heard: the source's input.
        sink: where events go.
        gate: the process that offers the action.
        robot: what goals are compared with.
        patience: how long a robot may need to arrive where the goal does not say, [ns].
        introduced: whether the core was told of the source's client; a goal waits for that, since a client that comes
            while its source moves is a replaced one (SR-050).
        plays: whether a command of a source moves a group now.
    """

    def __init__(
        self,
        heard: SourceInput,
        sink: Sink,
        gate: Child,
        robot: RobotSeen,
        patience: Nanoseconds,
        introduced: Callable[[str], bool],
        plays: Callable[[str, str], bool],
    ) -> None:
        """Begin with no goal; the gate says when it serves."""
        self._source = heard.source.name
        self._heard = heard
        self._sink = sink
        self._gate = gate
        self._robot = robot
        self._patience = patience
        self._client = ActionClientLife(sink, heard)
        self._introduced = introduced
        self._plays = plays
        self._goals: dict[str, Goal] = {}
        self._strangers: deque[tuple[GoalReceived, Nanoseconds]] = deque()
        self._feedback_due = 0
        self._ask_due = 0
        self._spoke_at = 0
        self._ready = False
        self._was_ready = False
        self._encoder = msgspec.msgpack.Encoder()
        self._frames = msgspec.msgpack.Decoder(FromGate)

    def __len__(self) -> int:
        """Return how many goals are under way."""
        return len(self._goals)

    @property
    def state(self) -> Literal["offered", "starting", "down"]:
        """What became of the gate."""
        if self._ready:
            return "offered"
        return "starting" if self._gate.pid is not None else "down"

    # --- taking note

    def compare(self) -> None:
        """Compare the robot with the set-point that was just sent, for goals whose own it is."""
        for name, goal in self._goals.items():
            if goal.phase is not Phase.ACCEPTED or not goal.path or goal.excess:
                continue
            # Until a goal begins, set-points are those of the motion before, for which it has asked nothing.
            goal.begun = goal.begun or self._plays(self._source, name)
            if goal.begun:
                excess = self._robot.excess(goal.path, self._robot.wanted(goal.joints))
                goal.excess = "" if excess is None else str(excess)

    def decided(self, decision: Decision) -> None:
        """Note what the core decided on a command of the source."""
        name = decision.command
        goal = self._goals.get(name)
        if goal is None or decision.verdict == "WAIT":  # one that waits for people is still being judged
            return
        if decision.verdict != "PASS":
            canceled = goal.canceled and decision.code == Code.CANCELLED.value
            self._end(name, "canceled" if canceled else "aborted", decision)
        elif decision.code == "":
            for other, older in list(self._goals.items()):
                if older.phase is Phase.SETTLING:
                    self._abort(other, Code.PREEMPTED)
            goal.phase = Phase.ACCEPTED
            self._send(Began(name))
        elif decision.code == Code.ENDED.value:
            goal.phase = Phase.SETTLING
            goal.desired = self._robot.wanted(goal.joints)
            goal.settle_by = decision.at + goal.patience

    # --- once a cycle

    def restart(self, now: Nanoseconds) -> bool:
        """Start a gate that is down anew, which takes milliseconds; return whether it was done; steady clock, [ns]."""
        self._gate.bury()
        if self._gate.pid is not None or not self._was_ready:
            return False  # one that never came up would not the next time either
        return self._gate.restart(now)

    def poll(self, now: Nanoseconds) -> None:
        """Exchange frames with the gate and act on what was noted; steady clock, [ns]."""
        if self._gate.pid is None:
            self._gate.bury()
            return
        frames = self._gate.exchange()
        if frames is None:
            self._lose_gate(now)
            return
        if frames or not self._goals:
            self._spoke_at = now
        elif self._client.waived and now - self._spoke_at > SILENCE:  # nobody would hear a cancel
            self._lose_gate(now)
            return
        try:
            for data in frames:
                self._take(self._frames.decode(data), now)
        except msgspec.MsgspecError:  # what speaks like this is no gate of ours any more
            self._lose_gate(now)
            return
        self._check_client(now)
        while self._strangers and self._admit(*self._strangers[0], now):
            self._strangers.popleft()
        for name, goal in list(self._goals.items()):
            if name not in self._goals:
                continue
            if goal.phase is Phase.SETTLING:
                self._settle(name, goal, now)
            elif goal.excess:
                self._cancel(name, now, Code.PATH_TOLERANCE)
        if self._goals and now >= self._feedback_due and self._gate.backlog < MOST_WAITING:
            self._feedback_due = now + FEEDBACK_PERIOD
            self._show()

    def _take(self, frame: FromGate, now: Nanoseconds) -> None:
        match frame:
            case Ready():
                self._ready = self._was_ready = True
            case Proof():
                self._client.prove(frame.at, now)
            case CancelRequested():
                goal = self._goals.get(frame.goal)
                if goal is not None:
                    goal.canceled = True
                    self._cancel_requested(frame.goal, goal, now)
            case GoalRefused():
                self._goals[frame.goal] = Goal()
                self._refuse(now, frame.goal, frame.code, frame.value, frame.limit, frame.detail)
            case GoalReceived():
                patience = frame.end_time or self._patience
                goal = Goal(frame.joints, frame.path, frame.end, patience, Phase.STRANGE)
                self._goals[frame.goal] = goal
                # Its client is told to the core before anything moves: later it would be a replaced one (SR-050).
                wait = WAIVED_INTRODUCTION if self._client.waived else INTRODUCTION
                self._strangers.append((frame, now + wait))

    def _admit(self, frame: GoalReceived, due: Nanoseconds, now: Nanoseconds) -> bool:
        """Hand a goal over as soon as its client is known; in the end refuse it, or, liveliness waived, hand it over.

        Returns:
            Whether it was done.
        """
        name = frame.goal
        goal = self._goals.get(name)
        if goal is None:
            return True  # canceled meanwhile
        if not self._is_introduced(now):
            if now < due:
                return False
            if not self._client.waived:
                self._refuse(now, name, Code.SOURCE_NOT_ALIVE.value, 0.0, 0.0, "its client is not in the graph")
                return True
        goal.phase = Phase.JUDGED
        blind = [
            one.joint for one in (*frame.path, *frame.end) if one.velocity and self._robot.speed(one.joint) is None
        ]
        if blind:
            detail = f"joint_states tell no velocity of {blind[0]}"
            self._refuse(now, name, Code.GOAL.value, 0.0, 0.0, detail)
        elif not self._client.adopt(now):
            self._refuse(now, name, Code.SOURCE_NOT_ALIVE.value, 0.0, 0.0, "its proof of life is old")
        else:
            self._heard.hear_goal(name, frame.data, frame.clock, frame.received)
        return True

    def _is_introduced(self, now: Nanoseconds) -> bool:
        if now < self._ask_due:
            return False
        self._ask_due = now + ASKING
        return self._introduced(self._source)

    def _refuse(self, now: Nanoseconds, name: str, code: str, value: float, limit: float, detail: str) -> None:
        self._sink.enter(CommandUnreadable(now, self._source, code, value, limit, detail, command=name))

    def _cancel_requested(self, name: str, goal: Goal, now: Nanoseconds) -> None:
        still = goal.phase in (Phase.STRANGE, Phase.SETTLING)
        if still or self._heard.withdraw_goal(name):
            self._finish(name, "canceled", SUCCESSFUL, f"{Code.CANCELLED.value}: {Code.CANCELLED.cause}")
        else:
            self._cancel(name, now, Code.CANCELLED)

    def _cancel(self, name: str, now: Nanoseconds, code: Code) -> None:
        self._sink.enter(end_trajectories(self._source, name, now, code))

    def _settle(self, name: str, goal: Goal, now: Nanoseconds) -> None:
        """End a goal whose trajectory has ended: the robot has arrived, or has not in time."""
        if goal.excess:  # passed at the very last set-point
            self._abort(name, Code.PATH_TOLERANCE, goal.excess)
            return
        excess = self._robot.excess(goal.end, goal.desired)
        if excess is None:
            self._finish(name, "succeeded", SUCCESSFUL, "")
        elif now >= goal.settle_by:
            self._abort(name, Code.GOAL_TOLERANCE, str(excess))

    # --- life

    def _check_client(self, now: Nanoseconds) -> None:
        """Let the kept stop run when the source's client is silent (REDTEAM 56)."""
        if not self._goals:
            self._client.release(now)
        elif self._client.lost(now):
            self._client.lose(now)
            for name in list(self._goals):
                if self._heard.withdraw_goal(name):
                    self._abort(name, Code.SOURCE_NOT_ALIVE)

    def _lose_gate(self, now: Nanoseconds) -> None:
        """The gate is gone, and with it all that it proved, and every way to cancel: nothing of its goals plays on."""
        self._gate.end()
        self._ready = False
        self._strangers.clear()
        handed = [
            name
            for name, goal in self._goals.items()
            if goal.phase in (Phase.JUDGED, Phase.ACCEPTED) and not self._heard.withdraw_goal(name)
        ]
        self._client.lose(now)
        if handed:  # for whom liveliness is waived, too: nobody else would end them
            self._cancel(handed[-1], now, Code.SOURCE_DIED)
        self._goals.clear()

    # --- to the client

    def _show(self) -> None:
        clock = time.time_ns()
        for name, goal in self._goals.items():
            rows = self._robot.rows(goal.joints) if goal.phase is Phase.ACCEPTED else None
            if rows is not None:
                self._send(Progress(name, clock, goal.joints, *rows))

    def _end(self, name: str, outcome: _Outcome, decision: Decision) -> None:
        code = SUCCESSFUL if outcome == "canceled" else result_code(decision.code, decision.value)
        text = result_text(decision)
        goal = self._goals[name]
        if goal.excess and decision.code == Code.PATH_TOLERANCE.value:
            text = f"{decision.code}: {goal.excess}"
        self._finish(name, outcome, code, text)

    def _abort(self, name: str, code: Code, detail: str = "") -> None:
        self._finish(name, "aborted", result_code(code.value, 0.0), f"{code.value}: {detail or code.cause} {code.cure}")

    def _finish(self, name: str, outcome: _Outcome, code: int, text: str) -> None:
        del self._goals[name]
        self._send(Ended(name, outcome, code, text))

    def _send(self, frame: Began | Progress | Ended) -> None:
        self._gate.send(self._encoder.encode(frame))

    def close(self) -> None:
        """End the gate."""
        self._ready = False
        self._gate.close()
        self._goals.clear()
