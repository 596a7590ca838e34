"""The stop ladder's keys: what they demand of each other, of the e-stop device and of the robot."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import pytest

from safety_supervisor.check_config import describe_ladder
from safety_supervisor.config.balance_checks import check_balance, freeze_balance
from safety_supervisor.config.balance_keys import BalanceKeys
from safety_supervisor.config.estop_keys import EstopKeys
from safety_supervisor.config.problems import Problems
from safety_supervisor.config.schema import TimingKeys, TrackingKeys
from safety_supervisor.config.sections import Sections

if TYPE_CHECKING:
    from test.config.conftest import RobotFile

pytestmark = pytest.mark.requirement("SR-034")

CORNERS = [[-0.05, 0.03, -0.03], [-0.05, -0.03, -0.03], [0.12, 0.03, -0.03], [0.12, -0.03, -0.03]]
WHOLE: dict[str, Any] = {
    "soles": {
        foot: {"corners": CORNERS, "normal": [0.0, 0.0, 1.0], "contact_topic": f"/{foot}", "bearing_force": 30.0}
        for foot in ("left", "right")
    },
    "margin": 0.01, "contact_timeout": 0.1, "base_timeout": 0.1, "up": "imu", "tilt": 0.1, "slip": 0.005,
    "imu_topic": "/imu", "imu_link": "base",
}  # fmt: skip
SQUAT = {
    f"{side}_{joint}_joint": angle
    for side in ("left", "right")
    for joint, angle in (("hip_pitch", -0.25), ("knee", 0.5), ("ankle_pitch", -0.25))
}
FALL = {"tilt": 0.6, "rate": 3.0}
LADDER: dict[str, Any] = {
    "hold": 1.5, "lower": [{"duration": 1.0, "joints": SQUAT}], "damp": 0.5, "unknown": 0.5,
}  # fmt: skip
LADDER_LASTS = 1.5 + (1.0 + 0.06 + 0.2 + 0.3) + 0.5
"""Hold, lower with its settling, damp, [s]."""
LASTS = LADDER_LASTS + 0.1 + 4 * (0.004 + 0.012)
"""With the silence after which the e-stop counts as pressed, and cycles that see it and the ends of three rungs, each a
period and an overrun late."""


def sections(**estop: Any) -> Sections:
    device = {"driver": "frame_v1", "port": "/dev/ttyUSB0", **estop}
    timing = {"period": 0.004, "overrun": 0.012, "joint_state_timeout": 0.1, "stop_allowance": 0.3,
              "standstill_window": 0.2, "estop_timeout": 0.1}  # fmt: skip
    tracking = {"bound": 0.15, "delay": 0.06, "path_error": 0.002, "standstill": 0.05, "rest": 0.005}
    return Sections(
        estop=EstopKeys.model_validate(device),
        timing=TimingKeys.model_validate(timing),
        tracking=TrackingKeys.model_validate(tracking),
    )


def problems_of(there: Sections, **more: Any) -> list[tuple[str, str, str]]:
    keys = {**copy.deepcopy(WHOLE), **more}
    problems = Problems()
    check_balance(BalanceKeys.model_validate(keys), there, problems)
    return [(problem.path, problem.code.value, problem.message) for problem in problems.found]


def test_the_relays_wait_for_the_whole_ladder() -> None:
    both: dict[str, Any] = {"fall": FALL, "ladder": LADDER}
    assert problems_of(sections(relay_delay=LASTS + 0.01), **both) == []
    found = problems_of(sections(relay_delay=LASTS - 0.01), **both)
    assert [(path, code) for path, code, _ in found] == [("estop.relay_delay", "E_CONFIG_TIMING")]
    assert "is 3.714 s" in found[0][2]
    assert "more than 3.724 s" in found[0][2]
    # Without relays there is nothing that could be too early.
    assert problems_of(sections(relay_delay=0.3, relay_effect="none"), **both) == []


def test_ladder_and_fall_stand_together_or_not_at_all() -> None:
    there = sections(relay_delay=9.0)
    assert problems_of(there) == []
    assert [one[:2] for one in problems_of(there, fall=FALL)] == [("balance.ladder", "E_CONFIG_MISSING")]
    assert [one[:2] for one in problems_of(there, ladder=LADDER)] == [("balance.fall", "E_CONFIG_MISSING")]


def test_damp_ends_after_its_least_time() -> None:
    there = sections(relay_delay=9.0)
    for rest in (0.4, 0.5):
        found = problems_of(there, fall=FALL, ladder={**LADDER, "rest": rest})
        assert [one[:2] for one in found] == ([("balance.ladder.rest", "E_CONFIG_TIMING")] if rest < 0.5 else [])


def test_the_frozen_form() -> None:
    keys = BalanceKeys.model_validate(
        {**WHOLE, "fall": FALL, "ladder": LADDER, "balancing_joints": ["left_knee_joint"]}
    )
    frozen = freeze_balance(keys, sections())
    assert frozen.ladder is not None
    assert frozen.fall is not None
    assert frozen.ladder.rest == 10_000_000_000
    assert frozen.ladder.duration == round(LADDER_LASTS * 1e9)
    assert dict(frozen.ladder.postures[0].joints) == SQUAT
    assert (frozen.fall.after, frozen.balancing_joints) == (40_000_000, ("left_knee_joint",))


@pytest.mark.parametrize(
    ("robot", "posture", "knee"), [("g1", 1.5, "{}_knee_joint"), ("talos", 2.0, "leg_{}_4_joint")], indirect=["robot"]
)
def test_a_shipped_humanoid_is_brought_down_and_a_device_has_to_wait_for_it(
    robot: RobotFile, posture: float, knee: str
) -> None:
    balance = robot.load().balance
    assert balance is not None
    assert balance.fall is not None
    ladder = balance.ladder
    assert ladder is not None
    # hold 2.0; lower with 0.06 of delay, 0.2 of standstill, 0.4 allowed; damp 1.0
    lower = round((posture + 0.66) * 1e9)
    assert (ladder.hold, ladder.lower, ladder.damp) == (2_000_000_000, lower, 1_000_000_000)
    ((duration, joints),) = ((one.duration, dict(one.joints)) for one in ladder.postures)
    assert duration == round(posture * 1e9)
    start = dict(zip(robot.keys["robot"]["joints"], robot.load().robot.start or (), strict=True))
    assert all(joints[knee.format(side)] > start[knee.format(side)] + 0.8 for side in ("left", "right"))
    device = {"driver": "frame_v1", "port": "/dev/ttyUSB0", "relay_effect": "damping"}
    written = re.search(r"whole ladder, here ([0-9.]+) s .*?relay_delay: ([0-9.]+)", str(robot.text), re.DOTALL)
    timing = robot.keys["timing"]
    late = 4 * (timing["period"] + timing["overrun"])
    assert written is not None, "the file says how long a device has to wait"
    assert float(written[1]) == pytest.approx(2.0 + posture + 0.66 + 1.0 + 0.1 + late, abs=5e-4)
    assert robot.put("estop", {**device, "relay_delay": float(written[2])}).load().estop.line is not None
    for relay_delay in (0.3, float(written[1])):
        refused = robot.put("estop", {**device, "relay_delay": relay_delay}).refused()
        assert refused == {("estop.relay_delay", "E_CONFIG_TIMING")}


@pytest.mark.requirement("SR-033")
@pytest.mark.parametrize("robot", ["g1"], indirect=True)
def test_beside_people_the_way_down_is_slow_since_nobody_stops_it(robot: RobotFile) -> None:
    people = {"latency": 0.1, "timeout": 0.3, "intrusion": 0.1, "sensor_uncertainty": 0.05, "body_radius": 0.3}
    reduced = {"frame_speed": 0.25, "velocity_share": 0.2}
    (lower,) = robot.keys["balance"]["ladder"]["lower"]
    for duration, watched in ((2.0, True), (1.5, True), (1.5, False)):
        file = robot.put("balance.ladder.lower", [{**lower, "duration": duration}]).put("balance.ladder.hold", 4.0)
        if watched:
            file = file.put("separation", people).put("envelope.reduced", reduced)
        if watched and duration < 2.0:
            (problem,) = file.error().errors
            assert (problem.path, problem.code.value) == ("balance.ladder.lower", "E_CONFIG_POSE")
            assert "E_FRAME_SPEED" in problem.message
            assert "allowed 0.25" in problem.message
        else:
            assert file.load().balance is not None


@pytest.mark.parametrize("robot", ["g1", "panda"], indirect=True)
def test_the_check_says_how_a_robot_is_brought_down(robot: RobotFile) -> None:
    said = describe_ladder(robot.load())
    assert said == (
        "hold 2 s, lower 2.16 s (1 posture, 1.5 s, verified from robot.start), damp 1 s: 5.16 s until its power may go"
        if "fall" in (robot.keys.get("balance") or {}) else ""
    )  # fmt: skip


@pytest.mark.parametrize("robot", ["g1"], indirect=True)
def test_a_way_down_is_verified_when_the_file_is_loaded(robot: RobotFile) -> None:
    balance = robot.put("balance.fall", FALL).put("balance.ladder", LADDER).load().balance
    assert balance is not None
    assert balance.ladder is not None


@pytest.mark.parametrize("robot", ["g1"], indirect=True)
@pytest.mark.parametrize(
    ("joints", "hold", "expected"),
    [
        ({**SQUAT, "left_knee_joint": 9.0}, 1.5, {"balance.ladder.lower: E_POSITION_LIMIT"}),
        ({joint: 2.0 * angle for joint, angle in SQUAT.items() if "ankle" not in joint}, 1.5,
         {"balance.ladder.lower: E_BALANCE"}),
        ({**SQUAT, "left_knee_joint": 9.0}, 0.3, {"balance.ladder.lower: E_POSITION_LIMIT", "balance.ladder.hold: is"}),
    ],
)  # fmt: skip
def test_a_way_down_that_is_none_is_refused(
    joints: dict[str, float], hold: float, expected: set[str], robot: RobotFile
) -> None:
    ladder = {**LADDER, "hold": hold, "lower": [{"duration": 1.0, "joints": joints}]}
    errors = robot.put("balance.fall", FALL).put("balance.ladder", ladder).error().errors
    assert {f"{one.path}: {one.message.split()[0]}" for one in errors} == expected
