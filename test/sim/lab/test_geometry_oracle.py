"""Small runs of the campaign, and what it says of configurations that are broken on purpose."""

from __future__ import annotations

import copy
import json
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from safety_supervisor_sim.demo.cli import sim_app
from safety_supervisor_sim.demo.places import shared
from safety_supervisor_sim.lab import campaign
from safety_supervisor_sim.lab.arm import Arm
from safety_supervisor_sim.lab.bench import Bench, load_bench
from safety_supervisor_sim.lab.campaign import run_campaign
from safety_supervisor_sim.lab.closed_loop import judge_closed_loop
from safety_supervisor_sim.lab.kept_stop import kept_stop
from safety_supervisor_sim.lab.motions import judge_motions
from safety_supervisor_sim.lab.pace import Pace
from safety_supervisor_sim.lab.pick_place import judge_pick_place
from safety_supervisor_sim.lab.states import judge_states
from safety_supervisor_sim.lab.tunnel import PACES, judge_tunnel


@lru_cache(maxsize=1)
def shipped() -> Bench:
    return load_bench()


def with_geometry(**volumes: list[dict[str, Any]]) -> Bench:
    """The bench with volumes of some links replaced."""
    geometry = copy.deepcopy(yaml.safe_load(shared("config", "panda.yaml").read_text(encoding="utf-8"))["geometry"])
    geometry["volumes"].update(volumes)
    return load_bench({"geometry": geometry})


@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-032")
def test_no_random_state_that_passes_touches_anything() -> None:
    result = judge_states(shipped(), (1, 0), 2000)
    told = result.as_dict()
    assert told["violation_list"] == []
    assert told["overstated_list"] == []
    assert result.count == 2000
    assert result.passed > 400
    assert result.edges > 100
    assert result.compared > 1000
    assert result.touching > 400, "or nothing was there to be refused"
    assert sum(result.caught.values()) == result.touching
    assert told["safe_refused"] == result.count - result.passed - result.touching


def test_a_link_without_a_mesh_may_refuse_too() -> None:
    """The tool's centre is a point to the supervisor; here only it is kept out of a box that holds no obstacle."""
    tool = {"kind": "keep_out", "minimum": [-1.0, -1.0, 0.7], "maximum": [1.0, 1.0, 2.0], "margin": 0.0}
    zones = {"tool": {**tool, "links": ["panda_hand_tcp"]}}
    result = judge_states(load_bench({"zones": zones}), (1, 0), 200)
    told = result.as_dict()["price"]["zones.tool: panda_hand_tcp"]
    assert told["refused"] > 10
    assert told["mean_distance"] is None


@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-027")
@pytest.mark.requirement("SR-032")
@pytest.mark.parametrize("chunk", [0, *(pytest.param(one, marks=pytest.mark.long) for one in (1, 2, 3))])
def test_no_random_motion_touches_anything_its_stop_included(chunk: int) -> None:
    result = judge_motions(shipped(), (1, 1, chunk), 50)
    assert result.violations == []
    assert result.seen.touched == []
    assert result.count == 50
    assert result.moved > 15
    assert result.kept_stops > 15
    assert {"E_WORKSPACE"} <= {cause.split(" ")[0] for cause in result.codes}
    assert sum(result.stuck.values()) - result.stuck["no place to start from"] == 0, result.stuck
    assert result.seen.nearest.cell.distance < 0.05, "or it never came near anything"


@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-027")
def test_a_plate_between_way_points_is_never_crossed_at_any_speed() -> None:
    result = judge_tunnel(shipped(), (3, 0), 1)
    assert result.crossed == []
    assert result.motions == 2 * len(PACES)
    assert set(result.paces) == set(PACES)
    assert result.codes["none"] == 0
    assert result.moved >= len(PACES) // 2
    assert result.control_crossed == result.control > 0, "without the zone the judge sees the plate crossed"


@pytest.mark.long
def test_clear_pick_and_place_passes_unchanged_or_is_refused_by_a_pair() -> None:
    result = judge_pick_place(shipped(), (4, 0), 6)
    assert result.count == 6
    assert result.unchanged >= 4, result.causes
    assert all(cause.startswith(("E_WORKSPACE", "E_SELF_COLLISION", "E_QUERY_LIMIT")) for cause in result.causes)


@pytest.mark.long
@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-027")
@pytest.mark.requirement("SR-032")
def test_the_closed_loop_touches_nothing() -> None:
    result = judge_closed_loop(shipped(), (5, 0), 20.0)
    told = result.as_dict()
    assert told["violations"] == 0, told
    assert result.seconds >= 20.0
    assert result.travelled > 20.0
    assert max(result.fastest) > 1.5
    assert result.refusals["E_WORKSPACE"] + result.refusals["E_SELF_COLLISION"] > 0
    assert all(result.lost[kind] > 0 for kind in ("measurements", "set-points to the controller"))


# --- what is broken on purpose ------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.requirement("SR-032")
def test_a_capsule_3_mm_too_thin_is_seen() -> None:
    capsule = {"start": [0.023, 0.007, 0.004], "end": [0.087, 0.009, 0.0], "radius": 0.073}
    result = judge_states(with_geometry(panda_link6=[{"capsule": capsule}]), (1, 0), 3000)
    assert result.overstated
    assert all("panda_link6" in found["pair"] for found in result.overstated)
    assert not campaign._good(result.as_dict())


@pytest.mark.long
def test_a_wrist_that_is_too_small_touches() -> None:
    speck = [{"box": {"centre": [0.0, 0.0, 0.03], "size": [0.01, 0.01, 0.01]}}]
    links = ("panda_link6", "panda_link7", "panda_hand", "panda_leftfinger", "panda_rightfinger")
    broken = with_geometry(**{link: copy.deepcopy(speck) for link in links})
    states = judge_states(broken, (1, 0), 500)
    assert any("panda_hand" in found["pair"] for found in states.violations)
    motions = judge_motions(broken, (1, 0), 50)
    assert len(motions.violations) > 5
    assert not campaign._good(motions.as_dict())


@pytest.mark.long
def test_a_zone_that_the_supervisor_does_not_know_is_touched() -> None:
    broken = shipped().without("wall")
    states = judge_states(broken, (1, 0), 500)
    assert any(found["pair"].endswith("cell.wall") for found in states.violations)
    loops = (judge_closed_loop(broken, (6, number), 20.0) for number in range(3))  # a walk need not come to the wall
    found = next((loop for loop in loops if loop.violations), None)
    assert found is not None
    assert not campaign._good(found.as_dict())


@pytest.mark.long
def test_a_pair_that_is_left_out_is_told_apart() -> None:
    geometry = copy.deepcopy(yaml.safe_load(shared("config", "panda.yaml").read_text(encoding="utf-8"))["geometry"])
    geometry["left_out"] = [{"links": ["panda_link5", "panda_hand"], "reason": "to see what comes of it"}]
    result = judge_states(load_bench({"geometry": geometry}), (1, 0), 2000)
    assert result.violations == []
    assert set(result.apart) == {"panda_link5 and panda_hand"}


def test_a_supervisor_that_asks_a_pair_no_more_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if pairs had been proven never to touch by mistake; the hand is fixed to link 7 and would cover for it."""
    from safety_supervisor.core.geometry import scene

    def blind(self: scene.Scene, first: Any, second: Any, geometry: Any) -> bool:
        links = frozenset((first.link, second.link))
        return asked(self, first, second, geometry) and links not in forgotten

    forgotten = {frozenset(("panda_link5", link)) for link in ("panda_link7", "panda_hand")}
    asked = scene.Scene._may_not_touch
    monkeypatch.setattr(scene.Scene, "_may_not_touch", blind)
    result = judge_states(shipped(), (1, 0), 1000)
    assert result.violations
    assert {frozenset(found["pair"].split(" and ")) for found in result.violations} <= forgotten


@pytest.mark.long
def test_a_supervisor_that_forgets_the_stop_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks where a step leads, and not where the stop after it does."""
    from safety_supervisor.core.checks.collision import CollisionCheck

    def only_the_step(self: Any, before: Any, q: Any, *rest: Any) -> Any:
        outcome = self._clearance.clear(q, np.arange(len(self._scene.pairs)), "")
        return None if isinstance(outcome, np.ndarray) else outcome

    monkeypatch.setattr(CollisionCheck, "check", only_the_step)
    assert judge_motions(shipped(), (1, 0), 25).violations


# --- the laboratory itself ----------------------------------------------------------------------------------------


def test_the_kept_stop_is_where_the_supervisor_itself_would_stop() -> None:
    """The spline through the horizon and the set-points that come out when the agent falls silent are one way."""
    bench = shipped()
    home = np.array(bench.cell.robot.home)
    arm = Arm(bench.configuration, home)
    motion = Pace(bench.configuration).straight(home, home + np.array([0.8, 0, 0, 0, 0, 0, 0]), 1.0)
    arm.begin()
    arm.trajectory([motion.duration], [motion.at(motion.duration)])
    for _ in range(80):
        arm.cycle()
    moving = arm.sent[-1]
    assert max(map(abs, moving.velocities)) > 0.5
    times, stop = kept_stop(moving)
    count = len(arm.rows)
    arm.trajectory([], [])
    arm.settle()
    ran = np.array(arm.rows[count - 1 :])
    assert np.abs(ran[-1] - stop[-1]).max() < 1e-6
    at = np.arange(len(ran)) * arm.period
    expected = np.stack([np.interp(at, times, column) for column in stop.T], axis=1)
    assert np.abs(ran - expected).max() < 2e-5, "linear between samples of 1 ms"
    assert 0.05 < times[-1] * 1e-9 < 1.0


@pytest.mark.long
def test_the_number_of_processes_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    amounts = {"states": 600.0, "motions": 0.0, "tunnel": 0.0, "pick_place": 0.0, "closed_loop": 0.0}
    seen: list[tuple[str, float]] = []
    small = {**campaign.PARTS, "states": campaign.Part(judge_states, campaign.States, 200, "random states")}
    monkeypatch.setattr(campaign, "PARTS", small)
    one = run_campaign(amounts, 9, 1, lambda name, done: seen.append((name, done)))
    two = run_campaign(amounts, 9, 2, lambda name, done: None)
    assert seen == [("states", 200.0)] * 3
    assert one["ok"]
    assert one["states"]["states"] == 600
    assert {**one["states"], "price": None} == {**two["states"], "price": None}
    assert {k: v["refused"] for k, v in one["states"]["price"].items()} == {
        k: v["refused"] for k, v in two["states"]["price"].items()
    }


def test_the_command_tells_and_fails_by_its_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    none = ["geometry-oracle", "--motions", "0", "--ways", "0", "--tasks", "0", "--minutes", "0"]
    good = CliRunner().invoke(sim_app, [*none, "--states", "50", "--json"])
    assert good.exit_code == 0, good.output
    told = json.loads(good.stdout.strip().splitlines()[-1])
    assert told["ok"] is True
    assert told["states"]["states"] == 50
    told["ok"] = False
    monkeypatch.setattr(campaign, "run_campaign", lambda *arguments: told)
    bad = CliRunner().invoke(sim_app, [*none, "--states", "50"])
    assert bad.exit_code == 1
    assert "VIOLATIONS" in bad.output
