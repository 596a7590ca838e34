"""The Panda in PyBullet behind each double: tracking, deadman, brakes, judgement, determinism."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from safety_supervisor_sim.cell.cell_file import CellFile, load_cell
from safety_supervisor_sim.cell.controllers import Point, Trajectory
from safety_supervisor_sim.cell.panda_cell import PandaCell

CELL_PATH = Path(__file__).parents[3] / "sim" / "cells" / "panda.yaml"
MS = 1_000_000
KINDS = ("joint_trajectory_controller", "forward_position", "forward_velocity", "joint_state")


@pytest.fixture(scope="module")
def cell_file() -> CellFile:
    return at_rate(load_cell(CELL_PATH), 1000.0)


def at_rate(cell_file: CellFile, rate_hz: float) -> CellFile:
    physics = cell_file.physics.model_copy(update={"rate_hz": rate_hz})
    return cell_file.model_copy(update={"physics": physics})


def without_deadman(cell_file: CellFile) -> CellFile:
    free = cell_file.controllers.forward_velocity.model_copy(update={"deadman": None})
    controllers = cell_file.controllers.model_copy(update={"forward_velocity": free})
    return cell_file.model_copy(update={"controllers": controllers})


def one_joint(index: int, value: float) -> np.ndarray:
    values = np.zeros(7)
    values[index] = value
    return values


def swing(cell: PandaCell, joint: int, amplitude: float, rate: float, seconds: float) -> float:
    """Stream amplitude (1 - cos(rate t)) at 250 Hz; returns the greatest error, [rad]."""
    home = np.array(cell.cell.robot.home)
    worst = 0.0
    for step in range(round(seconds * 1000)):
        if step % 4 == 0:
            t = (step + 4) * 1e-3
            q = home + one_joint(joint, amplitude * (1.0 - math.cos(rate * t)))
            v = one_joint(joint, amplitude * rate * math.sin(rate * t))
            a = one_joint(joint, amplitude * rate**2 * math.cos(rate * t))
            send(cell, q, v, a)
        cell.step()
        t = (step + 1) * 1e-3
        want = home + one_joint(joint, amplitude * (1.0 - math.cos(rate * t)))
        worst = max(worst, float(np.abs(cell.position - want).max()))
    return worst


def send(cell: PandaCell, q: np.ndarray, v: np.ndarray, a: np.ndarray) -> None:
    kind = type(cell.controller).__name__
    if kind == "JointTrajectoryController":
        refused = cell.send_trajectory(Trajectory(cell.joints, (Point(4 * MS, q, v, a),)))
    elif kind == "JointStateBridge":
        refused = cell.send_joint_state(cell.joints, q)
    else:
        refused = cell.send_array(v if kind == "ForwardVelocity" else q)
    assert refused is None


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_radian_per_second_is_tracked(cell_file: CellFile, kind: str) -> None:
    """Lag at speed v: delay + 2 (1 - f) / b = 12.3 ms, so 6.2 mrad; joints differ little."""
    with PandaCell(cell_file, kind) as cell:  # type: ignore[arg-type]
        assert swing(cell, 1, amplitude=0.25, rate=2.0, seconds=3.2) < 0.010
        report = cell.report()
        assert report["violations"] == []
        assert max(report["acts"][0]["peak_speed"]) == pytest.approx(0.5, abs=0.04)
        assert report["samples"] == 3200


def test_the_shipped_rate_tracks_as_well(cell_file: CellFile) -> None:
    home = np.array(cell_file.robot.home)
    with PandaCell(at_rate(cell_file, 500.0), "forward_position") as cell:
        worst = 0.0
        for step in range(0, 1600, 4):
            t = (step + 4) * 1e-3
            want = home + one_joint(1, 0.25 * (1.0 - math.cos(2.0 * t)))
            cell.send_array(want)
            cell.step(2)
            worst = max(worst, float(np.abs(cell.position - want).max()))
        assert worst < 0.010
        assert cell.report()["violations"] == []
        assert cell.report()["samples"] == 800


@pytest.mark.parametrize("kind", KINDS)
def test_two_radians_per_second_are_tracked_within_the_bound(cell_file: CellFile, kind: str) -> None:
    with PandaCell(cell_file, kind) as cell:  # type: ignore[arg-type]
        worst = swing(cell, 0, amplitude=0.5, rate=4.0, seconds=1.6)
        assert 0.010 < worst < 0.030
        assert cell.report()["violations"] == []


def test_a_velocity_without_deadman_runs_for_ever_and_with_one_brakes(
    cell_file: CellFile,
) -> None:
    travelled = {}
    for name, file in (("free", without_deadman(cell_file)), ("deadman", cell_file)):
        with PandaCell(file, "forward_velocity") as cell:
            for _ in range(100):
                cell.send_array(one_joint(0, 0.5))
                cell.step(4)
            died = cell.now_ns
            cell.step(1000)
            motion = cell.oracle.motion_after(died)
            assert motion is not None
            travelled[name] = motion
    assert travelled["free"].travelled[0] == pytest.approx(0.5, abs=0.005)
    assert travelled["free"].standstill_after is None
    # last command 4 ms before, 100 ms of deadman, 4 ms of delay, then 0.5^2 / (2 * 7)
    expected = 0.5 * (0.100 - 0.004 + 0.004) + 0.25 / 14.0
    assert travelled["deadman"].travelled[0] == pytest.approx(expected, abs=0.003)
    assert travelled["deadman"].standstill_after == pytest.approx(0.100 + 0.5 / 7, abs=0.005)
    assert travelled["deadman"].peak_deceleration[0] == pytest.approx(7.0, abs=0.3)


def test_the_bridge_brakes_by_its_deadman_and_goes_on_with_the_next_command(
    cell_file: CellFile,
) -> None:
    home = np.array(cell_file.robot.home)
    with PandaCell(cell_file, "joint_state") as cell:
        for step in range(100):
            cell.send_joint_state(cell.joints, home + one_joint(0, 0.002 * step))
            cell.step(4)
        cell.step(300)
        assert np.abs(cell.velocity).max() < 0.01
        there = cell.position[0]
        cell.send_joint_state(cell.joints, home + one_joint(0, 0.21))
        cell.step(90)
        assert cell.position[0] == pytest.approx(0.21, abs=0.002)
        assert there < 0.205


def test_a_position_is_held_after_the_publisher_died(cell_file: CellFile) -> None:
    with PandaCell(cell_file, "forward_position") as cell:
        swing(cell, 0, amplitude=0.3, rate=2.0, seconds=0.8)
        died = cell.now_ns
        last = np.array(cell_file.robot.home) + one_joint(0, 0.3 * (1 - math.cos(1.6)))
        cell.step(1500)
        motion = cell.oracle.motion_after(died, end_pose=last)
        assert motion is not None
        assert motion.end_deviation == pytest.approx(0.0, abs=0.002)
        assert motion.standstill_after is not None
        assert motion.standstill_after < 0.3


def test_the_torque_limit_binds(cell_file: CellFile) -> None:
    """Shoulder: about 20 Nm of gravity at home are held with 87 and not with 5."""
    weak = cell_file.drive.model_copy(update={"torque": (5.0,) * 7})
    with PandaCell(cell_file.model_copy(update={"drive": weak}), "forward_position") as cell:
        cell.step(300)
        assert abs(cell.position[1] + 0.785) > 0.05
    with PandaCell(cell_file, "forward_position") as cell:
        cell.step(300)
        assert abs(cell.position[1] + 0.785) < 1e-4


def test_cut_power_brakes_and_restored_power_holds_where_it_stands(cell_file: CellFile) -> None:
    with PandaCell(cell_file, "forward_position") as cell:
        swing(cell, 0, amplitude=0.5, rate=2.0, seconds=0.8)
        assert cell.velocity[0] > 0.8
        cell.cut_power()
        cell.step(100)
        assert np.abs(cell.velocity).max() < 0.01
        there = cell.position.copy()
        cell.send_array(np.array(cell_file.robot.home))
        cell.step(300)
        assert cell.position == pytest.approx(there, abs=0.002)
        cell.restore_power()
        cell.step(300)
        assert cell.position == pytest.approx(there, abs=0.004)
        cell.send_array(there)
        cell.step(10)
        assert cell.report()["controller"]["powered"]


def test_nan_through_the_trajectory_controller_is_refused_by_the_drives_and_judged(
    cell_file: CellFile,
) -> None:
    home = np.array(cell_file.robot.home)
    with PandaCell(cell_file, "joint_trajectory_controller") as cell:
        cell.step(10)
        empty = np.zeros(0)
        bad = home + one_joint(3, np.nan)
        assert cell.send_trajectory(Trajectory(cell.joints, (Point(0, bad, empty, empty),))) is None
        cell.step(50)
        report = cell.report()
        assert report["controller"]["refused_targets"] > 0
        assert {found["kind"] for found in report["violations"]} == {"command_not_finite"}
        assert cell.position == pytest.approx(home, abs=1e-3)


def test_a_true_breach_of_zone_speed_and_limit_is_seen(cell_file: CellFile) -> None:
    home = np.array(cell_file.robot.home)
    with PandaCell(cell_file, "forward_position") as cell:
        # straight up and down to joint 4's limit, then stretched toward the cabinet
        cell.oracle.mark(cell.now_ns, "reach into the cabinet")
        reach = np.array([0.785, 0.4, 0.0, -1.8, 0.0, 2.2, 0.785])
        for step in range(500):
            cell.send_array(home + (reach - home) * min(1.0, step / 400))
            cell.step(4)
        cell.oracle.mark(cell.now_ns, "whip")
        for step in range(60):
            cell.send_array(reach + one_joint(0, -0.04 * step))
            cell.step(4)
        cell.oracle.mark(cell.now_ns, "past the limit")
        cell.send_array(reach + one_joint(6, 2.3))
        cell.step(1500)
        found: dict[str, set[str]] = {}
        for violation in cell.report()["violations"]:
            found.setdefault(violation["act"], set()).add(violation["kind"])
    assert "keep_out" in found["reach into the cabinet"]
    assert "velocity" not in found["reach into the cabinet"]
    assert {"velocity", "link_speed", "acceleration", "command_velocity"} <= found["whip"]
    assert {"position", "command_position"} <= found["past the limit"]


def test_messages_for_another_controller_are_a_programming_error(cell_file: CellFile) -> None:
    with PandaCell(cell_file, "forward_position") as cell, pytest.raises(TypeError):
        cell.send_joint_state(cell.joints, np.zeros(7))


def test_frames_are_those_of_the_urdf(cell_file: CellFile) -> None:
    """Upright (all joints 0) the flange is at x 0.088, z 0.333 + 0.316 + 0.384 - 0.107 m."""
    upright = [0.0] * 7
    with PandaCell(cell_file, "forward_position", home=upright) as cell:
        frames = dict(zip(cell.links, cell.link_positions(), strict=True))
    assert frames["panda_link8"] == pytest.approx([0.088, 0.0, 0.926], abs=1e-6)
    assert frames["panda_hand_tcp"] == pytest.approx([0.088, 0.0, 0.926 - 0.1034], abs=1e-6)
    assert frames["panda_link4"] == pytest.approx([0.0825, 0.0, 0.649], abs=1e-6)


def test_measurements_carry_the_stated_noise_and_the_held_fingers(cell_file: CellFile) -> None:
    with PandaCell(cell_file, "forward_position", seed=3) as cell:
        cell.step(20)
        many = [cell.measure() for _ in range(2000)]
        positions = np.array([m.positions for m in many])
        velocities = np.array([m.velocities for m in many])
        assert many[0].names[-2:] == ("panda_finger_joint1", "panda_finger_joint2")
        assert positions.std(axis=0) == pytest.approx(np.full(9, 1e-4), rel=0.1)
        assert velocities.std(axis=0) == pytest.approx(np.full(9, 1e-3), rel=0.1)
        assert positions.mean(axis=0)[:7] == pytest.approx(cell.position, abs=2e-5)
        assert positions.mean(axis=0)[7:] == pytest.approx([0.02, 0.02], abs=1e-3)


def digest(seed: int) -> str:
    """Of all states and measurements of a short motion."""
    sha = hashlib.sha256()
    with PandaCell(load_cell(CELL_PATH), "forward_position", seed=seed) as cell:
        home = np.array(cell.cell.robot.home)
        for step in range(100):
            cell.send_array(home + one_joint(1, 0.001 * step))
            cell.step(4)
            sha.update(cell.position.tobytes() + cell.velocity.tobytes())
            measured = cell.measure()
            sha.update(measured.positions.tobytes() + measured.velocities.tobytes())
    return sha.hexdigest()


@pytest.mark.requirement("SR-044")
def test_the_same_commands_give_the_same_bits_in_two_processes() -> None:
    here = digest(7)
    assert digest(7) == here
    assert digest(8) != here
    there = subprocess.run(
        [sys.executable, __file__],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert there.stdout.split()[-1] == here


if __name__ == "__main__":
    print(digest(7))
