"""Runs a scenario: cell, supervisor and agent as processes, watched, ended, judged."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from safety_supervisor import load_config
from safety_supervisor.config import ConfigurationError
from safety_supervisor.export.chain import chain_proof
from safety_supervisor_sim import priority, shared_memory
from safety_supervisor_sim.agent.estop import RELAYS
from safety_supervisor_sim.demo import evidence, incident, places
from safety_supervisor_sim.demo.judge import Judgement, Replayed, Run, Verdict, judge
from safety_supervisor_sim.demo.live import Display, LiveState
from safety_supervisor_sim.demo.processes import HURRY, PATIENCE, Process, end_all
from safety_supervisor_sim.demo.summary import summarise
from safety_supervisor_sim.scenario import Approval, Scenario

REFRESH: Final = 0.1
_NO_FAULT: Final = "fault: none"
"""What `latch show` says of a robot without a latched fault."""
START_ALLOWANCE: Final = 60.0
SLOWEST: Final = 3.0
"""A run may take this many times what its acts say; then it hangs."""
START_AND_END: Final = 7.0
"""What starting, ending and judging take of `--seconds`, [s]."""
ON_FEET: Final = 25.0
"""What they take beyond that of a robot on its feet: it is brought down once before the start; long logs, [s]."""


@dataclass(frozen=True)
class Options:
    """How to run.

    Attributes:
        scenario: what is played.
        scenario_file: where it was read from.
        seconds: time budget for the whole run, [s]; None for all acts.
        controller: the double before the drives.
        log_directory: kept after the run; None for a temporary one.
        live: show a live table.
        page: write the page of the last stop.
    """

    scenario: Scenario
    scenario_file: Path
    seconds: float | None
    controller: str
    log_directory: Path | None
    live: bool
    page: bool = False


class Interrupted(Exception):
    """Ctrl-C: the robot was stopped, everything has ended."""


def run(options: Options, console: Console) -> dict[str, Any]:
    """Play the scenario and return the summary.

    Raises:
        Interrupted: on Ctrl-C and SIGTERM, after everything has ended.
        ConfigurationError, FileNotFoundError: nothing was started.
    """
    scenario, impossible = options.scenario.for_engine("ros")
    left_out = list[str]()
    if not scenario.acts:
        raise FileNotFoundError(
            f"{scenario.name}: faults and people are played by the core engine alone: --engine core"
        )
    with _directory(options.log_directory) as directory:
        shipped, asks = places.shared("config", f"{scenario.robot}.yaml"), scenario.without(Approval) != scenario
        config = places.write_config(shipped, options.controller, directory, asks, changes=scenario.configuration)
        configuration = load_config(config)
        robot, feet = configuration.robot.id, configuration.balance is not None
        around = START_AND_END + (ON_FEET if feet else 0.0)
        budget = None if options.seconds is None else max(1.0, options.seconds - around)
        if budget is not None:
            scenario, left_out = scenario.within(budget)
        if impossible:
            console.print(f"left to the core engine: {', '.join(impossible)}", markup=False, soft_wrap=True)
        if left_out:
            console.print(f"no time for {len(left_out)} acts: {', '.join(left_out)}", markup=False, soft_wrap=True)
        show = _Show(options, directory, config, budget or 0.0, console)
        state, failures = show.play(sum(act.takes for act in scenario.acts))
        kept = options.log_directory is not None if options.page else None
        return _judge(scenario, directory, robot, state, failures, [*impossible, *left_out], kept)


@contextmanager
def _directory(wanted: Path | None) -> Iterator[Path]:
    """A directory for one run: below the wanted one, which is kept, or a temporary one."""
    if wanted is None:
        with tempfile.TemporaryDirectory(prefix="safety-supervisor-demo-") as temporary:
            yield Path(temporary)
        return
    place = wanted / f"demo-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"
    place.mkdir(parents=True)
    yield place


class _Show:
    """The processes of one run."""

    def __init__(self, options: Options, directory: Path, config: Path, budget: float, console: Console) -> None:
        self._options = options
        self._directory = directory
        self._config = config
        self._budget = budget
        self._console = console
        self._domain = places.free_domain()
        self._lines: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._processes: dict[str, Process] = {}
        self._shared: set[Path] = set()

    def play(self, expected: float) -> tuple[LiveState, list[str]]:
        """Start everything, watch until the last act was played, end everything."""
        state = LiveState()
        failures: list[str] = []
        patience = HURRY
        with _signals():
            try:
                self._start()
                with Display(self._console, self._options.live) as display:
                    failures += self._watch(state, display, START_ALLOWANCE + SLOWEST * expected)
                patience = PATIENCE
            except KeyboardInterrupt:
                raise Interrupted from None
            finally:
                # A second Ctrl-C must not break off the end.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                get = self._processes.get
                self._look_at_shared_memory()
                killed = end_all(get("supervisor"), [get("agent"), get("cell")], patience)
                shared_memory.clear(self._shared)
        failures += [f"{name} did not end by itself and was killed" for name in killed]
        return state, failures

    def _start(self) -> None:
        # Without shared memory, by which a participant that joins holds up the others; whoever has a profile keeps it.
        profiles = str(places.shared("config", "fastdds.xml"))
        environment = {
            "FASTRTPS_DEFAULT_PROFILES_FILE": profiles,
            "FASTDDS_DEFAULT_PROFILES_FILE": profiles,
            **os.environ,
            "ROS_DOMAIN_ID": str(self._domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        held = self._directory / places.KEY
        parameters: dict[str, tuple[str, dict[str, Any]]] = {
            "cell": (
                "safety_supervisor_sim.cell.main",
                {
                    "cell_file": str(places.cell_file(self._options.scenario.robot)),
                    "controller": self._options.controller,
                    "report_file": str(self._directory / "oracle.json"),
                    "relays_topic": RELAYS,
                },
            ),
            "supervisor": (
                "safety_supervisor.ros.main",
                {
                    "config_file": str(self._config),
                    "log_directory": str(self._directory),
                    # No list of officers: what moves here is simulated, also where a real robot's list stands.
                    "officers_file": str(self._directory / "officers.json"),
                },
            ),
            "agent": (
                "safety_supervisor_sim.agent.main",
                {
                    "scenario_file": str(self._options.scenario_file),
                    "config_file": str(self._config),
                    "results_file": str(self._directory / "agent.json"),
                    "seconds": self._budget,
                    "wait_at_end": True,
                    "technician_key": str(held) if held.exists() else "",
                },
            ),
        }
        for name, (module, values) in parameters.items():
            arguments = ["-m", module, "--ros-args"]
            for key, value in values.items():
                arguments += ["-p", f"{key}:={json.dumps(value)}"]
            log = self._directory / f"{name}.log"
            self._processes[name] = Process(name, arguments, environment, log, listen=name == "agent")
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with self._directory.joinpath("agent.lines").open("wb") as copy:
            for line in self._processes["agent"].output:
                copy.write(line)
                try:
                    self._lines.put(json.loads(line))
                except ValueError:
                    continue

    def _watch(self, state: LiveState, display: Display, timeout: float) -> list[str]:
        due = time.monotonic() + timeout
        raised = False
        act = ""
        while time.monotonic() < due:
            self._drain(state)
            if state.act != act:
                act = state.act
                self._look_at_shared_memory()
            if not raised and state.status:
                raised = True
                priority.give_all(self._processes["cell"].id, priority.CELL)
            display.show(state)
            if state.done:
                return []
            ended = [process for process in self._processes.values() if process.status is not None]
            if ended:
                time.sleep(REFRESH)  # its last lines
                self._drain(state)
                return [_obituary(process) for process in ended]
            time.sleep(REFRESH)
        return [f"the run was broken off after {timeout:.0f} s, in act {state.act or 'none'}"]

    def _look_at_shared_memory(self) -> None:
        """Take note of what is used: some processes are killed in the course of the scenario."""
        for process in self._processes.values():
            self._shared |= shared_memory.files_of_session(process.id)

    def _drain(self, state: LiveState) -> None:
        while True:
            try:
                state.take(self._lines.get_nowait())
            except queue.Empty:
                return


def _obituary(process: Process) -> str:
    return f"{process.name} ended with status {process.status}: {process.last_words()}"


@contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM as Ctrl-C; both as they were afterwards."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _judge(
    scenario: Scenario,
    directory: Path,
    robot: str,
    state: LiveState,
    failures: list[str],
    left_out: list[str],
    kept: bool | None,
) -> dict[str, Any]:
    """Judge a run; `kept` says whether its logs are, and is None where no page is written of it."""
    acts = scenario.expanded()
    failures = [*failures, *filter(None, [state.failed])]
    results = _read_json(directory / "agent.json", failures).get("acts", [])
    oracle = _read_json(directory / "oracle.json", failures)
    replayed, arrivals, missed, page = None, {}, 0, ""
    chain: dict[str, Any] | None = None
    log = evidence.find_log(directory)
    if log is not None:
        try:
            recording = evidence.run_again(log)
            replayed, missed = recording.replayed, recording.missed_cycles
            arrivals = evidence.arrivals(recording, results)
            found, chain = chain_proof(log.parent, recording.configuration.robot.id)
            if not chain["verified"]:
                failures.append(f"decision log: {found.verdict}. {found.words}")
            page = "" if kept is None else incident.write_page(log, recording, kept)
        except (evidence.LogError, ConfigurationError, OSError, ValueError) as error:
            replayed = Replayed(0, False, str(error))
    run_ = Run(acts, results, oracle, arrivals, replayed, failures)
    verdict = judge(run_)
    if any("FAULT" in act.expect.state for act in acts):
        verdict = Verdict((*verdict.acts, _maintain(directory, robot)), verdict.reasons)
    return summarise(run_, verdict, state.status, missed, left_out) | {"chain": chain, "incident": page}


def _read_json(path: Path, failures: list[str]) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        failures.append(f"{path.stem}: no report: {error}")
        return {}
    return value


def _maintain(directory: Path, robot: str) -> Judgement:
    """Show what only a maintainer can do: clear the fault that survived the end of the supervisor."""
    place = ["--log-directory", str(directory), "--robot", robot]
    words = ["--by", "demo", "--reason", "the cause was removed"]

    def latch(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "safety_supervisor.cli", "latch", *arguments]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    # An e-stop may be latched beside it: that is the button's to lift, and no maintainer's.
    before = latch("show", *place).stdout
    cleared = latch("clear", *place, *words).returncode
    after = latch("show", *place).stdout
    latched, gone = "fault: " in before and _NO_FAULT not in before, _NO_FAULT in after
    reasons = [
        *([] if latched else ["nothing was latched after the supervisor's end"]),
        *([f"`latch clear` ended with status {cleared}"] if cleared else []),
        *([] if gone else ["something is still latched"]),
    ]
    seen = f"{'latched' if latched else 'not latched'}, then {'cleared' if gone else 'latched'}"
    expected = "latched on disk until `safety-supervisor latch clear`"
    return Judgement("a maintainer clears the fault", expected, seen, tuple(reasons), {})
