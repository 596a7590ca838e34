"""Draws the cases of a campaign: Latin hypercubes over what varies, the same plan the same cases.

Every dimension of n runs is cut into n equal parts, and each part is used once (McKay, Beckman and Conover 1979), by
`scipy.stats.qmc`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.fits import agent_value, scenario_value
from safety_supervisor_sim.campaign.lay import lay, value_at
from safety_supervisor_sim.campaign.plan import RANDOM, Agent, Campaign, Deed, Entry

ON_THE_WAY: Final = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
"""Shares of a motion at which a robot that was stopped in its course may be."""
Row = Sequence[float]


def draw(campaign: Campaign, beside: Path, runs: int | None = None, seed: int | None = None) -> list[Case]:
    """Return the cases, in the order of entries.

    Args:
        campaign: a valid one.
        beside: directory of its file.
        runs: how many; None: the campaign's.
        seed: None: the campaign's.
    """
    seed = campaign.seed if seed is None else seed
    cases = []
    counts = shares([entry.weight for entry in campaign.entries], campaign.runs if runs is None else runs)
    for number, (entry, count) in enumerate(zip(campaign.entries, counts, strict=True)):
        if count == 0:
            continue
        if isinstance(entry, Agent):
            drawn = _agent(entry, campaign.robot, count, [seed, number])
            name = entry.agent
        else:
            drawn = _entry(entry, beside, count, [seed, number])
            name = Path(entry.scenario).stem
        for index, (value, parameters) in enumerate(drawn):
            own = _seed(campaign.name, name, seed, number, index)
            text = json.dumps(value | {"seed": own}, sort_keys=True)
            cases.append(Case(campaign.name, name, text, json.dumps(parameters, sort_keys=True), own))
    return cases


def shares(weights: Sequence[float], runs: int) -> list[int]:
    """Share runs out by weight, the largest remainders first; they sum up to `runs`."""
    exact = np.array(weights) / sum(weights) * runs
    counts = np.floor(exact).astype(int)
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: runs - int(counts.sum())]] += 1
    return [int(count) for count in counts]


def latin(dimensions: int, count: int, seed: Sequence[int]) -> NDArray[np.float64]:
    """Return a Latin hypercube, shape (count, dimensions), values in [0, 1)."""
    points: NDArray[np.float64] = qmc.LatinHypercube(max(dimensions, 1), rng=np.random.default_rng(seed)).random(count)
    return points


def _seed(*parts: object) -> int:
    return int(hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8], 16) % 2**31


def _entry(entry: Entry, beside: Path, count: int, seed: Sequence[int]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    text = json.dumps(scenario_value(entry, beside))
    drawn = []
    for row in latin(len(entry.vary), count, seed):
        value = json.loads(text)
        parameters = {path: value_at(one, float(u)) for (path, one), u in zip(entry.vary.items(), row, strict=False)}
        for path, chosen in parameters.items():
            lay(value, path, chosen)
        drawn.append((value, parameters))
    return drawn


# -- random agents --------------------------------------------------------------------------------


def _agent(agent: Agent, robot: str, count: int, seed: Sequence[int]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each deed has dimensions of its own: which one, its goal, and what varies in it."""
    most = max(len(deed.vary) for deed in agent.deeds)
    each = 1 + len(agent.goals) + most
    return [
        _sequence(agent, robot, each, [float(u) for u in row]) for row in latin(1 + agent.length[1] * each, count, seed)
    ]


def _sequence(agent: Agent, robot: str, each: int, row: Row) -> tuple[dict[str, Any], dict[str, Any]]:
    least, most = agent.length
    wanted = min(least + int(row[0] * (most - least + 1)), most)
    cumulated = np.cumsum([deed.weight for deed in agent.deeds])
    deeds: list[tuple[Deed, Row]] = []
    for number in range(wanted):
        dice = row[1 + number * each : 1 + (number + 1) * each]
        deed = agent.deeds[int(np.searchsorted(cumulated, dice[0] * cumulated[-1], side="right"))]
        deeds.append((deed, dice[1:]))
        if deed.last:
            break
    value = agent_value(agent, robot, [deed for deed, _ in deeds])
    parameters: dict[str, Any] = {"deeds": [deed.acts[0].name for deed, _ in deeds]}
    places = [dict(agent.start)]
    acts = value["acts"][len(agent.begin) :]
    for number, (deed, dice) in enumerate(deeds, 1):
        own, acts = acts[: len(deed.acts)], acts[len(deed.acts) :]
        if any(act.get("goal") == RANDOM for act in own):
            goal = _goal(agent, dice, places)
            value["poses"][f"goal{number}"] = goal
            for act in own:
                if act.get("goal") == RANDOM:
                    act["goal"] = f"goal{number}"
            places = [_between(places[-1], goal, share) for share in ON_THE_WAY]
        for (path, one), u in zip(deed.vary.items(), dice[len(agent.goals) :], strict=False):
            name, _, rest = path.partition(".")
            parameters[f"{name} {number}.{rest}"] = chosen = value_at(one, u)
            lay({"acts": own}, f"acts.{name} {number}.{rest}", chosen)
    if not value["poses"]:
        value["poses"]["start"] = dict(agent.start)
    return value, parameters


def _goal(agent: Agent, dice: Row, places: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return a goal; one that is too near to where the robot may be has one joint moved to an end of its range."""
    goal = {joint: low + u * (high - low) for (joint, (low, high)), u in zip(agent.goals.items(), dice, strict=False)}

    def away(pose: Mapping[str, float]) -> float:
        return min(max(abs(pose[joint] - place[joint]) for joint in goal) for place in places)

    if away(goal) >= agent.least:
        return goal
    moved = [goal | {joint: end} for joint, pair in agent.goals.items() for end in pair]
    return max(moved, key=away)


def _between(start: Mapping[str, float], goal: Mapping[str, float], share: float) -> dict[str, float]:
    return {joint: start[joint] + share * (value - start[joint]) for joint, value in goal.items()}
