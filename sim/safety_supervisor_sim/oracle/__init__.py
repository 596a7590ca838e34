"""The independent judge of the true motion. Numpy only; imports nothing that it judges."""

from safety_supervisor_sim.oracle.history import MotionAfter
from safety_supervisor_sim.oracle.limits import Box, Judging, Limits
from safety_supervisor_sim.oracle.oracle import Oracle

__all__ = ["Box", "Judging", "Limits", "MotionAfter", "Oracle"]
