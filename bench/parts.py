"""Where the time of a decision goes: `python -m bench.parts` prints a table of its parts, in us of CPU.

Each part is measured in a run of its own, so that no stopwatch times another one. Two ways: in the loop, which is the
motion of `decision.full.panda` with all that the supervisor does besides; and `alone`, the same steps verified one
after the other and nothing else, which finds code and data in the caches. `calls` are those in a decision.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from bench.bench_full import HOME, PICK, PLACE, FullLoop, blend
from bench.measure import NoGarbageCollection, Stopwatch
from safety_supervisor.core.checks.clearance import Clearance
from safety_supervisor.core.checks.collision import CollisionCheck
from safety_supervisor.core.checks.frame_speed import FrameSpeed
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.intake.intake import Intake
from safety_supervisor.core.motion.segments import Stream
from safety_supervisor.core.motion.stopping import StraightStop
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.core.verifier import Verifier

PARTS: tuple[tuple[str, type, str], ...] = (
    ("set-point: all of its handling", Supervisor, "_stream"),
    ("  intake by name", Intake, "stream"),
    ("  segment", Stream, "plan"),
    ("verify: all of it", Verifier, "verify"),
    ("  plan the stop", StraightStop, "__init__"),
    ("  window: velocity, acceleration, jerk", Verifier, "_check_window"),
    ("  position and velocity of the stop", Verifier, "_passes"),
    ("  speed of links", FrameSpeed, "exceeds"),
    ("    asked (prepare's, too)", FrameSpeed, "_ways"),
    ("  self, cell, zones", CollisionCheck, "check"),
    ("    quick proof (prepare's, too)", Clearance, "quick"),
    ("    bound from remembered poses", Clearance, "bound"),
    ("    distances of some pairs", Clearance, "clear"),
    ("    straight end of a stop", Clearance, "faced"),
    ("    halving", Clearance, "prove"),
    ("after the decision: prepare", CollisionCheck, "prepare"),
    ("  distances of all pairs", Scene, "distances"),
)


@contextmanager
def timed(owner: type, name: str) -> Iterator[Stopwatch]:
    """Measure every call of a method."""
    clock, original = Stopwatch(), getattr(owner, name)

    def method(self: object, *arguments: Any) -> Any:
        return clock.call(original, self, *arguments)

    setattr(owner, name, method)
    try:
        yield clock
    finally:
        setattr(owner, name, original)


def loop_at_work() -> FullLoop:
    """Return a loop at the beginning of the motion."""
    loop = FullLoop()
    for q in blend(HOME, PICK, 1.0):
        loop.send(q)
    return loop


def run(loop: FullLoop, n: int) -> int:
    """Move to and fro; return the number of decisions, n or a few more."""
    done = 0
    while done < n:
        for start, goal in ((PICK, PLACE), (PLACE, PICK)):
            for q in blend(start, goal, 2.0):
                loop.send(q)
                done += 1
    return done


def recorded() -> tuple[FullLoop, list[tuple[Any, ...]]]:
    """Return a loop and what its verifier was asked on one way to and fro."""
    loop, steps = loop_at_work(), []
    verify: Callable[..., Any] = loop.verifier.verify

    def noted(*arguments: Any) -> Any:
        steps.append(tuple(each.copy() if isinstance(each, np.ndarray) else each for each in arguments))
        return verify(*arguments)

    loop.verifier.verify = noted  # type: ignore[method-assign]
    run(loop, 1)
    del loop.verifier.verify
    return loop, steps


def measure(owner: type, name: str, n: int) -> list[str]:
    """Return the cells of a part's row."""
    cells = []
    with NoGarbageCollection():
        with timed(owner, name) as clock:
            loop = loop_at_work()
            clock.cpu.clear()
            decisions = run(loop, n)
        cells += _cells(clock, decisions)
        loop, steps = recorded()
        with timed(owner, name) as clock:
            for _ in range(-(-n // len(steps))):
                for step in steps:
                    loop.verifier.verify(*step)
                    loop.verifier.prepare()
        cells += _cells(clock, n)[1:3] if clock.cpu else ["", ""]
    return cells


def _cells(clock: Stopwatch, decisions: int) -> list[str]:
    if not clock.cpu:
        return ["0", "", "", ""]
    cost = np.array(clock.cpu) / 1e3
    numbers = np.median(cost), np.percentile(cost, 99), cost.sum() / decisions
    return [f"{len(cost) / decisions:.3f}", *(f"{number:.1f}" for number in numbers)]


def main() -> int:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.parts", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few samples: to see that it runs, not to quote")
    n = 600 if parser.parse_args().quick else 3000
    print(f"n = {n} decisions a part\n")
    print("| part | calls | median | p99 | mean of all decisions | alone: median | p99 |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for label, owner, name in PARTS:
        indent = "&nbsp;" * (len(label) - len(label.lstrip()))
        print(f"| {indent}{label.strip()} | {' | '.join(measure(owner, name, n))} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
