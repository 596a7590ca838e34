"""What is shown is one line of plain ASCII."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety_supervisor.core.effects import Decision
from safety_supervisor.ros.messages import decision_message
from safety_supervisor.ros.text import LONGEST, escape


@given(st.text())
@pytest.mark.redteam(5)
def test_escaped_text_is_printable_ascii_of_bounded_length(text: str) -> None:
    shown = escape(text)
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) <= LONGEST * len("\\U00000000") + len("...")


@pytest.mark.redteam(5)
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("panda_joint1", "panda_joint1"),
        ("panda_jоint1", "panda_j\\u043eint1"),
        ("a\u200bb", "a\\u200bb"),
        ("a\u202eb", "a\\u202eb"),
        ("a\nb\x1b[2J", "a\\x0ab\\x1b[2J"),
    ],
)
def test_look_alikes_and_control_characters_are_seen(text: str, shown: str) -> None:
    assert escape(text) == shown


@pytest.mark.redteam(5)
def test_a_decision_shows_no_raw_text_of_the_sender() -> None:
    nasty = "x\n\u202e\x1b[31m"
    decision = Decision(1, nasty, nasty, "REJECT", "E_JOINT_NAME", "intake.name", nasty, 0.0, 0.0, 0.0, nasty)
    status = decision_message(decision, 0).status[0]
    for text in (status.name, status.message, status.hardware_id, *(entry.value for entry in status.values)):
        assert text.isascii()
        assert text.isprintable()
