"""Writes HTML elements; every text and every attribute is escaped, whoever it is from.

Names of scenarios, reasons and problems are the words of strangers. Only what `element` made is taken as it is.
"""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Iterable, Sequence
from typing import Final

from safety_supervisor.export.sentences import shown

LONGEST: Final = 600
"""Of a text that came with a run: more is cut."""
VOID: Final = frozenset({"meta", "img", "br"})


class Html(str):
    """HTML that `element` made."""

    __slots__ = ()


Content = str | Html | None


def element(name: str, /, *content: Content, **attributes: str | float | None) -> Html:
    """Return an element.

    Args:
        name: of it.
        content: elements, and texts, which are escaped; None is left out.
        attributes: likewise; `class_` is `class`, `_` is `-`; None is left out.
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(one if isinstance(one, Html) else escaped(one) for one in content if one is not None)
    return Html(f"<{name}{told}>" if name in VOID else f"<{name}{told}>{inside}</{name}>")


def escaped(text: str) -> str:
    """Escape a text; what would not be seen as what it is, controls and direction marks, is written out."""
    return html.escape(visible(text))


def visible(text: str) -> str:
    """Return a text, its lines apart, in which what would not be seen as what it is is written out."""
    # Nearly all texts are plain ASCII, and to look at each character takes longer than all else of a page.
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "\n".join(shown(line) for line in text.split("\n"))


def cut(text: str, longest: int = LONGEST) -> str:
    """Return the beginning of a long text, and how much of it there was."""
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


def joined(parts: Iterable[Content]) -> Html:
    """Return elements and texts one after the other."""
    return Html("".join(one if isinstance(one, Html) else escaped(one) for one in parts if one is not None))


def link(where: str, *content: Content) -> Html:
    """Return a link to another place of this page."""
    return element("a", *content, href=f"#{where}")


def anchor(*parts: str) -> str:
    """Return the same short name for the same parts, whatever is in them: a place of this page."""
    return f"p-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]}"


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[Content] | Html], numbers: Iterable[int] = ()
) -> Html:
    """Return a table with a caption and a head; the first cell of a row is its head.

    Args:
        caption: what it is.
        heads: of columns.
        rows: cells, or rows that are made already.
        numbers: columns whose cells are numbers.
    """
    right = frozenset(numbers)
    made = [row if isinstance(row, Html) else table_row(row, right) for row in rows]
    head = element(
        "tr",
        *(element("th", name, scope="col", class_="number" if at in right else None) for at, name in enumerate(heads)),
    )
    inside = element("table", element("caption", caption), element("thead", head), element("tbody", *made))
    # Wide tables scroll by themselves, by keys too.
    return element("div", inside, class_="wide", tabindex="0", role="region", aria_label=caption)


def table_row(cells: Sequence[Content], right: frozenset[int] = frozenset(), **attributes: str | None) -> Html:
    """Return a row of a table, its first cell being its head."""
    made = [
        element("td" if at else "th", cell, scope=None if at else "row", class_="number" if at in right else None)
        for at, cell in enumerate(cells)
    ]
    return element("tr", *made, **attributes)
