"""Commands `estop emulate`, `watch`, `selftest`, `signature` and `firmware-header`."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from safety_supervisor.core.estop_settings import EstopLine, RelayEffect
from safety_supervisor.core.units import nanoseconds
from safety_supervisor.estop.serial_line import LineError
from safety_supervisor.estop.signature import canonical, signature
from safety_supervisor.estop.tools.emulate import Emulator, OrderSource, far_end
from safety_supervisor.estop.tools.header import render_header
from safety_supervisor.estop.tools.orders import HELP

if TYPE_CHECKING:
    from safety_supervisor.core.settings import Configuration

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The e-stop device at the serial line: emulate, watch and test it. Not safety-rated; the button chain is "
    "wired to the drive's stop input.",
    epilog="""\b
Examples:
  safety-supervisor estop emulate --link /tmp/estop
  safety-supervisor estop watch --config robot.yaml
  safety-supervisor estop selftest --config robot.yaml --buttons 2
""",
)

_LIVE_EVERY_S = 0.25
_DEVICE_PARTS = ("enabling", "key", "reset")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Configuration of the robot.", show_default=False)
]
PortOption = Annotated[
    str | None,
    typer.Option("--port", help="Device file or URL of pyserial; instead of --config's.", show_default=False),
]
Baud = Annotated[int, typer.Option(min=1, help="Without --config.")]
Host = Annotated[int, typer.Option(min=1, max=65535, help="The supervisor's id. Without --config.")]
DeviceId = Annotated[int, typer.Option("--device", min=1, max=65535, help="The device's id. Without --config.")]
RelayDelay = Annotated[float, typer.Option(min=0.0, max=10.0, help="SS1-t, [s]. Without --config.")]
Effect = Annotated[RelayEffect, typer.Option(help="Without --config.")]
Json = Annotated[bool, typer.Option("--json", help="Lines of JSON, for programs; times CLOCK_MONOTONIC, [ns].")]
Seconds = Annotated[float | None, typer.Option(min=0.0, help="End after so long, [s].", show_default=False)]

EMULATE_HELP = f"""An e-stop device on a pseudo-terminal, or on a given port, in real time.

Prints the device file to open and obeys orders: lines of stdin, and of --script. Every order is answered with the
time when it was obeyed; what the device does (sessions, relays, self-tests) is told with its time.

\b
Orders:
{HELP}
  {"wait SECONDS":<40} hold the orders behind it
  {"state":<40} show what the device shows
  {"help":<40} this list
  {"quit":<40} end

\b
Examples:
  safety-supervisor estop emulate --link /tmp/estop
  safety-supervisor estop emulate --config robot.yaml --script "wait 2; press; wait 1; release; reset 0.5" --json
  safety-supervisor estop emulate --port /dev/ttyUSB1 --script fault_day.txt
"""


def _fail(message: str, status: int = 2) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(status)


def _load(config: Path) -> Configuration:
    from safety_supervisor.config import ConfigurationError, load_config  # half a second that `emulate` need not pay

    try:
        return load_config(config)
    except ConfigurationError as error:
        _fail(str(error))


def _frames_of(configuration: Configuration) -> EstopLine:
    estop = configuration.estop
    if estop.driver != "frame_v1" or estop.line is None:
        _fail(f"{configuration.path}: estop.driver is {estop.driver}; this command speaks frame_v1 only")
    return estop.line


def _line(
    config: Path | None, port: str | None, baud: int, host: int, device: int, delay: float, effect: RelayEffect
) -> EstopLine:
    """Return the line of a configuration, with another port if one is given, or of the options."""
    if config is not None:
        line = _frames_of(_load(config))
        return line if port is None else replace(line, port=port)
    if host == device:
        _fail(f"--host and --device are both {host}; give different ids")
    return EstopLine(port or "", baud, host, device, nanoseconds(delay), effect, None)


@app.command("emulate", help=EMULATE_HELP)
def emulate_command(
    config: ConfigOption = None,
    link: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Symbolic link that names the device file.", show_default=False)
    ] = None,
    port: Annotated[
        str | None, typer.Option(help="A serial port instead of a pseudo-terminal.", show_default=False)
    ] = None,
    script: Annotated[
        str,
        typer.Option(metavar="FILE_OR_ORDERS", help="Orders, parted by `;`, or a file of them.", show_default=False),
    ] = "",
    as_json: Json = False,
    seconds: Seconds = None,
    baud: Baud = 115200,
    host: Host = 1,
    device: DeviceId = 2,
    relay_delay: RelayDelay = 0.3,
    relay_effect: Effect = "sto",
    seed: Annotated[int | None, typer.Option(help="Of garbage and numbers: repeatable.", show_default=False)] = None,
) -> None:
    """Emulate; the help is EMULATE_HELP."""
    line = _line(config, None, baud, host, device, relay_delay, relay_effect)
    try:
        orders = Path(script).read_text(encoding="utf-8") if _is_file(script) else script
        end = far_end(port, line.baud, link)
    except LineError as error:
        _fail(str(error))
    except (OSError, UnicodeDecodeError) as error:
        _fail(f"{getattr(error, 'filename', None) or script}: {getattr(error, 'strerror', None) or error}")
    tell = _tell_json if as_json else _tell_plain
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    emulator = Emulator(line, end, tell, seed)
    tell({"port": end.name, "signature": f"{signature(line):08X}", "at": time.monotonic_ns()})
    try:
        _run(
            emulator,
            OrderSource(orders, sys.stdin.fileno() if sys.stdin else None),
            tell,
            seconds,
            live=not as_json and sys.stdout.isatty(),
        )
    except KeyboardInterrupt:
        pass
    except LineError as error:
        _fail(str(error), 1)
    finally:
        emulator.close()


def _run(
    emulator: Emulator, source: OrderSource, tell: Callable[[dict[str, Any]], None], seconds: float | None, live: bool
) -> None:
    ends = None if seconds is None else time.monotonic() + seconds
    drawn = 0.0
    while source.follow(emulator, tell) and (ends is None or time.monotonic() < ends):
        wait = min(source.wait(), _LIVE_EVERY_S, 3600.0 if ends is None else max(0.0, ends - time.monotonic()))
        if emulator.step(source.stream, wait):
            source.read()
        if live and time.monotonic() - drawn >= _LIVE_EVERY_S:
            drawn = time.monotonic()
            state = emulator.state()
            text = "  ".join(f"{name} {state[name]}" for name in ("channels", "relays", "sent", "refused", "plugged"))
            sys.stdout.write(f"\r\x1b[K{text}")
            sys.stdout.flush()


def _is_file(script: str) -> bool:
    """Whether a script is the name of a file; what can be no name is orders."""
    try:
        return bool(script) and Path(script).is_file()
    except (OSError, ValueError):
        return False


def _shown(text: str) -> str:
    """Return a text that does nothing to a terminal."""
    return text if text.isascii() and text.isprintable() else ascii(text)[1:-1]


def _tell_json(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _tell_plain(what: dict[str, Any]) -> None:
    at = f"{what['at'] / 1e9:12.3f} s"
    if "help" in what:
        text = f"orders:\n{what['help']}"
    elif "event" in what:
        text = f"{at}  {what['event']}: {what['detail']}"
    elif "order" in what:
        more = {name: value for name, value in what.items() if name not in ("order", "ok", "at", "sent_at", "why")}
        text = f"{at}  > {_shown(what['order'])}" + (f"  {more}" if more else "")
        text += "" if what["ok"] else f"  {_shown(what['why'])}"
    else:
        text = f"{at}  device on {what['port']}, signature {what['signature']}; `help` shows the orders"
    clear = "\r\x1b[K" if sys.stdout.isatty() else ""
    sys.stdout.write(f"{clear}{text}\n")
    sys.stdout.flush()


@app.command("watch")
def watch_command(
    config: ConfigOption = None,
    port: PortOption = None,
    checkin: Annotated[bool, typer.Option("--checkin", help="Send CHECKIN with the demand STOP.")] = False,
    seconds: Seconds = None,
    as_json: Json = False,
    baud: Baud = 115200,
    host: Host = 1,
    device: DeviceId = 2,
    relay_delay: RelayDelay = 0.3,
    relay_effect: Effect = "sto",
) -> None:
    """Watch a real line: state, frames, errors by kind, lost frames, times.

    Begins a session, because the device talks in one only. Sends no CHECKIN, the supervisor's sign of life, because the
    device lets its relays close on it, and nothing here would stop the robot. --checkin sends it with the demand STOP,
    on which relays stay open, and measures round trips. The port is for one program alone: end the supervisor first.

    Exit status 1: no device answered.

    \b
    Examples:
      safety-supervisor estop watch --config robot.yaml
      safety-supervisor estop watch --port /dev/ttyUSB0 --seconds 10 --checkin --json
    """
    from rich.console import Console

    from safety_supervisor.estop.drivers import make_driver
    from safety_supervisor.estop.tools.driver_watch import DriverWatch
    from safety_supervisor.estop.tools.line_watch import LineWatch
    from safety_supervisor.estop.tools.watch import Line, NoLineError, watch_line

    if config is None and port is None:
        _fail("give --config FILE or --port PORT")
    estop = None if config is None else _load(config).estop
    if estop is not None and estop.line is None:
        _fail(f"{config}: estop.driver is {estop.driver}; there is no line to watch")
    if estop is None or estop.line is None or estop.driver == "frame_v1":
        line = _line(config, port, baud, host, device, relay_delay, relay_effect)
        tool = Line(line, LineWatch(line, checkin))
    else:
        line = estop.line if port is None else replace(estop.line, port=port)
        tool = Line(line, DriverWatch(make_driver(estop), checkin), estop.driver == "modem_lines", sees_age=False)
    try:
        heard = watch_line(tool, seconds, as_json, Console(highlight=False, markup=False))
    except NoLineError as error:
        _fail(str(error))
    raise typer.Exit(0 if heard else 1)


@app.command("selftest")
def selftest_command(
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", help="Configuration of the robot.", show_default=False)
    ],
    port: PortOption = None,
    buttons: Annotated[int, typer.Option(min=1, max=50, help="E-stop buttons in the chain.")] = 1,
    each_channel: Annotated[
        bool, typer.Option("--each-channel", help="Open each channel alone, too, at its terminal.")
    ] = False,
    without: Annotated[
        list[str] | None, typer.Option(help="What the device does not have: enabling, key, reset.", show_default=False)
    ] = None,
    within: Annotated[float, typer.Option(min=0.1, max=3600.0, help="Time for each step, [s].")] = 30.0,
    log_directory: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Instead of the configuration's.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Test the e-stop device with a person, at the begin of a shift.

    Asks to press and release what there is, and checks that the line tells it in time. The relays stay open. Writes a
    dated record into the log directory. The port is for one program alone: end the supervisor first.

    Exit status 1: a step failed; do not use the robot. 2: the line can not be opened.

    \b
    Examples:
      safety-supervisor estop selftest --config robot.yaml --buttons 2
      safety-supervisor estop selftest --config robot.yaml --without enabling --without key
    """
    from safety_supervisor.estop.tools.self_test_guide import (
        GuidedLine,
        guide,
        last_record,
        record,
        steps,
        write_record,
    )
    from safety_supervisor.estop.tools.watch import NoLineError

    left_out = frozenset(without or [])
    if left_out - set(_DEVICE_PARTS):
        _fail(f"--without {', '.join(sorted(left_out - set(_DEVICE_PARTS)))}: give {', '.join(_DEVICE_PARTS)}")
    configuration = _load(config)
    line = _frames_of(configuration)
    if port is not None:
        line = replace(line, port=port)
    robot, directory = configuration.robot.id, log_directory or Path(configuration.evidence.log_directory)
    last = last_record(directory, robot)
    told = "never" if last is None else f"{last['age'] / 3600:.1f} h ago, {'passed' if last['passed'] else 'FAILED'}"
    if not as_json:
        typer.echo(f"last test: {told}")

    def say(step: str, ask: str) -> None:
        if as_json:
            typer.echo(json.dumps({"step": step, "ask": ask, "at": time.monotonic_ns()}))
        else:
            typer.echo(f"{step}: {ask}")

    tool = GuidedLine(line)
    try:
        tool.open()
    except NoLineError as error:
        _fail(f"not tested: {error}")
    try:
        done = guide(tool, steps(buttons, each_channel, left_out), within, say)
    except KeyboardInterrupt:
        _fail("not tested: ended by hand")
    finally:
        tool.close()
    found = record(line, robot, done, left_out)
    try:
        path, unwritten = str(write_record(directory, found)), ""
    except OSError as error:
        path, unwritten = "", f"{error.filename or directory}: {error.strerror or error}"
    if as_json:
        typer.echo(json.dumps({**found, "file": path or None, "not_written": unwritten, "last": last}))
    else:
        if not found["passed"]:
            typer.secho(f"FAILED at {done[-1]['step']}: {done[-1]['why']}", fg="red", bold=True)
        else:
            typer.secho("passed", fg="green")
        if path:
            typer.echo(f"record: {path}")
    if unwritten:
        _fail(f"the record can not be written, so this test does not count: {unwritten}", 1)
    raise typer.Exit(0 if found["passed"] else 1)


@app.command("signature")
def signature_command(
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", help="Configuration of the robot.", show_default=False)
    ],
    as_json: Json = False,
) -> None:
    """Print the configuration signature that both ends of the line must share, and the text that it is made of."""
    line = _frames_of(_load(config))
    if as_json:
        typer.echo(json.dumps({"signature": signature(line), "canonical": canonical(line)}))
    else:
        typer.echo(f"{signature(line):08X}\n{canonical(line)}")


@app.command("firmware-header")
def firmware_header_command(
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", help="Configuration of the robot.", show_default=False)
    ],
) -> None:
    """Print config.h for the device's firmware.

    \b
    Example:
      safety-supervisor estop firmware-header --config robot.yaml > config.h
    """
    typer.echo(render_header(_frames_of(_load(config))), nl=False)
