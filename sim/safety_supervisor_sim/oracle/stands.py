"""How a robot stood, act by act: what `balance` sees of it, and the modes that it was told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from safety_supervisor_sim.oracle.balance import Balance, BalanceJudge, Stance

STOOD_UP: Final = ", on its feet again"
"""What the name of an act ends with from when the robot was set on its feet in it."""
MOST_MODES: Final = 1000
"""Changes of mode that are kept of an act."""


@dataclass
class Standing:
    """One act.

    Attributes:
        name: of the act.
        judge: of this act; None where it lay, or was limp, already when the act began.
        modes: on each change, time, steady clock, [s], mode that its motors took, and how high its base was, [m].
        let_go_at: when its motors first gave way, [s]; None: it was held all the time.
        pushes: time, and force, [N].
        pressed: pairs of links that pressed against each other, by physics.
        height: of the base at the end, [m].
        lowest: of the base, [m].
    """

    name: str
    judge: BalanceJudge | None
    modes: list[tuple[float, str, float]] = field(default_factory=list)
    let_go_at: float | None = None
    pushes: list[tuple[float, tuple[float, ...]]] = field(default_factory=list)
    pressed: set[tuple[str, str]] = field(default_factory=set)
    height: float | None = None
    lowest: float | None = None

    @property
    def seen(self) -> Balance:
        """What its judge saw."""
        return Balance() if self.judge is None else self.judge.seen

    @property
    def fell_held(self) -> bool:
        """Whether it fell from where it was held: who is let go lies down at last, and that is no fall."""
        lost = self.seen.lost_at
        return self.seen.fell and lost is not None and (self.let_go_at is None or lost < self.let_go_at)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        seen = self.seen
        return {
            "name": self.name,
            "down_before": self.judge is None,
            **seen.as_dict(),
            "fell_held": self.fell_held,
            "let_go_at": self.let_go_at,
            "modes": [{"at": at, "mode": mode, "height": height} for at, mode, height in self.modes],
            "pushes": [{"at": at, "force": list(force)} for at, force in self.pushes],
            "pressed": sorted(" and ".join(pair) for pair in self.pressed),
            "height": self.height,
            "lowest": self.lowest,
        }


class Stands:
    """Judges a robot that may be put back on its feet, act by act."""

    def __init__(self, tilt: float, height: float, stance: Stance) -> None:
        """Judge as `BalanceJudge` does with `tilt` and `height`; `stance` is the one on its feet."""
        self._fallen = tilt, height
        self._first = stance
        self._down = False
        self._height = stance.height
        self._limp = False
        self._acts: list[Standing] = []
        self.mark("start")

    @property
    def act(self) -> Standing:
        """The present one."""
        return self._acts[-1]

    @property
    def down(self) -> bool:
        """Whether it has fallen, and nobody put it back on its feet."""
        return self._down

    def mark(self, name: str) -> None:
        """Begin an act."""
        self._acts.append(Standing(name, None if self._down or self._limp else self._judge()))

    def stand_up(self, stance: Stance) -> None:
        """It was put back on its feet."""
        self._first, self._height = stance, stance.height
        self._down = self._limp = False
        if self.act.judge is None or self.act.judge.seen.fell:
            self.mark(self.act.name + STOOD_UP)

    def see(self, stance: Stance, pressed: tuple[tuple[str, str], ...]) -> None:
        """Judge one stance; times have to be those of the same clock."""
        act = self.act
        act.height = self._height = stance.height
        act.lowest = stance.height if act.lowest is None else min(act.lowest, stance.height)
        if act.judge is None or self._down:
            return
        act.pressed.update(pressed)
        act.judge.see(stance)
        self._down = act.judge.seen.fell

    def told(self, time: float, mode: str, limp: bool) -> None:
        """Its motors took another mode, in which they hold it, or are limp."""
        self._limp = limp
        if limp and self.act.let_go_at is None:
            self.act.let_go_at = time
        if len(self.act.modes) < MOST_MODES:
            self.act.modes.append((time, mode, self._height))

    def report(self) -> dict[str, Any]:
        """Return the acts, and what is true of all of them, ready for JSON."""
        acts = [act.as_dict() for act in self._acts]
        fell = [act["name"] for act in acts if act["fell_held"]]
        least: dict[str, float] = {}
        for act in acts:
            for name, value in act["least"].items():
                least[name] = min(least.get(name, value), value)
        return {
            "acts": acts,
            "fell_in": fell,
            "down": self._down,
            "height": self._first.height,
            "least": dict(sorted(least.items())),
        }

    def _judge(self) -> BalanceJudge:
        """A judge that knows the robot on its feet: heights and places of feet count from there."""
        judge = BalanceJudge(*self._fallen)
        judge.see(self._first)
        return judge
