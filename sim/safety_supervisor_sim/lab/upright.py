"""Random driving of a humanoid that stands on its feet, through the real supervisor; who falls, and by whose doing.

Two ways of driving, towards poses of which some touch something; now and then somebody asks for a protective stop in
mid-motion. `arms`: alone and without ever coming to rest, at nearly full allowed speed. `all`: the whole body from rest
to rest, feet where they stand, slow to full, towards poses of which some tip; now and then it falls silent on the way.

A fall begins when the capture point leaves the support polygon for good. When that was after the supervisor began a
stop, the run is played again from the moment of the stop, but as if the agent had been let on: if the robot stands
then, the stop caused the fall.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Final, Protocol

import numpy as np

from safety_supervisor_sim.cell.standing import StandingRobot
from safety_supervisor_sim.lab.arm import STREAM_PERIOD, Stuck
from safety_supervisor_sim.lab.balance_inputs import checks_balance
from safety_supervisor_sim.lab.humanoid import Humanoid, standing_file
from safety_supervisor_sim.lab.motions import Poses
from safety_supervisor_sim.lab.pace import Pace
from safety_supervisor_sim.lab.planted_agent import PlantedAgent, planted_agent
from safety_supervisor_sim.lab.stances import FootedBench
from safety_supervisor_sim.lab.stand import StandBench, load_stand
from safety_supervisor_sim.lab.wanderer import Wanderer
from safety_supervisor_sim.oracle.balance import BalanceJudge
from safety_supervisor_sim.oracle.touch import TouchJudge
from safety_supervisor_sim.oracle.way import Seen, WayJudge
from safety_supervisor_sim.oracle.world import Array

DRIVES: Final = ("arms", "all")
_SHARE: Final = 0.9
"""Of the fastest pace."""
_JERK_SHARE: Final = 0.1
_POOL: Final = 24
_CLEAR: Final = 0.02  # what counts as touching nothing, [m]
_LONGEST: Final = 500  # cycles of a drive that does not end by itself
_REST: Final = 25  # cycles
_STOP_SHARE: Final = 0.15  # of drives in which a protective stop is asked for
_SILENT_SHARE: Final = 0.1  # of drives that end by themselves, in which the agents fall silent before
_SLOW, _FAST = 1 / 3, 2 / 3
"""Shares of the limits between which a pace is moderate."""
_AHEAD: Final = 3  # set-points of the agent that are on their way
_AFTER: Final = 2.0  # how long a robot that was let on has to stand, [s]


@dataclass
class Upright:
    """What came of it.

    Attributes:
        balance_checked: whether the supervisor judged balance.
        seconds: simulated, by way of driving.
        drives: from rest to rest, by way of driving.
        travelled: of all joints, [rad].
        refusals: by code.
        ends: of drives that end by themselves: kind of goal and pace to how they ended, the first code if by refusal.
        stops_asked: protective stops that somebody asked for.
        resets: acts of a person that became necessary.
        falls: way of driving, time, why, when it began, in what phase, and whether a stop of the supervisor caused it.
        contacts: true poses in which the meshes touch.
        pressed: pairs of hulls that physics found in contact while the robot stood.
        slips: farthest that a bearing foot moved in boots without a fall, [m].
        least: least distance inside the support polygon by point, in boots without a fall, [m].
        seen: of the judge of contacts.
        stuck: boots that did not go on, by why.
    """

    balance_checked: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    drives: Counter[str] = field(default_factory=Counter)
    travelled: float = 0.0
    refusals: Counter[str] = field(default_factory=Counter)
    ends: dict[str, Counter[str]] = field(default_factory=dict)
    stops_asked: int = 0
    resets: int = 0
    falls: list[dict[str, Any]] = field(default_factory=list)
    contacts: list[dict[str, Any]] = field(default_factory=list)
    pressed: set[tuple[str, str]] = field(default_factory=set)
    slips: float = 0.0
    least: dict[str, float] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)
    stuck: Counter[str] = field(default_factory=Counter)

    @property
    def ok(self) -> bool:
        """Whether all is as it has to be; falls count where the supervisor judges balance."""
        return not self.contacts and not self.stuck and not (self.balance_checked and self.falls)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        by_drive = {drive: [fall for fall in self.falls if fall["drive"] == drive] for drive in self.drives}
        return {
            "ok": self.ok,
            "balance_checked": self.balance_checked,
            "seconds": dict(self.seconds),
            "drives": dict(self.drives),
            "travelled": self.travelled,
            "refusals": dict(self.refusals.most_common()),
            "ends": {kind: dict(ends.most_common()) for kind, ends in sorted(self.ends.items())},
            "stops_asked": self.stops_asked,
            "resets": self.resets,
            "falls": {drive: len(falls) for drive, falls in by_drive.items()},
            "falls_by_own_stop": {drive: sum(f["own_stop"] for f in falls) for drive, falls in by_drive.items()},
            "fall_list": self.falls[:100],
            "self_contacts": len(self.contacts),
            "contact_list": self.contacts[:50],
            "hulls_pressed": sorted(" and ".join(pair) for pair in self.pressed),
            "farthest_slip": self.slips,
            "least_inside": dict(sorted(self.least.items())),
            "states": self.seen.set_points,
            "nearest_miss": self.seen.nearest_as_dict()["self"],
            "stuck": dict(self.stuck),
        }


class Agent(Protocol):
    """Who drives."""

    @property
    def left(self) -> int:
        """How many set-points are left before it rests by itself."""
        ...

    def begin(self, pose: Array) -> None:
        """Begin at rest at a pose, shape (n,), [rad]."""
        ...

    def next(self) -> Array:
        """Return the next set-point, one `STREAM_PERIOD` later, shape (n,), [rad]."""
        ...


@lru_cache(maxsize=2)
def bench_of(name: str) -> StandBench:
    """One a process."""
    return load_stand(name)


def judge_upright(
    name: str,
    seed: tuple[int, ...],
    seconds: float,
    drives: tuple[str, ...] = DRIVES,
    progress: Callable[[float], None] | None = None,
) -> Upright:
    """Drive at random and judge.

    Args:
        name: of `config/NAME.yaml`, `sim/cells/NAME_lab.yaml` and `sim/cells/NAME_standing.yaml`.
        seed: of everything that is drawn.
        seconds: simulated time of each way of driving.
        drives: of `DRIVES`.
        progress: told the seconds that have passed.
    """
    result, told = Upright(), progress or _no_progress
    for number, drive in enumerate(drives):
        result.seconds[drive] = 0.0
        laboratory = _Laboratory(name, drive, np.random.default_rng((*seed, DRIVES.index(drive))), result)
        try:
            while result.seconds[drive] < seconds and not result.stuck:
                laboratory.boot(seconds, partial(_add, told, number * seconds))
        finally:
            laboratory.close()
    return result


def agent_of(
    name: str, bench: StandBench, judge: TouchJudge, drive: str, random: np.random.Generator
) -> Wanderer | PlantedAgent:
    """Return who drives.

    Args:
        name: as of `judge_upright`.
        bench: of the robot.
        judge: stays open as long as the agent is used.
        drive: of `DRIVES`.
        random: of everything that is drawn.
    """
    file, pace = standing_file(name), Pace(bench.configuration)
    home = np.array(file.robot.home)
    if drive == "all":
        return planted_agent(FootedBench(bench, name, file.feet, home), pace, judge, random)
    return Wanderer(pace, _draw(bench, judge, home, random), random, _SHARE, _JERK_SHARE, steady=True)


def _draw(bench: StandBench, judge: TouchJudge, home: Array, random: np.random.Generator) -> Poses:
    """Draw goals: arms anywhere inside their limits, legs and waist at home."""
    limits = bench.configuration.envelope.joints
    arms = [index for index, joint in enumerate(bench.robot.joints) if _of_arm(joint)]
    poses = Poses([], [], [])
    while min(len(poses.touching), len(poses.clear)) < _POOL:
        pose = home.copy()
        pose[arms] = random.uniform(limits.lower, limits.upper)[arms]
        near = judge.look(pose, _CLEAR).own
        kind = poses.touching if near.touches else poses.clear
        if len(kind) < 2 * _POOL and (near.touches or near.distance >= _CLEAR / 4):
            kind.append(pose)
    return Poses(poses.touching, poses.clear, poses.clear)


def _kind(agent: Wanderer | PlantedAgent) -> str:
    """Say what goal and pace a drive that ends by itself has; nothing of others."""
    if isinstance(agent, Wanderer):
        return ""
    pace = "slow" if agent.share < _SLOW else "moderate" if agent.share < _FAST else "fast"
    return f"{'unsafe' if agent.unsafe else 'clear'} goal, {pace}"


def _add(told: Callable[[float], None], before: float, seconds: float) -> None:
    told(before + seconds)


def _no_progress(seconds: float) -> None:
    """Nobody is told."""


def _of_arm(joint: str) -> bool:
    return any(word in joint for word in ("shoulder", "elbow", "wrist", "arm_"))


class _Laboratory:
    """One way of driving."""

    def __init__(self, name: str, drive: str, random: np.random.Generator, result: Upright) -> None:
        self._bench = bench_of(name)
        self._robot = StandingRobot(standing_file(name))
        self._landed = self._robot.save()
        self._drive_name, self._random, self._result = drive, random, result
        self._judge = self._bench.judge()
        self._way = WayJudge(self._judge)
        self._agent = agent_of(name, self._bench, self._judge, drive, random)
        result.balance_checked = checks_balance(self._bench.configuration)

    def close(self) -> None:
        self._result.seen.add(self._way.seen)
        self._judge.close()
        self._robot.close()

    def boot(self, seconds: float, progress: Callable[[float], None]) -> None:
        """Stand the robot up and drive until it falls or the time is over."""
        result, drive = self._result, self._drive_name
        self._robot.restore(self._landed)
        humanoid = Humanoid(self._bench.configuration, self._robot)
        try:
            begun = result.seconds[drive]
            while not humanoid.balance.seen.fell and result.seconds[drive] < seconds:
                if not humanoid.supervisor.state.startswith("AUTO"):
                    result.resets += 1
                    humanoid.arm()
                humanoid.begin()
                self._drive(humanoid)
                self._judge_drive(humanoid)
                result.seconds[drive] = begun + humanoid.robot.time
                progress(result.seconds[drive])
        except Stuck as stuck:
            result.stuck[str(stuck)] += 1
        finally:
            seen = humanoid.balance.seen
            if not seen.fell:
                result.slips = max([result.slips, *seen.slips.values()])
                for point, value in seen.least.items():
                    result.least[point] = min(result.least.get(point, value), value)

    def _drive(self, humanoid: Humanoid) -> None:
        """Drive until something is refused or it falls, to the end or for a while; then let it come to rest."""
        random, fell, agent = self._random, humanoid.balance.seen, self._agent
        agent.begin(humanoid.pose)
        whole = round(agent.left * STREAM_PERIOD * 1e9 / humanoid.period) if isinstance(agent, PlantedAgent) else 0
        length = whole or _LONGEST
        if whole and random.random() < _SILENT_SHARE:
            length = int(random.integers(1, whole))
        stop_at = -1
        if random.random() < _STOP_SHARE:
            stop_at = int(random.integers(min(50, length // 2), length))
        kind = _kind(agent)
        sent: deque[Array] = deque([humanoid.pose] * _AHEAD, maxlen=_AHEAD)
        due, saved, stopped_at, end = 0.0, None, 0.0, "silence" if length < whole else ""
        for cycle in range(length):
            if cycle * humanoid.period * 1e-9 >= due - 1e-9:
                due += STREAM_PERIOD
                before = agent.fork()
                set_point = agent.next()
                humanoid.stream_due(set_point, round(due / STREAM_PERIOD))
                sent.append(set_point)
            if cycle == stop_at:
                humanoid.request_stop()
                self._result.stops_asked += 1
            if humanoid.refused is not None or cycle == stop_at:
                saved, stopped_at = humanoid.robot.save(), humanoid.robot.time
                end = "stop asked" if humanoid.refused is None else end
                break
            humanoid.cycle()
            if fell.fell:
                break
        rested = 0
        while rested < _REST and not fell.fell:
            humanoid.cycle()
            rested = 0 if humanoid.moving else rested + 1
        if fell.fell:
            self._note_fall(humanoid, saved, stopped_at, before, list(sent))
        if saved is not None:
            humanoid.robot.forget(saved)
        if kind:
            refused = "" if humanoid.refused is None else humanoid.refused.code
            self._result.ends.setdefault(kind, Counter())["fell" if fell.fell else end or refused or "passed"] += 1

    def _note_fall(
        self,
        humanoid: Humanoid,
        saved: tuple[int, int, list[float]] | None,
        stopped_at: float,
        agent: Agent,
        sent: list[Array],
    ) -> None:
        seen = humanoid.balance.seen
        assert seen.fell_at is not None
        assert seen.lost_at is not None
        phase = humanoid.phase_at(seen.lost_at)
        fall = {
            "drive": self._drive_name,
            "at": seen.fell_at,
            "by": seen.fell_by,
            "began": seen.lost_at,
            "phase": phase,
            "own_stop": False,
            "pose": humanoid.pose.tolist(),
        }
        if saved is not None and seen.lost_at >= stopped_at:
            humanoid.robot.restore(saved)
            fall["own_stop"] = not falls_if_let_on(humanoid.robot, agent, sent, seen.fell_at + _AFTER - stopped_at)
            fall["stopped_at"] = stopped_at
            fall["code"] = "asked" if humanoid.refused is None else humanoid.refused.code
        self._result.falls.append(fall)

    def _judge_drive(self, humanoid: Humanoid) -> None:
        result = self._result
        rows = np.array(humanoid.true)
        result.drives[self._drive_name] += 1
        result.travelled += float(np.abs(np.diff(rows, axis=0)).sum())
        result.refusals.update(one.code for one in humanoid.decisions if one.verdict in ("REJECT", "STOP"))
        result.pressed |= humanoid.pressed
        touched = self._way.follow(rows)
        if touched is not None:
            near = touched.near
            found = {"pair": near.pair, "distance": near.distance, "pose": list(touched.pose)}
            result.contacts.append(found | {"drive": self._drive_name, "at": humanoid.robot.time})
        humanoid.true = humanoid.true[-1:]


def falls_if_let_on(robot: StandingRobot, agent: Agent, sent: list[Array], seconds: float) -> bool:
    """Whether the robot falls when it goes on after an agent's wishes, with nobody between them.

    Args:
        robot: where it begins.
        agent: is used up.
        sent: set-points that were on their way, each shape (n,), [rad], one every `STREAM_PERIOD`.
        seconds: how long.
    """
    judge = BalanceJudge(robot.file.fallen.tilt, robot.file.fallen.height)
    steps = round(STREAM_PERIOD * robot.file.rate_hz)
    last = sent[0]
    waiting = deque(sent[1:])
    for _ in range(round(seconds / STREAM_PERIOD)):
        wish = waiting.popleft() if waiting else agent.next()
        for step in range(1, steps + 1):
            robot.drive(last + (wish - last) * (step / steps))
            robot.step()
        last = wish
        judge.see(robot.stance())
        if judge.seen.fell:
            return True
    return False
