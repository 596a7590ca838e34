"""Plays a scenario by the core engine, and has it judged as a run of real nodes is."""

from __future__ import annotations

import gc
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

from safety_supervisor import Supervisor, load_config
from safety_supervisor.core.events import Boot
from safety_supervisor.core.settings import Configuration
from safety_supervisor.evidence.event_log import digest_effects
from safety_supervisor_sim.agent.acts import Players
from safety_supervisor_sim.agent.cast import Cast, Mouth
from safety_supervisor_sim.agent.fit import check, names_of, sources_of
from safety_supervisor_sim.agent.programme import play, take_places
from safety_supervisor_sim.agent.stage import StageError
from safety_supervisor_sim.cell.cell_file import ControllerName
from safety_supervisor_sim.cell.panda_cell import PandaCell
from safety_supervisor_sim.demo import evidence, places
from safety_supervisor_sim.demo.judge import Replayed, Run, judge
from safety_supervisor_sim.demo.summary import summarise
from safety_supervisor_sim.engine import stock
from safety_supervisor_sim.engine.clockwork import START, Clockwork
from safety_supervisor_sim.engine.faults import Faults, People
from safety_supervisor_sim.engine.keep import keep_log
from safety_supervisor_sim.engine.motors import ArmMotors, Motors, StandingMotors
from safety_supervisor_sim.engine.mouth import CoreMouth
from safety_supervisor_sim.engine.stage import CoreHand, CoreStage
from safety_supervisor_sim.scenario import Scenario

PORT: Final = "/dev/estop"
"""Of the e-stop's device in the configuration of a run: no port is opened, and the same configuration has one hash."""


class UnplayableError(ValueError):
    """The scenario fits the robot or this engine not; the text has one reason a line."""


@dataclass(frozen=True)
class Played:
    """What came of a run.

    Attributes:
        summary: as of a run of real nodes, with `engine`, `seed`, `simulated` [s] and `effects_sha256` besides.
        results: what was sent and heard, an act each.
        simulated: [s].
        oracle: its report.
        configuration: of the supervisor.
    """

    summary: dict[str, Any]
    results: list[dict[str, Any]]
    simulated: float
    oracle: dict[str, Any]
    configuration: Configuration


def run(
    scenario: Scenario,
    controller: ControllerName = "joint_trajectory_controller",
    seed: int | None = None,
    replay: bool = True,
    report: Callable[[dict[str, Any]], None] = lambda line: None,
    broken: Callable[[Clockwork], None] = lambda world: None,
    log_directory: Path | None = None,
) -> Played:
    """Play a scenario.

    Args:
        scenario: what is played; acts that this engine can not play are left out, and named in `left_out`.
        controller: double before the drives.
        seed: of everything that is drawn; None: the scenario's.
        replay: whether the events are handled once more by another supervisor, and every effect compared.
        report: takes progress, as `agent/main.py` says it.
        broken: changes the world before it begins: for mutations.
        log_directory: the event log is kept there, in a folder of the scenario's name; None: nowhere.

    Raises:
        UnplayableError: it fits the robot or this engine not.
        ConfigurationError, FileNotFoundError: a file is missing or not valid.
        OSError: the log can not be written.
    """
    seed = scenario.seed if seed is None else seed
    playable, left_out = scenario.for_engine("core")
    acts = playable.expanded()
    if not acts:
        raise UnplayableError(f"{scenario.name}: no act of it can be played by the core engine")
    configuration = configuration_of(scenario.robot, controller, json.dumps(scenario.configuration))
    problems = check(playable, configuration)
    if problems:
        raise UnplayableError("\n".join(problems))
    motors = _motors(scenario.robot, configuration, controller, seed)
    collects = gc.isenabled()
    gc.disable()  # what a run keeps is kept to its end, and looking through it again and again takes a tenth of it
    try:
        world = Clockwork(configuration, motors, seed)
        _prepare(world, motors, playable, seed)
        broken(world)
        results, failures = _play(world, playable, report)
        simulated = (world.now - START) * 1e-9
        oracle = motors.report()
    finally:
        motors.close()
        if collects:
            gc.enable()
    recording = evidence.Recording(Replayed(0, False), configuration, actuates=world.actuates)
    judged = {act.name for act in acts if act.expect.unchanged}
    arrivals = evidence.arrivals(recording, [one for one in results if one["name"] in judged])
    replayed = _replay(world) if replay else Replayed(len(world.events), True, "not replayed")
    run_ = Run(acts, results, oracle, arrivals, replayed, failures)
    summary = summarise(run_, judge(run_), world.last_status, 0, left_out)
    told = {"engine": "core", "seed": seed, "simulated": simulated, "effects_sha256": world.sha256}
    if log_directory is not None:
        place = log_directory / scenario.name
        place.mkdir(parents=True, exist_ok=True)
        config = _write_configuration(scenario.robot, controller, place, json.dumps(scenario.configuration))
        told["logs"] = [str(path) for path in keep_log(world, configuration, config, place)]
    return Played({**summary, **told}, results, simulated, oracle, configuration)


@lru_cache(maxsize=8)
def configuration_of(robot: str, controller: str, changes: str = "{}") -> Configuration:
    """Load the configuration of a run; `changes`: what the scenario lays over it, as JSON.

    Raises:
        FileNotFoundError: there is no such robot.
        ConfigurationError: its file is not valid.
    """
    with tempfile.TemporaryDirectory(prefix="core-engine-") as directory:
        return load_config(_write_configuration(robot, controller, Path(directory), changes))


def _write_configuration(robot: str, controller: str, directory: Path, changes: str) -> Path:
    shipped = places.shared("config", f"{robot}.yaml")
    return places.write_config(shipped, controller, directory, port=PORT, changes=json.loads(changes))


def _prepare(world: Clockwork, motors: Motors, scenario: Scenario, seed: int) -> None:
    """Bring in what goes wrong, who walks, and who measures distances."""
    if scenario.faults:
        world.faults = Faults(world, scenario.faults, seed)
    if scenario.people:
        world.people = People(world, scenario.people)
    if any(act.expect.distance is not None for act in scenario.acts):
        people = world.people
        names = [walker.name for walker in scenario.people]
        motors.watch({name: partial(people.where, name) for name in names} if people is not None else {})


def _motors(robot: str, configuration: Configuration, controller: ControllerName, seed: int) -> Motors:
    cell, period = stock.take_cell(robot, controller, seed), configuration.timing.period
    if isinstance(cell, PandaCell):
        return ArmMotors(cell, period, cell.cell.physics.rate_hz, cell.cell.measurement.rate_hz)
    if controller != "joint_trajectory_controller":
        cell.close()
        raise UnplayableError(f"robot {robot}: a robot that stands has a joint_trajectory_controller alone")
    file = cell.file
    return StandingMotors(cell, period, file.rate_hz, file.node.measurement.rate_hz, configuration)


def _play(
    world: Clockwork, scenario: Scenario, report: Callable[[dict[str, Any]], None]
) -> tuple[list[dict[str, Any]], list[str]]:
    stage = CoreStage(world, report)
    configuration = world.configuration

    def mouth(source: str, rogue: str = "") -> Mouth:
        joints = list(configuration.robot.joints) if rogue == "motor" else names_of(configuration, source)
        return CoreMouth(world, source, joints, rogue)

    cast = Cast(
        mouths={source: mouth(source) for source in sources_of(scenario)},
        rogues={rogue: mouth(scenario.source, rogue) for rogue in ("stream", "motor")},
        estop=CoreHand(world),
    )
    failures: list[str] = []

    def told(line: dict[str, Any]) -> None:
        if "failed" in line:
            failures.append(line["failed"])
        report(line)

    stage.report = told
    try:
        take_places(stage, cast)
        return play(stage, cast, Players(stage, cast, scenario), scenario.expanded()), failures
    except (StageError, RuntimeError) as error:
        return [], [*failures, str(error)]


def _replay(world: Clockwork) -> Replayed:
    """Have a fresh supervisor handle all events, and compare the digests of its effects."""
    supervisor = Supervisor(world.configuration)
    for index, (event, digest) in enumerate(world.events):
        if isinstance(event, Boot) and index:
            supervisor = Supervisor(world.configuration)
        if digest_effects(supervisor.handle(event)) != digest:
            return Replayed(index, False, f"event {index}, {type(event).__name__}")
    return Replayed(len(world.events), True)
