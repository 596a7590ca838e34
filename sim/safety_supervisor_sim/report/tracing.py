"""Which scenario and which test plays each row of the table of attacks and proves each requirement.

The marks of tests, the keys `rows` and `requirements` of scenario files, and the tables in `docs/` are the only lists.
`docs/traceability.md` and the report of a campaign are made of them.
"""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

MARKS: Final = ("requirement", "redteam")
ROW: Final = "REDTEAM "


@dataclass
class Tags:
    """What tests say they prove: `SR-024` or `REDTEAM 3` to names such as `test/test_docs.py::test_y`."""

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
                found.append(f"{ROW}{value}")
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
        named = [*(f"{ROW}{row}" for row in value.get("rows", [])), *value.get("requirements", [])]
        for one in named:
            tags.tests[one].append(path.stem)
    return tags


def known(root: Path) -> dict[str, str]:
    """Return id to text of every requirement and every row of the table of attacks."""
    texts = {}
    for file, pattern, form in (
        ("requirements.md", r"^\| (SR-\d{3}) \| (.+?) \|", "{}"),
        ("redteam.md", r"^\| (\d+) \| (.+?) \|", ROW + "{}"),
    ):
        text = (root / "docs" / file).read_text(encoding="utf-8")
        for identifier, what in re.findall(pattern, text, re.MULTILINE):
            texts[form.format(identifier)] = what
    return texts


def claimed(root: Path) -> list[str]:
    """Return the ids that this version claims to prove by tests."""
    lines = (root / "docs" / "claimed.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def unproven(root: Path) -> list[str]:
    """Return the rows of the table of attacks that neither a scenario nor a test names."""
    tests, files = collect(root).tests, scenarios(root).tests
    return [one for one in known(root) if one.startswith(ROW) and one not in tests and one not in files]


def outcomes(junit: Path) -> dict[str, list[str]]:
    """Read what became of tests: `test/test_docs.py::test_y`, without parameters, to `passed`, `failed` or `not run`.

    Args:
        junit: what `pytest --junitxml` wrote.

    Raises:
        OSError: it can not be read.
        xml.etree.ElementTree.ParseError: it is no XML.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for case in ElementTree.parse(junit).iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "not run" if "skipped" in kinds else "passed"
        # JUnit writes `test.test_docs.TestY` for `test/test_docs.py::TestY`.
        parts = case.get("classname", "").split(".")
        file = next((index for index, part in enumerate(parts) if part.startswith("test_")), len(parts) - 1)
        where = "::".join([f"{'/'.join(parts[: file + 1])}.py", *parts[file + 1 :]])
        found[f"{where}::{case.get('name', '').partition('[')[0]}"].append(outcome)
    return found


def counted(found: list[str]) -> str:
    """Return how many of them passed, failed, were not run."""
    return ", ".join(f"{found.count(kind)} {kind}" for kind in ("passed", "failed", "not run") if kind in found)
