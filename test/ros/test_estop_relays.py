"""The device's relays and reset button against the real node: what opens them, and what a person has to do then.

One supervisor, started while the reset button is held down, serves the tests in their order; the second one starts
after SIGKILL.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from estop_line_rig import REARM, START, Bench, running_bench
from ros_rig import Rig

E = "EMERGENCY_STOP"
STILL = 0.005
"""What a robot at rest may turn, [rad]."""


@pytest.fixture(scope="module")
def bench(cell_rig: Rig) -> Iterator[Bench]:
    with running_bench(cell_rig, relay_effect="sto", relay_delay=0.3) as bench:
        bench.connect()
        bench.device.obey("reset down")
        bench.start()
        bench.settle()
        yield bench
        bench.end()


def ready(bench: Bench) -> None:
    """Button, a second, reset button of the device: READY with closed relays."""
    if bench.client.state == "READY":
        return
    bench.device.obey("good")
    bench.cycle()
    bench.client.spin(REARM)
    bench.device.obey("reset 0.15")
    bench.client.wait_state("READY")
    assert not bench.holds("E_ESTOP_RELAYS")


def auto(bench: Bench) -> None:
    ready(bench)
    assert bench.client.call("/supervisor/start").success
    bench.client.wait_state("AUTO/HOLDING")


def ignored(bench: Bench, said: str, *orders: str, state: str = "LOCKED") -> None:
    """A press of the reset button resets nothing, and ~/decisions say why in the device's name."""
    client = bench.client
    client.spin(0.6)  # the same is told twice a second at most
    client.decisions.clear()
    client.states.clear()
    bench.device.obey(*orders)
    client.wait_for(lambda: any(said in text for text in bench.told("E_ESTOP_RESET")), f"{said!r} to be told")
    client.spin(0.3)
    assert client.state == state
    assert "READY" not in client.states


@pytest.mark.requirement("SR-010")
@pytest.mark.requirement("SR-011")
@pytest.mark.requirement("SR-035")
def test_a_press_that_is_none_is_ignored_and_told(bench: Bench) -> None:
    client = bench.client
    if client.state != "LOCKED":  # it is repeated: all of it is of one boot
        assert bench.supervisor is not None
        bench.rig.kill(bench.supervisor)
        bench.device.obey("release", "reset down")
        bench.start()
        bench.settle()
        client.spin(3.5)
    assert bench.holds("E_ESTOP_RELAYS"), "the device opens its relays when its power comes"
    reset = client.call("/supervisor/reset")
    assert not reset.success
    assert "E_ESTOP_RELAYS" in reset.message
    # It was down when the line was first heard, for longer than 3 s by now.
    client.wait_for(lambda: any("first heard" in one for one in bench.told("E_ESTOP_RESET")), "a stuck button's report")
    bench.device.obey("reset up")
    ignored(bench, "was not seen STOP, then RUN", "reset 0.15")  # not cycled in this boot
    bench.cycle()
    client.spin(REARM)
    ignored(bench, "it was down for", "reset 0.03")
    ignored(bench, "more than 3000 ms", "reset 3.3")
    client.spin(0.2)
    bench.device.obey("press")
    client.wait_state(E)
    ignored(bench, "pressed or faulty", "reset 0.15", state=E)


@pytest.mark.requirement("SR-004")
@pytest.mark.requirement("SR-010")
@pytest.mark.requirement("SR-011")
def test_the_good_press_closes_the_relays_and_starts_nothing(bench: Bench) -> None:
    client = bench.client
    told = len(bench.device.told)
    ready(bench)
    assert bench.device.relay_events(told) == ["closed"]
    here = client.measured
    client.stream([here[0] + 0.002, *here[1:]])
    bench.device.obey("reset 0.15")
    client.spin(0.4)
    assert client.state == "READY"
    assert abs(client.measured[0] - here[0]) < STILL


@pytest.mark.requirement("SR-001")
@pytest.mark.requirement("SR-002")
@pytest.mark.requirement("SR-004")
def test_the_button_stops_the_robot_and_then_opens_the_relays(bench: Bench) -> None:
    client = bench.client
    auto(bench)
    bench.move()
    told = len(bench.device.told)
    bench.device.obey("press")
    client.wait_state(E)
    bench.device.wait(lambda: len(bench.device.relay_events(told)) == 2, "open relays")
    assert bench.device.relay_events(told) == ["decided: button", "opened"]
    client.wait_for(lambda: bench.holds("E_ESTOP_RELAYS"), "open relays to be seen")
    bench.device.obey("release")
    client.wait_state("LOCKED")
    client.spin(0.3)
    reset = client.call("/supervisor/reset")
    assert not reset.success
    assert "E_ESTOP_RELAYS" in reset.message


@pytest.mark.sampled(2)
@pytest.mark.redteam(35)
@pytest.mark.requirement("SR-002")
@pytest.mark.requirement("SR-039")
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_dead_supervisor_has_the_relays_opened(bench: Bench, number: signal.Signals) -> None:
    client = bench.client
    auto(bench)
    told = len(bench.device.told)
    assert bench.supervisor is not None
    if number is signal.SIGKILL:
        bench.rig.kill(bench.supervisor)
    else:
        bench.supervisor.send(number)
    bench.device.wait(lambda: len(bench.device.relay_events(told)) == 2, "open relays")
    assert bench.device.relay_events(told) == ["decided: no CHECKIN", "opened"]
    if number is signal.SIGKILL:
        bench.start(fresh=False)
        client.wait_state(E, "LOCKED", timeout=START)
    else:
        client.states.clear()
        bench.supervisor.send(signal.SIGCONT)
        client.wait_state(E)
        client.spin(0.3)
    assert not {"AUTO/HOLDING", "AUTO/MOVING", "READY"} & set(client.states)
    assert not client.call("/supervisor/reset").success
    bench.cycle()
    client.wait_for(lambda: bench.holds("E_ESTOP_RELAYS"), "open relays to be seen")
    reset = client.call("/supervisor/reset")
    assert not reset.success
    assert "E_ESTOP_RELAYS" in reset.message
    ready(bench)
