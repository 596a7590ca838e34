"""Turn checked sections into the core's settings: indices for names, [ns] for [s], read-only arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from safety_supervisor.config import schema
from safety_supervisor.config.agent_checks import freeze_demotion, freeze_models, needs_session
from safety_supervisor.config.arrays import read_only
from safety_supervisor.config.balance_checks import freeze_balance
from safety_supervisor.config.base_checks import freeze_base
from safety_supervisor.config.commissioning_keys import freeze_commissioning
from safety_supervisor.config.estop_checks import freeze_estop
from safety_supervisor.config.evidence_checks import freeze_evidence
from safety_supervisor.config.metrics_keys import freeze_metrics
from safety_supervisor.config.observed_checks import freeze_observed
from safety_supervisor.config.operator_keys import OperatorsKeys
from safety_supervisor.config.output_checks import freeze_outputs
from safety_supervisor.config.panel_checks import freeze_panel
from safety_supervisor.config.public_key import decode_base64url
from safety_supervisor.config.robot_checks import mimicked
from safety_supervisor.config.sections import Sections
from safety_supervisor.config.shapes import ShapeKeys, freeze_shape
from safety_supervisor.config.urdf import Urdf
from safety_supervisor.config.zone_keys import ZoneKeys
from safety_supervisor.core import settings
from safety_supervisor.core.anomaly.baseline import AnomalySettings, Baseline
from safety_supervisor.core.geometry.shapes import BoundedShape, Box, HalfSpace, Shape
from safety_supervisor.core.operator_settings import OperatorSettings, Person, Role
from safety_supervisor.core.output_settings import ObservedSettings
from safety_supervisor.core.policy.verdict import Approve
from safety_supervisor.core.units import nanoseconds

_T = TypeVar("_T")


def _there(section: _T | None) -> _T:
    """Return a section that the checks have found well-formed."""
    if section is None:
        raise AssertionError("a configuration without problems has every section")
    return section


def freeze(
    sections: Sections, urdf_text: str, sha256: str, commissioned_sha256: str, path: Path
) -> settings.Configuration:
    """Return the configuration that checked sections describe.

    Args:
        sections: every section present and without problems.
        urdf_text: the URDF's text.
        sha256: hash of both files.
        commissioned_sha256: hash of what a record of measured stops is bound to.
        path: the configuration file.
    """
    robot = _there(sections.robot)
    tools = {name: _tool(name, keys) for name, keys in sections.tools.items()}
    mounted = None if robot.tool is None else tools[robot.tool]
    operators, estop, evidence = _there(sections.operators), _there(sections.estop), _there(sections.evidence)
    timing, envelope = _timing(_there(sections.timing)), _envelope(robot.joints, _there(sections.envelope))
    tracking = _tracking(robot.joints, _there(sections.tracking))
    observed = freeze_observed(sections, envelope, timing, tracking)
    if observed is not None:
        tracking = _track_commanded(tracking, observed)
    return settings.Configuration(
        robot=_robot(robot, sections.observed, _there(sections.urdf), urdf_text),
        sources=tuple(
            _source(name, keys, needs_session(keys, sections), sections.baselines.get(name))
            for name, keys in sections.sources.items()
        ),
        envelope=envelope,
        geometry=_geometry(_there(sections.geometry), mounted),
        zones=tuple(_zone(name, keys) for name, keys in sections.zones.items()),
        timing=timing,
        tracking=tracking,
        operators=_operators(operators),
        estop=freeze_estop(estop),
        outputs=freeze_outputs(sections),
        evidence=freeze_evidence(evidence, str(Path(evidence.log_directory).expanduser().absolute())),
        sha256=sha256,
        path=str(path),
        separation=None if sections.separation is None else _separation(sections.separation),
        limiting=None if sections.limiting is None else _limiting(sections.limiting),
        balance=None if sections.balance is None else freeze_balance(sections.balance, sections),
        tools=tools,
        base=None
        if sections.base is None
        else freeze_base(sections.base, sections.separation, timing.period, timing.overrun),
        observed=observed,
        policy=sections.compiled_policy,
        demotion=freeze_demotion(sections.agents),
        panel=freeze_panel(sections.panel, path.parent),
        metrics=freeze_metrics(sections.metrics),
        commissioning=freeze_commissioning(sections.commissioning, path.parent),
        commissioned_sha256=commissioned_sha256,
    )


def _robot(keys: schema.RobotKeys, observed: Iterable[str], urdf: Urdf, text: str) -> settings.RobotSettings:
    locked = dict(keys.locked_joints)
    for joint in urdf.joints.values():
        follows = mimicked(joint, keys.locked_joints)
        if follows is not None:
            locked.setdefault(joint.name, follows)
    return settings.RobotSettings(
        id=keys.id,
        urdf=text,
        urdf_sha256=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        base_frame=keys.base_frame,
        joints=tuple(keys.joints),
        groups={
            name: tuple(sorted(keys.joints.index(joint) for joint in joints)) for name, joints in keys.groups.items()
        },
        locked_joints=locked,
        state_publishers=tuple(
            settings.StatePublisher(publisher.node, tuple(publisher.joints)) for publisher in keys.joint_states
        ),
        start=None if keys.start is None else tuple(keys.start[joint] for joint in keys.joints),
        tool=keys.tool or "",
        observed=tuple(sorted(keys.joints.index(joint) for group in observed for joint in keys.groups[group])),
    )


def _source(name: str, keys: schema.SourceKeys, needs: bool, baseline: Baseline | None) -> settings.SourceSettings:
    return settings.SourceSettings(
        name=name,
        kind=settings.SourceKind(keys.kind),
        priority=keys.priority,
        groups=tuple(keys.groups),
        commands=frozenset(settings.CommandKind(kind) for kind in keys.commands),
        array_commands=None if keys.array_commands is None else settings.CommandKind(keys.array_commands),
        period=nanoseconds(keys.period),
        playout_periods=keys.playout_periods,
        rate_limit_hz=keys.rate_limit_hz,
        max_message_bytes=keys.max_message_bytes,
        max_trajectory_bytes=keys.max_trajectory_bytes,
        max_trajectory_points=keys.max_trajectory_points,
        max_trajectory_duration=nanoseconds(keys.max_trajectory_duration),
        stamp_tolerance=nanoseconds(keys.stamp_tolerance),
        trajectory_start_window=nanoseconds(keys.trajectory_start_window),
        idempotency_keys=keys.idempotency_keys,
        idempotency_lifetime=nanoseconds(keys.idempotency_lifetime),
        refusals=keys.refusals,
        refusal_window=nanoseconds(keys.refusal_window),
        liveliness_lease=None if keys.liveliness_lease is None else nanoseconds(keys.liveliness_lease),
        tools=frozenset(keys.tools),
        person=keys.person or "",
        public_key=b"" if keys.public_key is None else decode_base64url(keys.public_key) or b"",
        needs_session=needs,
        models=freeze_models(keys),
        anomaly=None if keys.anomaly is None else AnomalySettings(_there(baseline), keys.anomaly.stop_at),
    )


def _operators(keys: OperatorsKeys) -> OperatorSettings:
    people = (
        Person(name, Role(person.role), decode_base64url(person.public_key) or b"")
        for name, person in keys.people.items()
    )
    return OperatorSettings(keys.unsigned_services, tuple(people))


def _envelope(joints: list[str], keys: schema.EnvelopeKeys) -> settings.EnvelopeSettings:
    limits = [keys.joints[name] for name in joints]
    return settings.EnvelopeSettings(
        joints=settings.JointLimits(
            lower=read_only(joint.lower for joint in limits),
            upper=read_only(joint.upper for joint in limits),
            velocity=read_only(joint.velocity for joint in limits),
            acceleration=read_only(joint.acceleration for joint in limits),
            jerk=read_only(joint.jerk for joint in limits),
        ),
        frame_speed=keys.frame_speed,
        manual_frame_speed=keys.manual_frame_speed,
        recovery_frame_speed=keys.recovery_frame_speed,
        reduced=None
        if keys.reduced is None
        else settings.ReducedSettings(keys.reduced.frame_speed, keys.reduced.velocity_share),
    )


def _separation(keys: schema.SeparationKeys) -> settings.SeparationSettings:
    return settings.SeparationSettings(
        max_points=keys.max_points,
        max_bytes=keys.max_bytes,
        latency=nanoseconds(keys.latency),
        timeout=nanoseconds(keys.timeout),
        walking_speed=keys.walking_speed,
        intrusion=keys.intrusion,
        sensor_uncertainty=keys.sensor_uncertainty,
        body_radius=keys.body_radius,
    )


def _limiting(keys: schema.LimitingKeys) -> settings.LimitingSettings:
    return settings.LimitingSettings(sources=tuple(keys.sources), behind=nanoseconds(keys.behind))


def _tool(name: str, keys: schema.ToolKeys) -> settings.ToolSettings:
    x, y, z = keys.centre
    return settings.ToolSettings(
        name=name,
        link=keys.link,
        volumes=tuple(_bounded(shape) for shape in keys.volumes),
        left_out=frozenset(link for pair in keys.left_out for link in pair.links) - {keys.link},
        mass=keys.mass,
        centre=(x, y, z),
    )


def _geometry(keys: schema.GeometryKeys, tool: settings.ToolSettings | None) -> settings.GeometrySettings:
    volumes = {link: tuple(_bounded(shape) for shape in shapes) for link, shapes in keys.volumes.items()}
    return settings.GeometrySettings(
        volumes=volumes,
        left_out=frozenset(frozenset(pair.links) for pair in keys.left_out),
        margin=keys.margin,
        tool=tool,
    )


def _bounded(keys: ShapeKeys) -> BoundedShape:
    shape = freeze_shape(keys)
    if isinstance(shape, HalfSpace):
        raise AssertionError("a checked volume is bounded")
    return shape


def zone_shape(keys: ZoneKeys) -> Shape:
    """Return the region of a checked zone."""
    if keys.shape is not None:
        return freeze_shape(keys.shape)
    corners = zip(_there(keys.minimum), _there(keys.maximum), strict=True)
    (x, a), (y, b), (z, c) = (((low + high) / 2, high - low) for low, high in corners)
    return Box((x, y, z), (a, b, c))


def _zone(name: str, keys: ZoneKeys) -> settings.Zone:
    opens = keys.approval
    return settings.Zone(
        name=name,
        kind=settings.ZoneKind(keys.kind),
        shape=zone_shape(keys),
        links=tuple(keys.links),
        margin=keys.margin,
        frame_speed=keys.frame_speed,
        world=keys.frame == "world",
        approval=None if opens is None else Approve(opens.kind, opens.people, opens.seconds),
        hold_to_run=opens is not None and opens.hold_to_run,
    )


def _timing(keys: schema.TimingKeys) -> settings.TimingSettings:
    return settings.TimingSettings(
        period=nanoseconds(keys.period),
        overrun=nanoseconds(keys.overrun),
        overruns_per_hour=keys.overruns_per_hour,
        joint_state_timeout=nanoseconds(keys.joint_state_timeout),
        idle=nanoseconds(keys.idle),
        ready_timeout=nanoseconds(keys.ready_timeout),
        manual_idle=nanoseconds(keys.manual_idle),
        recovery_timeout=nanoseconds(keys.recovery_timeout),
        hold_to_run_timeout=nanoseconds(keys.hold_to_run_timeout),
        estop_timeout=nanoseconds(keys.estop_timeout),
        stop_allowance=nanoseconds(keys.stop_allowance),
        standstill_window=nanoseconds(keys.standstill_window),
    )


def _tracking(joints: list[str], keys: schema.TrackingKeys) -> settings.TrackingSettings:
    return settings.TrackingSettings(
        bound=read_only(keys.bound_of.get(name, keys.bound) for name in joints),
        delay=nanoseconds(keys.delay),
        standstill=keys.standstill,
        path_error=read_only(keys.path_error for _ in joints),
        rest=keys.rest,
    )


def _track_commanded(tracking: settings.TrackingSettings, observed: ObservedSettings) -> settings.TrackingSettings:
    """Let joints that others command follow nothing, and be beside where they were by as much as they can go."""
    bound = tracking.bound.copy()
    bound[list(observed.joints)] = np.inf
    return replace(tracking, bound=read_only(bound), path_error=read_only(tracking.path_error + observed.beside))
