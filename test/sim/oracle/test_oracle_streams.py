"""Every judgement of the command stream, by hand-computed differences."""

from __future__ import annotations

import json

import numpy as np
import pytest

from safety_supervisor_sim.oracle import Judging, Limits, Oracle

T = 0.004
LIMITS = Limits(
    position_lower=np.array([-1.0]),
    position_upper=np.array([1.0]),
    velocity=np.array([1.0]),
    acceleration=np.array([10.0]),
    jerk=np.array([1000.0]),
    link_speed=1.0,
)


@pytest.fixture
def oracle() -> Oracle:
    tolerance = {"command_velocity": 1e-9, "command_acceleration": 1e-6, "command_jerk": 1e-3}
    judging = Judging(0.001, T, 0.01, 0.01, 1.0, tolerance)
    return Oracle(LIMITS, judging, ("a",), ("hand",))


def kinds(oracle: Oracle) -> set[str]:
    return {found["kind"] for found in oracle.report()["violations"]}


def send(oracle: Oracle, positions: list[float], times: list[int] | None = None) -> None:
    for index, value in enumerate(positions):
        time = index * 4_000_000 if times is None else times[index]
        oracle.add_position_command(time, np.array([value]), np.zeros(1))


def test_a_constant_speed_below_the_limit_is_clean_whenever_it_arrives(oracle: Oracle) -> None:
    # Two messages come together after a delay: judged by the nominal period all the same.
    send(oracle, [0.0, 0.0, 0.0], [0, 4_000_000, 8_000_000])
    ramp = [0.00008, 0.00024, 0.00048, 0.0008]  # v = 0.02, 0.04, 0.06, 0.08: a = 5
    send(oracle, ramp, [9_000_000, 20_000_000, 20_000_001, 40_000_000])
    report = oracle.report()
    assert report["worst"]["command_velocity"]["margin"] == pytest.approx(0.92)
    assert report["worst"]["command_acceleration"]["margin"] == pytest.approx(5.0)
    assert report["worst"]["command_jerk"]["margin"] == pytest.approx(1000.0 - 5.0 / T)
    assert kinds(oracle) == {"command_jerk"}  # 0 to 5 rad/s^2 within one period is 1250


def test_velocity_of_a_stream_is_judged(oracle: Oracle) -> None:
    send(oracle, [0.0041])  # the first one too, from where the drive stood
    assert kinds(oracle) == {"command_velocity"}
    assert oracle.report()["worst"]["command_velocity"]["value"] == pytest.approx(1.025)


def test_acceleration_of_a_stream_is_judged(oracle: Oracle) -> None:
    send(oracle, [0.0, 0.0, 0.00018])  # v = 0.045 from 0: 11.25 rad/s^2
    assert kinds(oracle) == {"command_acceleration"}


def test_position_of_a_stream_is_judged(oracle: Oracle) -> None:
    for value in (0.9999, 1.0001):
        oracle.add_position_command(0, np.array([value]), np.array([1.0]))
    assert "command_position" in kinds(oracle)
    assert oracle.report()["worst"]["command_position"]["margin"] == pytest.approx(-0.0001)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite_is_judged(oracle: Oracle, value: float) -> None:
    send(oracle, [value])
    assert kinds(oracle) == {"command_not_finite"}


def test_huge_finite_values_leave_the_report_json(oracle: Oracle) -> None:
    send(oracle, [1e308, -1e308, 1e308, -1e308, 0.0])
    assert {"command_position", "command_velocity", "command_jerk"} <= kinds(oracle)
    json.dumps(oracle.report(), allow_nan=False)


def test_wrong_size_and_refused_messages_are_malformed(oracle: Oracle) -> None:
    oracle.add_position_command(0, np.zeros(2), np.zeros(1))
    oracle.add_malformed_command(1, "partial joints")
    assert kinds(oracle) == {"command_malformed"}
    items = {found["item"] for found in oracle.report()["violations"]}
    assert items == {"2 values", "partial joints"}


def test_receipt_times_that_run_backwards_are_judged(oracle: Oracle) -> None:
    send(oracle, [0.0, 0.0], [5, 4])
    assert kinds(oracle) == {"command_times"}


def test_velocity_streams_are_judged(oracle: Oracle) -> None:
    for value in (0.0, 0.004, 0.012):  # 1 then 2 rad/s^2: 250 rad/s^3 each
        oracle.add_velocity_command(0, np.array([value]))
    assert kinds(oracle) == set()
    oracle.add_velocity_command(0, np.array([0.112]))  # 25 rad/s^2
    assert kinds(oracle) == {"command_acceleration", "command_jerk"}
    oracle.add_velocity_command(0, np.array([-1.5]))
    assert "command_velocity" in kinds(oracle)


def waypoints(oracle: Oracle, times: list[float], q: list[float], **fields: list[float]) -> None:
    given = {name: np.array(values)[:, None] for name, values in fields.items()}
    oracle.add_trajectory(
        0,
        np.array(times),
        np.array(q)[:, None],
        given.get("v"),
        given.get("a"),
    )


def test_lawful_waypoints_are_clean(oracle: Oracle) -> None:
    waypoints(oracle, [0.1, 0.3], [0.0, 0.1], v=[0.5, 0.5], a=[0.0, 9.0])
    assert kinds(oracle) == set()
    assert oracle.report()["worst"]["command_acceleration"]["margin"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("times", "q", "fields", "kind"),
    [
        ([0.1, 0.3], [0.0, 1.1], {}, "command_position"),
        ([0.1, 0.3], [0.0, 0.3], {}, "command_velocity"),
        ([0.1, 0.3], [0.0, 0.1], {"v": [0.0, -1.2]}, "command_velocity"),
        ([0.1, 0.3], [0.0, 0.1], {"v": [0.0, 0.0], "a": [0.0, 11.0]}, "command_acceleration"),
        ([0.1, 0.3], [0.0, 0.1], {"v": [0.0, np.nan]}, "command_not_finite"),
        ([0.3, 0.3], [0.0, 0.1], {}, "command_times"),
    ],
)
def test_waypoints_are_judged(
    oracle: Oracle, times: list[float], q: list[float], fields: dict[str, list[float]], kind: str
) -> None:
    waypoints(oracle, times, q, **fields)
    assert kind in kinds(oracle)


@pytest.mark.parametrize(("speed", "lawful"), [(0.99, True), (1.01, False)])
def test_what_a_trajectory_controller_gives_the_drives_is_judged(oracle: Oracle, speed: float, lawful: bool) -> None:
    for step in range(100):
        oracle.add_setpoint(step, np.array([speed * step * 0.001]))
    assert kinds(oracle) == (set() if lawful else {"setpoint_velocity"})
    value = oracle.report()["worst"]["setpoint_velocity"]["value"]
    assert value == pytest.approx(speed)


def test_setpoints_beyond_a_position_limit_and_not_finite_are_judged(oracle: Oracle) -> None:
    for step in range(20):
        oracle.add_setpoint(step, np.array([1.01]))
    assert kinds(oracle) == {"command_position"}
    for step in range(20):
        oracle.add_setpoint(step, np.array([np.nan]))
    assert "command_not_finite" in kinds(oracle)


def test_set_points_from_before_it_was_put_elsewhere_are_not_differenced(oracle: Oracle) -> None:
    for step in range(9):
        oracle.add_setpoint(step, np.array([0.5]))
    oracle.watch(judged=False)
    oracle.watch(judged=True)
    for step in range(9, 18):
        oracle.add_setpoint(step, np.array([-0.5]))
    assert kinds(oracle) == set()
    oracle.add_setpoint(18, np.array([0.5]))
    for step in range(19, 23):
        oracle.add_setpoint(step, np.array([0.5]))
    assert kinds(oracle) == {"setpoint_velocity"}, "or nothing is judged at all"
