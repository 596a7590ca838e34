"""What each state adds to the envelope of a step, as data for the verifier.

Which state permits motion at all, and whose, is the word of `core.states.state_table` and `safety_state`.

Requirements: SR-021, SR-033, SR-045.
"""

from __future__ import annotations

from safety_supervisor.core.settings import EnvelopeSettings
from safety_supervisor.core.states.ladder_table import Rung
from safety_supervisor.core.states.state_table import State
from safety_supervisor.core.verifier import Rules


def rules_of(state: State, envelope: EnvelopeSettings, rung: Rung = Rung.UNTOLD) -> Rules:
    """Return what holds for the next step in a state, and on a rung of the stop ladder.

    A robot that lowers itself is not stopped for people: half-way down it could but fall on them.
    """
    match state:
        case State.MANUAL:
            return Rules(envelope.manual_frame_speed)
        case State.RECOVERY:
            return Rules(envelope.recovery_frame_speed, recovery=True)
        case State.AUTO_REDUCED:
            return Rules(envelope.frame_speed, separated=True, reduced=envelope.reduced)
        case State.STOPPING if rung is Rung.LOWER:
            return Rules(envelope.frame_speed)
        case _:
            return Rules(envelope.frame_speed, separated=True)
