"""Command `commission`: guided stops, measured against the model, on one signed record."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from safety_supervisor.acts import sending
from safety_supervisor.geometry.progress import shown_progress

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from safety_supervisor.commission.live import LiveRobot
    from safety_supervisor.commission.plan import Plan, PlannedStop
    from safety_supervisor.commission.session import Outcome
    from safety_supervisor.core.operator_settings import Person
    from safety_supervisor.core.settings import Configuration


def commission(
    config: sending.Config,
    source: Annotated[
        str,
        typer.Option(
            "--source", metavar="NAME", help="By which it moves; nobody else publishes there.", show_default=False
        ),
    ],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The record; else as configured.")] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="Your private key.")] = None,
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Whose key it is.")] = "",
    reason: sending.Reason = "",
    percent: Annotated[str, typer.Option("--speeds", metavar="LIST", help="Shares of the permitted speed, [%].")] = (
        "25,50,100"
    ),
    joint: Annotated[list[str] | None, typer.Option("--joint", metavar="NAME", help="Only these; not whole.")] = None,
    poses: Annotated[int, typer.Option("--poses", min=1, max=10, help="In how many.")] = 3,
    plan_only: Annotated[bool, typer.Option("--plan", help="Only show what would move; needs no robot.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for a simulated robot only.")] = False,
    node: sending.Node = sending.NODE,
    timeout: sending.Timeout = sending.TIMEOUT,
    as_json: sending.AsJson = False,
) -> None:
    """Measure the robot's stops against the model that every verified stop relies on.

    Beside the running supervisor, in AUTO, it moves one joint after the other, then all together, in several poses at
    growing speeds, asks for a stop in mid-motion, and measures time, distance, delay and tracking error by the robot's
    own joint states. The supervisor verifies every motion as any other; each was rehearsed before. Before each stop you
    are told what moves and how far, and asked. Any key, or Ctrl-C, stops the robot and ends it; so does the first stop
    that is worse than the model, which is named with the setting to change.

    The record is bound to the configuration and the URDF. With `commissioning: {record: FILE, required: true}` the
    supervisor arms only with one that counts: docs/commissioning.md. While it measures, `required` is false.

    \b
    Examples:
      safety-supervisor commission --config robot.yaml --source planner --plan
      safety-supervisor commission --config robot.yaml --source planner --key ada.key --as ada
      safety-supervisor commission --config config/panda.yaml --source planner --yes --poses 1 --joint panda_joint1

    Exit status: 0 whole, and every stop within the model; 1 the model is too kind, or not all was measured; 2 wrong
    use or configuration.
    """
    configuration = sending.load(config)
    fractions = _fractions(percent)
    joints = list(joint or [])
    _check(configuration, source, joints, yes)
    person, private = _signer(configuration, key, name, reason)
    if plan_only:
        _show(_plan(configuration, source, None, fractions, joints, poses), configuration, as_json)
        return
    if not yes and not sys.stdin.isatty():
        sending.fail("nobody can be asked here: run it on a terminal; --yes is for a simulated robot only")
    if not configuration.simulated and private is None:
        sending.fail("give --key and --as: a person resets and starts, and answers for the record")
    sending.check_node(node)
    path = _path(configuration, config, out)
    with ExitStack() as stack:
        plan, outcomes = _measure(
            stack, configuration, source, node, timeout, person, private, yes, fractions, joints, poses
        )
    _write(configuration, source, plan, outcomes, path, person, private, reason, as_json)


def _fractions(text: str) -> list[float]:
    try:
        found = sorted({float(part) / 100.0 for part in text.split(",")})
    except ValueError:
        found = []
    if not found or not all(0.0 < one <= 1.0 for one in found):
        sending.fail(f"--speeds {text}: give numbers above 0 to 100, such as 25,50,100")
    return found


def _check(configuration: Configuration, source: str, joints: Sequence[str], yes: bool) -> None:
    from safety_supervisor.commission.rehearsal import source_joints
    from safety_supervisor.core.settings import CommandKind

    sources = {one.name: one for one in configuration.sources}
    if source not in sources:
        sending.fail(f"--source {source}: there is none; there are {', '.join(sources)}")
    if CommandKind.TRAJECTORY not in sources[source].commands:
        sending.fail(f"--source {source}: it takes no `trajectory` commands; name one that does, or add it")
    if sources[source].needs_session:
        sending.fail(f"--source {source}: its agent has to introduce itself; name a source of kind `person`")
    names = [configuration.robot.joints[index] for index in source_joints(configuration, source)]
    for one in joints:
        if one not in names:
            sending.fail(f"--joint {one}: source {source} moves {', '.join(names)}")
    if configuration.balance is not None or configuration.base is not None:
        sending.fail("robots that balance or drive are not measured by this version: their stops have more parts")
    if yes and not configuration.simulated:
        sending.fail("--yes is for a simulated robot: beside a real one a person looks before each stop")


def _signer(
    configuration: Configuration, key: Path | None, name: str, reason: str
) -> tuple[Person | None, Ed25519PrivateKey | None]:
    from safety_supervisor.tokens.commissioning_record import FORM, SIGNERS

    if (key is None) != (name == ""):
        sending.fail("give --key and --as together")
    if key is None:
        return None, None
    sending.check_texts(FORM, reason=reason)
    people = {person.name: person for person in configuration.operators.people}
    if name not in people:
        sending.fail(f"there is no person {name} in operators.people; there are: {', '.join(people) or 'none'}")
    person = people[name]
    if person.role not in SIGNERS:
        roles = ", ".join(sorted(role.value for role in SIGNERS))
        sending.fail(f"{name} is {person.role.value}; a record is signed by one of {roles}", 1)
    return person, sending.read_private(key, person.public_key, f"operators.people.{name}.public_key")


def _path(configuration: Configuration, config: Path, out: Path | None) -> Path:
    if out is not None:
        return out
    if configuration.commissioning is not None:
        return Path(configuration.commissioning.record)
    return config.with_name(f"{config.stem}.commissioning.json")


def _plan(
    configuration: Configuration, source: str, here: Any, fractions: Sequence[float], joints: Sequence[str], poses: int
) -> Plan:
    import numpy as np

    from safety_supervisor.commission.plan import PlanError, make_plan

    if here is None:
        if configuration.robot.start is None:
            sending.fail("without a robot it begins at `robot.start`, which is missing")
        here = np.array(configuration.robot.start)
    try:
        with shown_progress() as begin:
            return make_plan(configuration, source, here, fractions, joints, poses, begin)
    except PlanError as error:
        sending.fail(str(error), 1)


def _show(plan: Plan, configuration: Configuration, as_json: bool) -> None:
    from safety_supervisor.commission.session import describe

    told = [describe(stop, configuration) for stop in plan.stops]
    if as_json:
        typer.echo(json.dumps({"stops": told, "skipped": list(plan.skipped)}))
        return
    for number, line in enumerate(told, 1):
        typer.echo(f"{number:>4}  {line}")
    for line in plan.skipped:
        typer.echo(f"skipped: {line}", err=True)


def _measure(
    stack: ExitStack,
    configuration: Configuration,
    source: str,
    node: str,
    timeout: float,
    person: Person | None,
    private: Ed25519PrivateKey | None,
    yes: bool,
    fractions: Sequence[float],
    joints: Sequence[str],
    poses: int,
) -> tuple[Plan, list[Outcome]]:
    from safety_supervisor.commission.keyboard import Keyboard
    from safety_supervisor.commission.live import AbortedError, LiveRobot
    from safety_supervisor.commission.session import describe, run

    act = None
    if person is not None and private is not None and not configuration.operators.unsigned_services:
        act = _signed_act(stack, configuration, node, timeout, person, private)
    keyboard = Keyboard()
    robot = LiveRobot(configuration, node, source, act, keyboard.pressed)
    stack.callback(robot.close)
    missing = robot.find(timeout)
    if missing:
        sending.fail(missing, 1)
    if (others := robot.publishers() - 1) > 0:
        sending.fail(f"{others} other publisher of source {source}: end its program first", 1)
    plan = _plan(configuration, source, robot.measured(), fractions, joints, poses)
    outcomes: list[Outcome] = []

    def confirm(stop: PlannedStop) -> bool:
        typer.echo(f"{len(outcomes) + 1} of {len(plan.stops)}: {describe(stop, configuration)}", err=True)
        keyboard.leave()
        may = yes or typer.confirm("Is the cell clear, and may it move? (any key stops it)", err=True)
        keyboard.watch()
        return may

    try:
        with _bar(yes, len(plan.stops)) as advance:
            for outcome in run(configuration, plan, robot, confirm):
                outcomes.append(outcome)
                advance()
                _tell(outcome)
    except (AbortedError, KeyboardInterrupt, typer.Abort):
        _stop(robot)
        typer.echo("ended by a person: a stop was asked for", err=True)
    finally:
        keyboard.leave()
    return plan, outcomes


@contextmanager
def _bar(shown: bool, parts: int) -> Iterator[Callable[[], None]]:
    """Show how far it is; not where questions stand on the same terminal."""
    if not shown:
        yield lambda: None
        return
    with shown_progress() as begin:
        yield begin("measuring stops", parts)


def _stop(robot: LiveRobot) -> None:
    robot.request_stop()
    ends = time.monotonic() + 1.0
    while time.monotonic() < ends:
        robot.spin()


def _signed_act(
    stack: ExitStack,
    configuration: Configuration,
    node: str,
    timeout: float,
    person: Person,
    private: Ed25519PrivateKey,
) -> Callable[[str, str], str]:
    """Return what resets and starts by the person's own key."""
    from safety_supervisor.acts.signing import SignedFor, claims_of, lacks_role
    from safety_supervisor.tokens.operator_act import FORM

    for act in ("reset", "start"):
        if lacks := lacks_role(person, act):
            sending.fail(lacks, 1)
    robot = configuration.robot.id
    client, _ = stack.enter_context(sending.found(node, "operator_requests", robot, timeout))

    def do(act: str, target: str) -> str:
        seen = sending.look(client, timeout)
        asked = SignedFor(act, target, seen.epoch, "", "commissioning")
        answer = sending.send(
            client,
            private,
            FORM,
            lambda *life: claims_of(person, robot, seen.nonce, seen.configuration_sha256, asked, *life),
            timeout,
        )
        return "" if answer.get("ok") is True else f"{answer.get('code', '')} {answer.get('detail', '')}".strip()

    return do


def _tell(outcome: Outcome) -> None:
    figures, stop = outcome.figures, outcome.stop
    if outcome.missed:
        typer.secho(f"  not measured: {outcome.missed}", err=True, fg="yellow")
    elif figures is not None and not outcome.findings:
        typer.echo(
            f"  within: {figures.time:.3f} s of {stop.expected.time:.3f} s, delay {figures.delay:.3f} s of "
            f"{stop.expected.delay:.3f} s",
            err=True,
        )
    for finding in outcome.findings:
        typer.secho(f"  TOO KIND: {finding.words}", err=True, fg="red", bold=True)


def _write(
    configuration: Configuration,
    source: str,
    plan: Plan,
    outcomes: Sequence[Outcome],
    path: Path,
    person: Person | None,
    private: Ed25519PrivateKey | None,
    reason: str,
    as_json: bool,
) -> None:
    """Write record, signature and page; end by the verdict."""
    from safety_supervisor.commission.page import HEADLINES, render
    from safety_supervisor.commission.record import encode, make_record
    from safety_supervisor.evidence.plots import NoPlotError
    from safety_supervisor.tokens.commissioning_record import WITHIN, sign_record
    from safety_supervisor.tokens.configuration_signature import signature_path
    from safety_supervisor.tokens.officers import replace_public_file

    made = int(time.time())
    record = make_record(configuration, source, plan, outcomes, made, "" if person is None else person.name)
    data = encode(record)
    page: Path | None = path.with_suffix(".html")
    try:
        replace_public_file(path, data)
        if person is not None and private is not None:
            token = sign_record(data, private, person, configuration.robot.id, made, reason)
            replace_public_file(signature_path(path), f"{token}\n".encode("ascii"))
        else:
            signature_path(path).unlink(missing_ok=True)  # of another record
        assert page is not None
        page.write_text(render(configuration, record, outcomes), encoding="utf-8")
    except NoPlotError as error:
        page = None
        typer.echo(f"no page: {error}", err=True)
    except OSError as error:
        sending.fail(f"{path}: {error.strerror or error}", 1)
    told = {
        "verdict": record["verdict"], "record": str(path), "page": "" if page is None else str(page),
        "signed_by": record["by"], "findings": record["findings"], "missing": record["missing"],
        "stops": [{name: one[name] for name in one if name != "series"} for one in record["stops"]],
    }  # fmt: skip
    if as_json:
        typer.echo(json.dumps(told))
    else:
        typer.echo(f"{HEADLINES[record['verdict']]}: {path}" + (f", {page}" if page else ""))
        typer.echo(f"signed by {record['by']}" if record["by"] else "not signed: it arms nothing (--key, --as)")
        for line in [*(one["words"] for one in record["findings"]), *record["missing"]]:
            typer.echo(f"  {line}")
    raise typer.Exit(0 if record["verdict"] == WITHIN else 1)
