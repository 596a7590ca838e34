"""The whole campaign: its parts in chunks, each chunk with a seed of its own, so that the number of processes changes
nothing that comes out."""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from safety_supervisor_sim.lab.bench import Bench, load_bench
from safety_supervisor_sim.lab.closed_loop import ClosedLoop, judge_closed_loop
from safety_supervisor_sim.lab.motions import Motions, judge_motions
from safety_supervisor_sim.lab.pick_place import PickPlace, judge_pick_place
from safety_supervisor_sim.lab.stances import FootedBench, load_footed
from safety_supervisor_sim.lab.standing_motions import StandingMotions, judge_standing_motions
from safety_supervisor_sim.lab.standing_states import StandingStates, judge_standing
from safety_supervisor_sim.lab.states import States, judge_states
from safety_supervisor_sim.lab.tunnel import Tunnel, judge_tunnel

Result = States | StandingStates | Motions | Tunnel | PickPlace | ClosedLoop
Progress = Callable[[str, float], None]
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True)
class Part:
    """A part of the campaign.

    Attributes:
        judge: plays and judges one chunk: bench, seed, amount.
        empty: makes a result to which chunks are added.
        chunk: amount at a time.
        about: for people, with the unit of the amount.
    """

    judge: Callable[[Any, tuple[int, ...], Any], Result]
    empty: Callable[[], Result]
    chunk: float
    about: str


PARTS: Final[Mapping[str, Part]] = {
    "states": Part(judge_states, States, 5000, "random states"),
    "motions": Part(judge_motions, Motions, 250, "random motions"),
    "tunnel": Part(judge_tunnel, Tunnel, 5, "ways through the plate"),
    "pick_place": Part(judge_pick_place, PickPlace, 50, "clear pick-and-place motions"),
    "closed_loop": Part(judge_closed_loop, ClosedLoop, 60, "seconds of the closed loop"),
}


PANDA: Final = "panda"
"""The robot that has `PARTS`; every other one has `HUMANOID_PARTS`."""


def _judge_stand(bench: FootedBench, seed: tuple[int, ...], count: int) -> States:
    return judge_states(bench.stand, seed, count)


HUMANOID_PARTS: Final[Mapping[str, Part]] = {
    "states": Part(_judge_stand, States, 2500, "random states, its base fixed"),
    "standing": Part(judge_standing, StandingStates, 1250, "random states on its feet"),
    "motions": Part(judge_standing_motions, StandingMotions, 125, "random motions on its feet"),
}


def parts_of(robot: str) -> Mapping[str, Part]:
    """Return the parts that there are of a robot."""
    return PARTS if robot == PANDA else HUMANOID_PARTS


@lru_cache(maxsize=1)
def _bench(robot: str) -> Bench | FootedBench:
    """One a process."""
    return load_bench() if robot == PANDA else load_footed(robot)


def _run_chunk(robot: str, name: str, seed: tuple[int, ...], amount: float) -> Result:
    whole = name == "closed_loop"
    return parts_of(robot)[name].judge(_bench(robot), seed, amount if whole else round(amount))


def _chunks(robot: str, amounts: Mapping[str, float], seed: int) -> Iterator[tuple[str, tuple[int, ...], float]]:
    for number, (name, part) in enumerate(parts_of(robot).items()):
        left, index = amounts[name], 0
        while left > 0:
            amount = min(part.chunk, left)
            yield name, (seed, number, index), amount
            left, index = left - amount, index + 1


def run_campaign(
    amounts: Mapping[str, float], seed: int, processes: int, progress: Progress, robot: str = PANDA
) -> dict[str, Any]:
    """Run all parts.

    Args:
        amounts: of each of `parts_of(robot)`; 0 leaves one out.
        seed: of everything that is drawn.
        processes: at a time.
        progress: told part and amount of each chunk that is done.
        robot: `PANDA`, or a humanoid.

    Returns:
        By part, ready for JSON; `ok` is true when nothing was touched and the controls show that the judge sees.

    Raises:
        ValueError: a part that there is not of the robot.
    """
    parts = parts_of(robot)
    strange = [name for name, amount in amounts.items() if amount > 0 and name not in parts]
    if strange:
        raise ValueError(f"of {robot} there is no {', '.join(strange)}")
    results = {name: part.empty() for name, part in parts.items() if amounts[name] > 0}
    context = multiprocessing.get_context("spawn")  # PyBullet's worlds do not survive a fork
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_end_with_parent) as pool:
        jobs = {pool.submit(_run_chunk, robot, *chunk): chunk for chunk in _chunks(robot, amounts, seed)}
        try:
            for job in as_completed(jobs):
                name, _, amount = jobs[job]
                results[name].add(job.result())  # type: ignore[arg-type]
                progress(name, amount)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    told = {name: result.as_dict() for name, result in results.items()}
    return {"ok": all(map(_good, told.values())), "seed": seed, **told}


def _end_with_parent() -> None:
    """In a worker: end when the campaign was killed, so that nothing is left computing."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _good(told: Mapping[str, Any]) -> bool:
    """Whether a part is as it has to be; a control that crosses nothing means that the judge sees nothing."""
    return told.get("violations", 0) == 0 and told.get("control_crossed", 1) > 0
