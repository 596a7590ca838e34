"""JUnit XML beside the report: what CI shows.

A suite is a scenario of a campaign, a case a run. A run that was not played to its end is an error, one that violates
or is not as expected a failure. Checks that were off are a suite of their own, a case each; runs of rivals are skipped
cases: they are measured, not judged.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from safety_supervisor_sim.report.figures import Mutant
from safety_supervisor_sim.report.findings import Findings
from safety_supervisor_sim.report.html import cut, visible
from safety_supervisor_sim.report.runs import Run

LONGEST: Final = 2000
KINDS: Final = ("failure", "error", "skipped")


def junit(findings: Findings) -> str:
    """Return the document."""
    root = ElementTree.Element("testsuites", name=legal(findings.title))
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in findings.runs:
        if not run.disabled:
            groups[f"{run.campaign}.{run.scenario}"].append(run)
    for name, runs in sorted(groups.items()):
        suite = ElementTree.SubElement(root, "testsuite", name=legal(name))
        for run in runs:
            _run(suite, name, run)
    if findings.mutants:
        suite = ElementTree.SubElement(root, "testsuite", name="checks turned off")
        for mutant in findings.mutants:
            _mutant(suite, mutant)
    for suite in root:
        _count(suite)
    _count(root, lambda kind: sum(int(suite.get(kind, "0")) for suite in root))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def legal(text: str, longest: int = LONGEST) -> str:
    """Return a text in which what XML 1.0 can not hold, or would not be seen as what it is, is written out."""
    return visible(cut(text, longest))


def _run(suite: ElementTree.Element, where: str, run: Run) -> None:
    subject = "" if run.judged else f" {run.subject}"
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=legal(where),
        name=legal(f"{run.id} seed {run.seed}{subject} {run.parameters}"),
        time=f"{run.processor:.3f}",
    )
    if not run.done:
        _because(case, "error", run.ended, run.why)
    elif not run.judged:
        _because(
            case, "skipped", "", f"measured, not judged: {run.violations} violations, {run.false_stops} false stops"
        )
    elif not run.ok:
        _because(case, "failure", "violation" if run.violations else "not as expected", run.why)


def _mutant(suite: ElementTree.Element, mutant: Mutant) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", classname="checks turned off", name=legal(mutant.check), time="0.000"
    )
    if not mutant.done:
        _because(case, "error", "not played", f"none of {mutant.runs} runs with it off was played to its end")
    elif not mutant.caught:
        _because(case, "failure", "not caught", f"{mutant.done} runs with it off are as good as with it on")


def _because(case: ElementTree.Element, kind: str, sort: str, why: str) -> None:
    child = ElementTree.SubElement(case, kind, message=legal(why.split("\n")[0], 300))
    if kind != "skipped":
        child.set("type", legal(sort))
        child.text = legal(why)


def _count(element: ElementTree.Element, of: Callable[[str], int] | None = None) -> None:
    """Write down how many cases there are, and of which kind."""
    counts = {"tests": len(element.findall("testcase"))}
    counts |= {f"{kind}s" if kind != "skipped" else kind: len(element.findall(f"testcase/{kind}")) for kind in KINDS}
    for name, count in counts.items():
        element.set(name, str(of(name) if of else count))
    times = [float(case.get("time", "0")) for case in element.iter("testcase")]
    element.set("time", f"{sum(times):.3f}")
