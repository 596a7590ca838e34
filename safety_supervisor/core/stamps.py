"""Is a message new, by its sender's stamp?

A frozen driver repeats its last message: an old stamp is no news, and age decides. Requirement: SR-030; REDTEAM 45.
"""

from __future__ import annotations

from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.units import Nanoseconds, seconds


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


def judge_stamp(
    rule: str, stamp: Nanoseconds, clock: Nanoseconds, last: tuple[int, int], limit: Nanoseconds
) -> Violation | None:
    """Return what is wrong with the stamp of a sensor's message.

    Args:
        rule: configuration's section and what it is about, for people.
        stamp: of the message, [ns] of the sender's ROS clock; 0 is none.
        clock: our ROS clock at receipt, [ns].
        last: the two of the newest message before, zeros for none.
        limit: the greatest difference of the two, [ns].

    Returns:
        E_STAMP: without a stamp near the clock the age is not known, and a driver that repeats itself is not noticed.
        E_OUT_OF_ORDER: it is only repeated or late; that says nothing new, and what was said grows old by itself.
    """
    age = clock - stamp
    if stamp == 0 or not -limit <= age <= limit:
        return Violation(Code.STAMP, rule, seconds(age), seconds(limit), detail="the stamp is too far away")
    if repeats(stamp, clock, last):
        return Violation(Code.OUT_OF_ORDER, rule, seconds(stamp), seconds(last[0]))
    return None
