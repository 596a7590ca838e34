"""E-stops of a G1 that was driven at random: what is counted, and that the judge can say no."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from safety_supervisor_sim.demo.cli import sim_app
from safety_supervisor_sim.lab import estops
from safety_supervisor_sim.lab.estops import Descent, Descents, judge_estops
from safety_supervisor_sim.lab.humanoid import Humanoid
from safety_supervisor_sim.lab.upright import bench_of

pytestmark = pytest.mark.requirement("SR-034")


@pytest.fixture(autouse=True)
def shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drive no longer than it takes to be in motion."""
    monkeypatch.setattr(estops, "_LATEST", 0.7)


@pytest.mark.long
def test_an_e_stop_in_mid_motion_is_lowered_by_the_verified_way() -> None:
    seen: list[int] = []
    result = judge_estops("g1", (11,), 1, "arms", seen.append)
    (one,) = result.all
    assert result.ok, result.as_dict()
    assert seen == [1]
    assert one.moving
    assert one.lowered
    assert one.modes[:3] == ("hold", "lower", "damp")
    assert 1.5 < (one.damped or 0.0) < estops.relays_open(bench_of("g1").configuration)
    assert one.sunk > 0.1
    assert one.watched


@pytest.mark.long
def test_the_judge_sees_a_robot_that_is_pushed_over_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    cycle = Humanoid.cycle

    def pushed(humanoid: Humanoid) -> None:
        if humanoid.pressed_button and not humanoid.__dict__.setdefault("pushed", False):
            humanoid.__dict__["pushed"] = True
            humanoid.robot.push((200.0, 0.0, 0.0), 0.2)
        cycle(humanoid)

    monkeypatch.setattr(Humanoid, "cycle", pushed)
    result = judge_estops("g1", (11,), 1, "arms")
    (one,) = result.all
    assert not result.ok
    assert one.lost
    assert not one.lowered
    assert any(why.startswith("E_FALL") for why in one.refused)


def descent(**changes: object) -> Descent:
    values: dict[str, object] = {
        "drive": "arms", "moving": True, "modes": ("hold", "lower", "damp"), "damped": 2.0, "watched": False,
        "off": None, "refused": (), "sunk": 0.2,
        "fell": False, "lost": False, "slipped": 0.0, "touched": "", "pose": (),
    }  # fmt: skip
    return Descent(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes", [{"fell": True}, {"lost": True}, {"touched": "a and b"}, {"damped": None}, {"modes": ("hold", "damp")}]
)
def test_what_counts_as_a_violation_and_what_as_lowered(changes: dict[str, object]) -> None:
    good, other = descent(), descent(**changes)
    told = Descents([good, other]).as_dict()
    held = "modes" in changes
    assert told["ok"] is held, "held and damped where it stands is refused, not unsafe"
    assert told["lowered"] == (1 if held else 2)
    assert len(told["not_lowered"]) == held
    assert not Descents().ok, "nothing was judged"


def test_the_command_tells_each_way_of_driving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estops, "judge_estops", lambda name, seed, count, *rest: Descents([descent()] * count))
    shown = CliRunner().invoke(sim_app, ["humanoid-oracle", "--estops", "2", "--json"])
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout)
    assert {drive: one["estops"] for drive, one in told["drives"].items()} == {"arms": 2, "all": 2}
    bad = Descents([descent(fell=True)])
    monkeypatch.setattr(estops, "judge_estops", lambda *rest: bad)
    shown = CliRunner().invoke(sim_app, ["humanoid-oracle", "--estops", "1", "--drive", "arms"])
    assert shown.exit_code == 1
    assert "VIOLATIONS" in shown.stdout
