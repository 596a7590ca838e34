"""Campaign files: which scenarios are played how often, and which of their parameters vary over which ranges.

One YAML file, strict and bounded as a scenario is: all errors are told at once, with their path and line.
`docs/campaign.md` describes every field.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Discriminator, Field, StringConstraints, Tag, ValidationError

from safety_supervisor.config.bounds import parse
from safety_supervisor.config.problems import ConfigurationCode, ConfigurationError, shown
from safety_supervisor_sim.scenario import Act
from safety_supervisor_sim.scenario.expect import Angle, Identifier, JointName, Name, Pose, Section
from safety_supervisor_sim.scenario.file import read_data

RANDOM: Final = "random"
"""The goal of an agent's act that is drawn."""
MOST_RUNS: Final = 1_000_000
Weight = Annotated[float, Field(gt=0.0, le=1e6)]
Pair = Annotated[list[Angle], Field(min_length=2, max_length=2)]
PathText = Annotated[str, StringConstraints(pattern=r"^[^.\s][^\n]{0,127}$")]


class Range(Section):
    """Any value between two, both ends included; a whole number where `whole` says so."""

    low: float
    high: float
    whole: bool = False


class Choice(Section):
    """One of several values."""

    choices: list[Any] = Field(min_length=1, max_length=100)


def _kind(value: object) -> str:
    choice = "choices" in value if isinstance(value, dict) else isinstance(value, Choice)
    return "choice" if choice else "range"


Parameter = Annotated[Annotated[Range, Tag("range")] | Annotated[Choice, Tag("choice")], Discriminator(_kind)]
Vary = dict[PathText, Parameter]
"""Path in the scenario to what is drawn: `acts.NAME.seconds`, `faults.0.begin`, `poses.pick.2`."""


class Entry(Section):
    """A scenario file, played again and again with other parameters."""

    scenario: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]{1,200}$")]
    """File beside this one, or the name of one of `sim/scenarios`."""
    weight: Weight = 1.0
    """Its share of all runs is its weight over the sum of weights."""
    acts: list[Name] = Field(default=[], max_length=200)
    """Only these acts of it; all where left out."""
    vary: Vary = Field(default={}, max_length=40)


class Deed(Section):
    """What a random agent may do: acts that belong together."""

    acts: list[Act] = Field(min_length=1, max_length=8)
    """A goal `random` is drawn."""
    weight: Weight = 1.0
    last: bool = False
    """Nothing can follow on it."""
    rows: list[Annotated[int, Field(ge=1, le=99)]] = Field(default=[], max_length=99)
    requirements: list[Annotated[str, StringConstraints(pattern=r"^SR-[0-9]{3}$")]] = Field(default=[], max_length=60)
    vary: Vary = Field(default={}, max_length=40)
    """Paths begin with the name of the act."""


class Agent(Section):
    """A random agent: a short sequence of deeds, each drawn by its weight, toward goals that are drawn."""

    agent: Identifier
    """Its name, as that of a scenario."""
    about: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    weight: Weight = 1.0
    source: Identifier = "planner"
    configuration: dict[str, Any] = Field(default={}, max_length=20)
    length: list[Annotated[int, Field(ge=1, le=20)]] = Field(min_length=2, max_length=2)
    """Least and most deeds."""
    start: dict[JointName, Angle] = Field(min_length=1, max_length=100)
    """Where it begins, of the joints of `goals`, [rad]."""
    goals: dict[JointName, Pair] = Field(min_length=1, max_length=100)
    """Joint to least and greatest value, [rad]; other joints stay."""
    least: float = Field(default=0.2, ge=0.0, le=3.0)
    """At least one joint of a goal is so far from where the robot may be, [rad]."""
    poses: dict[Identifier, Pose] = Field(default={}, max_length=40)
    """That deeds name."""
    begin: list[Act] = Field(default=[], max_length=8)
    """Acts that every sequence begins with."""
    deeds: list[Deed] = Field(min_length=1, max_length=200)


def _entry_kind(value: object) -> str:
    agent = "agent" in value if isinstance(value, dict) else isinstance(value, Agent)
    return "an agent" if agent else "a scenario"


class Campaign(Section):
    """One campaign."""

    name: Identifier
    about: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    robot: Identifier
    seed: int = Field(default=1, ge=0, lt=2**31)
    runs: int = Field(ge=1, le=MOST_RUNS)
    limit: float = Field(default=120.0, ge=1.0, le=3600.0)
    """A run that takes longer has hung, [s] of real time."""
    entries: list[
        Annotated[Annotated[Entry, Tag("a scenario")] | Annotated[Agent, Tag("an agent")], Discriminator(_entry_kind)]
    ] = Field(min_length=1, max_length=200)


def load_campaign(path: Path) -> Campaign:
    """Read and validate a campaign file, and every scenario that it names, at the ends of every range.

    Raises:
        ConfigurationError: with every problem, its path and line; it is a ValueError.
    """
    from safety_supervisor_sim.campaign.fits import check

    value, problems = parse(path, read_data(path))
    try:
        campaign = Campaign.model_validate(value)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            where = where_of(found["loc"], value)
            problems.add(where, code_of(found["type"]), f"{found['msg']}, got {shown(found['input'])}")
        raise ConfigurationError(path, tuple(problems.found)) from error
    check(campaign, path.parent, problems)
    if problems.found:
        raise ConfigurationError(path, tuple(problems.found))
    return campaign


def where_of(location: tuple[int | str, ...], value: Any) -> str:
    """Write pydantic's location as the path in the file: tags of what was chosen are no part of it."""
    path = ""
    for number, step in enumerate(location):
        if isinstance(step, int) and isinstance(value, list) and step < len(value):
            path, value = f"{path}[{step}]", value[step]
        elif isinstance(value, dict) and step in value:
            path, value = f"{path}.{step}" if path else str(step), value[step]
        elif number == len(location) - 1 and isinstance(value, dict) and step != "[key]":
            path = f"{path}.{step}" if path else str(step)  # one that is missing
    return path


def code_of(kind: str) -> ConfigurationCode:
    """Return the stable code of a problem that pydantic found."""
    if kind == "extra_forbidden":
        return ConfigurationCode.UNKNOWN_KEY
    if kind in ("missing", "union_tag_not_found"):
        return ConfigurationCode.MISSING
    return ConfigurationCode.TYPE if kind.endswith("_type") else ConfigurationCode.VALUE
