"""Beside us: pink and mink as filters of the very commands of `decision.full.panda`.

A filter is asked once a set-point: from the velocity that reaches it in one control period, to the nearest velocity
that its limits permit, a quadratic program solved by DAQP. (The velocity enters as the pose that it leads to: mink has
no velocity task, and that of pink 4.4 goes the other way.) Both get our joints, our limits of position and velocity,
our link volumes and our pairs of links; they may close 0.85 of a gap in a period, as mink does by default, so that the
motion goes through unchanged (`changed` counts commands that did not). All take turns, one leg of the motion each, so
that all meet the same machine. What is counted: kinematics at the new pose, the program, its solution.

`compare.supervisor.panda` is `decision.full.panda` in these turns; `ratio` is to its median.
`compare.pink.panda.nearest` constrains the four nearest pairs only; `compare.pink.panda.cell` has the pairs with the
cell, too, as we do.

`compare.supervisor.g1` and `compare.mink.g1` are the same on the G1 that stands, with the commands of
`decision.full.g1`. mink's own G1 is fetched from the Internet when it is used first, so this one is our URDF and our
link volumes, translated to MuJoCo like the Panda. Its pelvis is fixed: of balance, feet and base it knows nothing here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import coal
import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from bench.bench_full import HOME, PICK, PLACE, FullLoop, blend
from bench.bench_standing import StandingLoop, squats
from bench.measure import NoGarbageCollection, Row, Stopwatch, row
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.settings import Configuration

Vector = NDArray[np.float64]

PLACE_OF_PACKAGES = Path(__file__).parents[1] / ".compare"
HOW = "compare: pink and mink are not installed; `make bench-compare` puts them into .compare/ and measures"
SOLVER = "daqp"
GAIN = 0.85
NEAREST = 4
UNCHANGED = 1e-6
"""A velocity that differs by less is the one that was asked for, [rad/s]."""

CHECKS = {
    "supervisor": "the step and its whole jerk-limited stop: position, velocity, acceleration, jerk; speed of links; "
    "links, cell, zones, proven for all poses between; people where configured. Refuses, never changes a motion.",
    "pink": "position, velocity; links at the pose where the step begins, made linear. Could have: acceleration, cell. "
    "Not: the stop after the step, jerk, speed of links, poses between, people. Changes the motion.",
    "mink": "position, velocity; links nearer than 0.1 m where the step begins, made linear. Could have: cell. "
    "Not: the stop after the step, acceleration, jerk, speed of links, poses between, people. Changes the motion.",
}
"""What each checks of a command and what not, printed under the table."""

CHECKS_G1 = (
    CHECKS["supervisor"] + " And the balance of a robot on its feet: zero-moment and capture point, feet at rest."
)


class Filter(Protocol):
    """From a pose and a wished velocity to one that is permitted."""

    def velocity(self, q: Vector, wished: Vector) -> Vector:
        """Return it, shape (n,), [rad/s]."""


def self_pairs(scene: Scene) -> list[int]:
    """Numbers of the pairs between links."""
    return [index for index, pair in enumerate(scene.pairs) if pair.rule == "geometry.self"]


class Pink:
    """pink: the next pose as a posture task, limits of position and velocity, self-collision as a barrier."""

    def __init__(self, configuration: Configuration, scene: Scene, pairs: list[int], constrained: int) -> None:
        """Build model, limits and barrier; the geometry is the scene's, with some of its pairs."""
        import pink
        from pink.barriers import SelfCollisionBarrier
        from pink.limits import ConfigurationLimit, VelocityLimit
        from pink.tasks import PostureTask

        limits, self._dt = configuration.envelope.joints, configuration.timing.period * 1e-9
        model = scene.model.kinematics.copy()
        model.lowerPositionLimit, model.upperPositionLimit = limits.lower, limits.upper
        model.velocityLimit = limits.velocity
        geometry = scene._geometry.copy()
        geometry.removeAllCollisionPairs()
        for first, second in scene.bodies[pairs].tolist():
            geometry.addCollisionPair(pin.CollisionPair(first, second))
        barrier = SelfCollisionBarrier(
            constrained, gain=GAIN / self._dt, safe_displacement_gain=0.0, d_min=configuration.geometry.margin
        )
        self._configuration = pink.Configuration(
            model, model.createData(), PICK, collision_model=geometry, collision_data=geometry.createData()
        )
        self._task = PostureTask(cost=1.0)
        self._solve: Callable[..., Vector] = pink.solve_ik
        self._options: dict[str, Any] = {
            "solver": SOLVER,
            "limits": [ConfigurationLimit(model, config_limit_gain=1.0), VelocityLimit(model)],
            "barriers": [barrier],
        }

    def velocity(self, q: Vector, wished: Vector) -> Vector:
        """See `Filter`."""
        self._configuration.update(q)
        self._task.set_target(q + wished * self._dt)
        return self._solve(self._configuration, [self._task], self._dt, **self._options)


class Mink:
    """mink: the next pose as a posture task, limits of position and velocity, collision avoidance as a limit."""

    def __init__(self, configuration: Configuration, scene: Scene, pairs: list[int]) -> None:
        """Build a MuJoCo model of the scene's joints and bodies, limits and pairs."""
        import mink

        limits, self._dt = configuration.envelope.joints, configuration.timing.period * 1e-9
        self.model = mujoco_model(scene, limits.lower, limits.upper, pairs)
        self._configuration = mink.Configuration(self.model)
        self._task = mink.PostureTask(self.model, cost=1.0)
        avoid = mink.CollisionAvoidanceLimit(
            self.model,
            [([f"body{a}"], [f"body{b}"]) for a, b in scene.bodies[pairs].tolist()],
            gain=GAIN,
            minimum_distance_from_collisions=configuration.geometry.margin,
            collision_detection_distance=0.1,
        )
        self.pairs = len(avoid.geom_id_pairs)
        speeds = dict(zip(configuration.robot.joints, limits.velocity.tolist(), strict=True))
        self._solve: Callable[..., Vector] = mink.solve_ik
        self._options: dict[str, Any] = {
            "solver": SOLVER,
            "limits": [
                mink.ConfigurationLimit(self.model, gain=1.0),
                mink.VelocityLimit(self.model, speeds),
                avoid,
            ],
        }

    def velocity(self, q: Vector, wished: Vector) -> Vector:
        """See `Filter`."""
        self._configuration.update(q)
        self._task.set_target(q + wished * self._dt)
        return self._solve(self._configuration, [self._task], self._dt, **self._options)


def mujoco_model(scene: Scene, lower: Vector, upper: Vector, pairs: list[int]) -> Any:
    """Make a MuJoCo model of the scene's joints, all about their own axis, and of the bodies of some pairs."""
    import mujoco

    kinematics, geometry = scene.model.kinematics, scene._geometry
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    bodies = [spec.worldbody]
    for joint in range(1, kinematics.njoints):
        kind = kinematics.joints[joint].shortname()
        if not kind.startswith("JointModelR") or kind[-1] not in "XYZ":
            raise RuntimeError(f"a joint of the kind {kind} is not translated")
        place = kinematics.jointPlacements[joint]
        body = bodies[kinematics.parents[joint]].add_body(
            name=f"link{joint}", pos=place.translation, quat=_wxyz(place), mass=1.0, inertia=[0.1, 0.1, 0.1]
        )
        axis = np.eye(3)["XYZ".index(kind[-1])]
        number = kinematics.joints[joint].idx_q
        body.add_joint(
            name=kinematics.names[joint],
            type=mujoco.mjtJoint.mjJNT_HINGE,
            axis=axis,
            limited=True,
            range=[lower[number], upper[number]],
        )
        bodies.append(body)
    for index in sorted(set(scene.bodies[pairs].ravel().tolist())):
        thing = geometry.geometryObjects[index]
        shape, place = thing.geometry, thing.placement
        about: dict[str, Any] = {"name": f"body{index}", "pos": place.translation, "quat": _wxyz(place), "mass": 0.0}
        match shape:
            case coal.Capsule():
                about |= {"type": mujoco.mjtGeom.mjGEOM_CAPSULE, "size": [shape.radius, shape.halfLength, 0.0]}
            case coal.Cylinder():
                about |= {"type": mujoco.mjtGeom.mjGEOM_CYLINDER, "size": [shape.radius, shape.halfLength, 0.0]}
            case coal.Box():
                about |= {"type": mujoco.mjtGeom.mjGEOM_BOX, "size": shape.halfSide}
            case _:
                spec.add_mesh(name=f"hull{index}", uservert=np.array(shape.points()).ravel())
                about |= {"type": mujoco.mjtGeom.mjGEOM_MESH, "meshname": f"hull{index}"}
        bodies[thing.parentJoint].add_geom(**about)
    return spec.compile()


def _wxyz(place: Any) -> list[float]:
    x, y, z, w = pin.Quaternion(place.rotation).coeffs().tolist()
    return [w, x, y, z]


def same_distances(scene: Scene, model: Any, pairs: list[int], count: int = 50) -> float:
    """Return how far MuJoCo's distances are from ours at some poses, pairs that are apart, [m]."""
    import mujoco

    data, generator, worst = mujoco.MjData(model), np.random.default_rng(1), 0.0
    lower, upper, _, _ = scene.model.urdf_limits()
    numbers = [[model.geom(f"body{body}").id for body in both] for both in scene.bodies[pairs].tolist()]
    for q in generator.uniform(lower, upper, (count, len(lower))):
        data.qpos = q
        mujoco.mj_kinematics(model, data)
        for (first, second), ours in zip(numbers, scene.distances(q)[pairs].tolist(), strict=True):
            if ours > 0.0:
                theirs = mujoco.mj_geomDistance(model, data, first, second, 10.0, None)
                worst = max(worst, abs(theirs - ours))
    return worst


class _Turns:
    """A filter that follows the set-points, and what that took."""

    def __init__(self, way: Filter, dt: float, start: Vector = PICK) -> None:
        self._way, self._dt = way, dt
        self.clock, self.changed = Stopwatch(), 0
        self.q = start.copy()

    def leg(self, points: Vector) -> None:
        for point in points:
            wished = (point - self.q) / self._dt
            velocity = self.clock.call(self._way.velocity, self.q, wished)
            self.changed += bool(np.abs(velocity - wished).max() > UNCHANGED)
            self.q = self.q + velocity * self._dt


def installed() -> bool:
    """Whether pink, mink and the solver can be imported; looks into `.compare/` last."""
    if PLACE_OF_PACKAGES.is_dir() and str(PLACE_OF_PACKAGES) not in sys.path:
        sys.path.append(str(PLACE_OF_PACKAGES))
    try:
        import daqp  # noqa: F401
        import mink  # noqa: F401
        import pink  # noqa: F401
    except ImportError:
        return False
    return True


def rows(quick: bool = False) -> list[Row]:
    """Measure and return the rows."""
    if not installed():
        print(HOW, file=sys.stderr)
        return []
    return _panda_rows(quick) + _g1_rows(quick)


def _g1_rows(quick: bool) -> list[Row]:
    loop = StandingLoop()
    scene, configuration = loop.verifier.scene, loop.supervisor._configuration
    links = self_pairs(scene)
    mink = Mink(configuration, scene, links)
    difference = same_distances(scene, mink.model, links[:: max(1, len(links) // 50)], 10)
    if difference > 1e-3:
        raise RuntimeError(f"MuJoCo's model is another one: distances differ by {difference:.4f} m")
    begin, points = squats(loop.names, np.array(loop.robot))
    with NoGarbageCollection():
        for q in begin:
            loop.send(q)
        loop.decisions = Stopwatch()
        turn = _Turns(mink, configuration.timing.period * 1e-9, begin[-1])
        legs = np.array_split(points, 8)
        while len(loop.decisions.cpu) < (300 if quick else 6000):
            for leg in legs:
                for q in leg:
                    loop.send(q)
                turn.leg(leg)
    if loop.supervisor.state != "AUTO/MOVING":
        raise RuntimeError(f"the benchmark's motion was refused: {loop.supervisor.state}")
    about = {"robot": "g1", "joints": len(loop.names)}
    clock = loop.decisions
    ours = row("compare.supervisor.g1", clock.cpu, clock.wall, pairs=len(scene.pairs), checks=CHECKS_G1, **about)
    made = row("compare.mink.g1", turn.clock.cpu, turn.clock.wall, pairs=mink.pairs, **about)
    made["ratio"] = round(made["cpu_us"]["median"] / ours["cpu_us"]["median"], 1)
    made["changed"], made["checks"] = turn.changed, CHECKS["mink"]
    return [ours, made]


def _panda_rows(quick: bool) -> list[Row]:
    count = 300 if quick else 6000
    loop = FullLoop()
    configuration, scene = loop.supervisor._configuration, loop.verifier.scene
    dt = configuration.timing.period * 1e-9
    links, everything = self_pairs(scene), list(range(len(scene.pairs)))
    mink = Mink(configuration, scene, links)
    filters: dict[str, tuple[Filter, int]] = {
        "pink.panda": (Pink(configuration, scene, links, len(links)), len(links)),
        "pink.panda.nearest": (Pink(configuration, scene, links, NEAREST), len(links)),
        "pink.panda.cell": (Pink(configuration, scene, everything, len(everything)), len(everything)),
        "mink.panda": (mink, mink.pairs),
    }
    difference = same_distances(scene, mink.model, links)
    if difference > 1e-3:
        raise RuntimeError(f"MuJoCo's model is another one: distances differ by {difference:.4f} m")
    with NoGarbageCollection():
        for q in blend(HOME, PICK, 1.0):
            loop.send(q)
        loop.decisions = Stopwatch()
        turns = {name: _Turns(way, dt) for name, (way, _) in filters.items()}
        while len(loop.decisions.cpu) < count:
            for start, goal in pairwise((PICK, PLACE, PICK)):
                points = blend(start, goal, 2.0)
                for q in points:
                    loop.send(q)
                for turn in turns.values():
                    turn.leg(points)
    if loop.supervisor.state != "AUTO/MOVING":
        raise RuntimeError(f"the benchmark's motion was refused: {loop.supervisor.state}")
    about = {"robot": "panda", "joints": len(loop.names)}
    ours = row(
        "compare.supervisor.panda",
        loop.decisions.cpu,
        loop.decisions.wall,
        pairs=len(scene.pairs),
        checks=CHECKS["supervisor"],
        **about,
    )
    result = [ours]
    for name, turn in turns.items():
        made = row(f"compare.{name}", turn.clock.cpu, turn.clock.wall, pairs=filters[name][1], **about)
        made["ratio"] = round(made["cpu_us"]["median"] / ours["cpu_us"]["median"], 1)
        made["changed"] = turn.changed
        made["checks"] = CHECKS[name.split(".")[0]]
        result.append(made)
    return result
