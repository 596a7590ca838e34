"""Elements that more than one box of the live page has. Everything from data is the text of a label."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui


def tell(label: Any, text: str) -> None:
    """Show a text; a label without one is not there."""
    label.set_text(text)
    label.set_visibility(bool(text))


def make_title(text: str) -> None:
    """Make the title of a section."""
    ui.label(text).props("role=heading aria-level=2").classes("title")


def make_pair(name: str, text: str = "") -> Any:
    """Make one line of a `dl`; return the label of its text."""
    with ui.element("div"):
        with ui.element("dt"):
            ui.label(name)
        with ui.element("dd"):
            return ui.label(text)


def make_select(name: str, values: tuple[str, ...], chosen: str, choose: Callable[[str], None]) -> None:
    """Make the browser's own list: the space bar is STOP there, too; no value is from outside."""
    with ui.element("label"):
        ui.label(name)
        with ui.element("select").props(f'aria-label="{name}"') as select:
            for value in values:
                with ui.element("option") as option:
                    ui.label(value)
                if value == chosen:
                    option.props("selected")
    select.on("change", lambda event: choose(str(event.args)), js_handler="(e) => emit(e.target.value)")


def detail_of(event: Any) -> Any:
    """Return what a script of the page sent with an event of its own; it may be anything."""
    return event.args.get("detail") if isinstance(event.args, dict) else event.args
