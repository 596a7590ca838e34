"""What status and decisions say, as the words of their messages, escaped. No ROS."""

from __future__ import annotations

import math
from collections.abc import Iterator

from safety_supervisor.core.effects import Decision, Status
from safety_supervisor.ros.text import escape


def number(value: float) -> str:
    """Write a number for people."""
    return f"{value:.6g}" if math.isfinite(value) else str(value)


def status_words(status: Status) -> Iterator[tuple[str, str]]:
    """Yield what the core's status says, key and value."""
    yield "state", status.state
    yield "cause", status.cause
    yield "active_causes", " ".join(status.active_causes)
    yield "next_step", escape(status.next_step)
    yield "mode", status.mode
    yield "source", escape(status.source)
    yield "speed_scale", number(status.speed_scale)
    yield "epoch", str(status.epoch)
    yield "configuration_sha256", status.configuration
    yield "distance_to_limit", number(status.distance_to_limit)
    yield "tracking_error", number(status.tracking_error)
    yield "people", escape(status.people)
    yield "unmeasured", escape(status.unmeasured)
    yield "balance", escape(status.balance)
    yield "ladder_phase", status.ladder_phase
    yield "agents", escape(status.agents)
    yield "quarantined", escape(" ".join(status.quarantined))
    yield "enabling_switch", status.enabling_switch
    yield "enables", "yes" if status.enables else "no"
    yield "tool", status.tool
    yield "tool_mass", number(status.tool_mass)
    for name, score, why in status.anomalies:
        yield f"anomaly.{name}", escape(f"{number(score)} {why}".strip())


def decision_words(decision: Decision) -> Iterator[tuple[str, str]]:
    """Yield what a decision says, key and value."""
    yield "source", escape(decision.source)
    yield "verdict", decision.verdict
    yield "code", decision.code
    yield "id", escape(decision.command)
    yield "rule", decision.rule
    yield "joint", escape(decision.joint)
    yield "value", number(decision.value)
    yield "limit", number(decision.limit)
    yield "margin", number(decision.margin)
    yield "count", str(decision.count)
    yield "pose", " ".join(map(number, decision.pose))
    yield "tool", decision.tool
    yield "intervention", decision.intervention
    yield "model", escape(decision.model)
    yield "stage", decision.stage
