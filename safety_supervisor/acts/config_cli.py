"""Commands `config sign` and `config trust`: who answers for a real robot's configuration, and whose word counts."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from safety_supervisor.acts import sending
from safety_supervisor.config.public_key import encode_base64url
from safety_supervisor.core.operator_settings import Person, Role
from safety_supervisor.core.settings import Configuration
from safety_supervisor.tokens.claims import ConfigurationClaims
from safety_supervisor.tokens.configuration_signature import FORM, signature_path
from safety_supervisor.tokens.officers import (
    DEFAULT,
    OfficersError,
    read_officers,
    replace_public_file,
    write_officers,
)
from safety_supervisor.tokens.signed_act import sign

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="A safety officer's signature of a real robot's configuration, without which the node does not start.",
)

SIGN_HELP = """Sign a configuration as its safety officer: FILE.sig, beside it.

It signs the hash of the file and of its URDF: whoever changes a byte of either needs a new signature. Read the file
first, and what `check-config` says of it: you answer for what the robot is held to.

\b
Example:
  safety-supervisor config sign robot.yaml --key ada.key --as ada --reason "zones measured again"

Exit status: 0 signed, 2 wrong use or configuration.
"""

TRUST_HELP = """Say whose signatures count on this machine: the safety officers of FILE, and nobody else.

Once for each machine, and whenever officers come or go, by whoever administers it. The node reads the list and never
writes it; who edits a configuration and puts an own key into it has not become an officer by that. From then on
nothing runs unsigned on this machine, a simulation (`simulated: true`) neither.

\b
Example:
  sudo "$(command -v safety-supervisor)" config trust robot.yaml

Exit status: 0 written, 1 not confirmed or not written, 2 wrong use or configuration.
"""

File = Annotated[Path, typer.Argument(metavar="FILE", help="Configuration of one robot, YAML.", show_default=False)]


@app.command("sign", help=SIGN_HELP)
def sign_command(
    file: File,
    key: sending.Key,
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Whose key it is.", show_default=False)],
    reason: sending.Reason = "",
    as_json: sending.AsJson = False,
) -> None:
    """Sign."""
    sending.check_texts(FORM, reason=reason)
    configuration = sending.load(file)
    known = {person.name: person for person in _officers(configuration, file)}
    if name not in known:
        sending.fail(f"{name} is no safety officer in `operators.people` of {file}; there are: {', '.join(known)}")
    private = sending.read_private(key, known[name].public_key, f"operators.people.{name}.public_key")
    role, robot, sha256 = Role.SAFETY_OFFICER.value, configuration.robot.id, configuration.sha256
    token = sign(private, FORM, ConfigurationClaims(name, role, robot, sha256, int(time.time()), reason))
    path = signature_path(configuration.path)
    try:
        replace_public_file(path, f"{token}\n".encode("ascii"))
    except OSError as error:
        sending.fail(f"{path}: {error.strerror or error}")
    if as_json:
        told = {"file": configuration.path, "signature": str(path), "by": name, "robot": robot, "sha256": sha256}
        typer.echo(json.dumps(told))
        return
    typer.echo(f"signed by {name}: {path}\nrobot {robot}, configuration {sha256}")


@app.command("trust", help=TRUST_HELP)
def trust_command(
    file: File,
    officers: Annotated[Path, typer.Option(metavar="FILE", help="The list.")] = DEFAULT,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: sending.AsJson = False,
) -> None:
    """Trust."""
    named = {person.name: person.public_key for person in _officers(sending.load(file), file)}
    try:
        before = read_officers(officers)
        told = f"{officers} now: {', '.join(before)}"
    except OfficersError as error:
        before, told = {}, f"so far nobody is trusted: {error}"
    shown = {one: encode_base64url(key) for one, key in named.items()}
    gone = sorted(set(before) - set(named))
    if not (as_json and yes):
        tell = partial(typer.echo, err=as_json)
        tell(told)
        for one, key in shown.items():
            state = "stays" if before.get(one) == named[one] else "ANOTHER KEY" if one in before else "NEW"
            tell(f"  {one}  {key}  {state}")
        for one in gone:
            tell(f"  {one}  GONE: what {one} signed counts no more")
    if not yes and not typer.confirm("Are these the safety officers, and these their keys?", err=True):
        sending.fail("not confirmed: nothing was written", 1)
    try:
        write_officers(officers, named)
    except OfficersError as error:
        sending.fail(f"nothing was written: {error}", 1)
    except OSError as error:
        cure = "; as root (sudo), or name another file by --officers" if isinstance(error, PermissionError) else ""
        sending.fail(f"{officers}: {error.strerror or error}{cure}", 1)
    typer.echo(
        json.dumps({"file": str(officers), "officers": shown, "gone": gone}) if as_json else f"written: {officers}"
    )


def _officers(configuration: Configuration, file: Path) -> list[Person]:
    """Return the safety officers of a configuration, or end where there is none."""
    found = [person for person in configuration.operators.people if person.role is Role.SAFETY_OFFICER]
    if not found:
        sending.fail(
            f"`operators.people` of {file} names no safety_officer: `safety-supervisor operator key --out NAME.key` "
            "makes a key and prints the line"
        )
    return found
