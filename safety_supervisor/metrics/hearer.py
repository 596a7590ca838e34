"""Hears the supervisor's topics, and tells the board and the tracer. It publishes nothing, and calls nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.metrics.board import Board, Values
from safety_supervisor.metrics.tracing import Tracer
from safety_supervisor.ros.reader import LONGEST, LONGEST_LIST, Reader

_LATCHED: Final = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_MOST_VALUES: Final = 256
_LONGEST_VALUE: Final = 4096
_DEPTH: Final = 256


class Hearer:
    """A node that only hears.

    Args:
        supervisor: full name of its node, such as /supervisor.
        robot: whose status counts; that of another one is not heard.
        board: is told all.
        tracer: is told decisions; None: nobody traces.
    """

    def __init__(self, supervisor: str, robot: str, board: Board, tracer: Tracer | None) -> None:
        """Join the graph."""
        self._robot, self._board, self._tracer = robot, board, tracer
        self._context = rclpy.Context()
        rclpy.init(context=self._context, args=[])
        self._node = node = Node("safety_supervisor_metrics", context=self._context, start_parameter_services=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        heard: tuple[tuple[Any, str, QoSProfile, Callable[[Any], None], int], ...] = (
            (DiagnosticArray, "status", _LATCHED, self._hear_status, LONGEST),
            (DiagnosticArray, "interventions", _LATCHED, self._hear_waiting, LONGEST_LIST),
            (DiagnosticArray, "decisions", QoSProfile(depth=_DEPTH), self._hear_decision, LONGEST),
            (String, "operator_results", QoSProfile(depth=10), self._hear_answer, LONGEST),
        )
        for kind, name, profile, hear, longest in heard:
            Reader(node, kind, f"{supervisor}/{name}", profile, hear, longest)

    def run(self, until: Callable[[], bool]) -> None:
        """Hear until `until` holds."""
        while not until():
            self._executor.spin_once(timeout_sec=0.1)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _hear_status(self, message: DiagnosticArray) -> None:
        if message.status and message.status[0].hardware_id in ("", self._robot):
            self._board.status(_values(message.status[0].values), time.monotonic_ns())

    def _hear_waiting(self, message: DiagnosticArray) -> None:
        kinds = [_values(one.values).get("kind", "") for one in message.status[:64]]
        self._board.waits(kinds.count("command"), kinds.count("grant"))

    def _hear_decision(self, message: DiagnosticArray) -> None:
        stamp = message.header.stamp.sec * NS_PER_S + message.header.stamp.nanosec
        for one in message.status[:1]:
            told = _values(one.values)
            self._board.decision(told)
            if self._tracer is not None:
                self._tracer.decision(told, stamp)

    def _hear_answer(self, message: String) -> None:
        try:
            told = json.loads(message.data)
            self._board.answer(bool(told["ok"]), str(told["code"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            return  # nobody's answer


def _values(values: Any) -> Values:
    return {one.key: one.value[:_LONGEST_VALUE] for one in values[:_MOST_VALUES] if len(one.key) <= 80}
