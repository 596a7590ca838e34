"""What was heard until now, frozen: the panel's pages never touch the threads that hear."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from safety_supervisor.core.units import NS_PER_S, Nanoseconds

Values = Mapping[str, str]
NOTHING: Values = MappingProxyType({})
NOWHERE: Final[Mapping[str, float]] = MappingProxyType({})
Points = tuple[tuple[float, float, float], ...]
STATUS_LIMIT: Final[Nanoseconds] = NS_PER_S
"""The status comes at 10 Hz; older than this it is stale, and the supervisor silent, [ns]."""


class Snapshot(NamedTuple):
    """What was heard of the supervisor.

    Attributes:
        robot: id that the status names.
        message: its summary.
        status: values of the newest status; empty before the first.
        status_at: when it was received, steady clock, [ns]; None before the first.
        waiting: values of each that waits for people or is granted.
        waiting_at: when that list was received; None before the first.
        tellers: how many nodes publish the status.
        stop_hearers: how many hear `~/stop_requests`.
        token_hearers: how many hear `~/operator_requests`.
        ended: what was said last of each that waited, by its id.
    """

    robot: str = ""
    message: str = ""
    status: Values = NOTHING
    status_at: Nanoseconds | None = None
    waiting: tuple[Values, ...] = ()
    waiting_at: Nanoseconds | None = None
    tellers: int = 0
    stop_hearers: int = 0
    token_hearers: int = 0
    ended: Values = NOTHING


class Whereabouts(NamedTuple):
    """Where robot and people are, as far as that is known now.

    Attributes:
        measured: by joint, [rad] or [m]; without those that were not told lately.
        commanded: likewise.
        people: points of their bodies, [m], base frame; None: not known.
    """

    measured: Mapping[str, float] = NOWHERE
    commanded: Mapping[str, float] = NOWHERE
    people: Points | None = None
