"""Tolerances of an action goal: read, refused, passed; and the results that decisions become."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from safety_supervisor.core.effects import Decision
from safety_supervisor.core.errors import CODE_OF, Code
from safety_supervisor.ros.goals.results import result_code, result_text
from safety_supervisor.ros.goals.tolerance import Excess, Tolerance, find_excess, read_tolerances

JOINTS = ("a", "b")


def entry(name: str, position: float = 0.0, velocity: float = 0.0, acceleration: float = 0.0) -> Any:
    """A control_msgs/JointTolerance, whether its package is there or not."""
    return SimpleNamespace(name=name, position=position, velocity=velocity, acceleration=acceleration)


def test_zero_and_minus_one_check_nothing() -> None:
    assert read_tolerances("path_tolerance", [], JOINTS) == ()
    assert read_tolerances("path_tolerance", [entry("a"), entry("b", -1.0, -1.0, -1.0)], JOINTS) == ()
    assert read_tolerances("path_tolerance", [entry("b", 0.1), entry("a", -1.0, 0.2)], JOINTS) == (
        Tolerance("b", 0.1, 0.0),
        Tolerance("a", 0.0, 0.2),
    )


@pytest.mark.requirement("SR-024")
@pytest.mark.parametrize(
    "entries",
    [
        [entry("c", 0.1)],
        [entry("a", 0.1), entry("a", 0.1)],
        [entry("a", -0.5)],
        [entry("a", 0.1, math.nan)],
        [entry("a", math.inf)],
        [entry("a", 0.1, 0.0, 1.0)],
        [entry("a"), entry("b"), entry("a")],
        [entry("a\u200b", 0.1)],
    ],
)
def test_what_a_tolerance_must_not_be(entries: list[Any]) -> None:
    found = read_tolerances("goal_tolerance", entries, JOINTS)
    assert isinstance(found, str)
    assert found.startswith("goal_tolerance")
    assert found.isascii()


def test_the_first_tolerance_that_is_passed_is_told() -> None:
    desired = {"a": (1.0, 0.5), "b": (2.0, 0.0)}
    wide = [Tolerance("a", 0.1, 0.1), Tolerance("b", 0.1, 0.0)]
    assert find_excess(wide, desired, {"a": (1.0 + 0.09, 0.45), "b": (2.0 - 0.09, 9.0)}) is None
    assert find_excess(wide, desired, {"a": (1.0, 0.45), "b": (2.25, 0.0)}) == Excess("b", "position", 0.25, 0.1)
    assert find_excess(wide, desired, {"a": (1.0, 0.75), "b": (2.25, 0.0)}) == Excess("a", "velocity", 0.25, 0.1)
    assert find_excess(wide, desired, {"a": (math.nan, 0.5), "b": (2.0, 0.0)}) is not None
    assert find_excess(wide, desired, {"a": (1.0, None), "b": (2.0, 0.0)}) == Excess("a", "velocity", math.inf, 0.1)


@pytest.mark.parametrize(
    ("code", "value", "expected"),
    [
        (Code.UNKNOWN_JOINT, 0.0, -2),
        (Code.DUPLICATE_JOINT, 0.0, -2),
        (Code.MISSING_JOINT, 0.0, -2),
        (Code.JOINT_NAME, 0.0, -2),
        (Code.STAMP, -5.0, -3),
        (Code.STAMP, 5.0, -1),
        (Code.OUT_OF_ORDER, 0.0, -3),
        (Code.PATH_TOLERANCE, 0.0, -4),
        (Code.TRACKING, 0.0, -4),
        (Code.GOAL_TOLERANCE, 0.0, -5),
        (Code.VELOCITY_LIMIT, 0.0, -1),
        (Code.PREEMPTED, 0.0, -1),
        (Code.SOURCE_DIED, 0.0, -1),
    ],
)
def test_each_code_has_its_result(code: Code, value: float, expected: int) -> None:
    assert result_code(code.value, value) == expected


def test_no_code_is_a_success() -> None:
    assert all(result_code(code, value) < 0 for code in CODE_OF for value in (-1.0, 0.0, 1.0))


def test_a_result_says_code_numbers_and_cure() -> None:
    refusal = Decision(
        0, "planner", "x", "REJECT", "E_VELOCITY_LIMIT", "joint.velocity", "a\u202e", 3.0, 2.5, -0.5, "too fast"
    )
    text = result_text(refusal)
    assert text.startswith("E_VELOCITY_LIMIT: a\\u202e 3, allowed 2.5; too fast Move slower.")
    assert text.isascii()
