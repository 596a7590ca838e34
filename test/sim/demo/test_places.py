"""Files, domains, prerequisites and configurations of a run."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path

import pytest

from safety_supervisor import load_config
from safety_supervisor_sim.cell.cell_file import load_cell
from safety_supervisor_sim.cell.files import load_any
from safety_supervisor_sim.cell.standing_file import StandingFile
from safety_supervisor_sim.demo import places
from safety_supervisor_sim.demo.cli import Controller


def test_shared_files_are_found_in_the_repository() -> None:
    assert places.shared("config", "panda.yaml").is_file()
    assert places.shared("scenarios", "panda_demo.yaml").is_file()
    assert places.shared("cells", "panda.yaml").is_file()


def test_a_file_that_is_nowhere_is_named_with_the_places() -> None:
    with pytest.raises(FileNotFoundError, match=r"r2d2\.yaml is in none of .*config"):
        places.shared("config", "r2d2.yaml")


def test_the_domain_of_the_caller_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "77")
    assert places.free_domain() == 77


def test_a_domain_whose_ports_are_used_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as used:
        used.bind(("127.0.0.1", 0))
        port = used.getsockname()[1]
        monkeypatch.setattr(places, "_PORTS", port - 250 * 7 - 10)  # the port is one of domain 7's
        monkeypatch.setattr(places, "_DOMAINS", range(6, 9))
        assert {places.free_domain() for _ in range(60)} <= {6, 8}


def test_what_is_not_installed_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    assert places.missing() == []
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pybullet" else real(name))
    (problem,) = places.missing()
    assert problem.startswith("pybullet is not installed: pip install")


@pytest.mark.parametrize("controller", list(Controller))
def test_every_controller_gets_a_configuration_that_fits_the_cell(controller: Controller, tmp_path: Path) -> None:
    source = places.shared("config", "panda.yaml")
    configuration = load_config(places.write_config(source, controller.value, tmp_path))
    cell = load_cell(places.shared("cells", "panda.yaml"))
    assert configuration.outputs[0].topic == cell.controllers.named(controller.value).topic
    assert configuration.simulated
    assert configuration.robot.joints == cell.robot.joints


def test_a_robot_on_its_feet_gets_relays_that_wait_until_it_is_down(tmp_path: Path) -> None:
    written = places.write_config(places.shared("config", "g1.yaml"), Controller.JOINT_TRAJECTORY.value, tmp_path)
    configuration = load_config(written)  # which refuses relays that open before the stop ladder has ended
    ladder = configuration.balance and configuration.balance.ladder
    line = configuration.estop.line
    assert ladder
    assert line
    assert line.relay_delay > ladder.hold + ladder.lower + ladder.damp
    assert line.relay_effect == "damping"
    cell = load_any(places.cell_file("g1"))
    assert isinstance(cell, StandingFile)
    assert configuration.outputs[0].topic == cell.node.trajectory
    assert configuration.robot.joints == cell.robot.joints


def test_every_robot_of_the_demonstration_has_its_files() -> None:
    assert places.robots() == ["g1", "panda"]
    for robot in places.robots():
        assert places.cell_file(robot).is_file()
        assert places.shared("config", f"{robot}.yaml").is_file()
