"""What is searched: a file that names a scenario and what of it varies, or a scenario alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from safety_supervisor.config.bounds import parse
from safety_supervisor.config.problems import ConfigurationCode, ConfigurationError, Problems, shown
from safety_supervisor_sim.demo import places
from safety_supervisor_sim.falsify.space import Range, Space, SpaceError, usual
from safety_supervisor_sim.scenario import read_scenario
from safety_supervisor_sim.scenario.expect import Identifier, Section
from safety_supervisor_sim.scenario.file import read_data

Kind = Literal[
    "position", "velocity", "acceleration", "link_speed", "keep_in", "keep_out", "command_position", "command_velocity",
    "command_acceleration", "command_jerk", "setpoint_velocity", "people",
]  # fmt: skip
"""Of what the oracle judges; `people`: how far the robot was from the nearest one."""


class _Ends(Section):
    low: float
    high: float
    whole: bool = False


class _File(Section):
    name: Identifier
    about: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    scenario: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]{1,200}$")]
    """File beside this one, or the name of one of `sim/scenarios`."""
    acts: list[str] = Field(default=[], max_length=200)
    """Only these acts of it; all where left out."""
    kinds: list[Kind] = Field(default=[], max_length=20)
    """What the oracle judges, and the search goes by; all where left out. A violation of any kind ends the search."""
    vary: dict[str, _Ends] = Field(min_length=1, max_length=60)


@dataclass(frozen=True)
class Task:
    """What is searched.

    Attributes:
        name: of the search.
        origin: the scenario's name.
        space: its scenario, and what varies.
        seed: of every run.
        kinds: what the search goes by; all where empty.
    """

    name: str
    origin: str
    space: Space
    seed: int
    kinds: tuple[str, ...] = ()


def load_task(path: Path) -> Task:
    """Read a search's file, or a scenario, of which then all goals, times, speeds and faults vary.

    Raises:
        ConfigurationError: with every problem, its path and line; it is a ValueError.
    """
    value, problems = parse(path, read_data(path))
    if not (isinstance(value, dict) and "vary" in value):
        scenario = _scenario(path)
        return _task(path, str(scenario["name"]), scenario, usual(scenario), problems)
    try:
        file = _File.model_validate(value)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            where = ".".join(str(step) for step in found["loc"])
            problems.add(where, ConfigurationCode.VALUE, f"{found['msg']}, got {shown(found['input'])}")
        raise ConfigurationError(path, tuple(problems.found)) from error
    beside = path.parent / file.scenario
    scenario = _scenario(beside if beside.exists() else places.shared("scenarios", f"{file.scenario}.yaml"))
    if file.acts:
        known = [act["name"] for act in scenario["acts"]]
        for name in file.acts:
            if name not in known:
                cure = f"Use some of: {', '.join(known)}."
                problems.add("acts", ConfigurationCode.VALUE, f"{shown(name)} is no act of {file.scenario}", cure)
        scenario["acts"] = [act for act in scenario["acts"] if act["name"] in file.acts]
        scenario["faults"] = [one for one in scenario.get("faults", []) if one["act"] in file.acts]
    ranges = {path: Range(one.low, one.high, one.whole) for path, one in file.vary.items()}
    return replace(_task(path, file.name, scenario, ranges, problems), kinds=tuple(file.kinds))


def _task(path: Path, name: str, scenario: dict[str, Any], ranges: dict[str, Range], problems: Problems) -> Task:
    try:
        space = Space(scenario, ranges)
    except SpaceError as error:
        for line in str(error).splitlines():
            where, _, why = line.partition(": ")
            problems.add(where, ConfigurationCode.VALUE, why)
        space = None
    if problems.found or space is None:
        raise ConfigurationError(path, tuple(problems.found))
    return Task(name, str(scenario["name"]), space, int(scenario.get("seed", 1)))


def _scenario(path: Path) -> dict[str, Any]:
    """Return a scenario as plain values, once it is known to be one."""
    data = read_data(path)
    read_scenario(path, data)
    value: dict[str, Any] = parse(path, data)[0]
    return value
