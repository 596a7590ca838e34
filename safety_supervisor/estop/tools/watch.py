"""A real line watched live: state, frames, errors, times; and the loop that tools share to talk to a line."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, Protocol

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from safety_supervisor.core.estop_settings import EstopLine
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.estop.port import Closed, Opened, Port, Received

_CYCLE_S: Final = 0.004
_DRAW_EVERY: Final[Nanoseconds] = NS_PER_S // 5
_TOLD: Final = 8


class Watch(Protocol):
    """What is known of a line; see `LineWatch` and `DriverWatch`."""

    link: str
    why: str
    counts: Counter[str]

    def opened(self, at: Nanoseconds, seed: int) -> None:
        """The port is open."""

    def closed(self, at: Nanoseconds, why: str) -> None:
        """The port is gone."""

    def receive(self, data: bytes, at: Nanoseconds) -> None:
        """Take bytes."""

    def contacts(self, dsr: bool, cts: bool, at: Nanoseconds) -> None:
        """Take the modem's lines."""

    def cycle(self, at: Nanoseconds) -> bytes:
        """Return what to send now."""

    def events(self) -> list[dict[str, Any]]:
        """Return what happened since the last call."""

    def plain(self) -> dict[str, Any]:
        """Return all that is known."""


class NoLineError(Exception):
    """The port could not be opened at the start; the text has cause and cure."""


class Line:
    """A port and what is known of its line, moved on by `step`."""

    def __init__(self, line: EstopLine, watch: Watch, contacts: bool = False, sees_age: bool = True) -> None:
        """Name the port.

        Args:
            line: port and speed.
            watch: what takes the bytes and says what to send.
            contacts: whether the modem's lines are read.
            sees_age: whether the driver knows an old frame from a new one.
        """
        self.watch: Watch = watch
        self.port = Port(line.port, line.baud, contacts, sees_age)

    def open(self) -> None:
        """Open the port.

        Raises:
            NoLineError: it can not be opened.
        """
        self.port.start()
        while self.watch.link == "closed":
            self.step()
            if self.watch.link == "closed" and self.watch.counts["closed"]:
                self.close()
                raise NoLineError(self.watch.why)

    def step(self) -> None:
        """Take what came, send what is due, rest for 4 ms."""
        for event in self.port.take():
            if isinstance(event, Opened):
                self.watch.opened(event.at, event.seed)
            elif isinstance(event, Closed):
                self.watch.counts["closed"] += 1
                self.watch.closed(event.at, event.why)
            elif isinstance(event, Received):
                self.watch.receive(event.data, event.at)
            else:
                self.watch.contacts(event.dsr, event.cts, event.at)
        self.port.send(self.watch.cycle(time.monotonic_ns()))
        time.sleep(_CYCLE_S)

    def close(self) -> None:
        """Give the port back."""
        self.port.close()


def watch_line(tool: Line, seconds: float | None, as_json: bool, console: Console) -> bool:
    """Watch until the time is over or Ctrl-C.

    Returns:
        Whether the device was heard.

    Raises:
        NoLineError: the port can not be opened.
    """
    started = time.monotonic_ns()
    tool.open()
    ends = None if seconds is None else time.monotonic_ns() + round(seconds * 1e9)
    try:
        if as_json:
            _run(tool, ends, _json_lines())
            typer.echo(json.dumps({"summary": tool.watch.plain(), "port": dict(tool.port.statistics)}))
        elif console.is_terminal:
            with Live(console=console, auto_refresh=False) as live:
                _run(tool, ends, _draw(tool, live, started))
        else:
            _run(tool, ends, _plain_lines(console, started))
            console.print(_picture(tool, [], started))
    finally:
        tool.close()
    return tool.watch.counts["sessions"] > 0


Show = Callable[[list[dict[str, Any]], Nanoseconds], Any]


def _run(tool: Line, ends: Nanoseconds | None, show: Show) -> None:
    try:
        while ends is None or time.monotonic_ns() < ends:
            tool.step()
            show(tool.watch.events(), time.monotonic_ns())
    except KeyboardInterrupt:
        pass


def _json_lines() -> Show:
    def show(events: list[dict[str, Any]], _now: Nanoseconds) -> None:
        for event in events:
            typer.echo(json.dumps(event))

    return show


def _plain_lines(console: Console, started: Nanoseconds) -> Show:
    def show(events: list[dict[str, Any]], _now: Nanoseconds) -> None:
        for event in events:
            console.print(_line(event, started), soft_wrap=True)

    return show


def _draw(tool: Line, live: Live, started: Nanoseconds) -> Show:
    told: list[dict[str, Any]] = []
    drawn = [0]

    def show(events: list[dict[str, Any]], now: Nanoseconds) -> None:
        told.extend(events)
        del told[:-_TOLD]
        if now - drawn[0] >= _DRAW_EVERY:
            drawn[0] = now
            live.update(_picture(tool, told, started), refresh=True)

    return show


def _line(event: dict[str, Any], started: Nanoseconds) -> Text:
    return Text(f"{(event['at'] - started) / 1e9:9.3f} s  {event['event']:<10} {event['detail']}")


def _picture(tool: Line, told: list[dict[str, Any]], started: Nanoseconds) -> Group:
    known = tool.watch.plain()
    port = tool.port.statistics
    head = Table.grid(padding=(0, 2))
    head.add_row("port", Text(tool.port.name))
    latency = {1: "on", 0: "not offered by the driver; a USB adapter may hold bytes for 16 ms"}.get(
        port["low_latency"], "unknown"
    )
    head.add_row("low latency", latency)
    good = known["link"] in ("session", "open")
    head.add_row("link", Text(f"{known['link']} {known['why']}", style="green" if good else "red"))
    for name, value in (known["device"] or {}).items():
        bad = value in ("stop", "failed", "panicked") or value.startswith("fault")
        head.add_row(name.replace("_", " "), Text(str(value), style="red" if bad else ""))
    counts = Table("frames and errors", "count", box=None, pad_edge=False)
    counts.columns[1].justify = "right"
    for name, count in known["counts"].items():
        counts.add_row(Text(name), str(count))
    counts.add_row("not sent: the device takes none", str(port["unsent"]))
    parts: list[Any] = [head, counts]
    for name, title in (("interval", "between STATUS [ms]"), ("round_trip", "round trip by echo [ms]")):
        histogram = known[name]
        if histogram["ms"]:
            classes = "  ".join(f"{bound}: {count}" for bound, count in histogram["ms"].items())
            parts.append(Text(f"{title}  {classes}  longest {histogram['longest_ms']}"))
    parts += [_line(event, started) for event in told]
    return Group(*parts)
