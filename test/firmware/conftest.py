"""Builds the firmware once a run, with whatever compilers are here, and puts it on benches."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode puts no test directory there

from benches import Bench, LibraryBench, SimulatedBench
from host import Host

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware" / "estop"

COMPILER = shutil.which("cc") or shutil.which("gcc")
AVR_NEEDS = {
    "avr-gcc (Debian: gcc-avr)": shutil.which("avr-gcc") is not None,
    "avr/io.h (Debian: avr-libc)": Path("/usr/lib/avr/include/avr/io.h").exists(),
    "simavr/sim_avr.h (Debian: libsimavr-dev)": Path("/usr/include/simavr/sim_avr.h").exists(),
    "libelf.h (Debian: libelf-dev)": Path("/usr/include/libelf.h").exists(),
}


def _make(folder: Path, *targets: str) -> Path:
    """Build below `folder`; what the compiler says is the reason of the failure."""
    if COMPILER is None or shutil.which("make") is None:
        pytest.skip("a C compiler and make are needed to build the firmware")
    done = subprocess.run(
        ["make", "-C", FIRMWARE, f"BUILD={folder}", f"CC={COMPILER}", *(f"{folder}/{target}" for target in targets)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make targets of firmware/estop/Makefile; the folder where they lie."""
    folder = tmp_path_factory.mktemp("firmware")
    return lambda *targets: _make(folder, *targets)


@pytest.fixture(scope="session")
def library(build: Callable[..., Path]) -> Path:
    """The logic; with sanitizers when ESTOP_SANITIZE is set, as `make test-firmware` does."""
    name = "libestop-sanitized.so" if os.environ.get("ESTOP_SANITIZE") else "libestop.so"
    return build(name) / name


@pytest.fixture(scope="session")
def simulator(build: Callable[..., Path]) -> list[str]:
    """Command line of the simulated AVR with the image in it."""
    missing = [name for name, there in AVR_NEEDS.items() if not there]
    if missing:
        pytest.skip(f"the AVR image was not run: {', '.join(missing)} missing; `make test-firmware` says more")
    folder = build("estop.elf", "estop-simulated")
    return [str(folder / "estop-simulated"), str(folder / "estop.elf")]


@pytest.fixture
def core(library: Path) -> LibraryBench:
    """The logic in virtual time."""
    return LibraryBench(library)


@pytest.fixture(params=["core", "avr"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Both: the logic, and the very image that is flashed."""
    if request.param == "core":
        yield LibraryBench(request.getfixturevalue("library"))
        return
    simulated = SimulatedBench(request.getfixturevalue("simulator"))
    try:
        yield simulated
    finally:
        simulated.close()


@pytest.fixture
def host(bench: Bench) -> Host:
    return Host(bench)


@pytest.fixture
def core_host(core: LibraryBench) -> Host:
    return Host(core)
