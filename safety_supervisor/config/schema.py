"""The configuration file's schema: every key with its type, unit, bounds and meaning.

Strict: no conversion (text is no number), no unknown key, no NaN, no infinity. What one key allows by itself stands
here; what keys demand of each other and of the URDF stands in `checks.py`. `docs/configuration.md` is generated from
this file.
"""

from __future__ import annotations

from typing import Final, Literal

from safety_supervisor.config.agent_keys import AgentsKeys, ModelKeys
from safety_supervisor.config.anomaly_keys import AnomalyKeys
from safety_supervisor.config.balance_keys import BalanceKeys
from safety_supervisor.config.base_keys import BaseKeys
from safety_supervisor.config.commissioning_keys import CommissioningKeys
from safety_supervisor.config.estop_keys import EstopKeys
from safety_supervisor.config.evidence_keys import EvidenceKeys
from safety_supervisor.config.keys import Command, Name, Point, Reason, RosName, Section, UrdfName, key
from safety_supervisor.config.metrics_keys import MetricsKeys
from safety_supervisor.config.operator_keys import OperatorsKeys
from safety_supervisor.config.output_keys import GroupOutputKeys, ObservedKeys, OutputKeys
from safety_supervisor.config.panel_keys import PanelKeys
from safety_supervisor.config.policy_keys import PolicyKeys
from safety_supervisor.config.separation_keys import SeparationKeys
from safety_supervisor.config.shapes import ShapeKeys
from safety_supervisor.config.zone_keys import ZoneKeys

FASTEST: Final = 10.0
"""Velocity above which a joint's envelope must say that it is meant, [rad/s] or [m/s]."""


class JointStatesKeys(Section):
    """A node that may publish `joint_states`."""

    node: RosName = key("fully qualified name of the only node that may publish these joints' states")
    joints: list[UrdfName] = key("the joints that it speaks for", min_length=1, max_length=200)


class RobotKeys(Section):
    """The robot: its model, and the names and order of its joints."""

    id: Name = key("name of this robot; stands in every record")
    urdf: str = key(
        "URDF: a path relative to this file, `package://PACKAGE/PATH` (a sourced ROS) or `example-robot-data://PATH`",
        min_length=1,
        max_length=1024,
    )
    base_frame: UrdfName = key("link in whose frame zones are given; it must not move")
    joints: list[UrdfName] = key(
        "every joint that is commanded, or `observed`, in the order of all vectors", min_length=1, max_length=100
    )
    groups: dict[Name, list[UrdfName]] = key(
        "group name to joints; a joint belongs to exactly one group", min_length=1, max_length=20
    )
    locked_joints: dict[UrdfName, float] = key(
        "moving joints of the URDF that nobody commands, with the position at which kinematics holds them; "
        "a mimic joint follows the joint that it mimics and may be left out",
        "rad or m",
        {},
    )
    tool: Name | None = key(
        "tool of `tools` that is mounted at every start, whatever was carried before; null: none", "", None
    )
    payload: float | None = key(
        "heaviest mass that a tool may have, what it holds included; mandatory with `tools`",
        "kg",
        None,
        gt=0.0,
        le=1000.0,
    )
    start: dict[UrdfName, float] | None = key(
        "a pose that is inside every zone and clear of everything, to prove that there is one", "rad or m", None
    )
    joint_states: list[JointStatesKeys] = key(
        "who measures: each commanded joint from exactly one node", min_length=1, max_length=20
    )


class SourceKeys(Section):
    """One way in for commands, with exactly one publisher."""

    kind: Literal["agent", "person"] = key("who speaks: an agent moves in AUTO only, a person in MANUAL too")
    priority: int = key("higher wins a joint group; no two sources of a group share one", ge=0, le=1000)
    groups: list[Name] = key("joint groups that it may move; none only with commands: [cmd_vel]", max_length=20)
    commands: list[Command] = key("what it may send; `cmd_vel` drives the `base`", min_length=1, max_length=4)
    array_commands: Literal["position", "velocity"] | None = key(
        "what the arrays of `~/sources/NAME/commands` hold, one of `commands`; null: there is no such topic", "", None
    )
    tools: list[Name] = key(
        "tools of `tools` that it may take and put down itself, told by tokens on `~/agent_sessions`",
        "",
        [],
        max_length=50,
    )
    public_key: str | None = key(
        "its Ed25519 public key, 43 characters of base64url, which `safety-supervisor agent key` prints; no two "
        "sources share one; mandatory with `tools` and with `session: required`",
        "",
        None,
    )
    person: Name | None = key(
        "the person of `operators.people` who commands by it, for a source of kind `person`: approves and grants "
        "nothing for it",
        "",
        None,
    )
    session: Literal["required", "none"] | None = key(
        "of an agent: whether it has to introduce itself by a token on `~/agent_sessions` before it commands; null: "
        "`none` where every output is `simulated: true` and there are no `models`, else `required`",
        "",
        None,
    )
    models: list[ModelKeys] = key("which models may introduce themselves", "", [], max_length=50)
    period: float = key("declared time between two streamed set-points", "s", ge=0.001, le=0.2)
    playout_periods: int = key(
        "play-out delay: 1 for a steady clock, 2 where messages jitter", "periods", 2, ge=1, le=2
    )
    rate_limit_hz: float = key(
        "messages above this rate are refused undecoded; 1.5 to 10 times the declared rate", "1/s", ge=1.0, le=10_000.0
    )
    max_message_bytes: int = key("a longer set-point message is refused undecoded", "bytes", 4096, ge=128, le=65_536)
    max_trajectory_bytes: int = key(
        "a longer trajectory message is refused undecoded", "bytes", 262_144, ge=1024, le=4_194_304
    )
    max_trajectory_points: int = key("points of a trajectory", "", 1000, ge=2, le=10_000)
    max_trajectory_duration: float = key("duration of a trajectory", "s", 60.0, gt=0.0, le=600.0)
    stamp_tolerance: float = key("how far a non-zero stamp may lie from the receipt time", "s", 0.1, gt=0.0, le=1.0)
    trajectory_start_window: float = key(
        "how far in the future a trajectory may be scheduled to start", "s", 2.0, ge=0.0, le=60.0
    )
    idempotency_keys: int = key(
        "idempotency keys that are remembered; a new key beyond that is refused", "", 1000, ge=1, le=100_000
    )
    idempotency_lifetime: float = key("how long a key is remembered", "s", 600.0, ge=1.0, le=86_400.0)
    refusals: int = key(
        "more refused commands than this within the window stop the robot and quarantine the source",
        "",
        50,
        ge=1,
        le=10_000,
    )
    refusal_window: float = key("the window", "s", 5.0, gt=0.0, le=600.0)
    liveliness_lease: float | None = key(
        "lease that the trajectory publisher must offer, and within which an action's client must acknowledge "
        "feedback; its loss ends the playing trajectory in the kept stop; "
        "mandatory for a source of trajectories",
        "s",
        None,
        ge=0.02,
        le=2.0,
    )
    liveliness: Literal["none, I accept"] | None = key(
        "these words instead of a lease: a trajectory then plays on after its agent has died", "", None
    )
    anomaly: AnomalyKeys | None = key("watch its behaviour against a baseline; null: nobody does", "", None)


class JointKeys(Section):
    """Limits of one joint; they hold on the output and, measured, on the robot."""

    lower: float = key("lowest position", "rad or m", ge=-1000.0, le=1000.0)
    upper: float = key("highest position", "rad or m", ge=-1000.0, le=1000.0)
    velocity: float = key("greatest speed", "rad/s or m/s", gt=0.0, le=100.0)
    acceleration: float = key("greatest acceleration, also of a stop", "rad/s^2 or m/s^2", gt=0.0, le=10_000.0)
    jerk: float = key("greatest change of acceleration, also of a stop", "rad/s^3 or m/s^3", gt=0.0, le=1_000_000.0)
    fast: Reason | None = key(
        f"why a velocity above {FASTEST:g} is meant, in words: the URDFs of humanoids name the speed of the unloaded "
        "motor, which no controller tracks",
        "",
        None,
    )


class ReducedKeys(Section):
    """The envelope while people are near (AUTO/REDUCED); needs `separation`."""

    frame_speed: float = key("greatest speed of any point of a link", "m/s", gt=0.0, le=20.0)
    velocity_share: float = key("share of every joint's velocity limit", "1", gt=0.0, le=1.0)


class EnvelopeKeys(Section):
    """Limits of joints and links, never looser than the URDF's."""

    joints: dict[UrdfName, JointKeys] = key("one entry for every joint of `robot.joints`", min_length=1, max_length=100)
    frame_speed: float | None = key(
        "greatest speed of any point of a link; null: only the joints' limits hold", "m/s", gt=0.0, le=20.0
    )
    manual_frame_speed: float = key("the same in MANUAL (SR-021)", "m/s", 0.25, gt=0.0, le=0.25)
    recovery_frame_speed: float = key("the same in RECOVERY", "m/s", 0.1, gt=0.0, le=0.25)
    reduced: ReducedKeys | None = key("what AUTO/REDUCED permits; mandatory with `separation`", "", None)


class LeftOutKeys(Section):
    """Two links that may touch: nothing keeps them apart."""

    links: list[UrdfName] = key("the two links", min_length=2, max_length=2)
    reason: str = key("why they can not hurt each other, in words", min_length=3, max_length=500)


class GeometryKeys(Section):
    """The bodies of the links.

    A link that the URDF gives a collision or visual shape needs a volume that holds it, measured by `check-config`;
    another one is a point at its origin, for zones only. What the last joints of the chains move, the tools, holds a
    volume somewhere, or is named in `points` with a reason: a tool that the URDF forgot would be kept away from
    nothing. A frame that is fixed to a link with a volume, such as a tool centre point, needs no entry. Links that one
    joint joins, links that do not move against each other, and pairs of volumes that are
    proven never to touch inside the URDF's limits, are left out by themselves.
    """

    volumes: dict[UrdfName, list[ShapeKeys]] = key(
        "link to the shapes that hold it together, in the link's frame; `safety-supervisor geometry` proposes them",
        max_length=500,
    )
    points: dict[UrdfName, Reason] = key(
        "link of a tool without geometry to the reason why a point is enough, in words; only for links that the URDF "
        "gives no shape",
        "",
        {},
        max_length=100,
    )
    left_out: list[LeftOutKeys] = key("other pairs of links that nothing keeps apart", "", [], max_length=500)
    margin: float = key("distance to keep between any two bodies of the robot", "m", ge=0.0, le=0.5)


class ToolKeys(Section):
    """What a link may carry: a tool, or a tool with what it holds. One at a time counts; none is what `geometry` says.

    It is kept apart from the cell, from people and from every link that moves against it, neighbours included, by
    `geometry.margin`; what `geometry.left_out` says of the link says nothing of the tool.
    """

    link: UrdfName = key("the link that carries it")
    volumes: list[ShapeKeys] = key("the shapes that hold it together, in the link's frame", min_length=1, max_length=16)
    left_out: list[LeftOutKeys] = key(
        "pairs of its link and another one, which nothing keeps the tool apart from", "", [], max_length=200
    )
    mass: float = key("its mass; told in the status, and no heavier than `robot.payload`", "kg", ge=0.0, le=1000.0)
    centre: Point = key("its centre of mass, in the link's frame; for people, nothing computes with it yet", "m")


class LimitingKeys(Section):
    """Streams that go slower along their own path where they would be refused; `limiting: null`, or none, refuses all.

    On or off for a whole source, and not for each rule, since the cure is the same for all of them: the same way at a
    lower speed, which is only told from a refusal by whether its agent can live with being late. Whatever is limited is
    told by the verdict `LIMIT`. A set-point whose own speed, acceleration or jerk is out of the envelope is refused as
    ever, and trajectories are never limited: they are verified whole, before they are played.
    """

    sources: list[Name] = key("sources whose streams are limited", min_length=1, max_length=50)
    behind: float = key(
        "how far a limited motion may fall behind what its source has sent, which goes on waiting in order; what would "
        "be limited then is refused; a source that pauses lets it catch up",
        "s",
        0.5,
        gt=0.0,
        le=2.0,
    )


class TimingKeys(Section):
    """Periods and deadlines."""

    period: float = key("control period; 0.004 and more where SCHED_FIFO is not permitted", "s", ge=0.001, le=0.02)
    overrun: float = key(
        "a cycle later than this is a stop, as is more than this missed within a second (a tenth with the horizon); "
        "the reaction time of the verified stop covers it",
        "s",
        ge=0.001,
        le=0.05,
    )
    overruns_per_hour: int = key("this many overruns within an hour are a FAULT", "", 3, ge=1, le=3)
    joint_state_timeout: float = key("a joint whose state is older stops the robot", "s", ge=0.005, le=0.5)
    idle: float = key("AUTO/HOLDING goes to LOCKED after this", "s", 60.0, ge=1.0, le=3600.0)
    ready_timeout: float = key("READY goes to LOCKED after this", "s", 60.0, ge=1.0, le=60.0)
    manual_idle: float = key("MANUAL without motion goes to LOCKED after this", "s", 60.0, ge=1.0, le=60.0)
    recovery_timeout: float = key("RECOVERY ends after this", "s", 60.0, ge=1.0, le=60.0)
    hold_to_run_timeout: float = key("silence of the hold-to-run button that stops", "s", 0.25, ge=0.1, le=0.25)
    estop_timeout: float = key("silence of the e-stop that counts as pressed", "s", 0.1, ge=0.01, le=0.1)
    stop_allowance: float = key(
        "the robot must be measured at standstill this long after the planned end of a stop", "s", ge=0.02, le=2.0
    )
    standstill_window: float = key(
        "measured joints must rest this long to count as standing still", "s", ge=0.02, le=2.0
    )


class TrackingKeys(Section):
    """How far the robot may be from what it was told; measured at commissioning."""

    bound: float = key(
        "tracking error of every joint beyond which the kept stop no longer describes the robot",
        "rad or m",
        gt=0.0,
        le=1.0,
    )
    bound_of: dict[UrdfName, float] = key("joints with a bound of their own", "rad or m", {})
    delay: float = key("longest time from a set-point to its measurement", "s", ge=0.0, le=0.5)
    standstill: float = key(
        "movement that ends a monitored standstill, and how far from its set-point the robot may rest (SR-008)",
        "rad or m",
        0.05,
        gt=0.0,
        le=0.05,
    )
    path_error: float = key(
        "how far a joint may be beside its commanded path: interpolation between set-points and servo error; the "
        "margin of each pair of bodies grows by what it can take from it",
        "rad or m",
        0.002,
        ge=0.0,
        le=0.1,
    )
    rest: float = key(
        "movement within `timing.standstill_window` that still counts as rest", "rad or m", gt=0.0, le=0.05
    )


SECTIONS: dict[str, type[Section]] = {
    "robot": RobotKeys,
    "geometry": GeometryKeys,
    "envelope": EnvelopeKeys,
    "timing": TimingKeys,
    "tracking": TrackingKeys,
    "operators": OperatorsKeys,
    "estop": EstopKeys,
    "evidence": EvidenceKeys,
}
"""Sections with fixed keys."""

OPTIONAL: dict[str, type[Section]] = {
    "output": OutputKeys,
    "separation": SeparationKeys,
    "limiting": LimitingKeys,
    "balance": BalanceKeys,
    "base": BaseKeys,
    "policy": PolicyKeys,
    "agents": AgentsKeys,
    "panel": PanelKeys,
    "metrics": MetricsKeys,
    "commissioning": CommissioningKeys,
}
"""Sections that may be left out, or null; of `output` and `outputs` one."""

NAMED_SECTIONS: dict[str, tuple[type[Section], int]] = {"sources": (SourceKeys, 1), "zones": (ZoneKeys, 0)}
"""Sections of named entries, with the least number of entries."""

OPTIONAL_NAMED: dict[str, tuple[type[Section], int]] = {
    "tools": (ToolKeys, 0),
    "outputs": (GroupOutputKeys, 1),
    "observed": (ObservedKeys, 1),
}
"""Such sections that may be left out, or null."""

NOT_ENFORCED = frozenset({"envelope.tool", "output.power_off"})
"""Keys of the interface that a later version enforces; until then no file may claim them."""
