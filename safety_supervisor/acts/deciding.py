"""What people are shown before they decide on a command that waits, and the hash of exactly that.

Everybody may publish on a topic, so nothing that comes is believed: the hash is made here, from the text that is shown,
and the supervisor compares it with the one of the command that it holds.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from safety_supervisor.core.interventions.command_text import MOST_NUMBERS
from safety_supervisor.core.interventions.interventions import MOST
from safety_supervisor.core.units import NS_PER_S

_FIELDS: Final = frozenset(
    {"accelerations", "command", "from", "groups", "joints", "positions", "source", "times_ns", "velocities"}
)
LONGEST_TEXT: Final = 32 * MOST_NUMBERS
"""Of a command, in characters: more than the numbers that may wait can take."""
NAME: Final = re.compile("w[1-9][0-9]{0,8}")
"""Of a command that waits."""
_MOST_KNOWN: Final = 4 * MOST


class Shown(NamedTuple):
    """A command that waits, as it can be shown.

    Attributes:
        told: what came with it, by key.
        command: what its text says.
        sha256: of its text, made here.
        epoch: in which it was asked for.
    """

    told: Mapping[str, str]
    command: dict[str, Any]
    sha256: str
    epoch: int


def read(told: Mapping[str, str]) -> Shown | str:
    """Read one that waits; a text says what is wrong with it."""
    text = told.get("command", "")
    if len(text) > LONGEST_TEXT:
        return f"its command has {len(text)} characters, a whole one has at most {LONGEST_TEXT}"
    command = _read_command(text)
    if isinstance(command, str):
        return command
    try:
        epoch = int(told["epoch"])
    except (ValueError, KeyError):
        return "its command can not be read: it names no epoch"
    if told.get("source") != command["source"] or not NAME.fullmatch(told.get("id", "")):
        return "it contradicts its command"
    return Shown(told, command, hashlib.sha256(text.encode("ascii")).hexdigest(), epoch)


@lru_cache(_MOST_KNOWN)
def _read_command(text: str) -> dict[str, Any] | str:
    """Read a command, once: it is shown again and again, and a long one takes some milliseconds."""
    try:
        command = json.loads(text)
        # One command has one text: what reads otherwise than it is written is shown to nobody.
        if json.dumps(command, sort_keys=True, separators=(",", ":"), allow_nan=False) != text:
            return "its command is not in canonical form"
        return command if set(command) == _FIELDS and _is_whole(command) else "its command is not whole"
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return f"its command can not be read: {error}"


def _is_whole(command: dict[str, Any]) -> bool:
    """Whether all that is shown is there, one number each for every joint and time."""
    joints, times = command["joints"], command["times_ns"]
    rows = [*command["positions"], *(command["velocities"] or ()), *(command["accelerations"] or ()), command["from"]]
    counts = {len(command[name]) for name in ("positions", "velocities", "accelerations") if command[name] is not None}
    numbers = [number for row in rows for number in row]
    return (
        bool(times)
        and counts == {len(times)}
        and all(type(time) is int for time in times)
        and all(isinstance(joint, str) for joint in joints)
        and all(len(row) == len(joints) for row in rows)
        and all(type(number) is float for number in numbers)
    )


def words(shown: Shown) -> str:
    """Return what a person sees of a command, in lines of plain text."""
    first, *rest = about(shown)
    return "\n".join((first, *(f"  {line}" for line in rest), numbers(shown, "  ")))


def about(shown: Shown) -> list[str]:
    """Return who asks for what, and why, in lines of plain text."""
    told, command = shown.told, shown.command
    lines = [
        f"{told['id']}: {command['source']} asks for {told.get('approval')}, "
        f"{told.get('remaining_s')} s left, {told.get('people')} to approve, approved by: "
        f"{told.get('approved') or 'nobody'}",
        f"why, in its own words: {told.get('why') or '(nothing)'}",
        f"zones: {zone_words(told)}",
        f"people: {told.get('people_near')}; any point up to {told.get('frame_speed')} m/s",
    ]
    return [_plain(line) for line in lines]


def zone_words(told: Mapping[str, str]) -> str:
    """Return which zones it enters, and what becomes of them."""
    zones = told.get("zones")
    return f"{zones}; a restricted one among them is opened for it, and nothing else" if zones else "none"


def numbers(shown: Shown, indent: str = "") -> str:
    """Return what the command itself says, in lines of plain text."""
    told, command = shown.told, shown.command
    times, start, rows = command["times_ns"], command["from"], command["positions"]
    lines = [
        f"command {command['command']}, groups {' '.join(command['groups'])}",
        f"{'joint':<24}{'from':>10}{'to':>10}{'least':>10}{'most':>10}  [rad] or [m], at the points",
    ]
    for index, joint in enumerate(command["joints"]):
        path = [start[index], *(row[index] for row in rows)]
        values = "".join(f"{value:>10.4f}" for value in (path[0], path[-1], min(path), max(path)))
        lines.append(f"{joint:<24}{values}")
    lines.append(
        f"{times[-1] / NS_PER_S:.2f} s, {len(times)} points, joints up to {_top_speed(command):.3f} rad/s or m/s by "
        f"them; the supervisor found {told.get('joint_speed')}"
    )
    lines.append(f"sha256 {shown.sha256}")
    return "\n".join(_plain(indent + line) for line in lines)


def _top_speed(command: dict[str, Any]) -> float:
    """Top speed of a joint by the points themselves, and by their velocities where they have some, [rad/s] or [m/s]."""
    top = max((abs(speed) for row in command["velocities"] or () for speed in row), default=0.0)
    before, at = command["from"], 0
    for time, row in zip(command["times_ns"], command["positions"], strict=True):
        if time > at:
            top = max(top, max(abs(b - a) for a, b in zip(before, row, strict=True)) * NS_PER_S / (time - at))
        before, at = row, time
    return top


def grant_words(told: Mapping[str, str]) -> str:
    """Return what a person sees of a standing approval."""
    left, by, asked = told.get("remaining_s"), told.get("by"), told.get("asked")
    held = f"held for {left} s, granted by {by}" if left else f"not held, granted by {asked}"
    return _plain(f"{told.get('approval')} {told.get('source')}: {held}, takes {told.get('people')}")


def _plain(text: str) -> str:
    """Return one line of printable ASCII: text of an agent is shown as text (REDTEAM 24)."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)
