"""What was foreseen proves what comes: against dense sampling by other code, term by term, and what it never proves."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import humanoids
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_balance import BASE, BOTH, CHECK, JOINTS, ONE, POSE, REST, ROBOT, dense, joint, stand
from test_planted import hermite

from safety_supervisor.core.balance.model import Unjudged, Unknown
from safety_supervisor.core.balance.standing import Stance
from safety_supervisor.core.checks.balance import BalanceCheck, Course, step_and_stop
from safety_supervisor.core.checks.balance_foreseen import Kept
from safety_supervisor.core.checks.balance_step import BalanceStep
from safety_supervisor.core.errors import Code
from safety_supervisor.core.motion.foreseen import Foreseen, Met, next_state
from safety_supervisor.core.motion.stopping import StopLimits, StraightStop
from safety_supervisor.core.settings import JointLimits

pytestmark = [pytest.mark.requirement("SR-034"), pytest.mark.requirement("SR-026")]

Array = NDArray[np.float64]
G = 9.81
H = 0.004
ONES = np.ones(JOINTS)
LIMITS = JointLimits(-9.0 * ONES, 9.0 * ONES, 9.0 * ONES, 20.0 * ONES, 400.0 * ONES)
STOPS = StopLimits(LIMITS)


def before_of(after: Array) -> Array:
    """A state from which a step leads to another one at the jerk zero."""
    q, v, a = after
    return np.stack([q - H * v + H * H / 2 * a, v - H * a, a])


def foresee(stance: Stance, before: Array, after: Array, check: BalanceCheck = CHECK) -> Kept | None:
    stop = StraightStop(after, STOPS)
    found = check.follow(stance, *step_and_stop(before, after, H, stop, 0.01))
    if isinstance(found, Unjudged):
        return None
    return Kept(Foreseen(before, after, stop, H), check.on_feet(stance, JOINTS), found)


def differs(kept: Kept, after: Array) -> Array:
    found = Met(kept.foreseen, kept.foreseen.before, after, StraightStop(after, STOPS)).differs()
    assert found is not None
    return found


def proven(known: Kept, apart: Array) -> float:
    """The greatest margin that is proven of a motion that differs so much; -9 for none."""
    low, high = -9.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        kept = known.keeps(apart, middle, 0.0, G)
        low, high = (middle, high) if kept else (low, middle)
    return low


def least(stance: Stance, before: Array, after: Array) -> tuple[float, float]:
    """Least margin, and how far feet come, of a step and its stop at ten times as many times as are looked at."""
    times, states = step_and_stop(before, after, H, StraightStop(after, STOPS), math.inf)
    return dense(stance, times, states, 12)


def lively(random: np.random.Generator, size: float) -> Array:
    """A state with some joints moving."""
    some = random.random(JOINTS) < random.random()
    v = size * random.normal(size=JOINTS) * some
    a = 3.0 * size * random.normal(size=JOINTS) * some * (random.random() < 0.7)
    return np.stack([POSE + 0.02 * random.normal(size=JOINTS), v, a])


@settings(deadline=None, max_examples=80)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([0.05, 0.3, 1.0]), noise=st.sampled_from([0.0, 0.1, 1.0]))
def test_what_is_foreseen_to_be_kept_is_kept(seed: int, size: float, noise: float) -> None:
    random = np.random.default_rng(seed)
    both = random.random() < 0.3
    check = BalanceCheck(ROBOT, humanoids.balance(slip=1.0 if both else 0.0))
    stance = check.standing.stand(0, BASE, BOTH if both else ONE, POSE, REST)
    assert isinstance(stance, Stance)
    foretold = lively(random, size)
    before = before_of(foretold)
    foreseen = foresee(stance, before, foretold, check)
    if foreseen is None:
        return
    scale = noise * np.array([[2e-4], [2e-2], [1.0]]) * (random.random((3, 1)) < 0.7)
    after = foretold + scale * random.normal(size=(3, JOINTS)) * (random.random(JOINTS) < random.random())
    sure = proven(foreseen, differs(foreseen, after))
    margin, _ = least(stance, before, after)
    assert sure <= max(margin, -9.0) + 1e-9
    if noise == 0.0:
        assert sure >= foreseen.margin - 1e-8


def at_once(stance: Stance, one: Array, other: Array) -> tuple[float, float, float]:
    """Margins of two states, and what the first one proves of the other."""
    margins = []
    for state in (one, other):
        found = CHECK.follow(stance, np.zeros(1), state[None])
        assert isinstance(found, Course), found
        margins.append(found.margin.value)
    kept = Kept(Foreseen(one, one, resting(), H), CHECK.on_feet(stance, JOINTS), course(stance, one))
    return margins[0], margins[1], proven(kept, np.abs(other - one))


def resting() -> StraightStop:
    return StraightStop(np.stack([POSE, REST, REST]), STOPS)


def course(stance: Stance, state: Array) -> Course:
    found = CHECK.follow(stance, np.zeros(1), state[None])
    assert isinstance(found, Course)
    return found


@pytest.mark.parametrize(("row", "amount"), [(0, 0.01), (1, 0.03), (2, 0.2)])
def test_each_difference_takes_no_less_than_it_does(row: int, amount: float) -> None:
    """The ankle of the one foot carries all of the robot nearly as far as any pose lets it: little is to spare."""
    stance, rest = stand(ONE, pose=REST), np.stack([REST, REST, REST])
    losses = []
    for sign in (1.0, -1.0):
        other = rest.copy()
        other[row, joint("left_ankle_roll_joint")] = sign * amount
        before, after, sure = at_once(stance, rest, other)
        losses.append((before - after, before - sure))
    real, sure_loss = max(losses)
    assert 0.0 < real <= sure_loss + 1e-9
    assert sure_loss <= 1.9 * real


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 2**32 - 1), far=st.sampled_from([0.01, 0.1, 0.5]))
def test_a_state_near_a_known_one_loses_no_more_than_is_taken(seed: int, far: float) -> None:
    random = np.random.default_rng(seed)
    stance = stand(ONE)
    one = lively(random, 1.0)
    other = one + far * np.array([[0.1], [1.0], [5.0]]) * random.normal(size=(3, JOINTS)) * (
        random.random(JOINTS) < random.random()
    )
    _, real, sure = at_once(stance, one, other)
    assert sure <= real + 1e-9


@pytest.mark.parametrize("slow", [True, False])
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_loss_is_the_formulas_one(slow: bool, seed: int) -> None:
    """Every term of it, with numbers of ordinary size: no other test would see one that is left out.

    Slow ones at a steady pace show what the capture point loses, the others what the zero-moment point does.
    """
    random = np.random.default_rng(seed)
    stance, one = stand(ONE), lively(random, 0.05 if slow else 1.0)
    far = np.array([[0.1], [0.0], [0.0]] if slow else [[0.1], [1.0], [5.0]])
    one[2] *= not slow
    other = one + 0.02 * random.normal(size=(3, JOINTS)) * far
    before, _, sure = at_once(stance, one, other)
    known, on = course(stance, one), CHECK.on_feet(stance, JOINTS)
    d0, d1, d2 = np.abs(other - one)
    w, b = np.abs(one[1:])
    c, bend = on.coupling, float(np.max([on.coupling(each) for each in np.eye(JOINTS)]))
    dx, dv = float((d0 @ c())[0]), float((d1 @ c() + d0 @ c(w))[0])
    da = float((d2 @ c() + d0 @ c(b) + 2 * d1 @ c(w) + d0 @ c(w, w))[0]) + bend * d1.sum() ** 2
    z, y = known.highest[0] + dx, known.lowest[0] - dx
    pushed = dx + (da * z + known.pace[1, 0] * dx) / G
    thrown = dx + dv * math.sqrt(z / G) + known.pace[0, 0] * dx / (2 * math.sqrt(y * G))
    assert thrown > pushed or not slow or not one[1].any()
    assert sure == pytest.approx(max(before - max(pushed, thrown), -9.0), abs=1e-7)


@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([1e-3, 0.1, 2.0]), noise=st.sampled_from([1e-3, 0.1, 1.0]))
def test_states_differ_by_no_more_than_their_bound_at_equal_shares_of_each_phase(
    seed: int, size: float, noise: float
) -> None:
    random = np.random.default_rng(seed)
    foretold = np.stack([POSE, size * random.normal(size=JOINTS), 10 * size * random.normal(size=JOINTS)])
    if random.random() < 0.2:
        foretold[2] = 0.0
    before = before_of(foretold)
    after = foretold + noise * size * random.normal(size=(3, JOINTS)) * np.array([[1e-4], [0.1], [3.0]])
    if random.random() < 0.2:
        after[2] = 0.0
    if random.random() < 0.3:
        # One joint alone, which may be the one that all the others wait for.
        alone = foretold.copy()
        alone[1, 0] *= random.uniform(0.3, 3.0) * (1.0 + 3.0 * (random.random() < 0.5))
        after = alone
    bound = Foreseen(before, foretold, StraightStop(foretold, STOPS), H).differs(after, StraightStop(after, STOPS))
    worst = np.zeros((3, JOINTS))
    one, other = phases(before, foretold), phases(before, after)
    for here, there in zip(one, other, strict=True):
        worst = np.maximum(worst, np.abs(here - there))
    slack = 1e-9 * (1.0 + np.abs(np.array(other)).max(axis=0))
    assert (worst <= bound + slack).all()


def phases(before: Array, after: Array) -> list[Array]:
    """States at equal shares of step, fade, and the three phases of the brake, by splines and by the stop itself."""
    stop = StraightStop(after, STOPS)
    profile, shares, found = stop.profile, np.linspace(0.0, 1.0, 9), []
    coefficients = hermite(H, before, after)
    for t in H * shares:
        rows = [[math.prod(range(p, p - k, -1)) * t ** max(p - k, 0) * (p >= k) for p in range(6)] for k in range(3)]
        found.append(np.array(rows) @ coefficients)
    knots = [0.0, stop.fade, profile.ramp, profile.duration - 2 * profile.ramp, profile.ramp]
    start = 0.0
    for length in knots[1:]:
        for share in shares:
            # A hair inside of the phase: where one lasts no time, the acceleration jumps.
            inside = min(max(share, 1e-9), 1.0 - 1e-9)
            found.append(stop.state(start + inside * length))
        start += length
    return found


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_motions_together_turn_the_centre_no_more_than_their_coupling(seed: int) -> None:
    """Derivatives by joints of the centre of mass as Pinocchio computes it, one, two and three motions at once."""
    random = np.random.default_rng(seed)
    stance = stand(ONE)
    on = CHECK.on_feet(stance, JOINTS)
    pose = POSE + random.normal(size=JOINTS) * 0.3
    d, w, v = random.normal(size=(3, JOINTS)) * (random.random((3, JOINTS)) < random.random())
    planted = stance.grounds[0].planted

    def centre(q: Array) -> Array:
        seen: Array = planted.see(np.stack([q, REST, REST])[None]).centre[0, 0]
        return seen

    h = 1e-3
    first = (centre(pose + h * d) - centre(pose - h * d)) / (2 * h)
    second = sum(a * b * centre(pose + h * (a * d + b * w)) for a in (1, -1) for b in (1, -1)) / (4 * h**2)
    h = 1e-2
    third = sum(
        a * b * c * centre(pose + h * (a * d + b * w + c * v)) for a in (1, -1) for b in (1, -1) for c in (1, -1)
    ) / (8 * h**3)
    for derivative, motions in ((first, ()), (second, (w,)), (third, (w, v))):
        bound = float((np.abs(d) @ on.coupling(*(np.abs(each) for each in motions)))[0])
        assert np.linalg.norm(derivative) <= bound * 1.02 + 1e-4
    assert np.linalg.norm(second) <= on.bend[0] * np.abs(d).sum() * np.abs(w).sum() + 1e-4


def test_couplings_of_a_single_joint_are_what_its_turning_is() -> None:
    """The ankle turns the whole robot about itself: its second derivative is as long as its first one."""
    on = CHECK.on_feet(stand(ONE), JOINTS)
    ankle = np.zeros(JOINTS)
    ankle[joint("left_ankle_roll_joint")] = 1.0
    reach = float((ankle @ on.reach)[0])
    assert reach == pytest.approx(float((ankle @ on.coupling(ankle))[0]))
    assert reach == pytest.approx(float((ankle @ on.coupling(ankle, ankle))[0]))
    assert 0.5 < reach < 1.2


def test_the_next_state_is_the_one_of_a_constant_jerk() -> None:
    jerk, start = np.linspace(-5.0, 5.0, JOINTS), lively(np.random.default_rng(3), 1.0)

    def at(t: float) -> Array:
        q, v, a = start
        return np.stack([q + t * v + t**2 / 2 * a + t**3 / 6 * jerk, v + t * a + t**2 / 2 * jerk, a + t * jerk])

    np.testing.assert_allclose(next_state(at(0.1), at(0.1 + H), H), at(0.1 + 2 * H), rtol=0, atol=1e-12)


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nothing_is_proven_of_what_is_not_finite(row: int, value: float) -> None:
    rest = np.stack([POSE, REST, REST])
    foreseen = foresee(stand(BOTH), rest, rest)
    assert foreseen is not None
    assert foreseen.keeps(differs(foreseen, rest), 0.01, 0.0, G)
    after = rest.copy()
    after[row, 20] = value
    with np.errstate(all="ignore"):
        assert not foreseen.keeps(differs(foreseen, after), -9.0, 0.0, G)


def test_a_foot_that_may_slip_is_not_proven() -> None:
    rest = np.stack([POSE, REST, REST])
    bent = rest.copy()
    bent[0, joint("right_knee_joint")] += 0.03
    for contacts, proves in ((BOTH, False), (ONE, True)):
        known = foresee(stand(contacts), rest, rest)
        assert known is not None
        assert known.keeps(bent - rest, -9.0, 0.0, G) == proves
    # As far as its reach says, and no hair farther.
    known = foresee(stand(BOTH), rest, rest)
    assert known is not None
    on = CHECK.on_feet(stand(BOTH), JOINTS)
    far = 0.01 / float(np.max((bent - rest)[0] @ on.reach[:, 2:])) * (bent - rest)
    for share, shift, proves in ((0.999, 0.0, True), (1.001, 0.0, False), (0.999, 1e-4, False)):
        assert known.keeps(share * far, -9.0, shift, G) == proves
    slipped = CHECK.follow(stand(BOTH), np.zeros(1), bent[None])
    assert isinstance(slipped, Unjudged)
    assert slipped.reason is Unknown.FEET_MOVE


# --- in the checks of every cycle


class Counted:
    """Checks of steps as the verifier asks for them, and how often a whole motion was judged."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.step = BalanceStep(ROBOT, humanoids.balance(), None, H)
        self.step.stand(stand(BOTH), rests=True)
        self.judged = 0
        self.foreseen: Foreseen | None = None
        self.done: tuple[Array, Array] | None = None
        follow = BalanceCheck.follow

        def counted(*arguments: Any) -> Any:
            self.judged += 1
            return follow(*arguments)

        monkeypatch.setattr(BalanceCheck, "follow", counted)

    def check(self, before: Array, after: Array) -> Any:
        stop = StraightStop(after, STOPS)
        met = None if self.foreseen is None else Met(self.foreseen, before, after, stop)
        self.done = before, after
        return self.step.check(before, after, stop, met)

    def prepare(self) -> None:
        assert self.done is not None
        self.foreseen = Foreseen.of(*self.done, STOPS, H)
        self.step.prepare(self.foreseen)


def squatting(tick: int) -> Array:
    """A squat, up and down at up to 0.5 rad/s in the knees."""
    way, rate = humanoids.squat(0.25), 1.0
    t = rate * H * tick
    shares = 1.0 - math.cos(t), rate * math.sin(t), rate**2 * math.cos(t)
    return np.stack([POSE + 0.5 * way * shares[0], 0.5 * way * shares[1], 0.5 * way * shares[2]])


def test_what_comes_as_foreseen_is_not_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    assert counted.check(squatting(0), squatting(1)) is None
    for tick in range(1, 400):
        counted.prepare()
        ahead = counted.judged
        assert counted.check(squatting(tick), squatting(tick + 1)) is None
        assert counted.judged == ahead
    # Not prepared: what was foreseen is of another step, and the new one is judged.
    assert counted.check(squatting(400), squatting(401)) is None
    assert counted.judged > ahead


def test_a_step_from_elsewhere_is_judged_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    assert counted.check(squatting(0), squatting(1)) is None
    counted.prepare()
    ahead = counted.judged
    prepared = counted.foreseen
    assert counted.done is not None
    counted.foreseen = Foreseen.of(*counted.done, STOPS, H)  # the same motion, which nobody judged
    assert counted.check(squatting(1), squatting(2)) is None
    assert counted.judged > ahead
    ahead, counted.foreseen = counted.judged, prepared
    assert counted.check(squatting(1), squatting(2)) is None
    assert counted.judged == ahead
    beside = squatting(1)
    beside[0, 3] += 1e-12
    assert counted.check(beside, squatting(2)) is None
    assert counted.judged > ahead


def test_what_was_foreseen_on_another_stance_or_before_all_was_forgotten_proves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = Counted(monkeypatch)
    for renew in (lambda: counted.step.stand(stand(ONE), rests=True), counted.step.forget):
        counted.step.stand(stand(BOTH), rests=True)
        counted.check(squatting(0), squatting(1))
        counted.prepare()
        ahead = counted.judged
        renew()
        verdict = counted.check(squatting(1), squatting(2))
        assert counted.judged > ahead or verdict.code is Code.BALANCE_UNKNOWN


def test_noise_of_the_imu_costs_margin_not_another_judgement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaning by 0.4 mrad to and fro: below the needed margin, less by what that may cost, it is judged itself."""
    counted = Counted(monkeypatch)
    for lean, more in ((4e-4, 0), (4e-3, 0), (0.05, 1)):
        counted.step.stand(stand(BOTH), rests=True)
        assert counted.check(squatting(0), squatting(1)) is None
        counted.prepare()
        ahead = counted.judged
        leant = replace(BASE, orientation=(math.sin(lean / 2), 0.0, 0.0, math.cos(lean / 2)))
        counted.step.stand(stand(BOTH, base=leant), rests=True)
        counted.check(squatting(1), squatting(2))
        assert (counted.judged > ahead) == bool(more), lean


def test_a_step_unlike_what_was_foreseen_is_refused_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The robot rests, and then all of it is to lean at once."""
    counted = Counted(monkeypatch)
    rest = np.stack([POSE, REST, REST])
    assert counted.check(rest, rest) is None
    counted.prepare()
    lean = rest.copy()
    lean[2, joint("waist_pitch_joint")] = 60.0
    verdict = counted.check(rest, lean)
    assert verdict is not None
    assert verdict.code is Code.BALANCE
