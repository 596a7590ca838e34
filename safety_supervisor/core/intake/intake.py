"""Takes commands in: whose is it, was it seen before, is it well-formed?

A command is taken whole, by name, or refused whole with a code. What it asks for is judged elsewhere. REDTEAM rows
1 to 5, 9, 10, 13 to 15, 26, 30; SR-024, SR-030.
"""

from __future__ import annotations

import re
from dataclasses import replace

from safety_supervisor.core.effects import Verdict
from safety_supervisor.core.errors import CODE_OF, Code, Violation
from safety_supervisor.core.events import StreamCommand, TrajectoryCommand
from safety_supervisor.core.intake.idempotency import Earlier, IdempotencyKeys
from safety_supervisor.core.intake.joint_names import JointNames, describe
from safety_supervisor.core.intake.results import Cancel, Refused, Repeat, SetPoint, TrajectoryPoints
from safety_supervisor.core.intake.well_formed import judge_stream, judge_trajectory
from safety_supervisor.core.settings import CommandKind, Configuration, SourceSettings
from safety_supervisor.core.units import Nanoseconds

__all__ = ["Cancel", "Intake", "Refused", "Repeat", "SetPoint", "TrajectoryPoints", "read_frame_id"]

_CORRELATION = re.compile(
    r"cid:([A-Za-z0-9_.:-]{1,128})(?:;key:([A-Za-z0-9_.:-]{1,128}))?(?:;why:([ -~]{1,200}))?|why:([ -~]{1,200})"
)
_FRAME = re.compile(r"[A-Za-z0-9_./-]{1,256}")


class _Source:
    """What is remembered of one source."""

    __slots__ = ("counter", "keys", "names", "settings", "stream_stamp", "trajectory_stamp")

    def __init__(self, settings: SourceSettings, configuration: Configuration) -> None:
        self.settings = settings
        self.names = JointNames(settings.groups, configuration.robot, configuration.observed)
        self.keys = IdempotencyKeys(settings.idempotency_keys, settings.idempotency_lifetime)
        self.counter = 0
        # The newest stamp that is not 0 and our clock at its receipt, [ns]: where that was set back, order begins anew.
        self.stream_stamp = (0, 0)
        self.trajectory_stamp = (0, 0)


class Intake:
    """Judges commands of all sources. The same events give the same answers."""

    def __init__(self, configuration: Configuration) -> None:
        """Start with no command seen."""
        self._sources = {source.name: _Source(source, configuration) for source in configuration.sources}
        self._unknown = 0

    def stream(self, event: StreamCommand) -> SetPoint | Repeat | Refused:
        """Judge a streamed set-point."""
        source = self._sources.get(event.source)
        if source is None:
            return self._refuse_unknown(event.source)
        command, key = _identify(source, event.frame_id)
        if key is not None:
            settled = self._settle(source, command, key, "stream:" + event.body, event.at)
            if settled is not None:
                return settled
        taken = judge_stream(event, command, source.settings, source.names, source.stream_stamp)
        if isinstance(taken, SetPoint):
            if event.stamp:
                source.stream_stamp = (event.stamp, event.clock)
            return taken
        return self._refuse(source, command, key, taken)

    def trajectory(self, event: TrajectoryCommand) -> TrajectoryPoints | Cancel | Repeat | Refused:
        """Judge a trajectory.

        An empty one cancels. It needs neither a fresh key nor a fresh stamp, since all it can do is end motion.
        """
        source = self._sources.get(event.source)
        if source is None:
            return self._refuse_unknown(event.source)
        # An action goal's id comes beside the header, so that no message can take the name of a goal.
        command, key = (event.command, None) if event.command else _identify(source, event.frame_id)
        if _is_empty(event) and key != "" and CommandKind.TRAJECTORY in source.settings.commands:
            return Cancel(event.source, command, CODE_OF.get(event.reason, Code.CANCELLED))
        if key is not None:
            settled = self._settle(source, command, key, "trajectory:" + event.body, event.at)
            if settled is not None:
                return settled
        taken = judge_trajectory(event, command, source.settings, source.names, source.trajectory_stamp)
        if isinstance(taken, TrajectoryPoints):
            if event.stamp:
                source.trajectory_stamp = (event.stamp, event.clock)
            why = _reason(event.frame_id)
            return replace(taken, why=why) if why else taken
        return self._refuse(source, command, key, taken)

    def remember(self, source: str, command: str, verdict: Verdict, code: str) -> None:
        """Store what became of an accepted command, for its idempotency key if it carried one.

        Args:
            source: as in the accepted command.
            command: its correlation id.
            verdict: first and final word on it.
            code: stable `E_...` code, empty for PASS.
        """
        known = self._sources.get(source)
        if known is not None and known.keys.undecided:
            known.keys.close(command, Earlier(verdict, code))

    def _refuse_unknown(self, name: str) -> Refused:
        self._unknown += 1
        violation = Violation(Code.UNKNOWN_SOURCE, "command.source", detail=f"no source {describe(name)}")
        return Refused(name, f"unknown-{self._unknown}", violation)

    @staticmethod
    def _settle(source: _Source, command: str, key: str, body: str, at: Nanoseconds) -> Repeat | Refused | None:
        """Answer a command by its key alone, or take the key up and return None."""
        name = source.settings.name
        if not key:
            return Refused(name, command, Violation(Code.FRAME_ID, "command.frame_id"))
        found = source.keys.judge(key, body, at)
        if isinstance(found, Earlier):
            return Repeat(name, command, found)
        if found is not None:
            limit = float(source.settings.idempotency_keys) if found is Code.KEYS_FULL else 0.0
            return Refused(name, command, Violation(found, "command.key", limit=limit, detail=f"key {key}"))
        source.keys.open(key, body, command, at)
        return None

    @staticmethod
    def _refuse(source: _Source, command: str, key: str | None, violation: Violation) -> Refused:
        """Refuse, and let the command's key remember it."""
        if key is not None:
            source.keys.refuse(key, violation.code)
        return Refused(source.settings.name, command, violation)


def _identify(source: _Source, frame_id: str) -> tuple[str, str | None]:
    """Read correlation id and idempotency key; make an id where none is given.

    Returns:
        Id and key; key None when there is none, empty when `frame_id` is malformed.
    """
    command, key = read_frame_id(frame_id)
    if command is None:
        source.counter += 1
        command = f"{source.settings.name}-{source.counter}"
    return command, key


def read_frame_id(frame_id: str) -> tuple[str | None, str | None]:
    """Read what a header says of its command.

    Common publishers put a plain frame name here, which says nothing to us.

    Returns:
        Id and key; None where there is none, key empty when `frame_id` is malformed.
    """
    if frame_id:
        match = _CORRELATION.fullmatch(frame_id)
        if match is not None and match.group(1):
            return match.group(1), match.group(2)
        if match is None and (frame_id.startswith(("cid:", "why:")) or _FRAME.fullmatch(frame_id) is None):
            return None, ""
    return None, None


def _reason(frame_id: str) -> str:
    """Return what a command is for, in its sender's words; empty where they do not stand there."""
    match = _CORRELATION.fullmatch(frame_id)
    return "" if match is None else match.group(3) or match.group(4) or ""


def _is_empty(event: TrajectoryCommand) -> bool:
    """Whether a trajectory holds nothing at all."""
    values = event.positions or event.velocities or event.accelerations or event.efforts
    counts = event.position_counts or event.velocity_counts or event.acceleration_counts
    return not (event.names or event.times or values or counts)
