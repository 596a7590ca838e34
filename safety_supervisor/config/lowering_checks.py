"""Is the way down of the stop ladder possible, from the pose that is declared?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.problems import Problems
from safety_supervisor.core.balance.lowering import Lowering
from safety_supervisor.core.balance.model import Contact, Unjudged
from safety_supervisor.core.motion.stopping import longest_stop
from safety_supervisor.core.outfit import Stage
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import nanoseconds, seconds
from safety_supervisor.core.verifier import Verifier

_LEVEL = (0.0, 0.0, 0.0, 1.0)
_NOW = 1


def check_lowering(configuration: Configuration, problems: Problems, stages: Mapping[str, Stage]) -> None:
    """Verify the postures from `robot.start`, the base level and every foot on the ground, and that HOLD has time.

    Args:
        configuration: well-formed.
        problems: takes what is wrong.
        stages: what `check_poses` built of it.
    """
    balance, start = configuration.balance, configuration.robot.start
    if balance is None or balance.ladder is None:
        return
    ladder, timing = balance.ladder, configuration.timing
    way = sum(posture.duration for posture in ladder.postures)
    restricted = sum(zone.approval is not None for zone in configuration.zones)
    slices = Lowering.slices_for(way, timing.period, restricted) if ladder.postures else 0
    verification = slices * timing.period
    stop = nanoseconds(longest_stop(configuration.envelope.joints))
    least = stop + configuration.tracking.delay + timing.standstill_window + verification
    if ladder.hold < least:
        problems.add(
            "balance.ladder.hold", Code.TIMING,
            f"is {seconds(ladder.hold):g} s; allowed: {seconds(least):.3f} s or more, the longest stop "
            f"({seconds(stop):.3f}), `tracking.delay`, `timing.standstill_window` and the verification of `lower` "
            f"({seconds(verification):.3f})",
        )  # fmt: skip
    if not ladder.postures or start is None:
        return
    configuration = _beside_people(configuration)
    verifier = Verifier(configuration, stages)
    judge = verifier.balance
    assert judge is not None, "there is a section `balance`"
    pose, still = np.array(start), np.zeros(len(start))
    contacts = {sole.foot: Contact(True, _NOW) for sole in balance.soles}
    stance = judge.standing.stand_turning(_NOW, _LEVEL, (0.0, 0.0, 0.0), _NOW, contacts, pose, still)
    if isinstance(stance, Unjudged):
        why = f"{stance.reason.value} {stance.detail}".strip()
        problems.add("robot.start", Code.POSE, f"the robot does not stand on all its soles in it: {why}")
        return
    judge.stand(stance, rests=True)
    lowering = Lowering(configuration, verifier, ladder.postures, pose, 0)
    while not lowering.done:
        violation = lowering.advance()
        if violation is not None:
            seen = f"{violation.value:.4g}, allowed {violation.limit:.4g}"
            what = f"{violation.code.value} {violation.rule} {violation.joint}".strip()
            problems.add("balance.ladder.lower", Code.POSE, f"{what}: {seen}; {violation.detail}",
                         "Choose postures, or longer durations, that the robot can be commanded to.")  # fmt: skip
            return


def _beside_people(configuration: Configuration) -> Configuration:
    """Return the configuration with the speed that is allowed beside people, where they are watched.

    The robot is not stopped for them on its way down; so it has to be slow from the beginning.
    """
    envelope = configuration.envelope
    if configuration.separation is None:
        return configuration
    return replace(configuration, envelope=replace(envelope, frame_speed=envelope.manual_frame_speed))
