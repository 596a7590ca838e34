"""Random facts, near the borders of the shipped policy's rules, and everything that can be wrong with them."""

from __future__ import annotations

import random
from typing import Any, Final

SPEEDS: Final = (0.0, 0.25, 0.4375, 0.5, 0.5625, 0.75, 1.0, 1.0625, 1.5, 1.5625, 2.0, 2.0625, 7.0)
STATES: Final = {
    "manual": ("MANUAL",),
    "auto": ("AUTO/MOVING", "AUTO/HOLDING", "AUTO/REDUCED"),
    "recovery": ("RECOVERY",),
}
WRONG: Final[tuple[Any, ...]] = (
    None, True, float("nan"), float("inf"), -1.0, -1, 1e300, 2**70, "", "x" * 65, [], [1], ["x" * 65], {}, {"a": 1},
    ["a"] * 51, b"a", (None,), object(), 1 + 0j,
)  # fmt: skip
"""Values of which most are wrong for each fact."""


def random_facts(chance: random.Random) -> dict[str, Any]:
    """Facts that are whole, every rule's border among them."""
    mode = chance.choice(("auto", "auto", "auto", "manual", "recovery"))
    return {
        "source": chance.choice(("planner", "joystick", "arm-2")),
        "kind": chance.choice(("agent", "agent", "person")),
        "verb": chance.choice(("position", "velocity", "trajectory", "cmd_vel")),
        "groups": chance.sample(("left", "right", "waist"), chance.randrange(4)),
        "zones": chance.choice(([], [], ["bench"], ["bench", "door"])),
        "joint_speed": chance.choice(SPEEDS),
        "frame_speed": chance.choice(SPEEDS),
        "mode": mode,
        "state": chance.choice(STATES[mode]),
        "people": chance.choice(("clear", "clear", "near", "unknown", "unwatched")),
        "since_start": chance.choice((0, 4, 5, 6, 3600)),
        "anomaly": chance.choice((0.0, 0.0, 0.0, 0.5, 0.9375, 1.0, 3.5)),
        "approvals": chance.choice(([], [], ["zone"], ["near_people"], ["near_people", "zone"])),
        "model": chance.choice(("", "", "cell_policy")),
        "model_version": chance.choice(("", "1.2.0")),
        "stage": chance.choice(("", "shadow", "approve_each", "supervised", "autonomous")),
    }
