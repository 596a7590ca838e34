"""Is there a pose inside every zone and clear of everything? For configurations that are well-formed otherwise.

Either `robot.start` is one. Or poses are tried, and what none of them satisfies is named: a pair of links that always
touches, a zone that no pose leaves alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.problems import Problems
from safety_supervisor.core.checks.restricted_zone import RestrictedZone
from safety_supervisor.core.geometry.mimic import RobotModelError
from safety_supervisor.core.geometry.scene import RESERVE, Scene
from safety_supervisor.core.outfit import Stage, set_stage
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Matrix, Vector

_SELF: Final = "geometry.self"
_LESS: Final = (
    "Move `robot.start` away from it, or lower `observed.GROUP.band`, its `velocity`, or the times that it lasts, as"
    " far as measured: docs/configuration.md, Arms alone."
)
"""Cure where part of a margin is for observed joints."""
TRIED: Final = 256
"""Poses that are tried where none is declared."""


def check_poses(configuration: Configuration, problems: Problems) -> dict[str, Stage]:
    """Look for a pose that is clear, or judge the one that is declared; for tools that come later, look for one.

    Returns:
        What was built for it, by the tool's name, for a `Verifier` of the same configuration.
    """
    still = replace(configuration, zones=tuple(zone for zone in configuration.zones if not zone.world))
    stages: dict[str, Stage] = {}
    mounted = _build(still, problems, stages)
    for scene in () if mounted is None else (mounted, *_restricted(still, stages[mounted.tool])):
        if scene.empty:
            continue
        if configuration.robot.start is not None:
            _judge(scene, configuration, np.array(configuration.robot.start), problems)
        else:
            _look(scene, configuration, problems)
    for name in configuration.tools:
        later = None if name == configuration.robot.tool else _build(still.with_tool(name), problems, stages)
        if later is not None and not later.empty:
            found = Problems()
            _look(later, configuration, found)
            for problem in found.found:
                if problem.path != "geometry.volumes":  # which says nothing of the tool
                    problems.add(f"tools.{name}.volumes", Code.POSE, f"{problem.path}: {problem.message}")
    return stages if still.zones == configuration.zones else {}


def _build(configuration: Configuration, problems: Problems, stages: dict[str, Stage]) -> Scene | None:
    try:
        stage = set_stage(configuration)
    except RobotModelError as error:
        for problem in error.problems:
            problems.add("robot.urdf", Code.URDF, problem)
        return None
    stages[stage.scene.tool] = stage
    return stage.scene


def _restricted(configuration: Configuration, stage: Stage) -> Iterator[Scene]:
    """Yield the scene of each zone that people can open: a robot begins outside."""
    geometry, error = configuration.geometry, configuration.tracking.path_error
    return (RestrictedZone(zone, stage.model, geometry, error).scene for zone in configuration.zones if zone.approval)


def _look(scene: Scene, configuration: Configuration, problems: Problems) -> None:
    """Look for poses at which every rule is kept."""
    poses = _spread(configuration)
    rooms = np.array([scene.distances(q) for q in poses]) - scene.margins - RESERVE
    rules = np.array([pair.rule for pair in scene.pairs])
    for rule in dict.fromkeys(rules.tolist()):
        clear = rooms[:, rules == rule] >= 0.0
        if clear.all(axis=1).any():
            continue
        pairs = [pair for pair, known in zip(scene.pairs, rules == rule, strict=True) if known]
        always = sorted({" and ".join(pairs[i].links) for i in np.flatnonzero(~clear.any(axis=0))})
        path = "geometry.volumes" if rule == _SELF else rule
        short = -float(rooms[:, rules == rule].min(axis=1).max())
        what = f"in none of {TRIED} poses all links keep it; the best pose is {short:.4f} m short"
        taken = float(_taken(scene, configuration)[rules == rule].max())
        if taken:
            what += f"; up to {taken:.4f} m are kept for what `observed` joints may do"
        if always:
            what += f"; never {', '.join(always[:8])}"
        problems.add(path, Code.POSE, what, _LESS if taken else "")


def _taken(scene: Scene, configuration: Configuration) -> Vector:
    """Return the part of each pair's margin that is for what observed joints may do, shape (P,), [m]."""
    observed = configuration.observed
    return scene.reach @ observed.beside if observed is not None else np.zeros(len(scene.pairs))


def _judge(scene: Scene, configuration: Configuration, start: Matrix, problems: Problems) -> None:
    """Name each pair of links, and each zone and what the robot carries once, by the link that is worst off."""
    distances = scene.distances(start)
    needed = scene.margins + RESERVE
    taken = _taken(scene, configuration)
    broken: dict[tuple[str, ...], list[int]] = {}
    for index in np.flatnonzero(~(distances >= needed)).tolist():
        pair = scene.pairs[index]
        broken.setdefault(tuple(pair.links) if pair.rule == _SELF else (pair.rule,), []).append(index)
    for which, found in broken.items():
        index = min(found, key=lambda one: float(distances[one] - needed[one]))
        pair = scene.pairs[index]
        away = f"{distances[index]:.4f} m from {pair.rule}, which needs {needed[index]:.4f} m"
        if taken[index]:
            away += f", {taken[index]:.4f} m of it for what `observed` joints may do"
        others = len({link for one in found for link in scene.pairs[one].links} - set(pair.links))
        more = f"; and {others} more link{'s' if others > 1 else ''}" if which == (pair.rule,) and others else ""
        cure = "" if pair.rule == _SELF else f"Move `robot.start`, or correct {pair.rule} or its margin."
        cure = _LESS if taken[index] else cure
        problems.add("robot.start", Code.POSE, f"{' and '.join(pair.links)}: {away}{more}", cure)


def _spread(configuration: Configuration) -> Matrix:
    """Spread poses evenly over the position limits, shape (TRIED, n), by an additive recurrence.

    Source: Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018: R_n.
    """
    limits = configuration.envelope.joints
    n = len(limits.lower)
    root = 2.0
    for _ in range(64):
        root = (1.0 + root) ** (1.0 / (n + 1))
    steps = root ** -np.arange(1.0, n + 1.0)
    shares = (0.5 + np.arange(TRIED)[:, None] * steps) % 1.0
    poses: Matrix = limits.lower + shares * (limits.upper - limits.lower)
    return poses
