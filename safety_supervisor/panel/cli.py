"""Commands `panel` and `panel key`."""

from __future__ import annotations

import json
import logging
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safety_supervisor.acts import sending
from safety_supervisor.config.panel_checks import EVERYWHERE, is_loopback
from safety_supervisor.core.panel_settings import OidcSettings, PanelSettings
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.tokens.signed_act import is_name

if TYPE_CHECKING:
    from safety_supervisor.panel.sso import Sso

_HELP = """The technicians' web panel: what the supervisor does, STOP, and acts signed by whoever has logged in.

A process of its own; when it dies nothing is approved, and nothing that stops the robot is lost. STOP on its pages is a
software stop, never the e-stop.

\b
Examples:
  safety-supervisor panel key --as ada --out panel_keys
  safety-supervisor panel --config robot.yaml --keys panel_keys

Listens on this machine alone. For others give --host with --tls-certificate and --tls-key.

Exit status: 0 ended, 2 wrong use or configuration.
"""

HEADS = Path("~/.local/state/safety_supervisor_panel")

app = typer.Typer(rich_markup_mode=None, help=_HELP, invoke_without_command=True)


@app.callback(invoke_without_command=True)
def panel_command(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Of the robot.")] = None,
    keys: Annotated[Path | None, typer.Option(help="Of `panel key`; else panel_keys beside the configuration.")] = None,
    node: sending.Node = sending.NODE,
    host: Annotated[str | None, typer.Option(help="Address to listen on; else 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on; else 8080.")] = None,
    name: Annotated[list[str] | None, typer.Option(help="Name by which browsers call it; again for more.")] = None,
    certificate: Annotated[Path | None, typer.Option("--tls-certificate", metavar="FILE", help="PEM.")] = None,
    key: Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="PEM.")] = None,
    idle: Annotated[
        int | None, typer.Option(min=1, max=600, help="A login ends after so long without an act, [s]; else 600.")
    ] = None,
    heads: Annotated[
        Path, typer.Option(metavar="DIR", help="Keeps heads of the decision log: docs/evidence.md.")
    ] = HEADS,
    jog: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Jog by it: of kind person, takes velocities.")
    ] = None,
) -> None:
    """Serve the panel."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        sending.fail("give --config FILE")
    if (certificate is None) != (key is None):
        sending.fail("--tls-certificate and --tls-key belong together")
    configuration = sending.load(config)
    # Options win over the section; the two files of TLS belong together and come from one of them.
    section = configuration.panel or PanelSettings()
    host, port, idle = host or section.host, port or section.port, idle or section.idle
    jog = jog or section.jog or None
    if certificate is None and section.tls_certificate:
        certificate, key = Path(section.tls_certificate), Path(section.tls_key)
    names = tuple(dict.fromkeys((*_own_names(host), *(name or section.names))))
    if not is_loopback(host) and certificate is None:
        sending.fail(f"--host {host}: passwords would be read on the network; give --tls-certificate and --tls-key")
    if not names:
        sending.fail(f"--host {host}: give --name, by which browsers call it")
    sending.check_node(node)
    if any(find_spec(one) is None for one in ("nicegui", "argon2", "authlib")):
        sending.fail('the panel is not installed: pip install "safety_supervisor[panel]"')
    import secrets
    from contextlib import ExitStack

    import uvicorn

    from safety_supervisor.evidence.decisions.files import file_robot
    from safety_supervisor.evidence.decisions.kept_heads import KeptHeads
    from safety_supervisor.panel import line
    from safety_supervisor.panel.desk import Desk
    from safety_supervisor.panel.jog_stream import Jogger, unfit
    from safety_supervisor.panel.people import People
    from safety_supervisor.panel.preview_scene import Stage
    from safety_supervisor.panel.ros_link import RosLink
    from safety_supervisor.panel.ros_motion import Watch
    from safety_supervisor.panel.security import origins
    from safety_supervisor.panel.server import Panel, assemble
    from safety_supervisor.panel.sessions import Sessions
    from safety_supervisor.panel.studio import Studio

    if jog is not None and (problem := unfit(configuration, jog)):
        sending.fail(problem)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    people = People(configuration.operators.people, keys or config.resolve().parent / "panel_keys")
    for problem in people.problems():
        typer.echo(problem, err=True)
    sso = None if section.oidc is None else _sso(section.oidc, {one.name for one in configuration.operators.people})
    scheme, robot = "http" if certificate is None else "https", configuration.robot.id
    try:
        kept = KeptHeads(heads.expanduser() / f"{file_robot(robot)}.heads", robot)
    except OSError as error:
        sending.fail(f"--heads {heads}: {error.strerror or error}")
    radius = 0.0 if configuration.separation is None else configuration.separation.body_radius
    with ExitStack() as opened:
        link = RosLink(node, [source.name for source in configuration.sources], kept)
        opened.callback(link.close)
        watch = Watch(node, configuration)
        opened.callback(watch.close)
        studio = Studio(configuration)
        opened.callback(studio.close)
        desk = Desk(configuration, link, Sessions(lambda: secrets.token_urlsafe(32), idle * NS_PER_S))
        panel = Panel(desk, people, robot, sso)
        stage = Stage(studio, watch, radius)
        jogger = None if jog is None else Jogger(configuration, node, jog, desk)
        if jogger is not None:
            opened.callback(jogger.close)
        gate = assemble(panel, desk, robot, origins(scheme, names, port), stage, jogger)
        typer.echo(f"panel of {robot}: {scheme}://{f'[{names[0]}]' if ':' in names[0] else names[0]}:{port}/")
        uvicorn.run(gate, host=host, port=port, **line.options(), ssl_certfile=certificate, ssl_keyfile=key)
        panel.close()


_KEY_HELP = """Make a key for one person, sealed by a password, and print the line for the configuration.

The password is asked for twice, has at least 10 characters, and is stored nowhere: whoever forgets it makes a new key.
The file NAME.panelkey (mode 0600) goes where the panel runs; without the password nobody can act with it, so choose one
that can not be guessed.
"""


@app.command("key", help=_KEY_HELP)
def key_command(
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Of operators.people.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory of the keys.", show_default=False)],
    as_json: sending.AsJson = False,
) -> None:
    """Make a sealed key."""
    if find_spec("argon2") is None:
        sending.fail('the panel is not installed: pip install "safety_supervisor[panel]"')
    from safety_supervisor.panel.key_box import SUFFIX, unfit, write_new_box

    if not is_name(name):
        sending.fail("--as has to be a name of operators.people")
    file = out / f"{name}{SUFFIX}"
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    if problem := unfit(password):
        sending.fail(problem)
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        public = write_new_box(file, name, password)
    except FileExistsError:
        sending.fail(f"{file} is there already: a key is never overwritten; move it away first")
    except OSError as error:
        sending.fail(f"{file}: {error.strerror or error}")
    if as_json:
        typer.echo(json.dumps({"file": str(file), "public_key": public}))
        return
    typer.echo(f"sealed key: {file} (mode 0600)\nin the configuration, under operators.people.{name}, beside the role:")
    typer.echo(f"    public_key: {public}")


def _sso(settings: OidcSettings, people: set[str]) -> Sso:
    from safety_supervisor.panel.provider import Provider
    from safety_supervisor.panel.sso import Sso

    try:
        return Sso(Provider(settings), people)
    except (OSError, ValueError) as error:
        sending.fail(f"panel.oidc: {error}")


def _own_names(host: str) -> tuple[str, ...]:
    if is_loopback(host):
        return ("127.0.0.1", "localhost", *(() if host in ("127.0.0.1", "localhost") else (host,)))
    return () if host in EVERYWHERE else (host,)
