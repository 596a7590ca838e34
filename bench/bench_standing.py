"""The whole decision of the G1 on its feet: `decision.full.g1` and `decision.margin.g1`, with `balance` as shipped.

The same decision as in `bench_full`, with the balance of each step and of its whole stop besides. Nothing is fixed: the
pelvis goes down, up and leans as the legs bend, and an IMU tells how it lies, with noise. The ground stays where the
left sole is, so the IMU's word is worked out from the joints; force sensors say that both feet bear.

`decision.full.g1`: the robot squats, its knees at up to 0.5 rad/s, while the arms swing
against each other at 2 rad/s and the waist turns: both at once, forward, would tip it where they have to stop.
`decision.margin.g1`: the left hand dips to the hip until it is refused, while it squats a little and the right arm
sweeps. `cycle` is the whole `Tick`, which measures the balance, too; `prepare` is behind the set-point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec
import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from bench.bench_decision import G1, Loop
from bench.bench_full import FullLoop, blend
from bench.measure import NoGarbageCollection, Row, Stopwatch, row
from safety_supervisor.config import load_config
from safety_supervisor.core.events import Imu
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.settings import Configuration

Vector = NDArray[np.float64]

ARMS, KNEES = 2.0, 0.5
"""Speed of the fastest joint of arms and legs, [rad/s]."""
NOISE = 2e-4
"""Standard deviation of the IMU's tilt, another one each cycle, [rad]."""
LEFT = "left_ankle_roll_link"


def standing() -> Configuration:
    """The shipped configuration, all groups moved by one source at the control rate, which may be refused."""
    shipped = load_config(G1)
    planner = replace(
        shipped.source("planner"), groups=tuple(shipped.robot.groups), period=shipped.timing.period, refusals=10**6
    )
    others = tuple(s for s in shipped.sources if s.name not in ("planner", "walker"))
    return replace(shipped, sources=(planner, *others))


class StandingLoop(FullLoop):
    """Streams a motion to a robot that stands, and tells of its base and feet before each cycle."""

    def __init__(self, configuration: Configuration | None = None, noise: float = NOISE) -> None:
        """Bring it into AUTO; `noise` is that of the IMU, [rad]."""
        configuration = configuration or standing()
        assert configuration.robot.start is not None
        model = RobotModel(configuration.robot)
        self._model = model.kinematics
        self._data = self._model.createData()
        self._foot = self._model.getFrameId(LEFT, pin.FrameType.BODY)
        order = [self._model.joints[self._model.getJointId(name)].idx_q for name in configuration.robot.joints]
        self._order = np.array(order)
        self._noise, self._random = noise, np.random.default_rng(1)
        self._base: NDArray[np.float64] | None = None
        super().__init__(configuration, np.array(configuration.robot.start))

    def run(self, cycles: int, stream: bool = False) -> None:
        """See `Loop`."""
        for _ in range(cycles):
            now = self.now + self.period - 300_000
            for event in self.script.surroundings(now):
                self.supervisor.handle(self._seen(event) if isinstance(event, Imu) else event)
            Loop.run(self, 1, stream)

    def _seen(self, level: Imu) -> Imu:
        """Return what the IMU tells while the left sole lies flat."""
        q = np.zeros(self._model.nq)
        q[self._order] = self.robot
        pin.framesForwardKinematics(self._model, self._data, q)
        base = np.array(self._data.oMf[self._foot].rotation).T
        turned = np.zeros(3) if self._base is None else pin.log3(self._base.T @ base) / (self.period * 1e-9)
        self._base = base
        tilt = np.append(self._noise * self._random.normal(size=2), 0.0)
        mounted = pin.Quaternion(np.array(level.orientation))
        told = pin.Quaternion(pin.exp3(tilt) @ base) * mounted
        into = mounted.toRotationMatrix().T @ turned
        return msgspec.structs.replace(level, orientation=tuple(told.coeffs().tolist()), angular=tuple(into.tolist()))


def pose(names: tuple[str, ...], base: Vector, both: Mapping[str, float], **one: float) -> Vector:
    """Set joints of both sides, mirrored, and single ones."""
    q = base.copy()
    for name, value in both.items():
        mirrored = -value if "roll" in name or "yaw" in name else value
        q[names.index(f"left_{name}_joint")] = value
        q[names.index(f"right_{name}_joint")] = mirrored
    for name, value in one.items():
        q[names.index(f"{name}_joint")] = value
    return q


UP = {"shoulder_pitch": -0.7, "shoulder_roll": 0.5, "shoulder_yaw": 0.2, "elbow": 0.2, "wrist_pitch": 0.3}
DOWN = {"shoulder_pitch": 0.3, "shoulder_roll": 0.4, "shoulder_yaw": -0.2, "elbow": 1.2, "wrist_roll": 0.4}
SQUAT = {"hip_pitch": -0.6, "knee": 1.1, "ankle_pitch": -0.54}
BENT = {"hip_pitch": -0.25, "knee": 0.5, "ankle_pitch": -0.25}
"""Soles stay flat: what is left of the sum is how the pelvis leans."""


def _arms(names: tuple[str, ...], base: Vector, left: Mapping[str, float], right: Mapping[str, float]) -> Vector:
    """Set each arm as one of UP and DOWN."""
    ours = [side in name for name in names for side in ("left_shoulder", "left_elbow", "left_wrist")]
    is_left = np.array(ours).reshape(-1, 3).any(axis=1)
    q: Vector = np.where(is_left, pose(names, base, left), pose(names, base, right))
    return q


def squats(names: tuple[str, ...], home: Vector) -> tuple[Vector, Vector]:
    """Return the way to where the motion begins, and set-points of one squat down and up while the arms swing."""
    first = _arms(names, pose(names, home, {}, waist_yaw=-0.2), DOWN, UP)
    swing = _arms(names, pose(names, home, {}, waist_yaw=0.2), UP, DOWN) - first
    still = np.zeros(len(home))
    low = pose(names, first, SQUAT)
    there = blend(still, swing, ARMS)
    swings = np.concatenate([there, swing - there])
    down = low - first
    times = -(-len(blend(still, down, KNEES)) // len(swings))
    arms = np.tile(swings, (times, 1))
    legs = blend(still, down, KNEES * len(blend(still, down, KNEES)) / len(arms))[: len(arms)]
    legs = np.concatenate([legs, np.tile(down, (len(arms) - len(legs), 1))])
    return blend(home, first, 0.5), np.concatenate([first + legs + arms, first + down - legs + arms])


def _full(n: int) -> tuple[StandingLoop, int]:
    loop = StandingLoop()
    asked = [0]
    judge = loop.verifier.balance._judge  # type: ignore[union-attr]

    def counted(*arguments: object) -> object:
        asked[0] += 1
        return judge(*arguments)  # type: ignore[arg-type]

    begin, points = squats(loop.names, np.array(loop.robot))
    for q in begin:
        loop.send(q)
    loop.decisions, loop.ticks, loop.prepare_clock = Stopwatch(), Stopwatch(), Stopwatch()
    loop.verifier.balance._judge = counted  # type: ignore[union-attr, assignment, method-assign]
    while len(loop.decisions.cpu) < n:
        for q in points:
            loop.send(q)
            if loop.supervisor.state != "AUTO/MOVING":
                raise RuntimeError(f"the benchmark's motion was refused: {loop.supervisor.state}")
    return loop, asked[0]


def _margin(n: int) -> tuple[StandingLoop, int]:
    loop = StandingLoop()
    names, home = loop.names, np.array(loop.robot)
    low = pose(
        names, home, {}, left_shoulder_pitch=0.2, left_shoulder_roll=0.29, left_shoulder_yaw=-0.3, left_elbow=0.9
    )
    still = np.zeros(len(home))
    sweep = pose(names, still, {"hip_pitch": -0.1, "knee": 0.2, "ankle_pitch": -0.1}, right_elbow=0.35)
    dip = pose(names, still, {}, left_shoulder_roll=-0.06)
    bent = pose(names, low, BENT)
    for q in blend(home, bent, 0.4):
        loop.send(q)
    loop.run(300)
    loop.decisions, loop.ticks = Stopwatch(), Stopwatch()
    refused, side = 0, 1.0
    while len(loop.decisions.cpu) < n:
        for q in blend(np.array(loop.robot), bent + side * sweep + dip, 0.8):
            loop.send(q)
            if loop.supervisor.state != "AUTO/MOVING":
                refused += 1
                break
        loop.run(150)  # past the time in which what is streamed on is excused
        back = np.array(loop.robot)
        for q in blend(back, np.where(sweep != 0.0, back, bent), 0.3):
            loop.send(q)
        loop.run(50)
        side = -side
    if not refused:
        raise RuntimeError("the benchmark never came to the margin")
    return loop, refused


def rows(quick: bool = False) -> list[Row]:
    """Measure and return the rows."""
    count = 600 if quick else 6000
    result: list[Row] = []
    with NoGarbageCollection():
        loop, judged = _full(count)
        about = {"robot": "g1", "joints": len(loop.names), "pairs": len(loop.verifier.scene.pairs)}
        clock = loop.decisions
        result.append(row("decision.full.g1", clock.cpu, clock.wall, judged=judged, **about))
        result.append(row("cycle.full.g1", loop.ticks.cpu, loop.ticks.wall, **about))
        result.append(row("prepare.full.g1", loop.prepare_clock.cpu, loop.prepare_clock.wall, **about))
        loop, refused = _margin(count)
        clock = loop.decisions
        result.append(row("decision.margin.g1", clock.cpu, clock.wall, refused=refused, **about))
    return result
