"""The page: whole in itself, no script, every text of a stranger escaped, every link leading somewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from report_rows import BAD, HUNG, row, runs_of
from strangers import EVERYTHING, strange

from safety_supervisor_sim.report.findings import Findings
from safety_supervisor_sim.report.html import element, escaped, table
from safety_supervisor_sim.report.page import POLICY, render
from safety_supervisor_sim.report.proof import Tables
from safety_supervisor_sim.report.worst import choose

KNOWN = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "p", "h1", "h2", "h3", "nav", "ul", "li", "a",
    "section", "article", "div", "span", "table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary",
    "pre", "code", "figure", "figcaption", "img", "svg", "rect", "line", "text", "polyline",
}  # fmt: skip


class Reader(HTMLParser):
    """Reads a page, and complains of what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(folder: Path, rows: list[dict[str, Any]], tables: Tables | None = None, title: str = "a title") -> Reader:
    runs, sources = runs_of(folder, rows)
    said = Tables(texts={"REDTEAM 29": "thin zone", "REDTEAM 30": "races", "SR-026": "a stop"})
    return Reader(render(Findings(title, runs, sources, tables or said), []))


def sound(read: Reader) -> None:
    """Nothing is loaded or run, and links lead to places of the page."""
    assert {tag for tag, _ in read.tags} <= KNOWN
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"] for attributes in read.of("a")} <= {f"#{one}" for one in ids}
    for _, attributes in read.tags:
        assert not any(name.startswith("on") or name in ("style", "srcdoc", "formaction") for name in attributes)
        assert attributes.get("src", "data:").startswith("data:")
    (policy,) = [one["content"] for one in read.of("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy == POLICY


def test_it_tells_what_there_is_and_is_whole_in_itself(tmp_path: Path) -> None:
    rows = [
        row(1),
        row(2, rows=[31], **BAD),
        row(3, rows=[], **HUNG),
        row(1, subject="clamp"),
        row(1, disabled="velocity", **BAD),
    ]
    read = page(tmp_path, rows)
    sound(read)
    for said in ("NOT GOOD", "1 hung", "What is not claimed", "runs good", "NOTHING PROVES IT", "Checks turned off",
                 "Beside others", "clamp", "--show", "time to stop after a fault", "configuration_sha256"):  # fmt: skip
        assert said in read.text
    assert all(attributes.get("scope") in ("col", "row") for attributes in read.of("th"))
    assert len(read.of("caption")) == len(read.of("table"))
    assert read.text.count("margin of velocity") == 2  # the picture's title, and the words below it


def test_the_policy_lets_the_page_s_own_style_alone_pass(tmp_path: Path) -> None:
    runs, sources = runs_of(tmp_path, [row(1)])
    text = render(Findings("a title", runs, sources, Tables()), [])
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in POLICY
    assert POLICY.startswith("default-src 'none'")


def test_words_of_strangers_are_text(tmp_path: Path) -> None:
    tables = Tables(texts={"REDTEAM 29": EVERYTHING}, tests={"REDTEAM 29": [EVERYTHING]}, played={"SR-1": [EVERYTHING]})
    parameters = '{"' + "x" * 50 + '</script><script>window.broken = 6</script>": 1}'
    rows = [
        row(1, **strange(parameters=parameters)),
        row(2, **strange(ended="died")),
        row(3, **strange(subject=EVERYTHING)),
        row(3, **strange(disabled=EVERYTHING)),
    ]
    read = page(tmp_path, rows, tables, EVERYTHING)
    sound(read)
    assert "<script>window.broken = 1</script>" in read.text
    assert "\u202e" not in read.text
    assert "\\u202edeugirt" in read.text


def test_element_escapes_all_but_elements() -> None:
    made = element("p", "<b>", element("b", "&"), None, title="\"<'", class_="a", data=None)
    assert made == '<p title="&quot;&lt;&#x27;" class="a">&lt;b&gt;<b>&amp;</b></p>'
    assert "<i>" not in table("<i>", ["<i>"], [["<i>", "<i>"]], numbers=[1])
    assert escaped("a\nb\u202e\t") == "a\nb\\u202e\\u0009"


def test_without_a_repository_it_says_that_rows_are_not_known(tmp_path: Path) -> None:
    read = page(tmp_path, [row(1)], Tables(texts={}))
    sound(read)
    assert "were not found: only what runs name is shown" in read.text


def test_numbers_that_are_not_finite_or_all_the_same_are_drawn_or_named(tmp_path: Path) -> None:
    margins = [("velocity", -1e12), ("position", float("inf")), ("jerk", 0.0), ("keep_in", 1.0)]
    read = page(tmp_path, [row(1, margins=margins), row(2, margins=margins)])
    sound(read)
    assert "2 of them are beyond any scale, and not drawn" in read.text


def test_two_thousand_runs_are_below_five_megabytes(tmp_path: Path) -> None:
    parameters = str({f"poses.pick[{at}]": 0.123456 for at in range(7)}).replace("'", '"')
    rows = [
        row(seed, scenario=f"s{seed % 50}", parameters=parameters, **(BAD if seed % 20 == 0 else {}))
        for seed in range(2000)
    ]
    runs, sources = runs_of(tmp_path, rows)
    text = render(Findings("a title", runs, sources, Tables()), [])
    # Pictures of the worst runs are bounded on their own: 10 x 150 kB, as base64.
    assert len(text.encode()) < 1_600_000


def test_the_worst_are_those_of_the_supervisor_that_were_judged(tmp_path: Path) -> None:
    rows = [row(seed, robustness=0.1 * seed) for seed in range(1, 15)]
    rows += [row(20, **BAD), row(21, **HUNG), row(22, subject="clamp", **BAD), row(23, disabled="velocity", **BAD)]
    runs, _ = runs_of(tmp_path, rows)
    assert [run.seed for run in choose(runs)] == [20, *range(1, 10)]


@pytest.mark.parametrize("value", ["<", '"', "'", "&", ">"])
def test_no_attribute_ends_early(value: str) -> None:
    ((_, attributes),) = Reader(element("p", title=value + "x")).tags
    assert attributes == {"title": value + "x"}
