"""What the core engine costs: scenarios in simulated time, one control period of 4 ms after the other.

Measured is each lock-step: physics, oracle, measurement, messages, the e-stop's line, core, the controller's double.
`lockstep` are simulated seconds per second of CPU in these; `whole` includes building robot and supervisor, and the
judgement; `replayed` besides that the handling of all events by a second supervisor.
"""

from __future__ import annotations

import time
from pathlib import Path

from bench.measure import Row, Stopwatch, row
from safety_supervisor_sim.engine.clockwork import Clockwork
from safety_supervisor_sim.engine.run import run
from safety_supervisor_sim.scenario import load_scenario

SCENARIOS = Path(__file__).parents[1] / "sim" / "scenarios"
CASES = {"panda": ("panda_demo", "good_motion"), "g1": ("g1_demo",)}


def rows(quick: bool = False) -> list[Row]:
    """Measure and return the rows, as `bench` prints them."""
    found = []
    for robot, names in CASES.items():
        for name in names if not quick else names[-1:]:
            if not quick or robot == "panda":
                found.append(_measure(robot, name))
    return found


def _measure(robot: str, name: str) -> Row:
    scenario, clock = load_scenario(SCENARIOS / f"{name}.yaml"), Stopwatch()

    def watched(world: Clockwork) -> None:
        cycle = world.cycle
        world.cycle = lambda: clock.call(cycle)  # type: ignore[method-assign]

    run(scenario, replay=False)  # what is loaded once is loaded
    began = time.process_time()
    played = run(scenario, replay=False, broken=watched)
    whole = time.process_time() - began
    began = time.process_time()
    run(scenario)
    replayed = time.process_time() - began
    return row(
        f"scenario.{name}",
        clock.cpu,
        clock.wall,
        robot=robot,
        lockstep=round(played.simulated / (sum(clock.cpu) * 1e-9), 1),
        whole=round(played.simulated / whole, 1),
        replayed=round(played.simulated / replayed, 1),
    )
