"""What keys demand of each other and of the URDF. Each check sees only sections that are well-formed themselves."""

from __future__ import annotations

from safety_supervisor.config import schema
from safety_supervisor.config.agent_checks import check_agents
from safety_supervisor.config.balance_checks import check_balance
from safety_supervisor.config.base_checks import check_base
from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.estop_checks import check_estop
from safety_supervisor.config.evidence_checks import check_evidence
from safety_supervisor.config.geometry_checks import check_geometry, check_reason, check_zones
from safety_supervisor.config.key_checks import check_keys
from safety_supervisor.config.observed_checks import check_observed
from safety_supervisor.config.output_checks import check_outputs, demand_horizon
from safety_supervisor.config.panel_checks import check_panel
from safety_supervisor.config.policy_checks import check_policy
from safety_supervisor.config.problems import Problems
from safety_supervisor.config.robot_checks import COMMANDABLE, check_robot
from safety_supervisor.config.sections import Sections, twice
from safety_supervisor.config.tool_checks import check_tools
from safety_supervisor.config.zone_approval_checks import check_zone_approvals


def check_all(sections: Sections, problems: Problems) -> None:
    """Run every check that the well-formed sections allow."""
    if sections.robot is not None:
        check_robot(sections.robot, sections, problems)
    _check_sources(sections, problems)
    _check_limits(sections, problems)
    check_geometry(sections, problems)
    check_zones(sections, problems)
    _check_timing(sections, problems)
    check_outputs(sections, problems)
    check_observed(sections, problems)
    _check_separation(sections, problems)
    _check_people(sections, problems)
    _check_limiting(sections, problems)
    check_tools(sections, problems)
    check_agents(sections, problems)
    check_keys(sections, problems)
    check_base(sections, problems)
    check_policy(sections, problems)
    check_zone_approvals(sections, problems)
    check_panel(sections, problems)
    check_evidence(sections, problems)
    if sections.balance is not None:
        check_balance(sections.balance, sections, problems)


def _check_sources(sections: Sections, problems: Problems) -> None:
    claimed: dict[tuple[str, int], str] = {}
    for name, source in sections.sources.items():
        path = f"sources.{name}"
        for group in dict.fromkeys(source.groups):
            if sections.robot is not None and group not in sections.robot.groups:
                problems.add(
                    f"{path}.groups", Code.GROUP, f"there is no group {group}", "Name groups of `robot.groups`."
                )
            other = claimed.setdefault((group, source.priority), name)
            if other != name:
                problems.add(
                    f"{path}.priority", Code.PRIORITY, f"is {source.priority}, as of {other} for group {group}"
                )
        for what, values in (("groups", source.groups), ("commands", source.commands)):
            for value in twice(values):
                problems.add(f"{path}.{what}", Code.VALUE, f"{value} stands twice")
        ratio = source.rate_limit_hz * source.period
        if not 1.5 <= ratio <= 10.0:
            low, high = 1.5 / source.period, 10.0 / source.period
            problems.add(
                f"{path}.rate_limit_hz", Code.TIMING,
                f"is {source.rate_limit_hz:g}; for a period of {source.period:g} s allowed: {low:g} to {high:g}",
            )  # fmt: skip
        _check_liveliness(path, source, problems)
        if source.array_commands is not None and source.array_commands not in source.commands:
            problems.add(
                f"{path}.array_commands", Code.VALUE, f"is {source.array_commands}, which is not in `commands`",
                f"Add {source.array_commands} to `commands`, or leave the key out.",
            )  # fmt: skip
        if sections.robot is not None:
            commanded = [joint for group in source.groups for joint in sections.robot.groups.get(group, [])]
            # CDR: header with a frame_id of up to 160 bytes, per joint a padded name and one value.
            # In an array a value has a dimension of its own: a padded label and three numbers more.
            each = 16 if source.array_commands is None else 28
            needed = 200 + sum(len(joint) + each for joint in commanded)
            if source.max_message_bytes < needed:
                problems.add(
                    f"{path}.max_message_bytes", Code.VALUE,
                    f"is {source.max_message_bytes}; a set-point of its {len(commanded)} joints needs {needed}",
                )  # fmt: skip


def _check_liveliness(path: str, source: schema.SourceKeys, problems: Problems) -> None:
    given = [source.liveliness_lease is not None, source.liveliness is not None]
    if all(given):
        problems.add(f"{path}.liveliness", Code.ACCEPT, "stands beside a lease", "Keep one of the two.")
    if "trajectory" in source.commands and not any(given):
        problems.add(
            f"{path}.liveliness_lease", Code.ACCEPT, "is missing for a source of trajectories",
            'Add the lease, or write liveliness: "none, I accept".',
        )  # fmt: skip
    if "trajectory" not in source.commands and any(given):
        problems.add(
            f"{path}.liveliness_lease", Code.VALUE, "is for trajectories, which this source may not send", "Remove it."
        )


def _check_limits(sections: Sections, problems: Problems) -> None:
    if sections.envelope is None:
        return
    for name, joint in sections.envelope.joints.items():
        path = f"envelope.joints.{name}"
        if joint.lower >= joint.upper:
            problems.add(f"{path}.lower", Code.EMPTY, f"is {joint.lower:g}, not below `upper`, {joint.upper:g}")
        model = sections.urdf.joints.get(name) if sections.urdf is not None else None
        if model is None or model.kind not in COMMANDABLE:
            _check_fast(path, joint, problems)
            continue
        if joint.lower < model.lower:
            problems.add(f"{path}.lower", Code.LOOSER, f"is {joint.lower:g}; the URDF allows {model.lower:g} or more")
        if joint.upper > model.upper:
            problems.add(f"{path}.upper", Code.LOOSER, f"is {joint.upper:g}; the URDF allows {model.upper:g} or less")
        if joint.velocity > model.velocity:
            problems.add(
                f"{path}.velocity", Code.LOOSER, f"is {joint.velocity:g}; the URDF allows {model.velocity:g} or less"
            )
        else:  # no reason makes up for that
            _check_fast(path, joint, problems)
    fastest = sections.envelope.frame_speed
    if fastest is not None:
        for name in ("manual_frame_speed", "recovery_frame_speed"):
            speed = getattr(sections.envelope, name)
            if speed > fastest:
                problems.add(f"envelope.{name}", Code.VALUE, f"is {speed:g}, above `frame_speed`, {fastest:g}")


def _check_fast(path: str, joint: schema.JointKeys, problems: Problems) -> None:
    """Check that a speed that hardly any robot tracks is meant, and not copied from the URDF."""
    if joint.fast is None and joint.velocity > schema.FASTEST:
        problems.add(
            f"{path}.velocity",
            Code.FAST,
            f"is {joint.velocity:g}; allowed without a reason: {schema.FASTEST:g} or less",
        )
    elif joint.fast is not None:
        check_reason(f"{path}.fast", joint.fast, problems, Code.FAST)
        if joint.velocity <= schema.FASTEST:
            problems.add(f"{path}.fast", Code.FAST, f"is given for {joint.velocity:g}, which needs none", "Remove it.")


def _check_timing(sections: Sections, problems: Problems) -> None:
    timing = sections.timing
    if timing is None:
        return

    def ordered(path: str, value: float, least: float, what: str) -> None:
        if value < least:
            problems.add(path, Code.TIMING, f"is {value:g} s; allowed: {least:g} s or more, {what}")

    ordered("timing.overrun", timing.overrun, timing.period, "the control period")
    ordered(
        "timing.joint_state_timeout", timing.joint_state_timeout, timing.overrun + timing.period,
        "an overrun and a period, or a late cycle looks like a stale state",
    )  # fmt: skip
    ordered("timing.estop_timeout", timing.estop_timeout, 2 * timing.period, "two control periods")
    ordered("timing.standstill_window", timing.standstill_window, 4 * timing.period, "four control periods")
    if sections.tracking is not None:
        tracking = sections.tracking
        if tracking.rest >= tracking.standstill:
            problems.add("tracking.rest", Code.VALUE, f"is {tracking.rest:g}, not below `standstill`")
        ordered("timing.stop_allowance", timing.stop_allowance, tracking.delay, "`tracking.delay`")
    for path, output in sections.every_output.items():
        if output.deadman is not None:
            ordered(
                f"{path}.deadman.time", output.deadman.time, timing.overrun + timing.period,
                "an overrun and a period, or a late cycle trips the deadman",
            )  # fmt: skip


def _check_separation(sections: Sections, problems: Problems) -> None:
    keys, envelope = sections.separation, sections.envelope
    reduced = None if envelope is None else envelope.reduced
    if keys is None:
        # A section that was malformed has been named for that already.
        if reduced is not None and not problems.at("separation"):
            problems.add(
                "envelope.reduced", Code.NOT_ENFORCED, "is used by nothing without `separation`",
                "Configure `separation`, or remove it.",
            )  # fmt: skip
        return
    # CDR: header with a frame of up to 128 bytes, seven numbers a pose.
    needed = 200 + 56 * keys.max_points
    if keys.max_bytes < needed:
        problems.add("separation.max_bytes", Code.VALUE, f"is {keys.max_bytes}; {keys.max_points} points need {needed}")
    if sections.timing is not None and keys.timeout < keys.latency + 2 * sections.timing.period:
        least = keys.latency + 2 * sections.timing.period
        problems.add(
            "separation.timeout", Code.TIMING,
            f"is {keys.timeout:g} s; allowed: {least:g} s or more, `latency` and two control periods",
        )  # fmt: skip
    demand_horizon("separation", "the time of a stop", sections, problems)
    if envelope is None:
        return
    if reduced is None and not problems.at("envelope.reduced"):
        problems.add("envelope.reduced", Code.MISSING, "is missing beside `separation`")
    if envelope.frame_speed is None:
        problems.add("envelope.frame_speed", Code.MISSING, "is null; `separation` needs it")
    elif reduced is not None and reduced.frame_speed > envelope.frame_speed:
        problems.add(
            "envelope.reduced.frame_speed", Code.VALUE,
            f"is {reduced.frame_speed:g}, above `frame_speed`, {envelope.frame_speed:g}",
        )  # fmt: skip


def _check_people(sections: Sections, problems: Problems) -> None:
    real = sections.real_output
    if sections.operators is not None and sections.operators.unsigned_services and real is not None:
        problems.add(
            "operators.unsigned_services", Code.SIMULATION_ONLY, f"is true, but `{real}.simulated` is not",
            "Remove it; people act by keys: docs/people.md. `simulated: true` is for simulators only.",
        )  # fmt: skip
    check_estop(sections, problems)


def _check_limiting(sections: Sections, problems: Problems) -> None:
    keys = sections.limiting
    if keys is None:
        return
    for name in twice(keys.sources):
        problems.add("limiting.sources", Code.VALUE, f"{name} stands twice")
    for name in dict.fromkeys(keys.sources):
        source = sections.sources.get(name)
        if source is None and not problems.at(f"sources.{name}"):
            problems.add("limiting.sources", Code.VALUE, f"there is no source {name}", "Name one of `sources`.")
        if source is not None and not {"position", "velocity"} & set(source.commands):
            problems.add(
                "limiting.sources", Code.VALUE, f"{name} sends trajectories only, which are never limited", "Remove it."
            )
