"""Keep every run to itself, and close it with what was not run and why."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from zlib import crc32

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

from stillness import StillnessWatch

# Tests assert no times: a busy machine is no failure.
settings.register_profile("anywhere", deadline=None)
settings.load_profile("anywhere")

# Nothing else on this machine or network may answer, and numpy keeps to one thread; set before anything is imported.
os.environ.setdefault("ROS_DOMAIN_ID", str(15 + os.getpid() % 85))
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
for _variable in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
    os.environ.setdefault(_variable, str(Path(__file__).resolve().parents[1] / "config" / "fastdds.xml"))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).parent
LAUNCH = importlib.util.find_spec("launch_testing") is not None

# Launch tests import `launch`, which is part of a ROS 2 installation and of no package index.
collect_ignore = [] if LAUNCH else ["launch"]


REAL_TIME = tuple(HERE / room for room in ("estop", "firmware", "panel", "ros", "sim"))
STILL = 0.006
"""A control cycle is 4 ms; standing still for longer than this, cycles were missed for it, [s]."""
REPEATS = 4
PATIENCE = 150.0
"""A test that has taken this long already is not repeated: what is starved for minutes stays starved, [s]."""
_watch: StillnessWatch | None = None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Repeat a real-time test that failed while the machine stood still."""
    global _watch
    if not any(folder in item.path.parents for folder in REAL_TIME):
        return None
    _watch = _watch or StillnessWatch()
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    repeated, begun = [], time.monotonic()
    for repeat in range(REPEATS + 1):
        _watch.longest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        still = _watch.longest()
        over = repeat == REPEATS or time.monotonic() - begun > PATIENCE
        if over or still < STILL or not any(report.failed for report in reports):
            break
        why = next(str(report.longrepr).strip().splitlines()[-1] for report in reports if report.failed)
        repeated.append(f"{item.nodeid}: the machine stood still for {1e3 * still:.0f} ms; {why}")
    # With the report it reaches the process that prints, whichever one ran the test.
    reports[-1].user_properties.extend(("repeated", line) for line in repeated)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_unconfigure() -> None:
    """End the watch."""
    if _watch is not None:
        _watch.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --long."""
    parser.addoption("--long", action="store_true", help="run tests marked `long`, too: minutes of real nodes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long, unless it is asked for."""
    if config.getoption("--long"):
        return
    variants: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason='it takes long: make unit ARGS="--long -m long"'))
        elif item.get_closest_marker("sampled"):
            variants[item.nodeid.partition("[")[0]].append(item)
    for several in variants.values():
        # By chance, the same in every run: in their order every second one might be of the same robot.
        several.sort(key=lambda one: crc32(one.nodeid.encode()))
        share = several[0].get_closest_marker("sampled").args[0]
        for item in several[-(-len(several) // share) :]:
            item.add_marker(pytest.mark.skip(reason='another variant of it is run: make unit ARGS="--long"'))


def _repeated(reporter: pytest.TerminalReporter) -> list[str]:
    reports = [report for found in reporter.stats.values() for report in found if isinstance(report, pytest.TestReport)]
    # A report stands under each of its outcomes.
    return list(
        dict.fromkeys(str(line) for report in reports for name, line in report.user_properties if name == "repeated")
    )


def _not_run(reporter: pytest.TerminalReporter) -> dict[str, list[str]]:
    """Reason to tests, in the order of the run."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for outcome in ("skipped", "xfailed"):
        for report in reporter.stats.get(outcome, []):
            longrepr = report.longrepr
            reason = longrepr[2] if isinstance(longrepr, tuple) else getattr(report, "wasxfail", str(longrepr))
            reasons[reason.removeprefix("Skipped: ")].append(report.nodeid)
    for item in reporter.stats.get("deselected", []):
        reasons["deselected on the command line"].append(item.nodeid)
    if not LAUNCH:
        for path in sorted((HERE / "launch").glob("test_*.py")):
            reasons["the `launch` package is not installed: source a ROS 2, then `make launch-test`"].append(
                f"test/launch/{path.name}"
            )
    return reasons


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the closing lists."""
    repeated = _repeated(terminalreporter)
    if repeated:
        terminalreporter.section("repeated", sep="-")
        for line in repeated:
            terminalreporter.write_line(line)
    reasons = _not_run(terminalreporter)
    terminalreporter.section("not run", sep="-")
    if not reasons:
        terminalreporter.write_line("Not run: nothing, every test ran.")
        return
    terminalreporter.write_line("Not run:")
    for reason, tests in reasons.items():
        shown = ", ".join(tests[:3]) + (f" and {len(tests) - 3} more" if len(tests) > 3 else "")
        terminalreporter.write_line(f"  {reason}\n      {shown}")
