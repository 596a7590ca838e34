"""Files, domains, prerequisites and configurations of a run."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path

import pytest

from safety_supervisor import load_config
from safety_supervisor_sim.cell.cell_file import load_cell
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
    assert configuration.output.topic == cell.controllers.named(controller.value).topic
    assert configuration.output.simulated
    assert configuration.robot.joints == cell.robot.joints
