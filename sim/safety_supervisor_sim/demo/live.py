"""What is shown while a run goes on: a live table, or one line an act."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

_COLOURS: Final = {
    "AUTO/MOVING": "green",
    "AUTO/HOLDING": "cyan",
    "STOPPING": "yellow",
    "PROTECTIVE_STOP": "yellow",
    "EMERGENCY_STOP": "bold red",
    "FAULT": "bold red",
}
_UNKNOWN: Final = "-"


class LiveState:
    """What is known now, from the agent's lines."""

    def __init__(self) -> None:
        """Nothing heard yet."""
        self.status: dict[str, str] = {}
        self.verdicts: Counter[str] = Counter()
        self.margins: dict[str, Any] = {}
        self.act = ""
        self.number = 0
        self.of = 0
        self.failed = ""
        self.done = False
        self.finished: list[tuple[str, str, float]] = []

    def take(self, line: dict[str, Any]) -> None:
        """Take one line of the agent's process."""
        if "status" in line:
            self.status = line["status"]
        elif "decision" in line:
            decision = line["decision"]
            key = " ".join(filter(None, (decision.get("verdict", ""), decision.get("code", ""))))
            self.verdicts[key] += int(decision.get("count", "1") or 1)
        elif "margins" in line:
            self.margins = line["margins"]
        elif "act" in line:
            self.act, self.number, self.of = line["act"], line["number"] + 1, line["of"]
        elif "played" in line:
            self.finished.append((line["played"], line["state"], line["seconds"]))
        elif "failed" in line:
            self.failed = line["failed"]
        elif "done" in line:
            self.done = True

    def render(self) -> Group:
        """Return the table."""
        say = self.status.get
        state = say("state", "") or "starting"
        facts = Table.grid(padding=(0, 2))
        facts.add_column(style="dim", no_wrap=True)
        facts.add_column()
        facts.add_row("act", Text(f"{self.number}/{self.of}  {self.act}" if self.of else _UNKNOWN))
        facts.add_row("state", Text(state, style=_COLOURS.get(state, "")))
        facts.add_row("cause", Text(say("cause", "") or _UNKNOWN))
        facts.add_row("next step", Text(say("next_step", "") or _UNKNOWN))
        facts.add_row("cycle p50 / p99", Text(f"{say('cycle_p50_us', _UNKNOWN)} / {say('cycle_p99_us', _UNKNOWN)} us"))
        facts.add_row("missed deadlines", Text(say("missed_deadlines", _UNKNOWN)))
        facts.add_row("to a joint limit", Text(f"{say('distance_to_limit', _UNKNOWN)} rad"))
        facts.add_row("tracking error", Text(f"{say('tracking_error', _UNKNOWN)} of its bound"))
        facts.add_row("oracle, worst margin", Text(worst_text(self.margins)))
        facts.add_row("oracle, limits passed", Text(str(self.margins.get("violations", _UNKNOWN))))
        verdicts = Table("verdict", "n", show_edge=False, pad_edge=False)
        verdicts.columns[1].justify = "right"
        for key, count in sorted(self.verdicts.items()):
            verdicts.add_row(Text(key), str(count))
        return Group(facts, Text(), verdicts)


def worst_text(margins: dict[str, Any]) -> str:
    """Return the smallest margin of each kind of true motion that the oracle names, in one line."""
    worst = margins.get("margins", {})
    kinds = ("position", "velocity", "link_speed", "keep_in", "keep_out")
    parts = [f"{kind} {worst[kind]:+.3f}" for kind in kinds if kind in worst]
    return ", ".join(parts) or _UNKNOWN


class Display:
    """Shows the run: a live table, or lines."""

    def __init__(self, console: Console, live: bool) -> None:
        """Choose; a table needs a terminal."""
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True) if live else None
        self._shown = 0

    def __enter__(self) -> Display:
        """Begin."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End; the table goes away, the summary stays."""
        if self._live is not None:
            self._live.stop()

    def show(self, state: LiveState) -> None:
        """Show what is known now."""
        if self._live is not None:
            self._live.update(state.render(), refresh=True)
            return
        for name, after, seconds in state.finished[self._shown :]:
            self._console.print(Text(f"{name:<34} {after:<16} {seconds:5.1f} s"), soft_wrap=True)
        self._shown = len(state.finished)
