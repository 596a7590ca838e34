"""Checks of the world and of people's acts, each off: measurements, e-stop, processes, causes, guards, balance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from safety_supervisor.core.errors import Code
from safety_supervisor_sim.campaign.mutant import Mutant
from safety_supervisor_sim.campaign.switches import Switch, cause, estop_code, override, refusal
from safety_supervisor_sim.engine.clockwork import Clockwork


def _follows(world: Clockwork) -> None:
    override(world.supervisor._inputs.measured, follows=lambda self: True)


def _rests_anywhere(world: Clockwork) -> None:
    override(world.supervisor._inputs.measured, rests_elsewhere=lambda self, now: False)


def _never_late(world: Clockwork) -> None:
    override(world.supervisor._inputs.lateness, judge=lambda self, now, scheduled: None)


def _released_by_itself(world: Clockwork) -> None:
    """Leave the e-stop's latch as soon as the device says RUN, cycled or not."""
    override(world.supervisor._inputs.estop, may_release=lambda self, now, reset_by_person=False: self._running)


def _acts(*codes: Code) -> Switch:
    part: Callable[[Any], object] = lambda core: core._operators  # noqa: E731
    return refusal(part, "judge", *codes)


def _handled(kind: str) -> Switch:
    """Handle no event of a kind."""

    def off(world: Clockwork) -> None:
        handlers = world.supervisor._handlers
        for event in handlers:
            if event.__name__ == kind:
                handlers[event] = lambda event: []

    return off


def _balance_step(world: Clockwork) -> None:
    core: Any = world.supervisor
    for outfit in core._verifier.outfits.values():
        if outfit.balance is not None:
            override(outfit.balance, check=lambda self, *args: None)


def _stop(code: Code, about: str, name: str = "", **more: Any) -> Mutant:
    return Mutant(name or code.value[2:].lower(), about, cause(code), (code,), **more)


def _estop(code: Code, about: str, **more: Any) -> Mutant:
    return Mutant(code.value[2:].lower(), about, estop_code(code), (code,), **more)


WORLD: Final = (
    Mutant(
        "tracking",
        "whether the robot is where it was sent",
        _follows,
        (Code.TRACKING,),
        covered_by="rest_pose",
    ),
    Mutant("rest_pose", "whether the robot rests where it was sent", _rests_anywhere, (Code.TRACKING,)),
    _stop(Code.STATE_STALE, "how old the measured state is"),
    _stop(Code.STATE_PUBLISHER, "who else publishes joint states"),
    _stop(Code.MEASURED_POSITION, "measured position limits"),
    _stop(Code.MEASURED_WORKSPACE, "measured links in zones and in each other"),
    _stop(Code.STANDSTILL_LEFT, "that a stopped robot rests"),
    _stop(Code.RAMP_MISSED, "that a stop ends in time"),
    _estop(Code.ESTOP, "the pressed e-stop"),
    _estop(Code.ESTOP_SILENT, "an e-stop device that is silent", runs=("serial_silent",)),
    _estop(Code.ESTOP_DISCREPANCY, "an e-stop whose channels disagree"),
    _estop(Code.ESTOP_VALUE, "e-stop values that do not exist"),
    _estop(Code.ESTOP_CORRUPTED, "corrupted frames of the e-stop", covered_by="estop_silent"),
    _estop(Code.ESTOP_LOST, "lost frames of the e-stop", covered_by="estop_silent"),
    _estop(Code.ESTOP_STALE, "old answers of the e-stop"),
    _estop(Code.ESTOP_PEER, "another device on the e-stop's line"),
    _estop(Code.ESTOP_RESTARTED, "an e-stop device that restarted"),
    _estop(Code.ESTOP_PORT, "an e-stop port that failed"),
    _estop(Code.ESTOP_SELF_TEST, "a failed self-test of the e-stop device"),
    _stop(
        Code.ESTOP_RELAYS,
        "relays of the e-stop that are open",
        runs=("serial_restarted",),
        covered_by="estop_restarted",
    ),
    Mutant(
        "estop_cycled",
        "that the e-stop was pressed and released before its latch is left",
        _released_by_itself,
        (),
        runs=("serial_silent",),
    ),
    _stop(Code.OUTPUT_PUBLISHER, "who else sends to the motors"),
    Mutant(
        "configuration_changed",
        "an edited configuration",
        _handled("ConfigurationChanged"),
        (Code.CONFIGURATION_CHANGED,),
    ),
    _stop(Code.LOG, "a record that can not be kept"),
    Mutant("overrun", "late cycles", _never_late, (Code.OVERRUN, Code.OVERRUNS)),
    _stop(Code.INCOMPATIBLE_QOS, "endpoints that do not fit", runs=("rt57_incompatible",)),
    _stop(Code.INTERNAL, "faults of our own code"),
    _stop(Code.STOP_REQUEST, "a stop that somebody asked for"),
    _stop(Code.READY_TIMEOUT, "a reset that nobody started after", runs=("ends_by_itself",)),
    _stop(Code.IDLE, "that nothing moved for long"),
    Mutant(
        "act_state", "in which state people act", _acts(Code.ACT_STATE), (Code.ACT_STATE,), runs=("rt32_motor_topic",)
    ),
    Mutant("act_cause", "causes that are active when people reset", _acts(Code.ACT_CAUSE), (Code.ACT_CAUSE,)),
    Mutant("balance", "balance along a step and its stop", _balance_step, (Code.BALANCE,), robot="g1"),
    _stop(Code.FALL, "that the robot falls", robot="g1"),
)
