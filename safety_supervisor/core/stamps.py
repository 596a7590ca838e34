"""Is a message newer than the last one, by its sender's stamp?

A frozen driver repeats its last message: an old stamp is no news, and age decides. Requirement: SR-030; REDTEAM 45.
"""

from __future__ import annotations


def repeats(stamp: int, clock: int, last: tuple[int, int]) -> bool:
    """Return whether a message tells nothing new.

    A stamp of the future must not make every true one old; repeated it is no news all the same. Where the clock itself
    was set back, so were the stamps: order begins anew.

    Args:
        stamp: of the message, [ns] of the sender's ROS clock, not 0.
        clock: our ROS clock at receipt, [ns].
        last: the two of the newest message before, zeros for none.
    """
    before, then = last
    return stamp == before or (stamp <= min(before, then) and clock >= then)
