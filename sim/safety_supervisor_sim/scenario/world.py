"""What goes wrong around the supervisor, and who walks in the cell, while acts are played."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from safety_supervisor_sim.scenario.expect import Identifier, JointName, Name, Section

Share = Annotated[float, Field(gt=0.0, le=1.0)]
Order = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]*( [A-Za-z0-9.]{1,16}){0,2}$")]
Way = Literal["measurements", "set_points", "motors"]
"""joint_states; the agents' messages; what is sent to the controller."""
Lost = Literal["measurements", "set_points", "motors", "people"]
"""`people`: what perception tells of them."""


class _Fault(Section):
    act: Name
    """Begins with this act."""
    begin: float = Field(default=0.0, ge=0.0, le=120.0)
    """So long after the act began, [s]."""
    duration: float = Field(gt=0.0, le=120.0)
    """[s]"""


class Delay(_Fault):
    """Messages come later."""

    fault: Literal["delay"]
    what: Way
    seconds: float = Field(gt=0.0, le=5.0)


class Drop(_Fault):
    """Messages are lost at random."""

    fault: Literal["drop"]
    what: Lost
    share: Share


class Noise(_Fault):
    """Measurements are noisier: standard deviation, [rad]."""

    fault: Literal["noise"]
    position: float = Field(gt=0.0, le=10.0)


class FrozenStates(_Fault):
    """joint_states repeat what was measured when it began, with fresh stamps."""

    fault: Literal["frozen_states"]


class SpoofedStates(_Fault):
    """joint_states tell a joint elsewhere than it is."""

    fault: Literal["spoofed_states"]
    joint: JointName
    offset: float = Field(ge=-10.0, le=10.0)
    """[rad]"""


class Publisher(_Fault):
    """Somebody else publishes joint_states."""

    fault: Literal["states_publisher"]


class ClockJump(_Fault):
    """The ROS clock jumps, and back at the end; the steady clock does not."""

    fault: Literal["clock_jump"]
    seconds: float = Field(ge=-1e6, le=1e6)


class Serial(_Fault):
    """Orders to the emulated e-stop device, as `safety-supervisor estop emulate` knows them; at the end `good`."""

    fault: Literal["serial"]
    orders: list[Order] = Field(min_length=1, max_length=8)


class DiskFull(_Fault):
    """The record of motion can not be kept."""

    fault: Literal["disk_full"]


class Standstill(_Fault):
    """The supervisor's process stands still: no cycle, no sign of life to the e-stop device; then it goes on, late."""

    fault: Literal["standstill"]


class Edited(_Fault):
    """The configuration's file is another one than was loaded."""

    fault: Literal["configuration_edited"]


class Misfit(_Fault):
    """An endpoint of a required input does not fit: nobody is heard there."""

    fault: Literal["incompatible_endpoint"]


Fault = Annotated[
    Delay
    | Drop
    | Noise
    | FrozenStates
    | SpoofedStates
    | Publisher
    | ClockJump
    | Serial
    | DiskFull
    | Standstill
    | Edited
    | Misfit,
    Field(discriminator="fault"),
]
Metres = Annotated[float, Field(ge=-100.0, le=100.0)]


class Walker(Section):
    """Somebody who walks from place to place, and is told on `~/humans` ten times a second."""

    name: Identifier
    act: Name
    """Sets out with this act; stands at the first place until then."""
    begin: float = Field(default=0.0, ge=0.0, le=120.0)
    """So long after the act began, [s]."""
    way: list[Annotated[list[Metres], Field(min_length=2, max_length=2)]] = Field(min_length=1, max_length=50)
    """Places on the floor, x and y in the base frame, [m]; the last one is where he stays."""
    speed: float = Field(default=1.2, gt=0.0, le=1.6)
    """[m/s]"""
    untold: list[float] = Field(default=[], max_length=2)
    """From, to, [s] after he set out: perception does not tell of him meanwhile."""
