"""The stream of a jog: a node and a thread of its own, by a steady clock, from the first set-point to rest.

Nothing here waits for a page or for the web server: what they do not prove within 250 ms is a release. The stream
then ramps down and ends at rest, which the supervisor takes as an end (`E_ENDED`); where it just ceased, each release
would be told as a late stream, and a lost ramp ends in the supervisor's kept stop all the same. Each press begins with
set-points of rest, until the supervisor has passed one: where it refuses, nothing has moved.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import Final

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState

from safety_supervisor.core.geometry.mimic import RobotModelError
from safety_supervisor.core.settings import CommandKind, Configuration, SourceKind
from safety_supervisor.core.units import NS_PER_S, Nanoseconds, Vector
from safety_supervisor.panel.desk import Desk
from safety_supervisor.panel.jog_kinematics import JogRobot
from safety_supervisor.panel.jog_motion import Jog, JogRefusedError, Way
from safety_supervisor.panel.jog_press import Beat, Page, Press, Presses
from safety_supervisor.panel.snapshot import STATUS_LIMIT
from safety_supervisor.panel.view import cure_of
from safety_supervisor.ros.reader import Reader
from safety_supervisor.ros.text import escape

_LOG: Final = logging.getLogger("safety_supervisor.panel")
STATES: Final = ("MANUAL", "RECOVERY")
SHORTEST: Final = 0.005
"""A source with a shorter period is not streamed to by this program, [s]."""
_MEASURED: Final[Nanoseconds] = NS_PER_S // 4
_ANSWER: Final[Nanoseconds] = NS_PER_S
"""Without a verdict on the first set-points for so long a press is given up, [ns]."""
_HELD_FIRST: Final[Nanoseconds] = 150_000_000
"""In RECOVERY the supervisor has to hear beats before set-points, [ns]."""
_LOOKS: Final[Nanoseconds] = NS_PER_S // 4
_DEPTH: Final = 100
_DONE: Final = "the step is done: let go, and press for the next one"
_NOT_HEARD: Final = "the page was not heard for 250 ms, which is a release: let go, and press again"
_LATE: Final = 2
"""Periods that the clock of the stream may be late; later it has ended already for the supervisor."""


def unfit(configuration: Configuration, name: str) -> str:
    """Say why a source can not be jogged by, and which can; empty where it can."""
    fit = [
        source.name
        for source in configuration.sources
        if source.kind is SourceKind.PERSON
        and CommandKind.VELOCITY in source.commands
        and source.groups
        and not source.needs_session
        and source.period >= SHORTEST * NS_PER_S
    ]
    if name in fit:
        return ""
    would = f"these would do: {', '.join(fit)}" if fit else "the configuration has none"
    return (
        f"--jog {name}: that is no source of kind `person` that takes velocities, with a period of {SHORTEST:g} s or "
        f"more; {would}"
    )


class Jogger:
    """Streams what a page's button asks for.

    Args:
        configuration: of the robot.
        supervisor: full name of its node.
        source: by which it streams; one that is not `unfit`.
        desk: knows what the supervisor says.
    """

    def __init__(self, configuration: Configuration, supervisor: str, source: str, desk: Desk) -> None:
        """Join the graph, and be the publisher of that source.

        Raises:
            RobotModelError: when the URDF does not have the configured joints and links.
        """
        self.configuration, self.source = configuration, configuration.source(source)
        self._desk, self._lock = desk, threading.Lock()
        self._robots: dict[str, JogRobot] = {}
        self.robot = self.robot_with(configuration.robot.tool)
        self._presses = Presses()
        self._jog: Jog | None = None
        self._press: Press | None = None
        self._knocks = self._released = False
        self._spent: Press | None = None
        self._numbers, self._asked, self._asked_at = 0, "", 0
        self.told, self.wrong = "", ""
        """What became of the newest press; why nothing can be jogged now."""
        self.measured: dict[str, float] = {}
        self._measured: dict[str, tuple[float, Nanoseconds]] = {}
        self._context = rclpy.Context()
        rclpy.init(context=self._context, args=[])
        self._node = node = Node("safety_supervisor_panel_jog", context=self._context, start_parameter_services=False)
        best = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._topic = f"{supervisor}/sources/{source}/joint_command"
        self._publisher = node.create_publisher(JointState, self._topic, best)
        space = supervisor.rpartition("/")[0]
        # Nothing spins this node: its topics are looked at once a period.
        states = QoSProfile(depth=4, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._states = Reader(node, JointState, f"{space}/joint_states", states)
        self._decisions = Reader(node, DiagnosticArray, f"{supervisor}/decisions", QoSProfile(depth=_DEPTH))
        self._looked: Nanoseconds = 0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="panel-jog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the stream, and leave the graph."""
        self._closed.set()
        self._thread.join(2.0)
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def robot_with(self, tool: str) -> JogRobot:
        """Return the robot with a tool, empty for none.

        Raises:
            JogRefusedError: the configuration has no such tool.
        """
        if tool not in self._robots:
            if tool and tool not in self.configuration.tools:
                raise JogRefusedError("the robot carries a tool that the configuration does not have")
            self._robots[tool] = JogRobot(self.configuration.with_tool(tool), self.source.groups)
        return self._robots[tool]

    # --- what pages say

    def beat(self, page: Page, name: str, beat: Beat) -> str:
        """Take a beat of a page; return why it moves nothing, empty where it counts."""
        with self._lock:
            return self._presses.beat(page, name, beat, time.monotonic_ns())

    def let_go(self, page: Page, press: int) -> None:
        """The button was let go."""
        with self._lock:
            self._presses.let_go(page, press)

    def drop(self, page: Page, words: str) -> None:
        """Whatever a page holds counts no more."""
        with self._lock:
            has = self._presses.now
            if has is not None and has.page is page:
                self._presses.end(has)
                self._spend(has, words)

    def holder(self) -> tuple[Page, str] | None:
        """Return the page that has the jog, and the name of its person."""
        has = self._presses.holder(time.monotonic_ns())
        return None if has is None else (has.page, has.name)

    def told_to(self, page: Page) -> str:
        """Return what became of the newest press of a page; empty where that is nobody's or another one's."""
        spent = self._spent
        return self.told if spent is not None and spent.page is page else ""

    # --- the stream

    def _run(self) -> None:
        period = self.source.period
        due = time.monotonic_ns()
        while not self._closed.is_set():
            due += period
            now = time.monotonic_ns()
            if now - due > _LATE * period:
                due = now
                self._give_up("the panel was late, and the robot stopped by itself: press again")
            elif due > now:
                time.sleep((due - now) / NS_PER_S)
            try:
                self._cycle(time.monotonic_ns())
            except Exception as error:
                # The stream ceases, and the supervisor stops the robot; the next press may be better.
                _LOG.exception("jogging failed")
                self._give_up(f"the jog failed: {type(error).__name__}")

    def _cycle(self, now: Nanoseconds) -> None:
        self._hear_states(now)
        self._hear_decisions()
        if now - self._looked > _LOOKS:
            self._looked = now
            self._look()
        with self._lock:
            press, held = self._presses.now, self._presses.held(now)
        if self._press is None:
            if press is not None and held and not press.is_same(self._spent):
                self._begin(press, now)
            return
        held = held and press is not None and press.is_same(self._press)
        if stop := self.wrong or self._left():
            self._give_up(stop)
        elif self._knocks:
            self._knock(held, now)
        else:
            self._go_on(held)

    def _begin(self, press: Press, now: Nanoseconds) -> None:
        state = self._desk.heard.status.get("state", "")
        if state == "RECOVERY" and now - press.begun < _HELD_FIRST:
            return
        with self._lock:
            self._presses.moving = True
        self._press = press
        try:
            if words := self.wrong or self._left():
                raise JogRefusedError(words)
            way = self._slowed(press.way, state)
            self._jog = Jog(self.robot_with(self._desk.tool), way, self._pose(), self.source.period / NS_PER_S)
        except (JogRefusedError, RobotModelError) as error:
            self._give_up(str(error))
            return
        self._numbers += 1
        self._released = False
        self._asked, self._asked_at, self._knocks, self.told = f"jog-{press.name}-{self._numbers}", now, True, ""

    def _slowed(self, way: Way, state: str) -> Way:
        """Return a way at no more than the state permits."""
        envelope = self.configuration.envelope
        most = envelope.recovery_frame_speed if state == "RECOVERY" else envelope.manual_frame_speed
        return way._replace(speed=min(way.speed, most))

    def _knock(self, held: bool, now: Nanoseconds) -> None:
        """Rest, until the supervisor has passed it."""
        assert self._jog is not None
        if not held:
            self._give_up("")
        elif now - self._asked_at > _ANSWER:
            self._give_up("the supervisor gave no verdict: nothing moved. Is its node there, with this source?")
        else:
            self._publish(np.zeros(len(self._jog.arm.joints)))

    def _go_on(self, held: bool) -> None:
        jog = self._jog
        assert jog is not None
        if jog.beside(self._pose()):
            self._give_up("the robot is not measured where the jog took it: the stream ended")
            return
        self._released = self._released or not held
        values = jog.step(held and not self._released)
        if values is None:
            done = _NOT_HEARD if self._released else _DONE
            self._give_up(jog.note or (done if held else ""))
        else:
            self._publish(values)

    def _publish(self, values: Vector) -> None:
        assert self._jog is not None
        names = [self.configuration.robot.joints[index] for index in self._jog.arm.joints.tolist()]
        message = JointState(name=names, velocity=values.tolist())
        message.header.frame_id = f"cid:{self._asked}"
        self._publisher.publish(message)

    def _give_up(self, words: str) -> None:
        """End the stream here, and say why; what still moves runs the supervisor's kept stop."""
        press, self._press, self._jog, self._knocks = self._press, None, None, False
        with self._lock:
            if press is not None:
                self._spend(press, words)
                self._presses.rested()

    def _spend(self, press: Press, words: str) -> None:
        self._spent = press
        if words:
            self.told = words

    # --- what is heard

    def _left(self) -> str:
        """Say why the state permits no jog; empty where it does."""
        heard = self._desk.heard
        if heard.status_at is None or time.monotonic_ns() - heard.status_at > STATUS_LIMIT:
            return "the supervisor is silent: nothing moves"
        state = heard.status.get("state", "")
        return "" if state in STATES else f"the state is {state}: {heard.status.get('next_step', '')}"

    def _look(self) -> None:
        others = self._node.count_publishers(self._topic) - 1
        if others > 0:
            self.wrong = (
                f"{others} more publish{'es' if others == 1 else ''} {self._topic}: the panel has to be the only one. "
                "End the other, then reset"
            )
        elif self._publisher.get_subscription_count() == 0:
            self.wrong = "no supervisor hears this source"
        else:
            self.wrong = ""

    def _pose(self) -> Vector:
        """Return where the joints are measured, shape (n,); NaN where that is not known lately."""
        return np.array([self.measured.get(name, math.nan) for name in self.configuration.robot.joints])

    def _hear_states(self, now: Nanoseconds) -> None:
        for message, at in self._states.look():
            if len(message.name) == len(message.position):
                for name, place in zip(message.name, message.position, strict=True):
                    if math.isfinite(place):
                        self._measured[name] = float(place), at
        known = self.configuration.robot.joints
        kept = {name: self._measured[name] for name in known if name in self._measured}
        self.measured = {name: at for name, (at, when) in kept.items() if now - when <= _MEASURED}

    def _hear_decisions(self) -> None:
        for message, _ in self._decisions.look():
            if len(message.status) != 1:
                continue
            said = {entry.key: entry.value for entry in message.status[0].values}
            if said.get("source") != self.source.name or self._press is None:
                continue
            if said.get("verdict") in ("REJECT", "STOP"):
                code = escape(said.get("code", ""), 64)
                self._give_up(f"REFUSED: {escape(message.status[0].message, 300)} - {cure_of(code)}".rstrip(" -"))
            elif said.get("id") == self._asked and said.get("verdict") == "PASS":
                self._knocks = False
