"""The independent judges of the true motion; they import nothing that they judge.

`Oracle` needs numpy only. `touch` and `way` judge by PyBullet what the robot touches.
"""

from safety_supervisor_sim.oracle.history import MotionAfter
from safety_supervisor_sim.oracle.limits import Box, Judging, Limits
from safety_supervisor_sim.oracle.oracle import Oracle

__all__ = ["Box", "Judging", "Limits", "MotionAfter", "Oracle"]
