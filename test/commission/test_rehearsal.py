"""Plan, rehearsal and session with the real core around a robot of known faults: what passes, and what is too kind."""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from safety_supervisor.commission.plan import Plan, PlanError, lacking, make_plan
from safety_supervisor.commission.record import encode, make_record
from safety_supervisor.commission.rehearsal import RehearsedRobot
from safety_supervisor.commission.session import Outcome, describe, run
from safety_supervisor.config import load_config
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Vector
from safety_supervisor_sim.cell.cell_file import load_cell
from safety_supervisor_sim.cell.drive import Drive, Quantity, Target

pytestmark = pytest.mark.requirement("SR-026")
PANDA = Path(__file__).resolve().parents[2] / "config" / "panda.yaml"


@lru_cache(maxsize=1)
def panda() -> Configuration:
    return load_config(PANDA)


def home() -> Vector:
    return np.array(panda().robot.start)


def planned(*joints: str, fractions: tuple[float, ...] = (0.5, 1.0), here: Vector | None = None) -> Plan:
    begin = home() if here is None else here
    return make_plan(panda(), "planner", begin, fractions, joints, 1, lambda what, parts: lambda: None)


class LaggingRobot(RehearsedRobot):
    """Measured where it was commanded a time ago; the supervisor hears that, too."""

    def __init__(self, lag: float) -> None:
        self._late: deque[tuple[float, ...]] = deque(maxlen=1 + round(lag / 0.004))
        super().__init__(panda(), "planner", home())

    def measured_pose(self) -> tuple[float, ...]:
        self._late.append(self.commanded_pose)
        return self._late[0]


class Reference:
    """Servos that are where the drives' reference is: the drives alone are on trial."""

    def __init__(self, pose: Vector) -> None:
        self.at, self.speed = pose.copy(), np.zeros_like(pose)

    def joint_states(self) -> tuple[Vector, Vector]:
        return self.at.copy(), self.speed.copy()

    def drive_position(self, positions: list[float], velocities: list[float], torque: list[float]) -> None:
        self.at, self.speed = np.array(positions), np.array(velocities)


class DrivenRobot(RehearsedRobot):
    """Moved by the drives of the simulated cell: delay, interpolation, reference filter."""

    def __init__(self, **section: float) -> None:
        cell = load_cell(PANDA.parents[1] / "sim" / "cells" / "panda.yaml")
        self._reference = Reference(home())
        self._drive = Drive(cell.drive.model_copy(update=section), self._reference, 0.002)  # type: ignore[arg-type]
        super().__init__(panda(), "planner", home())

    def measured_pose(self) -> tuple[float, ...]:
        target = Target(np.array(self.commanded_pose), Quantity.POSITION, interpolate=True)
        for _ in range(2):
            self._drive.step(target, braking=False)
        return tuple(self._reference.at.tolist())


@pytest.mark.parametrize(("bandwidth", "kind"), [(120.0, False), (12.0, True)])
def test_the_cells_drives_are_within_the_shipped_delay_and_slow_ones_are_not(bandwidth: float, kind: bool) -> None:
    """Their lag is 2 (1 - 0.5) / bandwidth, 8 or 83 ms, besides 4 ms of delay and 4 of interpolation; 60 ms count."""
    found = outcomes(DrivenRobot(bandwidth=bandwidth), planned("panda_joint1"))
    assert all(one.missed == "" for one in found)
    delays = [one.figures.delay for one in found if one.figures is not None]
    if kind:
        assert len(found) == 1
        assert "tracking.delay" in {finding.setting for finding in found[0].findings}
        assert delays[0] > 0.083
    else:
        assert [one.findings for one in found] == [(), ()]
        assert all(0.008 < delay < 0.06 for delay in delays)


def outcomes(robot: RehearsedRobot, plan: Plan) -> list[Outcome]:
    return list(run(panda(), plan, robot, lambda stop: True))


def test_a_plan_is_slow_first_and_says_what_moves_and_how_far() -> None:
    plan = planned("panda_joint1")
    assert [stop.fraction for stop in plan.stops] == [0.5, 1.0]
    words = describe(plan.stops[0], panda())
    assert "panda_joint1 by up to" in words
    assert "50%" in words
    assert (plan.stops[0].ways[1:] <= 0.002).all()


def test_the_permitted_speed_is_what_the_verifier_permits() -> None:
    """Joint 2 is not as fast as its own limit, since the frame speed is: the search says so, not a formula."""
    plan = planned("panda_joint2", fractions=(1.0,))
    speed = float(np.abs(plan.stops[0].cruise[1]))
    assert 0.3 < speed < 2.15
    found = outcomes(RehearsedRobot(panda(), "planner", home()), plan)
    assert [one.missed for one in found] == [""]


def test_a_start_pose_that_is_out_of_reach_ends_the_plan_with_the_reason() -> None:
    far = home()
    far[3] = -3.2  # outside of its limits
    with pytest.raises(PlanError, match=r"robot\.start"):
        planned("panda_joint1", here=far)


@pytest.mark.long
@pytest.mark.parametrize(("lag", "kind"), [(0.02, False), (0.12, True)])
def test_a_robot_within_its_delay_passes_and_a_later_one_ends_it_at_the_first_stop(lag: float, kind: bool) -> None:
    plan = planned("panda_joint1")
    found = outcomes(LaggingRobot(lag), plan)
    assert all(one.missed == "" for one in found)
    settings = {finding.setting for one in found for finding in one.findings}
    record = make_record(panda(), "planner", plan, found, 1_790_000_000, "")
    if kind:
        assert len(found) == 1
        assert "tracking.delay" in settings
        assert record["verdict"] == "too_kind"
        assert any("tracking.delay" in one["words"] for one in record["findings"])
    else:
        assert (len(found), settings) == (2, set())
        assert record["verdict"] == "incomplete", "one joint is no commissioning"
        assert "panda_joint2 at full speed" in record["missing"]
    assert b"NaN" not in encode(record)


def test_who_is_asked_and_says_no_moves_nothing() -> None:
    robot = RehearsedRobot(panda(), "planner", home())
    assert list(run(panda(), planned("panda_joint1"), robot, lambda stop: False)) == []
    assert robot.state() == "LOCKED"


def test_what_a_whole_commissioning_needs() -> None:
    plan = planned("panda_joint1")
    missing = lacking(panda(), plan.stops, 2)
    assert "panda_joint1 at full speed" not in missing
    assert {"panda_joint7 at full speed", "all joints together at full speed"} <= set(missing)
    assert "a second pose" in lacking(panda(), plan.stops, 1)
