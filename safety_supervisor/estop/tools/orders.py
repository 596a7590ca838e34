"""Orders to the emulated device, one a line: words to acts. `HELP` teaches them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.frames import RUN_A, RUN_B, STOP_A, STOP_B
from safety_supervisor.estop.times import MS
from safety_supervisor.estop.tools.device import Channel, Device
from safety_supervisor.estop.tools.disturbance import Disturbance

MOST: Final = 100_000


class OrderError(ValueError):
    """The order is not understood; the text says what is."""


@dataclass
class Bench:
    """What orders act on."""

    device: Device
    disturbance: Disturbance
    plug: Callable[[], None]
    unplug: Callable[[], None]
    seed: Callable[[], int]
    frozen: bool = False
    silent: bool = False
    loopback: bool = False
    """Whether the host hears itself."""
    reset_up_at: Nanoseconds | None = None
    """When a pressed reset button is let go by itself."""


def _press(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    bench.device.pressed = True


def _release(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    bench.device.pressed = False


def _reset(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    bench.reset_up_at = None
    if words[0] in ("down", "up"):
        bench.device.press_reset(words[0] == "down", at)
        return
    bench.reset_up_at = at + round(_number(words[0], 0.0, 3600.0) * 1e9)
    bench.device.press_reset(True, at)


def _channel(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    name, value = words
    run, stop = {"a": (RUN_A, STOP_A), "b": (RUN_B, STOP_B)}[name]
    channel: Channel = "a" if name == "a" else "b"
    if value == "button":
        bench.device.forced.pop(channel, None)
        return
    try:
        byte = {"run": run, "stop": stop}.get(value)
        byte = int(value, 16) if byte is None else byte
    except ValueError:
        byte = -1
    if not 0 <= byte <= 0xFF:
        raise OrderError(f"{value}: give run, stop, button, or a byte such as 5A")
    bench.device.forced[channel] = byte


def _enabling(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    bench.device.enabling = words[0]  # type: ignore[assignment]  # the table holds the choices


def _key(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    bench.device.auto = words[0] == "auto"


def _silent(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    bench.silent = words[0] == "on"


def _loopback(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    bench.loopback = words[0] == "on"


def _plug(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    bench.plug()


def _unplug(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    bench.disturbance.clear()
    bench.unplug()


def _freeze(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    bench.frozen = True


def _thaw(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    bench.frozen = False


def _restart(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    bench.device.restart(at, bench.seed())


def _good(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    device, disturbance = bench.device, bench.disturbance
    bench.frozen = bench.silent = bench.loopback = False
    bench.reset_up_at = None
    device.pressed = device.relay_welded = False
    device.enabling, device.auto, device.test_result = "released", True, "good"
    for faults in (device.forced, device.welded, device.shorted, disturbance.wrong):
        faults.clear()
    disturbance.corrupt = disturbance.drop = disturbance.duplicate = disturbance.reorder = 0
    disturbance.delay = disturbance.flood_until = 0
    device.press_reset(False, at)
    bench.plug()


def _counted(attribute: str) -> Callable[[Bench, list[str], Nanoseconds], None]:
    def order(bench: Bench, words: list[str], at: Nanoseconds) -> None:
        setattr(bench.disturbance, attribute, int(_number(words[0] if words else "1", 0, MOST)))

    return order


def _replay(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    if not bench.disturbance.replay(int(_number(words[0] if words else "10", 1, MOST)), at):
        raise OrderError("nothing was recorded yet: let a session run first")


def _delay(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    bench.disturbance.delay = round(_number(words[0], 0, 60_000) * MS)


def _wrong(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    if words[0] == "nothing":
        bench.disturbance.wrong.clear()
    else:
        bench.disturbance.wrong.add(words[0])  # type: ignore[arg-type]  # the table holds the choices


def _self_test(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    bench.device.test_result = words[0]  # type: ignore[assignment]  # the table holds the choices


def _weld(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    if words[0] == "nothing":
        bench.device.welded.clear()
        bench.device.relay_welded = False
    elif words[0] == "relay":
        bench.device.relay_welded = True
    else:
        bench.device.welded.add("a" if words[0] == "a" else "b")


def _short(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    if words[0] == "nothing":
        bench.device.shorted.clear()
    else:
        bench.device.shorted.add("a" if words[0] == "a" else "b")


def _garbage(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    count = int(_number(words[0], 1, MOST))
    if len(words) == 1:
        bench.disturbance.garbage(count, at)
    elif words[1] == "inside":
        bench.disturbance.garbage_inside(count)
    else:
        raise OrderError(f"{words[1]}: garbage N, or garbage N inside")


def _flood(bench: Bench, words: list[str], at: Nanoseconds) -> None:
    bench.disturbance.flood_until = at + round(_number(words[0] if words else "1", 0, 3600) * 1e9)


def _number(word: str, least: float, most: float) -> float:
    try:
        value = float(word)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise OrderError(f"{word}: give a number from {least:g} to {most:g}")
    return value


@dataclass(frozen=True)
class _Order:
    usage: str
    what: str
    act: Callable[[Bench, list[str], Nanoseconds], None]
    words: tuple[int, int] = (0, 0)
    choices: tuple[str, ...] = ()
    """Of the first word; empty: any."""


_AB = ("a", "b", "nothing")
ORDERS: Final[dict[str, _Order]] = {
    "press": _Order("press", "press the e-stop button", _press),
    "release": _Order("release", "release it", _release),
    "reset": _Order("reset down|up|SECONDS", "the reset button; SECONDS: down, then up by itself", _reset, (1, 1)),
    "channel": _Order("channel a|b run|stop|button|HEX", "what a channel says, whatever the button", _channel,
                      (2, 2), ("a", "b")),
    "enabling": _Order("enabling released|middle|panicked|both", "the enabling switch; both: a fault", _enabling,
                       (1, 1), ("released", "middle", "panicked", "both")),
    "key": _Order("key manual|auto", "the mode key", _key, (1, 1), ("manual", "auto")),
    "silent": _Order("silent on|off", "send nothing, but listen on", _silent, (1, 1), ("on", "off")),
    "loopback": _Order("loopback on|off", "send back what the host sends", _loopback, (1, 1), ("on", "off")),
    "unplug": _Order("unplug", "pull the plug: the port is gone", _unplug),
    "replug": _Order("replug", "plug in again, behind the same --link", _plug),
    "freeze": _Order("freeze", "the processor stands; the relays stay as they are", _freeze),
    "thaw": _Order("thaw", "it goes on", _thaw),
    "restart": _Order("restart", "lose power for a moment", _restart),
    "good": _Order("good", "take all faults away, release every button, plug in", _good),
    "corrupt": _Order("corrupt [N]", "flip a bit in each of the next N frames", _counted("corrupt"), (0, 1)),
    "drop": _Order("drop [N]", "lose the next N frames", _counted("drop"), (0, 1)),
    "duplicate": _Order("duplicate [N]", "send the next N frames twice", _counted("duplicate"), (0, 1)),
    "reorder": _Order("reorder [N]", "swap the next N pairs of frames", _counted("reorder"), (0, 1)),
    "replay": _Order("replay [N]", "send N frames of the session before again", _replay, (0, 1)),
    "delay": _Order("delay MS", "everything comes so much later, as from a stale buffer; 0 ends it", _delay, (1, 1)),
    "wrong": _Order("wrong id|version|signature|nothing", "what all frames have wrong", _wrong, (1, 1),
                    ("id", "version", "signature", "nothing")),
    "self-test": _Order("self-test good|fail|timeout", "how the self-tests to come end", _self_test, (1, 1),
                        ("good", "fail", "timeout")),
    "weld": _Order("weld a|b|relay|nothing", "a contact that does not open any more", _weld, (1, 1), (*_AB, "relay")),
    "short": _Order("short a|b|nothing", "a short in the loop: the next test pulse finds it", _short, (1, 1), _AB),
    "garbage": _Order("garbage N [inside]", "N random bytes before the next frame, or inside it", _garbage, (1, 2)),
    "flood": _Order("flood [SECONDS]", "garbage as fast as the port takes it", _flood, (0, 1)),
}  # fmt: skip

HELP: Final = "\n".join(f"  {order.usage:<40} {order.what}" for order in ORDERS.values())


def obey(bench: Bench, text: str, at: Nanoseconds) -> None:
    """Do what an order says.

    Raises:
        OrderError: it is not understood, or not possible now; nothing was changed.
    """
    words = text.lower().split()
    name, rest = (words[0], words[1:]) if words else ("", [])
    order = ORDERS.get(name)
    if order is None:
        raise OrderError(f"{name or 'an empty line'}: no such order; `help` shows them")
    if not order.words[0] <= len(rest) <= order.words[1]:
        _refuse(order)
    if order.choices and rest[0] not in order.choices:
        _refuse(order)
    bench.device.advance(at)
    order.act(bench, rest, at)
    bench.device.advance(at)


def _refuse(order: _Order) -> NoReturn:
    raise OrderError(f"write: {order.usage}")
