"""What a scenario file may say of an act's outcome, and the types that its values have."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _,/.:-]{0,59}$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
CodeName = Annotated[str, StringConstraints(pattern=r"^E_[A-Z][A-Z0-9_]{0,40}$")]
StateName = Literal[
    "INIT",
    "LOCKED",
    "READY",
    "MANUAL",
    "AUTO/MOVING",
    "AUTO/HOLDING",
    "AUTO/REDUCED",
    "STOPPING",
    "PROTECTIVE_STOP",
    "EMERGENCY_STOP",
    "FAULT",
    "RECOVERY",
]
Seconds = Annotated[float, Field(gt=0.0, le=120.0)]
Angle = Annotated[float, Field(ge=-1000.0, le=1000.0)]
JointName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]{1,128}$")]
Mode = Literal["hold", "lower", "damp", "off"]
POSE_KINDS: Final = ("whole pose", "joints of a pose")


def _kind(value: object) -> str:
    return POSE_KINDS[isinstance(value, dict)]


Pose = Annotated[
    Annotated[list[Angle], Field(min_length=1, max_length=100), Tag(POSE_KINDS[0])]
    | Annotated[dict[JointName, Angle], Field(min_length=1, max_length=100), Tag(POSE_KINDS[1])],
    Discriminator(_kind),
]
"""Every joint in the configuration's order, or some by name: the others stay where they are commanded to be."""
Call = Literal["reset", "start", "stop", "recover"]
Defect = Literal[
    "jump",
    "nan",
    "infinity",
    "beyond_any_range",
    "huge_value",
    "degrees",
    "unnamed",
    "missing_joint",
    "duplicate_joint",
    "unknown_joint",
    "look_alike_name",
    "ragged",
    "effort",
    "mixed",
    "future_stamp",
    "stale_stamp",
    "foreign_joint",
]

ENDINGS: Final = ("E_ENDED", "E_LATE")
"""What every stream earns when it simply ends."""


class Section(BaseModel):
    """A mapping of a scenario file: strict, no unknown keys, never changed."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Distance(Section):
    """At least so far from the nearest body of the robot that moves, [m], measured on the true robot's meshes."""

    people: float | None = Field(default=None, ge=0.0, le=10.0)
    obstacles: float | None = Field(default=None, ge=0.0, le=10.0)
    """The cell's `keep_out` boxes."""


Count = Annotated[list[Annotated[int, Field(ge=0, le=1_000_000)]], Field(min_length=2, max_length=2)]
VerdictKey = Annotated[str, StringConstraints(pattern=r"^(PASS|LIMIT|WAIT|REJECT|STOP)( E_[A-Z][A-Z0-9_]{0,40})?$")]


class Expect(Section):
    """What has to come of an act. The motion is judged by the oracle, never by the supervisor's word."""

    verdicts: list[Literal["PASS", "LIMIT", "WAIT", "REJECT", "STOP"]] = Field(default=[], max_length=5)
    """Each has to be seen."""
    codes: list[CodeName] = Field(default=[], max_length=20)
    """One of them has to be seen, as a decision or as the cause of a stop."""
    also: list[CodeName] = Field(default=list(ENDINGS), max_length=20)
    """May be seen too. Any other code is a failure."""
    state: list[StateName] = Field(default=[], max_length=12)
    """One of them is the state after the act."""
    through: list[StateName] = Field(default=[], max_length=12)
    """Each has to be entered during the act."""
    moved: Literal["yes", "no", "any"] = "any"
    """Whether the robot truly moved."""
    moved_after: float | None = Field(default=None, ge=0.0, le=10.0)
    """No joint moved farther than this after the fault, [rad]; needs an act with a fault in mid-motion."""
    rest_after: float | None = Field(default=None, gt=0.0, le=60.0)
    """The robot truly rested this soon after the fault, [s]."""
    ends: Literal["start", "goal", "short", "any"] = "any"
    """Where the robot truly ended: at its start, at the goal, or elsewhere than at the goal."""
    unchanged: bool = False
    """Every set-point that was sent is found on the output within 1e-9 rad, at its time."""
    replies: Literal["accepted", "refused", "any"] = "any"
    """What the services that were called answered."""
    stands: Literal["yes", "no", "any"] = "any"
    """Whether a robot with feet truly stands after the act, its capture point over its soles."""
    modes: list[Mode] = Field(default=[], max_length=8)
    """What the robot was told on the stop ladder in this act, in order, after what it was told before; `off` may follow
    on `damp`."""
    lowered: float | None = Field(default=None, gt=0.0, le=2.0)
    """It had truly come down by so much, standing, when it was told to give way, [m]."""
    verdict_counts: dict[VerdictKey, Count] = Field(default={}, max_length=20)
    """Verdict, or verdict and code: how many commands heard it, the least and the most."""
    distance: Distance | None = None
    """Smallest true distance during the act; by the core engine alone."""
