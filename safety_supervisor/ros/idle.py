"""When what is taken one after the other can have come at the earliest.

The middleware does not tell when an action's request came. It waits in a queue while others are taken and decoded. But
whatever is taken came after the last moment at which the queue was found empty; so that moment is its time, which is
never too young. Requests that come without a pause are held for older than they are: that ends in a refusal at worst.
"""

from __future__ import annotations

import time

from safety_supervisor.core.units import NS_PER_S, Nanoseconds


class IdleWatch:
    """Finds the last moment at which nothing was left to be taken.

    Args:
        wait: how long one wait lasts that nothing ends, [s].
    """

    def __init__(self, wait: float) -> None:
        """Nothing can have come before now."""
        self.last: Nanoseconds = time.monotonic_ns()
        """The last idle moment, steady clock, [ns]."""
        self._wait = round(wait * NS_PER_S)

    def waited(self, began: Nanoseconds, ended: Nanoseconds, *, worked: bool) -> None:
        """Take note of a wait.

        Args:
            began: when it began, steady clock, [ns].
            ended: when it ended.
            worked: whether anything was done at its end. A wait that ended early without that was ended by something
                else, behind which more may stand.
        """
        if not worked and ended - began >= self._wait:
            self.last = began
