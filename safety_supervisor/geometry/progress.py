"""How far a long work is, on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

Progress = Callable[[str, int], Callable[[], None]]
"""Begins a step: what it does, of how many parts; returns what is called after each part."""


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Show a bar on stderr while the work goes on, of which nothing stays; where that is no terminal, a line a step."""
    console = Console(stderr=True, highlight=False, markup=False)
    columns = (TextColumn("{task.description:22}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:

        def begin(what: str, parts: int) -> Callable[[], None]:
            if not console.is_terminal:
                console.print(f"{what}: {parts} parts")
            task = bar.add_task(what, total=parts)
            return lambda: bar.advance(task)

        yield begin
