"""Examples of a policy: facts, and the verdict that they must have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from safety_supervisor.config import ConfigurationError, bounds
from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.keys import Section, key
from safety_supervisor.config.load import read_file, validate
from safety_supervisor.config.policy.program import CelPolicy
from safety_supervisor.config.policy_checks import judge_policy
from safety_supervisor.config.policy_keys import PolicyKeys
from safety_supervisor.core.policy.facts import FACTS, FactType
from safety_supervisor.core.policy.verdict import Unjudged

MOST_EXAMPLES = 1000


class ExampleKeys(Section):
    """One example."""

    name: str = key("what it is about", min_length=1, max_length=200)
    facts: dict[str, Any] = key("facts that differ from those of all", "", {})
    verdict: str = key("as the program spells it, or `no verdict` for facts that are wrong", max_length=200)


class ExamplesKeys(Section):
    """A file of examples."""

    policy: str = key("file with a section `policy`, beside this one", min_length=1, max_length=1024)
    facts: dict[str, Any] = key("facts of every example that says nothing else", "", {})
    examples: list[ExampleKeys] = Field(min_length=1, max_length=MOST_EXAMPLES)


@dataclass(frozen=True)
class Outcome:
    """What became of an example.

    Attributes:
        name: of the example.
        expected: verdict that it must have.
        got: verdict that it has.
        detail: why there is none.
    """

    name: str
    expected: str
    got: str
    detail: str = ""

    @property
    def good(self) -> bool:
        """Whether both are the same."""
        return self.expected == self.got


@dataclass(frozen=True)
class Report:
    """What became of all.

    Attributes:
        policy: file of the policy.
        outcomes: in the order of the file.
        untried: verdicts of the program that no example has, one for each place.
    """

    policy: Path
    outcomes: tuple[Outcome, ...]
    untried: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether every example has its verdict."""
        return all(outcome.good for outcome in self.outcomes)


def try_examples(path: Path) -> Report:
    """Judge every example of a file.

    Raises:
        ConfigurationError: the file, or the policy that it names, is not usable; carries every problem.
    """
    raw, problems = bounds.parse(path, read_file(path, bounds.MAXIMUM_BYTES))
    if "examples" not in raw and isinstance(raw.get("policy"), dict):
        cure = "Give a file of examples, whose `policy:` names this one; `policy test --help` shows its form."
        problems.add("policy", Code.VALUE, "is a policy, and there are no `examples`", cure)
        raise ConfigurationError(path, tuple(problems.found))
    try:
        keys = ExamplesKeys.model_validate(raw)
    except ValidationError as failure:
        for error in failure.errors(include_url=False):
            where = ".".join(str(part) for part in error["loc"])
            problems.add(
                where[:200], Code.VALUE, error["msg"], "Keys: policy, facts, examples of name, facts, verdict."
            )
        raise ConfigurationError(path, tuple(problems.found)) from None
    file = path.parent / Path(keys.policy).expanduser()
    policy = read_policy(file)
    outcomes, tried = list[Outcome](), set[int]()
    for example in keys.examples:
        verdict = policy.judge(_converted({**keys.facts, **example.facts}))
        tried.add(id(verdict))
        detail = verdict.detail if isinstance(verdict, Unjudged) else ""
        outcomes.append(Outcome(example.name, example.verdict, verdict.text, detail))
    untried = tuple(verdict.text for verdict in policy.verdicts if id(verdict) not in tried)
    return Report(file, tuple(outcomes), untried)


def read_policy(path: Path) -> CelPolicy:
    """Compile the policy of a file: a whole configuration, or one with the section `policy` alone.

    Raises:
        ConfigurationError: there is none, or it is not usable; carries every problem.
    """
    raw, problems = bounds.parse(path, read_file(path, bounds.MAXIMUM_BYTES))
    if "policy" not in raw:
        problems.add("policy", Code.MISSING, "is missing")
        raise ConfigurationError(path, tuple(problems.found))
    keys = validate(PolicyKeys, raw["policy"], ("policy",), problems)
    policy = None
    if isinstance(keys, PolicyKeys) and keys.url is not None:
        problems.add("policy.url", Code.POLICY, "is a server, which has tests of its own", "Name a policy's program.")
    elif isinstance(keys, PolicyKeys):
        policy = judge_policy(keys, problems, _names(raw))
    if policy is None or problems.found:
        raise ConfigurationError(path, tuple(problems.found))
    return policy


def _names(raw: dict[str, Any]) -> dict[str, frozenset[str]]:
    """Return what facts can be, as far as a file says it; check-config looks at the rest of it."""
    robot, zones = raw.get("robot"), raw.get("zones")
    found = {"source": raw.get("sources"), "groups": robot.get("groups") if isinstance(robot, dict) else None}
    if isinstance(zones, dict):
        found["zones"] = {
            name: 0
            for name, zone in zones.items()
            if isinstance(zone, dict) and (zone.get("kind") == "speed" or zone.get("approval"))
        }
    return {fact: frozenset(names) for fact, names in found.items() if isinstance(names, dict)}


def _converted(facts: dict[str, Any]) -> dict[str, Any]:
    """Let people write 1 for 1.0 where a fact is a number."""
    return {
        name: float(value) if name in FACTS and FACTS[name].type is FactType.NUMBER and type(value) is int else value
        for name, value in facts.items()
    }
