"""Everything that a report says, before it is a page, JUnit or JSON; and the one sentence that stands at its head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from safety_supervisor_sim.report.figures import Mutant, Rival, Tally, by_campaign, by_robot, mutants, rivals
from safety_supervisor_sim.report.proof import Proof, Tables, proofs
from safety_supervisor_sim.report.runs import DONE, ENDINGS, Run, Source
from safety_supervisor_sim.report.statistics import CONFIDENCE, percent

NOT_CLAIMED: Final = (
    "That the robot is safe, or that any standard, performance level or SIL is met: this supervisor is not "
    "safety-rated and replaces no rated function.",
    "Anything of what these campaigns do not draw: other robots, cells, tools, agents, faults or parameters.",
    "That runs are independent of one another: the bounds take them for independent draws. Draws that are spread "
    "evenly (Latin hypercube) and scenarios that are much alike are not.",
    "Anything of real time, real motors, networks or people: the core engine simulates time and motion. What real "
    "nodes do is shown by the named tests and by sim run --engine ros.",
    "That a named test was run: only where the column of outcomes says so.",
)


@dataclass(frozen=True)
class Findings:
    """What a report says.

    Attributes:
        title: of the report.
        runs: all of them, each once.
        sources: the files they are from.
        tables: what the repository says of requirements and rows.
    """

    title: str
    runs: Sequence[Run]
    sources: Sequence[Source]
    tables: Tables

    @cached_property
    def judged(self) -> list[Run]:
        """Runs of the supervisor with all checks on."""
        return [run for run in self.runs if run.judged]

    @cached_property
    def campaigns(self) -> list[Tally]:
        """Counts by campaign and robot."""
        return by_campaign(self.runs)

    @cached_property
    def robots(self) -> list[Tally]:
        """Counts by robot."""
        return by_robot(self.runs)

    @cached_property
    def proofs(self) -> list[Proof]:
        """What is known of each requirement and row."""
        return proofs(self.runs, self.tables)

    @cached_property
    def mutants(self) -> list[Mutant]:
        """Checks that were off."""
        return mutants(self.runs)

    @cached_property
    def rivals(self) -> list[Rival]:
        """Subjects that were compared."""
        return rivals(self.runs)

    @cached_property
    def unfinished_rivals(self) -> list[Run]:
        """Runs of rivals that are not done: a table of comparison without them would be kind to somebody."""
        return [run for run in self.runs if not run.judged and not run.disabled and not run.done]

    @property
    def not_played(self) -> int:
        """Runs that were planned and are in no table."""
        return sum(source.not_played for source in self.sources)

    @property
    def ok(self) -> bool:
        """Whether all runs of the supervisor are good, each check that was off was caught, nothing is unfinished."""
        if self.not_played:
            return False
        if not self.judged and not self.mutants:
            return False
        caught = all(mutant.caught for mutant in self.mutants)
        return caught and not self.unfinished_rivals and all(one.ok for one in self.robots)

    @property
    def headline(self) -> str:
        """Return what a reviewer reads first; never that anything is safe."""
        said = [_sentence(one) for one in self.robots]
        if not said:
            said = ["No run of the supervisor with all its checks on: nothing is said of its violations"]
        if self.mutants:
            caught = sum(mutant.caught for mutant in self.mutants)
            said.append(f"{caught} of {len(self.mutants)} checks that were turned off were caught")
        if self.unfinished_rivals:
            said.append(f"{len(self.unfinished_rivals)} runs of rivals are not done")
        if self.not_played:
            said.append(f"{self.not_played} planned runs were not played")
        bound = ", with 95 % confidence (Clopper-Pearson, one-sided), for what these campaigns draw"
        return f"{'' if self.ok else 'NOT GOOD. '}{'; '.join(said)}{bound if self.robots else ''}."

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON; without the runs that are good."""
        return {
            "ok": self.ok,
            "headline": self.headline,
            "confidence": CONFIDENCE,
            "sources": [{"path": str(one.path), "sha256": one.sha256, "runs": one.runs} for one in self.sources],
            "robots": [one.as_dict() for one in self.robots],
            "campaigns": [one.as_dict() for one in self.campaigns],
            "requirements_and_rows": [one.as_dict() for one in self.proofs],
            "mutants": [one.as_dict() for one in self.mutants],
            "rivals": [one.as_dict() for one in self.rivals],
            "not_good": [
                {"id": run.id, "campaign": run.campaign, "scenario": run.scenario, "ended": run.ended, "why": run.why}
                for run in self.judged
                if not run.ok
            ],
        }


def _sentence(one: Tally) -> str:
    """Say what one robot's runs come to."""
    told = f"{one.violated} violations" if one.violated != 1 else "1 run with violations"
    if one.violated > 1:
        told = f"{one.violated} runs with violations"
    rate = f"the rate is below {percent(one.bound)}" if one.bound < 1.0 else "nothing is known of the rate"
    text = f"{one.robot or 'robot unknown'}: {told} in {one.runs:,} runs, {rate}"
    extra = [f"{one.unexpected} not as expected"] if one.unexpected else []
    extra += [f"{one.ended[name]} {name}" for name in ENDINGS if name != DONE and one.ended[name]]
    if one.unknown:
        extra.append(f"the bound counts these {one.unknown} as violated")
    return f"{text} ({', '.join(extra)})" if extra else text


def repository(given: Path | None) -> Path | None:
    """Return the repository whose tables and tests are read: the given one, else this package's; None: neither."""
    if given is not None:
        return given
    here = Path(__file__).resolve().parents[3]
    return here if (here / "docs" / "redteam.md").is_file() and (here / "test").is_dir() else None
