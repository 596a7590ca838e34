"""What an action's client is told of a decision: control_msgs/FollowJointTrajectory result codes."""

from __future__ import annotations

from typing import Final

from safety_supervisor.core.effects import Decision
from safety_supervisor.core.errors import CODE_OF, Code
from safety_supervisor.ros.text import escape

SUCCESSFUL: Final = 0
INVALID_GOAL: Final = -1
INVALID_JOINTS: Final = -2
OLD_HEADER_TIMESTAMP: Final = -3
PATH_TOLERANCE_VIOLATED: Final = -4
GOAL_TOLERANCE_VIOLATED: Final = -5

_RESULTS: Final = {
    Code.UNKNOWN_JOINT.value: INVALID_JOINTS,
    Code.DUPLICATE_JOINT.value: INVALID_JOINTS,
    Code.MISSING_JOINT.value: INVALID_JOINTS,
    Code.JOINT_NAME.value: INVALID_JOINTS,
    Code.OUT_OF_ORDER.value: OLD_HEADER_TIMESTAMP,
    Code.PATH_TOLERANCE.value: PATH_TOLERANCE_VIOLATED,
    Code.TRACKING.value: PATH_TOLERANCE_VIOLATED,
    Code.GOAL_TOLERANCE.value: GOAL_TOLERANCE_VIOLATED,
}


def result_code(code: str, value: float) -> int:
    """Return the result for a code; `value` tells a stamp of the past (negative) from one of the future, [s].

    Everything that has no result of its own, a stop in mid-motion too, is INVALID_GOAL; the text then says what it was.
    """
    if code == Code.STAMP.value and value < 0.0:
        return OLD_HEADER_TIMESTAMP
    return _RESULTS.get(code, INVALID_GOAL)


def result_text(decision: Decision) -> str:
    """Return code, numbers, detail and cure of a decision, in this order."""
    words = [f"{decision.code}:"]
    if decision.joint:
        words.append(escape(decision.joint))
    if decision.value or decision.limit:
        words.append(f"{decision.value:.6g}, allowed {decision.limit:.6g};")
    words.append(escape(decision.detail))
    known = CODE_OF.get(decision.code)
    if known is not None:
        words.append(known.cure)
    return " ".join(words)
