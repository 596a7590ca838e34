"""What the core needs to know of a robot: the validated configuration, frozen.

`safety_supervisor.config.load_config` builds it from one YAML file and reports every error at once; nothing in
here validates again. Arrays are read-only, in the configuration's joint order, SI units, time in [ns].
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from safety_supervisor.core.agents.settings import DemotionSettings, Model
from safety_supervisor.core.anomaly.baseline import AnomalySettings
from safety_supervisor.core.balance.settings import BalanceSettings
from safety_supervisor.core.base.settings import BaseSettings
from safety_supervisor.core.commissioning_settings import CommissioningSettings
from safety_supervisor.core.estop_settings import EstopSettings
from safety_supervisor.core.evidence_settings import EvidenceSettings
from safety_supervisor.core.geometry.shapes import BoundedShape, Shape
from safety_supervisor.core.metrics_settings import MetricsSettings
from safety_supervisor.core.operator_settings import OperatorSettings
from safety_supervisor.core.output_settings import ObservedSettings, OutputSettings, OutputType
from safety_supervisor.core.panel_settings import PanelSettings
from safety_supervisor.core.policy.verdict import Approve, Policy
from safety_supervisor.core.units import Nanoseconds, Vector


class SourceKind(str, Enum):
    """Who speaks through a source."""

    AGENT = "agent"
    PERSON = "person"


class CommandKind(str, Enum):
    """What a source may send."""

    POSITION = "position"
    VELOCITY = "velocity"
    TRAJECTORY = "trajectory"
    CMD_VEL = "cmd_vel"


@dataclass(frozen=True)
class StatePublisher:
    """A node that is allowed to publish `joint_states`, and the joints that it speaks for."""

    node: str
    joints: tuple[str, ...]


@dataclass(frozen=True)
class RobotSettings:
    """The robot: its model and the names and order of its joints."""

    id: str
    urdf: str
    """Text of the URDF."""
    urdf_sha256: str
    base_frame: str
    joints: tuple[str, ...]
    """All joints that are commanded or observed, in the order of every vector of the core."""
    groups: dict[str, tuple[int, ...]]
    """Group name to indices into `joints`."""
    locked_joints: dict[str, float]
    """Joints of the URDF that nobody commands, with the position at which kinematics holds them, [rad] or [m]."""
    state_publishers: tuple[StatePublisher, ...]
    start: tuple[float, ...] | None = None
    """A pose that is inside every zone and clear of everything, [rad]; None: none is declared."""
    tool: str = ""
    """Name of the tool that is mounted at every start; empty: none."""
    observed: tuple[int, ...] = ()
    """Joints that another controller commands, ascending indices into `joints`; more is in `Configuration.observed`."""


@dataclass(frozen=True)
class SourceSettings:
    """One way in for commands, with exactly one publisher."""

    name: str
    kind: SourceKind
    priority: int
    """Higher wins a joint group."""
    groups: tuple[str, ...]
    commands: frozenset[CommandKind]
    period: Nanoseconds
    """Declared time between two streamed set-points."""
    playout_periods: int
    """1 or 2 periods of play-out delay."""
    rate_limit_hz: float
    """Messages per second above which messages are refused before they are decoded."""
    max_message_bytes: int
    max_trajectory_bytes: int
    max_trajectory_points: int
    max_trajectory_duration: Nanoseconds
    stamp_tolerance: Nanoseconds
    """How far a non-zero stamp may lie from the receipt time."""
    trajectory_start_window: Nanoseconds
    """How far in the future a trajectory may be scheduled to start."""
    idempotency_keys: int
    """How many keys are remembered; a new key beyond that is refused until old ones age out."""
    idempotency_lifetime: Nanoseconds
    refusals: int
    """More refused commands than this within `refusal_window` stop the robot and quarantine the source."""
    refusal_window: Nanoseconds
    liveliness_lease: Nanoseconds | None
    """Lease within which its speaker must be known to be alive; None only when the configuration waives it in words."""
    array_commands: CommandKind | None = None
    """What its arrays hold; None: it may send none."""
    tools: frozenset[str] = frozenset()
    """Tools that it may take and put down itself."""
    public_key: bytes = b""
    """Ed25519, 32 bytes: what its tokens are verified by; empty where it has none."""
    person: str = ""
    """The person of `operators.people` who commands by it, and so approves nothing of it; empty: nobody is named."""
    needs_session: bool = False
    """Whether it commands nothing before its agent has introduced itself."""
    models: tuple[Model, ...] = ()
    """Which models may do that."""
    anomaly: AnomalySettings | None = None
    """How its behaviour is watched; None: it is not."""


@dataclass(frozen=True)
class JointLimits:
    """The joint envelope. All arrays shape (n,)."""

    lower: Vector
    """[rad] or [m]"""
    upper: Vector
    """[rad] or [m]"""
    velocity: Vector
    """[rad/s]"""
    acceleration: Vector
    """[rad/s^2]"""
    jerk: Vector
    """[rad/s^3]"""


@dataclass(frozen=True)
class ReducedSettings:
    """What AUTO/REDUCED permits."""

    frame_speed: float
    """Greatest speed of any point of a link, [m/s]."""
    velocity_share: float
    """Share of each joint's velocity limit."""


@dataclass(frozen=True)
class EnvelopeSettings:
    """Joint and Cartesian limits."""

    joints: JointLimits
    frame_speed: float | None
    """Greatest speed of every link frame, [m/s]; None: not limited beyond the joint limits."""
    manual_frame_speed: float
    """The same in MANUAL, at most 0.25 m/s."""
    recovery_frame_speed: float
    """The same in RECOVERY, at most 0.25 m/s."""
    reduced: ReducedSettings | None = None
    """For AUTO/REDUCED; None where nothing leads there."""


@dataclass(frozen=True)
class ToolSettings:
    """What a link carries: a tool, what it holds included."""

    name: str
    link: str
    """The link that carries it."""
    volumes: tuple[BoundedShape, ...]
    """The shapes that hold it together, in the link's frame."""
    left_out: frozenset[str]
    """Other links that its volumes may touch, each with a reason in the configuration."""
    mass: float
    """[kg]"""
    centre: tuple[float, float, float]
    """Centre of mass in the link's frame, [m]."""


@dataclass(frozen=True)
class GeometrySettings:
    """The bodies of the robot's links."""

    volumes: dict[str, tuple[BoundedShape, ...]]
    """Link to the shapes that hold it, in the link's frame; a link that is not named is a point at its origin."""
    left_out: frozenset[frozenset[str]]
    """Pairs of links that may touch, with a reason in the configuration."""
    margin: float
    """Distance to keep between any two bodies of the robot, [m]."""
    tool: ToolSettings | None = None
    """What the robot carries; None: nothing."""

    @property
    def bodies(self) -> dict[str, tuple[BoundedShape, ...]]:
        """Link to all shapes that it moves: its volumes, and those of the tool that it carries."""
        if self.tool is None:
            return self.volumes
        return {**self.volumes, self.tool.link: (*self.volumes.get(self.tool.link, ()), *self.tool.volumes)}


class ZoneKind(str, Enum):
    """What a zone is for."""

    KEEP_IN = "keep_in"
    KEEP_OUT = "keep_out"
    RESTRICTED = "restricted"
    SPEED = "speed"


@dataclass(frozen=True)
class Zone:
    """A region of the cell, in the base frame, or in the odometry's."""

    name: str
    kind: ZoneKind
    shape: Shape
    """Where links must stay (`KEEP_IN`: a box or a polytope), must not be, or are slower (`SPEED`)."""
    links: tuple[str, ...]
    """Links that it is for; empty: all links that move."""
    margin: float
    """Distance that their bodies keep from its faces, [m]."""
    frame_speed: float | None = None
    """Of a speed zone: greatest speed of any point of these links inside it, [m/s]."""
    world: bool = False
    """Whether it stands in `base.odometry.frame` and does not move with the base."""
    approval: Approve | None = None
    """Of a restricted zone: what opens it for a goal; None: nothing does."""
    hold_to_run: bool = False
    """Whether that counts only while the hold-to-run button is held."""


@dataclass(frozen=True)
class SeparationSettings:
    """How people are told and what is assumed of them."""

    max_points: int
    max_bytes: int
    """A longer message is refused undecoded."""
    latency: Nanoseconds
    """Longest time from what the sensors saw to the receipt of the message."""
    timeout: Nanoseconds
    """Perception that is older is a stop."""
    walking_speed: float
    """[m/s]"""
    intrusion: float
    """C of ISO/TS 15066: how far a body reaches before it is perceived, [m]."""
    sensor_uncertainty: float
    """Zd: how far a point may be told from where it is, [m]."""
    body_radius: float
    """How far the body reaches around each point, [m]."""


@dataclass(frozen=True)
class TimingSettings:
    """Periods and deadlines, all [ns]."""

    period: Nanoseconds
    """Control period."""
    overrun: Nanoseconds
    """A cycle later than this is a stop; the reaction time of the verified stop covers it."""
    overruns_per_hour: int
    """This many overruns within an hour are a FAULT."""
    joint_state_timeout: Nanoseconds
    idle: Nanoseconds
    """AUTO/HOLDING goes to LOCKED after this."""
    ready_timeout: Nanoseconds
    manual_idle: Nanoseconds
    recovery_timeout: Nanoseconds
    hold_to_run_timeout: Nanoseconds
    estop_timeout: Nanoseconds
    stop_allowance: Nanoseconds
    """Time after the planned end of a stop within which the robot must be measured at standstill."""
    standstill_window: Nanoseconds
    """How long the measured joints must rest to count as standing still."""


@dataclass(frozen=True)
class TrackingSettings:
    """How far the robot may be from what it was told. Arrays shape (n,)."""

    bound: Vector
    """Tracking error that still counts as following, [rad]."""
    delay: Nanoseconds
    """Longest time from a set-point to its measurement."""
    standstill: float
    """Movement that ends a monitored standstill, [rad] (SR-008: 0.05)."""
    path_error: Vector
    """How far a joint may be beside its commanded path, [rad] or [m]: interpolation, servo error."""
    rest: float
    """Movement within `standstill_window` that still counts as rest, [rad]."""


@dataclass(frozen=True)
class LimitingSettings:
    """Whose streams go slower along their own path where they would be refused."""

    sources: tuple[str, ...]
    behind: Nanoseconds
    """How far the motion may fall behind what was sent; beyond that nothing is limited."""


@dataclass(frozen=True)
class Configuration:
    """One robot's whole configuration."""

    robot: RobotSettings
    sources: tuple[SourceSettings, ...]
    envelope: EnvelopeSettings
    geometry: GeometrySettings
    zones: tuple[Zone, ...]
    timing: TimingSettings
    tracking: TrackingSettings
    operators: OperatorSettings
    estop: EstopSettings
    outputs: tuple[OutputSettings, ...]
    """Together they carry every joint that is not observed, each once. All of them carry the kept stop, or none."""
    evidence: EvidenceSettings
    sha256: str
    """Hash of the configuration file's bytes and the URDF's; stands in every record."""
    path: str
    """File that it was read from."""
    separation: SeparationSettings | None = None
    """None: no people are watched."""
    limiting: LimitingSettings | None = None
    """None: nothing is limited, all is refused."""
    balance: BalanceSettings | None = None
    """None: the base stands fast by itself."""
    tools: dict[str, ToolSettings] = field(default_factory=dict)
    """What the robot may carry, by name; `geometry.tool` is the one that it carries."""
    base: BaseSettings | None = None
    """None: nothing drives."""
    observed: ObservedSettings | None = None
    """None: every joint is commanded."""
    policy: Policy | None = None
    """None: whatever is verified passes."""
    demotion: DemotionSettings = field(default_factory=DemotionSettings)
    panel: PanelSettings | None = None
    """None: the panel listens where its command line says."""
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    commissioning: CommissioningSettings | None = None
    """None: nobody says where a record of measured stops is."""
    commissioned_sha256: str = ""
    """Hash of what such a record is bound to: all that the file says but `commissioning`, and the URDF's bytes."""
    signature: str = ""
    """The token by which a safety officer signed it, verified; empty: nobody had to, or nobody looked."""
    signed_by: str = ""
    """Who that is."""

    @property
    def carries_stop(self) -> bool:
        """Whether the controllers have the kept stop, and run on along it while cycles are missed."""
        return all(output.type is OutputType.JOINT_TRAJECTORY_HORIZON for output in self.outputs)

    @property
    def simulated(self) -> bool:
        """Whether no motor hangs on any output."""
        return all(output.simulated for output in self.outputs)

    def with_tool(self, name: str) -> Configuration:
        """Return this configuration with the robot carrying a tool, empty for none.

        Raises:
            KeyError: when there is none of that name.
        """
        tool = self.tools[name] if name else None
        return self if tool is self.geometry.tool else replace(self, geometry=replace(self.geometry, tool=tool))

    def without_sessions(self) -> Configuration:
        """Return this configuration for trials without agents: nobody has to introduce himself."""
        return replace(self, sources=tuple(replace(source, needs_session=False) for source in self.sources))

    def source(self, name: str) -> SourceSettings:
        """Return the source of that name.

        Raises:
            KeyError: when there is none.
        """
        for source in self.sources:
            if source.name == name:
                return source
        raise KeyError(name)
