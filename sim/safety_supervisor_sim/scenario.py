"""Scenario files: what an agent does, act by act, and what has to come of it.

One YAML file, strict and bounded as a configuration is (`safety_supervisor.config.bounds`): unknown or duplicate
keys, aliases and NaN are errors, and all errors are told at once with their path and line. `docs/scenarios.md`
describes every field.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from safety_supervisor.config.bounds import MAXIMUM_BYTES, parse, read_bounded
from safety_supervisor.config.problems import ConfigurationCode, ConfigurationError, Problems, shown

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
Pose = Annotated[list[Angle], Field(min_length=1, max_length=100)]
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
]

ENDINGS: Final = ("E_ENDED", "E_LATE")
"""What every stream earns when it simply ends."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Expect(_Section):
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


class _Act(_Section):
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


class TrajectoryAct(_Moving):
    """Send a smooth motion as one quintic trajectory, from a process of its own."""

    act: Literal["trajectory"]
    defect: Literal["none", "time_order", "nan"] = "none"
    points: int = Field(default=20, ge=2, le=200_000)
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


class Drive(_Act):
    """Go straight on at a constant velocity, in steps of one period, whatever comes back."""

    act: Literal["drive"]
    velocity: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]{1,128}$")], Angle] = Field(min_length=1)
    """Joint to velocity, [rad/s]; all others rest."""
    ramp: Seconds = 0.5
    seconds: Seconds


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


Act = Annotated[
    Stream
    | TrajectoryAct
    | Defective
    | DefectiveInMotion
    | Replay
    | Drive
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
    | Technician,
    Field(discriminator="act"),
]


FAULTY = (
    DefectiveInMotion, Silence, StopInMotion, Flood, AgentDies, PressEstop, DisturbDevice, SecondPublisher, MotorTopic,
)  # fmt: skip
"""Acts in whose course something happens that their motion is judged from."""


class Scenario(_Section):
    """One scenario."""

    name: Identifier
    robot: Identifier
    about: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    source: Identifier
    """The one source that the agent speaks through."""
    poses: dict[Identifier, Pose] = Field(min_length=1, max_length=50)
    """Name to joint positions in the configuration's order, [rad]."""
    acts: list[Act] = Field(min_length=1, max_length=200)

    def expanded(self) -> list[Act]:
        """Return the acts with those of the technician as acts of their own."""
        result: list[Act] = []
        for act in self.acts:
            result.append(act)
            result += [_technician(act, call) for call in act.technician]
        return result

    def within(self, seconds: float) -> tuple[Scenario, list[str]]:
        """Return the scenario cut to a time budget, and the names of the acts that were left out.

        Acts of priority 1 always stay; those of 3 go first, later ones before earlier ones. A group goes as a whole,
        with the most important priority of its acts.
        """
        units: dict[str, list[int]] = {}
        for index, act in enumerate(self.acts):
            units.setdefault(f"group {act.group}" if act.group else f"act {index}", []).append(index)

        def order(unit: list[int]) -> tuple[int, int]:
            return min(self.acts[index].priority for index in unit), unit[0]

        kept: set[int] = set()
        left = seconds
        for unit in sorted(units.values(), key=order):
            cost = sum(self.acts[index].takes for index in unit)
            if order(unit)[0] == 1 or cost <= left:
                kept.update(unit)
                left -= cost
        out = [act.name for index, act in enumerate(self.acts) if index not in kept]
        acts = [act for index, act in enumerate(self.acts) if index in kept]
        return self.model_copy(update={"acts": acts}), out


def _technician(act: Act, call: Call) -> Technician:
    state: dict[Call, list[StateName]] = {"reset": ["READY"], "start": ["AUTO/HOLDING"]}
    return Technician(
        act="technician",
        name=f"{act.name}: {call}"[:60],
        calls=[call],
        expect=Expect(replies="accepted", state=state.get(call, []), moved="no"),
        takes=0.3,
    )


def load_scenario(path: Path) -> Scenario:
    """Read and validate a scenario file.

    Raises:
        ConfigurationError: with every problem, its path and line; it is a ValueError.
    """
    try:
        data = read_bounded(path, MAXIMUM_BYTES)
    except OSError as error:
        problems = Problems()
        problems.add("", ConfigurationCode.FILE, error.strerror or str(error))
        raise ConfigurationError(path, tuple(problems.found)) from error
    value, problems = parse(path, data)
    try:
        scenario = Scenario.model_validate(value)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            problems.add(_path(found["loc"]), _code(found["type"]), f"{found['msg']}, got {shown(found['input'])}")
        raise ConfigurationError(path, tuple(problems.found)) from error
    _cross_check(scenario, problems)
    if problems.found:
        raise ConfigurationError(path, tuple(problems.found))
    return scenario


def _path(location: tuple[int | str, ...]) -> str:
    """Write pydantic's location as the path in the file; the tag of the chosen act is no part of it."""
    path = ""
    after_act = False
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif not after_act:
            path += f".{step}" if path else step
        after_act = isinstance(step, int) and path.startswith("acts[") and path.count("[") == 1
    return path


def _code(kind: str) -> ConfigurationCode:
    if kind == "extra_forbidden":
        return ConfigurationCode.UNKNOWN_KEY
    if kind in ("missing", "union_tag_not_found"):
        return ConfigurationCode.MISSING
    return ConfigurationCode.TYPE if kind.endswith("_type") else ConfigurationCode.VALUE


def _cross_check(scenario: Scenario, problems: Problems) -> None:
    value = ConfigurationCode.VALUE
    sizes = {len(pose) for pose in scenario.poses.values()}
    if len(sizes) > 1:
        problems.add("poses", value, f"poses of different lengths: {sorted(sizes)}", "Give every pose all joints.")
    names: set[str] = set()
    groups: list[str] = []
    dead = False
    for index, act in enumerate(scenario.acts):
        where = f"acts[{index}]"
        if act.name in names:
            problems.add(f"{where}.name", value, f"{shown(act.name)} stands twice", "Give every act a name of its own.")
        names.add(act.name)
        goal = getattr(act, "goal", None)
        if goal is not None and goal not in scenario.poses:
            problems.add(f"{where}.goal", value, f"{shown(goal)} is no pose", "Use a name of `poses`.")
        if act.expect.ends in ("goal", "short") and goal is None:
            problems.add(f"{where}.expect.ends", value, "the act has no goal", "Leave it out, or use `start`.")
        if act.expect.unchanged and not isinstance(act, Stream | TrajectoryAct):
            problems.add(f"{where}.expect.unchanged", value, "only a stream or a trajectory can be", "Leave it out.")
        for key in ("moved_after", "rest_after"):
            if getattr(act.expect, key) is not None and not has_fault(act):
                problems.add(f"{where}.expect.{key}", value, "the act has no fault to count from", "Leave it out.")
        if dead and not isinstance(act, MotorTopic | Technician):
            problems.add(f"{where}.act", value, "the agent is dead by now", "Put the act before `agent_dies`.")
        dead = dead or isinstance(act, AgentDies)
        if act.group and act.group in groups and groups[-1] != act.group:
            problems.add(f"{where}.group", value, "acts of a group stand apart", "Put them one after the other.")
        groups.append(act.group or "")


def has_fault(act: Act) -> bool:
    """Whether something happens in the course of the act that its motion is judged from."""
    return act.call != "none" if isinstance(act, TrajectoryAct) else isinstance(act, FAULTY)
