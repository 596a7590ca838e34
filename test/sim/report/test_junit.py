"""JUnit XML: what CI shows of runs, and that strangers' words break no XML."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from report_rows import BAD, HUNG, UNEXPECTED, row, runs_of
from strangers import EVERYTHING, HIDDEN, strange

from safety_supervisor_sim.report.findings import Findings
from safety_supervisor_sim.report.junit import junit, legal
from safety_supervisor_sim.report.proof import Tables

# The schema that Jenkins and GitLab read: https://github.com/jenkinsci/xunit-plugin, junit-10.xsd.
ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors", "skipped"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testcase": {"name", "classname", "time"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"message"},
}
INSIDE = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase"},
    "testcase": {"failure", "error", "skipped"},
    "failure": set(),
    "error": set(),
    "skipped": set(),
}


def made(folder: Path, rows: list[dict[str, Any]], title: str = "a title") -> ElementTree.Element:
    runs, sources = runs_of(folder, rows)
    text = junit(Findings(title, runs, sources, Tables()))
    root = ElementTree.fromstring(text.encode())
    for element in root.iter():
        assert set(element.attrib) <= ATTRIBUTES[element.tag]
        assert {child.tag for child in element} <= INSIDE[element.tag]
    for suite in root:
        for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"), ("tests", None)):
            cases = suite.findall("testcase" if tag is None else f"testcase/{tag}")
            assert suite.get(kind) == str(len(cases))
    for kind in ("failures", "errors", "skipped", "tests"):
        assert root.get(kind) == str(sum(int(suite.get(kind, "")) for suite in root))
    return root


def test_a_case_a_run_and_what_is_not_known_is_an_error(tmp_path: Path) -> None:
    rows = [row(1), row(2, **BAD), row(3, **UNEXPECTED), row(4, **HUNG), row(5, subject="clamp", **BAD)]
    rows += [row(6, subject="clamp", **HUNG), row(1, disabled="caught", **BAD), row(1, disabled="survives")]
    root = made(tmp_path, [*rows, row(1, disabled="hangs", **HUNG), row(7, scenario="other")])
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["one.other", "one.rt29_thin_zone", "checks turned off"]
    became = [
        [(child.tag, child.get("type"), child.get("message")) for child in case]
        for case in suites["one.rt29_thin_zone"]
    ]
    assert became == [
        [],
        [("failure", "violation", "velocity panda_joint1 -0.01 in go; the oracle saw 1 limits passed: velocity "
          "panda_joint1")],
        [("failure", "not as expected", "go: state READY, not FAULT")],
        [("error", "hung", "hung: no end after 60 s")],
        [("skipped", None, "measured, not judged: 1 violations, 0 false stops")],
        [("error", "hung", "hung: no end after 60 s")],
    ]  # fmt: skip
    checks = {case.get("name"): [child.tag for child in case] for case in suites["checks turned off"]}
    assert checks == {"caught": [], "hangs": ["error"], "survives": ["failure"]}


def test_words_of_strangers_are_text(tmp_path: Path) -> None:
    root = made(tmp_path, [row(1, **strange()), row(2, **strange(ended="died"))], title=EVERYTHING)
    (suite,) = root
    assert "<script>window.broken = 1</script>" in suite.attrib["name"]
    assert root.get("failures") == "1"
    assert root.get("errors") == "1"


def test_what_xml_can_not_hold_is_written_out() -> None:
    said = legal(HIDDEN)
    assert said.startswith("\\u202edeugirt\\u202c \\u200b\\u2066zero")
    assert "\\u0000\\u0007\\u001b[31m\\ud800 \\ufffe \\u007f\\u0085" in said
    ElementTree.fromstring(f"<a>{said}</a>")
    assert legal("x" * 5000) == "x" * 2000 + "… (5000 characters)"
