"""Contacts that do not open and a self-test without an answer, against the real node: a stop, FAULT, and no way round.

Each test has its own supervisor: a FAULT is left by a maintainer alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from estop_line_rig import REARM, START, Bench, running_bench
from ros_rig import Rig, make_trajectory

E, FAULT = "EMERGENCY_STOP", "FAULT"
STILL = 0.005
"""What a robot at rest may turn, [rad]."""
MOVES = {"AUTO/HOLDING", "AUTO/MOVING", "READY"}


@pytest.fixture
def bench(cell_rig: Rig) -> Iterator[Bench]:
    with running_bench(cell_rig, relay_effect="sto", relay_delay=0.3) as bench:
        bench.connect()
        yield bench
        bench.end()
        bench.client.close()


def start_and_move(bench: Bench) -> None:
    """AUTO with closed relays, the agent's motion under way."""
    client = bench.client
    bench.start()
    client.wait_state("LOCKED", timeout=START)
    bench.cycle()
    client.spin(REARM)
    bench.device.obey("reset 0.15")
    client.wait_state("READY")
    assert client.call("/supervisor/start").success
    client.wait_state("AUTO/HOLDING")
    bench.move()
    client.wait_state("AUTO/MOVING")
    client.states.clear()


def faulted_for_good(bench: Bench, said: str) -> None:
    """FAULT of the self-test, named; no motion by agent, person, button, or another start of the supervisor."""
    client = bench.client
    client.wait_state(FAULT, timeout=START)
    client.wait_for(lambda: any(said in one for one in bench.told("E_ESTOP_SELF_TEST")), f"{said!r} to be told")
    assert client.status["cause"] == "E_ESTOP_SELF_TEST"
    assert not MOVES & set(client.states)
    client.wait_rest()
    here = client.measured
    client.trajectory_publisher().publish(make_trajectory([(1.0, [here[0] + 0.3, *here[1:]])]))
    for step in range(5):
        client.stream([here[0] + 0.002 * step, *here[1:]])
        client.spin(0.03)
    assert max(abs(a - b) for a, b in zip(here, client.measured, strict=True)) < STILL
    bench.device.obey("press")
    client.spin(0.2)
    bench.device.obey("release", "reset 0.15")
    client.spin(0.3)
    for name in ("reset", "start"):
        assert not client.call(f"/supervisor/{name}").success
    assert client.state == FAULT
    bench.end()
    bench.start(fresh=False)
    client.wait_state(FAULT, timeout=START)
    assert client.status["cause"] == "E_ESTOP_SELF_TEST"
    assert not MOVES & set(client.states)


@pytest.mark.requirement("SR-035")
@pytest.mark.requirement("SR-047")
def test_a_relay_that_reads_back_closed_when_it_should_open_is_a_fault(bench: Bench) -> None:
    client = bench.client
    start_and_move(bench)
    told = len(bench.device.told)
    bench.device.obey("weld relay", "press")
    client.wait_state(E, FAULT)
    assert client.states[0] == "STOPPING", "the press stopped it, whatever the relays do"
    bench.device.wait(lambda: "failed: a relay is welded" in bench.device.events("self-test"), "the read-back")
    assert bench.device.relay_events(told) == ["decided: button"], "ordered to open, and did not"
    faulted_for_good(bench, "self-test failed")
    assert "opened" not in bench.device.relay_events(told)


@pytest.mark.requirement("SR-003")
@pytest.mark.requirement("SR-035")
def test_a_welded_contact_of_the_button_shows_when_it_is_pressed(bench: Bench) -> None:
    client = bench.client
    start_and_move(bench)
    told = len(bench.device.told)
    bench.device.obey("weld a", "press")
    client.wait_state(E)
    client.wait_for(lambda: bench.holds("E_ESTOP_DISCREPANCY"), "the discrepancy")
    bench.device.wait(lambda: len(bench.device.relay_events(told)) == 2, "open relays")
    assert bench.device.relay_events(told) == ["decided: button", "opened"]
    bench.device.obey("release")
    client.spin(0.3)
    assert client.state == E
    assert bench.holds("E_ESTOP_DISCREPANCY"), "channel A was never seen STOP"
    for name in ("reset", "start"):
        assert not client.call(f"/supervisor/{name}").success
    bench.device.obey("weld nothing")
    bench.cycle()
    assert not bench.holds("E_ESTOP_DISCREPANCY")


@pytest.mark.long
@pytest.mark.requirement("SR-035")
@pytest.mark.requirement("SR-047")
def test_a_self_test_without_an_answer_is_a_fault(bench: Bench) -> None:
    bench.device.obey("self-test timeout")
    told = len(bench.device.told)
    bench.start()
    bench.device.wait(lambda: "running" in bench.device.events("self-test"), "the request")
    faulted_for_good(bench, "did not answer the self-test in time")
    assert bench.device.relay_events(told) == [], "the relays never closed"
    assert "passed" not in bench.device.events("self-test")
