"""What `output` and `outputs` demand of themselves and of the groups; and their frozen form."""

from __future__ import annotations

from typing import Final

from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.output_keys import GroupOutputKeys, OutputKeys
from safety_supervisor.config.problems import Problems
from safety_supervisor.config.sections import Sections, twice
from safety_supervisor.core.output_settings import OnLoss, OutputSettings, OutputType
from safety_supervisor.core.units import nanoseconds

HORIZON: Final = "joint_trajectory_horizon"


def check_outputs(sections: Sections, problems: Problems) -> None:
    """Check every output, and that each group has exactly one or is observed."""
    both = sections.output is not None and bool(sections.outputs)
    if both:
        problems.add("outputs", Code.VALUE, "stands beside `output`", "Keep one of the two.")
    elif not sections.every_output and not problems.at("output") and not problems.at("outputs"):
        problems.add("output", Code.MISSING, "is missing", "Add it, or `outputs` with one entry a controller.")
    for path, keys in sections.every_output.items():
        _check_output(path, keys, problems)
    _check_topics(sections, problems)
    _check_kinds(sections, problems)
    _check_groups(sections, problems)


def demand_horizon(section: str, what: str, sections: Sections, problems: Problems) -> None:
    """Check that the controllers have the whole stop.

    Args:
        section: that demands it.
        what: of a stop must not depend on the supervisor's cycles then.
        sections: of the file.
        problems: takes what is wrong.
    """
    for path, output in sections.every_output.items():
        if output.type != HORIZON:
            problems.add(
                f"{path}.type", Code.ON_LOSS,
                f"is {output.type}; with `{section}` {what} must not depend on the supervisor's cycles",
                "Use joint_trajectory_horizon, which hands the whole stop to the controller.",
            )  # fmt: skip


def _check_output(path: str, output: OutputKeys, problems: Problems) -> None:
    if output.on_loss == "coast":
        problems.add(
            f"{path}.on_loss", Code.NOT_ENFORCED, "is coast, which this version can not verify as a motion",
            "Use a receiver that holds or brakes.",
        )  # fmt: skip
    if output.type in ("joint_velocity", "joint_state") and output.deadman is None:
        problems.add(
            f"{path}.deadman", Code.ON_LOSS, f"is missing; a receiver of {output.type} keeps the last command for ever",
            "Declare its watchdog's time and how it was tested, or use joint_trajectory_horizon.",
        )  # fmt: skip
    if output.type in (HORIZON, "joint_position") and output.on_loss == "brake":
        problems.add(
            f"{path}.on_loss", Code.ON_LOSS, f"is brake; a receiver of {output.type} holds its last position",
            "Write hold.",
        )  # fmt: skip
    if output.type == "joint_velocity" and output.on_loss == "hold":
        problems.add(
            f"{path}.on_loss", Code.ON_LOSS, "is hold; a receiver of velocities has no position to hold", "Write brake."
        )


def _check_topics(sections: Sections, problems: Problems) -> None:
    first: dict[str, tuple[str, OutputKeys]] = {}
    for path, keys in sections.every_output.items():
        other, before = first.setdefault(keys.topic, (path, keys))
        if other != path:
            types = "" if before.type == keys.type else f", as {keys.type} beside {before.type}"
            problems.add(
                f"{path}.topic", Code.VALUE, f"is {keys.topic}, as of {other}{types}",
                "Give every controller a topic of its own, or let one output carry the groups of both.",
            )  # fmt: skip


def _check_kinds(sections: Sections, problems: Problems) -> None:
    """Check that a missed cycle leaves all joints at the same place of their motion."""
    kinds = {path: keys.type for path, keys in sections.every_output.items()}
    if HORIZON not in kinds.values() or set(kinds.values()) == {HORIZON}:
        return
    for path, kind in kinds.items():
        if kind != HORIZON:
            problems.add(
                f"{path}.type", Code.ON_LOSS,
                f"is {kind} beside an output of joint_trajectory_horizon: after a missed cycle the joints of one "
                "controller have gone on along the kept stop, those of the other have not",
                "Let all outputs be joint_trajectory_horizon, or none.",
            )  # fmt: skip


def _check_groups(sections: Sections, problems: Problems) -> None:
    robot = sections.robot
    carried: dict[str, str] = {}
    for name, keys in sections.outputs.items():
        path = f"outputs.{name}.groups"
        for group in twice(keys.groups):
            problems.add(path, Code.GROUP, f"{group} stands twice")
        for group in dict.fromkeys(keys.groups):
            if robot is not None and group not in robot.groups:
                problems.add(path, Code.GROUP, f"there is no group {group}", "Name groups of `robot.groups`.")
            if group in carried:
                problems.add(
                    path, Code.GROUP, f"{group} is carried by {carried[group]} too", "Let one output carry it."
                )
            elif group in sections.observed:
                problems.add(
                    path, Code.GROUP, f"{group} is observed, so that another controller commands it",
                    "Take it out of here, or out of `observed`.",
                )  # fmt: skip
            carried.setdefault(group, name)
    # What a malformed section would carry is not known.
    if robot is None or not sections.outputs or problems.at("observed") or sections.outputs_malformed:
        return
    for group in robot.groups:
        if group not in carried and group not in sections.observed:
            problems.add(
                "outputs", Code.GROUP, f"no output carries {group}",
                "Add it to the `groups` of one; where another controller commands it, write it into `observed`.",
            )  # fmt: skip


def freeze_outputs(sections: Sections) -> tuple[OutputSettings, ...]:
    """Return the settings of checked outputs."""
    if sections.robot is None:
        raise AssertionError("a configuration without problems has every section")
    names, groups = sections.robot.joints, sections.robot.groups
    own = tuple(group for group in groups if group not in sections.observed)
    frozen = []
    for path, keys in sections.every_output.items():
        carried = tuple(keys.groups) if isinstance(keys, GroupOutputKeys) else own
        frozen.append(
            OutputSettings(
                type=OutputType(keys.type),
                topic=keys.topic,
                simulated=keys.simulated,
                on_loss=OnLoss(keys.on_loss),
                deadman=None if keys.deadman is None else nanoseconds(keys.deadman.time),
                name=path.partition(".")[2],
                groups=carried,
                joints=tuple(sorted(names.index(joint) for group in carried for joint in groups[group])),
            )
        )
    return tuple(frozen)
