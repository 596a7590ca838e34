"""Scenario files: what an agent does, act by act, and what has to come of it.

One YAML file, strict and bounded as a configuration is (`safety_supervisor.config.bounds`): unknown or duplicate
keys, aliases and NaN are errors, and all errors are told at once with their path and line. `docs/scenarios.md`
describes every field.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints, ValidationError

from safety_supervisor.config.bounds import MAXIMUM_BYTES, parse, read_bounded
from safety_supervisor.config.problems import ConfigurationCode, ConfigurationError, Problems, shown
from safety_supervisor.core.errors import CODE_OF
from safety_supervisor.estop.tools.orders import ORDERS
from safety_supervisor_sim.demo.places import simulated
from safety_supervisor_sim.scenario.acts import (
    Act,
    AgentDies,
    Engine,
    MotorTopic,
    Stream,
    Technician,
    TrajectoryAct,
    has_fault,
)
from safety_supervisor_sim.scenario.expect import POSE_KINDS, Call, Expect, Identifier, Pose, Section, StateName
from safety_supervisor_sim.scenario.world import Fault, Serial, Walker

POLICY_PREFIX: Final = "E_POLICY_"
"""Codes that a policy denies with are its own."""


class Scenario(Section):
    """One scenario."""

    name: Identifier
    robot: Identifier
    about: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    source: Identifier
    """What the agent speaks through, but for acts that name another one."""
    poses: dict[Identifier, Pose] = Field(min_length=1, max_length=50)
    """Name to joint positions in the configuration's order, or by joint, [rad]."""
    acts: list[Act] = Field(min_length=1, max_length=200)
    rows: list[Annotated[int, Field(ge=1, le=99)]] = Field(default=[], max_length=99)
    """Of the table of attacks, `docs/redteam.md`, that it plays."""
    requirements: list[Annotated[str, StringConstraints(pattern=r"^SR-[0-9]{3}$")]] = Field(default=[], max_length=60)
    configuration: dict[str, Any] = Field(default={}, max_length=20)
    """Laid over `config/ROBOT.yaml`: mappings are merged, all else is replaced."""
    faults: list[Fault] = Field(default=[], max_length=50)
    people: list[Walker] = Field(default=[], max_length=20)
    seed: int = Field(default=1, ge=0, lt=2**31)
    """Of everything that the core engine draws: noise, faults, the e-stop's first numbers."""

    def expanded(self) -> list[Act]:
        """Return the acts with those of the technician as acts of their own."""
        result: list[Act] = []
        for act in self.acts:
            result.append(act)
            result += [_technician(act, call) for call in act.technician]
        return result

    def without(self, kind: type[Act]) -> Scenario:
        """Return the scenario without acts of a kind."""
        return self.model_copy(update={"acts": [act for act in self.acts if not isinstance(act, kind)]})

    def for_engine(self, engine: Engine) -> tuple[Scenario, list[str]]:
        """Return the scenario without what an engine can not play, and the names of those acts.

        A group goes as a whole: its acts lead to one another.
        """
        simulated = bool(self.faults or self.people)
        out = [act for act in self.acts if engine not in act.engines or (simulated and engine != "core")]
        groups = {act.group for act in out if act.group}
        acts = [act for act in self.acts if act not in out and act.group not in groups]
        names = [act.name for act in self.acts if act not in acts]
        return self.model_copy(update={"acts": acts}), names

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
    return read_scenario(path, read_data(path))


def read_data(path: Path) -> bytes:
    """Return the bytes of a file of the laboratory.

    Raises:
        ConfigurationError: it can not be read, or is too long.
    """
    try:
        data = read_bounded(path, MAXIMUM_BYTES)
    except OSError as error:
        problems = Problems()
        problems.add("", ConfigurationCode.FILE, error.strerror or str(error))
        raise ConfigurationError(path, tuple(problems.found)) from error
    return data


def read_scenario(path: Path, data: bytes) -> Scenario:
    """Validate a scenario's text, YAML or JSON; `path` is what problems name it by.

    Raises:
        ConfigurationError: with every problem, its path and line; it is a ValueError.
    """
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
    """Write pydantic's location as the path in the file; tags of chosen acts and poses are no part of it."""
    path = ""
    after_act = False
    for step in location:
        if step in POSE_KINDS:
            continue
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
    robots = simulated()
    if scenario.robot not in robots:
        problems.add("robot", value, f"{shown(scenario.robot)} is not simulated", f"Use one of: {', '.join(robots)}.")
    sizes = {len(pose) for pose in scenario.poses.values() if isinstance(pose, list)}
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
        for key, (least, most) in act.expect.verdict_counts.items():
            if least > most:
                problems.add(
                    f"{where}.expect.verdict_counts.{key}", value, f"{least} is more than {most}", "[LEAST, MOST]"
                )
            if most == 0 and key.split()[0] in act.expect.verdicts and " " not in key:
                problems.add(f"{where}.expect.verdicts", value, f"{key} has to be heard, and never", "Leave one out.")
        distance = act.expect.distance
        if distance is not None and distance.people is not None and not scenario.people:
            problems.add(f"{where}.expect.distance.people", value, "nobody walks in this file", "Add `people`.")
        for key in ("codes", "also"):
            for code in getattr(act.expect, key):
                if code not in CODE_OF and not code.startswith(POLICY_PREFIX):
                    near = get_close_matches(code, CODE_OF, n=3)
                    cure = f"Use {' or '.join(near)}." if near else "docs/error_codes.md has all."
                    problems.add(f"{where}.expect.{key}", value, f"{shown(code)} is told by nobody", cure)
    _check_world(scenario, names, problems)


def _check_world(scenario: Scenario, acts: set[str], problems: Problems) -> None:
    """Check what faults and people refer to."""
    value, known = ConfigurationCode.VALUE, f"Use one of: {', '.join(sorted(acts))}."
    for kind, entries in (("faults", scenario.faults), ("people", scenario.people)):
        for index, entry in enumerate(entries):
            if entry.act not in acts:
                problems.add(f"{kind}[{index}].act", value, f"{shown(entry.act)} is no act", known)
    for index, fault in enumerate(scenario.faults):
        for number, order in enumerate(fault.orders if isinstance(fault, Serial) else []):
            if order.split()[0] not in ORDERS:
                where = f"faults[{index}].orders[{number}]"
                problems.add(where, value, f"{shown(order)} is no order", f"Use one of: {', '.join(ORDERS)}.")
    for index, walker in enumerate(scenario.people):
        if len(walker.untold) == 1 or walker.untold != sorted(walker.untold):
            problems.add(f"people[{index}].untold", value, "give the begin and the end", "Write [FROM, TO].")
    if scenario.people and "separation" not in scenario.configuration:
        cure = "Add `configuration: {separation: ..., envelope: {reduced: ...}}`."
        problems.add("people", value, "the supervisor of this file watches nobody", cure)
