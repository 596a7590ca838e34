"""What can be told of the logic without running it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware" / "estop"
CORE = sorted(path for path in FIRMWARE.glob("*.[ch]"))
# Compilers put these in for assignments of structures; they come with every C library, and with avr-libc.
ALLOWED = {"memcpy", "memset", "memmove"}


def symbols(path: Path, *options: str) -> dict[str, str]:
    """Name to kind, as nm writes it."""
    out = subprocess.run(["nm", *options, path], capture_output=True, text=True, check=True).stdout
    return {fields[-1]: fields[-2] for line in out.splitlines() if len(fields := line.split()) >= 2}


def test_the_logic_needs_nothing_of_a_library(build: Callable[..., Path]) -> None:
    """No heap, no printing, no time, no arithmetic that needs a routine (floating point, on small processors)."""
    assert set(symbols(build("estop-core.o") / "estop-core.o", "-u")) <= ALLOWED


def test_the_judge_of_symbols_sees_a_heap_and_a_printer(build: Callable[..., Path], tmp_path: Path) -> None:
    source = tmp_path / "bad.c"
    source.write_text('#include <stdio.h>\n#include <stdlib.h>\nvoid f(void) { printf("%p", malloc(8)); }\n')
    subprocess.run(["cc", "-c", "-o", tmp_path / "bad.o", source], check=True)
    assert {"malloc", "printf"} <= set(symbols(tmp_path / "bad.o", "-u"))


@pytest.mark.skipif(shutil.which("avr-gcc") is None, reason="avr-gcc missing (Debian: gcc-avr)")
def test_the_image_holds_no_heap_no_printing_and_no_floating_point(simulator: list[str]) -> None:
    found = set(symbols(Path(simulator[1])))
    assert "estop_tick" in found
    bad = re.compile(r"_*(malloc|calloc|realloc|free|printf|vfprintf|sprintf|puts|abort|exit)$|.*(sf|df)[23]$")
    assert [name for name in found if bad.match(name) and name not in {"exit", "_exit", "__stop_program"}] == []


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_source_uses_no_floating_point_no_heap_and_no_way_around_a_loop(path: Path) -> None:
    code = re.sub(r"/\*.*?\*/|\"[^\"]*\"", "", path.read_text(encoding="ascii"), flags=re.DOTALL)
    assert re.findall(r"\b(float|double|malloc|calloc|free|alloca|goto|setjmp|printf|volatile|union)\b", code) == []
    assert re.findall(r"\bwhile\s*\(\s*1|for\s*\(\s*;\s*;", code) == []
    includes = set(re.findall(r"#include [<\"]([^>\"]+)", path.read_text(encoding="ascii")))
    assert includes <= {"stdint.h", *(header.name for header in FIRMWARE.glob("*.h"))}


def test_no_function_of_the_logic_calls_itself_even_by_others() -> None:
    """From the text: each body, and the names in it that are functions of the logic."""
    text = "\n".join(path.read_text(encoding="ascii") for path in CORE if path.suffix == ".c")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    bodies = dict(
        re.findall(r"^(?:static )?[a-z_0-9]+ \*?([a-z_0-9]+)\([^;{]*\)\n\{\n(.*?)^\}", text, re.M | re.DOTALL)
    )
    assert len(bodies) > 40
    calls = {name: {other for other in bodies if re.search(rf"\b{other}\(", body)} for name, body in bodies.items()}
    for name in calls:
        reached, new = set[str](), set(calls[name])
        while new:
            reached |= new
            new = set().union(*(calls[other] for other in new)) - reached
        assert name not in reached


def test_the_image_needs_the_memory_that_the_readme_tells(simulator: list[str]) -> None:
    """The ATmega328P has 32768 and 2048 bytes."""
    out = subprocess.run(["avr-size", simulator[1]], capture_output=True, text=True, check=True).stdout
    text, data, bss = (int(number) for number in out.splitlines()[1].split()[:3])
    assert text + data < 8192
    assert data + bss < 512
    readme = (FIRMWARE / "README.md").read_text(encoding="utf-8")
    version = subprocess.run(["avr-gcc", "-dumpversion"], capture_output=True, text=True, check=True).stdout.strip()
    if f"avr-gcc {version}" not in readme:
        pytest.skip(f"README.md tells nothing of avr-gcc {version}")
    assert f"flash {text + data} bytes" in readme
    assert f"RAM {data + bss} bytes" in readme
