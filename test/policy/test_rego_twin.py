"""The shipped policy against a twin in another language, judged by another engine, on random facts."""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from random_facts import WRONG, random_facts

from safety_supervisor.config.policy.program import CelPolicy
from safety_supervisor.core.policy.facts import FACTS, FactType, wrong_fact
from safety_supervisor.core.policy.verdict import Unjudged
from safety_supervisor.policy.examples import read_policy

ROOT = Path(__file__).parents[2]
TWIN = Path(__file__).with_name("cell.rego")


@pytest.fixture(scope="module")
def shipped() -> CelPolicy:
    return read_policy(ROOT / "config" / "policies" / "cell.yaml")


class Twin:
    """OPA's language by another engine; verdicts without quotes, which regopy does not escape rightly."""

    def __init__(self, source: str) -> None:
        regopy = pytest.importorskip("regopy", reason="the twin is judged by regopy")
        self._engine = regopy.Interpreter()
        self._engine.add_module("cell", source)

    def judge(self, cases: list[dict[str, Any]]) -> list[str]:
        self._engine.set_input({"cases": cases})
        output = self._engine.query("data.cell.verdicts")
        return list(output.results[0].expressions[0])


@pytest.fixture(scope="module")
def twin() -> Twin:
    return Twin(TWIN.read_text(encoding="utf-8"))


def disagreements(shipped: CelPolicy, twin: Twin, count: int, seed: int) -> tuple[list[Any], Counter[str]]:
    """Judge random facts by both."""
    chance, seen, found = random.Random(seed), Counter[str](), []
    for begin in range(0, count, 500):
        cases = [random_facts(chance) for _ in range(min(500, count - begin))]
        ours = [shipped.judge(case).text for case in cases]
        seen.update(ours)
        plain = [" ".join(re.findall(r"\w+", text)) for text in ours]
        found += [(case, a, b) for case, a, b in zip(cases, plain, twin.judge(cases), strict=True) if a != b]
    return found, seen


def test_both_agree_on_random_facts(shipped: CelPolicy, twin: Twin) -> None:
    found, seen = disagreements(shipped, twin, 2500, seed=1)
    assert found == []
    assert set(seen) == {verdict.text for verdict in shipped.verdicts}, "every rule has decided"
    assert min(seen.values()) >= 10


@pytest.mark.parametrize(
    ("old", "new"), [("f.anomaly >= 1", "f.anomaly > 1"), ("f.joint_speed > 1.5", "f.joint_speed >= 1.5")]
)
def test_a_twin_that_differs_at_a_border_is_told_apart(shipped: CelPolicy, old: str, new: str) -> None:
    text = TWIN.read_text(encoding="utf-8")
    assert text.count(old + "\n") == 1
    found, _ = disagreements(shipped, Twin(text.replace(old + "\n", new + "\n")), 400, seed=2)
    assert found


@pytest.mark.redteam(37)
@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize("name", FACTS)
def test_a_fact_that_is_missing_or_wrong_denies(shipped: CelPolicy, twin: Twin, name: str) -> None:
    chance = random.Random(name)
    denied = 0
    for _ in range(10):
        facts = random_facts(chance)
        without = {key: value for key, value in facts.items() if key != name}
        assert isinstance(shipped.judge(without), Unjudged)
        assert f"fact {name} is missing" in wrong_fact(without)
        assert twin.judge([without]) == ["no verdict"]
        assert isinstance(shipped.judge({**facts, "weather": 1.0}), Unjudged)
        assert not isinstance(shipped.judge(facts), Unjudged)
        for value in WRONG:
            verdict = shipped.judge({**facts, name: value})
            good = {
                FactType.TEXT: value == "" and (not FACTS[name].words or "" in FACTS[name].words),
                FactType.TEXTS: value == [],
                FactType.NUMBER: False,
                FactType.COUNT: False,
            }[FACTS[name].type]
            assert isinstance(verdict, Unjudged) is not good, (name, value)
            denied += not good
    assert denied >= 10 * (len(WRONG) - 1)


def test_numbers_of_the_other_kind_are_wrong(shipped: CelPolicy) -> None:
    facts = random_facts(random.Random(3))
    for name, value in (("joint_speed", 1), ("anomaly", 0), ("since_start", 5.0), ("since_start", True)):
        assert isinstance(shipped.judge({**facts, name: value}), Unjudged), name


if __name__ == "__main__":
    # The long run: python test/policy/test_rego_twin.py 100000
    policy = read_policy(ROOT / "config" / "policies" / "cell.yaml")
    number = int(sys.argv[1])
    differ, verdicts = disagreements(policy, Twin(TWIN.read_text(encoding="utf-8")), number, seed=0)
    print(f"{number} random facts, {len(differ)} disagreements")
    for text, times in verdicts.most_common():
        print(f"{times:8} {text}")
    sys.exit(bool(differ))
