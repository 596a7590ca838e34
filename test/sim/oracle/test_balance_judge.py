"""The judge of balance, by stances whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from safety_supervisor_sim.oracle.balance import SLIPPED, BalanceJudge, Foot, Stance
from safety_supervisor_sim.oracle.support import area, hull, inside

SQUARE = np.array([[-0.1, -0.1], [0.1, -0.1], [0.1, 0.1], [-0.1, 0.1]])


def foot(x: float, y: float, force: float = 100.0, points: np.ndarray | None = None) -> Foot:
    """A square foot with its corners on the ground."""
    corners = SQUARE if points is None else points
    rows = np.column_stack([corners + (x, y), np.zeros(len(corners))])
    return Foot(np.array([x, y, 0.05]), rows, np.full(len(rows), force / len(rows)))


def stance(time: float = 0.0, **changes: object) -> Stance:
    """Upright on two square feet, beside each other from y = -0.3 to 0.3."""
    feet = {"left": foot(0.0, 0.2), "right": foot(0.0, -0.2)}
    made = Stance(time, 0.8, 0.0, np.array([0.0, 0.0, 0.981]), np.zeros(3), feet, ())
    return replace(made, **changes)  # type: ignore[arg-type]


def judge() -> BalanceJudge:
    return BalanceJudge(0.8, 0.6)


def test_hull_drops_what_lies_inside_or_on_an_edge() -> None:
    points = np.concatenate([SQUARE, [[0.0, 0.0], [0.0, 0.1], [0.1, 0.1]]])
    corners = hull(points)
    assert {tuple(row) for row in corners.tolist()} == {tuple(row) for row in SQUARE.tolist()}
    assert area(corners) == pytest.approx(0.04), "counter-clockwise, or it is negative"


def test_hull_agrees_with_brute_force() -> None:
    """A point is inside exactly when no line through it has all corners on one side: 360 directions tell."""
    random = np.random.default_rng(7)
    directions = np.linspace(0.0, 2.0 * np.pi, 3600, endpoint=False)
    rays = np.column_stack([np.cos(directions), np.sin(directions)])
    for _ in range(50):
        points = random.uniform(-1.0, 1.0, (int(random.integers(3, 12)), 2))
        corners = hull(points)
        for point in random.uniform(-1.2, 1.2, (20, 2)):
            support = float(((points - point) @ rays.T).max(axis=0).min())  # distance to the nearest supporting line
            told = inside(point, corners)
            if abs(support) > 1e-3:
                assert (told > 0.0) == (support > 0.0)
            if support > 1e-3:
                assert told == pytest.approx(support, abs=2e-3)


@pytest.mark.parametrize("points", [[[0.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]]])
def test_nothing_is_inside_a_point_or_a_line(points: list[list[float]]) -> None:
    assert inside(np.array([0.5, 0.0]), hull(np.array(points))) <= 0.0


def test_margins_of_a_known_stance() -> None:
    told = judge().margins(stance(centre=np.array([0.02, 0.0, 0.981]), momentum=np.array([0.1, 0.0, 0.0])))
    assert told["centre of mass"] == pytest.approx(0.08)
    assert told["centre of pressure"] == pytest.approx(0.1)
    # sqrt(0.981 / 9.81) = 0.3162 s, at 0.1 m/s
    assert told["capture point"] == pytest.approx(0.08 - 0.03162, abs=1e-5)


def test_pressure_follows_the_forces() -> None:
    feet = {"left": foot(0.0, 0.2, 300.0), "right": foot(0.0, -0.2, 100.0)}
    told = judge().margins(stance(feet=feet))
    assert told["centre of pressure"] == pytest.approx(0.1), "0.1 m to the left, and the sides are 0.1 m away"
    feet = {"left": foot(0.0, 0.2, 300.0), "right": foot(0.0, -0.2, 1.0)}
    told = judge().margins(stance(feet=feet))
    assert told["centre of mass"] == pytest.approx(-0.1), "a foot that does not bear is no support"


def test_a_foot_on_its_edge_keeps_its_sole() -> None:
    one = judge()
    one.see(stance())
    edge = np.array([[0.1, -0.1], [0.1, 0.1]])
    feet = {"left": foot(0.0, 0.2, points=edge), "right": foot(0.0, -0.2, points=edge)}
    assert one.margins(stance(feet=feet))["centre of mass"] == pytest.approx(0.1)
    assert judge().margins(stance(feet=feet))["centre of mass"] < 0.0, "of a sole that was never seen nothing is known"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"grounded": ("left_rubber_hand",)}, "left_rubber_hand on the ground"),
        ({"tilt": 0.81}, "tilted by 0.81 rad"),
        ({"height": 0.47}, "base 0.47 m high"),
    ],
)
def test_what_is_a_fall(changes: dict[str, object], why: str) -> None:
    one = judge()
    one.see(stance())
    one.see(stance(1.0, tilt=0.79, height=0.49))
    assert not one.seen.fell
    one.see(stance(2.0, **changes))
    assert (one.seen.fell_at, one.seen.fell_by) == (2.0, why)
    one.see(stance(3.0, tilt=0.0))
    assert one.seen.fell_at == 2.0, "who has fallen has fallen"


def test_balance_is_lost_when_the_capture_point_leaves_for_good() -> None:
    one, away = judge(), np.array([1.0, 0.0, 0.0])
    one.see(stance(0.0))
    one.see(stance(1.0, momentum=away))
    assert one.seen.lost_at == 1.0
    one.see(stance(2.0))
    assert one.seen.lost_at is None, "it came back"
    one.see(stance(3.0, momentum=away))
    one.see(stance(4.0, feet={}))
    one.see(stance(5.0, tilt=1.0))
    assert one.seen.lost_at == 3.0


def test_a_foot_slips_while_it_bears_and_steps_while_it_does_not() -> None:
    one = judge()
    one.see(stance())
    step = 1.1 * SLIPPED
    one.see(stance(1.0, feet={"left": foot(0.0, 0.2), "right": foot(step, -0.2)}))
    assert one.seen.slipped == ("right",)
    assert one.seen.slips["right"] == pytest.approx(step)
    one = judge()
    one.see(stance())
    one.see(stance(1.0, feet={"left": foot(0.0, 0.2), "right": foot(0.3, -0.2, 1.0)}))
    one.see(stance(2.0, feet={"left": foot(0.0, 0.2), "right": foot(0.6, -0.2)}))
    assert one.seen.slipped == ()
    assert one.seen.lifted == {"right"}
