"""How each kind of act is played: what is ordered from the agent's mouth, and what people and devices do meanwhile.

A player returns what the judge needs to know beside what was heard: the set-points that were sent, start and goal.
No player decides whether an act went well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np

from safety_supervisor_sim import scenario as script
from safety_supervisor_sim.agent.cast import Cast, reset
from safety_supervisor_sim.agent.commands import shuffled
from safety_supervisor_sim.agent.marks import AFTER
from safety_supervisor_sim.agent.motions import (
    NANO,
    Array,
    Cruise,
    Motion,
    PointToPoint,
    set_points,
    shortest_duration,
)
from safety_supervisor_sim.agent.poses import foreign_joint, resolve, spoken_joints
from safety_supervisor_sim.agent.stage import Stage
from safety_supervisor_sim.agent.upright import push, see_down, stand_up

LEAD: Final = 0.05
"""Time between an order and the first message that it makes, [s]."""
SHARE: Final = 0.7
"""A motion without a duration uses this share of the limits of velocity and acceleration."""
JERK_SHARE: Final = 0.2
"""And this of that of jerk: short motions, joined from set-points every 10 ms, have up to 2.4 times theirs at cycles of
4 ms, and 4.2 times at 2 ms (docs/interface.md)."""
AFTERWARDS: Final = 0.2
"""How long an agent goes on streaming after it was stopped, [s]."""
RELEASED: Final = 1.2
"""How long an agent streams after the e-stop was released, [s]; equal refusals are reported once a second."""
MENDED: Final = 0.3
"""How long a device that was plugged in again needs for a session, [s]."""
POINTS: Final = 20
RESUMES: Final = 2
"""How often a good motion that lateness stopped is begun again from where the robot then is."""
LATE: Final = frozenset({"E_LATE", "E_OVERRUN"})
"""Codes of stops that this machine's lateness causes, and no bad command."""
INTRUSIONS: Final = 10
"""Messages that a process sends where it must not."""


class Players:
    """Plays the acts of one scenario on one stage."""

    def __init__(self, stage: Stage, cast: Cast, scenario: script.Scenario) -> None:
        self._stage = stage
        self._cast = cast
        self._poses = scenario.poses
        self._source = scenario.source
        self._period = stage.period_of(scenario.source)
        self._robot = stage.configuration.robot
        self._spoken = spoken_joints(stage.configuration, scenario.source)
        self._players: dict[type, Callable[[Any], dict[str, Any]]] = {
            script.Stream: self._stream,
            script.TrajectoryAct: self._trajectory,
            script.Defective: self._defective,
            script.DefectiveInMotion: self._defective_in_motion,
            script.Replay: self._replay,
            script.Again: self._again,
            script.StopFlood: self._stop_flood,
            script.Respawn: self._respawn,
            script.Drive: self._drive,
            script.Reach: self._reach,
            script.Silence: self._silence,
            script.StopInMotion: self._stop_in_motion,
            script.Flood: self._flood,
            script.AgentDies: self._agent_dies,
            script.PressEstop: self._press_estop,
            script.ReleaseEstop: self._release_estop,
            script.DisturbDevice: self._disturb_device,
            script.MendDevice: self._mend_device,
            script.SecondPublisher: self._second_publisher,
            script.MotorTopic: self._motor_topic,
            script.Technician: self._technician,
            script.Approval: self._approval,
            script.Push: partial(push, stage),
            script.StandUp: partial(stand_up, stage, cast.estop),
        }

    def _prepare(self, name: str, motion: PointToPoint, points: int, defect: str, key: str = "") -> None:
        self._cast.mouth.order(
            do="prepare",
            name=name,
            start=motion.start[self._spoken].tolist(),
            goal=motion.goal[self._spoken].tolist(),
            seconds=motion.duration,
            points=points,
            defect=defect,
            key=key,
        )

    def play(self, act: script.Act) -> dict[str, Any]:
        """Play one act; return facts about it for the judge."""
        return self._players[type(act)](act)

    # -- motions ------------------------------------------------------------------------------

    def _to_goal(self, act: Any) -> PointToPoint:
        start = self._stage.commanded()
        goal = resolve(self._poses[act.goal], self._robot.joints, start)
        limits = self._stage.configuration.envelope.joints
        shortest = shortest_duration(
            goal - start, SHARE * limits.velocity, SHARE * limits.acceleration, JERK_SHARE * limits.jerk
        )
        return PointToPoint(start, goal, act.seconds or max(shortest, 0.2))

    def _begin_stream(self, motion: Motion, source: str = "", **fault: Any) -> tuple[Array, int]:
        """Order a stream without waiting for its end; return its whole poses and the time of the first, [ns]."""
        source = source or self._source
        period = self._stage.period_of(source)
        rows = set_points(motion, period)
        start_ns = self._stage.now() + round(LEAD * NANO)
        said = rows[:, spoken_joints(self._stage.configuration, source)].tolist()
        self._cast.mouths[source].send(do="stream", rows=said, period=period, start_ns=start_ns, **fault)
        return rows, start_ns

    def _fault_mark(self, act: script.Act) -> None:
        self._stage.mark(act.name + AFTER)

    def _facts(self, motion: Motion, goal: Array | None = None) -> dict[str, Any]:
        facts: dict[str, Any] = {"start": motion.at(0.0).position.tolist()}
        if goal is not None:
            facts["goal"] = goal.tolist()
        return facts

    # -- good ---------------------------------------------------------------------------------

    def _late_stops(self) -> int:
        return sum(
            decision.get("verdict") == "STOP" and decision.get("code") in LATE
            for decision in self._stage.observed.decisions
        )

    def _whole(self, act: Any, attempt: Callable[[Any, PointToPoint], dict[str, Any]]) -> dict[str, Any]:
        """Play a good motion; when lateness stopped it, go on from where the stop has left the robot (SR-054)."""
        for stops in range(RESUMES + 1):
            began = self._stage.now()
            motion = self._to_goal(act)
            self._stage.capture()
            facts = attempt(act, motion)
            self._stage.wait_for_rest(2.0)
            facts |= {**self._facts(motion, motion.goal), "output": self._stage.captured(), "began_ns": began}
            if self._late_stops() <= stops:
                break
        return {**facts, "late_stops": self._late_stops()}

    def _stream(self, act: script.Stream) -> dict[str, Any]:
        return self._whole(act, self._stream_once)

    def _stream_once(self, act: script.Stream, motion: PointToPoint) -> dict[str, Any]:
        source = act.source or self._source
        mouth = self._cast.mouths[source]
        spoken = spoken_joints(self._stage.configuration, source)
        order = shuffled(spoken) if act.order == "shuffled" else None
        stops = self._late_stops()
        rows, start_ns = self._begin_stream(motion, source, order=order)
        left = motion.duration + (start_ns - self._stage.now()) / NANO
        if self._stage.wait(lambda: self._late_stops() > stops, left):
            mouth.send(do="halt")
        said = mouth.answer()
        return {"set_points": rows.tolist(), "period": self._stage.period_of(source), "late": said["late"]}

    def _trajectory(self, act: script.TrajectoryAct) -> dict[str, Any]:
        if act.expect.unchanged:
            return self._whole(act, self._trajectory_once)
        motion = self._to_goal(act)
        self._prepare(act.name, motion, act.points, act.defect, act.key)
        self._cast.mouth.order(do="trajectory", name=act.name)
        if act.call == "stop":
            self._fault_mark(act)
            self._stage.call("stop")
        return self._facts(motion, motion.goal)

    def _trajectory_once(self, act: script.TrajectoryAct, motion: PointToPoint) -> dict[str, Any]:
        stops = self._late_stops()
        self._prepare(act.name, motion, act.points, act.defect, act.key)
        self._cast.mouth.order(do="trajectory", name=act.name)
        self._stage.wait_for_state(["AUTO/MOVING"], 2.0)
        self._stage.wait(lambda: self._late_stops() > stops, motion.duration)
        period = motion.duration / act.points
        return {"set_points": set_points(motion, period).tolist(), "period": period}

    def _approval(self, act: script.Approval) -> dict[str, Any]:
        motion, technician = self._to_goal(act), self._cast.technician
        assert technician is not None
        known = technician.waiting
        if act.asks:
            self._prepare(act.name, motion, POINTS, "none")
            self._cast.mouth.order(do="trajectory", name=act.name)
            technician.see(known)
        if technician.answer_all(act.answers) and self._stage.wait_for_state(["AUTO/MOVING"], 2.0):
            self._stage.wait_for_state(act.expect.state, motion.duration + self._stage.settles)
        return self._facts(motion, motion.goal)

    # -- malformed ----------------------------------------------------------------------------

    def _defective(self, act: script.Defective) -> dict[str, Any]:
        pose = self._stage.commanded()
        self._cast.mouth.order(
            do="send",
            pose=pose[self._spoken].tolist(),
            defect=act.defect,
            count=act.count,
            period=self._period,
            foreign=self._foreign(pose),
        )
        return {"start": pose.tolist()}

    def _defective_in_motion(self, act: script.DefectiveInMotion) -> dict[str, Any]:
        motion = self._to_goal(act)
        half = round(0.5 * motion.duration / self._period)
        _, start_ns = self._begin_stream(motion, fault_at=half, defect=act.defect)
        self._stage.sleep_until(start_ns + round(0.5 * motion.duration * NANO))
        self._fault_mark(act)
        self._cast.mouth.answer()
        return self._facts(motion, motion.goal)

    def _foreign(self, pose: Array) -> tuple[str, float]:
        """A joint that the source does not own, and where it is, [rad]; none of its own where it owns all."""
        name = foreign_joint(self._stage.configuration, self._source)
        return ("", 0.0) if name is None else (name, float(pose[self._robot.joints.index(name)]))

    def _replay(self, act: script.Replay) -> dict[str, Any]:
        start = self._stage.commanded()
        self._cast.mouth.order(do="replay", count=act.count, period=self._period)
        return {"start": start.tolist()}

    def _again(self, act: script.Again) -> dict[str, Any]:
        start = self._stage.commanded()
        for _ in range(act.count):
            self._cast.mouth.order(do="trajectory", name="")
            self._stage.sleep(LEAD)
        return {"start": start.tolist()}

    def _stop_flood(self, act: script.StopFlood) -> dict[str, Any]:
        start = self._stage.commanded()
        self._stage.flood_stops(act.rate_hz, act.seconds)
        return {"start": start.tolist()}

    def _respawn(self, act: script.Respawn) -> dict[str, Any]:
        return self._interrupt(act, lambda: self._stage.respawn(act.down))

    def _drive(self, act: script.Drive) -> dict[str, Any]:
        velocity = np.array([act.velocity.get(joint, 0.0) for joint in self._robot.joints])
        motion = Cruise(self._stage.commanded(), velocity, act.ramp, act.seconds)
        self._begin_stream(motion)
        self._stage.wait(self._refused, act.seconds + 1.0)
        self._stage.sleep(AFTERWARDS)
        self._cast.mouth.send(do="halt")
        self._cast.mouth.answer()
        return self._facts(motion)

    def _refused(self) -> bool:
        return any(decision.get("verdict") == "REJECT" for decision in self._stage.observed.decisions)

    def _reach(self, act: script.Reach) -> dict[str, Any]:
        motion = self._to_goal(act)
        self._begin_stream(motion)
        self._stage.wait(self._refused_or_stopped, motion.duration + LEAD)
        self._stage.sleep(AFTERWARDS)
        self._cast.mouth.send(do="halt")
        self._cast.mouth.answer()
        return self._facts(motion, motion.goal)

    def _refused_or_stopped(self) -> bool:
        return any(
            decision.get("verdict") in ("REJECT", "STOP") and decision.get("code") not in LATE
            for decision in self._stage.observed.decisions
        )

    # -- in mid-motion ------------------------------------------------------------------------

    def _interrupt(self, act: Any, interruption: Callable[[], object]) -> dict[str, Any]:
        """Stream, do something half-way, stream on for a while."""
        motion = self._to_goal(act)
        _, start_ns = self._begin_stream(motion)
        self._stage.sleep_until(start_ns + round(0.5 * motion.duration * NANO))
        self._fault_mark(act)
        interruption()
        self._stage.sleep(AFTERWARDS)
        self._cast.mouth.send(do="halt")
        self._cast.mouth.answer()
        return self._facts(motion, motion.goal)

    def _stop_in_motion(self, act: script.StopInMotion) -> dict[str, Any]:
        return self._interrupt(act, lambda: self._stage.call("stop"))

    def _press_estop(self, act: script.PressEstop) -> dict[str, Any]:
        facts = self._interrupt(act, lambda: self._cast.estop.press())
        see_down(self._stage)
        return facts

    def _disturb_device(self, act: script.DisturbDevice) -> dict[str, Any]:
        return self._interrupt(act, lambda: self._cast.estop.disturb(act.how))

    def _mend_device(self, act: script.MendDevice) -> dict[str, Any]:
        pose = self._stage.commanded()
        self._cast.estop.mend()
        self._stage.sleep(MENDED)
        self._cast.estop.cycle()
        return {"start": pose.tolist()}

    def _release_estop(self, act: script.ReleaseEstop) -> dict[str, Any]:
        motion = self._to_goal(act)
        self._begin_stream(motion)
        self._cast.estop.release()
        self._stage.sleep(LEAD + RELEASED)
        self._cast.mouth.send(do="halt")
        self._cast.mouth.answer()
        return self._facts(motion, motion.goal)

    def _silence(self, act: script.Silence) -> dict[str, Any]:
        motion = self._to_goal(act)
        half = round(0.5 * motion.duration / self._period)
        _, start_ns = self._begin_stream(motion, fault_at=half)
        self._stage.sleep_until(start_ns + round(0.5 * motion.duration * NANO))
        self._fault_mark(act)
        self._cast.mouth.answer()
        held = self._stage.wait_for_state(["AUTO/HOLDING"], act.silent)
        self._stage.wait_for_rest(1.0)
        self._stage.sleep(act.silent)
        # Without a person: the next good command resumes, from where the stop has left the robot.
        onward = self._to_goal(act)
        self._stage.mark(act.name)
        self._begin_stream(onward)
        self._cast.mouth.answer()
        return {**self._facts(motion, motion.goal), "held": held}

    def _flood(self, act: script.Flood) -> dict[str, Any]:
        pose = self._stage.commanded()
        start_ns = self._stage.now() + round(LEAD * NANO)
        self._cast.mouth.send(
            do="flood", pose=pose[self._spoken].tolist(), rate_hz=act.rate_hz, seconds=act.seconds, start_ns=start_ns
        )
        self._stage.sleep_until(start_ns + round(0.5 * act.seconds * NANO))
        if act.stop:
            self._fault_mark(act)
            self._stage.call("stop")
        said = self._cast.mouth.answer()
        return {"start": pose.tolist(), "flood": said["count"]}

    # -- processes ----------------------------------------------------------------------------

    def _agent_dies(self, act: script.AgentDies) -> dict[str, Any]:
        motion = self._to_goal(act)
        self._prepare(act.name, motion, POINTS, "none")
        self._cast.mouth.order(do="trajectory", name=act.name)
        self._stage.wait_for_state(["AUTO/MOVING"], 2.0)
        self._stage.sleep(0.4 * motion.duration)
        self._fault_mark(act)
        self._cast.mouth.kill()
        return self._facts(motion, motion.goal)

    def _second_publisher(self, act: script.SecondPublisher) -> dict[str, Any]:
        pose = self._stage.commanded()[self._spoken].tolist()
        return self._rogue(act, "stream", {"rows": [pose] * INTRUSIONS, "period": self._period})

    def _motor_topic(self, act: script.MotorTopic) -> dict[str, Any]:
        # To hold the pose that the robot holds already: harmless, and still nobody's right.
        pose = self._stage.commanded().tolist()
        return self._rogue(act, "motor", {"pose": pose, "count": INTRUSIONS, "period": 0.02})

    def _rogue(self, act: script.Act, role: str, words: dict[str, Any]) -> dict[str, Any]:
        pose = self._stage.commanded().tolist()
        rogue = self._cast.rogues[role]
        rogue.order(do="open")
        self._fault_mark(act)
        if role == "stream":
            rogue.order(do="stream", start_ns=self._stage.now(), **words)
        else:
            rogue.order(do="intrude", **words)
        self._stage.wait_for_state(act.expect.state, 3.0)
        rogue.close()
        return {"start": pose}

    # -- people -------------------------------------------------------------------------------

    def _technician(self, act: script.Technician) -> dict[str, Any]:
        pose = self._stage.commanded()
        for call in act.calls:
            if call == "reset":
                reset(self._stage, self._cast.estop)
            else:
                self._stage.call(call)
        return {"start": pose.tolist()}
