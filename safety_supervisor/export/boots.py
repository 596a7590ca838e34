"""All boots that a log directory holds, the oldest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from safety_supervisor.evidence.event_log import SUFFIX, Entry, EventLog, Gap, LogError, LogHeader, read_header


@dataclass
class Boot:
    """One boot.

    Attributes:
        header: of its first segment that is there.
        path: of that segment.
        trouble: why it can not be read to its end; empty when it can, told after `entries`.
    """

    header: LogHeader
    path: Path
    trouble: str = ""

    def entries(self) -> Iterator[Entry]:
        """Yield what was recorded; what can not be read is told by `trouble`."""
        try:
            log = EventLog(self.path)
            for item in log:
                if isinstance(item, Gap):
                    self.trouble = f"{item.events} events are missing"
                else:
                    yield item
            if log.tail.state == "corrupt":
                self.trouble = f"corrupt at byte {log.tail.offset} of {Path(log.tail.path).name}"
            elif log.tail.state == "incomplete":
                self.trouble = f"segments {list(log.missing)} are missing"
        except (LogError, OSError) as error:
            self.trouble = str(error)


def boots_of(directory: Path, robot: str = "") -> tuple[list[Boot], list[str]]:
    """Return the boots of a robot, and the files that are no log that can be read.

    Args:
        directory: of the logs.
        robot: `robot.id`; empty: of all robots.

    Raises:
        OSError: the directory can not be read.
    """
    found: dict[tuple[str, str], Boot] = {}
    unreadable = []
    for path in sorted(directory.iterdir()):
        if not path.name.endswith(SUFFIX):
            continue
        try:
            header = read_header(path)
        except (LogError, OSError) as error:
            unreadable.append(str(error))
            continue
        if robot and header.robot_id != robot:
            continue
        known = found.get((header.robot_id, header.boot_id))
        if known is None or header.segment < known.header.segment:
            found[header.robot_id, header.boot_id] = Boot(header, path)
    return sorted(found.values(), key=lambda boot: (boot.header.started_at, boot.header.boot_id)), unreadable
