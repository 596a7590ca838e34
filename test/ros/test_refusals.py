"""What the node's own log says of refusals: the first of each source and code, the rest counted."""

from __future__ import annotations

import time

import pytest
from ros_rig import HOME, Rig

from safety_supervisor.core.effects import Decision, Verdict
from safety_supervisor.core.errors import Code
from safety_supervisor.ros.refusals import SILENCE, RefusalLog

MS = 1_000_000


def refusal(
    code: Code = Code.VELOCITY_LIMIT, source: str = "planner", verdict: Verdict = "REJECT", count: int = 1
) -> Decision:
    return Decision(
        0, source, "c1", verdict, code.value, "joint.velocity", "panda_joint1", 4.5, 2.15, -2.35, code.cause, count
    )


def all_lines(log: RefusalLog, now: int) -> list[str]:
    lines = []
    while line := log.line(now):
        lines.append(line)
    return lines


@pytest.mark.requirement("SR-031")
def test_a_line_says_who_what_was_seen_what_is_allowed_and_what_to_do() -> None:
    log = RefusalLog()
    log.take(refusal())
    (line,) = all_lines(log, 5)
    assert line == (
        "planner: REJECT E_VELOCITY_LIMIT (joint.velocity panda_joint1; 4.5 seen, 2.15 allowed) - "
        f"{Code.VELOCITY_LIMIT.cause} -> {Code.VELOCITY_LIMIT.cure}"
    )
    log.take(Decision(0, "joy", "", "STOP", "E_LATE", "motion", "", 0.0, 0.0, 0.0, Code.LATE.cause))
    assert all_lines(log, 5) == [f"joy: STOP E_LATE (motion) - {Code.LATE.cause} -> {Code.LATE.cure}"]


@pytest.mark.redteam(25)
def test_the_first_of_each_source_and_code_is_said_at_once_and_the_rest_counted() -> None:
    log = RefusalLog()
    kinds = [(Code.VELOCITY_LIMIT, "planner"), (Code.NOT_FINITE, "planner"), (Code.NOT_FINITE, "joystick")]
    said: list[tuple[int, str]] = []
    for now in range(0, 2500 * MS, 10 * MS):
        for code, source in kinds:
            log.take(refusal(code, source, count=2))
        said += [(now, line) for line in all_lines(log, now)]
    assert [now for now, _ in said] == [0] * 3 + [SILENCE] * 3 + [2 * SILENCE] * 3
    assert [("times" in line, "[2 times]" in line, "[200 times]" in line) for _, line in said[:4]] == [
        (True, True, False),
        (True, True, False),
        (True, True, False),
        (True, False, True),
    ]
    # What was not said when it ends is said once, and then there is silence.
    assert [line.count("[98 times]") for line in all_lines(log, 10 * SILENCE)] == [1, 1, 1]
    assert all_lines(log, 20 * SILENCE) == []


def test_what_is_no_refusal_is_not_said() -> None:
    log = RefusalLog()
    log.take(refusal(Code.PREEMPTED, verdict="STOP"))
    log.take(refusal(Code.CANCELLED, verdict="STOP"))
    log.take(refusal(Code.ENDED, verdict="PASS"))
    assert all_lines(log, 0) == []


@pytest.mark.redteam(5)
def test_text_from_outside_is_escaped() -> None:
    log = RefusalLog()
    log.take(Decision(0, "planner", "", "REJECT", "E_JOINT_NAME", "r", "j\u202e\n", 0.0, 0.0, 0.0, "x\x1b[2J" * 500))
    (line,) = all_lines(log, 0)
    assert line.isascii()
    assert line.isprintable()
    assert len(line) < 2500
    assert line.endswith("...")


@pytest.mark.requirement("SR-031")
def test_the_terminal_shows_why_nothing_moves(rig: Rig) -> None:
    rig.cell()
    client = rig.client()
    supervisor = rig.supervisor()
    client.wait_state("LOCKED", timeout=60.0)
    client.stream(HOME)
    client.wait_for(lambda: "E_NOT_MOVING_STATE" in supervisor.text or client.stream(HOME), "words on the terminal")
    assert "planner: REJECT E_NOT_MOVING_STATE" in supervisor.text
    assert Code.NOT_MOVING_STATE.cure in supervisor.text
    ends = time.monotonic() + 1.0
    sent = 0
    while time.monotonic() < ends:
        client.stream([float("nan"), *HOME[1:]])
        sent += 1
        client.spin(0.01)
    client.wait_for(lambda: "times] - A command holds NaN" in supervisor.text, "the count")
    lines = [line for line in supervisor.text.splitlines() if "planner: REJECT E_NOT_FINITE" in line]
    assert sent > 5
    assert len(lines) <= 3, "one at once, then one a second"
    assert "[WARN]" in lines[0]
    assert "E_NOT_FINITE" in client.codes()
