"""Emergency stops of a humanoid whose arms are anywhere: how does it come down?

Each time it stands up anew and its agents drive it at random (`upright`) for a random while; then somebody presses the
e-stop, in mid-motion as often as it happens, and it goes down its stop ladder until the relays would open. Judged are
the true motion and the ground, by the oracle alone, until the robot is told to go limp: it sinks from there on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from safety_supervisor.core.errors import Code
from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.cell.standing import DAMP, HOLD, LOWER, OFF, StandingRobot
from safety_supervisor_sim.lab.arm import STREAM_PERIOD, Stuck
from safety_supervisor_sim.lab.humanoid import Humanoid, standing_file
from safety_supervisor_sim.lab.stand import StandBench
from safety_supervisor_sim.lab.upright import Agent, agent_of, bench_of
from safety_supervisor_sim.oracle.touch import TouchJudge
from safety_supervisor_sim.oracle.way import WayJudge

_SOONEST, _LATEST = 0.5, 4.0
"""How long it is driven, [s]."""
_MOVING: Final = 0.05  # [rad/s]
_WATCHED: Final = 4
"""One in so many is watched on after `damp`, until the relays would open."""


@dataclass(frozen=True)
class Descent:
    """One e-stop.

    Attributes:
        drive: way of driving before.
        moving: whether any joint moved when it was pressed.
        modes: all that was told since.
        damped: time from the button to `damp`, [s]; None when it was not told before the relays opened.
        watched: whether it was watched on after `damp`.
        off: time from the button to `off`, [s]; None when it was not told before the relays opened, or not watched for.
        refused: why the way down, or a step of it, was refused: code, rule and joint.
        sunk: how much lower its base was by `damp`, [m].
        fell: whether it lay, tilted or touched the ground with more than its feet before `damp`.
        lost: whether its capture point left the soles for good before `damp`.
        slipped: farthest that a bearing foot moved before `damp`, [m].
        touched: parts whose meshes touched before `damp`, empty for none.
        pose: pressed in, [rad].
    """

    drive: str
    moving: bool
    modes: tuple[str, ...]
    damped: float | None
    watched: bool
    off: float | None
    refused: tuple[str, ...]
    sunk: float
    fell: bool
    lost: bool
    slipped: float
    touched: str
    pose: tuple[float, ...]

    @property
    def lowered(self) -> bool:
        """Whether the verified way down was taken to its end."""
        return self.modes[:3] == (HOLD, LOWER, DAMP) and not self.refused


@dataclass
class Descents:
    """What came of many.

    Attributes:
        all: one an e-stop.
        resets: acts of a person that became necessary before.
        stuck: boots that did not come to an e-stop, by why.
    """

    all: list[Descent] = field(default_factory=list)
    resets: int = 0
    stuck: Counter[str] = field(default_factory=Counter)

    @property
    def ok(self) -> bool:
        """Whether nobody fell or touched himself before `damp`, which was told each time before the relays opened."""
        bad = any(one.fell or one.lost or one.touched or one.damped is None for one in self.all)
        return bool(self.all) and not bad and not self.stuck

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        refused = Counter(why for one in self.all for why in set(one.refused))
        damped = [one.damped for one in self.all if one.damped is not None]
        off = [one.off for one in self.all if one.off is not None]
        lowered = [one for one in self.all if one.lowered]
        return {
            "ok": self.ok,
            "estops": len(self.all),
            "in_motion": sum(one.moving for one in self.all),
            "lowered": len(lowered),
            "ways": dict(Counter(" ".join(one.modes) for one in self.all).most_common()),
            "refused": dict(refused.most_common()),
            "fell_before_damp": sum(one.fell for one in self.all),
            "lost_before_damp": sum(one.lost for one in self.all),
            "touched_before_damp": sum(bool(one.touched) for one in self.all),
            "farthest_slip": max((one.slipped for one in self.all), default=0.0),
            "least_sunk": min((one.sunk for one in lowered), default=0.0),
            "seconds_to_damp": _spread(damped),
            "watched_for_off": sum(one.watched for one in self.all),
            "off_told_before_relays": len(off),
            "seconds_to_off": _spread(off),
            "resets": self.resets,
            "stuck": dict(self.stuck),
            "not_lowered": [asdict(one) for one in self.all if not one.lowered][:100],
        }


def judge_estops(
    name: str, seed: tuple[int, ...], count: int, drive: str = "arms", progress: Callable[[int], None] | None = None
) -> Descents:
    """Drive at random, press the e-stop, and judge the way down.

    Args:
        name: as of `judge_upright`; its configuration has `balance.ladder`.
        seed: of everything that is drawn.
        count: how many e-stops.
        drive: of `DRIVES`.
        progress: told how many are over.

    Raises:
        ValueError: the configuration has no `balance.ladder`.
    """
    bench, random = bench_of(name), np.random.default_rng((*seed, 7))
    relays, result = relays_open(bench.configuration), Descents()
    robot, judge = StandingRobot(standing_file(name)), bench.judge()
    try:
        landed, agent = robot.save(), agent_of(name, bench, judge, drive, random)
        for number in range(count):
            robot.restore(landed)
            try:
                result.all.append(
                    _press(_driven(bench, robot, agent, random, result), drive, judge, relays, number % _WATCHED == 0)
                )
            except Stuck as stuck:
                result.stuck[str(stuck)] += 1
            if progress is not None:
                progress(number + 1)
    finally:
        judge.close()
        robot.close()
    return result


def _driven(
    bench: StandBench, robot: StandingRobot, agent: Agent, random: np.random.Generator, result: Descents
) -> Humanoid:
    """Stand it up and drive it for a random while; what is refused ends at rest, and it is driven on from there."""
    humanoid = Humanoid(bench.configuration, robot)
    until = robot.time + float(random.uniform(_SOONEST, _LATEST))
    sent = 0
    while robot.time < until:
        if not humanoid.supervisor.state.startswith("AUTO"):
            result.resets += 1
            humanoid.arm()
        humanoid.begin()
        agent.begin(humanoid.pose)
        begun = sent
        since = robot.time
        while robot.time < until and humanoid.refused is None:
            while (sent - begun) * STREAM_PERIOD <= robot.time - since + 1e-9:
                sent += 1
                humanoid.stream_due(agent.next(), sent)
            humanoid.cycle()
        while robot.time < until and humanoid.moving:
            humanoid.cycle()
    return humanoid


def relays_open(configuration: Configuration) -> float:
    """Return how long after the button relays open at the soonest that the ladder allows them, [s].

    Raises:
        ValueError: the configuration has no `balance.ladder`.
    """
    balance = configuration.balance
    if balance is None or balance.ladder is None:
        raise ValueError("the configuration has no `balance.ladder`")
    return (balance.ladder.duration + configuration.timing.estop_timeout) * 1e-9


def _press(humanoid: Humanoid, drive: str, judge: TouchJudge, relays: float, watched: bool) -> Descent:
    """Press the e-stop, and watch until `damp`, or until the relays open; agents are silent."""
    robot, seen = humanoid.robot, humanoid.balance.seen
    pressed, stood, pose = robot.time, float(robot.base_pose()[0][2]), humanoid.true[-1]
    moving = bool(np.abs(robot.joint_states()[1]).max() > _MOVING)
    told, codes = len(humanoid.rungs), len(humanoid.decisions)
    humanoid.true = humanoid.true[-1:]
    humanoid.pressed_button = True
    while not _told(humanoid, told, DAMP) and robot.time < pressed + relays:
        humanoid.cycle()
    sunk = stood - float(robot.base_pose()[0][2])
    fell, lost, slipped = seen.fell, seen.lost_at is not None, max(seen.slips.values(), default=0.0)
    touched = WayJudge(judge).follow(np.array(humanoid.true))
    while watched and not _told(humanoid, told, OFF) and robot.time < pressed + relays:
        humanoid.cycle()
    causes = {Code.ESTOP.value, Code.PURGED.value}
    refused = [
        one for one in humanoid.decisions[codes:] if one.verdict in ("REJECT", "STOP") and one.code not in causes
    ]
    return Descent(
        drive,
        moving,
        # A robot that stood is on HOLD already, and is not told again.
        (HOLD, *(mode for _, mode in humanoid.rungs[told:])),
        _told(humanoid, told, DAMP, pressed),
        watched,
        _told(humanoid, told, OFF, pressed),
        tuple(f"{one.code} {one.rule} {one.joint}".strip() for one in refused),
        sunk,
        fell,
        lost,
        slipped,
        "" if touched is None else touched.near.pair,
        tuple(pose.tolist()),
    )


def _told(humanoid: Humanoid, before: int, mode: str, since: float = 0.0) -> float | None:
    """When a mode was told, [s] from `since` on; None as long as it was not."""
    return next((time - since for time, one in humanoid.rungs[before:] if one == mode), None)


def _spread(values: list[float]) -> dict[str, float]:
    """Median and greatest."""
    return {"median": float(np.median(values)), "greatest": max(values)} if values else {}
