"""Events that enter the core.

Everything that the core knows arrives as an event with a receipt time `at` of the steady clock, [ns]. What people ask
for: `core/act_events.py`.
"""

from __future__ import annotations

from typing import TypeAlias

from safety_supervisor.core.act_events import (
    AgentSession,
    HoldToRun,
    OperatorAct,
    StopRequested,
    TokenRefused,
    ToolChange,
)
from safety_supervisor.core.agents.stored import StoredStage
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.values import Value


class Boot(Value, frozen=True, tag=True):
    """First event of every boot: identity of the boot and the latches that were found on disk."""

    at: int
    boot_id: str
    nonce: str
    emergency_stop_latched: bool
    fault_latched: str
    """Code of the latched fault, empty when none. An unreadable latch file is a fault: unknown means stop."""
    stages: tuple[StoredStage, ...] = ()
    """Models that were demoted, as found on disk."""
    stages_damaged: str = ""
    """Why that can not be known; empty when it can. Then no model has more than the lowest stage."""
    uncommissioned: str = ""
    """Why the record of measured stops, which is demanded, does not count; empty: it does, or none is demanded."""


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
    ids: tuple[str, ...] = ()
    """Their global ids: one that was started anew under the same name is another one. Empty in older logs."""


class BaseCommand(Value, frozen=True, tag=True):
    """A twist of `cmd_vel`, as it was received."""

    at: int
    source: str
    linear: tuple[float, float, float]
    """x, y, z, [m/s]"""
    angular: tuple[float, float, float]
    """x, y, z, [rad/s]"""
    frame_id: str
    """Frame of the two."""
    stamp: int
    """The sender's stamp, [ns] of its ROS clock; 0 is now."""
    clock: int
    """The receiver's ROS clock sampled at receipt, [ns]."""
    received: int = 0
    """When the middleware received it, steady clock, [ns], at or before `at`; 0: at `at`."""


class Odometry(Value, frozen=True, tag=True):
    """Where the base is and how it moves, as it was received."""

    at: int
    frame_id: str
    """Frame of position and orientation."""
    child_frame_id: str
    """Frame that is there, and that of the twist."""
    position: tuple[float, float, float]
    """[m]"""
    orientation: tuple[float, float, float, float]
    """Quaternion x, y, z, w."""
    linear: tuple[float, float, float]
    """[m/s]"""
    angular: tuple[float, float, float]
    """[rad/s]"""
    stamp: int
    clock: int
    code: str = ""
    """Why the message was refused before it was decoded; empty when it was not."""
    detail: str = ""
    received: int = 0
    """When the middleware received it, steady clock, [ns], at or before `at`; 0: at `at`."""


class OdometryEndpoints(Value, frozen=True, tag=True):
    """Fully qualified names of the nodes that publish `odom` now; one entry an endpoint."""

    at: int
    nodes: tuple[str, ...]
    ids: tuple[str, ...] = ()
    """Their global ids: one that was started anew under the same name is another one. Empty in older logs."""


class Imu(Value, frozen=True, tag=True):
    """How the base lies and turns, as it was received."""

    at: int
    frame_id: str
    orientation: tuple[float, float, float, float]
    """Quaternion x, y, z, w of the IMU's frame in the world, z up."""
    angular: tuple[float, float, float]
    """Angular velocity, in the IMU's frame, [rad/s]."""
    stamp: int
    clock: int
    code: str = ""
    """Why the message was refused before it was decoded, or told nothing; empty when it was not."""
    detail: str = ""
    received: int = 0
    """When the middleware received it, steady clock, [ns], at or before `at`; 0: at `at`."""


class FootContact(Value, frozen=True, tag=True):
    """The force of the ground on a foot, as it was received."""

    at: int
    foot: str
    """Link of the foot whose topic it was."""
    frame_id: str
    force: tuple[float, float, float]
    """In the foot's frame, [N]."""
    stamp: int
    clock: int
    code: str = ""
    """Why the message was refused before it was decoded; empty when it was not."""
    detail: str = ""
    received: int = 0
    """When the middleware received it, steady clock, [ns], at or before `at`; 0: at `at`."""


class BalanceEndpoints(Value, frozen=True, tag=True):
    """Fully qualified names of the nodes that publish an input of balance now; one entry an endpoint."""

    at: int
    foot: str
    """Link of the foot whose contact they tell; empty: of the IMU."""
    nodes: tuple[str, ...]
    ids: tuple[str, ...] = ()
    """Their global ids: one that was started anew under the same name is another one. Empty in older logs."""


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


class PolicyAnswer(Value, frozen=True, tag=True):
    """What the policy server said to a `PolicyQuestion`, or why it said nothing."""

    at: int
    number: int
    verdict: str
    """`allow`, `deny("CODE")` or `approve("KIND")`; empty with an error."""
    error: str = ""


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
    | Imu
    | FootContact
    | BalanceEndpoints
    | BaseCommand
    | Odometry
    | OdometryEndpoints
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
    | AgentSession
    | TokenRefused
    | HoldToRun
    | PolicyAnswer
    | EstopReport
    | AdapterFault
)
