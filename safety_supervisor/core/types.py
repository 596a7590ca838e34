"""Events that enter the core and effects that leave it.

Everything that the core knows arrives as an event with a receipt time `at` of the steady clock, [ns]; everything
that it wants done leaves as an effect. Both are frozen values with one canonical MessagePack encoding, so that a
recorded stream of events can be run again and its effects compared byte for byte.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from safety_supervisor.core.estop_input import EstopInput

Verdict = Literal["PASS", "LIMIT", "WAIT", "REJECT", "STOP"]


class Value(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Base of events and effects: immutable, compared by value, tagged with its class name when encoded."""


# --- what comes in ---------------------------------------------------------------------------------------------


class Boot(Value, frozen=True, tag=True):
    """First event of every boot: identity of the boot and the latches that were found on disk."""

    at: int
    boot_id: str
    nonce: str
    emergency_stop_latched: bool
    fault_latched: str
    """Code of the latched fault, empty when none. An unreadable latch file is a fault: unknown means stop."""


class Tick(Value, frozen=True, tag=True):
    """One control cycle begins."""

    at: int
    """When the cycle really began."""
    scheduled: int
    """When it was due."""
    estop: EstopInput
    log_ok: bool = True
    """Whether the record of this motion can be kept."""


class StreamCommand(Value, frozen=True, tag=True):
    """A streamed set-point, as it was received (names and values not yet judged)."""

    at: int
    source: str
    names: tuple[str, ...]
    positions: tuple[float, ...]
    velocities: tuple[float, ...]
    efforts: int
    """Number of values in `effort`: any is refused."""
    stamp: int
    """The sender's stamp, [ns] of its ROS clock; 0 is now."""
    clock: int
    """The receiver's ROS clock sampled at receipt, [ns]: what the stamp is compared with, and nothing else."""
    frame_id: str
    """May carry `cid:ID` or `cid:ID;key:KEY`."""
    body: str
    """Hash of the message's content apart from its header, hexadecimal; empty where no key is given."""
    received: int = 0
    """When the middleware received it, steady clock, [ns], at or before `at`; 0: at `at`."""


class TrajectoryCommand(Value, frozen=True, tag=True):
    """A trajectory, as it was received: per field one flat float64 block and the length of each point's row."""

    at: int
    source: str
    names: tuple[str, ...]
    times: tuple[int, ...]
    """`time_from_start` of each point, [ns]."""
    positions: bytes
    position_counts: tuple[int, ...]
    velocities: bytes
    velocity_counts: tuple[int, ...]
    accelerations: bytes
    acceleration_counts: tuple[int, ...]
    efforts: int
    stamp: int
    clock: int
    frame_id: str
    body: str
    received: int = 0
    """When its bytes came, steady clock, [ns], where decoding took time since; 0: at `at`."""
    reason: str = ""
    """Of an empty one: code of why an adapter ends the source's trajectories; empty when the source cancels."""
    command: str = ""
    """Correlation id of an action goal, in the place of the header's, which can not spell it; empty for a message."""


class CommandUnreadable(Value, frozen=True, tag=True):
    """A message that was refused before it was decoded: too long, too many, or not decodable."""

    at: int
    source: str
    code: str
    value: float
    limit: float
    detail: str
    count: int = 1
    """How many such messages this event stands for."""
    command: str = ""
    """Correlation id, where it is known without decoding: that of an action goal."""


class JointStates(Value, frozen=True, tag=True):
    """Measured joint states, possibly of a part of the joints."""

    at: int
    names: tuple[str, ...]
    positions: tuple[float, ...]
    velocities: tuple[float, ...]
    stamp: int
    clock: int
    received: int = 0
    """When the middleware received it, steady clock, [ns], at or before `at`; 0: at `at`."""


class Humans(Value, frozen=True, tag=True):
    """Where people are, as it was received."""

    at: int
    frame_id: str
    points: bytes
    """x, y, z of each body point, float64, [m]."""
    stamp: int
    clock: int
    code: str = ""
    """Why the message was refused before it was decoded; empty when it was not."""
    detail: str = ""
    received: int = 0
    """When the middleware received it, steady clock, [ns], at or before `at`; 0: at `at`."""


class HumansEndpoints(Value, frozen=True, tag=True):
    """Fully qualified names of the nodes that publish `~/humans` now; one entry an endpoint."""

    at: int
    nodes: tuple[str, ...]


class SourceEndpoints(Value, frozen=True, tag=True):
    """How many publishers a source's inputs have now; more than one voids it."""

    at: int
    source: str
    publishers: int


class SourceLiveliness(Value, frozen=True, tag=True):
    """A source's trajectory publisher came to life or was lost."""

    at: int
    source: str
    alive: bool


class OutputEndpoints(Value, frozen=True, tag=True):
    """Publishers on the motor topic other than our own."""

    at: int
    foreign: tuple[str, ...]


class JointStateEndpoints(Value, frozen=True, tag=True):
    """Fully qualified names of the nodes that publish `joint_states` now; one entry an endpoint."""

    at: int
    nodes: tuple[str, ...]


class RobotDescription(Value, frozen=True, tag=True):
    """A `robot_description` was received; the hash is over its text."""

    at: int
    sha256: str


class ConfigurationChanged(Value, frozen=True, tag=True):
    """The configuration file or URDF on disk no longer hashes to what was loaded."""

    at: int
    detail: str


class IncompatibleEndpoint(Value, frozen=True, tag=True):
    """Endpoints of a topic begin or cease to have a quality of service by which one side does not hear the other."""

    at: int
    topic: str
    policy: str
    """Policies in question; none on an output to which nobody listens at all."""
    required: bool
    """Whether the topic matters for arming."""
    prevents: bool = True
    """Whether it is so now."""


class StopRequested(Value, frozen=True, tag=True):
    """Anyone asks for a protective stop; always acts."""

    at: int
    origin: str
    reason: str
    request: str = ""
    """Id to which a `Reply` is owed; empty for none."""


class OperatorAct(Value, frozen=True, tag=True):
    """An authenticated act of a person."""

    at: int
    act: Literal["reset", "start", "mode", "recover", "maintainer", "tool"]
    person: str
    target: str
    """Mode for `start` and `mode` (`auto`, `manual`); for `tool` its name, empty to take it off; free otherwise."""
    epoch: int
    """Epoch that the person saw; -1 where the way in can not carry one (unsigned services in simulation)."""
    request: str


class ToolChange(Value, frozen=True, tag=True):
    """A source has taken a tool, or put down the one that it had."""

    at: int
    source: str
    tool: str
    """Name; empty when it was put down."""


class HoldToRun(Value, frozen=True, tag=True):
    """The pressed hold-to-run button's counter."""

    at: int
    counter: int


class EstopReport(Value, frozen=True, tag=True):
    """The e-stop's driver tells what a person should read; it stops nothing by itself: the word in `Tick` does."""

    at: int
    code: str
    detail: str


class AdapterFault(Value, frozen=True, tag=True):
    """An adapter around the core raised, or a self-test failed: FAULT."""

    at: int
    code: str
    detail: str


Event: TypeAlias = (
    Boot
    | Tick
    | StreamCommand
    | TrajectoryCommand
    | CommandUnreadable
    | JointStates
    | Humans
    | HumansEndpoints
    | SourceEndpoints
    | SourceLiveliness
    | OutputEndpoints
    | JointStateEndpoints
    | RobotDescription
    | ConfigurationChanged
    | IncompatibleEndpoint
    | StopRequested
    | OperatorAct
    | ToolChange
    | HoldToRun
    | EstopReport
    | AdapterFault
)

# --- what goes out ---------------------------------------------------------------------------------------------


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


class Latches(Value, frozen=True, tag=True):
    """Latches changed: keep them on disk, they survive a restart."""

    at: int
    emergency_stop: bool
    fault: str


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


Effect: TypeAlias = Actuate | Decision | Status | Latches | RelayDemand | Reply
