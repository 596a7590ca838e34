"""What the section `balance` demands of itself, of the robot and of times; and its frozen form."""

from __future__ import annotations

import numpy as np

from safety_supervisor.config.balance_keys import BalanceKeys, LadderKeys, SoleKeys
from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.output_checks import demand_horizon
from safety_supervisor.config.problems import Problems
from safety_supervisor.config.sections import Sections, twice
from safety_supervisor.core.balance.planted import sole_frame
from safety_supervisor.core.balance.settings import (
    BalanceSettings,
    ContactSource,
    FallSettings,
    LadderSettings,
    Posture,
    Sole,
    UpSource,
)
from safety_supervisor.core.balance.support_polygon import SupportPolygon
from safety_supervisor.core.estop_settings import NO_DEVICE, SIMULATED
from safety_supervisor.core.units import nanoseconds

_FLAT = 2e-3
"""A sole's corner may lie so far out of its plane, [m]."""
_UNIT = 1e-3
"""A normal's length may differ from 1 by so much."""
_SEEN_LATE = 4
"""Moments of the ladder that a cycle has to see: the e-stop, and the ends of HOLD, LOWER and DAMP."""


def check_balance(keys: BalanceKeys, sections: Sections, problems: Problems) -> None:
    """Check every sole, and what the section demands of the others."""
    for foot, sole in keys.soles.items():
        path = f"balance.soles.{foot}"
        _check_foot(path, foot, sections, problems)
        _check_sole(path, foot, sole, keys.margin, problems)
    for topic in twice(sole.contact_topic for sole in keys.soles.values()):
        problems.add(
            "balance.soles", Code.VALUE, f"{topic} tells of two feet", "Give every foot a contact topic of its own."
        )
    if keys.imu_topic in {sole.contact_topic for sole in keys.soles.values()}:
        problems.add("balance.imu_topic", Code.VALUE, f"{keys.imu_topic} tells of a foot's contact")
    if keys.up == "odom":
        problems.add("balance.up", Code.NOT_ENFORCED, "is odom, which this version does not read", "Write imu.")
    drivers = [name for name, source in sections.sources.items() if "cmd_vel" in source.commands]
    if sections.base is not None and drivers:
        problems.add(
            "balance", Code.NOT_ENFORCED,
            f"stands beside a base that {', '.join(drivers)} may drive; judged is a robot that stands on ground that "
            "does not move: it knows no step, and no base that speeds up",
            "Write balance: null where the maker's controller walks the robot, or take cmd_vel from these sources.",
        )  # fmt: skip
    _check_imu(keys.imu_link, sections, problems)
    _check_ladder(keys, sections, problems)
    demand_horizon("balance", "the way of a stop", sections, problems)
    if sections.timing is not None:
        least = 2 * sections.timing.period
        for name, timeout in (("contact_timeout", keys.contact_timeout), ("base_timeout", keys.base_timeout)):
            if timeout < least:
                problems.add(
                    f"balance.{name}",
                    Code.TIMING,
                    f"is {timeout:g} s; allowed: {least:g} s or more, two control periods",
                )


def _check_ladder(keys: BalanceKeys, sections: Sections, problems: Problems) -> None:
    """Check ladder and fall, but for the way down itself: that needs the robot's model (`check_lowering`)."""
    joints = () if sections.robot is None else tuple(sections.robot.joints)
    named = [("balancing_joints", joint) for joint in keys.balancing_joints]
    ladder = keys.ladder
    if (ladder is None) is not (keys.fall is None):
        there, missing = ("fall", "ladder") if ladder is None else ("ladder", "fall")
        problems.add(f"balance.{missing}", Code.MISSING, f"is missing beside `{there}`", "Write both, or none.")
    if ladder is not None:
        named += [(f"ladder.lower[{index}]", joint) for index, one in enumerate(ladder.lower) for joint in one.joints]
        if ladder.lower and sections.robot is not None and sections.robot.start is None:
            problems.add("robot.start", Code.MISSING, "is missing beside `balance.ladder.lower`, which begins there")
        if ladder.rest < ladder.damp:
            problems.add(
                "balance.ladder.rest", Code.TIMING, f"is {ladder.rest:g} s; allowed: {ladder.damp:g} s or more, `damp`"
            )
        _check_relays(ladder, sections, problems)
    for path, joint in named:
        if joints and joint not in joints:
            problems.add(f"balance.{path}", Code.JOINT, f"{joint} is none of `robot.joints`")


def _check_relays(ladder: LadderKeys, sections: Sections, problems: Problems) -> None:
    """Check that the e-stop device's relays wait for the ladder; it decides by itself before we hear of it."""
    estop, timing, tracking = sections.estop, sections.timing, sections.tracking
    if estop is None or timing is None or tracking is None or sections.estop_malformed:
        return
    if estop.driver in (NO_DEVICE, SIMULATED) or estop.relay_effect == "none":
        return
    lower = lower_deadline(ladder, sections)
    # The cycles that see the e-stop and the end of each rung may each come so much after it.
    late = _SEEN_LATE * (timing.period + timing.overrun)
    least = ladder.hold + lower + ladder.damp + timing.estop_timeout + late
    if not estop.relay_delay > least:
        problems.add(
            "estop.relay_delay", Code.TIMING,
            f"is {estop.relay_delay:g} s; allowed: more than {least:g} s, the stop ladder (hold {ladder.hold:g}, lower "
            f"{lower:g}, damp {ladder.damp:g}), `timing.estop_timeout` ({timing.estop_timeout:g}) and {_SEEN_LATE} "
            f"cycles that are late ({late:g})",
            "Set the device's delay to more, or make the ladder shorter.",
        )  # fmt: skip


def lower_deadline(ladder: LadderKeys, sections: Sections) -> float:
    """Return within which time the robot has to be down, [s]; 0 where nothing lowers it."""
    timing, tracking = sections.timing, sections.tracking
    if not ladder.lower or timing is None or tracking is None:
        return 0.0
    way = sum(posture.duration for posture in ladder.lower)
    return way + tracking.delay + timing.standstill_window + timing.stop_allowance


def _check_imu(link: str, sections: Sections, problems: Problems) -> None:
    robot, urdf = sections.robot, sections.urdf
    if urdf is None:
        return
    if link not in urdf.links:
        problems.add("balance.imu_link", Code.FRAME, f"the URDF has no link {link}")
    elif robot is not None and urdf.moves(link, frozenset(robot.joints)):
        problems.add("balance.imu_link", Code.FRAME, f"{link} moves", "Name a link that is fixed to the base.")


def _check_foot(path: str, foot: str, sections: Sections, problems: Problems) -> None:
    robot, urdf = sections.robot, sections.urdf
    if urdf is None:
        return
    if foot not in urdf.links:
        problems.add(path, Code.FRAME, f"the URDF has no link {foot}")
    elif robot is not None and not urdf.moves(foot, frozenset(robot.joints)):
        problems.add(path, Code.FRAME, f"{foot} does not move", "Name the links that the robot stands on.")


def _check_sole(path: str, foot: str, keys: SoleKeys, margin: float, problems: Problems) -> None:
    length = float(np.linalg.norm(keys.normal))
    if not abs(length - 1.0) <= _UNIT:
        problems.add(f"{path}.normal", Code.VALUE, f"is {length:g} long, not 1")
        return
    frame = sole_frame(_sole(foot, keys))
    seen = np.array([frame.actInv(np.array(corner)) for corner in keys.corners])
    highest = float(np.abs(seen[:, 2]).max())
    if not highest <= _FLAT:
        problems.add(
            f"{path}.corners", Code.VALUE,
            f"lie up to {highest:.4f} m out of the plane at right angles to `normal`; allowed: {_FLAT:g} m or less",
        )  # fmt: skip
        return
    polygon = SupportPolygon(seen[:, :2])
    if len(polygon.corners) < 3:
        problems.add(
            f"{path}.corners", Code.EMPTY, "lie on a line or in a point", "Give three or more around the sole."
        )
        return
    room = float(polygon.signed_distances(polygon.corners.mean(axis=0)[None])[0])
    if not room > margin:
        problems.add(
            "balance.margin", Code.EMPTY,
            f"is {margin:g} m; the middle of the sole of {foot} is {room:.4f} m from its edge",
            "Choose a margin that the middle of every sole has.",
        )  # fmt: skip


def _sole(foot: str, keys: SoleKeys) -> Sole:
    corners = tuple((x, y, z) for x, y, z in keys.corners)
    x, y, z = keys.normal
    return Sole(foot, corners, (x, y, z))


def freeze_balance(keys: BalanceKeys, sections: Sections) -> BalanceSettings:
    """Return the settings of a checked section."""
    fall, ladder = keys.fall, keys.ladder
    return BalanceSettings(
        soles=tuple(_sole(foot, sole) for foot, sole in keys.soles.items()),
        contacts=tuple(
            ContactSource(foot, sole.contact_topic, sole.bearing_force) for foot, sole in keys.soles.items()
        ),
        margin=keys.margin,
        contact_timeout=nanoseconds(keys.contact_timeout),
        base_timeout=nanoseconds(keys.base_timeout),
        up=UpSource(keys.up),
        tilt=keys.tilt,
        slip=keys.slip,
        gravity=keys.gravity,
        imu_topic=keys.imu_topic,
        imu_link=keys.imu_link,
        balancing_joints=tuple(keys.balancing_joints),
        fall=None if fall is None else FallSettings(fall.tilt, fall.rate, nanoseconds(fall.after)),
        ladder=None
        if ladder is None
        else LadderSettings(
            hold=nanoseconds(ladder.hold),
            postures=tuple(Posture(nanoseconds(one.duration), tuple(one.joints.items())) for one in ladder.lower),
            lower=nanoseconds(lower_deadline(ladder, sections)),
            damp=nanoseconds(ladder.damp),
            unknown=nanoseconds(ladder.unknown),
            rest=nanoseconds(ladder.rest),
        ),
    )
