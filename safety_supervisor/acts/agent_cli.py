"""Commands `agent key`, `agent tool` and `agent introduce`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety_supervisor.acts import sending
from safety_supervisor.core.agents.settings import CONTRACT
from safety_supervisor.tokens import agent_session
from safety_supervisor.tokens.agent_act import ACT, FORM
from safety_supervisor.tokens.claims import AgentClaims, SessionClaims

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="For whoever runs an agent: its key, who it is, and what it says of its tool.",
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

INTRODUCE_HELP = """Introduce the agent of a source: which model it runs, and which joint groups it will command.

Run it when the agent publishes already: the session is bound to its publisher, and ends with it, at a restart of the
supervisor, and when a person revokes it. Then introduce it again. Models that may are listed in `sources.NAME.models`.
What is said of the model nobody has measured: it is as true as whoever holds the key.

\b
Example:
  safety-supervisor agent introduce --config robot.yaml --key planner.key --source planner \\
    --model cell_policy --version 1.2.0 --model-file policy.onnx

Exit status: 0 the agent may command, 1 refused or no answer, 2 wrong use or configuration.
"""

Source = Annotated[str, typer.Option("--source", metavar="NAME", help="Whose key it is.", show_default=False)]
Subject = Annotated[str, typer.Option(metavar="TEXT", help="Who acts, recorded too.")]
SUBJECT = "safety-supervisor agent"


@app.command("key", help=KEY_HELP)
def key_command(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="New file.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Make a key."""
    sending.make_key(out, "sources.NAME", as_json)


@app.command("tool", help=TOOL_HELP)
def tool_command(
    config: sending.Config,
    key: sending.Key,
    source: Source,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="The tool.", show_default=False)] = "",
    none: Annotated[bool, typer.Option("--none", help="Put down what is carried.")] = False,
    reason: sending.Reason = "",
    subject: Subject = SUBJECT,
    node: sending.Node = sending.NODE,
    timeout: sending.Timeout = sending.TIMEOUT,
    as_json: sending.AsJson = False,
) -> None:
    """Change the tool."""
    if none == bool(name):
        sending.fail("name one tool, or give --none")
    sending.check_texts(FORM, target=name, reason=reason, sub=subject)
    robot, _, private = _holder(config, source, key)
    with sending.found(node, "agent_sessions", robot, timeout) as (client, seen):
        answer = sending.send(
            client,
            private,
            FORM,
            lambda jti, begins, ends: AgentClaims(
                source, subject, robot, seen.nonce, jti, begins, ends, ACT, name, reason
            ),
            timeout,
        )
    sending.tell(answer, as_json)


@app.command("introduce", help=INTRODUCE_HELP)
def introduce_command(
    config: sending.Config,
    key: sending.Key,
    source: Source,
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="What the model is called.")],
    version: Annotated[str, typer.Option("--version", metavar="TEXT", help="Its version.")],
    sha256: Annotated[str, typer.Option("--model-sha256", metavar="HEX", help="SHA-256 of its file.")] = "",
    file: Annotated[Path | None, typer.Option("--model-file", metavar="FILE", help="Its file, to be hashed.")] = None,
    group: Annotated[list[str] | None, typer.Option(help="Joint group; again for more; none: all of them.")] = None,
    reason: sending.Reason = "",
    subject: Subject = SUBJECT,
    node: sending.Node = sending.NODE,
    timeout: sending.Timeout = sending.TIMEOUT,
    as_json: sending.AsJson = False,
) -> None:
    """Introduce an agent."""
    if bool(sha256) == (file is not None):
        sending.fail("give --model-sha256, or --model-file")
    measured = sha256 if file is None else _hash(file)
    form = agent_session.FORM
    sending.check_texts(form, model=model, version=version, model_sha256=measured, reason=reason, sub=subject)
    robot, own, private = _holder(config, source, key)
    groups = own if group is None else tuple(group)
    if not set(groups) <= set(own) or len(set(groups)) != len(groups):
        given, allowed = ", ".join(groups)[:200], ", ".join(own) or "none"
        sending.fail(f"--group {given}: not allowed; the groups of {source}, each once: {allowed}")
    with sending.found(node, "agent_sessions", robot, timeout) as (client, seen):
        answer = sending.send(
            client,
            private,
            form,
            lambda jti, begins, ends: SessionClaims(
                source,
                subject,
                robot,
                seen.nonce,
                jti,
                begins,
                ends,
                model,
                version,
                measured,
                CONTRACT,
                groups,
                reason,
            ),
            timeout,
        )
    sending.tell(answer, as_json)


def _holder(config: Path, source: str, key: Path) -> tuple[str, tuple[str, ...], Ed25519PrivateKey]:
    """Return the robot's id, a source's joint groups, and its private key; or end with what is wrong with them."""
    configuration = sending.load(config)
    known = {one.name: one for one in configuration.sources}
    if source not in known:
        sending.fail(f"there is no source {source}; sources: {', '.join(known)}")
    private = sending.read_private(key, known[source].public_key, f"sources.{source}.public_key")
    return configuration.robot.id, known[source].groups, private


def _hash(file: Path) -> str:
    """Return the SHA-256 of a file."""
    found = hashlib.sha256()
    try:
        with file.open("rb") as data:
            while block := data.read(1 << 20):
                found.update(block)
    except OSError as error:
        sending.fail(f"{file}: {error.strerror or error}")
    return found.hexdigest()
