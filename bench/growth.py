"""How a decision's cost grows with pairs, joints and samples: `python -m bench.growth` draws docs/images/growth.png.

Pairs: the Panda in a cell with more and more small spheres behind it, 7 joints.
Joints: parts of the G1 on a stand, the other joints locked: a leg, an arm, both arms, legs with waist and an arm, all;
and all with the three joints of a thumb, of the URDF with hands. As in `decision.full.g1.fixed`. The other line: one,
two, three, four Pandas side by side under one supervisor, out of each other's reach, no cell.
Samples: a trajectory of the Panda of 5 s, from receipt to acceptance, with more and more points; and one with 40 points
a second that takes longer and longer.

All times are CPU times of the computing thread. Decisions are those of `decision.full.panda`: median and p90.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from bench.bench_decision import HOME, Loop, trajectory
from bench.bench_full import PICK, PLACE, Course, FullLoop, blend, configuration, g1_course
from bench.measure import NoGarbageCollection, Stopwatch
from safety_supervisor.config.urdf import find_urdf
from safety_supervisor.core.geometry.shapes import Sphere
from safety_supervisor.core.settings import Configuration, JointLimits, Zone, ZoneKind

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "growth.png"
SPHERES = (0, 10, 25, 50, 100)
ARMS = (1, 2, 3, 4)
POINTS = (10, 25, 50, 100, 200, 400, 800)
SECONDS = (4.0, 8.0, 12.0, 16.0, 20.0)
APART = 2.5
"""Distance of the Pandas, [m]."""


def with_spheres(count: int) -> Configuration:
    """The shipped cell with small spheres on arcs behind the robot."""
    full = configuration()
    angles, heights = np.linspace(0.6 * np.pi, 1.4 * np.pi, 20), np.linspace(0.2, 1.0, 5)
    places = [(0.6 * float(np.cos(a)), 0.6 * float(np.sin(a)), float(z)) for z in heights for a in angles]
    spheres = tuple(
        Zone(f"sphere{number}", ZoneKind.KEEP_OUT, Sphere(place, 0.02), (), 0.01)
        for number, place in enumerate(places[:: max(1, len(places) // count)][:count] if count else ())
    )
    return replace(full, zones=(*full.zones[:3], *spheres))


def side_by_side(count: int) -> Configuration:
    """Some Pandas as one robot."""
    one = configuration()
    robot = one.robot

    def every(name: str) -> tuple[str, ...]:
        return tuple(f"arm{number}_{name}" for number in range(count))

    def tiled(limits: JointLimits) -> JointLimits:
        return JointLimits(*(np.tile(getattr(limits, field.name), count) for field in fields(limits)))

    joints = tuple(f"arm{number}_{name}" for number in range(count) for name in robot.joints)
    measured = tuple(
        replace(who, joints=tuple(f"arm{n}_{name}" for n in range(count) for name in who.joints))
        for who in robot.state_publishers
    )
    return replace(
        one,
        robot=replace(
            robot,
            urdf=_urdf(robot.urdf, robot.base_frame, count),
            base_frame="hall",
            joints=joints,
            groups={"arm": tuple(range(len(joints)))},
            locked_joints={each: at for name, at in robot.locked_joints.items() for each in every(name)},
            state_publishers=measured,
            start=None if robot.start is None else robot.start * count,
        ),
        envelope=replace(one.envelope, joints=tiled(one.envelope.joints)),
        geometry=replace(
            one.geometry, volumes={each: v for link, v in one.geometry.volumes.items() for each in every(link)}
        ),
        tracking=replace(
            one.tracking,
            bound=np.tile(one.tracking.bound, count),
            path_error=np.tile(one.tracking.path_error, count),
        ),
        zones=(),
    )


def _urdf(text: str, base: str, count: int) -> str:
    """Copy all links and joints of a URDF, without meshes, each copy on a fixed joint of its own."""
    result = ElementTree.Element("robot", name="hall")
    ElementTree.SubElement(result, "link", name="hall")
    for number in range(count):
        for part in ElementTree.fromstring(re.sub(r'"(panda_\w+)"', rf'"arm{number}_\1"', text)):
            if part.tag in ("link", "joint"):
                for shape in [*part.findall("visual"), *part.findall("collision")]:
                    part.remove(shape)
                result.append(part)
        joint = ElementTree.SubElement(result, "joint", name=f"place{number}", type="fixed")
        ElementTree.SubElement(joint, "parent", link="hall")
        ElementTree.SubElement(joint, "child", link=f"arm{number}_{base}")
        ElementTree.SubElement(joint, "origin", xyz=f"0 {APART * number} 0", rpy="0 0 0")
    return ElementTree.tostring(result, encoding="unicode")


PARTS: dict[str, tuple[str, ...]] = {
    "left leg": ("left_hip", "left_knee", "left_ankle"),
    "left arm": ("left_shoulder", "left_elbow", "left_wrist"),
    "arms": ("shoulder", "elbow", "wrist"),
    "legs, waist, left arm": ("hip", "knee", "ankle", "waist", "left_shoulder", "left_elbow", "left_wrist"),
    "all": ("",),
}
"""Parts of the G1 and how the names of their joints begin, after the side where it is not named."""

THUMB = ("left_hand_thumb_0", "left_hand_thumb_1", "left_hand_thumb_2")


def part_of_g1(names: tuple[str, ...]) -> Course:
    """The course of the G1 on its stand, with all joints locked but those of a part."""
    course = g1_course()
    whole, robot = course.configuration, course.configuration.robot
    chosen = [i for i, joint in enumerate(robot.joints) if any(joint.startswith(n) or f"_{n}" in joint for n in names)]
    joints = tuple(robot.joints[i] for i in chosen)
    groups = {
        name: tuple(chosen.index(i) for i in indices if i in chosen)
        for name, indices in robot.groups.items()
        if any(i in chosen for i in indices)
    }
    limits, tracking = whole.envelope.joints, whole.tracking
    configuration = replace(
        whole,
        robot=replace(
            robot,
            joints=joints,
            groups=groups,
            locked_joints={
                **robot.locked_joints,
                **{joint: float(course.home[i]) for i, joint in enumerate(robot.joints) if i not in chosen},
            },
            state_publishers=tuple(replace(who, joints=joints) for who in robot.state_publishers),
            start=tuple(course.home[chosen].tolist()),
        ),
        sources=tuple(
            replace(source, groups=tuple(name for name in source.groups if name in groups)) for source in whole.sources
        ),
        envelope=replace(
            whole.envelope,
            joints=JointLimits(*(getattr(limits, field.name)[chosen] for field in fields(limits))),
        ),
        tracking=replace(tracking, bound=tracking.bound[chosen], path_error=tracking.path_error[chosen]),
    )
    first, second = course.ends
    return replace(course, configuration=configuration, home=course.home[chosen], ends=(first[chosen], second[chosen]))


def with_thumb() -> Course:
    """The course of the G1 with hands, all fingers locked but one thumb."""
    course = g1_course()
    whole, robot = course.configuration, course.configuration.robot
    text = find_urdf("example-robot-data://g1_description/urdf/g1_29dof_with_hand_rev_1_0.urdf", Path()).read_text(
        "utf-8"
    )
    fingers = [
        joint.get("name", "") for joint in ElementTree.fromstring(text).iter("joint") if joint.get("type") == "revolute"
    ]
    thumb = tuple(f"{name}_joint" for name in THUMB)
    locked = {name: 0.0 for name in fingers if name not in robot.joints and name not in thumb}
    links = {link.get("name", "") for link in ElementTree.fromstring(text).iter("link")}
    limits, tracking, count = whole.envelope.joints, whole.tracking, len(thumb)

    def longer(values: Any, wrist: int) -> Any:
        return np.append(values, np.full(count, values[wrist]))

    wrist = robot.joints.index("left_wrist_yaw_joint")
    joints = (*robot.joints, *thumb)
    configuration = replace(
        whole,
        robot=replace(
            robot,
            urdf=text,
            joints=joints,
            groups={**robot.groups, "left_arm": (*robot.groups["left_arm"], *range(len(robot.joints), len(joints)))},
            locked_joints=locked,
            state_publishers=tuple(replace(who, joints=joints) for who in robot.state_publishers),
            start=(*(robot.start or ()), *[0.0] * count),
        ),
        envelope=replace(
            whole.envelope,
            joints=JointLimits(*(longer(getattr(limits, field.name), wrist) for field in fields(limits))),
        ),
        tracking=replace(tracking, bound=longer(tracking.bound, wrist), path_error=longer(tracking.path_error, wrist)),
        geometry=replace(
            whole.geometry,
            volumes={
                **{link: volumes for link, volumes in whole.geometry.volumes.items() if link in links},
                **{f"{name}_link": (Sphere((0.0, 0.0, 0.0), 0.01),) for name in THUMB},
            },
            left_out=whole.geometry.left_out
            | {frozenset((f"{one}_link", f"{two}_link")) for one, two in pairwise(THUMB)},
        ),
    )
    more = np.zeros(count)
    first, second = (np.append(end, more + turn) for end, turn in zip(course.ends, (0.3, -0.3), strict=True))
    return replace(course, configuration=configuration, home=np.append(course.home, more), ends=(first, second))


def decisions(of: Configuration, n: int) -> dict[str, float]:
    """Cost of decisions in the pick-and-place motion, each arm moving alike."""
    arms = len(of.robot.joints) // len(HOME)
    home, first, second = (np.tile(pose, arms) for pose in (HOME, PICK, PLACE))
    return along(of, home, (first, second), n)


def along(of: Configuration, home: Any, ends: tuple[Any, Any], n: int) -> dict[str, float]:
    """Cost of decisions in a motion to and fro, the fastest joint at 2 rad/s."""
    loop = FullLoop(of, home)
    with NoGarbageCollection():
        for q in blend(home, ends[0], 1.0):
            loop.send(q)
        loop.decisions = Stopwatch()
        while len(loop.decisions.cpu) < n:
            for start, goal in (ends, ends[::-1]):
                for q in blend(start, goal, 2.0):
                    loop.send(q)
    if loop.supervisor.state != "AUTO/MOVING":
        raise RuntimeError(f"the motion was refused: {loop.supervisor.state}")
    cost = np.array(loop.decisions.cpu) / 1e3
    return {
        "joints": len(of.robot.joints),
        "robot": of.robot.id,
        "pairs": len(loop.verifier.scene.pairs),
        "n": len(cost),
        "median": round(float(np.median(cost)), 1),
        "p90": round(float(np.percentile(cost, 90)), 1),
    }


def trajectories(points: int, seconds: float, n: int) -> dict[str, float]:
    """Cost of a trajectory in all cycles until it is accepted."""
    costs = []
    with NoGarbageCollection():
        loop = Loop(configuration())
        for _ in range(n):
            intake, slices = Stopwatch(), Stopwatch()
            intake.call(loop.supervisor.handle, trajectory(loop, points, seconds))
            loop.tick_clock = slices
            for _ in range(500):
                if loop.supervisor.state == "AUTO/MOVING":
                    break
                loop.run(1)
            else:
                raise RuntimeError("the trajectory was refused")
            costs.append((intake.cpu[-1] + sum(slices.cpu)) / 1e6)
            while loop.supervisor.state == "AUTO/MOVING":
                loop.run(50)
    return {"points": points, "seconds": seconds, "n": n, "median_ms": round(float(np.median(costs)), 2)}


def draw(found: dict[str, list[dict[str, float]]], file: Path) -> None:
    """Draw three panels."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.2), dpi=80, layout="constrained")
    panels: Any = figure.subplots(1, 3)
    for panel, rows, name, label, of in (
        (panels[0], found["pairs"], "pairs", "pairs, 7 joints", ""),
        (panels[1], found["joints"], "joints", "joints", "G1: "),
        (panels[1], found["arms"], "joints", "joints", "Pandas: "),
    ):
        x = [one[name] for one in rows]
        panel.plot(x, [one["median"] for one in rows], "o-", label=f"{of}median")
        panel.plot(x, [one["p90"] for one in rows], "s--", label=f"{of}p90")
        panel.set(xlabel=label, ylabel="a decision [us CPU]")
    for one in found["joints"]:
        panels[1].annotate(
            f"{one['pairs']:.0f}", (one["joints"], one["median"]), (0, -12), textcoords="offset points", fontsize=7
        )
    panels[1].set_xlabel("joints; of the G1 with the number of its pairs")
    for name, label in (("points", "5 s, more points"), ("seconds", "longer, 40 points a second")):
        x = [one["points"] for one in found[name]]
        panels[2].plot(x, [one["median_ms"] for one in found[name]], "o-", label=label)
    panels[2].set(xlabel="points of a trajectory", ylabel="to be accepted [ms CPU]")
    for panel in panels:
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8)
    figure.savefig(file, format="png", metadata={"Software": None}, pil_kwargs={"optimize": True})


def main() -> int:
    """Measure and draw."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few samples: to see that it runs, not to quote")
    parser.add_argument("--out", type=Path, default=PICTURE, metavar="PNG")
    arguments = parser.parse_args()
    n, times = (600, 2) if arguments.quick else (2000, 7)
    found: dict[str, list[dict[str, float]]] = {}
    found["pairs"] = [decisions(with_spheres(count), n) for count in SPHERES]
    courses = [*(part_of_g1(names) for names in PARTS.values()), with_thumb()]
    found["joints"] = [along(course.configuration, course.home, course.ends, n) for course in courses]
    found["arms"] = [decisions(side_by_side(count), n) for count in ARMS]
    found["points"] = [trajectories(count, 5.0, times) for count in POINTS]
    found["seconds"] = [trajectories(round(40 * seconds), seconds, times) for seconds in SECONDS]
    draw(found, arguments.out)
    for name, rows in found.items():
        for one in rows:
            print(name, json.dumps(one))
    return 0


if __name__ == "__main__":
    sys.exit(main())
