"""What is to be explained: a decision, and where the robot was commanded to be when it was made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from safety_supervisor.core.effects import Decision, Status
from safety_supervisor.core.errors import CODE_OF, Code
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Vector


class ExplainError(Exception):
    """Nothing can be explained; the text says why and what to do."""


@dataclass(frozen=True)
class Subject:
    """A decision, or a change of state.

    Attributes:
        what: verdict or state.
        code: `E_...`, empty for none.
        rule: as in `Decision`, and so are the others.
        pose: where bodies were found too near, shape (n,), [rad]; empty where that is not the matter.
    """

    what: str
    code: str
    rule: str = ""
    joint: str = ""
    value: float = 0.0
    limit: float = 0.0
    detail: str = ""
    source: str = ""
    command: str = ""
    pose: tuple[float, ...] = ()

    @property
    def links(self) -> tuple[str, ...]:
        """Links that the rule is about."""
        return tuple(self.joint.split(" and ")) if self.joint else ()

    @property
    def known_code(self) -> Code | None:
        """The code with its cause and cure; None where this version does not know it."""
        return CODE_OF.get(self.code)


@dataclass(frozen=True)
class Case:
    """What is drawn.

    Attributes:
        configuration: of the robot, as it was then, with the tool that it carried.
        subject: what is explained.
        commanded: commanded positions when it was decided, shape (n,), [rad]; None: not known.
        notes: what a reader must know of how these were found.
        time: since the first event of the log, [s]; None without a log.
        line: of the log; 0 without one.
    """

    configuration: Configuration
    subject: Subject
    commanded: Vector | None
    notes: tuple[str, ...] = ()
    time: float | None = None
    line: int = 0

    @property
    def offending(self) -> Vector | None:
        """The pose that the rule was broken at, shape (n,), [rad]; the commanded one where none is told."""
        return np.array(self.subject.pose) if self.subject.pose else self.commanded


def subject_of(effect: Decision | Status) -> Subject:
    """Return what a line of a log tells."""
    if isinstance(effect, Status):
        return Subject(effect.state, effect.cause, detail=effect.next_step, source=effect.source)
    return Subject(
        effect.verdict,
        effect.code,
        effect.rule,
        effect.joint,
        effect.value,
        effect.limit,
        effect.detail,
        effect.source,
        effect.command,
        effect.pose,
    )


def case_of_decision(configuration: Configuration, text: str) -> Case:
    """Read a decision as JSON: a line of `log show --json`, the values of `~/decisions`, or `explain --json`.

    Args:
        configuration: of the robot.
        text: one JSON object, or the name of a file that holds one.

    Raises:
        ExplainError: it is none.
    """
    fields = _read_object(text)
    known = configuration.robot.joints
    pose = _read_pose(fields.get("pose") or (), known)
    subject = Subject(
        _text(fields, "verdict") or _text(fields, "what"),
        _text(fields, "code"),
        _text(fields, "rule"),
        _text(fields, "joint"),
        _number(fields, "value"),
        _number(fields, "limit"),
        _text(fields, "detail"),
        _text(fields, "source"),
        _text(fields, "id") or _text(fields, "command"),
        pose,
    )
    if not subject.what and not subject.code:
        raise ExplainError("the decision has neither `verdict` nor `code`: give one line of `log show FILE --json`")
    start = configuration.robot.start
    notes = ["A decision does not tell where the robot was; explain its log for that."]
    if not pose and start is not None:
        notes.append("Drawn is the start pose of the configuration.")
    tool = _text(fields, "tool") or ("" if pose else configuration.robot.tool)
    if tool and tool not in configuration.tools:
        raise ExplainError(f"the configuration has no tool {tool!r}"[:300])
    configuration = configuration.with_tool(tool)
    return Case(configuration, subject, None if start is None or pose else np.array(start), tuple(notes))


def _read_object(text: str) -> dict[str, Any]:
    if not text.lstrip().startswith("{"):
        try:
            text = Path(text).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ExplainError(f"--decision is neither a JSON object nor a file that can be read: {error}") from error
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise ExplainError(f"--decision is no JSON: {error}") from error
    if not isinstance(fields, dict):
        raise ExplainError("--decision is no JSON object")
    return fields


def _read_pose(given: object, joints: tuple[str, ...]) -> tuple[float, ...]:
    """Read a pose: a list in joint order, a text of numbers as in `~/decisions`, or joint to position."""
    if isinstance(given, dict):
        given = [given.get(joint) for joint in joints]
    values = given.split() if isinstance(given, str) else given
    try:
        pose = tuple(float(value) for value in values)  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise ExplainError(f"`pose` is no list of numbers: {given!r}"[:300]) from error
    if pose and (len(pose) != len(joints) or not np.isfinite(pose).all()):
        raise ExplainError(f"`pose` has {len(pose)} numbers; {len(joints)} finite ones are needed: {', '.join(joints)}")
    return pose


def _text(fields: dict[str, Any], key: str) -> str:
    value = fields.get(key, "")
    return value if isinstance(value, str) else ""


def _number(fields: dict[str, Any], key: str) -> float:
    try:
        value = float(fields.get(key) or 0.0)
    except (TypeError, ValueError):
        raise ExplainError(f"`{key}` is no number") from None
    return value
