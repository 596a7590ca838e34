"""Every check of the supervisor that protects motion, and how it is turned off: one at a time.

A campaign that lets a supervisor pass whose check is off would not have seen that check fail either.
"""

from __future__ import annotations

from typing import Final

from safety_supervisor_sim.campaign.mutant import Mutant
from safety_supervisor_sim.campaign.mutants_commands import COMMANDS
from safety_supervisor_sim.campaign.mutants_motion import MOTION
from safety_supervisor_sim.campaign.mutants_world import WORLD
from safety_supervisor_sim.campaign.switches import Switch, all_of, lasting

MUTANTS: Final[dict[str, Mutant]] = {one.name: one for one in (*MOTION, *COMMANDS, *WORLD)}
"""By the check's name."""

BOTH: Final = "+"
"""Parts the names of checks that are off together."""


def disable(name: str) -> Switch:
    """Return what turns a check off in a world, before anything happens in it; supervisors started anew included.

    Args:
        name: of the check; several, parted by `+`, are off together.

    Raises:
        KeyError: there is no such check.
    """
    return lasting(all_of(*(MUTANTS[one].switch for one in name.split(BOTH))))
