"""Effects that leave the core: everything that it wants done."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from safety_supervisor.core.agents.stored import StoredStage
from safety_supervisor.core.states.switches import SwitchWord
from safety_supervisor.core.values import Value

Verdict: TypeAlias = Literal["PASS", "LIMIT", "WAIT", "REJECT", "STOP"]


class HorizonPoint(msgspec.Struct, frozen=True, gc=False):
    """A point of the kept stop, relative to the set-point that it stops from."""

    time: int
    """[ns] after the set-point's own time."""
    positions: tuple[float, ...]
    velocities: tuple[float, ...]
    accelerations: tuple[float, ...]


class Actuate(Value, frozen=True, tag=True):
    """This cycle's set-point for all joints and the stop that was verified with it."""

    at: int
    cycle: int
    """Counter of set-points sent in this boot."""
    positions: tuple[float, ...]
    """[rad], configuration's joint order."""
    velocities: tuple[float, ...]
    accelerations: tuple[float, ...]
    horizon: tuple[HorizonPoint, ...]
    """The kept stop; its last point is at rest. Empty when the set-point is at rest already."""
    moving: bool
    scheduled: int = 0
    """Grid point at which this cycle was due, steady clock, [ns]; the set-point is for one control period later."""
    before: HorizonPoint | None = None
    """Where a controller that interpolates is at `scheduled`: the state one period before the set-point."""


class DriveBase(Value, frozen=True, tag=True):
    """This cycle's velocity of the base, in its own frame; the stop after it was verified with it."""

    at: int
    x: float
    """Forward, [m/s]."""
    y: float
    """To the left, [m/s]."""
    turn: float
    """Counter-clockwise, [rad/s]."""
    moving: bool


class LadderMode(Value, frozen=True, tag=True):
    """The stop ladder is on another rung: tell the locomotion controller, and go on telling it."""

    at: int
    mode: str
    """`hold`, `lower`, `damp` or `off`."""
    reason: str
    """Code of the cause, or what ended the rung before."""


class Decision(Value, frozen=True, tag=True):
    """What became of a command, or of motion that was under way."""

    at: int
    source: str
    command: str
    """Correlation id."""
    verdict: Verdict
    code: str
    """Stable `E_...` code; empty for PASS."""
    rule: str
    joint: str
    value: float
    limit: float
    margin: float
    detail: str
    count: int = 1
    """How many equal decisions in a row this one stands for."""
    pose: tuple[float, ...] = ()
    """Where bodies were found too near: on the step, its stop or the path ahead, [rad], joint order; else empty."""
    tool: str = ""
    """What the robot carried at that pose; empty for nothing."""
    model: str = ""
    """Name and version of the agent's model with a session at the source; empty for none."""
    stage: str = ""
    """Its stage then."""
    intervention: str = ""
    """Id under which people know of the command; empty: it did not wait for them."""


class InterventionAsked(Value, frozen=True, tag=True):
    """A command begins to wait for people: all that they need to decide, once; `Interventions` has what follows."""

    at: int
    intervention: str
    """Id; in one boot never used again."""
    source: str
    command: str
    """Correlation id."""
    kind: str
    """Of the approval."""
    people: int
    """Who have to approve, each by an own key."""
    deadline: int
    """Until when, steady clock, [ns]."""
    text: str
    """The command as canonical JSON: `core/interventions/command_text.py`."""
    sha256: str
    """Of that text: `command_sha256` of an approval."""
    epoch: int
    """In which it was asked for."""
    configuration: str
    """Hash."""
    why: str
    """The agent's reason in its own words; told, not judged."""
    zones: tuple[str, ...]
    """Speed zones, as the policy was told, and restricted ones that it opens."""
    joint_speed: float
    """Likewise, [rad/s]."""
    frame_speed: float
    """Likewise, [m/s]."""
    people_near: str
    """What was known of people then, as the policy was told."""


class StandsBy(msgspec.Struct, frozen=True, gc=False):
    """A command that waits, and who has approved it so far."""

    intervention: str
    approved: tuple[str, ...]


class StandingGrant(msgspec.Struct, frozen=True, gc=False):
    """A standing approval, or one that further people have to give."""

    kind: str
    source: str
    people: int
    """Who have to grant it."""
    until: int
    """Until when it is held, steady clock, [ns]; 0: it is not."""
    by: tuple[str, ...]
    """Who granted what is held."""
    asked: tuple[str, ...]
    """Who has granted, while others are missing."""


class Interventions(Value, frozen=True, tag=True):
    """The whole list of what waits for people, and of what they have granted, whenever it changes."""

    at: int
    waiting: tuple[StandsBy, ...]
    grants: tuple[StandingGrant, ...]


class Status(Value, frozen=True, tag=True):
    """State of the supervisor, on every change and at 10 Hz."""

    at: int
    state: str
    cause: str
    """Code of what led here; empty when none."""
    active_causes: tuple[str, ...]
    """Codes of the causes that hold now and block a reset."""
    next_step: str
    """What a person has to do next."""
    mode: Literal["none", "manual", "auto"]
    speed_scale: float
    """Share of the commanded speed that is played: below 1 where `limiting` slows a stream down."""
    epoch: int
    nonce: str
    configuration: str
    """Hash."""
    source: str
    """The source that moves the robot now; empty for none."""
    distance_to_limit: float
    """Smallest distance of a commanded joint to its position limit, [rad]."""
    tracking_error: float
    """Largest present tracking error relative to its bound, 1 is the bound."""
    people: str = ""
    """Whether people are watched and known, and how many points there are."""
    unmeasured: str = ""
    """A joint that was never measured, or not of late; empty for none."""
    tool: str = ""
    """What the robot carries, as far as the supervisor was told; empty for nothing."""
    tool_mass: float = 0.0
    """[kg]"""
    balance: str = ""
    """Whether balance is watched and known, and the margin that was measured."""
    agents: str = ""
    """Which agent has introduced itself at each source that needs one, and its stage."""
    ladder_phase: str = ""
    """Rung of the stop ladder that was told last: `hold`, `lower`, `damp` or `off`; empty where none is."""
    anomalies: tuple[tuple[str, float, str], ...] = ()
    """Of each source that is watched: its name, the score of its behaviour, 1 is an alarm, and what is strange."""
    quarantined: tuple[str, ...] = ()
    """Sources of which nothing passes until a person resets."""
    enabling_switch: SwitchWord = "none"
    """The e-stop device's word of it, in every state; unknown where the device is not heard, or has a fault."""
    enables: bool = False
    """Whether that lets MANUAL move now: its middle, of high integrity, pressed after it was released in MANUAL."""


class Latches(Value, frozen=True, tag=True):
    """Latches changed: keep them on disk, they survive a restart."""

    at: int
    emergency_stop: bool
    fault: str


class Stages(Value, frozen=True, tag=True):
    """Stages of models changed: keep those that were demoted on disk, they survive a restart."""

    at: int
    demoted: tuple[StoredStage, ...]
    """All of them, whole."""


class RelayDemand(Value, frozen=True, tag=True):
    """What the host demands of the e-stop device's relays."""

    at: int
    stop: bool


class Reply(Value, frozen=True, tag=True):
    """The answer to a request."""

    at: int
    request: str
    ok: bool
    code: str
    message: str


class PolicyQuestion(Value, frozen=True, tag=True):
    """The policy server is to be asked; a `PolicyAnswer` with the same number is owed."""

    at: int
    number: int
    facts: str
    """JSON, an object of the facts that the server is told."""


Effect: TypeAlias = (
    Actuate
    | DriveBase
    | LadderMode
    | Decision
    | InterventionAsked
    | Interventions
    | Status
    | Latches
    | Stages
    | RelayDemand
    | Reply
    | PolicyQuestion
)
