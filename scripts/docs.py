"""Write the documents that are generated from the code, or with `--check` say which of them are not current."""

from __future__ import annotations

import ast
import inspect
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from safety_supervisor.config import schema
from safety_supervisor.config.codes import ConfigurationCode
from safety_supervisor.core.errors import Code
from safety_supervisor.core.state_table import render_states

ROOT = Path(__file__).resolve().parents[1]


def cell(text: object) -> str:
    """Text for one cell of a table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def error_codes() -> str:
    """Every stable code with cause and cure."""

    def rows(codes: type[Enum]) -> Iterator[str]:
        for code in codes:
            yield f"| `{code.value}` | {cell(getattr(code, 'cause', ''))} | {cell(getattr(code, 'cure', ''))} |"

    head = ["| code | cause | cure |", "| --- | --- | --- |"]
    return "\n".join(
        [
            "# Error codes",
            "",
            "Generated from `safety_supervisor/core/errors.py` and `safety_supervisor/config/codes.py`. Codes are",
            "stable: a program may rely on them.",
            "",
            "## Commands, states and acts",
            "",
            *head,
            *rows(Code),
            "",
            "## Configuration",
            "",
            *head,
            *rows(ConfigurationCode),
            "",
        ]
    )


def _bounds(field: dict[str, Any]) -> str:
    """The allowed values of one key, from its JSON schema."""
    variants = [variant for variant in field.get("anyOf", [field]) if variant.get("type") != "null"]
    said = []
    for variant in variants:
        variant = {**variant, **{key: field[key] for key in field if key not in ("anyOf", "default")}}
        if "const" in variant:
            said.append(f"`{variant['const']}`")
        elif "enum" in variant:
            said.append(", ".join(f"`{value}`" for value in variant["enum"]))
        low = variant.get("minimum", variant.get("exclusiveMinimum"))
        high = variant.get("maximum")
        if low is not None and high is not None:
            said.append(f"{'above ' if 'exclusiveMinimum' in variant else ''}{low:.12g} to {high:.12g}")
        items = variant.get("items", {})
        if "enum" in items:
            said.append("list of " + ", ".join(f"`{value}`" for value in items["enum"]))
    return "; ".join(said)


def _keys(section: type[schema.Section]) -> Iterator[str]:
    yield from (
        inspect.getdoc(section) or "",
        "",
        "| key | meaning | unit | allowed | default |",
        "| --- | --- | --- | --- | --- |",
    )
    properties = section.model_json_schema()["properties"]
    for name, field in section.model_fields.items():
        extra = field.json_schema_extra
        unit = extra.get("unit", "") if isinstance(extra, dict) else ""
        default = "mandatory" if field.default is PydanticUndefined else f"`{field.default}`"
        yield f"| `{name}` | {cell(field.description)} | {unit} | {cell(_bounds(properties[name]))} | {cell(default)} |"
    yield ""


def configuration() -> str:
    """Every section and key of the configuration file."""
    lines = [
        "# Configuration",
        "",
        "Generated from `safety_supervisor/config/schema.py`. One YAML file a robot, strict: unknown keys are errors,",
        "text is no number, every error is reported at once. SI units; angles in radians. A file is checked by",
        "`safety-supervisor check-config FILE`.",
        "",
    ]
    inner = {"robot": {"joint_states": schema.JointStatesKeys}, "envelope": {"joints": schema.JointKeys}}
    inner |= {"output": {"deadman": schema.DeadmanKeys}}
    for name, section in schema.SECTIONS.items():
        lines += [f"## `{name}`", "", *_keys(section)]
        for key, part in inner.get(name, {}).items():
            lines += [
                f"### `{name}.{key}`, each entry" if key != "deadman" else f"### `{name}.{key}`",
                "",
                *_keys(part),
            ]
    for name, (section, least) in schema.NAMED_SECTIONS.items():
        lines += [f"## `{name}`", "", f"Name to entry; at least {least}. Each entry:", "", *_keys(section)]
    lines += [
        "## Not enforced yet",
        "",
        "No file may claim these keys: " + ", ".join(f"`{key}`" for key in sorted(schema.NOT_ENFORCED)) + ".",
        "",
    ]
    return "\n".join(lines)


def _marks(path: Path) -> Iterator[tuple[str, str]]:
    """Kind and id of each `requirement` and `redteam` mark of a test file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("requirement", "redteam")
        ):
            for argument in node.args:
                if isinstance(argument, ast.Constant):
                    yield node.func.attr, str(argument.value)


def traceability() -> str:
    """Which test files prove which requirement and play which attack."""
    found: dict[str, dict[str, set[str]]] = {"requirement": defaultdict(set), "redteam": defaultdict(set)}
    for path in sorted((ROOT / "test").rglob("test_*.py")):
        for kind, name in _marks(path):
            found[kind][name].add(str(path.relative_to(ROOT)))
    lines = [
        "# Traceability",
        "",
        "Generated from the marks of the tests; an id that is not listed has no test yet.",
        "",
    ]
    for kind, title in (("requirement", "Requirements"), ("redteam", "Attacks")):
        lines += [f"## {title}", "", "| id | tests |", "| --- | --- |"]
        for name in sorted(found[kind], key=lambda name: (len(name), name)):
            lines.append(f"| {name} | {', '.join(f'`{test}`' for test in sorted(found[kind][name]))} |")
        lines.append("")
    return "\n".join(lines)


DOCUMENTS: dict[str, Callable[[], str]] = {
    "docs/configuration.md": configuration,
    "docs/error_codes.md": error_codes,
    "docs/states.md": render_states,
    "docs/traceability.md": traceability,
}


def main(arguments: list[str]) -> int:
    """Write all documents, or compare them; exit status 1 when one is not current."""
    stale = []
    for name, write in DOCUMENTS.items():
        path, text = ROOT / name, write().rstrip("\n") + "\n"
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if "--check" in arguments:
            stale.append(name)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"written: {name}")
    if stale:
        print(f"not current: {', '.join(stale)}; run `make docs`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
