"""Every row of the e-stop protocol's table of faults, against the real node over a pseudo-terminal (SR-035).

One supervisor and one device serve all rows. The robot moves when the fault comes, the agent goes on afterwards, and
only the button's cycle, a reset and a start bring motion back. What is asserted are states, codes and poses.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from estop_line_rig import START, Bench, running_bench
from ros_rig import Rig, make_trajectory
from std_srvs.srv import Trigger

E = "EMERGENCY_STOP"
STILL = 0.005
"""What a robot at rest may turn, [rad]."""

Row = tuple[str, tuple[str, ...], set[str]]
ROWS: tuple[Row, ...] = (
    # Name, orders to the device (a number: seconds between), codes that are right.
    ("pressed", ("press",), {"E_ESTOP"}),
    ("channel A alone", ("channel a stop",), {"E_ESTOP"}),
    ("channel B alone", ("channel b stop",), {"E_ESTOP"}),
    ("a value that is none", ("channel b 5A",), {"E_ESTOP_VALUE"}),
    ("both enabling bits", ("enabling both",), {"E_ESTOP_VALUE"}),
    ("silence", ("silent on",), {"E_ESTOP_SILENT"}),
    ("frozen", ("freeze",), {"E_ESTOP_SILENT"}),
    ("unplugged", ("unplug",), {"E_ESTOP_PORT"}),
    ("another device at this port", ("wrong id",), {"E_ESTOP_PEER"}),
    ("another version", ("wrong version",), {"E_ESTOP_PEER"}),
    ("own echo", ("loopback on",), {"E_ESTOP_PEER"}),
    ("restarted", ("restart",), {"E_ESTOP_RESTARTED"}),
    ("4 lost frames", ("drop 4",), {"E_ESTOP_LOST", "E_ESTOP_SILENT"}),  # 100 ms: the watchdog may be first
    ("old buffer", ("delay 70", "0.2", "delay 140"), {"E_ESTOP_STALE"}),
    # The noise of the last 10 s counts until they are over: what follows starts the supervisor anew.
    ("6 corrupted frames", ("corrupt 3", "0.15", "corrupt 3"), {"E_ESTOP_CORRUPTED"}),
)  # fmt: skip
HARMLESS = (
    # Orders, and the counter that shows that they came to the line.
    ("duplicate 5", "repeated"),
    ("reorder 2", "repeated"),
    ("garbage 20", "discarded_bytes"),
    ("corrupt 1", "corrupted"),
    ("drop 3", "lost"),
)


@pytest.fixture(scope="module")
def bench(cell_rig: Rig) -> Iterator[Bench]:
    """A device without relays, so that arming takes no second."""
    with running_bench(cell_rig, relay_effect="none") as bench:
        bench.connect()
        bench.start()
        bench.settle()
        yield bench
        bench.end()


def inject(bench: Bench, orders: tuple[str, ...]) -> None:
    for order in orders:
        if order[0].isdigit():
            bench.client.spin(float(order))
        else:
            bench.device.obey(order)


def agent_goes_on(bench: Bench) -> None:
    """The agent asks for motion, in every way it has; the robot stays where it is."""
    client = bench.client
    here = client.measured
    client.trajectory_publisher().publish(make_trajectory([(1.0, [here[0] + 0.3, *here[1:]])]))
    for step in range(5):
        client.stream([here[0] + 0.002 * step, *here[1:]])
        client.spin(0.03)
    assert max(abs(a - b) for a, b in zip(here, client.measured, strict=True)) < STILL


def stopped_for_good(bench: Bench, codes: set[str], target: str = E, ends: str = "good") -> None:
    """The fault has come: a stop of its code, latched, that neither its end nor agent nor person lifts."""
    client = bench.client
    client.wait_state(target)
    assert client.status["cause"] in codes
    assert client.states[-2:] == ["STOPPING", target]
    agent_goes_on(bench)
    if ends:
        bench.device.obey(ends)
    assert not client.call("/supervisor/reset").success
    assert not client.call("/supervisor/start").success
    client.spin(0.1)
    assert client.state == target


@pytest.mark.sampled(2)
@pytest.mark.redteam(35)
@pytest.mark.requirement("SR-001")
@pytest.mark.requirement("SR-003")
@pytest.mark.requirement("SR-004")
@pytest.mark.requirement("SR-035")
@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize(("orders", "codes"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_fault_in_motion_is_a_latched_stop(bench: Bench, orders: tuple[str, ...], codes: set[str]) -> None:
    bench.arm()
    bench.move()
    inject(bench, orders)
    # The end of a press is its release, and with it the cycle that the latch waits for.
    stopped_for_good(bench, codes, ends="" if orders == ("press",) else "good")
    if "E_ESTOP_CORRUPTED" not in codes:
        bench.cycle()
        agent_goes_on(bench)  # released is not reset, and reset is not started
        assert bench.client.state == "LOCKED"


@pytest.mark.redteam(41)
@pytest.mark.requirement("SR-047")
def test_the_latch_survives_a_restart_and_a_healthy_device(bench: Bench) -> None:
    client = bench.client
    if client.state != E:
        bench.device.obey("press")
        client.wait_state(E)
        bench.device.obey("release")
    bench.end()
    bench.device.obey("good")
    bench.start(fresh=False)
    client.wait_state(E, "LOCKED", timeout=START)
    client.spin(0.3)
    assert client.state == E
    assert "INIT" not in client.states[1:]
    assert not bench.holds("E_ESTOP"), "the device says RUN"
    assert not client.call("/supervisor/reset").success
    bench.cycle()


@pytest.mark.requirement("SR-003")
@pytest.mark.requirement("SR-035")
def test_channels_that_disagreed_are_to_be_seen_pressed_together(bench: Bench) -> None:
    client = bench.client
    bench.arm()
    bench.device.obey("channel a stop")
    client.wait_for(lambda: bench.holds("E_ESTOP_DISCREPANCY"), "the discrepancy")
    bench.device.obey("channel a button")
    client.spin(0.3)
    assert bench.holds("E_ESTOP_DISCREPANCY")
    assert client.state == E
    bench.device.obey("channel b stop", "channel b button")
    client.spin(0.3)
    assert client.state == E
    bench.cycle()
    assert not bench.holds("E_ESTOP_DISCREPANCY")


@pytest.mark.requirement("SR-054")
@pytest.mark.requirement("SR-035")
def test_what_is_normal_on_a_line_stops_nothing(bench: Bench) -> None:
    client = bench.client
    bench.arm()
    bench.move(seconds=6.0)
    told = len(client.decisions)
    for order, counter in HARMLESS:
        before = bench.counters()[counter]
        bench.device.obey(order)

        def counted(counter: str = counter, before: int = before) -> bool:
            return bench.counters()[counter] > before

        client.wait_for(counted, f"{order}: counter {counter}")
    client.spin(0.2)
    assert client.state.startswith("AUTO/")
    assert not [one for one in client.decisions[told:] if one["code"].startswith("E_ESTOP")]


@pytest.mark.requirement("SR-001")
@pytest.mark.requirement("SR-004")
@pytest.mark.requirement("SR-006")
@pytest.mark.parametrize("state", ["LOCKED", "READY", "AUTO/HOLDING", "during reset", "during start"])
def test_the_button_wins_in_every_state(bench: Bench, state: str) -> None:
    client = bench.client
    bench.device.obey("good")
    if client.state.startswith("AUTO/") or client.state == E:
        bench.cycle()
    client.wait_state("LOCKED")
    if state in ("READY", "during start"):
        client.spin(0.3)
        assert client.call("/supervisor/reset").success
        client.wait_state("READY")
    elif state == "AUTO/HOLDING":
        client.arm()
    client.states.clear()
    if state.startswith("during"):
        ask = client.node.create_client(Trigger, f"/supervisor/{state.split()[1]}")
        client.wait_for(ask.service_is_ready, "the service")
        answer = ask.call_async(Trigger.Request())
        bench.device.obey("press")
        client.wait_for(answer.done, "the answer")
        client.node.destroy_client(ask)
    else:
        bench.device.obey("press")
    client.wait_state(E)
    assert client.status["cause"] == "E_ESTOP"
    for name in ("reset", "start"):
        assert not client.call(f"/supervisor/{name}").success
    bench.device.obey("release")
    client.wait_state("LOCKED")
    agent_goes_on(bench)
    assert client.state == "LOCKED"
    assert client.states[-2:] == [E, "LOCKED"]


@pytest.mark.requirement("SR-001")
@pytest.mark.requirement("SR-016")
@pytest.mark.requirement("SR-047")
def test_pressed_before_the_node_starts(bench: Bench) -> None:
    client = bench.client
    bench.end()
    bench.device.obey("good", "press")
    bench.start()
    client.wait_state(E, timeout=START)
    assert client.states[-1] == E
    assert set(client.states) <= {"INIT", "LOCKED", E}  # the first may be the last word of the node before
    assert client.status["cause"] == "E_ESTOP"
    assert bench.holds("E_ESTOP")
    client.spin(0.3)
    assert not client.call("/supervisor/reset").success
    bench.device.obey("release")
    client.wait_state("LOCKED")
    agent_goes_on(bench)
    assert client.state == "LOCKED"


@pytest.mark.requirement("SR-035")
@pytest.mark.requirement("SR-036")
def test_another_configuration_in_a_session_is_a_latched_stop(bench: Bench) -> None:
    bench.arm()
    bench.move()
    bench.device.obey("wrong signature")
    # Its frames are corrupted ones; six of them take longer than the watchdog.
    stopped_for_good(bench, {"E_ESTOP_SILENT", "E_ESTOP_CORRUPTED"})


@pytest.mark.requirement("SR-035")
@pytest.mark.requirement("SR-047")
def test_a_short_in_the_loop_is_a_fault_that_the_button_does_not_lift(bench: Bench) -> None:
    client = bench.client
    bench.end()
    bench.start()
    client.wait_state("LOCKED", timeout=START)
    bench.arm()
    bench.move()
    bench.device.obey("short a")
    stopped_for_good(bench, {"E_ESTOP_SELF_TEST"}, "FAULT")
    bench.device.obey("press")
    client.spin(0.2)
    bench.device.obey("release")
    client.spin(0.3)
    assert client.state == "FAULT"
    bench.end()
    bench.start(fresh=False)
    client.wait_state("FAULT", timeout=START)
    assert client.status["cause"] == "E_ESTOP_SELF_TEST"
