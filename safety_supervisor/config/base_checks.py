"""What the section `base` demands of itself, of sources and of times; and its frozen form."""

from __future__ import annotations

import itertools
import math

import numpy as np

from safety_supervisor.config.base_keys import BaseKeys
from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.problems import Problems
from safety_supervisor.config.sections import Sections
from safety_supervisor.config.separation_keys import SeparationKeys
from safety_supervisor.core.base.gate import BaseGateSettings, PeopleDistance
from safety_supervisor.core.base.geofence import FenceSettings, Geofence
from safety_supervisor.core.base.settings import BaseSettings, OdometrySettings
from safety_supervisor.core.units import Nanoseconds, nanoseconds

CMD_VEL = "cmd_vel"
OUTPUT = "~/cmd_vel_out"
_GRID = 200
"""Places a side that are asked whether the footprint fits."""
_FLAT = 1e-4
"""Less area is none, [m^2]."""
_STRAIGHT = 1e-9
"""A corner may be so far inside the line of its neighbours, [rad]."""


def check_base(sections: Sections, problems: Problems) -> None:
    """Check the section, and that nobody drives a base that is not configured."""
    keys = sections.base
    drivers = [name for name, source in sections.sources.items() if CMD_VEL in source.commands]
    for name, source in sections.sources.items():
        if not source.groups and set(source.commands) != {CMD_VEL}:
            problems.add(f"sources.{name}.groups", Code.VALUE, "is empty; allowed only with commands: [cmd_vel]")
    if keys is None:
        if not problems.at("base"):
            for name in drivers:
                problems.add(
                    f"sources.{name}.commands", Code.MISSING, "has cmd_vel, but there is no section `base`",
                    "Add `base`, or remove cmd_vel.",
                )  # fmt: skip
        return
    fixed = [name for name, zone in sections.zones.items() if zone.frame == "world"]
    if fixed and keys.odometry.uncertainty is None:
        text = f"is missing; zones of the world need it: {', '.join(fixed)}"
        problems.add("base.odometry.uncertainty", Code.MISSING, text, "Tell how far the robot may be from its pose.")
    if not drivers and not fixed and not problems.at("sources"):
        problems.add(
            "base",
            Code.NOT_ENFORCED,
            "is driven by no source",
            "Add cmd_vel to the commands of a source, or remove it.",
        )
    _check_priorities(drivers, sections, problems)
    _check_fence(keys, problems)
    _check_times(keys, sections, problems)
    if keys.output_topic in {output.topic for output in sections.every_output.values()}:
        problems.add("base.output_topic", Code.VALUE, "is that of the motors", "Name the topic of the base's driver.")


def _check_priorities(drivers: list[str], sections: Sections, problems: Problems) -> None:
    claimed: dict[int, str] = {}
    for name in drivers:
        priority = sections.sources[name].priority
        other = claimed.setdefault(priority, name)
        if other != name:
            problems.add(f"sources.{name}.priority", Code.PRIORITY, f"is {priority}, as of {other} for the base")


def _check_fence(keys: BaseKeys, problems: Problems) -> None:
    polygons = {"base.fence.keep_in": keys.fence.keep_in}
    polygons |= {f"base.fence.keep_out[{index}]": corners for index, corners in enumerate(keys.fence.keep_out)}
    sound = True
    for path, corners in polygons.items():
        wrong = _not_convex(corners)
        if wrong:
            sound = False
            problems.add(path, Code.EMPTY, wrong, "Give the corners of a convex polygon in their order around it.")
    if not sound:
        return
    needed = keys.radius + keys.margin
    most = _most_room(keys)
    if most < needed:
        problems.add(
            "base.fence", Code.EMPTY,
            f"has a room of {most:.3f} m at most; the footprint needs {needed:g} m, radius and margin",
            "Widen the fence, or correct `radius` and `margin`.",
        )  # fmt: skip


def _not_convex(corners: list[list[float]]) -> str:
    """Return why corners are no convex polygon; empty when they are one, in either direction around it."""
    edges = [(c - a, d - b) for (a, b), (c, d) in itertools.pairwise([*corners, corners[0]])]
    if any(math.hypot(*edge) < 1e-6 for edge in edges):
        return "has a corner twice in a row"
    turns = [
        math.atan2(a * d - b * c, a * c + b * d) for (a, b), (c, d) in itertools.pairwise([*edges, edges[0]])
    ]  # fmt: skip
    total = sum(turns)
    area = sum(a * d - b * c for (a, b), (c, d) in itertools.pairwise([*corners, corners[0]])) / 2.0
    if not math.isclose(abs(total), 2.0 * math.pi, abs_tol=1e-6) or abs(area) < _FLAT:
        return "crosses itself, or lies on a line"
    if min(turn * math.copysign(1.0, total) for turn in turns) < -_STRAIGHT:
        return "is not convex: a corner points inward"
    return ""


def _most_room(keys: BaseKeys) -> float:
    """Return what no place inside the fence has more room than, [m]: room changes by no more than a place moves."""
    corners = np.array(keys.fence.keep_in)
    low, high = corners.min(axis=0), corners.max(axis=0)
    x, y = np.meshgrid(*(np.linspace(low[axis], high[axis], _GRID) for axis in (0, 1)))
    rooms = Geofence(_fence(keys)).room(np.stack([x.ravel(), y.ravel()], axis=1))
    return float(rooms.max() + np.hypot(*((high - low) / (_GRID - 1))) / 2.0)


def _check_times(keys: BaseKeys, sections: Sections, problems: Problems) -> None:
    timing = sections.timing
    if timing is None:
        return
    least = keys.odometry.latency + 2 * timing.period
    if keys.odometry.timeout < least:
        problems.add(
            "base.odometry.timeout", Code.TIMING,
            f"is {keys.odometry.timeout:g} s; allowed: {least:g} s or more, `latency` and two control periods",
        )  # fmt: skip
    least = timing.overrun + timing.period
    if keys.deadman.time < least:
        problems.add(
            "base.deadman.time", Code.TIMING,
            f"is {keys.deadman.time:g} s; allowed: {least:g} s or more, an overrun and a period",
        )  # fmt: skip
    for name, source in sections.sources.items():
        if CMD_VEL in source.commands and keys.command_timeout < 2 * source.period:
            problems.add(
                "base.command_timeout", Code.TIMING,
                f"is {keys.command_timeout:g} s; allowed: {2 * source.period:g} s or more, two periods of {name}",
            )  # fmt: skip


def _fence(keys: BaseKeys) -> FenceSettings:
    return FenceSettings(
        tuple((x, y) for x, y in keys.fence.keep_in),
        tuple(tuple((x, y) for x, y in polygon) for polygon in keys.fence.keep_out),
    )


def freeze_base(
    keys: BaseKeys, separation: SeparationKeys | None, period: Nanoseconds, overrun: Nanoseconds
) -> BaseSettings:
    """Return the settings of a checked section."""
    odometry = keys.odometry
    people = None
    if separation is not None:
        reach = separation.body_radius + separation.intrusion + separation.sensor_uncertainty
        people = PeopleDistance(separation.walking_speed, reach)
    # A twist goes on while a cycle is late, and where the supervisor died until the deadman.
    reaction = nanoseconds(keys.reaction) + max(overrun, nanoseconds(keys.deadman.time))
    return BaseSettings(
        gate=BaseGateSettings(
            period=period,
            reaction=reaction,
            command_timeout=nanoseconds(keys.command_timeout),
            pose_timeout=nanoseconds(odometry.timeout),
            speed=keys.speed,
            turning=keys.turning,
            acceleration=keys.acceleration,
            turning_acceleration=keys.turning_acceleration,
            sideways=keys.sideways,
            radius=keys.radius,
            margin=keys.margin,
            fence=_fence(keys),
            people=people,
        ),
        slow_speed=keys.slow_speed,
        odometry=OdometrySettings(
            node=odometry.node,
            frame=odometry.frame,
            latency=nanoseconds(odometry.latency),
            jump=odometry.jump,
            turn_jump=odometry.turn_jump,
            rest=odometry.rest,
            turn_rest=odometry.turn_rest,
            uncertainty=odometry.uncertainty,
            anchor_distance=odometry.anchor_distance,
            anchor_turn=odometry.anchor_turn,
        ),
        output_topic=keys.output_topic or OUTPUT,
        stamped_input=keys.input_type == "TwistStamped",
        stamped_output=keys.output_type == "TwistStamped",
    )
