"""One HTML page that tells a person of an incident: no scripts, nothing from elsewhere, every text escaped."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from safety_supervisor.core.effects import Decision, Status
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.evidence.lines import Line
from safety_supervisor.export.incident_plots import Plot
from safety_supervisor.export.page_style import STYLE
from safety_supervisor.export.sentences import (
    cause_of,
    cure_of,
    headline,
    is_grave,
    numbers_of,
    shown,
    state_after,
    what_happened,
)
from safety_supervisor.export.window import Act, Window

MOST_ROWS: Final = 400
"""Of the timeline; `lines.jsonl` has all."""
POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
NOT_ESTABLISHED: Final = (
    "That the robot did what was commanded: measured positions are what its own driver said.",
    "That nobody was near: people are known only as far as a sensor told of them.",
    "That the time of day is right: it is that of the machine that ran the supervisor.",
    "That the robot's rated safety functions worked: this supervisor is not safety-rated and replaces none of them.",
)


@dataclass(frozen=True)
class Verdict:
    """One of the cards at the top: whether something holds.

    Attributes:
        title: of what.
        kind: `good`, `bad` or `warn`.
        verdict: in a few words.
        words: what has to be known beside them.
    """

    title: str
    kind: str
    verdict: str
    words: str


def text(value: object) -> str:
    """Escape for HTML what came from outside."""
    return html.escape(shown(str(value)))


def render(window: Window, verdicts: Sequence[Verdict], plots: Sequence[Plot], files: Sequence[tuple[str, str]]) -> str:
    """Return the page.

    Args:
        window: what it tells of.
        verdicts: replay, chain of the log, completeness.
        plots: in their order.
        files: names and meanings of what lies beside the page.
    """
    header = window.log.header
    title = f"Incident of robot {header.robot_id}: {headline(window)}"
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{text(title)}</title><style>{STYLE}</style></head><body><main>",
        f"<header><p>Incident &middot; robot {text(header.robot_id)} &middot; boot {text(header.boot_id)}</p>",
        f"<h1>{text(headline(window))}</h1></header>",
        f'<p class="lead">{text(what_happened(window))}</p>',
        _cards(verdicts),
        "<h2>What was decided</h2>",
        _facts(_decided(window)),
        *(_figure(plot) for plot in plots),
        "<h2>Timeline</h2>",
        _timeline(window),
        "<h2>What people asked for</h2>",
        _acts(window),
        "<h2>Versions and hashes</h2>",
        _facts(_versions(window)),
        _files_of_log(window),
        "<h2>In this folder</h2>",
        _facts((f"<code>{text(name)}</code>", text(words)) for name, words in files),
        "<h2>What this does not establish</h2>",
        "<ul>" + "".join(f"<li>{text(sentence)}</li>" for sentence in NOT_ESTABLISHED) + "</ul>",
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _cards(verdicts: Sequence[Verdict]) -> str:
    cards = (
        f'<section class="card {one.kind}"><h3>{text(one.title)}</h3><p class="verdict">{text(one.verdict)}</p>'
        f'<p class="soft">{text(one.words)}</p></section>'
        for one in verdicts
    )
    return f'<div class="cards">{"".join(cards)}</div>'


def _facts(rows: Iterable[tuple[str, str]]) -> str:
    """Return names and values, both HTML already."""
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows if value) + "</dl>"


def _decided(window: Window) -> list[tuple[str, str]]:
    key = window.key
    rows = [("when", f"{text(window.clock.say(window.centre))}, {window.clock.since(window.centre):.3f} s after the "
                     f"first event of the log (time of day from {text(window.clock.source)})")]  # fmt: skip
    if key is None:
        return rows
    effect = key.effect
    code = effect.cause if isinstance(effect, Status) else effect.code
    rows += [("cause", text(cause_of(code))), ("what to do", text(cure_of(code)))]
    if isinstance(effect, Status):
        rows += [("next step then", text(effect.next_step)), ("source", text(effect.source))]
        rows += [("causes that held", text(", ".join(effect.active_causes)))]
    else:
        rows += [
            ("rule", f"<code>{text(effect.rule)}</code>" if effect.rule else ""),
            ("joint or link", text(effect.joint)),
            ("value", text(numbers_of(effect, window))),
            ("detail", text(effect.detail)),
            ("source, command", text(", ".join(filter(None, (effect.source, effect.command))))),
            ("model, stage", text(", ".join(filter(None, (effect.model, effect.stage))))),
            ("waited for people as", text(effect.intervention)),
            ("tool", text(effect.tool)),
        ]
    rows.append(("state at the end", text(state_after(window))))
    rows.append(("line of the log", str(key.number)))
    return rows


def _figure(plot: Plot) -> str:
    image = f'<img alt="{text(plot.words)}" src="{_data(plot.light)}">'
    if plot.dark:
        dark = f'<source media="screen and (prefers-color-scheme: dark)" srcset="{_data(plot.dark)}">'
        image = f"<picture>{dark}{image}</picture>"
    kind = "" if plot.dark else ' class="white"'
    heading = f"<h2>{text(plot.title)}</h2>"
    return f"{heading}<figure{kind}>{image}<figcaption>{text(plot.words)}</figcaption></figure>"


def _data(image: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(image).decode()


def _timeline(window: Window) -> str:
    lines = window.lines
    note = ""
    if len(lines) > MOST_ROWS:
        lines = _nearest(window)
        note = (
            f'<p class="soft">{len(window.lines)} lines; the {MOST_ROWS} that tell of stops and refusals, or are '
            "nearest to it, are shown. lines.jsonl has all.</p>"
        )
    head = "".join(
        f"<th{' class=number' if name in ('line', 't [s]', 'n') else ''}>{name}</th>"
        for name in ("line", "t [s]", "what", "code", "source", "joint or link", "value, limit", "n", "detail")
    )
    rows = "".join(_row(line, window) for line in lines)
    if not rows:
        return '<p class="soft">Nothing was decided in this time, and no state changed.</p>'
    return f'{note}<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _nearest(window: Window) -> list[Line]:
    centre = window.centre - window.clock.begun
    ranked = sorted(window.lines, key=lambda line: (not is_grave(line), abs(line.since - centre)))
    return sorted(ranked[:MOST_ROWS], key=lambda line: line.number)


def _row(line: Line, window: Window) -> str:
    effect = line.effect
    if isinstance(effect, Status):
        cells = ("state", effect.state, effect.cause, effect.source, "", "", "", effect.next_step)
    else:
        pair = f"{effect.value:.5g}, {effect.limit:.5g}" if effect.value or effect.limit else ""
        count = str(effect.count) if effect.count > 1 else ""
        cells = (effect.verdict, effect.verdict, effect.code, effect.source, effect.joint, pair, count, effect.detail)
    kind, what, code, source, joint, pair, count, detail = map(text, cells)
    mark = ' class="key"' if window.key is not None and line.number == window.key.number else ""
    return (
        f'<tr{mark}><td class="number">{line.number}</td><td class="number">{line.since / NS_PER_S:.3f}</td>'
        f'<td class="{kind}">{what}</td><td class="code">{code}</td><td>{source}</td><td>{joint}</td>'
        f'<td class="number">{pair}</td><td class="number">{count}</td><td>{detail}</td></tr>\n'
    )


def _acts(window: Window) -> str:
    if not window.acts and not window.acts_before:
        return '<p class="soft">Nobody asked for anything up to the end of this time.</p>'
    head = "".join(f"<th>{name}</th>" for name in ("when", "act", "who", "signed", "outcome", "reason"))
    rows = "".join(_act_row(act, window, before) for before, acts in ((True, window.acts_before), (False, window.acts))
                   for act in acts)  # fmt: skip
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _act_row(act: Act, window: Window, before: bool) -> str:
    when = f"{window.clock.since(act.at):.3f} s" + (", before the time shown" if before else "")
    signed = "verified" if act.signed else "no signature"
    cells = (when, act.what, act.who, signed, act.outcome, act.why)
    return "<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in cells) + "</tr>\n"


def _versions(window: Window) -> list[tuple[str, str]]:
    header = window.log.header
    rows = [
        ("boot started", text(header.started_at)),
        ("configuration, SHA-256", f'<span class="hash">{text(header.configuration_sha256)}</span>'),
        ("signed by", text(header.signed_by) or "nobody: a simulation, or an older version"),
    ]
    rows += [(text(name), f"<code>{text(version)}</code>") for name, version in sorted(header.versions.items())]
    if header.removed_boots:
        rows.append(("older logs removed at this start", text(", ".join(header.removed_boots))))
    return rows


def _files_of_log(window: Window) -> str:
    rows = "".join(
        f'<tr><td><code>{text(one.name)}</code></td><td class="number">{one.size}</td>'
        f'<td class="hash">{one.sha256}</td></tr>'
        for one in window.files
    )
    head = '<tr><th>file of the log</th><th class="number">bytes</th><th>SHA-256 when it was exported</th></tr>'
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'


def decision_of(window: Window) -> Decision | None:
    """Return the decision that the page is about; None where it is a state."""
    return window.key.effect if window.key is not None and isinstance(window.key.effect, Decision) else None
