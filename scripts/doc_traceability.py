"""Render the traceability table: requirement or row of the table of attacks, and the tests that name it."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from doc_reference import NOTICE, table

INTRODUCTION = """\
Requirements stand in [requirements.md](requirements.md), attacks in [redteam.md](redteam.md). Tests name what they
prove: `@pytest.mark.requirement("SR-024")`, `@pytest.mark.redteam(3)`. What [claimed.txt](claimed.txt) claims and no
test names fails `make check-docs`. A test named here proves what it asserts, no conformity with the standard that a
requirement is from. Scenarios, `sim/scenarios/*.yaml`, name what they play by `rows` and `requirements`: tests run
all of them, by the core engine or by real nodes ([scenarios.md](scenarios.md)).
"""

MARKS = ("requirement", "redteam")


@dataclass
class Tags:
    """What tests say they prove: `SR-024` or `REDTEAM 3` to names such as `test/test_x.py::test_y`."""

    tests: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    problems: list[str] = field(default_factory=list)


def _ids(nodes: list[ast.expr], where: str, tags: Tags) -> list[str]:
    """Return the ids in marks anywhere below these expressions, in order."""
    found = []
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MARKS):
            continue
        kind = node.func.attr
        for argument in node.args:
            value = argument.value if isinstance(argument, ast.Constant) else None
            if kind == "requirement" and isinstance(value, str) and re.fullmatch(r"SR-\d{3}", value):
                found.append(value)
            elif kind == "redteam" and isinstance(value, int):
                found.append(f"REDTEAM {value}")
            else:
                tags.problems.append(f"{where}: {kind}({ast.unparse(argument)}) names nothing")
    return list(dict.fromkeys(found))


def _tests(body: list[ast.stmt], prefix: str, inherited: list[str], tags: Tags) -> Iterator[tuple[str, list[str]]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            own = [*inherited, *_ids(node.decorator_list, f"{prefix}{node.name}", tags)]
            yield from _tests(node.body, f"{prefix}{node.name}::", own, tags)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            name = f"{prefix}{node.name}"
            yield name, list(dict.fromkeys([*inherited, *_ids(node.decorator_list, name, tags)]))


def collect(root: Path) -> Tags:
    """Read the marks of every test file, without importing it."""
    tags = Tags()
    for path in sorted((root / "test").rglob("test_*.py")):
        name = path.relative_to(root).as_posix()
        module = ast.parse(path.read_text(encoding="utf-8"), name)
        shared = [
            node.value
            for node in module.body
            if isinstance(node, ast.Assign) and any(ast.unparse(target) == "pytestmark" for target in node.targets)
        ]
        for test, ids in _tests(module.body, f"{name}::", _ids(shared, name, tags), tags):
            for one in ids:
                tags.tests[one].append(test)
    return tags


def scenarios(root: Path) -> Tags:
    """Read which rows and requirements each scenario file names."""
    tags = Tags()
    for path in sorted((root / "sim" / "scenarios").glob("*.yaml")):
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        named = [*(f"REDTEAM {row}" for row in value.get("rows", [])), *value.get("requirements", [])]
        for one in named:
            tags.tests[one].append(path.stem)
    return tags


def known(root: Path) -> dict[str, str]:
    """Return id to text of every requirement and every row of the table of attacks."""
    texts = {}
    for file, pattern, form in (
        ("requirements.md", r"^\| (SR-\d{3}) \| (.+?) \|", "{}"),
        ("redteam.md", r"^\| (\d+) \| (.+?) \|", "REDTEAM {}"),
    ):
        text = (root / "docs" / file).read_text(encoding="utf-8")
        for identifier, what in re.findall(pattern, text, re.MULTILINE):
            texts[form.format(identifier)] = what
    return texts


def claimed(root: Path) -> list[str]:
    """Return the ids that this version claims to prove by tests."""
    lines = (root / "docs" / "claimed.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def traceability(root: Path) -> str:
    """Render the table of every requirement and row with its tests."""
    tags, texts, claims, played = collect(root), known(root), set(claimed(root)), scenarios(root)

    def rows(prefix: str) -> Iterator[tuple[str, str, str, str, str]]:
        for identifier, text in texts.items():
            if identifier.startswith(prefix):
                tests = "<br>".join(f"`{test.removeprefix('test/')}`" for test in tags.tests.get(identifier, []))
                files = "<br>".join(f"`{name}`" for name in played.tests.get(identifier, []))
                claim = "yes" if identifier in claims else ""
                yield identifier.removeprefix("REDTEAM "), text, claim, files, tests

    parts = [
        "# Traceability\n",
        NOTICE,
        INTRODUCTION,
        "## Requirements\n",
        table(("id", "requirement", "claimed", "scenarios", "tests"), rows("SR-")),
        "## Attacks and failures\n",
        table(("row", "case", "claimed", "scenarios", "tests"), rows("REDTEAM ")),
    ]
    return "\n".join(parts)


def untraced(root: Path) -> list[str]:
    """Return what is wrong between claims, marks and the tables."""
    tags, texts = collect(root), known(root)
    wrong = list(tags.problems)
    for identifier, tests in sorted(tags.tests.items()):
        if identifier not in texts:
            wrong.append(f"{tests[0]} names {identifier}, which does not exist")
    played = scenarios(root).tests
    for identifier, files in sorted(played.items()):
        if identifier not in texts:
            wrong.append(f"scenario {files[0]} names {identifier}, which does not exist")
    for identifier in claimed(root):
        if identifier not in texts:
            wrong.append(f"docs/claimed.txt claims {identifier}, which does not exist")
        elif identifier not in tags.tests:
            wrong.append(f"{identifier} is claimed and has no test: {texts[identifier]}")
    return wrong


def results(root: Path, junit: Path) -> str:
    """Render, for every claimed id, what became of its tests in a run.

    Args:
        root: the repository.
        junit: what `pytest --junitxml` wrote.
    """
    outcomes: dict[str, list[str]] = defaultdict(list)
    for case in ElementTree.parse(junit).iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "not run" if "skipped" in kinds else "passed"
        name = f"{case.get('classname', '').replace('.', '/')}::{case.get('name', '').partition('[')[0]}"
        outcomes[name].append(outcome)
    tags, lines = collect(root), []
    for identifier in claimed(root):
        found = []
        for test in tags.tests.get(identifier, []):
            # JUnit writes `test.test_x.TestY` for `test/test_x.py::TestY`.
            path, _, name = test.rpartition("::")
            found += outcomes.get(f"{path.replace('.py', '').replace('::', '/')}::{name}", ["not run"])
        counts = ", ".join(f"{found.count(kind)} {kind}" for kind in ("passed", "failed", "not run") if kind in found)
        lines.append(f"{identifier:<11} {counts or 'no test'}")
    return "\n".join(lines)
