"""Rules of the house that no linter knows: the core's purity, sizes, versions, declared dependencies, lock files."""

from __future__ import annotations

import ast
import re
import sys
import xml.etree.ElementTree as ElementTree
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "safety_supervisor"
SIMULATION = ROOT / "sim" / "safety_supervisor_sim"
SOURCES = sorted(path for top in (SHIPPED, SIMULATION, ROOT / "examples", ROOT / "test") for path in top.rglob("*.py"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

# What can tell the time, throw dice, wait, or reach the world outside.
# fmt: off
IMPURE_MODULES = {
    "_thread", "asyncio", "concurrent", "contextvars", "ctypes", "datetime", "fcntl", "gc", "getpass", "glob",
    "importlib", "io", "locale", "logging", "mmap", "multiprocessing", "os", "pathlib", "pickle", "platform",
    "posix", "queue", "random", "resource", "sched", "secrets", "select", "selectors", "shutil", "signal", "socket",
    "socketserver", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "timeit", "traceback",
    "tracemalloc", "urllib", "uuid", "warnings", "weakref", "pydantic", "rclpy", "rich", "typer", "yaml",
}
# fmt: on
IMPURE_CALLS = {"__import__", "breakpoint", "compile", "eval", "exec", "id", "input", "open", "print"}
# numpy and msgspec are welcome; their doors to files and chance are not.
IMPURE_ATTRIBUTES = re.compile(r"(np|numpy)\.(random|load|save|savez|fromfile|memmap|genfromtxt|loadtxt|savetxt)\b")


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(path: Path) -> set[str]:
    """Top-level names of all that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sorted((SHIPPED / "core").rglob("*.py")), ids=relative)
def test_core_is_pure(path: Path) -> None:
    assert imported(path) & IMPURE_MODULES == set()
    calls = {
        node.func.id for node in ast.walk(tree(path)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert calls & IMPURE_CALLS == set()
    attributes = [ast.unparse(node) for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)]
    assert [name for name in attributes if IMPURE_ATTRIBUTES.match(name)] == []


@pytest.mark.parametrize(
    "source",
    ["import time", "def f():\n    from os import urandom", "x = open('f')", "import numpy as np\nnp.random.rand()"],
)
def test_the_judge_of_purity_sees_each_kind_of_impurity(source: str, tmp_path: Path) -> None:
    path = tmp_path / "core.py"
    path.write_text(source, encoding="utf-8")
    with pytest.raises(AssertionError):
        test_core_is_pure(path)


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_files_are_short_and_finished(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tests = path.is_relative_to(ROOT / "test")
    assert len(text.splitlines()) <= (800 if tests else 400), "so many lines ask for a split"
    unfinished = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b|/(home|root|Users)/\w")
    assert [line for line in text.splitlines() if unfinished.search(line)] == []


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_parts_that_are_told_of_are_where_they_are_said_to_be(path: Path) -> None:
    """Dotted names of the core, and paths, in comments and docstrings."""
    text = path.read_text(encoding="utf-8")
    modules = re.findall(r"`(core(?:\.\w+)+)`", text)
    assert [name for name in modules if not leads_somewhere(name)] == []
    tops = (SHIPPED, SIMULATION, ROOT, ROOT / "test")
    files = re.findall(r"[\s`(](\w[\w/]*/\w+\.py)\b", text)
    assert [name for name in files if not any((top / name).exists() for top in tops)] == []


def leads_somewhere(name: str) -> bool:
    """Whether a dotted name is that of a room or file of the package, or of what the file defines."""
    path, *inside = SHIPPED, *name.split(".")
    while inside and (path / inside[0]).is_dir():
        path /= inside.pop(0)
    if inside and (path / f"{inside[0]}.py").exists():
        text = (path / f"{inside.pop(0)}.py").read_text(encoding="utf-8")
        return all(re.search(rf"^ *(class |def )?{one}\b", text, re.MULTILINE) for one in inside)
    return not inside


def test_one_version_everywhere() -> None:
    declared = ElementTree.parse(ROOT / "package.xml").findtext("version")
    setup = re.search(r'version="([\d.]+)"', (ROOT / "setup.py").read_text(encoding="utf-8"))
    newest = re.search(r"^(\d+\.\d+\.\d+)\b", (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8"), re.MULTILINE)
    assert setup is not None
    assert newest is not None
    assert declared == setup[1] == newest[1]


def test_package_xml_names_every_ros_package_that_is_imported() -> None:
    declared = {
        element.text
        for kind in ("exec_depend", "test_depend")
        for element in ElementTree.parse(ROOT / "package.xml").iter(kind)
    }
    files = [*SHIPPED.rglob("*.py"), *SIMULATION.rglob("*.py"), *(ROOT / "launch").glob("*.py"), *SOURCES]
    used = set().union(*(imported(path) for path in files))
    ros = {
        name
        for name in used
        if re.fullmatch(r".*_(msgs|srvs|interfaces)|rclpy|launch|launch_\w+|ament_index_python", name)
    }
    assert "rclpy" in ros
    assert ros - declared == set()


def test_setup_names_every_package_that_is_imported() -> None:
    """A package that only another package brings along would vanish with it."""
    no_wheel = {"control_msgs"}  # comes with a ROS 2; without it no action is offered
    beside = {"pink", "daqp"}  # only compared with, from bench/requirements-compare.txt; without them it is said how
    provided_by = {
        "yaml": "pyyaml",
        "PIL": "pillow",
        "argon2": "argon2-cffi",
        "rfc3161_client": "rfc3161-client",
        "cel": "common-expression-language",
        "serial": "pyserial",
        "pinocchio": "pin",
        "mpl_toolkits": "matplotlib",
        "opentelemetry": "opentelemetry-api",
        "prometheus_client": "prometheus-client",
    }
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    declared = {
        re.split(r"[\[=<>]", name)[0] for name in re.findall(r'f?"([A-Za-z][\w.\[\]=<>{}-]+)(?:;[^"]*)?"', setup)
    }
    own = {"safety_supervisor", "safety_supervisor_sim", *sys.stdlib_module_names}
    for path in [*SHIPPED.rglob("*.py"), *SIMULATION.rglob("*.py")]:
        for name in imported(path) - own - no_wheel - beside:
            candidates = {provided_by.get(name, name), f"ros-{name.replace('_', '-')}"}
            assert candidates & declared, f"{relative(path)} imports {name}"


@pytest.mark.parametrize("path", LOCKS, ids=relative)
def test_lock_files_hold_versions_and_hashes_and_nothing_of_one_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)
    for entry in filter(None, entries):
        assert re.match(r"[a-z0-9-]+(\[[a-z,]+\])?==[\w.+]+ ", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
    assert re.search(r"://|--index|--find-links|--extra|(^|\s)/", text) is None


def test_there_is_one_lock_file_for_each_supported_python() -> None:
    assert [path.name for path in LOCKS] == ["py310.txt", "py311.txt", "py312.txt", "py313.txt", "uv.txt"]


@pytest.mark.parametrize("group", ["console_scripts", "safety_supervisor.commands"])
def test_every_entry_point_leads_somewhere(group: str) -> None:
    mine = [point for point in entry_points(group=group) if point.value.startswith("safety_supervisor")]
    assert mine
    for point in mine:
        assert callable(point.load()), point
