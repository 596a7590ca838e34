"""The kinds of acts that a scenario file may have."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from safety_supervisor_sim.scenario.expect import (
    Angle,
    Call,
    Defect,
    Expect,
    Identifier,
    JointName,
    Name,
    Seconds,
    Section,
)

Engine = Literal["ros", "core"]
"""What plays a scenario: real nodes in real time, or the core and a simulated cell in simulated time."""


class _Act(Section):
    engines: ClassVar[frozenset[Engine]] = frozenset({"ros", "core"})
    """By which the act can be played."""
    name: Name
    expect: Expect
    group: Identifier | None = None
    """Acts of a group are played all or not at all."""
    priority: int = Field(default=2, ge=1, le=3)
    """1 is always played, 3 is the first to be left out when time is short."""
    takes: Seconds = 1.0
    """Roughly how long it lasts, [s]; what the time budget is made with."""
    technician: list[Call] = Field(default=[], max_length=4)
    """Services that a technician calls afterwards, each an act that has to be accepted."""


class _Moving(_Act):
    goal: Identifier
    """Name of a pose."""
    seconds: Seconds | None = None
    """Duration of the motion; as fast as 70 % of the limits allow where left out."""


class Stream(_Moving):
    """Stream a smooth motion to a pose."""

    act: Literal["stream"]
    order: Literal["configured", "shuffled"] = "configured"
    """Order of the joint names in the messages."""
    source: Identifier | None = None
    """Whose agent streams; the scenario's where left out."""


class TrajectoryAct(_Moving):
    """Send a smooth motion as one quintic trajectory, from a process of its own."""

    act: Literal["trajectory"]
    defect: Literal["none", "time_order", "nan"] = "none"
    points: int = Field(default=20, ge=2, le=200_000)
    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{0,32}$")] = ""
    """Idempotency key in its header; none where empty."""
    call: Literal["none", "stop"] = "none"
    """Service that is called right after sending."""


class Defective(_Act):
    """Send broken set-points while the robot rests."""

    act: Literal["defective"]
    defect: Defect
    count: int = Field(default=1, ge=1, le=100)


class DefectiveInMotion(_Moving):
    """Stream a good motion and send a broken set-point half-way; then fall silent."""

    act: Literal["defective_in_motion"]
    defect: Defect


class Replay(_Act):
    """Send the last good stream once more, stamps and all."""

    act: Literal["replay"]
    count: int = Field(default=5, ge=1, le=100)


class Again(_Act):
    """Send the last trajectory once more, byte for byte."""

    act: Literal["again"]
    count: int = Field(default=1, ge=1, le=1000)


class StopFlood(_Act):
    """Somebody asks for a stop again and again, `rate_hz` times a second."""

    act: Literal["stop_flood"]
    engines: ClassVar[frozenset[Engine]] = frozenset({"core"})
    rate_hz: float = Field(default=1000.0, ge=1.0, le=10_000.0)
    seconds: Seconds = 0.5


class Respawn(_Moving):
    """The supervisor crashes in mid-motion, and is started anew after `down`: with the latches that it left on disk."""

    act: Literal["respawn"]
    engines: ClassVar[frozenset[Engine]] = frozenset({"core"})
    down: Seconds = 1.0


class Drive(_Act):
    """Go straight on at a constant velocity, in steps of one period, whatever comes back."""

    act: Literal["drive"]
    velocity: dict[JointName, Angle] = Field(min_length=1)
    """Joint to velocity, [rad/s]; all others rest."""
    ramp: Seconds = 0.5
    seconds: Seconds


class Reach(_Moving):
    """Stream to a pose that nobody may reach, until 0.2 s after the first refusal."""

    act: Literal["reach"]


class Silence(_Moving):
    """Fall silent in mid-motion; then, without any person, go on to the goal."""

    act: Literal["silence"]
    silent: Seconds = 0.5


class StopInMotion(_Moving):
    """Call `~/stop` in mid-motion and keep streaming."""

    act: Literal["stop_in_motion"]


class Flood(_Act):
    """Flood the source with repeated set-points; after half of the time call `~/stop`."""

    act: Literal["flood"]
    rate_hz: float = Field(default=5000.0, ge=100.0, le=20_000.0)
    seconds: Seconds = 0.6
    stop: bool = True


class AgentDies(_Moving):
    """SIGKILL the process whose trajectory plays. Nothing can be sent afterwards: the graph lists the dead for 20 s."""

    act: Literal["agent_dies"]


class PressEstop(_Moving):
    """Press the e-stop in mid-motion and keep streaming."""

    act: Literal["press_estop"]


class ReleaseEstop(_Moving):
    """Release the e-stop while a good stream goes on: nothing may move by that alone."""

    act: Literal["release_estop"]


class DisturbDevice(_Moving):
    """Unplug the e-stop device or freeze it in mid-motion and keep streaming."""

    act: Literal["disturb_device"]
    how: Literal["unplug", "freeze"]


class MendDevice(_Act):
    """Plug the device in again, or thaw it; then press its button and release it."""

    act: Literal["mend_device"]


class SecondPublisher(_Act):
    """Another process begins to publish on the source's own topic."""

    act: Literal["second_publisher"]


class MotorTopic(_Act):
    """Another process publishes on the motors' topic itself."""

    act: Literal["motor_topic"]


class Technician(_Act):
    """A person calls services, one after the other."""

    act: Literal["technician"]
    calls: list[Call] = Field(min_length=1, max_length=4)


Token = Literal["good", "self_made", "altered", "replayed", "late"]
"""An approval: signed by the technician; by the agent; with another command in it; used before; after its time."""


class Approval(_Moving):
    """Ask for a goal in a restricted zone as one trajectory, and let a technician answer, or others who pretend."""

    engines: ClassVar[frozenset[Engine]] = frozenset({"ros"})  # tokens are judged in a process of their own

    act: Literal["approval"]
    asks: bool = True
    """Whether the goal is sent; else the answers are to what waits already."""
    answers: list[Token] = Field(min_length=1, max_length=5)


class Push(_Act):
    """Somebody pushes the robot; then it is watched for a while."""

    act: Literal["push"]
    force: list[Angle] = Field(min_length=3, max_length=3)
    """At the base for 0.2 s, along the axes of the world, x forward, [N]."""
    watched: Seconds = 1.0


class StandUp(_Act):
    """A person waits until the robot rests limp, sets it on its feet in its hoist and releases the e-stop."""

    act: Literal["stand_up"]


Act = Annotated[
    Stream
    | TrajectoryAct
    | Defective
    | DefectiveInMotion
    | Replay
    | Again
    | StopFlood
    | Respawn
    | Drive
    | Reach
    | Silence
    | StopInMotion
    | Flood
    | AgentDies
    | PressEstop
    | ReleaseEstop
    | DisturbDevice
    | MendDevice
    | SecondPublisher
    | MotorTopic
    | Technician
    | Approval
    | Push
    | StandUp,
    Field(discriminator="act"),
]


FAULTY = (
    DefectiveInMotion, Silence, StopInMotion, Flood, AgentDies, PressEstop, DisturbDevice, SecondPublisher, MotorTopic,
    Push, Respawn,
)  # fmt: skip
"""Acts in whose course something happens that their motion is judged from."""


def has_fault(act: Act) -> bool:
    """Whether something happens in the course of the act that its motion is judged from."""
    return act.call != "none" if isinstance(act, TrajectoryAct) else isinstance(act, FAULTY)
