"""URDFs that are hostile, missing or looser than they look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from safety_supervisor.config import ConfigurationError, load_config, urdf_path

if TYPE_CHECKING:
    from test.config.conftest import RobotFile


def model(joints: str = "", links: str = '<link name="base"/>', head: str = "") -> str:
    return f'<?xml version="1.0"?>{head}<robot name="r">{links}{joints}</robot>'


def link_chain(length: int) -> str:
    links = "".join(f'<link name="l{i}"/>' for i in range(length))
    return links + "".join(
        f'<joint name="j{i}" type="fixed"><parent link="l{i}"/><child link="l{i + 1}"/></joint>'
        for i in range(length - 1)
    )


LOOP = (
    '<joint name="a" type="fixed"><parent link="x"/><child link="y"/></joint>'
    '<joint name="b" type="fixed"><parent link="y"/><child link="x"/></joint>'
)
ENTITIES = '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'


@pytest.mark.redteam(50)
@pytest.mark.parametrize(
    ("urdf", "why"),
    [
        (b" " * (4 * 1024 * 1024 + 1), "longer than"),
        (model(head=ENTITIES), "document type"),
        (model(head='<!DOCTYPE r SYSTEM "file:///etc/passwd">'), "document type"),
        (model(links="".join(f'<link name="l{i}"/>' for i in range(1000))), "1000 links"),
        (model(links="<a/>" * 60_000), "more than 50000 elements"),
        (model(links="<a>" * 40 + "</a>" * 40), "nested deeper than 32"),
        (model(links=link_chain(300)), "more than 100 joints"),
        (model(joints=LOOP, links='<link name="base"/><link name="x"/><link name="y"/>'), "cycle"),
        (model(links='<link name="base"/><link name="base"/>'), "stand twice"),
        (model(links='<link name="base"/><link name="other"/>'), "no tree"),
        (
            model(joints='<joint name="a" type="fixed"><parent link="base"/><child link="none"/></joint>'),
            "do not exist",
        ),
        ('<?xml version="1.0"?><sdf/>', "not <robot>"),
        ("no xml", "not XML"),
        (b"\xff\xfe<\x00r\x00/\x00>\x00", "not UTF-8"),
    ],
)
def test_a_hostile_urdf_is_refused(panda: RobotFile, urdf: str | bytes, why: str) -> None:
    (panda.directory / "r.urdf").write_bytes(urdf if isinstance(urdf, bytes) else urdf.encode())
    problems = panda.put("robot.urdf", "r.urdf").error().errors
    (message,) = [problem.message for problem in problems if problem.code.value == "E_CONFIG_URDF"]
    assert why in message


def test_a_package_s_urdf_lies_inside_the_package(panda: RobotFile, monkeypatch: pytest.MonkeyPatch) -> None:
    (panda.directory / "share" / "my_robot").mkdir(parents=True)
    (panda.directory / "share" / "secret.urdf").write_bytes(urdf_path(panda.original).read_bytes())
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(panda.directory))
    outside = panda.put("robot.urdf", "package://my_robot/../secret.urdf")
    assert outside.refused() == {("robot.urdf", "E_CONFIG_URDF")}


@pytest.mark.parametrize(
    "name",
    [
        "nowhere.urdf",
        "package://no_such_package/robot.urdf",
        "example-robot-data://panda_description/urdf/none.urdf",
        "example-robot-data://../../../../etc/passwd",
        "http://example.org/robot.urdf",
        "package://",
        ".",
    ],
)
def test_a_missing_urdf_is_named(panda: RobotFile, name: str) -> None:
    path = panda.put("robot.urdf", name).write()
    with pytest.raises(ConfigurationError) as caught:
        load_config(path)
    (problem,) = caught.value.errors
    assert (problem.path, problem.code.value) == ("robot.urdf", "E_CONFIG_URDF")
    assert name.rpartition("/")[2] in problem.message


def test_a_package_of_a_sourced_ros_is_found(panda: RobotFile, monkeypatch: pytest.MonkeyPatch) -> None:
    urdf = panda.directory / "share" / "my_robot" / "urdf" / "panda.urdf"
    urdf.parent.mkdir(parents=True)
    urdf.write_bytes(urdf_path(panda.original).read_bytes())
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nonexistent:{panda.directory}")
    path = panda.put("robot.urdf", "package://my_robot/urdf/panda.urdf").write()
    assert urdf_path(path) == urdf
    assert load_config(path).robot.urdf_sha256 == load_config(panda.original).robot.urdf_sha256
