"""What all commands that sign have in common: the key, the one token, and the answer, for people and for programs."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeAlias, TypeVar

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.tokens.claims import AgentClaims, OperatorClaims, SessionClaims
from safety_supervisor.tokens.freshness import VALID
from safety_supervisor.tokens.key_file import KeyFileError, public_text, read_key, write_new_key
from safety_supervisor.tokens.signed_act import COMMON, Form, sign

if TYPE_CHECKING:
    from safety_supervisor.core.settings import Configuration
    from safety_supervisor.ros.token_client import Seen, TokenClient

Config: TypeAlias = Annotated[Path, typer.Option("--config", metavar="FILE", help="Of the robot.", show_default=False)]
Key: TypeAlias = Annotated[Path, typer.Option("--key", metavar="FILE", help="The private key.", show_default=False)]
Reason: TypeAlias = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Recorded; 200 characters.")]
Node: TypeAlias = Annotated[str, typer.Option("--node", metavar="NAME", help="The supervisor's full name.")]
Timeout: TypeAlias = Annotated[float, typer.Option(min=0.1, max=60.0, help="For each of the two waits, [s].")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, for programs.")]
NODE: Final = "/supervisor"
TIMEOUT: Final = 5.0
Sent = TypeVar("Sent", AgentClaims, SessionClaims, OperatorClaims)
_NO_ROS: Final = 'rclpy is not installed: source a ROS 2, or pip install "safety_supervisor[ros]"'


def fail(message: str, status: int = 2) -> NoReturn:
    """End with a message on stderr."""
    typer.echo(message, err=True)
    raise typer.Exit(status)


def make_key(out: Path, under: str, as_json: bool) -> None:
    """Make a key, and print the line for the configuration, which belongs under that key of it."""
    try:
        public = public_text(write_new_key(out))
    except FileExistsError:
        fail(f"{out} is there already: a key is never overwritten; choose another name")
    except OSError as error:
        fail(f"{out}: {error.strerror or error}")
    if as_json:
        typer.echo(json.dumps({"file": str(out), "public_key": public}))
        return
    typer.echo(f"private key: {out} (mode 0600)\nin the configuration, under {under}:\n    public_key: {public}")


def load(config: Path) -> Configuration:
    """Load the robot's configuration, or end with its problems."""
    from safety_supervisor.config import ConfigurationError, load_config

    try:
        return load_config(config)
    except ConfigurationError as error:
        fail(str(error))


def read_private(path: Path, known: bytes, where: str) -> Ed25519PrivateKey:
    """Read the private key that belongs to a public one; `where` names that one, in the configuration."""
    from safety_supervisor.config.public_key import encode_base64url

    try:
        private = read_key(path)
    except KeyFileError as error:
        fail(str(error))
    if encode_base64url(known) != public_text(private):
        theirs = encode_base64url(known) or "none"
        fail(
            f"{path} is another key than {where}: its public key is {public_text(private)}, there stands {theirs}. "
            "Give the file that belongs to that name, or the name that this key has in the configuration."
        )
    return private


def check_texts(form: Form[Any], **texts: str) -> None:
    """End where a text is none that its claim may be; options are called as their claims are."""
    for name, value in texts.items():
        claim = form.claims[name] if name in form.claims else COMMON[name]
        if not claim.fits(value):
            fail(f"{name} has to be {claim.words}")


def check_node(node: str) -> None:
    """End where that is no full name of a node, or where there is no ROS to find one by."""
    if re.fullmatch(r"(/[A-Za-z_][A-Za-z0-9_]*)+", node) is None:
        fail(f"--node {node}: a full name begins with '/', such as /supervisor")
    if find_spec("rclpy") is None:
        fail(_NO_ROS)


@contextmanager
def found(node: str, topic: str, robot: str, timeout: float, sends: bool = True) -> Iterator[tuple[TokenClient, Seen]]:
    """Yield a client of the supervisor, and what that shows; or end with the reason. Who looks, `sends` nothing."""
    check_node(node)
    from safety_supervisor.ros.token_client import NoSupervisorError, connected

    with connected(node, topic) as client:
        try:
            seen = client.find(robot, timeout, sends)
        except NoSupervisorError as error:
            fail(str(error), 1)
        yield client, seen


def look(client: TokenClient, timeout: float) -> Seen:
    """Return what the supervisor shows now, or end with the reason."""
    from safety_supervisor.ros.token_client import NoSupervisorError

    try:
        return client.look(timeout)
    except NoSupervisorError as error:
        fail(str(error), 1)


def waiting(client: TokenClient, timeout: float) -> list[dict[str, str]]:
    """Return what waits for people and what they granted, or end with the reason; nothing of it is believed."""
    from safety_supervisor.ros.token_client import NoSupervisorError

    try:
        return client.waiting(timeout)
    except NoSupervisorError as error:
        fail(str(error), 1)


def send(
    client: TokenClient,
    key: Ed25519PrivateKey,
    form: Form[Sent],
    claims: Callable[[str, int, int], Sent],
    timeout: float,
    withdraw: Callable[[], str] | None = None,
) -> dict[str, Any]:
    """Sign and send one token; return its answer.

    Args:
        client: of the supervisor.
        key: signs.
        form: of the token.
        claims: makes them from the id, and from when until when, [s].
        timeout: for the answer, [s]; without one in time the returned one says so.
        withdraw: called without one; sees to it that the token can not count any more, and says how that went.
    """
    jti, now = secrets.token_hex(16), int(time.time())
    said = claims(jti, now, now + VALID // NS_PER_S)
    try:
        answer = client.send(sign(key, form, said), said.iss, jti, timeout)
    except KeyboardInterrupt:
        if withdraw is not None:
            typer.echo(withdraw(), err=True)
        raise
    if answer is not None:
        return answer
    words = [f"no answer within {timeout:g} s: whether it counts, the status tells", *client.unverified[-1:]]
    words += [] if withdraw is None else [withdraw()]
    return {"jti": jti, "iss": said.iss, "ok": False, "code": "", "detail": "; ".join(words)}


def tell(answer: dict[str, Any], as_json: bool) -> NoReturn:
    """Print an answer, and end by it: 0 it counts, 1 refused or no answer."""
    told = f"{answer.get('code', '')} {answer.get('detail', '')}".strip()
    typer.echo(json.dumps(answer) if as_json else told)
    raise typer.Exit(0 if answer.get("ok") is True else 1)
