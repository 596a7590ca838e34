"""Why some codes have no check that the mutation check turns off: each says what shows it instead.

A code that is in no mutant has to stand here, so that nobody adds one and forgets it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from safety_supervisor.core.errors import Code

_TELLS: Final = (
    "It tells what became of a motion, or of an act, that others decided on; nothing is let through without it."
)
_ACTS: Final = "A person's act is refused with it; it lets no command through: test/core/test_supervisor_acts.py."
_APPROVALS: Final = (
    "Goals that wait for people are left to real nodes, since tokens are judged in a process of their own: "
    "test/core/test_interventions.py, and `approval` acts of sim/scenarios/panda_demo.yaml."
)
_SESSIONS: Final = "No agent of a scenario introduces itself: test/core/test_agent_sessions.py, test_agent_stages.py."
_TOKENS: Final = "Judged by the process that reads tokens, which the core engine leaves out: test/tokens."
_POLICY: Final = "No robot of the simulation has a policy: test/core/test_policy_gate.py, test_policy_server.py."
_BASE: Final = (
    "No robot of the simulation drives its base: test/core/test_base_gate.py, test_base_drive.py, test_odometry.py."
)
_OBSERVED: Final = "No configuration of the simulation has observed joints: test/core/test_observed.py."
_TOOLS: Final = "No robot of the simulation changes its tool: test/core/test_tools.py."
_TRAJECTORY: Final = (
    "No act sends such a trajectory; the step-by-step checks hold it, too: test/core/test_trajectory_job.py."
)
_INTAKE: Final = "No act sends such a message: test/core/test_intake.py."
_GOAL: Final = "Of action goals, which the core engine does not play: test/ros."
_LADDER: Final = (
    "Of a robot that may fall: test/core/test_stop_ladder.py, test_footing.py, test_rehearsals_disturbed.py."
)
_HELD: Final = (
    "No act of a scenario holds a switch or a button: test/core/test_supervisor_manual.py, test_supervisor_recovery.py."
)
_REAL: Final = "What is found by processes, files and ports, which the core engine leaves out: test/ros, test/estop."

_GROUPS: Final[tuple[tuple[str, tuple[Code, ...]], ...]] = (
    (
        _TELLS,
        (Code.ENDED, Code.PREEMPTED, Code.CANCELLED, Code.RESTARTED, Code.SHADOW, Code.RECOVERY_ENDED)
        + (Code.QUERY_LIMIT,),
    ),
    (
        _ACTS,
        (
            Code.ACT_EPOCH, Code.ACT_STANDSTILL, Code.ACT_ROLE, Code.ACT_CONFIGURATION, Code.ACT_INTERVENTION,
            Code.ACT_COMMAND, Code.ACT_SELF, Code.ACT_TWICE, Code.ACT_GRANT, Code.ACT_TARGET, Code.ACT_MODE,
            Code.ACT_INPUT,
        ),
    ),
    (
        _APPROVALS,
        (
            Code.APPROVAL_REQUIRED, Code.APPROVAL_DENIED, Code.APPROVAL_EXPIRED, Code.APPROVAL_VOID,
            Code.APPROVAL_COOL_DOWN, Code.APPROVAL_FULL, Code.APPROVAL_LONG,
        ),
    ),
    (
        _SESSIONS,
        (
            Code.SESSION_REQUIRED, Code.SESSION_GROUP, Code.SESSION_MODEL, Code.SESSION_REVOKED, Code.SESSION_CONTRACT,
            Code.SESSION_PUBLISHER, Code.SESSION_RATE, Code.SESSION_ENDED, Code.DEMOTED, Code.STAGES,
        ),
    ),
    (_TOKENS, tuple(code for code in Code if code.value.startswith("E_TOKEN_"))),
    (_POLICY, (Code.POLICY, Code.POLICY_ERROR, Code.POLICY_WAIT, Code.POLICY_SERVER)),
    (
        _BASE,
        (
            Code.BASE_FRAME, Code.BASE_AXES, Code.BASE_LIMIT, Code.GEOFENCE, Code.BASE_UNKNOWN, Code.BASE_JUMP,
        ),
    ),
    (_OBSERVED, (Code.OBSERVED_JOINT, Code.OBSERVED_MOVES)),
    (_TOOLS, (Code.TOOL_SOURCE, Code.TOOL, Code.TOOL_UNKNOWN, Code.TOOL_BUSY, Code.TOOL_RATE)),
    (_TRAJECTORY, (Code.START_STATE, Code.END_VELOCITY, Code.STATE_CHANGED, Code.MOTION_ACTIVE, Code.TOO_LONG)),
    (
        _INTAKE,
        (
            Code.UNDECODABLE, Code.BUSY, Code.KEYS_FULL, Code.LABELS, Code.FRAME_ID, Code.UNKNOWN_SOURCE,
            Code.PEOPLE_FRAME, Code.ORIENTATION, Code.BALANCE_FRAME, Code.STATE_NOT_FINITE,
        ),
    ),
    (_GOAL, (Code.GOAL, Code.PATH_TOLERANCE, Code.GOAL_TOLERANCE, Code.SOURCE_NOT_ALIVE)),
    (_LADDER, (Code.CREEPS, Code.LOWER_BROKEN, Code.BALANCE_BLIND, Code.BALANCE_UNKNOWN)),
    (_HELD, (Code.ENABLING_SWITCH, Code.HOLD_TO_RUN, Code.MODE_CHANGE, Code.SOURCE_KIND)),
    (_REAL, (Code.SECOND_SUPERVISOR, Code.SELF_TEST, Code.ESTOP_RESET, Code.HEADS, Code.COMMISSION)),
    (
        "Sources that overlap are no act of a scenario: test/core/test_supervisor_sources.py, test_preemption.py.",
        (Code.PRIORITY,),
    ),
    (
        "A queue that holds a message over a start exists with real nodes alone: test/core/test_supervisor_sources.py, "
        "test_a_set_point_that_was_received_before_the_start_moves_nothing.",
        (Code.PURGED,),
    ),
    (
        "The simulated joints tell the speed that they have, and are never faster than their set-points: "
        "test/core/test_supervisor_measured.py.",
        (Code.MEASURED_VELOCITY,),
    ),
    (
        "No scenario makes a library compute nonsense: test/core/test_not_finite_results.py.",
        (Code.NOT_FINITE_RESULT,),
    ),
    ("No baseline is part of a scenario: test/core/test_anomaly.py, `sim anomaly`.", (Code.ANOMALY,)),
)  # fmt: skip

REASONS: Final[Mapping[Code, str]] = {code: reason for reason, codes in _GROUPS for code in codes}
"""By code."""
