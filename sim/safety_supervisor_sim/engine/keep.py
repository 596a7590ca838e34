"""Writes what a run of the core engine handled as an event log: the file that real nodes write, for the same tools."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from safety_supervisor import Supervisor
from safety_supervisor.core.events import Boot
from safety_supervisor.core.settings import Configuration
from safety_supervisor.evidence.event_log import digest_effects, encode_entry
from safety_supervisor.evidence.feed import describe_boot
from safety_supervisor.evidence.log_writer import LogWriter
from safety_supervisor_sim.engine.clockwork import Clockwork

SEGMENT: Final = 1 << 30
"""No run is as long as that: each boot is one file, [B]."""


def keep_log(world: Clockwork, configuration: Configuration, file: Path, directory: Path) -> list[Path]:
    """Write a log for each boot of a run.

    The effects are those of another supervisor that handles the same events.

    Args:
        world: has ended.
        configuration: of the run.
        file: that it was read from, as it is now.
        directory: is made where it is missing.

    Returns:
        The logs, in order.

    Raises:
        OSError: a log can not be written, or `file` is not what was loaded.
        RuntimeError: the effects of an event differ from the run's.
    """
    known = set(directory.glob("*"))
    writer: LogWriter | None = None
    supervisor = Supervisor(configuration)
    encode = msgspec.msgpack.Encoder().encode
    for index, (event, digest) in enumerate(world.events):
        if isinstance(event, Boot):
            _end(writer)
            supervisor = Supervisor(configuration)
            writer = LogWriter(directory, SEGMENT, SEGMENT)
            writer.begin(describe_boot(replace(configuration, path=str(file)), event.boot_id, event.nonce))
        effects = supervisor.handle(event)
        if digest_effects(effects) != digest:
            raise RuntimeError(f"event {index}, {type(event).__name__}: its effects are not those of the run")
        assert writer is not None, "a run begins with a boot"
        writer.add(encode_entry(encode((event, effects))))
    _end(writer)
    return sorted(set(directory.glob("*")) - known)


def _end(writer: LogWriter | None) -> None:
    if writer is None:
        return
    done = writer.sync()
    writer.close()
    if not done:
        raise OSError(writer.error, "the log can not be written")
