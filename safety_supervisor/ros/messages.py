"""Status and decisions as diagnostic messages. All text from outside is escaped on its way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from safety_supervisor.core.effects import Decision, Status
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.ros.text import escape
from safety_supervisor.ros.words import decision_words, status_words

_ERROR_STATES = ("EMERGENCY_STOP", "FAULT")
_WARN_STATES = ("STOPPING", "PROTECTIVE_STOP", "RECOVERY")
NO_ESTOP = "NO E-STOP DEVICE"


def _stamp(clock: int) -> Time:
    seconds, rest = divmod(clock, NS_PER_S)
    return Time(sec=seconds, nanosec=rest)


def level_of(state: str) -> bytes:
    """Return how grave a state is."""
    if state in _ERROR_STATES:
        return DiagnosticStatus.ERROR
    return DiagnosticStatus.WARN if state in _WARN_STATES else DiagnosticStatus.OK


class StatusWriter:
    """Builds the one status of `~/status` and `/diagnostics`; its values are made once and changed in place.

    Args:
        name: fully qualified node name.
        hardware: robot id.
        constants: keys whose values never change in this boot.
        estop: whether an e-stop device is configured.
    """

    def __init__(self, name: str, hardware: str, constants: Mapping[str, str], estop: bool) -> None:
        """Make the message."""
        self._estop = estop
        self._values: dict[str, KeyValue] = {}
        self._status = DiagnosticStatus(name=name, hardware_id=hardware)
        self.message = DiagnosticArray(status=[self._status])
        for key, value in constants.items():
            self.set(key, value)

    def set(self, key: str, value: str) -> None:
        """Set a value; a new key goes behind the others."""
        entry = self._values.get(key)
        if entry is None:
            entry = self._values[key] = KeyValue(key=key)
            self._status.values.append(entry)
        entry.value = value

    def write(self, status: Status, clock: int, extra: Iterable[tuple[str, str]]) -> DiagnosticArray:
        """Return the message for this status; it stays ours and is changed by the next call.

        Args:
            status: of the core.
            clock: ROS clock, [ns], for the header's stamp.
            extra: what the node knows besides.
        """
        level = level_of(status.state)
        text = status.state if not status.cause else f"{status.state}: {escape(status.cause)}"
        if not self._estop:
            level = max(level, DiagnosticStatus.WARN)
            text += f" - {NO_ESTOP}"
        self._status.level, self._status.message = level, text
        self.message.header.stamp = _stamp(clock)
        put = self.set
        for key, value in status_words(status):
            put(key, value)
        for key, value in extra:
            put(key, value)
        return self.message


_LEVELS = {"PASS": DiagnosticStatus.OK, "LIMIT": DiagnosticStatus.WARN, "WAIT": DiagnosticStatus.WARN}


def decision_message(decision: Decision, clock: int) -> DiagnosticArray:
    """Build the message of one decision."""
    status = DiagnosticStatus(
        level=_LEVELS.get(decision.verdict, DiagnosticStatus.ERROR),
        name=escape(decision.source),
        message=escape(f"{decision.verdict} {decision.code} {decision.detail}".replace("  ", " ").strip()),
        hardware_id=escape(decision.command),
        values=[KeyValue(key=key, value=value) for key, value in decision_words(decision)],
    )
    message = DiagnosticArray(status=[status])
    message.header.stamp = _stamp(clock)
    return message
