"""Whatever agents ask and people do: nothing that waits is played without the approvals that the policy asks for."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

from approvals import PEOPLE, ask, asking, decide, requests
from judges import judge_replay
from rig import Rig

from safety_supervisor.core.act_events import StopRequested
from safety_supervisor.core.effects import Decision
from safety_supervisor.core.operator_settings import Role

MAY = {name for name, role in PEOPLE.items() if role in (Role.TECHNICIAN, Role.SAFETY_OFFICER)}
WRONG: tuple[dict[str, object], ...] = (
    {"command_sha256": "0" * 64}, {"epoch": 0}, {"config_sha256": "f" * 64}, {"jti": ""}, {"target": "w99"},
)  # fmt: skip

steps = st.one_of(
    st.tuples(st.just("ask"), st.floats(-0.3, 0.3, allow_nan=False)),
    st.tuples(st.just("wait"), st.integers(1, 200)),
    st.tuples(st.sampled_from(["approve", "deny"]), st.sampled_from(sorted(PEOPLE)), st.integers(0, 2)),
    st.tuples(st.just("wrong"), st.sampled_from(sorted(PEOPLE)), st.integers(0, len(WRONG) - 1)),
    st.tuples(st.just("cancel")),
    st.tuples(st.just("push"), st.sampled_from([0.0, 0.01, 0.03])),
    st.tuples(st.just("stop")),
)


@pytest.mark.requirement("SR-022")
@pytest.mark.redteam(19)
@settings(max_examples=40, deadline=None)
@given(people=st.integers(1, 2), script=st.lists(steps, min_size=3, max_size=14))
def test_nothing_that_waits_moves_without_its_approvals(people: int, script: list[tuple[object, ...]]) -> None:
    rig = Rig(asking(f'approve("zone", {people}, 3)')).auto()
    rig.cycle(2)
    home = rig.output
    approved: dict[str, set[str]] = {}
    denied: set[str] = set()
    for step in script:
        match step:
            case ("ask", float(by)):
                ask(rig, by)
                rig.cycle(40)
            case ("wait", int(count)):
                rig.cycle(count)
            case ("approve" | "deny" as act, str(person), int(back)) if len(requests(rig)) > back:
                asked = requests(rig)[-1 - back]
                reply = decide(rig, asked, act, person)
                assert not reply.ok or person in MAY
                if reply.ok and act == "approve":
                    approved.setdefault(asked.command, set()).add(person)
                elif reply.ok:
                    denied.add(asked.command)
            case ("wrong", str(person), int(which)) if requests(rig):
                assert not decide(rig, requests(rig)[-1], person=person, **WRONG[which]).ok
            case ("cancel",):
                rig.trajectory([], np.empty((0, 7)), names=())
            case ("push", float(offset)):
                rig.offset[2] = offset
            case ("stop",):
                rig.send(StopRequested(rig.now, "test", ""))
        passed = [
            one.command for one in rig.history if isinstance(one, Decision) and one.verdict == "PASS" and not one.code
        ]
        assert len(passed) == len(set(passed)), "each once"
        for command in passed:
            assert len(approved.get(command, ())) >= people, command
            assert command not in denied
        if not passed:
            assert all(np.array_equal(position, home) for position in rig.outputs)
    judge_replay(rig)
