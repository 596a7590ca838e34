"""Limiting: slower along the agent's own path instead of refused, where it is configured; told, and never beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from judges import judge_envelope, judge_output
from rig import HOME, Rig, panda, upright

from safety_supervisor.core.effects import Actuate
from safety_supervisor.core.motion.limiting import LEAST
from safety_supervisor.core.motion.segments import Stream
from safety_supervisor.core.settings import CommandKind, Configuration, LimitingSettings, ZoneKind

MS = 1_000_000
WALL = upright("wall", ZoneKind.KEEP_OUT, [0.1, 0.25, 0.0], [1.0, 0.3, 1.5], margin=0.02)
"""Beside the hand, reached by turning joint 1."""


def limited(
    behind: int = 500 * MS, sources: tuple[str, ...] = ("planner", "joystick"), **changes: Any
) -> Configuration:
    """The shipped Panda before a wall, its streams limited; never quarantined, so that all is told."""
    shipped = panda()
    never = tuple(replace(source, refusals=10**6) for source in shipped.sources)
    settings_of = LimitingSettings(sources, behind)
    return replace(shipped, **{"limiting": settings_of, "zones": (*shipped.zones, WALL), "sources": never, **changes})


def room(rig: Rig) -> float:
    """Least distance beyond its margin of any pair over all set-points, [m]; zero or less is too near."""
    scene = rig.supervisor._verifier.scene
    rows = np.unique(np.array(rig.outputs), axis=0)
    return min(float((scene.distances(q) - scene.margins).min()) for q in rows)


def ramp(speed: float, joint: int = 0, by: float = 0.4) -> Callable[[float], np.ndarray]:
    """Positions over time: from HOME with a smooth beginning to a constant speed of one joint."""

    def at(t: float) -> np.ndarray:
        q = HOME.copy()
        rise = min(t, by)
        q[joint] += speed * (rise / 2 - by / (2 * np.pi) * np.sin(np.pi * rise / by) + max(0.0, t - by))
        return q

    return at


class Agent:
    """Streams a motion at 100 Hz until it hears that it has ended, and keeps what it sent."""

    def __init__(self, rig: Rig, motion: Callable[[float], np.ndarray], heeds: bool = True) -> None:
        self.rig, self.motion, self.heeds = rig, motion, heeds
        self.cycles = 0
        self.sent: list[np.ndarray] = []
        self.received: list[float] = []
        self.moved: list[np.ndarray] = []
        """Set-points of the output that came from its stream."""
        self.paces: list[float] = []
        self.behind: list[float] = [0.0]

    @property
    def ended(self) -> bool:
        return bool(self.rig.decisions("STOP") or self.rig.decisions("REJECT"))

    def run(self, seconds: float) -> Agent:
        rig, motion = self.rig, self.rig.supervisor._motion
        for _ in range(round(seconds * 1e9 / rig.period)):
            since = self.cycles * rig.period / 1e9 + 1e-9
            self.cycles += 1
            while not (self.heeds and self.ended) and len(self.sent) * 0.01 <= since:
                self.sent.append(self.motion(len(self.sent) * 0.01))
                self.received.append(motion.play_time + min(rig.period, rig.now - rig.supervisor._last_tick) / 1e9)
                rig.stream(self.sent[-1])
            rig.cycle()
            (lane,) = motion.lanes.values()
            if lane.stream is not None and lane.stop is None:
                self.moved.append(rig.output)
                self.paces.append(1.0 if lane.pace is None else lane.pace.speed)
                self.behind.append(0.0 if lane.pace is None else lane.pace.behind)
        return self


def beside(agent: Agent) -> float:
    """Greatest distance of a set-point that was sent from the path of the agent's set-points, any joint, [rad]."""
    source = agent.rig.configuration.source("planner")
    stream = Stream(CommandKind.POSITION, source.period / 1e9, source.playout_periods)
    pieces = []
    for received, q in zip(agent.received, agent.sent, strict=True):
        piece = stream.plan(received, q, None if stream.active else np.stack([HOME, np.zeros(7), np.zeros(7)]))
        assert piece is not None
        stream.take(piece, received)
        pieces.append(piece)
    worst, tau = 0.0, pieces[0].start
    for q in agent.moved:
        # Onward only; the nearest of many points, then Newton's steps toward the nearest of all.
        taus = np.arange(tau, min(pieces[-1].end, tau + 0.02), 2e-4)
        near = taus[int(np.argmin([np.abs(state_of(pieces, t)[0] - q).max() for t in taus]))] if len(taus) else tau
        for _ in range(8):
            p, v, _ = state_of(pieces, near)
            if not v.any():
                break
            near = min(max(pieces[0].start, near + float((q - p).dot(v) / v.dot(v))), pieces[-1].end)
        worst = max(worst, float(np.abs(state_of(pieces, near)[0] - q).max()))
        tau = max(tau, near - 1e-6)
    return worst


def state_of(pieces: list[Any], t: float) -> np.ndarray:
    piece = next((one for one in pieces if one.end >= t), pieces[-1])
    state: np.ndarray = piece.state(t)
    return state


# --- at a wall


@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-031")
@pytest.mark.parametrize("speed", [0.3, 1.0, 1.8])
def test_a_robot_streamed_straight_at_a_wall_ends_at_the_margin_and_can_leave(
    panda_rigs: Callable[..., Rig], speed: float
) -> None:
    rig = panda_rigs(limited()).auto()
    agent = Agent(rig, ramp(speed)).run(3.0)
    assert 0.0 < room(rig) < 0.002, "at the margin, not in it and not far from it"
    assert beside(agent) < 1e-9
    assert min(agent.paces) < 0.2, "it was slowed down a long way"
    told = [(d.verdict, d.code) for d in rig.decisions()]
    assert told[0] == ("PASS", "")
    assert {t[0] for t in told[1:-1]} == {"LIMIT"}
    assert told[-1][0] == "STOP"
    assert told[-1][1] in ("E_WORKSPACE", "E_QUERY_LIMIT")
    # And away again, from where it stands.
    rig.clear()
    begin = rig.output
    Agent(rig, lambda t: begin + ramp(-0.5)(t) - HOME).run(1.0)
    assert not rig.decisions("STOP")
    assert not rig.decisions("REJECT")
    assert rig.output[0] < begin[0] - 0.2


@pytest.mark.requirement("SR-026")
@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_at_a_position_limit_it_ends_nearer_than_a_refusal_does(panda_rigs: Callable[..., Rig], speed: float) -> None:
    ends = {}
    for on in (True, False):
        configuration = limited(zones=()) if on else limited(zones=(), limiting=None)
        rig = panda_rigs(configuration, HOME).auto()
        Agent(rig, ramp(speed)).run(2.5 / speed + 2.0)
        ends[on] = float(configuration.envelope.joints.upper[0] - rig.output[0])
        assert bool(rig.decisions("LIMIT")) is on
    assert 0.0 <= ends[True] < 1e-3
    assert ends[True] < 0.2 * ends[False]


def test_velocities_are_limited_too(panda_rigs: Callable[..., Rig]) -> None:
    rig = panda_rigs(limited(zones=())).auto()
    upper = rig.configuration.envelope.joints.upper[0]

    def jog(i: int) -> None:
        if i % 5 == 0 and not rig.decisions("STOP"):
            rig.stream([min(1.5, i * 0.01), 0, 0, 0, 0, 0, 0], "joystick", velocity=True)

    rig.seconds(4.0, jog)
    assert rig.decisions("LIMIT")[0].source == "joystick"
    assert 0.0 <= upper - rig.output[0] < 1e-3


def test_what_another_path_would_let_pass_goes_on_slower_and_regains_its_pace(panda_rigs: Callable[..., Rig]) -> None:
    """Half a circle in the space of two joints, that all but touches a limit: its straight stop would pass it."""
    radius, shipped = 0.139, panda()
    upper = shipped.envelope.joints.upper.copy()
    upper[0] = radius + 0.001
    joints = replace(shipped.envelope.joints, upper=upper)
    bounded = {"zones": (), "envelope": replace(shipped.envelope, joints=joints)}

    def round_it(t: float) -> np.ndarray:
        q, u = HOME.copy(), min(1.0, t / 0.8)
        angle = np.pi * (10 * u**3 - 15 * u**4 + 6 * u**5)
        q[0] += radius * np.sin(angle)
        q[6] += radius * (1 - np.cos(angle))
        return q

    refused = Agent(panda_rigs(limited(limiting=None, **bounded)).auto(), round_it).run(2.0)
    assert refused.rig.decisions()[-1].code == "E_POSITION_LIMIT"
    rig = panda_rigs(limited(**bounded)).auto()
    agent = Agent(rig, round_it).run(2.0)
    assert not agent.ended, rig.decisions()
    assert LEAST < min(agent.paces) < 0.98
    assert agent.paces[-1] == 1.0, "its own pace again"
    assert beside(agent) < 1e-9
    assert rig.output[0] == pytest.approx(HOME[0], abs=1e-6)
    assert np.array(rig.outputs)[:, 0].max() <= upper[0]


# --- what is told


@pytest.mark.requirement("SR-031")
def test_each_limited_cycle_is_told_folded(panda_rigs: Callable[..., Rig]) -> None:
    rig = panda_rigs(limited()).auto()
    agent = Agent(rig, ramp(1.5)).run(2.0)
    told = rig.decisions("LIMIT")
    slower = sum(pace < 1.0 for pace in agent.paces)
    assert slower > 20
    assert sum(d.count for d in told) == slower
    assert len(told) <= 2 * len({d.code for d in told}), "the first at once, then folded"
    for decision in told:
        assert decision.source == "planner"
        assert decision.rule == "zones.wall"
        assert "panda" in decision.joint
        assert decision.detail.startswith("at 0.")
        assert "of its own pace, along its own path" in decision.detail
    near = [d for d in told if d.code == "E_WORKSPACE"]
    assert all(d.value < d.limit for d in near)
    assert near


def test_it_is_off_for_every_source_that_is_not_named(panda_rigs: Callable[..., Rig]) -> None:
    rig = panda_rigs(limited(sources=("joystick",))).auto()
    Agent(rig, ramp(1.0)).run(2.0)
    assert not rig.decisions("LIMIT")
    assert rig.decisions("STOP")
    assert panda().limiting is None


# --- what is not limited


def test_a_set_point_that_is_itself_too_lively_is_refused(panda_rigs: Callable[..., Rig]) -> None:
    rig = panda_rigs(limited()).auto()
    agent = Agent(rig, lambda t: ramp(0.5)(t) + (0.3 if t >= 0.5 else 0.0)).run(1.0)
    assert agent.ended
    assert not rig.decisions("LIMIT")
    # A jerk that only the step itself shows.
    rig = panda_rigs(limited()).auto()
    assert Agent(rig, lambda t: ramp(0.5)(t) + (0.004 if t >= 0.5 else 0.0)).run(1.0).ended
    assert {d.code for d in rig.decisions("STOP")} | {d.code for d in rig.decisions("REJECT")} <= {
        "E_ACCELERATION_LIMIT", "E_JERK_LIMIT", "E_VELOCITY_LIMIT",
    }  # fmt: skip
    assert not rig.decisions("LIMIT")


def test_a_trajectory_is_verified_whole_and_never_limited(panda_rigs: Callable[..., Rig]) -> None:
    rig = panda_rigs(limited()).auto()
    goal, rest = HOME.copy(), np.zeros((1, 7))
    goal[0] += 1.0
    rig.trajectory([2.0], goal[None, :], rest, rest)
    rig.seconds(3.0)
    assert [d.verdict for d in rig.decisions()] == ["REJECT"]
    assert np.abs(rig.output - HOME).max() < 1e-12


def test_it_falls_behind_only_so_far(panda_rigs: Callable[..., Rig]) -> None:
    """An agent that does not listen is refused in the end; one that is given time is played to its end."""
    slow = upright("slow", ZoneKind.SPEED, [-1.0, -1.0, 0.0], [1.0, 1.0, 1.5], frame_speed=0.04)
    ends, behind_most = {}, {}
    for behind in (100 * MS, 2000 * MS):
        rig = panda_rigs(limited(behind, zones=(slow,))).auto()

        def there(t: float) -> np.ndarray:
            q = HOME.copy()
            q[0] += 0.2 * (10 * (u := min(1.0, t / 0.8)) ** 3 - 15 * u**4 + 6 * u**5)
            return q

        agent = Agent(rig, there).run(4.0)
        behind_most[behind] = max(agent.behind)
        ends[behind] = (rig.output[0] - HOME[0], rig.decisions()[-1].verdict)
        assert rig.decisions("LIMIT")
    assert behind_most[100 * MS] < 0.1 + 0.03, "and the periods that one step and the queue may be off by"
    assert ends[100 * MS][1] == "STOP"
    assert ends[100 * MS][0] < 0.19
    assert ends[2000 * MS][1] == "LIMIT"
    assert behind_most[2000 * MS] > 0.5
    assert abs(ends[2000 * MS][0] - 0.2) < 1e-6


def test_missed_cycles_while_limited_end_in_the_kept_stop_or_go_on_inside_the_envelope(
    panda_rigs: Callable[..., Rig],
) -> None:
    for late in range(6, 40, 6):
        rig = panda_rigs(limited()).auto()
        agent = Agent(rig, ramp(1.0))
        while not rig.decisions("LIMIT"):
            agent.run(0.004)
            assert len(agent.sent) < 400, "it never came to the wall"
        agent.run(0.004 * late)
        rig.late = late * MS
        rig.cycle()
        rig.late = 0
        rig.now += late // 4 * rig.period
        rig.skips = True
        rig.seconds(1.0)
        assert room(rig) > 0.0


# --- for any stream


WAVES = st.lists(
    st.tuples(
        st.integers(0, 6), st.floats(0.02, 0.8), st.floats(0.1, 1.2), st.floats(0.0, 6.3)
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@pytest.mark.requirement("SR-025")
@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-044")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(waves=WAVES, jump=st.floats(-0.02, 0.02), at=st.floats(0.2, 1.5), people_heed=st.booleans())
@example(waves=[(0, 0.6, 0.5, 0.0)], jump=0.0, at=1.0, people_heed=True)
@example(waves=[(0, 0.5, 0.8, 0.0), (1, 0.3, 0.7, 0.0), (3, -0.3, 0.9, 0.0)], jump=0.0, at=1.0, people_heed=False)
def test_whatever_is_streamed_the_output_stays_inside_and_on_the_path(
    waves: list[tuple[int, float, float, float]], jump: float, at: float, people_heed: bool
) -> None:
    def motion(t: float) -> np.ndarray:
        q, soft = HOME.copy(), min(1.0, t / 0.3) ** 2
        for joint, width, hertz, phase in waves:
            q[joint] += width * soft * (np.sin(2 * np.pi * hertz * t + phase) - np.sin(phase)) / 2
        return q + (jump if t > at and abs(jump) > 0.005 else 0.0)

    rig = Rig(limited()).auto()
    agent = Agent(rig, motion, heeds=people_heed).run(2.0)
    rig.seconds(0.3)
    judge_output(rig)
    judge_envelope(rig)
    limits = rig.configuration.envelope.joints
    rows = np.array(rig.outputs)
    assert ((rows >= limits.lower) & (rows <= limits.upper)).all()
    assert room(rig) > 0.0
    scene = rig.supervisor._verifier.scene
    for sent in [e for e in rig.effects if isinstance(e, Actuate)][::7]:
        for point in sent.horizon:
            assert (scene.distances(np.array(point.positions)) > scene.margins).all(), "the stop, too"
    if people_heed:
        assert beside(agent) < 1e-9
    if any(pace < 1.0 for pace in agent.paces):
        assert rig.decisions("LIMIT")
