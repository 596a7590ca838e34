"""Runs a fixed script on each robot and prints hashes of every effect's bytes: `python events_run.py`."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent / "core"), str(HERE)]

from machines import ROBOTS, machine_of  # noqa: E402

from scripts import Player, Step  # noqa: E402

SCRIPT: list[Step] = [
    ("stream_sine", 0.2, 0.5, 60, 0),
    ("wait", 40),
    ("reach", [0.3, 0.1, 0, 0.2, 0, 0, 0], 1.5, "quintic", 120),
    ("reach", [-0.2, 0, 0.1, 0, 0, 0.1, 0], 1.5, "cubic", 150),
    ("scheduled", [0.1, 0, 0, 0, 0, 0, 0.1], 0.3, 100),
    ("cancel",),
    ("wait", 40),
    ("stream_near", [float("nan")] * 7, 1, 2),
    ("stream_near", [1e9] * 7, 1, 2),
    ("stream_near", [0.1] * 7, 3, 2),
    ("trajectory_raw", [0.5, 0.4], [0.1] * 14, 3),
    ("go_home", 2.0, 620),
    ("reach", [0.8, 1.0, 0, 1.0, 0, 0, 0], 3.0, "quintic", 40),
    ("go_home", 2.0, 100),
    ("stream_velocity", 0.5, 30, 6),
    ("late", 40.0),
    ("to_auto",),
    ("go_home", 2.0, 150),
    ("estop", "stop", 20),
    ("to_auto",),
    ("reach", [-0.6, 0, 0, 0, 0, 0, 0], 2.0, "quintic", 100),
    ("blocked", 150),
    ("to_auto",),
    ("unreadable", 60),
    ("wait", 20),
]


def run(robot: str) -> tuple[str, int, Counter[str], Counter[str]]:
    """Play it on a robot; return the hash, the number of effects, and how often each kind and each code occurred."""
    digest, kinds, codes = hashlib.sha256(), Counter[str](), Counter[str]()
    rig = machine_of(robot).rig()
    original, encoder = rig.send, msgspec.msgpack.Encoder()

    def send(event):  # type: ignore[no-untyped-def]
        effects = original(event)
        for effect in effects:
            digest.update(encoder.encode(effect))
            kinds[type(effect).__name__] += 1
            if type(effect).__name__ == "Decision":
                codes[effect.code] += 1
        return effects

    rig.send = send  # type: ignore[method-assign]
    rig.auto()
    with np.errstate(all="ignore"):
        Player(rig).play(SCRIPT)
    return digest.hexdigest(), sum(kinds.values()), kinds, codes


if __name__ == "__main__":
    for name in ROBOTS:
        digest, count, _, _ = run(name)
        print(digest, count)
