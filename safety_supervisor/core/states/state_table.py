"""The states of the supervisor and every transition between them, as data.

Rules, from which the table follows:

- A stop is possible from every state that moves or may start to move; it runs through STOPPING, which knows its
  category and its target. Where the robot rests already, an emergency stop or a fault is entered directly, but for a
  robot that stands and would fall without power: it goes down its ladder first.
- STOPPING is left only at standstill. EMERGENCY_STOP is left only by the cycled device, or for FAULT; FAULT only by
  a maintainer.
- Nothing leads to a state that permits motion but a person's start (after a person's reset) or recovery. Within
  AUTO the robot holds and resumes without a person (SR-054).

`core.states.safety_state` runs this table; `docs/states.md` is printed from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from safety_supervisor.core.states.ladder_table import render_ladder


class State(str, Enum):
    """What the supervisor permits now. The value is the name that people and other programs see."""

    INIT = "INIT"
    LOCKED = "LOCKED"
    READY = "READY"
    MANUAL = "MANUAL"
    AUTO_MOVING = "AUTO/MOVING"
    AUTO_HOLDING = "AUTO/HOLDING"
    AUTO_REDUCED = "AUTO/REDUCED"
    STOPPING = "STOPPING"
    PROTECTIVE_STOP = "PROTECTIVE_STOP"
    EMERGENCY_STOP = "EMERGENCY_STOP"
    FAULT = "FAULT"
    RECOVERY = "RECOVERY"


class Trigger(str, Enum):
    """What moves the supervisor from one state to another."""

    INITIALISE = "initialise"
    STOP = "stop"
    ESCALATE = "escalate"
    REST_LOCKED = "rest_locked"
    REST_PROTECTIVE_STOP = "rest_protective_stop"
    REST_EMERGENCY_STOP = "rest_emergency_stop"
    REST_FAULT = "rest_fault"
    EMERGENCY = "emergency"
    FAIL = "fail"
    DESCEND = "descend"
    STANDSTILL = "standstill"
    RESET = "reset"
    START_AUTO = "start_auto"
    START_MANUAL = "start_manual"
    MOVE = "move"
    HOLD = "hold"
    REDUCE = "reduce"
    RESTORE = "restore"
    EXPIRE = "expire"
    RELEASE = "release"
    RECOVER = "recover"
    MAINTAIN = "maintain"


@dataclass(frozen=True)
class Transition:
    """One row of the table: `trigger` leads from each of `sources` to `target`."""

    trigger: Trigger
    sources: tuple[State, ...]
    target: State
    note: str
    """When, in words for people."""


AUTO: Final = (State.AUTO_MOVING, State.AUTO_HOLDING, State.AUTO_REDUCED)
MOTION: Final = (State.MANUAL, *AUTO, State.RECOVERY)
"""States in which verified motion may be played."""

STOPS: Final = (State.LOCKED, State.PROTECTIVE_STOP, State.EMERGENCY_STOP, State.FAULT)
"""States in which a stop may end, the softest first: each is harder to leave than the one before."""

TRANSITIONS: Final[tuple[Transition, ...]] = (
    Transition(Trigger.INITIALISE, (State.INIT,), State.LOCKED, "configuration, every input, standstill"),
    Transition(Trigger.STOP, (State.READY, *MOTION), State.STOPPING, "any cause of a stop"),
    Transition(Trigger.ESCALATE, (State.STOPPING,), State.STOPPING, "a harder cause"),
    Transition(Trigger.REST_LOCKED, (State.STOPPING,), State.LOCKED, "standstill"),
    Transition(Trigger.REST_PROTECTIVE_STOP, (State.STOPPING,), State.PROTECTIVE_STOP, "standstill"),
    Transition(Trigger.REST_EMERGENCY_STOP, (State.STOPPING,), State.EMERGENCY_STOP, "standstill"),
    Transition(Trigger.REST_FAULT, (State.STOPPING,), State.FAULT, "standstill"),
    Transition(
        Trigger.EMERGENCY,
        (State.INIT, State.LOCKED, State.PROTECTIVE_STOP),
        State.EMERGENCY_STOP,
        "e-stop at rest, or its latch found at boot",
    ),
    Transition(
        Trigger.FAIL,
        (State.INIT, State.LOCKED, State.PROTECTIVE_STOP, State.EMERGENCY_STOP),
        State.FAULT,
        "fault at rest, or its latch found at boot",
    ),
    Transition(
        Trigger.DESCEND,
        (State.LOCKED, State.PROTECTIVE_STOP),
        State.STOPPING,
        "e-stop or fault of a robot that stands: the stop ladder",
    ),
    Transition(Trigger.STANDSTILL, (State.PROTECTIVE_STOP,), State.LOCKED, "standstill"),
    Transition(Trigger.RESET, (State.LOCKED,), State.READY, "reset by a person, no cause active"),
    Transition(Trigger.START_AUTO, (State.READY,), State.AUTO_HOLDING, "start by a person, mode auto"),
    Transition(Trigger.START_MANUAL, (State.READY,), State.MANUAL, "start by a person, mode manual"),
    Transition(Trigger.MOVE, (State.AUTO_HOLDING,), State.AUTO_MOVING, "a verified command"),
    Transition(
        Trigger.HOLD,
        (State.AUTO_MOVING,),
        State.AUTO_HOLDING,
        "late, missing, refused or ended command",
    ),
    Transition(
        Trigger.REDUCE,
        (State.AUTO_MOVING, State.AUTO_HOLDING),
        State.AUTO_REDUCED,
        "people near",
    ),
    Transition(Trigger.RESTORE, (State.AUTO_REDUCED,), State.AUTO_MOVING, "clear for 2 s with margin"),
    Transition(
        Trigger.EXPIRE,
        (State.READY, State.AUTO_HOLDING, State.AUTO_REDUCED),
        State.LOCKED,
        "nobody started, nothing moved",
    ),
    Transition(Trigger.RELEASE, (State.EMERGENCY_STOP,), State.LOCKED, "e-stop cycled STOP then RUN in this boot"),
    Transition(
        Trigger.RECOVER,
        (State.LOCKED, State.PROTECTIVE_STOP),
        State.RECOVERY,
        "recovery by a person",
    ),
    Transition(Trigger.MAINTAIN, (State.FAULT,), State.INIT, "a maintainer clears the latch"),
)

_PERMITS: Final[dict[State, str]] = {
    State.INIT: "nothing; no output",
    State.LOCKED: "nothing; the last step is repeated",
    State.READY: "standstill; the last step is repeated",
    State.MANUAL: "sources of kind `person`, slow, enabling switch held in its middle",
    State.AUTO_MOVING: "verified commands",
    State.AUTO_HOLDING: "the kept stop; the next verified command resumes",
    State.AUTO_REDUCED: "verified commands in the reduced envelope",
    State.STOPPING: "the kept stop, monitored",
    State.PROTECTIVE_STOP: "standstill, monitored",
    State.EMERGENCY_STOP: "nothing; relays open; survives a restart",
    State.FAULT: "nothing; relays open; survives a restart",
    State.RECOVERY: "one person's hold-to-run, slow, no margin may worsen",
}


def render_states() -> str:
    """Print `docs/states.md`: a Mermaid diagram, the states and the transitions, from the table."""
    lines = [
        "# States",
        "",
        "Generated from `safety_supervisor/core/states/state_table.py`. Whatever is not in the table is refused and",
        "changes nothing.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        *(f'    state "{state.value}" as {state.name}' for state in State if state.name != state.value),
        f"    [*] --> {State.INIT.name}",
    ]
    notes: dict[tuple[State, State], list[str]] = {}
    for row in TRANSITIONS:
        for source in row.sources:
            notes.setdefault((source, row.target), []).append(row.note)
    lines += [f"    {source.name} --> {target.name} : {'; '.join(said)}" for (source, target), said in notes.items()]
    lines += ["```", "", "| state | permits |", "| --- | --- |"]
    lines += [f"| {state.value} | {_PERMITS[state]} |" for state in State]
    lines += ["", "| trigger | from | to | when |", "| --- | --- | --- | --- |"]
    for row in TRANSITIONS:
        sources = ", ".join(source.value for source in row.sources)
        lines.append(f"| {row.trigger.value} | {sources} | {row.target.value} | {row.note} |")
    return "\n".join(lines + render_ladder()) + "\n"
