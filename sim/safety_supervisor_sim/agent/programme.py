"""How the acts of a scenario follow one another, and what is done when one was lost."""

from __future__ import annotations

from typing import Any, Final

from safety_supervisor_sim import scenario as script
from safety_supervisor_sim.agent.acts import Players
from safety_supervisor_sim.agent.cast import Cast, reset
from safety_supervisor_sim.agent.motions import NANO
from safety_supervisor_sim.agent.stage import Stage, StageError
from safety_supervisor_sim.agent.upright import set_on_feet

START_TIMEOUT: Final = 30.0
HEARD_TIMEOUT: Final = 0.5
LEFT: Final = 0.1
"""Time for the drives to come to rest and for the last decisions to arrive, [s]."""
HICCUP: Final = frozenset({"E_OVERRUN", "E_LATE", "E_ESTOP_SILENT", "E_BALANCE_UNKNOWN", "E_LOG"})
"""Lateness that stopped the robot, whosever it was; where none of them is expected, the act says nothing of its own."""
KEPT: Final = "kept"
"""What the status tells of a log that is written in time."""
MISSED: Final = "missed cycles"
"""What is told of an act that these disturbed although no code was heard."""
LIMP: Final = frozenset({"STOPPING", "EMERGENCY_STOP", "FAULT"})
"""States on whose way a robot that stands is brought down."""
ONCE: Final = (
    script.Flood,
    script.AgentDies,
    script.ReleaseEstop,
    script.MendDevice,
    script.SecondPublisher,
    script.MotorTopic,
    script.Approval,
    script.Push,
    script.StandUp,
)
"""Acts that can not be played twice, or that make the load themselves."""
BEFORE: Final = {"reset": "LOCKED", "start": "READY"}
"""By what a technician calls first, the state in which it can be called again."""
HOLDS: Final = "AUTO/HOLDING"
"""The state in which every other act begins."""


def take_places(stage: Stage, cast: Cast) -> None:
    """Wait until the supervisor is LOCKED: everything was received, nothing moves.

    Raises:
        StageError: when it is not in time.
    """
    cast.estop.release()
    for mouth in cast.mouths.values():
        mouth.send(do="open")
    stage.wait_for_services(START_TIMEOUT)
    for source, mouth in cast.mouths.items():
        opened = mouth.answer()
        stage.report({"opened": opened})
        if not opened["heard"]:
            raise StageError(f"nobody listens to the topics of {source}")
    due = stage.now() + round(START_TIMEOUT * NANO)
    while not stage.wait_for_state(["LOCKED"], 0.5):
        state = stage.status.get("state", "nothing heard")
        if stage.now() > due:
            raise StageError(f"the supervisor is not LOCKED within {START_TIMEOUT:.0f} s: {state}, {stage.status}")
        if state == "EMERGENCY_STOP":
            # It booted before the button's first word, or with its latch set: the device is to be cycled.
            cast.estop.cycle()
    if cast.estop.on_line:
        # The shift's press test: before it, the device's reset button counts for nothing.
        cast.estop.press()
        stage.wait_for_state(["EMERGENCY_STOP"], stage.settles)
        if stage.on_feet:
            set_on_feet(stage, cast.estop)
        cast.estop.release()
        if not stage.wait_for_state(["LOCKED"], stage.settles):
            raise StageError(f"not LOCKED after the e-stop was pressed and released: {stage.status}")
    if not stage.wait(stage.has_output, stage.settles):
        raise StageError(f"nothing on {stage.configuration.outputs[0].topic}")


def play(stage: Stage, cast: Cast, players: Players, acts: list[script.Act]) -> list[dict[str, Any]]:
    """Play act after act; return what was sent and heard.

    An act that lateness disturbed is played once more, after people have set the supervisor again. That is told in its
    result, whether the machine or the supervisor was late, and the oracle goes on judging all the same.
    """
    results: list[dict[str, Any]] = []
    for number, act in enumerate(acts):
        stage.report({"act": act.name, "number": number, "of": len(acts)})
        result = _play(stage, players, act)
        disturbed = _disturbed(act, result, stage.on_feet)
        lies = stage.on_feet and stage.status.get("state") in LIMP
        if disturbed and set_again(stage, cast, _begins_in(act)):
            # A robot that was set on its feet stands as it stood at first: what led to this act is played, too.
            before = _led_to(acts, number) if lies else number
            results[before:] = [_play(stage, players, again) for again in acts[before:number]]
            result = _play(stage, players, act) | {"played_again": disturbed}
        results.append(result)
        expected = act.expect.state
        if expected and result["state"] not in expected and not set_again(stage, cast):
            stage.report({"failed": _why_no_more(act, stage.status)})
            break
    stage.mark("end")
    return results


def _begins_in(act: script.Act) -> str:
    return BEFORE.get(act.calls[0], HOLDS) if isinstance(act, script.Technician) else HOLDS


def _why_no_more(act: script.Act, status: dict[str, str]) -> str:
    """Say what keeps the acts behind this one from being played."""
    where = " ".join(filter(None, (status.get("state", "an unknown state"), status.get("cause"))))
    log = status.get("log", KEPT)
    kept = "" if log == KEPT else f" log: {log}."
    return f"in {where} after {act.name}: nothing can be played any more. {status.get('next_step', '')}{kept}"


def _led_to(acts: list[script.Act], number: int) -> int:
    """Return where the group of an act begins; of an act without a group, where it stands itself."""
    group = acts[number].group
    first = number
    while group and first and acts[first - 1].group == group:
        first -= 1
    return first


def _play(stage: Stage, players: Players, act: script.Act) -> dict[str, Any]:
    """Play one act and wait for what it is expected to bring about."""
    stage.begin(act.name)
    began, missed = stage.now(), _missed_cycles(stage)
    facts = players.play(act)
    expect = act.expect
    if expect.state:
        stage.wait_for_state(expect.state, stage.settles)
    if expect.codes:
        stage.wait_for_codes(expect.codes, HEARD_TIMEOUT)
    stage.wait_for_rest(stage.settles, still=0.05)
    stage.sleep(LEFT)
    seen = stage.observed
    result = {
        "name": act.name,
        "began_ns": began,
        "ended_ns": (ended := stage.now()),
        "state": stage.status.get("state", ""),
        "states": list(seen.states),
        "causes": list(seen.causes),
        "decisions": list(seen.decisions),
        "replies": list(seen.replies),
        "facts": facts,
        "missed_cycles": _missed_cycles(stage) - missed,
    }
    stage.report({"played": act.name, "state": result["state"], "seconds": (ended - began) * 1e-9})
    return result


def _missed_cycles(stage: Stage) -> int:
    return int(stage.status.get("missed_deadlines", "0"))


def _disturbed(act: script.Act, result: dict[str, Any], on_feet: bool) -> list[str]:
    """Name what lateness brought into an act; empty when nothing, or when it was overcome.

    To go on after a missed cycle takes accelerations that an arm bears, and the balance of a robot on feet does not:
    whatever unexpected comes of it is lateness, too. On its way down a missed cycle ends the lowering, and nothing is
    heard of it.
    """
    if isinstance(act, ONCE) or (isinstance(act, script.TrajectoryAct) and act.call != "none"):
        return []
    if isinstance(act, script.Technician) and (act.expect.replies != "accepted" or result["state"] in act.expect.state):
        return []
    overcome = result["facts"].get("late_stops") and result["state"] in act.expect.state
    heard = {decision.get("code", "") for decision in result["decisions"]} | set(result["causes"])
    unexpected = heard - {""} - set(act.expect.codes) - set(act.expect.also)
    disturbing = unexpected if on_feet and result["missed_cycles"] else unexpected & HICCUP
    if act.expect.lowered is not None and result["missed_cycles"]:
        disturbing = disturbing | {MISSED}
    return [] if overcome else sorted(disturbing)


def set_again(stage: Stage, cast: Cast, until: str = HOLDS) -> bool:
    """After an act that ended in another state than expected: let people bring the supervisor back.

    The act is lost, those behind it need not be. Returns whether it is in the state `until` again.
    """
    stage.mark("set again")
    stage.wait_for_rest(stage.settles)
    if stage.on_feet and stage.status.get("state") in LIMP:
        set_on_feet(stage, cast.estop)
    if stage.status.get("state") == "EMERGENCY_STOP":
        cast.estop.mend()
        cast.estop.cycle()
        stage.wait_for_state(["LOCKED"], stage.settles)
    stage.wait(lambda: stage.status.get("log", KEPT) == KEPT, stage.settles)  # else a reset is refused
    if stage.status.get("state") == "LOCKED" != until:
        reset(stage, cast.estop)
        stage.wait_for_state(["READY"], stage.settles)
    if stage.status.get("state") == "READY" != until:
        stage.call("start")
    return stage.wait_for_state([until], stage.settles)
