"""The guided test of the e-stop device at the begin of a shift: a person presses, the line must tell it in time.

Relays stay open all the while: CHECKIN carries the demand STOP. Nothing here lifts a latch of the supervisor.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from safety_supervisor.core.estop_settings import EstopLine
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.estop.signature import canonical
from safety_supervisor.estop.times import DISCREPANCY, RESET_LONGEST, RESET_SHORTEST
from safety_supervisor.estop.tools.line_watch import LineWatch, Seen
from safety_supervisor.estop.tools.watch import Line

VERSION: Final = 1
LARGEST_RECORD: Final = 1 << 20
_RESET: Final = "reset"
_SESSION_WITHIN_S: Final = 3.0
_DEVICE_TEST_WITHIN_S: Final = 2.0

Say = Callable[[str, str], None]
"""Takes the step's name and what the person is to do, or what came of it."""


@dataclass(frozen=True)
class Step:
    """One thing to do."""

    name: str
    ask: str
    reached: Callable[[Seen], bool]


class GuidedLine(Line):
    """A line of frames with the sign of life that demands STOP."""

    def __init__(self, line: EstopLine) -> None:
        """Name the port."""
        self.frames = LineWatch(line, checkin=True)
        super().__init__(line, self.frames)


def _run(word: Seen) -> bool:
    return word.channel_a == word.channel_b == "run"


def _stopped(word: Seen) -> bool:
    return word.channel_a == word.channel_b == "stop"


def steps(buttons: int, each_channel: bool, left_out: frozenset[str]) -> list[Step]:
    """Return what is asked for, in order.

    Args:
        buttons: e-stop buttons in the chain; each is pressed.
        each_channel: whether each channel is opened alone, at a terminal of the wiring.
        left_out: of `enabling`, `key`, `reset`: what the device does not have.
    """
    found = [Step("run", "release every e-stop button", _run)]
    for number in range(1, buttons + 1):
        which = f" {number} of {buttons}" if buttons > 1 else ""
        found.append(Step(f"press {number}", f"press e-stop button{which}", _stopped))
        found.append(Step(f"release {number}", f"release e-stop button{which}", _run))
    if each_channel:
        for channel, other in (("a", "b"), ("b", "a")):
            found.append(
                Step(f"channel {channel}", f"open channel {channel.upper()} alone, at its terminal",
                     lambda word, c=channel, o=other: (  # type: ignore[misc]
                         getattr(word, f"channel_{c}") == "stop" and getattr(word, f"channel_{o}") == "run"))
            )  # fmt: skip
            found.append(Step(f"channel {channel} closed", f"close channel {channel.upper()} again", _run))
            found.append(Step(f"press after {channel}", "press an e-stop button: the discrepancy ends", _stopped))
            found.append(Step(f"release after {channel}", "release it", _run))
    if "enabling" not in left_out:
        found += [
            Step("enabling middle", "hold the enabling switch in the middle", lambda word: word.enabling == "middle"),
            Step("enabling panicked", "press it through", lambda word: word.enabling == "panicked"),
            Step("enabling released", "let it go", lambda word: word.enabling == "released"),
        ]
    if "key" not in left_out:
        found += [
            Step("key manual", "turn the mode key to manual", lambda word: word.key == "manual"),
            Step("key auto", "turn the mode key to auto", lambda word: word.key == "auto"),
        ]
    if "reset" not in left_out:
        found.append(
            Step(_RESET, "press the reset button for about half a second, then let it go", lambda _word: False)
        )
    return found


def guide(tool: GuidedLine, todo: list[Step], within: float, say: Say) -> list[dict[str, Any]]:
    """Lead a person through the steps on an open line; end at the first one that fails.

    Args:
        tool: the line, opened.
        todo: from `steps`.
        within: time for each step, [s].
        say: tells the person.

    Returns:
        Each step's name, whether it was reached, the time that it took [s], and why not.
    """
    done = [_wait(tool, "session", lambda: tool.frames.link == "session", _SESSION_WITHIN_S)]
    if not done[0]["ok"]:
        done[0]["why"] = f"no device answers: {tool.frames.why if tool.frames.link == 'closed' else _hint(tool)}"
        return done
    done.append(_device_test(tool, say))
    for step in todo:
        if not done[-1]["ok"]:
            return done
        say(step.name, step.ask)
        done.append(_press_reset(tool, within) if step.name == _RESET else _reach(tool, step, within))
    return done


def _press_reset(tool: GuidedLine, within: float) -> dict[str, Any]:
    """Wait until the reset button was pressed and let go; how long it was held is measured on the line."""
    before = len(tool.frames.resets_held)
    result = _wait(tool, _RESET, lambda: len(tool.frames.resets_held) > before, within)
    if result["ok"]:
        held = tool.frames.resets_held[-1]
        if not RESET_SHORTEST <= held <= RESET_LONGEST:
            result.update(ok=False, why=f"held for {held / NS_PER_S:.2f} s; 0.1 to 3 s count")
    return result


def _device_test(tool: GuidedLine, say: Say) -> dict[str, Any]:
    """Have the device test itself: it must run, end, and say good."""
    say("device", "wait: the device tests itself")
    seen_running = [False]

    def ended() -> bool:
        word = tool.frames.word
        if word is not None and word.self_test == "running":
            seen_running[0] = True
        return seen_running[0] and word is not None and word.self_test != "running"

    tool.frames.self_test()
    result = _wait(tool, "device", ended, _DEVICE_TEST_WITHIN_S)
    word = tool.frames.word
    if result["ok"] and word is not None and word.self_test == "failed":
        result.update(ok=False, why="the device's self-test failed: do not use it")
    return result


def _reach(tool: GuidedLine, step: Step, within: float) -> dict[str, Any]:
    """Wait for a step; the two channels may differ for 100 ms only, unless the step wants that."""
    apart = [0, 0]  # since, longest

    def reached() -> bool:
        word, now = tool.frames.word, time.monotonic_ns()
        if word is None:
            return False
        if word.channel_a == word.channel_b or "channel" in step.name or "after" in step.name:
            apart[0] = 0
        else:
            apart[0] = apart[0] or now
            apart[1] = max(apart[1], now - apart[0])
        return step.reached(word)

    result = _wait(tool, step.name, reached, within)
    if apart[1] > DISCREPANCY:
        result.update(ok=False, why="the channels disagreed for more than 100 ms: a contact is worn or welded")
    return result


def _wait(tool: GuidedLine, name: str, reached: Callable[[], bool], within: float) -> dict[str, Any]:
    begun = time.monotonic_ns()
    lost = tool.frames.counts["sessions"]
    while True:
        tool.step()
        took = round((time.monotonic_ns() - begun) / NS_PER_S, 3)
        if tool.frames.fault:
            return {"step": name, "ok": False, "seconds": took, "why": tool.frames.fault}
        if lost and tool.frames.link != "session":
            return {"step": name, "ok": False, "seconds": took, "why": f"the line was lost: {tool.frames.link}"}
        if reached():
            return {"step": name, "ok": True, "seconds": took, "why": ""}
        if took > within:
            return {"step": name, "ok": False, "seconds": took, "why": f"not seen within {within:g} s"}


def _hint(tool: GuidedLine) -> str:
    refused = [name for name in tool.frames.counts if name.startswith("refused")]
    return ", ".join(refused) if refused else "nothing came that is a frame"


def record(line: EstopLine, robot_id: str, done: list[dict[str, Any]], left_out: frozenset[str]) -> dict[str, Any]:
    """Return the record of a test: what, when, with which device, and what came of it."""
    return {
        "version": VERSION,
        "at": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "robot": robot_id,
        "device": canonical(line),
        "port": line.port,
        "left_out": sorted(left_out),
        "passed": all(step["ok"] for step in done),
        "steps": done,
    }


def _stem(robot_id: str) -> str:
    return quote(robot_id, safe="").replace(".", "%2E")


def write_record(directory: Path, found: dict[str, Any]) -> Path:
    """Write a record: whole or not at all, readable by its owner alone.

    Raises:
        OSError: the directory takes no file.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp = found["at"][:23].translate({ord(sign): None for sign in ":-."})
    path = directory / f"{_stem(found['robot'])}.estop-test.{stamp}Z.json"
    new = path.with_name(f".{path.name}.{os.getpid()}")
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            json.dump(found, stream, indent=2)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    return path


def last_record(directory: Path, robot_id: str) -> dict[str, Any] | None:
    """Return the newest sound record of this robot, with `age` in [s]; None when there is none."""
    for path in sorted(directory.glob(f"{_stem(robot_id)}.estop-test.*.json"), reverse=True):
        try:
            found = json.loads(_read(path))
            at = datetime.fromisoformat(found["at"])
            age = (datetime.now(timezone.utc) - at).total_seconds()
            sound = (found["version"], found["robot"]) == (VERSION, robot_id) and type(found["passed"]) is bool
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if sound and age >= 0:
            return {**found, "age": age, "file": str(path)}
    return None


def _read(path: Path) -> bytes:
    """Return what is in a regular file of bounded size; whatever else has that name is not waited for.

    Raises:
        OSError: there is none, or it may not be read.
        ValueError: it is no such file.
    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST_RECORD:
            raise ValueError(f"{path}: no regular file of at most {LARGEST_RECORD} bytes")
        return os.read(file, LARGEST_RECORD)
    finally:
        os.close(file)
