"""Latches on disk: an emergency stop and a fault survive a restart, and what can not be read is a fault.

One file a robot, `<log directory>/<robot id>.latches`: a line of JSON with a checksum, filled up to one disk block.
It is replaced atomically; on a full disk it is overwritten in place instead, which needs no new block (and a power
loss in that moment leaves a damaged file, which is a fault). It says, too, whether stages of agents are kept beside it
(`evidence.stage_store`), so that their file can not be lost unseen. Requirement: SR-047.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

from safety_supervisor.core.errors import Code
from safety_supervisor.evidence.event_log import EARLIER_SUFFIX, SUFFIX, LogError, read_header

VERSION = 1
BLOCK = 4096
"""Size of the file, [bytes]."""
STAGES = ".stages"
"""What the name of the file of stages ends in."""


def file_stem(robot_id: str) -> str:
    """Return the robot's id as a part of a file name."""
    return quote(robot_id, safe="").replace(".", "%2E")


@dataclass(frozen=True)
class StoredLatches:
    """What was found on disk."""

    emergency_stop: bool
    fault: str
    """Code, empty for none."""
    detail: str = ""
    """Why it is a fault, when the file itself is the reason."""


class LatchStore:
    """The latch file of one robot.

    Args:
        directory: log directory.
        robot_id: `robot.id` of the configuration.
    """

    def __init__(self, directory: str | Path, robot_id: str) -> None:
        """Name the file; nothing is read or written yet."""
        self.directory = Path(directory)
        self.robot_id = robot_id
        self.path = self.directory / f"{file_stem(robot_id)}.latches"
        self.stages = self.path.with_suffix(STAGES)
        """Where stages of agents are kept."""

    def open(self) -> StoredLatches:
        """Read the latches at boot; on the robot's first boot create the file.

        Never raises: whatever can not be read or created is a fault, because unknown means stop.
        """
        found = self.load()
        if found.detail or found.fault or found.emergency_stop or self.path.exists():
            return found
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.write(False, "")
        except OSError as error:
            return _unknown(f"{self.path} can not be created: {error.strerror}")
        return self.load()

    def load(self) -> StoredLatches:
        """Read the latches. Never raises, writes nothing.

        A missing file is a first boot, unless the directory holds event logs of this robot: then it was removed.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            logged = self._has_event_logs()
            return _unknown(f"{self.path} is missing though {logged} exists") if logged else StoredLatches(False, "")
        except OSError as error:
            return _unknown(f"{self.path} can not be read: {error.strerror}")
        try:
            return _parse(data, self.robot_id)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return _unknown(f"{self.path} is damaged: {error}")

    def write(self, emergency_stop: bool, fault: str) -> None:
        """Write the latches durably. Takes milliseconds; the control process leaves it to the recorder.

        Raises:
            OSError: when neither a new file nor the old one in place can be written.
        """
        data = _format(self.robot_id, emergency_stop, fault, self.stages_kept() or self.stages.exists())
        try:
            replace_file(self.path, data)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            _overwrite(self.path, data)

    def stages_kept(self) -> bool:
        """Whether stages of agents were kept before, as far as is known: what can not be read may have said so."""
        try:
            return _body(self.path.read_bytes(), self.robot_id).get("stages") is True
        except FileNotFoundError:
            return bool(self._has_event_logs())
        except (OSError, ValueError, KeyError, TypeError, RecursionError, AttributeError):
            return True

    def note_stages(self) -> None:
        """Note durably that stages of agents are kept, once their file is there.

        Raises:
            OSError: when it can not be written.
        """
        found = self.load()
        if self.path.exists() and not found.detail and not self.stages_kept():
            self.write(found.emergency_stop, found.fault)

    def clear(self, by: str, reason: str) -> StoredLatches:
        """Clear the fault latch and append who did it and why to the history; return what was latched before.

        The caller holds the robot's instance lock. An emergency stop stays latched: only its device releases it.

        Raises:
            OSError: when it can not be written; the latch then stays.
        """
        before = self.load()
        line = {
            "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "by": by,
            "reason": reason,
            "fault": before.fault,
            "emergency_stop": before.emergency_stop,
            "detail": before.detail,
        }
        # History first: a latch must not be cleared without a trace of who cleared it.
        descriptor = os.open(
            self.path.with_suffix(".latches.history"),
            os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC,
            0o600,
        )
        try:
            os.write(descriptor, (json.dumps(line) + "\n").encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.write(before.emergency_stop, "")
        return before

    def _has_event_logs(self) -> str:
        """Name an event log of this robot; one that can not be read counts."""
        try:
            logs = [path for suffix in (SUFFIX, EARLIER_SUFFIX) for path in self.directory.glob(f"*{suffix}")]
            for path in sorted(logs):
                try:
                    if read_header(path).robot_id == self.robot_id:
                        return path.name
                except (LogError, OSError):
                    return path.name
        except OSError as error:
            return f"{self.directory} ({error.strerror})"
        return ""


def _unknown(detail: str) -> StoredLatches:
    return StoredLatches(True, Code.SELF_TEST.value, detail)


def checksum(body: dict[str, object]) -> str:
    """Return what a file says besides its content, so that damage shows."""
    return hashlib.blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=8).hexdigest()


def _format(robot_id: str, emergency_stop: bool, fault: str, stages: bool) -> bytes:
    body: dict[str, object] = {
        "version": VERSION,
        "robot": robot_id,
        "emergency_stop": emergency_stop,
        "fault": fault,
        **({"stages": True} if stages else {}),
    }
    return (json.dumps({**body, "checksum": checksum(body)}) + "\n").encode().ljust(BLOCK, b" ")


def _body(data: bytes, robot_id: str) -> dict[str, object]:
    if len(data) != BLOCK:
        raise ValueError(f"{len(data)} bytes instead of {BLOCK}")
    body: dict[str, object] = json.loads(data)
    said = body.pop("checksum")
    if said != checksum(body):
        raise ValueError("the checksum is wrong")
    if body["version"] != VERSION:
        raise ValueError(f"version {body['version']} instead of {VERSION}")
    if body["robot"] != robot_id:
        raise ValueError("it belongs to another robot")
    return body


def _parse(data: bytes, robot_id: str) -> StoredLatches:
    body = _body(data, robot_id)
    emergency_stop, fault = body["emergency_stop"], body["fault"]
    if not isinstance(emergency_stop, bool) or not isinstance(fault, str):
        raise ValueError("a value has the wrong type")
    return StoredLatches(emergency_stop, fault)


def replace_file(path: Path, data: bytes) -> None:
    """Write a new file beside the old one, then rename it over: durably, or not at all.

    Raises:
        OSError: when it can not be written.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        _write_all(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, data)
        os.rename(fresh, path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _overwrite(path: Path, data: bytes) -> None:
    _write_all(path, os.O_WRONLY, data)


def _write_all(path: Path, flags: int, data: bytes) -> None:
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        written = 0
        while written < len(data):
            written += os.pwrite(descriptor, data[written:], written)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
