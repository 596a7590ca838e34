"""The report as one HTML page: no script, nothing from elsewhere, every text escaped."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from safety_supervisor_sim.report.findings import NOT_CLAIMED, Findings
from safety_supervisor_sim.report.html import Content, Html, element, joined, link, table
from safety_supervisor_sim.report.page_figures import distributions
from safety_supervisor_sim.report.page_runs import SECTION, all_runs, commands, worst_runs
from safety_supervisor_sim.report.page_style import STYLE
from safety_supervisor_sim.report.page_tables import campaigns, checks, compared, proven
from safety_supervisor_sim.report.statistics import percent
from safety_supervisor_sim.report.tracing import ROW
from safety_supervisor_sim.report.worst import Worst

_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")
POLICY: Final = f"default-src 'none'; img-src data:; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'"
MOST_SEEDS: Final = 8


def render(findings: Findings, worst: Sequence[Worst]) -> str:
    """Return the page.

    Args:
        findings: what it says.
        worst: runs that were played again.
    """
    sections = [
        ("campaigns", "Campaigns", campaigns(findings)),
        ("rows", "Attacks and failures", proven(findings, [one for one in findings.proofs if _is_row(one.id)])),
        ("requirements", "Requirements", proven(findings, [one for one in findings.proofs if not _is_row(one.id)])),
        ("margins", "Margins, stops, distances", distributions(findings)),
        ("checks", "Checks turned off", checks(findings) if findings.mutants else None),
        ("compared", "Beside others", compared(findings) if findings.rivals else None),
        ("worst", "The worst runs", worst_runs(findings, worst) if worst else None),
        (SECTION, "All runs", all_runs(findings)),
        ("again", "Versions, seeds, and how to run it again", _again(findings)),
    ]
    kept = [(where, title, body) for where, title, body in sections if body is not None]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", findings.title),
        Html(f"<style>{STYLE}</style>"),
    )
    body = element(
        "main",
        element("header", element("p", findings.title), element("h1", findings.headline)),
        _cards(findings),
        element(
            "nav",
            element("ul", *(element("li", link(where, title)) for where, title, _ in kept)),
            aria_label="Contents",
        ),
        element("h2", "What is not claimed", id="not-claimed"),
        element("ul", *(element("li", one) for one in NOT_CLAIMED)),
        *(element("section", element("h2", title, id=where), body) for where, title, body in kept),
    )
    return f"<!DOCTYPE html>\n{element('html', head, element('body', body), lang='en')}\n"


def _is_row(identifier: str) -> bool:
    return identifier.startswith(ROW)


def _cards(findings: Findings) -> Html:
    cards = []
    for one in findings.robots:
        good = "good" if one.ok else "bad"
        said = f"{one.violated} of {one.runs:,} runs with violations"
        words = (
            f"rate below {percent(one.bound)} with 95 % confidence; {one.good:,} runs as expected; "
            f"{one.false_stops} of {one.good_motions:,} good motions stopped or refused"
        )
        cards.append(_card(f"robot {one.robot or 'unknown'}", good, said, words))
    nothing = [one for one in findings.proofs if _is_row(one.id)]
    if findings.tables.texts:
        lacking = [one.id.removeprefix(ROW) for one in nothing if not one.scenarios and not one.tests]
        played = sum(bool(one.runs) for one in nothing)
        said = f"{len(nothing) - len(lacking)} of {len(nothing)} rows have a scenario or a named test"
        words = f"{played} of them were played here" + (f"; without either: {', '.join(lacking)}" if lacking else "")
        cards.append(_card("attacks and failures", "bad" if lacking else "good", said, words))
    if findings.mutants:
        caught = sum(one.caught for one in findings.mutants)
        whole = len(findings.mutants)
        share = f"{100 * caught / whole:.0f} %" if caught in (0, whole) else f"{min(99, round(100 * caught / whole))} %"
        kind = "good" if caught == whole else "bad"
        cards.append(_card("checks turned off", kind, f"{caught} of {whole} caught, {share}", "one at a time"))
    return element("div", *cards, class_="cards")


def _card(title: str, kind: str, verdict: str, words: str) -> Html:
    return element(
        "section",
        element("h3", title),
        element("p", verdict, class_="verdict"),
        element("p", words, class_="soft"),
        class_=f"card {kind}",
    )


def _again(findings: Findings) -> Html:
    versions: dict[str, Counter[str]] = defaultdict(Counter)
    seeds: dict[str, set[int]] = defaultdict(set)
    for run in findings.runs:
        seeds[run.campaign].add(run.seed)
        for name, value in run.told_versions.items():
            versions[name][value] += 1
    told = table(
        "Versions that the runs were played by; configuration_sha256 is of what the supervisor was held to.",
        ("what", "value", "runs"),
        [
            (name, element("code", value or "unknown"), str(count))
            for name, values in sorted(versions.items())
            for value, count in values.most_common()
        ],
        numbers=(2,),
    )
    drawn = table(
        "Seeds of the runs.",
        ("campaign", "seeds"),
        [(name, _seeds(found)) for name, found in sorted(seeds.items())],
    )
    files = table(
        "Tables that this report was made of.",
        ("file", "runs", "planned", "SHA-256"),
        [
            (str(one.path), str(one.runs), str(one.plan.get("cases", "")), element("code", one.sha256))
            for one in findings.sources
        ],
        numbers=(1, 2),
    )
    return joined([*_commands(findings), files, told, drawn])


def _seeds(found: set[int]) -> str:
    some = sorted(found)
    if len(some) <= MOST_SEEDS:
        return ", ".join(map(str, some))
    return f"{len(some)} seeds from {some[0]} to {some[-1]}"


def _commands(findings: Findings) -> Iterator[Content]:
    for source in findings.sources:
        names, drawn = source.plan.get("campaigns"), source.plan.get("seeds")
        if isinstance(names, list) and isinstance(drawn, list):
            told = ", ".join(f"{name} (seed {seed})" for name, seed in zip(names, drawn, strict=False))
            yield element("p", f"Campaigns of {source.path}: {told}. All of it, again, by their files:")
            yield element(
                "pre", f"safety-supervisor sim campaign {shlex.join(f'{name}.yaml' for name in names)} --out again"
            )
    yield element("p", "One run, by its id and seed; every effect has the same hash on the same kind of machine:")
    yield element("pre", commands(next(iter(findings.runs))))
    yield element("p", "This report:")
    yield element("pre", f"safety-supervisor sim report {shlex.join(str(one.path) for one in findings.sources)}")
