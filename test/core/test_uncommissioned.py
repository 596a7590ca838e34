"""A robot whose record of measured stops is demanded and does not count is not armed (SR-041)."""

from __future__ import annotations

import pytest
from rig import Rig

from safety_supervisor.core.effects import Decision

pytestmark = pytest.mark.requirement("SR-041")


def test_without_a_record_that_counts_no_reset_is_taken_and_the_reason_is_told() -> None:
    rig = Rig(uncommissioned="it is 400 days old, 365 count")
    told = [one for one in rig.history if isinstance(one, Decision)]
    assert [(one.code, one.detail) for one in told] == [("E_COMMISSION", "it is 400 days old, 365 count")]
    rig.lock()
    reply = rig.act("reset")
    assert (reply.ok, reply.code) == (False, "E_ACT_CAUSE")
    assert "E_COMMISSION" in reply.message
    assert "safety-supervisor commission" in reply.message
    rig.seconds(0.2)
    assert rig.state == "LOCKED"
    assert "E_COMMISSION" in rig.status.active_causes
    assert "safety-supervisor commission" in rig.status.next_step


def test_with_one_it_is_armed_as_ever() -> None:
    rig = Rig(uncommissioned="").lock()
    assert rig.act("reset").ok
    assert rig.state == "READY"
