"""Whether a campaign fits its scenarios and robot: every scenario is made at the ends of every range."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safety_supervisor.config.bounds import MAXIMUM_BYTES, parse, read_bounded
from safety_supervisor.config.problems import ConfigurationCode, ConfigurationError, Problems, shown
from safety_supervisor_sim.agent.fit import check as check_fit
from safety_supervisor_sim.campaign.lay import NoPlaceError, ends_of, lay
from safety_supervisor_sim.campaign.plan import RANDOM, Agent, Campaign, Deed, Entry, Parameter, Range
from safety_supervisor_sim.demo import places
from safety_supervisor_sim.scenario import read_scenario

VALUE = ConfigurationCode.VALUE


def scenario_value(entry: Entry, beside: Path) -> dict[str, Any]:
    """Return the scenario of an entry as a mapping, cut to its acts.

    Raises:
        FileNotFoundError: it is neither beside the campaign nor shipped.
        ConfigurationError: it is not valid.
    """
    path = beside / entry.scenario
    if not path.is_file():
        path = places.shared("scenarios", entry.scenario.removesuffix(".yaml") + ".yaml")
    data = read_bounded(path, MAXIMUM_BYTES)
    read_scenario(path, data)
    value, _ = parse(path, data)
    if entry.acts:
        value["acts"] = [act for act in value["acts"] if act["name"] in entry.acts]
        for kind in ("faults", "people"):
            if kind in value:
                value[kind] = [one for one in value[kind] if one["act"] in entry.acts]
        known = {act["name"] for act in value["acts"]}
        strange = [name for name in entry.acts if name not in known]
        if strange:
            raise NoPlaceError(f"no act {', '.join(strange)} in {path.name}")
    return value


def agent_value(agent: Agent, robot: str, deeds: Iterable[Deed]) -> dict[str, Any]:
    """Return a scenario in which an agent does these deeds, with `RANDOM` where a goal is drawn."""
    acts = [act.model_dump(exclude_unset=True) for act in agent.begin]
    rows: set[int] = set()
    requirements: set[str] = set()
    for number, deed in enumerate(deeds, 1):
        rows |= set(deed.rows)
        requirements |= set(deed.requirements)
        for act in deed.acts:
            told = act.model_dump(exclude_unset=True)
            acts.append(told | {"name": f"{act.name} {number}"[:60]})
    return {
        "name": agent.agent,
        "robot": robot,
        "source": agent.source,
        "about": agent.about,
        "rows": sorted(rows),
        "requirements": sorted(requirements),
        "configuration": dict(agent.configuration),
        "poses": dict(agent.poses),
        "acts": acts,
    }


def check(campaign: Campaign, beside: Path, problems: Problems) -> None:
    """Note everything of a campaign that can not be played."""
    robots = places.simulated()
    if campaign.robot not in robots:
        cure = f"Use one of: {', '.join(robots)}."
        problems.add("robot", VALUE, f"{shown(campaign.robot)} is not simulated", cure)
        return
    for index, entry in enumerate(campaign.entries):
        where = f"entries[{index}]"
        if isinstance(entry, Agent):
            _check_agent(campaign, entry, where, problems)
        else:
            _check_entry(campaign, entry, beside, where, problems)


def _check_ranges(vary: dict[str, Parameter], where: str, problems: Problems) -> bool:
    good = True
    for path, parameter in vary.items():
        if isinstance(parameter, Range) and parameter.low > parameter.high:
            text = f"low {parameter.low:g} is above high {parameter.high:g}"
            problems.add(f"{where}.{path}", VALUE, text, "Give low before high.")
            good = False
    return good


def _check_entry(campaign: Campaign, entry: Entry, beside: Path, where: str, problems: Problems) -> None:
    try:
        base = scenario_value(entry, beside)
    except FileNotFoundError:
        known = sorted(path.stem for path in places.shared("scenarios", "panda_demo.yaml").parent.glob("*.yaml"))
        cure = f"Give a file beside the campaign's, or one of: {', '.join(known)}."
        problems.add(f"{where}.scenario", ConfigurationCode.FILE, f"there is no {entry.scenario}", cure)
        return
    except ConfigurationError as error:
        problems.add(f"{where}.scenario", VALUE, f"{entry.scenario} is not valid: {error}", "Mend that file first.")
        return
    except NoPlaceError as error:
        problems.add(f"{where}.acts", VALUE, str(error), "Use names of its acts.")
        return
    if base["robot"] != campaign.robot:
        problems.add(
            f"{where}.scenario", VALUE, f"is for {base['robot']}, not for {campaign.robot}", "Use another one."
        )
        return
    if _check_ranges(entry.vary, f"{where}.vary", problems):
        _check_ends(base, entry.vary, f"{where}.vary", problems)


def _check_ends(base: dict[str, Any], vary: dict[str, Parameter], where: str, problems: Problems) -> None:
    """Make the scenario at the ends of each range alone, all else at its first end."""
    text = json.dumps(base)
    middle = json.loads(text)
    laid: dict[str, Parameter] = {}
    for path, parameter in vary.items():
        try:
            lay(middle, path, ends_of(parameter)[0])
            laid[path] = parameter
        except NoPlaceError as error:
            problems.add(f"{where}.{path}", VALUE, str(error), "Name a place of the scenario.")
    for path, parameter in laid.items():
        for value in ends_of(parameter):
            lay(middle, path, value)
            for reason in reasons_against(middle):
                problems.add(f"{where}.{path}", VALUE, f"at {shown(value)}: {reason}", "Narrow the range.")
        lay(middle, path, ends_of(parameter)[0])
    if not vary:
        for reason in reasons_against(middle):
            problems.add(where.rpartition(".")[0], VALUE, reason, "Mend the scenario, or leave acts out of it.")


def reasons_against(value: dict[str, Any]) -> list[str]:
    """Return why a scenario is not valid; empty when it is."""
    try:
        read_scenario(Path("scenario"), json.dumps(value).encode())
    except ConfigurationError as error:
        return [f"{one.path}: {one.message}" for one in error.errors]
    except ValueError as error:
        return [str(error)]
    return []


def _check_agent(campaign: Campaign, agent: Agent, where: str, problems: Problems) -> None:
    if agent.length[0] > agent.length[1]:
        problems.add(f"{where}.length", VALUE, f"{agent.length[0]} is more than {agent.length[1]}", "[LEAST, MOST]")
    for joint, (low, high) in agent.goals.items():
        if low > high:
            problems.add(f"{where}.goals.{joint}", VALUE, f"{low:g} is above {high:g}", "[LEAST, GREATEST]")
    missing = [joint for joint in agent.goals if joint not in agent.start]
    if missing:
        problems.add(f"{where}.start", VALUE, f"does not tell of {', '.join(missing)}", "Name every joint of `goals`.")
    for number, deed in enumerate(agent.deeds):
        here = f"{where}.deeds[{number}]"
        value = agent_value(agent, campaign.robot, [deed])
        value["poses"][RANDOM] = {joint: pair[0] for joint, pair in agent.goals.items()}
        reasons = reasons_against(value) or _misfits(value)
        for reason in reasons:
            problems.add(here, VALUE, reason, "Mend the acts.")
        if not reasons and _check_ranges(deed.vary, f"{here}.vary", problems):
            named = {
                f"acts.{path.partition('.')[0]} 1.{path.partition('.')[2]}": one for path, one in deed.vary.items()
            }
            _check_ends(value, named, f"{here}.vary", problems)


def _misfits(value: dict[str, Any]) -> list[str]:
    """Return what does not fit the robot's configuration."""
    from safety_supervisor_sim.engine.run import configuration_of

    changes = json.dumps(value["configuration"])
    try:
        configuration = configuration_of(value["robot"], "joint_trajectory_controller", changes)
    except ConfigurationError as error:
        return [str(error)]
    return check_fit(read_scenario(Path("scenario"), json.dumps(value).encode()), configuration)
