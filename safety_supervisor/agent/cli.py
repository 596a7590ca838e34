"""Commands `agent key` and `agent tool`."""

from __future__ import annotations

import json
import re
import secrets
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.tokens.agent_act import ACT, CLAIMS, sign
from safety_supervisor.tokens.claims import Claims
from safety_supervisor.tokens.freshness import VALID
from safety_supervisor.tokens.key_file import KeyFileError, public_text, read_key, write_new_key

if TYPE_CHECKING:
    from safety_supervisor.core.settings import SourceSettings

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="For whoever runs an agent: its key, and what it says of its tool.",
)

KEY_HELP = """Make an Ed25519 key for one source, and print the line for the configuration.

The private key goes into a new file that only you can read (mode 0600); an existing file is never overwritten. Make it
where the source runs, and let it stay there: whoever has the file can speak for the source.

\b
Example:
  safety-supervisor agent key --out planner.key
"""

TOOL_HELP = """Say that a source has taken a tool, or with --none that it has put down what it had.

Reads the nonce from the supervisor's status, signs, sends one token and waits for the ruling. The supervisor takes it
in AUTO/HOLDING, at standstill, for tools in `sources.NAME.tools`, and only where the robot is clear of everything with
the new tool. It believes the source: that the tool is really there, nobody has measured.

\b
Examples:
  safety-supervisor agent tool gripper --config robot.yaml --key planner.key --source planner
  safety-supervisor agent tool --none --config robot.yaml --key planner.key --source planner --json

Exit status: 0 it counts now, 1 refused or no answer, 2 wrong use or configuration.
"""


def _fail(message: str, status: int = 2) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(status)


@app.command("key", help=KEY_HELP)
def key_command(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="New file.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Make a key."""
    try:
        public = public_text(write_new_key(out))
    except FileExistsError:
        _fail(f"{out} is there already: a key is never overwritten; choose another name")
    except OSError as error:
        _fail(f"{out}: {error.strerror or error}")
    if as_json:
        typer.echo(json.dumps({"file": str(out), "public_key": public}))
        return
    typer.echo(f"private key: {out} (mode 0600)\nin the configuration, under sources.NAME:\n    public_key: {public}")


@app.command("tool", help=TOOL_HELP)
def tool_command(
    config: Annotated[Path, typer.Option("--config", metavar="FILE", help="Of the robot.", show_default=False)],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The private key.", show_default=False)],
    source: Annotated[str, typer.Option("--source", metavar="NAME", help="Whose key it is.", show_default=False)],
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="The tool.", show_default=False)] = "",
    none: Annotated[bool, typer.Option("--none", help="Put down what is carried.")] = False,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Recorded with the act; 200 characters.")] = "",
    subject: Annotated[str, typer.Option(metavar="TEXT", help="Who acts, recorded too.")] = "safety-supervisor agent",
    node: Annotated[str, typer.Option(metavar="NAME", help="The supervisor's full name.")] = "/supervisor",
    timeout: Annotated[float, typer.Option(min=0.1, max=60.0, help="For each of the two waits, [s].")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON, for programs.")] = False,
) -> None:
    """Change the tool."""
    if none == bool(name):
        _fail("name one tool, or give --none")
    if re.fullmatch(r"(/[A-Za-z_][A-Za-z0-9_]*)+", node) is None:
        _fail(f"--node {node}: a full name begins with '/', such as /supervisor")
    texts = (("NAME", "target", name), ("--reason", "reason", reason), ("--subject", "sub", subject))
    for option, claim, text in texts:
        if not CLAIMS[claim][1](text):
            _fail(f"{option} has to be {CLAIMS[claim][2]}")
    try:
        private = read_key(key)
    except KeyFileError as error:
        _fail(str(error))
    robot = _robot_of(config, source, public_text(private))
    if find_spec("rclpy") is None:
        _fail('rclpy is not installed: source a ROS 2, or pip install "safety_supervisor[ros]"')
    from safety_supervisor.ros.token_client import NoSupervisorError, connected

    jti, now = secrets.token_hex(16), int(time.time())
    answer: dict[str, Any] | None
    with connected(node) as client:
        try:
            nonce = client.find(robot, timeout)
        except NoSupervisorError as error:
            _fail(str(error), 1)
        claims = Claims(source, subject, robot, nonce, jti, now, now + VALID // NS_PER_S, ACT, name, reason)
        answer = client.send(sign(private, claims), jti, timeout)
        unverified = client.unverified
    if answer is None:
        words = f"no answer within {timeout:g} s: whether it counts, `tool` of the status tells"
        answer = {"jti": jti, "ok": False, "code": "", "detail": "; ".join([words, *unverified[-1:]])}
    told = f"{answer.get('code', '')} {answer.get('detail', '')}".strip()
    typer.echo(json.dumps(answer) if as_json else told)
    raise typer.Exit(0 if answer.get("ok") is True else 1)


def _robot_of(config: Path, source: str, public: str) -> str:
    """Return the robot's id, when the source is known by this key."""
    from safety_supervisor.config import ConfigurationError, load_config
    from safety_supervisor.config.public_key import encode_base64url

    try:
        configuration = load_config(config)
    except ConfigurationError as error:
        _fail(str(error))
    known: dict[str, SourceSettings] = {one.name: one for one in configuration.sources}
    if source not in known:
        _fail(f"there is no source {source}; sources: {', '.join(known)}")
    if encode_base64url(known[source].public_key) != public:
        _fail(f"the key is not that of sources.{source}.public_key, which would have to be {public}")
    return configuration.robot.id
