"""What `observed` demands of itself, of sources, outputs and speeds; and its frozen form."""

from __future__ import annotations

import numpy as np

from safety_supervisor.config.arrays import read_only
from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.problems import Problems
from safety_supervisor.config.sections import Sections
from safety_supervisor.core.checks.frame_speed import carried_speed
from safety_supervisor.core.geometry.mimic import RobotModelError
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.motion.stopping import longest_stop
from safety_supervisor.core.motion.trajectory import limits_of
from safety_supervisor.core.output_settings import VELOCITY_SHARE, ObservedSettings
from safety_supervisor.core.settings import Configuration, EnvelopeSettings, TimingSettings, TrackingSettings
from safety_supervisor.core.units import seconds


def check_observed(sections: Sections, problems: Problems) -> None:
    """Check that nobody else commands what is observed, and that something is left to command."""
    robot, observed = sections.robot, sections.observed
    if not observed:
        return
    for name, source in sections.sources.items():
        for group in dict.fromkeys(source.groups):
            if group in observed:
                problems.add(
                    f"sources.{name}.groups", Code.GROUP, f"{group} is observed: another controller commands it",
                    "Take it out of here, or out of `observed`.",
                )  # fmt: skip
    if sections.balance is not None:
        problems.add(
            "balance", Code.NOT_ENFORCED,
            f"stands beside `observed` ({', '.join(observed)}): what joints do that another controller moves is not "
            "reckoned with in balance",
            "Write balance: null; whoever commands these joints keeps the balance.",
        )  # fmt: skip
    if robot is None:
        return
    for group, keys in observed.items():
        if group not in robot.groups:
            problems.add(
                f"observed.{group}", Code.GROUP, f"there is no group {group}", "Name a group of `robot.groups`."
            )
            continue
        limits = {} if sections.envelope is None else sections.envelope.joints
        slow = [joint for joint in robot.groups[group] if joint in limits and limits[joint].velocity < keys.velocity]
        if slow:
            slowest = min(slow, key=lambda joint: limits[joint].velocity)
            problems.add(
                f"observed.{group}.velocity", Code.LOOSER,
                f"is {keys.velocity:g}; the envelope allows {slowest} {limits[slowest].velocity:g}",
                "Stay at or below the envelope's velocities.",
            )  # fmt: skip
    if set(robot.groups) <= set(observed):
        problems.add("observed", Code.GROUP, "holds every group, so that nothing is left to command", "Take one out.")


def check_carried(configuration: Configuration, problems: Problems) -> None:
    """Check that every speed limit is above what observed joints alone may give a point that is commanded, too."""
    observed, envelope = configuration.observed, configuration.envelope
    if observed is None:
        return
    try:
        model = RobotModel(configuration.robot, configuration.geometry.bodies)
    except RobotModelError:
        return  # told by `check_poses`
    carried = carried_speed(model, observed, np.arange(len(model.frame_names)))
    limits = {
        "envelope.frame_speed": envelope.frame_speed,
        "envelope.manual_frame_speed": envelope.manual_frame_speed,
        "envelope.recovery_frame_speed": envelope.recovery_frame_speed,
        "envelope.reduced.frame_speed": None if envelope.reduced is None else envelope.reduced.frame_speed,
        **{f"zones.{zone.name}.frame_speed": zone.frame_speed for zone in configuration.zones},
    }
    for path, limit in limits.items():
        if limit is not None and limit <= carried:
            problems.add(
                path, Code.EMPTY,
                f"is {limit:g} m/s; {', '.join(observed.groups)} may move commanded points at {carried:.3g} m/s",
                "Lower `observed.GROUP.velocity` of joints that carry what is commanded, or raise this.",
            )  # fmt: skip


def freeze_observed(
    sections: Sections, envelope: EnvelopeSettings, timing: TimingSettings, tracking: TrackingSettings
) -> ObservedSettings | None:
    """Return the settings of checked groups that are observed; None where there are none.

    A joint that leaves its band is measured so within `joint_state_timeout`, or that is a stop; the cycle that hears of
    it comes within a period and an overrun; the robot follows its set-points, and is measured, within `tracking.delay`;
    the stop ends within the longest one of what is commanded. Meanwhile the joint goes at `velocity`, and by what a
    measured velocity may pass that.
    """
    robot = sections.robot
    if not sections.observed or robot is None:
        return None
    joints = {
        robot.joints.index(joint): keys for group, keys in sections.observed.items() for joint in robot.groups[group]
    }
    n = len(robot.joints)
    commanded = np.array([index for index in range(n) if index not in joints], dtype=np.intp)
    until = seconds(timing.joint_state_timeout + timing.period + timing.overrun + tracking.delay)
    until += longest_stop(limits_of(envelope.joints, commanded))
    band = read_only(joints[index].band if index in joints else 0.0 for index in range(n))
    velocity = read_only(joints[index].velocity if index in joints else 0.0 for index in range(n))
    beside = read_only(band + VELOCITY_SHARE * velocity * until)
    return ObservedSettings(tuple(sections.observed), tuple(sorted(joints)), band, velocity, beside)
