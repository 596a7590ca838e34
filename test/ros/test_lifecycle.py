"""Transitions and parameters from outside weaken nothing (REDTEAM 46, SR-049)."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from builtin_interfaces.msg import Time
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from ros_rig import SIMULATED_ESTOP, Client, Process, Rig
from rosgraph_msgs.msg import Clock

START = 60.0


@pytest.fixture(scope="module")
def client(cell_rig: Rig) -> Client:
    return cell_rig.client()


@pytest.fixture
def supervisor(cell_rig: Rig, client: Client) -> Iterator[Process]:
    client.forget()
    process = cell_rig.supervisor(f"log_directory:={cell_rig.fresh_directory()}")
    yield process
    process.end()


def change(client: Client, number: int = 0, label: str = "") -> bool:
    request = ChangeState.Request(transition=Transition(id=number, label=label))
    return bool(client.call("/supervisor/change_state", ChangeState, request, timeout=20.0).success)


def lifecycle(client: Client) -> str:
    return str(client.call("/supervisor/get_state", GetState).current_state.label)


@pytest.mark.redteam(46)
@pytest.mark.requirement("SR-049")
def test_no_transition_touches_a_robot_that_may_move(client: Client, supervisor: Process) -> None:
    client.arm()
    client.play(travel=1.0, seconds=6.0)
    before = client.status["epoch"]
    for number in (*range(1, 10), 99, 255):
        assert not change(client, number), number
    for label in ("configure", "cleanup", "activate", "deactivate", "shutdown", "destroy", "nonsense"):
        assert not change(client, label=label), label
    assert client.state == "AUTO/MOVING"
    assert client.status["epoch"] == before
    assert lifecycle(client) == "active"
    client.wait_state("AUTO/HOLDING")
    assert client.codes() <= {"", "E_ENDED"}


@pytest.mark.long
@pytest.mark.redteam(46)
@pytest.mark.requirement("SR-049")
def test_in_locked_a_stop_runs_before_the_deactivation_and_activation_begins_a_new_boot(
    client: Client, supervisor: Process
) -> None:
    client.wait_state("LOCKED", timeout=START)
    nonce = client.status["boot"]
    assert change(client, Transition.TRANSITION_DEACTIVATE)
    client.spin(0.3)
    assert lifecycle(client) == "inactive"
    assert client.publishers_of("/panda_arm_controller/joint_trajectory") == []
    assert not change(client, Transition.TRANSITION_CONFIGURE)  # rcl: not from inactive
    assert change(client, Transition.TRANSITION_ACTIVATE)
    client.wait_for(lambda: client.status["boot"] != nonce, "a new boot", START)
    client.wait_state("LOCKED", timeout=START)
    assert change(client, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert supervisor.wait(5.0) == 0


@pytest.mark.redteam(46)
@pytest.mark.requirement("SR-047")
def test_no_transition_clears_a_latch(client: Client, cell_rig: Rig) -> None:
    client.forget()
    supervisor = cell_rig.supervisor(f"log_directory:={cell_rig.fresh_directory()}", estop=SIMULATED_ESTOP)
    client.wait_state("LOCKED", timeout=START)
    client.estop_word = "stop"
    client.wait_state("EMERGENCY_STOP")
    assert not change(client, Transition.TRANSITION_DEACTIVATE)
    client.estop_word = "run"
    supervisor.end()
    client.forget()
    again = cell_rig.supervisor(f"log_directory:={cell_rig.last_directory}", estop=SIMULATED_ESTOP)
    client.wait_state("EMERGENCY_STOP", "LOCKED", timeout=START)
    assert client.states[-1] == "EMERGENCY_STOP"
    again.end()


@pytest.mark.redteam(12)
@pytest.mark.redteam(11)
@pytest.mark.requirement("SR-037")
@pytest.mark.requirement("SR-049")
def test_no_parameter_services_and_a_spoofed_clock_changes_nothing(client: Client, supervisor: Process) -> None:
    client.arm()
    services = client.services_of("supervisor")
    assert not [name for name in services if "param" in name]
    clock = client.publisher(Clock, "/clock", 10)
    client.play(travel=0.6, seconds=2.0)
    ends = time.monotonic() + 3.0
    while time.monotonic() < ends:
        clock.publish(Clock(clock=Time(sec=1)))
        client.spin(0.02)
    assert client.node.count_subscribers("/clock") == 0
    assert client.state == "AUTO/HOLDING"
    assert client.codes() <= {"", "E_ENDED"}


@pytest.mark.long
@pytest.mark.redteam(51)
def test_without_unsigned_services_there_is_no_way_to_reset_from_ros(client: Client, cell_rig: Rig) -> None:
    client.forget()
    process = cell_rig.supervisor(
        f"log_directory:={cell_rig.fresh_directory()}", operators={"unsigned_services": False}
    )
    try:
        client.wait_state("LOCKED", timeout=START)
        client.spin(0.5)
        services = client.services_of("supervisor")
        assert not {"/supervisor/reset", "/supervisor/start", "/supervisor/recover"} & services
    finally:
        process.end()
