"""One check of the supervisor, and how it is turned off."""

from __future__ import annotations

from dataclasses import dataclass

from safety_supervisor.core.errors import Code
from safety_supervisor_sim.campaign.switches import Switch


@dataclass(frozen=True)
class Mutant:
    """A supervisor with one check off.

    Attributes:
        name: of the check, for people and for `Case.disabled`.
        about: what is not looked at any more.
        switch: turns it off in a world, for the supervisor that it has then.
        codes: error codes that the check answers with.
        robot: on which it is shown.
        runs: scenario files that are tried first; the others are found by the codes that they expect.
        covered_by: a check that still holds what this one lets through, so that no run fails with this one off alone;
            the command proves it with both off. Empty: none.
    """

    name: str
    about: str
    switch: Switch
    codes: tuple[Code, ...]
    robot: str = "panda"
    runs: tuple[str, ...] = ()
    covered_by: str = ""
