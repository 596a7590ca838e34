"""How balance is judged: the section `balance` of the configuration, frozen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from safety_supervisor.core.units import Nanoseconds


class UpSource(str, Enum):
    """Which input tells how the base lies against gravity."""

    IMU = "imu"
    ODOM = "odom"


@dataclass(frozen=True)
class Sole:
    """What a foot stands on."""

    foot: str
    """Link of the foot."""
    corners: tuple[tuple[float, float, float], ...]
    """Their hull is the sole, in the link's frame, [m]; three or more, in one plane."""
    normal: tuple[float, float, float]
    """From the ground into the foot, in the link's frame, of unit length."""


@dataclass(frozen=True)
class ContactSource:
    """Who tells whether a foot bears."""

    foot: str
    topic: str
    force: float
    """It bears from this force along its normal on, [N]."""


@dataclass(frozen=True)
class FallSettings:
    """What shows that a robot falls."""

    tilt: float
    """Angle of the base against gravity beyond which it falls, [rad]."""
    rate: float
    """The same of the base's angular velocity about its own horizontal axes, [rad/s]."""
    after: Nanoseconds
    """How long it has to show."""


@dataclass(frozen=True)
class Posture:
    """A pose on the way down."""

    duration: Nanoseconds
    """Of the way to it."""
    joints: tuple[tuple[str, float], ...]
    """Joint and position, [rad] or [m]; the others stay."""


@dataclass(frozen=True)
class LadderSettings:
    """How a robot goes down by an emergency stop or a fault: deadlines of HOLD, LOWER and DAMP, least time of DAMP."""

    hold: Nanoseconds
    postures: tuple[Posture, ...]
    """Empty: it is not lowered."""
    lower: Nanoseconds
    damp: Nanoseconds
    unknown: Nanoseconds
    """Balance that is unknown for longer than this goes down the ladder."""
    rest: Nanoseconds
    """Deadline of DAMP: a robot that moves for longer is told OFF all the same."""

    @property
    def duration(self) -> Nanoseconds:
        """What the relays have to wait for: the deadlines of HOLD and LOWER, and the least time of DAMP."""
        return self.hold + self.lower + self.damp


@dataclass(frozen=True)
class BalanceSettings:
    """How balance is judged."""

    soles: tuple[Sole, ...]
    contacts: tuple[ContactSource, ...]
    """One for every sole."""
    margin: float
    """Distance that zero-moment point and capture point keep from the edge of the support polygon, [m]."""
    contact_timeout: Nanoseconds
    """A contact that was told longer ago is unknown."""
    base_timeout: Nanoseconds
    """A base pose that was told longer ago is unknown."""
    up: UpSource
    tilt: float
    """Greatest angle between up and the normal of a sole that bears, [rad]: more, and it does not lie on the ground."""
    slip: float
    """How far a bearing foot may come to be from where it stood at rest, seen from another one, [m]."""
    gravity: float = 9.81
    """[m/s^2]"""
    imu_topic: str = ""
    imu_link: str = ""
    """Link in whose frame the IMU tells; empty: the base frame."""
    balancing_joints: tuple[str, ...] = ()
    """Joints that a locomotion controller moves by itself to keep balance."""
    fall: FallSettings | None = None
    """Stands beside `ladder`."""
    ladder: LadderSettings | None = None
    """None: every stop leaves the robot standing."""

    @property
    def topics(self) -> dict[str, str]:
        """Topic to the foot whose force it tells; empty: it is the IMU's."""
        return {self.imu_topic: "", **{source.topic: source.foot for source in self.contacts}}
