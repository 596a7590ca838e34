"""Tables of the report: campaigns, requirements and rows, checks turned off, rivals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from safety_supervisor_sim.report.figures import Tally
from safety_supervisor_sim.report.findings import Findings
from safety_supervisor_sim.report.html import Content, Html, anchor, element, joined, link, table, table_row
from safety_supervisor_sim.report.proof import Proof, Standing
from safety_supervisor_sim.report.runs import DONE, Run
from safety_supervisor_sim.report.statistics import percent, upper_bound
from safety_supervisor_sim.report.tracing import ROW

MOST_LINKS: Final = 12
GOOD: Final = (Standing.GOOD, Standing.PASSED, Standing.TESTS, Standing.SCENARIO)
STYLES: Final = {Standing.GOOD: "ok", Standing.PASSED: "ok", Standing.TESTS: "soft", Standing.SCENARIO: "soft"}
"""What was not run here is not coloured as good."""


def marked(good: bool, said: str) -> Html:
    """Return a verdict in words, coloured besides."""
    return element("span", said, class_="ok" if good else "not")


def run_link(run: Run) -> Html:
    """Return a link to a run's row."""
    return link(f"run-{run.id}", element("code", run.id))


def links(runs: Sequence[Run]) -> Html:
    """Return links to some of the runs, and how many there are besides."""
    shown = [part for run in runs[:MOST_LINKS] for part in (run_link(run), " ")]
    more = len(runs) - MOST_LINKS
    return joined([*shown, f"and {more} more" if more > 0 else None])


def campaigns(findings: Findings) -> Html:
    """Return counts with their bounds, a row a campaign and robot."""
    heads = (
        "campaign", "robot", "runs", "as expected", "not as expected", "not done", "with violations", "rate below",
        "good motions stopped or refused", "95 % interval", "task time, median", "least robustness",
        "simulated, a core",
    )  # fmt: skip
    rows = [_tally(one) for one in findings.campaigns]
    if not rows:
        return element("p", "No run of the supervisor with all its checks on.")
    told = table(
        "Runs of the supervisor with all checks on. The rate of runs with violations is below the bound with 95 % "
        "confidence; it counts runs that were not done as violated. Robustness: the least margin as a share of its "
        "limit's scale; below 0 a limit was passed. The last column: simulated seconds, and how many of them a core "
        "plays in one.",
        heads,
        rows,
        numbers=range(2, len(heads)),
    )
    cost = (
        ""
        if findings.rivals
        else (
            " What the supervisor costs in time is told by a comparison: the same draws with others before the motors."
        )
    )
    note = (
        "False stops: good motions that were stopped or refused, each motion counted; motions of one run are not "
        f"independent of one another, so take the interval as a hint.{cost}"
    )
    return joined([told, element("p", note, class_="soft")])


def _tally(one: Tally) -> Html:
    interval = one.false_interval
    lost = ", ".join(f"{count} {name}" for name, count in one.ended.items() if count and name != DONE)
    cells: list[Content] = [
        one.campaign,
        one.robot or "unknown",
        f"{one.runs:,}",
        marked(one.ok, f"{one.good:,}"),
        marked(not one.unexpected, str(one.unexpected)),
        marked(not lost, lost or "0"),
        marked(not one.violated, str(one.violated)),
        percent(one.bound),
        joined([marked(not one.false_stops, str(one.false_stops)), f" of {one.good_motions:,}"]),
        "" if interval is None else f"{percent(interval[0])} to {percent(interval[1])}",
        "" if one.task_time is None else f"{one.task_time:.2f} s",
        "" if one.least_robustness is None else f"{one.least_robustness:.3g}",
        f"{one.simulated:,.0f} s, {one.simulated / one.processor:.1f} x" if one.processor else "",
    ]
    return table_row(cells, frozenset(range(2, len(cells))), class_=None if one.ok else "not")


def proven(findings: Findings, proofs: Sequence[Proof]) -> Html:
    """Return what is known of each requirement or row."""
    if not findings.tables.texts:
        note = (
            "The tables of requirements and attacks, and the tests that name them, were not found: only what runs name "
            "is shown. Run this from the repository, or give it with --repository."
        )
        return joined([element("p", note, class_="not"), _proofs(findings, proofs)])
    return _proofs(findings, proofs)


def _proofs(findings: Findings, proofs: Sequence[Proof]) -> Html:
    outcomes = findings.tables.outcomes is not None
    caption = (
        f"{len(proofs)} entries. Runs are those of this report, the rate of runs that are not good is below the bound "
        "with 95 % confidence; a named test proves what it asserts."
        + ("" if outcomes else " What became of the tests was not given (--tests, what pytest --junitxml wrote).")
    )
    heads = ["id", "what", "verdict", "runs", "not good", "rate below", "scenarios", "tests"]
    rows = [_proof(one, outcomes) for one in proofs]
    return table(caption, [*heads, *(["outcomes"] if outcomes else [])], rows, numbers=(3, 5))


def _proof(one: Proof, outcomes: bool) -> Html:
    good, bad = one.standing in GOOD, len(one.bad)
    said = element("span", one.standing.value, class_=STYLES.get(one.standing, "not"))
    cells: list[Content] = [
        one.id.removeprefix(ROW),
        joined([one.title, element("span", " (claimed)", class_="soft") if one.claimed else None]),
        said,
        f"{len(one.runs):,}",
        links(one.bad),
        percent(upper_bound(bad, len(one.runs))) if one.runs else "",
        joined(_scenario(name, one) for name in one.scenarios),
        _tests(one.tests),
        *([one.outcomes or "no test"] if outcomes else []),
    ]
    where = anchor(one.id)
    return table_row(cells, frozenset((3, 5)), id=where, class_=None if good else "not")


def _scenario(name: str, one: Proof) -> Html:
    campaigns_of = sorted({run.campaign for run in one.runs if run.scenario == name})
    shown = [element("div", link(anchor(campaign, name), name)) for campaign in campaigns_of]
    return joined(shown) if shown else element("div", name, " (not played)", class_="soft")


def _tests(tests: Sequence[str]) -> Html | str:
    if not tests:
        return ""
    names = element("ul", *(element("li", element("code", test.removeprefix("test/"))) for test in tests))
    return element("details", element("summary", "1 test" if len(tests) == 1 else f"{len(tests)} tests"), names)


def checks(findings: Findings) -> Html:
    """Return which checks that were off the campaigns caught."""
    known = {run.id: run for run in findings.runs}
    rows = [
        table_row(
            (
                one.check,
                marked(one.caught, "caught" if one.caught else "NOT CAUGHT"),
                str(one.runs),
                str(one.done),
                str(len(one.by)),
                str(one.alone),
                links([known[identifier] for identifier in one.by]),
            ),
            frozenset(range(2, 6)),
            class_=None if one.caught else "not",
        )
        for one in findings.mutants
    ]
    caption = (
        "The supervisor with a check turned off. It is caught by a run that was played to its end and is not good, "
        "while the same draw with all checks on, where it was played, is good."
    )
    heads = ("check", "verdict", "runs", "done", "caught by", "of them without the same draw", "runs that caught it")
    return table(caption, heads, rows, numbers=range(2, 6))


def compared(findings: Findings) -> Html:
    """Return what others than the supervisor did in the same draws."""
    first = findings.rivals[0].task_time
    rows = []
    for one in findings.rivals:
        share = "" if not first or one.task_time is None else f"{100 * one.task_time / first:.1f} %"
        rows.append(
            (
                one.subject,
                f"{one.runs:,}",
                marked(one.done == one.runs, f"{one.done:,}"),
                f"{one.paired:,}",
                marked(not one.violated, f"{one.violated:,}"),
                percent(one.bound),
                f"{one.good_motions:,}",
                marked(not one.false_stops, f"{one.false_stops:,}"),
                "" if one.task_time is None else f"{one.task_time:,.1f} s",
                share,
            )
        )
    caption = (
        f"Who stood before the motors, in the {findings.rivals[0].paired:,} draws that all of them played to the end: "
        f"the same scenario, parameters and seed. Task time is of good motions; {findings.rivals[0].subject} is 100 %."
    )
    heads = (
        "subject", "runs", "done", "paired", "with violations", "rate below (95 %)", "good motions", "false stops",
        "task time", "share",
    )  # fmt: skip
    return table(caption, heads, rows, numbers=range(1, len(heads)))
