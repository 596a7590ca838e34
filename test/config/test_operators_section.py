"""The section `operators`: who may act, each with a key of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from two_tools import PUBLIC_KEY, TOOLS

from safety_supervisor.config.notes import notes
from safety_supervisor.tokens.key_file import public_text

if TYPE_CHECKING:
    from test.config.conftest import RobotFile

ADA, BOB = (public_text(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)) for number in (1, 2))
PEOPLE: dict[str, Any] = {
    "ada": {"role": "technician", "public_key": ADA}, "bob": {"role": "maintainer", "public_key": BOB},
}  # fmt: skip


def test_people_are_loaded_with_role_and_key(panda: RobotFile) -> None:
    people = panda.put("operators.people", PEOPLE).load().operators.people
    assert [(person.name, person.role.value, len(person.public_key)) for person in people] == [
        ("ada", "technician", 32), ("bob", "maintainer", 32),
    ]  # fmt: skip
    assert panda.load().operators.people == ()


@pytest.mark.redteam(19)
@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("ada.role", "boss", ("ada.role", "E_CONFIG_VALUE")),
        ("ada.role", 3, ("ada.role", "E_CONFIG_VALUE")),
        ("ada.public_key", "A" * 43, ("ada.public_key", "E_CONFIG_KEY")),
        ("ada.public_key", "", ("ada.public_key", "E_CONFIG_KEY")),
        ("ada.public_key", BOB, ("bob.public_key", "E_CONFIG_KEY")),
        ("ada.public_key", PUBLIC_KEY, ("ada.public_key", "E_CONFIG_KEY")),
        ("ada.password", "x", ("ada.password", "E_CONFIG_UNKNOWN_KEY")),
        ("Ada", PEOPLE["ada"], ("Ada", "E_CONFIG_NAME")),
        ("planner", PEOPLE["ada"] | {"public_key": ADA[::-1]}, ("planner", "E_CONFIG_NAME")),
    ],
)
def test_what_is_wrong_is_refused(panda: RobotFile, path: str, value: Any, problem: tuple[str, str]) -> None:
    """The planner has the key PUBLIC_KEY: nobody else may have it, and nobody may be called as a source is."""
    file = panda.put("tools", TOOLS).put("robot.payload", 1.0).put("sources.planner.tools", ["gripper"])
    file = file.put("sources.planner.public_key", PUBLIC_KEY).put("operators.people", PEOPLE)
    file.load()
    assert (f"operators.people.{problem[0]}", problem[1]) in file.put(f"operators.people.{path}", value).refused()


@pytest.mark.redteam(19)
@pytest.mark.parametrize(
    ("source", "person", "problem"),
    [
        ("joystick", "eve", "E_CONFIG_NAME"), ("joystick", "Ada", "E_CONFIG_NAME"),
        ("planner", "ada", "E_CONFIG_NOT_ENFORCED"),
    ],
)  # fmt: skip
def test_who_commands_by_a_source_is_one_of_them(panda: RobotFile, source: str, person: str, problem: str) -> None:
    file = panda.put("operators.people", PEOPLE)
    assert file.put("sources.joystick.person", "ada").load().source("joystick").person == "ada"
    assert (f"sources.{source}.person", problem) in file.put(f"sources.{source}.person", person).refused()


def test_each_is_named_at_once_and_role_and_key_are_mandatory(panda: RobotFile) -> None:
    assert panda.put("operators.people", {"ada": {}, "bob": {"role": "boss", "public_key": BOB}}).refused() == {
        ("operators.people.ada.role", "E_CONFIG_MISSING"),
        ("operators.people.ada.public_key", "E_CONFIG_MISSING"),
        ("operators.people.bob.role", "E_CONFIG_VALUE"),
    }


def test_a_real_robot_that_nobody_may_start_is_noted(panda: RobotFile) -> None:
    port = "/dev/serial/by-id/usb-estop"
    device = {"driver": "frame_v1", "port": port, "relay_delay": 2.0, "relay_effect": "sto"}
    real = panda.put("output.simulated", False).put("operators", {}).put("estop", device)
    real = real.put("sources.planner.session", "none")
    noted = [note for note in notes(real.load()) if "operators.people" in note]
    assert noted == [f"operators.people names nobody who may {act}" for act in ("reset", "start")]
    named = notes(real.put("operators.people", PEOPLE).load())
    assert not [note for note in named if "operators.people" in note]
