"""What the robot's joints, groups and measurements demand of each other and of the URDF."""

from __future__ import annotations

from safety_supervisor.config import schema
from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.problems import Problems, shown
from safety_supervisor.config.sections import Sections, twice
from safety_supervisor.config.urdf import Urdf, UrdfJoint

COMMANDABLE = ("revolute", "prismatic", "continuous")
_ROUNDING = 1e-9


def check_robot(robot: schema.RobotKeys, sections: Sections, problems: Problems) -> None:
    """Check joints, groups, publishers and what is given per joint."""
    _check_groups(robot, problems)
    _check_publishers(robot, sections.urdf, problems)
    _check_joint_map(robot, sections, problems)
    _check_start(robot, sections, problems)
    if sections.urdf is not None:
        _check_joints(robot, sections.urdf, problems)
        _check_locked(robot, sections.urdf, problems)
        _check_followers(robot, sections, sections.urdf, problems)


def _check_joints(robot: schema.RobotKeys, urdf: Urdf, problems: Problems) -> None:
    for index, name in enumerate(robot.joints):
        joint, path = urdf.joints.get(name), f"robot.joints[{index}]"
        if joint is None:
            problems.add(path, Code.JOINT, f"the URDF has no joint {name}")
        elif joint.mimics:
            problems.add(path, Code.JOINT, f"{name} mimics {shown(joint.mimics)}", "Command the joint that it mimics.")
        elif joint.kind not in COMMANDABLE:
            problems.add(path, Code.JOINT, f"{name} is {shown(joint.kind)}; allowed: {', '.join(COMMANDABLE)}")
    for name in twice(robot.joints):
        problems.add("robot.joints", Code.JOINT, f"{name} stands twice")
    if robot.base_frame not in urdf.links:
        problems.add("robot.base_frame", Code.FRAME, f"the URDF has no link {robot.base_frame}")
    elif any(joint.kind != "fixed" for joint in urdf.path(robot.base_frame)):
        problems.add("robot.base_frame", Code.FRAME, f"{robot.base_frame} moves", f"Use {urdf.root}.")


def mimicked(joint: UrdfJoint, locked: dict[str, float]) -> float | None:
    """Return where a mimic joint is held by the locked joint that it mimics, [rad] or [m]; None when by none."""
    if joint.mimics not in locked:
        return None
    return joint.multiplier * locked[joint.mimics] + joint.offset


def _check_locked(robot: schema.RobotKeys, urdf: Urdf, problems: Problems) -> None:
    for name, value in robot.locked_joints.items():
        joint, path = urdf.joints.get(name), f"robot.locked_joints.{name}"
        if joint is None:
            problems.add(path, Code.JOINT, f"the URDF has no joint {name}")
            continue
        if name in robot.joints:
            problems.add(path, Code.JOINT, f"{name} is commanded, it stands in `robot.joints`")
        if joint.kind not in COMMANDABLE:
            problems.add(path, Code.JOINT, f"{name} is {shown(joint.kind)} and can not be locked by this version")
        elif not joint.lower <= value <= joint.upper:
            problems.add(path, Code.LOOSER, f"is {value:g}; the URDF allows {joint.lower:g} to {joint.upper:g}")
        follows = mimicked(joint, robot.locked_joints)
        if follows is not None and abs(follows - value) > 1e-9:
            problems.add(path, Code.VALUE, f"is {value:g}; it mimics {joint.mimics} and so must be {follows:g}")
    for joint in urdf.joints.values():
        if joint.kind == "fixed" or joint.name in robot.joints or joint.name in robot.locked_joints:
            continue
        if joint.mimics not in robot.joints and joint.mimics not in robot.locked_joints:
            problems.add(
                "robot.locked_joints", Code.JOINT, f"{shown(joint.name)} of the URDF is neither commanded nor locked",
                "Say where it stands, or command it.",
            )  # fmt: skip


def _check_followers(robot: schema.RobotKeys, sections: Sections, urdf: Urdf, problems: Problems) -> None:
    """Check that a commanded joint carries those that mimic it no farther, and no faster, than they may go."""
    if sections.envelope is None:
        return
    for joint in urdf.joints.values():
        if joint.mimics not in robot.joints or joint.mimics not in sections.envelope.joints:
            continue
        path, limits = f"envelope.joints.{joint.mimics}", sections.envelope.joints[joint.mimics]
        ends = [joint.multiplier * end + joint.offset for end in (limits.lower, limits.upper)]
        if not (joint.lower <= min(ends) + _ROUNDING and max(ends) - _ROUNDING <= joint.upper):
            message = f"carries {joint.name}, which mimics it, from {min(ends):g} to {max(ends):g}"
            problems.add(path, Code.LOOSER, f"{message}; the URDF allows {joint.lower:g} to {joint.upper:g}")
        fastest = abs(joint.multiplier) * limits.velocity
        if fastest > joint.velocity:
            message = f"carries {joint.name}, which mimics it, at {fastest:g}; the URDF allows {joint.velocity:g}"
            problems.add(f"{path}.velocity", Code.LOOSER, message)


def _check_groups(robot: schema.RobotKeys, problems: Problems) -> None:
    member: dict[str, str] = {}
    for group, joints in robot.groups.items():
        path = f"robot.groups.{group}"
        if not joints:
            problems.add(path, Code.GROUP, "has no joints")
        for name in twice(joints):
            problems.add(path, Code.JOINT, f"{name} stands twice")
        for name in dict.fromkeys(joints):
            if name not in robot.joints:
                problems.add(path, Code.JOINT, f"{name} is not in `robot.joints`")
            elif name in member:
                problems.add(path, Code.GROUP, f"{name} is in {member[name]} too")
            member.setdefault(name, group)
    for name in dict.fromkeys(robot.joints):
        if name not in member:
            problems.add("robot.groups", Code.GROUP, f"{name} is in no group", "Put it into one, or lock it.")


def _check_publishers(robot: schema.RobotKeys, urdf: Urdf | None, problems: Problems) -> None:
    speaks: dict[str, str] = {}
    for index, publisher in enumerate(robot.joint_states):
        path = f"robot.joint_states[{index}].joints"
        for name in publisher.joints:
            if name in speaks:
                problems.add(path, Code.JOINT, f"{name} is measured by {speaks[name]} too")
            elif name not in robot.joints and urdf is not None and name not in urdf.joints:
                problems.add(path, Code.JOINT, f"the URDF has no joint {name}")
            speaks[name] = publisher.node
    for name in twice(publisher.node for publisher in robot.joint_states):
        problems.add("robot.joint_states", Code.VALUE, f"{name} stands twice", "Give each node one entry.")
    for name in dict.fromkeys(robot.joints):
        if name not in speaks:
            problems.add("robot.joint_states", Code.JOINT, f"nobody measures {name}", "Name the node that does.")


def _check_start(robot: schema.RobotKeys, sections: Sections, problems: Problems) -> None:
    if robot.start is None:
        return
    for name in dict.fromkeys([*robot.joints, *robot.start]):
        path = f"robot.start.{name}"
        if name not in robot.start:
            problems.add("robot.start", Code.JOINT, f"{name} is missing")
        elif name not in robot.joints:
            problems.add(path, Code.JOINT, f"{name} is not in `robot.joints`")
        elif sections.envelope is not None and name in sections.envelope.joints:
            limits, value = sections.envelope.joints[name], robot.start[name]
            if not limits.lower <= value <= limits.upper:
                problems.add(path, Code.VALUE, f"is {value:g}; allowed: {limits.lower:g} to {limits.upper:g}")


def _check_joint_map(robot: schema.RobotKeys, sections: Sections, problems: Problems) -> None:
    if sections.envelope is not None:
        limited = sections.envelope.joints
        for name in dict.fromkeys(robot.joints):
            # A joint whose entry was malformed has been named for that already.
            if name not in limited and not problems.at(f"envelope.joints.{name}"):
                problems.add("envelope.joints", Code.JOINT, f"{name} has no limits", "Add its entry.")
        for name in limited:
            if name not in robot.joints:
                problems.add(f"envelope.joints.{name}", Code.JOINT, f"{name} is not in `robot.joints`")
    if sections.tracking is not None:
        for name, value in sections.tracking.bound_of.items():
            path = f"tracking.bound_of.{name}"
            if name not in robot.joints:
                problems.add(path, Code.JOINT, f"{name} is not in `robot.joints`")
            if not 0.0 < value <= 1.0:
                problems.add(path, Code.VALUE, f"is {value:g}; allowed: above 0, at most 1")
