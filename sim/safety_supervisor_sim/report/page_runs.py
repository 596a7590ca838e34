"""Runs of the report: the worst ones in pictures, those that are not good in detail, all others in short rows."""

from __future__ import annotations

import json
import re
import shlex
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from safety_supervisor_sim.report.findings import Findings
from safety_supervisor_sim.report.html import Content, Html, anchor, cut, element, joined, link, table, table_row
from safety_supervisor_sim.report.page_tables import marked, run_link
from safety_supervisor_sim.report.runs import SUPERVISOR, Run
from safety_supervisor_sim.report.worst import Worst

SECTION: Final = "runs"
MOST_DETAILS: Final = 40
"""Runs that are not good and are told with their scenario."""
MOST_TEXT: Final = 12_000
"""Of a scenario's text, characters."""
MOST_ROWS: Final = 4_000
"""Rows of good runs; of more a reader has the table."""


def worst_runs(findings: Findings, worst: Sequence[Worst]) -> Html:
    """Return the worst runs with pictures of them."""
    note = (
        "The runs of the supervisor that came nearest to a limit of the oracle, the worst first, each played again for "
        "these pictures. Curves are of the joints that came nearest, dashed lines are the limits."
    )
    return joined([element("p", note, class_="soft"), *(_worst(at, one) for at, one in enumerate(worst, 1))])


def _worst(rank: int, one: Worst) -> Html:
    run = one.run
    words = (
        f"{rank}. {run.scenario}, robot {run.robot}, seed {run.seed}: robustness {run.robustness:.3g}, "
        f"{'as expected' if run.ok else 'NOT as expected'}"
    )
    figures = [element("figure", plot) for plot in one.plots]
    if one.film:
        film = element("img", src=one.film, alt=f"The robot in run {run.id}, by PyBullet's software renderer")
        figures.append(element("figure", film, element("figcaption", "the simulated robot")))
    key = [part for at, joint in enumerate(one.joints) for part in (_stroke(at), f" {joint}  ")]
    return element(
        "article",
        element("h3", words),
        element("p", "run ", run_link(run), f", campaign {run.campaign}, parameters {cut(run.parameters)}"),
        element("p", cut(run.why), class_="not") if not run.ok else None,
        element("p", one.problem, class_="not") if one.problem else None,
        element("div", *figures, class_="plots") if figures else None,
        element("p", *key, class_="soft") if key else None,
        id=f"worst-{run.id}",
    )


def _stroke(at: int) -> Html:
    """Return a piece of a curve's line, for the key."""
    line = element("line", x1=0, x2=18, y1=5, y2=5, class_=f"curve c{at}")
    return element("svg", line, width=18, height=10, aria_hidden="true")


def all_runs(findings: Findings) -> Html:
    """Return all runs by scenario; those that are not good open and in detail."""
    groups: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in findings.runs:
        groups[run.campaign, run.scenario].append(run)
    bad = [run for run in findings.judged if not run.ok]
    details = [_detail(run) for run in bad[:MOST_DETAILS]]
    left = len(bad) - len(details)
    parts: list[Content] = [
        element("h3", f"{len(bad)} runs of the supervisor are not good", id="not-good") if bad else None,
        *details,
        element("p", f"and {left} more, in the tables below") if left > 0 else None,
    ]
    room = MOST_ROWS
    for (campaign, scenario), runs in sorted(groups.items()):
        section, room = _group(campaign, scenario, runs, room)
        parts.append(section)
    return joined(parts)


def commands(run: Run) -> str:
    """Return the commands that play one run again."""
    show = shlex.join(["safety-supervisor", "sim", "campaign", "--out", str(run.table.parent), "--show", run.id])
    return f"{show} > again.yaml\nsafety-supervisor sim run --engine core --seed {run.seed} again.yaml"


def _detail(run: Run) -> Html:
    told = element(
        "ul",
        element("li", f"ended: {run.ended}", f", {cut(run.problem)}" if run.problem else None),
        *(element("li", f"violation: {cut(one)}") for one in run.violated[:10]),
        *(element("li", cut(one)) for one in run.reasons[:10]),
        *(element("li", f"act not as expected: {cut(one)}") for one in run.not_as_expected[:10]),
        element("li", f"left out: {cut(', '.join(run.left_out))}") if run.left_out else None,
        element("li", f"parameters {cut(run.parameters)}, seed {run.seed}"),
    )
    return element(
        "article",
        element("h3", f"{run.scenario}, robot {run.robot or 'unknown'}: {run.ended}, not good"),
        element("p", "run ", run_link(run), f", campaign {run.campaign}"),
        told,
        element("p", "To play it again:"),
        element("pre", commands(run)),
        element("details", element("summary", "its scenario"), element("pre", cut(_indented(run.text), MOST_TEXT))),
    )


def _indented(text: str) -> str:
    """Return a scenario's JSON so that a person can read it."""
    try:
        value: Any = json.loads(text)
    except ValueError:
        return text
    return re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found[0].split()), json.dumps(value, indent=1))


def _group(campaign: str, scenario: str, runs: Sequence[Run], room: int) -> tuple[Html, int]:
    """Return the runs of one scenario, and how many rows of good runs there is room for behind it."""
    bad = sum(not run.ok for run in runs if run.judged)
    shown = [run for run in runs if not run.ok or run.robustness < 0.0]
    shown_ids = {run.id for run in shown}
    others = [run for run in runs if run.id not in shown_ids]
    kept, left = others[:room], max(0, len(others) - room)
    heads = ("run", "seed", "parameters", "verdict", "violations", "least robustness", "why, or what was heard")
    caption = f"Runs of {scenario} in campaign {campaign}" + (f"; {left} good ones are left out" if left else "")
    told = table(caption, heads, [_row(run) for run in (*shown, *kept)], numbers=(1, 4, 5))
    label = f"{scenario} ({campaign}): {len(runs):,} runs, {bad} not good"
    summary = element("summary", marked(not bad, label))
    first = element("p", link(SECTION, "all scenarios"))
    section = element("details", summary, first, told, id=anchor(campaign, scenario))
    return section, room - len(kept)


def _row(run: Run) -> Html:
    who = "" if run.subject == SUPERVISOR else f"{run.subject}: "
    who += f"without {run.disabled}: " if run.disabled else ""
    said = "as expected" if run.ok else "not as expected" if run.done else run.ended
    heard = ", ".join(f"{name} {count}" for name, count in sorted(run.verdicts.items()))
    parameters = "" if run.parameters == "{}" else cut(run.parameters, 300)
    return table_row(
        (
            element("code", run.id),
            str(run.seed),
            parameters,
            joined([who, marked(run.ok, said)]),
            str(run.violations),
            f"{run.robustness:.3g}" if run.done else "",
            cut(run.why, 300) if not run.ok else cut(heard, 160),
        ),
        frozenset((1, 4, 5)),
        id=f"run-{run.id}",
        class_="not" if run.judged and not run.ok else None,
    )
