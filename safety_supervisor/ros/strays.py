"""Finds who publishes for a source that is none: a name with a slip of the pen is heard by nobody.

Whatever lies under `~/sources/NAME/` is meant for us. A publisher there whose NAME the configuration does not have
would speak for ever and be refused never, so that he is told, once when he comes, and in the status while he is there.
Nothing stops for it: it is no input.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from rclpy.lifecycle import LifecycleNode

from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import CommandUnreadable
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.ros.quality import Sink
from safety_supervisor.ros.text import escape

EVERY: Final[Nanoseconds] = NS_PER_S
"""The graph is asked for all its topics no more often than this, [ns]."""
SHOWN: Final = 3
"""Names that are told at once; who makes up more is counted."""
KEY: Final = "sources"


def nearest(name: str, sources: Iterable[str]) -> str:
    """Return the source that a wrong name may have meant, empty where none is near."""
    return next(iter(difflib.get_close_matches(name, list(sources), n=1)), "")


class StraySources:
    """Looks for publishers under `~/sources/` whose source is not configured.

    Args:
        node: whose graph is looked at, and below whose name sources speak.
        sink: where events go.
        sources: names that the configuration has.
        misfits: what the status tells for people, while it lasts.
    """

    def __init__(self, node: LifecycleNode, sink: Sink, sources: Iterable[str], misfits: dict[str, str]) -> None:
        """Nobody was found yet."""
        self._node = node
        self._sink = sink
        self._sources = tuple(sorted(sources))
        self._misfits = misfits
        self._prefix = node.resolve_topic_name("~/sources") + "/"
        self._known: Mapping[str, str] = {}
        self._next: Nanoseconds = 0

    def look(self, now: Nanoseconds) -> None:
        """Look at all topics when it is time, and tell of wrong names that are new."""
        if now < self._next:
            return
        self._next = now + EVERY
        found = self._find()
        new, self._known = [name for name in found if name not in self._known], found
        for name in new[:SHOWN]:
            text = self._text(name, found[name])
            self._node.get_logger().warning(text)
            told = CommandUnreadable(time.monotonic_ns(), escape(name), Code.UNKNOWN_SOURCE.value, 0.0, 0.0, text)
            self._sink.enter(told)
        if found:
            rest = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            self._misfits[KEY] = "; ".join(self._text(name, found[name]) for name in list(found)[:SHOWN]) + rest
        else:
            self._misfits.pop(KEY, None)

    def _find(self) -> Mapping[str, str]:
        """Return each wrong name and the first of its topics that somebody publishes on."""
        found: dict[str, str] = {}
        topics: list[tuple[str, Any]] = self._node.get_topic_names_and_types()
        for topic, _ in sorted(topics):
            name = topic.removeprefix(self._prefix).partition("/")[0]
            wrong = topic.startswith(self._prefix) and name not in self._sources
            if wrong and name not in found and self._node.count_publishers(topic):
                found[name] = topic
        return found

    def _text(self, name: str, topic: str) -> str:
        meant = nearest(name, self._sources)
        cure = f"{self._prefix}{meant}/ is meant?" if meant else "none is near"
        return (
            f"{escape(topic)} is published on and heard by nobody: no source {escape(name)} is configured; {cure} "
            f"Configured: {', '.join(self._sources)}"
        )
