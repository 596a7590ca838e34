"""The decision log beside the event log, in the recorder's process: one call a handled event, one a write.

    keeper = Keeper(directory)
    keeper.begin(header)               # of the boot
    keeper.take(pair)                  # every handled event, as it was encoded
    keeper.sync()                      # every 10 ms: on disk, or `keeper.error`

A signed head is written every second, and with it the hash of what the event log took since. Requirement: SR-042.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from safety_supervisor.evidence.decisions import expiry as expiry_of
from safety_supervisor.evidence.decisions.chain import Body, canonical
from safety_supervisor.evidence.decisions.expiry import Expiry, Retirer
from safety_supervisor.evidence.decisions.files import file_robot
from safety_supervisor.evidence.decisions.keys import KeyRing
from safety_supervisor.evidence.decisions.record import NS_PER_S, Recorder, asked_of
from safety_supervisor.evidence.decisions.writer import SEGMENT_AGE, SEGMENT_BYTES, DecisionWriter
from safety_supervisor.evidence.event_log import LogHeader

PACKAGE: Final = Path(__file__).resolve().parents[2]


class Chunk:
    """What the event log has taken since the last record of it."""

    def __init__(self) -> None:
        """Nothing was written yet."""
        self._name = ""
        self._begin = self._end = 0
        self._hash = hashlib.sha256()

    def wrote(self, path: Path, offset: int, block: bytes) -> Body | None:
        """Take bytes that are on disk; return the record of those of the file before, where another one begins."""
        told = None
        if path.name != self._name or offset != self._end:
            told = self.close()
            self._name, self._begin, self._end = path.name, offset, offset
        self._hash.update(block)
        self._end += len(block)
        return told

    def close(self) -> Body | None:
        """Return the record of what came since the last one; None where that is nothing."""
        if self._end == self._begin:
            return None
        told = {"kind": "chunk", "file": self._name, "begin": self._begin, "end": self._end}
        told["sha256"] = self._hash.hexdigest()
        self._begin = self._end
        self._hash = hashlib.sha256()
        return told


class Keeper:
    """Decision log of one boot.

    Args:
        directory: log directory.
        segment_bytes: size at which the next segment is begun.
        segment_age: age, [ns].
        clock: steady clock, [ns].
        wall: wall clock, [ns].
        expiry: how long records are kept; None: for ever.
    """

    def __init__(
        self,
        directory: Path,
        segment_bytes: int = SEGMENT_BYTES,
        segment_age: int = SEGMENT_AGE,
        clock: Callable[[], int] = time.monotonic_ns,
        wall: Callable[[], int] = time.time_ns,
        expiry: Expiry | None = None,
    ) -> None:
        """Open nothing yet: the header comes first."""
        self._directory = directory
        self._limits = segment_bytes, segment_age
        self._clock = clock
        self._wall = wall
        self._recorder: Recorder | None = None
        self._writer: DecisionWriter | None = None
        self._robot = ""
        self._chunk = Chunk()
        self._head_at = 0
        self._unsigned = False
        self._finished = False
        self._expiry = expiry
        self.disk: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
        """See `DecisionWriter.disk`; `take` may be called then, too."""
        self.retirer: Retirer | None = None
        """Reduces old segments, once the boot's first record is on disk."""

    @property
    def error(self) -> int:
        """errno of the last try, 0 when it succeeded."""
        return self._writer.error if self._writer is not None else 0

    @property
    def idle(self) -> bool:
        """Whether `sync` has nothing to do now. Once a second it looks what time has brought."""
        return self._writer is None or (self._writer.idle and self._clock() - self._head_at < NS_PER_S)

    def begin(self, header: LogHeader) -> None:
        """Take the header of this boot."""
        hashes = hashes_of(header)
        self._recorder = Recorder({"robot": header.robot_id, "boot": header.boot_id}, hashes)
        told = {
            **hashes,
            "nonce": header.nonce,
            "started_at": header.started_at,
            "versions": header.versions,
            "schema": header.schema,
            "signature_of_configuration": header.signature,
            "signed_by": header.signed_by,
            "removed_boots": header.removed_boots,
        }
        self._robot = header.robot_id
        keys = KeyRing(self._directory, file_robot(header.robot_id))
        self._writer = DecisionWriter(self._directory, header.robot_id, keys, told, self._place, *self._limits)
        self._writer.disk = self.disk
        self._head_at = self._clock()

    def take(self, pair: bytes) -> None:
        """Record one handled event.

        Args:
            pair: encoding of the event and its effects.
        """
        if self._recorder is not None and self._writer is not None:
            for body in self._recorder.take(pair, self._wall() - self._clock()):
                self._add(body)

    def asked(self, event: bytes) -> None:
        """Record an act that waits for this record; the record of the act itself follows when it takes effect.

        Args:
            event: its encoding.
        """
        self._told(asked_of(event))

    def lost(self, events: int) -> None:
        """Record that events did not come."""
        self._told({"kind": "gap", "events": events})

    def wrote(self, path: Path, offset: int, block: bytes) -> None:
        """Take what the event log has on disk."""
        if not self._finished:
            self._told(self._chunk.wrote(path, offset, block))

    def sync(self) -> bool:
        """Write what came and make it durable; return whether all that came before is."""
        writer = self._writer
        if writer is None:
            return True
        now = self._clock()
        if now - self._head_at >= NS_PER_S and not self._finished:
            self._head_at = now
            self._told(self._chunk.close())
            if self._unsigned:
                writer.add_head()
                self._unsigned = False
        gone = list(self.retirer.take()) if self.retirer is not None and not self._finished else []
        for one in gone:
            self._told(one.tombstone)
        if gone:
            writer.add_head()
        durable = writer.sync(now)
        if durable and self._expiry is not None and self.retirer is None:
            self.retirer = Retirer(self._directory, self._robot, self._expiry, self._wall)
        for one in gone if durable else ():
            with contextlib.suppress(OSError):  # then the next boot removes it
                expiry_of.finish(one)
        return durable

    def write_ahead(self) -> None:
        """Write what came while the disk is waited for; see `DecisionWriter.write_ahead`."""
        if self._writer is not None:
            self._writer.write_ahead()

    def finish(self) -> None:
        """Tell the rest and sign it: the boot ends, and nothing comes behind it. `sync` writes it."""
        if self._recorder is not None and self._writer is not None and not self._finished:
            for body in self._recorder.close(self._wall() - self._clock()):
                self._add(body)
            self._told(self._chunk.close())
            self._told({"kind": "end"})
            self._writer.add_head(last=True)
            self._finished = True

    def close(self) -> None:
        """Close the files."""
        if self._writer is not None:
            self._writer.close()

    def take_heads(self) -> list[bytes]:
        """Return the lines of heads that have become durable since the last time."""
        return [] if self._writer is None else self._writer.take_heads()

    def _told(self, body: Body | None) -> None:
        if body is not None and self._writer is not None:
            self._add(self._place(body))

    def _add(self, body: Body) -> None:
        assert self._writer is not None
        self._writer.add(body)
        self._unsigned = True

    def _place(self, body: Body) -> Body:
        assert self._recorder is not None
        now = self._clock()
        return self._recorder.place(body, now, self._wall() - now)


def hashes_of(header: LogHeader) -> Body:
    """Return what stands in every decision: the hashes of configuration, policy, URDF and software."""
    return {
        "configuration_sha256": header.configuration_sha256,
        "policy_sha256": _policy_sha256(header.configuration),
        "urdf_sha256": hashlib.sha256(zlib.decompress(header.urdf)).hexdigest(),
        "software_sha256": hashlib.sha256(canonical({**header.versions, "files": files_sha256()})).hexdigest(),
    }


def _policy_sha256(configuration: bytes) -> str:
    """Hash the section `policy` as canonical JSON; empty where there is none, or no YAML."""
    try:
        read: Any = yaml.safe_load(configuration)
    except yaml.YAMLError:
        return ""
    policy = read.get("policy") if isinstance(read, dict) else None
    return hashlib.sha256(msgspec.json.encode(policy, order="sorted")).hexdigest() if policy else ""


@functools.cache
def files_sha256() -> str:
    """Hash the package's own Python files, by name and content."""
    found = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        name = os.fsencode(path.relative_to(PACKAGE))
        found.update(name + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()
