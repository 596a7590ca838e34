"""How a decision's cost grows with pairs, joints and samples: `python -m bench.growth` draws docs/images/growth.png.

Pairs: the Panda in a cell with more and more small spheres behind it, 7 joints.
Joints: one, two, three, four Pandas side by side under one supervisor, out of each other's reach, no cell.
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
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from bench.bench_decision import HOME, Loop, trajectory
from bench.bench_full import PICK, PLACE, FullLoop, blend, configuration
from bench.measure import NoGarbageCollection, Stopwatch
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


def decisions(of: Configuration, n: int) -> dict[str, float]:
    """Cost of decisions in the pick-and-place motion, each arm moving alike."""
    arms = len(of.robot.joints) // len(HOME)
    loop = FullLoop(of, np.tile(HOME, arms))
    with NoGarbageCollection():
        for q in blend(HOME, PICK, 1.0):
            loop.send(np.tile(q, arms))
        loop.decisions = Stopwatch()
        while len(loop.decisions.cpu) < n:
            for start, goal in ((PICK, PLACE), (PLACE, PICK)):
                for q in blend(start, goal, 2.0):
                    loop.send(np.tile(q, arms))
    if loop.supervisor.state != "AUTO/MOVING":
        raise RuntimeError(f"the motion was refused: {loop.supervisor.state}")
    cost = np.array(loop.decisions.cpu) / 1e3
    return {
        "joints": len(of.robot.joints),
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
    for panel, name, label in ((panels[0], "pairs", "pairs, 7 joints"), (panels[1], "joints", "joints")):
        x = [one[name] for one in found[name]]
        panel.plot(x, [one["median"] for one in found[name]], "o-", label="median")
        panel.plot(x, [one["p90"] for one in found[name]], "s--", label="p90")
        panel.set(xlabel=label, ylabel="a decision [us CPU]")
    for one in found["joints"]:
        panels[1].annotate(
            f"{one['pairs']:.0f} pairs", (one["joints"], one["median"]), (0, -14), textcoords="offset points"
        )
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
    found["joints"] = [decisions(side_by_side(count), n) for count in ARMS]
    found["points"] = [trajectories(count, 5.0, times) for count in POINTS]
    found["seconds"] = [trajectories(round(40 * seconds), seconds, times) for seconds in SECONDS]
    draw(found, arguments.out)
    for name, rows in found.items():
        for one in rows:
            print(name, json.dumps(one))
    return 0


if __name__ == "__main__":
    sys.exit(main())
