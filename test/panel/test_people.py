"""Login: sealed keys, the throttle, sessions. No server, no ROS."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

pytest.importorskip("argon2", reason="the extra `panel` is not installed")

from safety_supervisor.config.public_key import decode_base64url
from safety_supervisor.core.operator_settings import Person, Role
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.panel import key_box
from safety_supervisor.panel.key_box import Cost, KeyBoxError, open_box, read_box, write_new_box
from safety_supervisor.panel.people import People
from safety_supervisor.panel.sessions import IDLE, LONGEST, FormTokens, Sessions
from safety_supervisor.panel.throttle import MEMORY, MOST, Throttle

QUICK = Cost(64, 1, 1)
PASSWORD = "correct horse"


@pytest.fixture
def box(tmp_path: Path) -> Path:
    write_new_box(tmp_path / "ada.panelkey", "ada", PASSWORD, QUICK)
    return tmp_path / "ada.panelkey"


def person(name: str, public: str, role: Role = Role.TECHNICIAN) -> Person:
    key = decode_base64url(public)
    assert key is not None
    return Person(name, role, key)


def test_the_password_opens_the_key_and_another_one_does_not(box: Path) -> None:
    sealed = read_box(box, "ada")
    key = open_box(sealed, PASSWORD)
    assert key is not None
    assert key.public_key().public_bytes_raw() == decode_base64url(sealed.public_key)
    assert open_box(sealed, PASSWORD + " ") is None
    assert open_box(sealed, "") is None
    assert box.stat().st_mode & 0o777 == 0o600


def test_the_same_password_is_the_same_however_an_accent_is_typed(tmp_path: Path) -> None:
    write_new_box(tmp_path / "ada.panelkey", "ada", "caf\u00e9 caf\u00e9 caf\u00e9", QUICK)
    assert open_box(read_box(tmp_path / "ada.panelkey", "ada"), "cafe\u0301 cafe\u0301 cafe\u0301") is not None


def test_neither_seed_nor_password_stands_in_the_file(box: Path) -> None:
    key = open_box(read_box(box, "ada"), PASSWORD)
    assert key is not None
    data = box.read_bytes()
    assert PASSWORD.encode() not in data
    assert key.private_bytes_raw() not in data
    assert key_box.encode_base64url(key.private_bytes_raw()).encode() not in data


@pytest.mark.parametrize("field", ["name", "public_key", "memory_kib", "passes", "lanes", "salt", "nonce", "sealed"])
def test_nothing_of_the_file_can_be_exchanged(box: Path, tmp_path: Path, field: str) -> None:
    write_new_box(tmp_path / "bob.panelkey", "bob", PASSWORD, Cost(72, 2, 2))
    held, other = json.loads(box.read_text()), json.loads((tmp_path / "bob.panelkey").read_text())
    assert held[field] != other[field]
    box.write_text(json.dumps(held | {field: other[field]}))
    assert open_box(read_box(box, other["name"] if field == "name" else "ada"), PASSWORD) is None


@pytest.mark.parametrize(
    "change",
    [
        {"memory_kib": 1 << 30}, {"passes": 10**9}, {"lanes": 0}, {"memory_kib": True}, {"memory_kib": 65536.0},
        {"salt": "AA"}, {"salt": 3}, {"nonce": "AAAA"}, {"version": 2}, {"kind": "other"}, {"more": 1},
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused_before_anything_is_computed(box: Path, change: dict[str, object]) -> None:
    box.write_text(json.dumps(json.loads(box.read_text()) | change))
    with pytest.raises(KeyBoxError):
        read_box(box, "ada")


def test_pipes_links_and_nonsense_are_no_keys(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ada.panelkey")
    (tmp_path / "bob.panelkey").write_text("[" * 4000)
    for name in ("ada", "bob", "eve"):
        with pytest.raises(KeyBoxError):
            read_box(tmp_path / f"{name}.panelkey", name)


def test_a_key_is_never_overwritten_and_a_short_password_makes_none(box: Path, tmp_path: Path) -> None:
    before = box.read_bytes()
    with pytest.raises(FileExistsError):
        write_new_box(box, "ada", PASSWORD, QUICK)
    assert box.read_bytes() == before
    with pytest.raises(ValueError, match="10 to 256"):
        write_new_box(tmp_path / "eve.panelkey", "eve", "too short", QUICK)
    assert not (tmp_path / "eve.panelkey").exists()


@pytest.mark.redteam(23)
def test_an_unknown_name_and_a_wrong_password_look_and_cost_alike(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    costs: list[Cost] = []
    derive = key_box._derive

    def watched(password: str, salt: bytes, cost: Cost) -> bytes:
        costs.append(cost)
        return derive(password, salt, QUICK)

    public = read_box(box, "ada").public_key
    monkeypatch.setattr(key_box, "_derive", watched)
    people = People([person("ada", public), person("bob", public)], box.parent)
    assert people.unlock("ada", "wrong password") is None
    assert people.unlock("nobody", "wrong password") is None
    assert people.unlock("../ada", PASSWORD) is None
    assert people.unlock("bob", PASSWORD) is None  # in the configuration, without a file
    assert len(costs) == 4
    unlocked = people.unlock("ada", PASSWORD)
    assert unlocked is not None
    assert unlocked[0].role is Role.TECHNICIAN
    assert [problem.split()[0] for problem in people.problems()] == ["bob"]


def test_a_key_that_the_configuration_does_not_know_opens_nothing(box: Path) -> None:
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    people = People([Person("ada", Role.TECHNICIAN, other)], box.parent)
    assert people.unlock("ada", PASSWORD) is None
    assert "another public key" in people.problems()[0]


@pytest.mark.redteam(23)
def test_guesses_of_a_name_take_longer_and_longer() -> None:
    throttle, now, tries = Throttle(), 0, 0
    while now < 600 * NS_PER_S:  # who tries as often as is allowed, from ever new addresses
        wait = throttle.begin("ada", f"10.0.0.{tries}", now)
        tries += not wait
        now += wait or 1
    # 3 at once, then after 1, 2, 4, 8, 16, 32 s, then one a minute.
    assert tries == 3 + 6 + (600 - 63) // 60


@pytest.mark.redteam(23)
def test_guesses_from_an_address_are_few_whatever_the_name() -> None:
    throttle = Throttle()
    assert sum(not throttle.begin(f"name{number}", "10.0.0.1", number) for number in range(100)) == 10
    assert throttle.begin("ada", "10.0.0.2", 100) == 0


def test_the_right_password_frees_the_name_and_not_the_address() -> None:
    throttle = Throttle()
    for number in range(9):
        assert throttle.begin(f"name{number}", "a", number) == 0
    assert throttle.begin("ada", "a", 10) == 0
    throttle.succeeded("ada", "a")
    assert throttle.begin("ada", "a", 11) == 0
    assert throttle.begin("ada", "a", 12) > 0  # ten wrong ones from there
    assert throttle.begin("bob", "a", 12 + MEMORY + 1) == 0


def test_many_tries_at_once_are_no_way_around() -> None:
    throttle = Throttle()
    assert [throttle.begin("ada", str(number), 5) > 0 for number in range(6)] == [False] * 3 + [True] * 3


def test_the_throttle_forgets_nobody_for_want_of_room() -> None:
    throttle = Throttle()
    for number in range(MOST):
        throttle.begin(f"name{number}", f"address{number}", 0)
    assert throttle.begin("ada", "new", 1) > 0
    assert len(throttle._tries) <= MOST
    assert throttle.begin("ada", "new", MEMORY + 1) == 0


@pytest.fixture
def sessions() -> Sessions:
    ids = itertools.count()
    return Sessions(lambda: f"id{next(ids)}")


KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def someone(name: str, role: Role = Role.TECHNICIAN) -> Person:
    return Person(name, role, KEY.public_key().public_bytes_raw())


def test_a_session_ends_when_its_person_does_nothing(sessions: Sessions) -> None:
    one = sessions.begin(someone("ada"), KEY, 0)
    assert one is not None
    assert sessions.use(one, IDLE) is not None
    assert sessions.look(one, 2 * IDLE) is not None
    assert sessions.look(one, 2 * IDLE + 1) is None  # to be looked at is not to do something
    assert sessions.use(one, 2 * IDLE + 2) is None


def test_a_session_may_end_earlier() -> None:
    sessions = Sessions(lambda: "id", 3 * NS_PER_S)
    one = sessions.begin(someone("ada"), KEY, 0)
    assert one is not None
    assert sessions.look(one, 3 * NS_PER_S) is not None
    assert sessions.look(one, 3 * NS_PER_S + 1) is None


def test_a_session_ends_in_the_end_and_by_logging_out(sessions: Sessions) -> None:
    one, other = sessions.begin(someone("ada"), KEY, 0), sessions.begin(someone("bob"), KEY, 0)
    assert one is not None
    assert other is not None
    sessions.end(other)
    assert sessions.look(other, 1) is None
    now = 0
    while sessions.use(one, now) is not None:
        now += IDLE
    assert LONGEST < now <= LONGEST + IDLE
    assert sessions._held == {}  # and no key is left


def test_sessions_are_few_and_know_who_could_decide(sessions: Sessions) -> None:
    assert sessions.begin(someone("ada"), KEY, 0)
    assert sessions.begin(someone("ada"), KEY, 0)
    assert sessions.begin(someone("eve", Role.OPERATOR), KEY, 0)
    assert sessions.deciders(1) == ("ada",)
    assert sessions.begin(someone("bob", Role.SAFETY_OFFICER), KEY, 0)
    assert sessions.deciders(1) == ("ada", "bob")
    while sessions.begin(someone("zoe"), KEY, 0):
        assert len(sessions._held) <= 16
    assert sessions.look("nonsense", 1) is None


def test_form_tokens_fit_their_cookie_and_their_process_only() -> None:
    tokens = FormTokens(b"secret")
    token = tokens.make("cookie")
    assert tokens.fits("cookie", token)
    assert not tokens.fits("other", token)
    assert not tokens.fits("cookie", "")
    assert not tokens.fits("", tokens.make(""))
    assert not tokens.fits("cookie", "\u00e9\ud800")
    assert not FormTokens(b"other").fits("cookie", token)
