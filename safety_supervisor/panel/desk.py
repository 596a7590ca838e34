"""What people do at the panel: stop, and acts signed with their own unlocked key."""

from __future__ import annotations

import asyncio
import secrets
import time
from concurrent.futures import Future
from typing import Any, Final, NamedTuple, Protocol

from safety_supervisor.acts.signing import SignedFor, claims_of, lacks_role
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.states.authority import ACTS_OF
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.panel.events import EventLog
from safety_supervisor.panel.history import History
from safety_supervisor.panel.sessions import Session, Sessions
from safety_supervisor.panel.snapshot import Snapshot
from safety_supervisor.panel.view import Basis, View, cure_of, make_view
from safety_supervisor.tokens import hold_beat
from safety_supervisor.tokens.claims import HoldClaims
from safety_supervisor.tokens.freshness import VALID
from safety_supervisor.tokens.operator_act import FORM, wrong_target
from safety_supervisor.tokens.signed_act import COMMON, sign

ANSWER: Final = 5.0
"""Without an answer to an act for so long a stop is asked for, [s]."""
STOP_ANSWER: Final = 1.0
"""Without an answer to a stop for so long it is not confirmed, [s]."""
OFFERED: Final = frozenset().union(*ACTS_OF.values())
ONE_PANEL: Final = " [one panel held both keys]"
LONGEST_REASON: Final = 170
"""Of what can be typed, in characters: `ONE_PANEL` still has room behind it in a token."""


class Outcome(NamedTuple):
    """What came of it, in words for people.

    Attributes:
        ok: whether it counts.
        code: of the refusal, or empty.
        detail: what was seen.
        cure: what to do about it.
    """

    ok: bool
    code: str
    detail: str
    cure: str = ""

    def __str__(self) -> str:
        """All of it in one line."""
        begin = "done" if self.ok else "REFUSED"
        return " - ".join(part for part in (begin, f"{self.code} {self.detail}".strip(), self.cure) if part)


class Link(Protocol):
    """The way to the supervisor: `ros_link.RosLink`."""

    @property
    def snapshot(self) -> Snapshot:
        """What was heard until now."""

    @property
    def events(self) -> EventLog:
        """What has happened."""

    @property
    def history(self) -> History:
        """The last minutes in numbers."""

    def stop(self, reason: str) -> Future[tuple[bool, str]]:
        """Ask for a stop, at once."""

    def send(self, token: str, holder: str, jti: str) -> Future[dict[str, Any]]:
        """Send a token."""

    def hold(self, token: str) -> None:
        """Send one beat of a held button."""

    def forget(self, holder: str, jti: str) -> None:
        """Expect no answer any more."""


class Desk:
    """Carries out what people do.

    Args:
        configuration: of the robot.
        link: to the supervisor.
        sessions: who is logged in.
    """

    def __init__(self, configuration: Configuration, link: Link, sessions: Sessions) -> None:
        """Keep them."""
        self.sessions = sessions
        self.configuration = configuration
        self._robot = configuration.robot.id
        self._configuration = configuration.sha256
        self._link = link
        self._holds = 0

    def view(self) -> View:
        """Return what is to be shown now."""
        return make_view(self._link.snapshot, self._robot, self._configuration, time.monotonic_ns())

    @property
    def events(self) -> EventLog:
        """What has happened."""
        return self._link.events

    @property
    def history(self) -> History:
        """The last minutes in numbers."""
        return self._link.history

    @property
    def heard(self) -> Snapshot:
        """What was heard of the supervisor until now."""
        return self._link.snapshot

    @property
    def tool(self) -> str:
        """What the robot carries, as the status told it last; empty for nothing."""
        return self._link.snapshot.status.get("tool", "")

    async def stop(self, reason: str) -> Outcome:
        """Stop. It is sent before anything is waited for, and never refused or held back here."""
        try:
            done = await _within(self._link.stop(reason), STOP_ANSWER)
        except Exception as error:  # whatever the middleware raises, the person has to know at once
            done = False, f"{type(error).__name__}: {error}"
        if done is None:
            return Outcome(False, "", "stop sent, NOT CONFIRMED: no answer", "Press the e-stop button.")
        ok, words = done
        if ok:
            return Outcome(True, "", f"STOP: the supervisor answered: {words or 'the stop went out'}")
        return Outcome(False, "", f"stop sent, NOT CONFIRMED: {words}", "Press the e-stop button.")

    async def act(
        self, session: str, act: str, target: str, seen: Basis | None, reason: str = "", sha256: str = ""
    ) -> Outcome:
        """Sign an act for the person of a session, and send it.

        Args:
            session: its id.
            act: one of `OFFERED`.
            target: as of tokens.
            seen: what the person saw; the act counts for that and nothing else.
            reason: in the person's words.
            sha256: of the command that the person saw, for `approve` and `deny`.
        """
        held = self.sessions.use(session, time.monotonic_ns())
        if held is None:
            return Outcome(False, "", "nobody is logged in here any more", "Log in again.")
        view = self.view()
        refused = self._refusal(held, view, act, target, seen, reason, sha256)
        if refused is not None:
            return refused
        assert seen is not None
        if (act == "approve" and self._holds_both(view, held, target)) or (act == "grant" and self.both_keys()):
            reason = (reason[: 200 - len(ONE_PANEL)] + ONE_PANEL).strip()
        if _takes_away(act, target):
            assert view.basis is not None
            seen = view.basis  # whatever moves meanwhile makes it no older
        person, jti, now = held.person, secrets.token_hex(16), int(time.time())
        what = SignedFor(act, target, seen.epoch, sha256, reason)
        claims = claims_of(person, self._robot, view.nonce, seen.configuration, what, jti, now, now + VALID // NS_PER_S)
        answer = await _within(self._link.send(sign(held.key, FORM, claims), person.name, jti), ANSWER)
        if answer is not None:
            code = str(answer.get("code", ""))
            return Outcome(answer.get("ok") is True, code, str(answer.get("detail", "")), cure_of(code))
        self._link.forget(person.name, jti)
        # Held back on its way it could be delivered when the person has gone in: a stop makes it old.
        stopped = await self.stop(f"panel: no answer to {act}")
        after = (
            "a stop was asked for, so that it can not count later" if stopped.ok else f"it may count later; {stopped}"
        )
        return Outcome(False, "", f"no answer within {ANSWER:g} s: {after}", "Look at the state.")

    def holder(self, session: str) -> tuple[Session | None, str]:
        """Return who may hold a button that moves the robot now; or say why what is pressed does not count."""
        held = self.sessions.use(session, time.monotonic_ns())
        if held is None:
            return None, "nobody is logged in here any more: log in again"
        if lacks := lacks_role(held.person, "recover"):
            return None, lacks
        view = self.view()
        if view.basis is None:
            return None, view.warnings[0] if view.warnings else "what is shown is stale: nothing is held"
        return held, ""

    def hold(self, session: str) -> str:
        """Sign and send one beat of the hold-to-run button for whoever presses it now; or say why it does not count."""
        held, why = self.holder(session)
        if held is None:
            return why
        person, view = held.person, self.view()
        # Wall clock, so that it goes on where a panel before this one left off; never back, whatever the clock does.
        self._holds = max(self._holds + 1, time.time_ns() // 1_000_000)
        beat = HoldClaims(person.name, person.role.value, self._robot, view.nonce, self._holds)
        self._link.hold(sign(held.key, hold_beat.FORM, beat))
        return ""

    def both_keys(self) -> tuple[str, ...]:
        """Return the people whose deciding keys this one process holds, where they are more than one."""
        names = self.sessions.deciders(time.monotonic_ns())
        return names if len(names) > 1 else ()

    def _holds_both(self, view: View, held: Session, target: str) -> bool:
        one = next((one for one in view.waiting if one.id == target), None)
        return (
            one is not None and one.shown is not None and one.shown.told.get("people") != "1" and bool(self.both_keys())
        )

    def _refusal(
        self, held: Session, view: View, act: str, target: str, seen: Basis | None, reason: str, sha256: str
    ) -> Outcome | None:
        """Say why nothing is signed: what is refused here is not even sent."""
        form = FORM.claims["target"]
        if act not in OFFERED or not form.fits(target) or wrong_target(act, target):
            return Outcome(False, "", "the panel has no such act")
        if lacks := lacks_role(held.person, act):
            return Outcome(False, "E_ACT_ROLE", lacks, cure_of("E_ACT_ROLE"))
        if not COMMON["reason"].fits(reason):
            return Outcome(False, "E_TOKEN_REASON", f"a reason has to be {COMMON['reason'].words}")
        if seen is None or view.basis is None:
            why = view.warnings[0] if view.warnings else "the supervisor is silent, or what was shown is stale"
            return Outcome(False, "", why, "Look again; nothing was signed.")
        if seen.boot != view.basis.boot:
            return Outcome(False, "", "the supervisor was started anew meanwhile", "Look again; nothing was signed.")
        return self._undecidable(view, act, target, reason, sha256) if sha256 or _on_command(act, target) else None

    def _undecidable(self, view: View, act: str, target: str, reason: str, sha256: str) -> Outcome | None:
        found = [one for one in view.waiting if one.id == target]
        if not found:
            ended = view.ended.get(target)
            return Outcome(False, "", f"{target} waits no more{f': {ended}' if ended else ''}", "Look again.")
        one = found[0]
        if len(found) == 1 and (one.shown is None or one.shown.sha256 != sha256):
            return Outcome(False, "", f"{target} is another command than you saw", "Look again.")
        if one.problem:
            return Outcome(False, "", f"{target}: {one.problem}", "Look again.")
        if act == "approve" and one.high_risk and len(reason.strip()) < 3:
            return Outcome(False, "", "high risk: to approve it takes a typed reason", "Type why, then approve.")
        return None


def _on_command(act: str, target: str) -> bool:
    """Whether an act decides on a command that waits: a grant, and taking one back, name a kind and a source."""
    return act in ("approve", "deny") and " " not in target


def _takes_away(act: str, target: str) -> bool:
    """Whether an act takes rights away and gives none."""
    return act == "revoke" or (act == "deny" and not _on_command(act, target))


async def _within(future: Future[Any], seconds: float) -> Any:
    """Return the result, None where there is none in time; the future itself is left as it is."""
    waited = asyncio.wrap_future(future)
    done, _ = await asyncio.wait({waited}, timeout=seconds)
    return waited.result() if done else None
