"""Commands `operator …`: what people at the robot do, signed with a key of their own."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_type_hints

import typer

from safety_supervisor.acts import deciding, sending
from safety_supervisor.acts.signing import SignedFor, claims_of, lacks_role
from safety_supervisor.tokens.operator_act import FORM, MODES, STAGES, wrong_target

if TYPE_CHECKING:
    from safety_supervisor.ros.token_client import Seen, TokenClient

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="For people at the robot: reset, start and other acts, signed.",
)

KEY_HELP = """Make an Ed25519 key for one person, and print the lines for the configuration.

The private key goes into a new file that only you can read (mode 0600); an existing file is never overwritten. Each
person makes an own one and keeps it: whoever has the file can act in that name. To replace a key, make a new one and
change the configuration.

\b
Example:
  safety-supervisor operator key --out ada.key
"""

SHOW_HELP = """Tell the supervisor's state, what stopped it and what to do next. Needs no key.

\b
Example:
  safety-supervisor operator show --config robot.yaml

Exit status: 0 told, 1 no supervisor found, 2 wrong use or configuration.
"""

STOP_HELP = """Ask for a protective stop, at once, without a key: anybody may stop. The button is quicker, and surer.

\b
Example:
  safety-supervisor operator stop

Exit status: 0 the stop went out, 1 it is not known whether it did: press the button.
"""

_ASKS = """

Shows the state and what to do next, and asks before it signs; --yes does not ask. The act counts only for what was
shown: where the state changed meanwhile, or the configuration, it is refused, and you look again. Without an answer it
asks for a stop, so that nobody who held the act back can let it count later.

\b
Example:
  safety-supervisor operator {example} --config robot.yaml --key ada.key --as ada

Exit status: 0 done, 1 refused, not confirmed or no answer, 2 wrong use or configuration.
"""


@app.command("key", help=KEY_HELP)
def key_command(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="New file.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Make a key."""
    sending.make_key(out, "operators.people.NAME, beside the role", as_json)


@app.command("show", help=SHOW_HELP)
def show_command(
    config: sending.Config,
    node: sending.Node = sending.NODE,
    timeout: sending.Timeout = sending.TIMEOUT,
    as_json: sending.AsJson = False,
) -> None:
    """Tell the state."""
    with sending.found(node, "operator_requests", sending.load(config).robot.id, timeout, sends=False) as (_, seen):
        pass
    if as_json:
        typer.echo(json.dumps(seen._asdict()))
        return
    typer.echo(_words(seen))


@app.command("stop", help=STOP_HELP)
def stop_command(node: sending.Node = sending.NODE, timeout: sending.Timeout = sending.TIMEOUT) -> None:
    """Stop."""
    sending.check_node(node)
    from safety_supervisor.ros.stop_client import ask_for_stop

    problem = ask_for_stop(node, timeout)
    if problem is not None:
        sending.fail(problem, 1)
    typer.echo("the stop went out")


Name = Annotated[str, typer.Option("--as", metavar="NAME", help="Whose key it is.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Source = Annotated[str, typer.Argument(metavar="SOURCE", help="Of the configuration.", show_default=False)]
Kind = Annotated[str, typer.Argument(metavar="KIND", help="Of approval.", show_default=False)]


LIST_HELP = """Show what waits for a person, and what was granted. Needs no key.

\b
Example:
  safety-supervisor operator list --config robot.yaml

Exit status: 0 told, 1 no supervisor found, 2 wrong use or configuration.
"""


@app.command("list", help=LIST_HELP)
def list_command(
    config: sending.Config,
    node: sending.Node = sending.NODE,
    timeout: sending.Timeout = sending.TIMEOUT,
    as_json: sending.AsJson = False,
) -> None:
    """Show what waits."""
    with sending.found(node, "operator_requests", sending.load(config).robot.id, timeout, sends=False) as (client, _):
        told = sending.waiting(client, timeout)
    if as_json:
        typer.echo(json.dumps(told))
        return
    if not told:
        typer.echo("nothing waits, nothing is granted")
    for one in told:
        shown = deciding.read(one) if one.get("kind") == "command" else None
        name = f"{one.get('id', '')[:16]!a}"
        if shown is None:
            typer.echo(deciding.grant_words(one))
        else:
            typer.echo(f"{name}: {shown}" if isinstance(shown, str) else deciding.words(shown))


class _How(NamedTuple):
    """By whom, for what reason, and by what way an act is done: options of all of them."""

    config: sending.Config
    key: sending.Key
    name: Name
    yes: Yes = False
    reason: sending.Reason = ""
    node: sending.Node = sending.NODE
    timeout: sending.Timeout = sending.TIMEOUT
    as_json: sending.AsJson = False


# What each act is about: from what is given on the command line to the claim `target`.


def _nothing() -> str:
    return ""


def _mode(mode: Annotated[str, typer.Argument(metavar="MODE", help=" or ".join(MODES), show_default=False)]) -> str:
    return mode


def _tool(
    tool: Annotated[str, typer.Argument(metavar="[TOOL]", help="Which.", show_default=False)] = "",
    none: Annotated[bool, typer.Option("--none", help="Take off what it carries.")] = False,
) -> str:
    if none == bool(tool):
        sending.fail("name one tool, or give --none")
    return tool


def _waiting(
    waits: Annotated[str, typer.Argument(metavar="ID", help="As `operator list` shows it.", show_default=False)],
) -> str:
    return waits


def _grant(
    kind: Kind,
    source: Source,
    seconds: Annotated[int, typer.Argument(metavar="SECONDS", help="For how long.", min=1, max=600)],
) -> str:
    return f"{kind} {source} {seconds}"


def _granted(kind: Kind, source: Source) -> str:
    return f"{kind} {source}"


def _stage(
    source: Source,
    stage: Annotated[str, typer.Argument(metavar="STAGE", help=", ".join(STAGES), show_default=False)],
) -> str:
    return f"{source} {stage}"


def _source(source: Source) -> str:
    return source


_OFFERED: tuple[tuple[str, str, str, Callable[..., str]], ...] = (
    ("reset", "reset", "Take back a stop, where its cause is gone. Moves nothing.", _nothing),
    ("start", "start auto", "Let the robot move, after a reset: auto, or manual.", _mode),
    ("mode", "mode manual", "Change the mode: this stops; then reset and start.", _mode),
    ("recover", "recover", "Begin to lead a robot out that is outside a limit.", _nothing),
    ("tool", "tool gripper", "Say which tool the robot carries now.", _tool),
    ("approve", "approve w1", "Let a command that waits be verified again, then played.", _waiting),
    ("deny", "deny w1", "Refuse a command that waits.", _waiting),
    ("grant", "grant zone planner 60", "Let a source pass where the policy asks for that kind.", _grant),
    ("withdraw", "withdraw zone planner", "Take back what was granted.", _granted),
    ("promote", "promote planner supervised", "Give the model that a source's agent runs a stage of trust.", _stage),
    ("revoke", "revoke planner", "Cut a source off: its motion stops, and it is quarantined until a reset.", _source),
    ("maintainer", "maintainer", "Clear a FAULT whose reason was found.", _nothing),
)


def _command(act: str, target: Callable[..., str]) -> Callable[..., None]:
    """Return the command of an act: its arguments are those of `target`, its options those of all acts."""

    def command(**given: Any) -> None:
        about = target(**{name: given.pop(name) for name in inspect.signature(target).parameters})
        _do(act, about, _How(**given), on_command=target is _waiting)

    # typer reads what a command takes off its signature.
    parameters = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=get_type_hints(part, include_extras=True)[name])
        for part in (target, _How)
        for name, one in inspect.signature(part).parameters.items()
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


for _name, _example, _what, _target in _OFFERED:
    _act = "deny" if _name == "withdraw" else _name
    app.command(_name, help=_what + _ASKS.format(example=_example))(_command(_act, _target))


def _do(act: str, target: str, how: _How, on_command: bool) -> None:
    """Do one act; `on_command` on a command that waits, which is shown and whose hash is signed."""
    wrong = wrong_target(act, target)
    if wrong:
        sending.fail(f"{act} needs {wrong}")
    sending.check_texts(FORM, reason=how.reason)
    configuration = sending.load(how.config)
    people = {person.name: person for person in configuration.operators.people}
    if how.name not in people:
        sending.fail(f"there is no person {how.name} in operators.people; there are: {', '.join(people) or 'none'}")
    person = people[how.name]
    private = sending.read_private(how.key, person.public_key, f"operators.people.{how.name}.public_key")
    if lacks := lacks_role(person, act):
        sending.fail(lacks, 1)
    if not how.yes and not _somebody_is_there():
        sending.fail("nobody can be asked here: give --yes, when somebody has looked at the robot")
    robot = configuration.robot.id
    with sending.found(how.node, "operator_requests", robot, how.timeout) as (client, seen):
        told, sha256, epoch = _words(seen), "", seen.epoch
        if on_command:
            shown = _find(client, target, seen.configuration_sha256, how.timeout)
            told, sha256, epoch = deciding.words(shown), shown.sha256, shown.epoch
        if on_command or not how.yes:
            typer.echo(told, err=True)
        if not how.yes:
            if not typer.confirm(f"{act} {target}".strip() + "?", err=True):
                sending.fail("nothing was done", 1)
            # The nonce may have been replaced while the person thought; what the person saw may not, and in another
            # boot the same epoch is another one.
            now = sending.look(client, how.timeout)
            if now.boot != seen.boot:
                sending.fail("nothing was done: the supervisor was started anew meanwhile; look again", 1)
            seen = seen._replace(nonce=now.nonce)
        signed_for = SignedFor(act, target, epoch, sha256, how.reason)
        answer = sending.send(
            client,
            private,
            FORM,
            lambda *life: claims_of(person, robot, seen.nonce, seen.configuration_sha256, signed_for, *life),
            how.timeout,
            lambda: _withdraw(how.node, how.timeout),
        )
    sending.tell(answer, how.as_json)


def _find(client: TokenClient, waits: str, configuration: str, timeout: float) -> deciding.Shown:
    """Return the command that waits under an id, or end with the reason."""
    told = [one for one in sending.waiting(client, timeout) if one.get("kind") == "command" and one.get("id") == waits]
    if len(told) != 1:
        sending.fail(f"nothing waits as {waits}", 1)
    shown = deciding.read(told[0])
    if isinstance(shown, str):
        sending.fail(f"{waits} can not be decided on: {shown}", 1)
    if told[0].get("configuration_sha256") != configuration:
        sending.fail(f"{waits} was asked for under another configuration than the one that runs", 1)
    return shown


def _withdraw(node: str, timeout: float) -> str:
    """Stop, which makes every act old that was signed before; say how that went.

    A token without an answer may have been held back, and be sent when the person has given up and gone in.
    """
    from safety_supervisor.ros.stop_client import ask_for_stop

    problem = ask_for_stop(node, timeout)
    return f"it may count later: {problem}" if problem else "a stop was asked for, so that it can not count later"


def _somebody_is_there() -> bool:
    return sys.stdin.isatty()


def _words(seen: Seen) -> str:
    told = f"{seen.state}: {seen.cause}" if seen.cause else seen.state
    return "\n".join(line for line in (told, seen.next_step, seen.agents) if line)
