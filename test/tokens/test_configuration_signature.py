"""Who answers for a real robot's configuration: what counts, what does not, and the commands for it (red team 36)."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from safety_supervisor.acts.config_cli import app
from safety_supervisor.cli import build
from safety_supervisor.config import ConfigurationError, load_config
from safety_supervisor.core.settings import Configuration
from safety_supervisor.evidence.feed import describe_boot
from safety_supervisor.tokens import compact
from safety_supervisor.tokens.configuration_signature import require_signature
from safety_supervisor.tokens.key_file import public_text, write_new_key
from safety_supervisor.tokens.officers import OfficersError, read_officers, write_officers

pytestmark = [pytest.mark.redteam(36), pytest.mark.redteam(51), pytest.mark.requirement("SR-041")]
PANDA = Path(__file__).resolve().parents[2] / "config" / "panda.yaml"
ROLES = {"ada": "safety_officer", "bob": "technician", "cid": "safety_officer"}


class Robot:
    """A real robot's file, the keys of its people, and the list of who is trusted."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "robot.yaml"
        self.signature, self.officers = folder / "robot.yaml.sig", folder / "etc" / "officers.json"
        self.keys = {name: write_new_key(folder / name) for name in ROLES}
        self.write()

    def write(self, **changes: Any) -> None:
        robot = yaml.safe_load(PANDA.read_text())
        robot["output"]["simulated"] = False
        people = {name: {"role": role, "public_key": public_text(self.keys[name])} for name, role in ROLES.items()}
        robot["operators"] = {"people": people}
        robot["sources"]["planner"]["session"] = "none"
        robot["estop"] = {"driver": "none", "none": "I accept"}
        self.file.write_text(yaml.safe_dump({**robot, **changes}, sort_keys=False))

    def trust(self, **officers: str) -> None:
        self.officers.parent.mkdir(exist_ok=True)
        self.officers.parent.chmod(0o755)
        body = {"version": 1, "officers": officers or {"ada": public_text(self.keys["ada"])}}
        self.officers.write_text(json.dumps(body))
        self.officers.chmod(0o644)

    def run(self, *words: str, status: int = 0, typed: str = "") -> str:
        result = CliRunner().invoke(app, list(words), input=typed)
        assert result.exit_code == status, result.output
        return result.output

    def sign(self, name: str = "ada", key: str = "", status: int = 0) -> str:
        return self.run("sign", str(self.file), "--key", str(self.folder / (key or name)), "--as", name, status=status)

    def token(self, key: Ed25519PrivateKey, **changes: Any) -> str:
        """A signature made by hand, as `docs/people.md` tells it."""
        claims = {
            "iss": "ada", "role": "safety_officer", "aud": "panda", "config_sha256": self.loaded.sha256, "iat": 1,
            "reason": "",
        }  # fmt: skip
        kind = changes.pop("typ", "configuration.v1+jwt")
        return compact.sign(key, kind, {name: one for name, one in (claims | changes).items() if one is not None})

    @property
    def loaded(self) -> Configuration:
        return load_config(self.file)

    def refused(self, configuration: Configuration | None = None) -> tuple[set[str], str]:
        """Codes of why it does not start, and the words."""
        with pytest.raises(ConfigurationError) as error:
            require_signature(configuration or self.loaded, self.officers)
        return {one.code.value for one in error.value.errors}, str(error.value)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Robot:
    return Robot(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def loaded(made: Robot) -> Configuration:
    made.write()
    return made.loaded


@pytest.fixture
def robot(made: Robot) -> Robot:
    """Signed by ada, whom this machine trusts."""
    made.write()
    made.trust()
    made.sign()
    return made


def test_what_a_trusted_officer_signed_counts_and_the_signature_is_kept(robot: Robot) -> None:
    loaded = robot.loaded
    found = require_signature(loaded, robot.officers)
    assert (found.signed_by, found.signature) == ("ada", robot.signature.read_text().strip())
    assert (found.sha256, found.envelope, found.zones) == (loaded.sha256, loaded.envelope, loaded.zones)


def test_a_simulation_needs_none_and_reads_none(robot: Robot) -> None:
    robot.officers.unlink()
    robot.signature.unlink()
    simulated = load_config(PANDA)
    assert require_signature(simulated, robot.officers) is simulated
    assert require_signature(simulated, robot.file / "officers.json") is simulated


def test_a_robot_that_is_called_a_simulation_needs_one_where_the_machine_has_officers(robot: Robot) -> None:
    """Who edits the file can write `simulated: true`, too, and may then reset and start without a key."""
    output = yaml.safe_load(robot.file.read_text())["output"]
    robot.write(output={**output, "simulated": True}, operators={"unsigned_services": True})
    assert robot.refused()[0] == {"E_CONFIG_SIGNATURE"}
    robot.signature.unlink()
    codes, words = robot.refused()
    assert codes == {"E_CONFIG_UNSIGNED"}
    assert "this machine has a list of officers" in words
    robot.officers.write_text("")
    assert robot.refused()[0] == {"E_CONFIG_UNSIGNED", "E_CONFIG_OFFICERS"}
    robot.officers.unlink()
    robot.officers.symlink_to(robot.folder / "nowhere")
    assert "E_CONFIG_OFFICERS" in robot.refused()[0]
    robot.officers.unlink()


@pytest.mark.parametrize(
    "change",
    [lambda text: text + "\n", lambda text: text.replace("I accept", '"I accept"'), lambda text: "# safe\n" + text],
)
def test_a_byte_that_was_changed_needs_a_new_signature(robot: Robot, change: Any) -> None:
    """Not only what changes a limit: who signed read these bytes, and no others."""
    robot.file.write_text(changed := change(robot.file.read_text()))
    codes, words = robot.refused()
    assert codes == {"E_CONFIG_SIGNATURE"}
    assert "the file or its URDF was changed since: ada signed" in words
    assert robot.file.read_text() == changed
    robot.sign()
    assert require_signature(robot.loaded, robot.officers).signed_by == "ada"


def test_the_urdf_is_signed_with_it(robot: Robot) -> None:
    urdf = robot.folder / "panda.urdf"
    urdf.write_text(robot.loaded.robot.urdf)
    section = yaml.safe_load(robot.file.read_text())["robot"]
    robot.write(robot={**section, "urdf": "panda.urdf"})
    robot.sign()
    require_signature(robot.loaded, robot.officers)
    urdf.write_text(urdf.read_text() + "\n<!-- longer -->\n")
    assert robot.refused()[0] == {"E_CONFIG_SIGNATURE"}


def test_without_one_or_without_officers_nothing_starts_and_all_of_it_is_said(
    robot: Robot, loaded: Configuration
) -> None:
    robot.signature.unlink()
    assert robot.refused(loaded)[0] == {"E_CONFIG_UNSIGNED"}
    robot.officers.unlink()
    codes, words = robot.refused(loaded)
    assert codes == {"E_CONFIG_UNSIGNED", "E_CONFIG_OFFICERS"}
    assert "config sign" in words
    assert "config trust" in words


def test_who_writes_an_own_key_into_the_configuration_is_no_officer(robot: Robot) -> None:
    """The whole attack: another key under the officer's name, limits as one likes, signed by that key."""
    held, robot.keys["ada"] = robot.keys["ada"], write_new_key(robot.folder / "mallory")
    robot.write()
    robot.keys["ada"] = held
    robot.sign("ada", key="mallory")
    codes, words = robot.refused()
    assert codes == {"E_CONFIG_SIGNATURE"}
    assert "E_TOKEN_SIGNATURE" in words


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "cid"}, "E_TOKEN_ISS"),
        ({"iss": "Ada"}, "E_TOKEN_ISS"),
        ({"iss": None}, "E_TOKEN_ISS"),
        ({"role": "technician"}, "E_TOKEN_ROLE"),
        ({"aud": "other"}, "E_TOKEN_AUD"),
        ({"config_sha256": "0" * 64}, "E_TOKEN_CONFIG"),
        ({"config_sha256": ""}, "E_TOKEN_CONFIG"),
        ({"iat": -1}, "E_TOKEN_IAT"),
        ({"iat": None}, "E_TOKEN_IAT"),
        ({"reason": "x" * 201}, "E_TOKEN_REASON"),
        ({"act": "reset"}, "E_TOKEN_FIELD"),
    ],
)
def test_every_claim_is_judged(made: Robot, loaded: Configuration, changes: dict[str, Any], code: str) -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"a" * 32)
    made.trust(ada=public_text(key))
    made.write()
    made.signature.write_text(made.token(key))
    assert require_signature(loaded, made.officers).signed_by == "ada"
    made.signature.write_text(made.token(key, **changes))
    codes, words = made.refused(loaded)
    assert codes == {"E_CONFIG_SIGNATURE"}
    assert code in words


@pytest.mark.parametrize("data", [b"", b"x", b"a.b.c", b"\xff" * 40, b"a" * 5000, b"null"])
def test_what_is_no_signature_is_refused(robot: Robot, loaded: Configuration, data: bytes) -> None:
    robot.signature.write_bytes(data)
    assert robot.refused(loaded)[0] == {"E_CONFIG_SIGNATURE"}


def test_a_single_changed_character_of_the_signature_is_refused(robot: Robot, loaded: Configuration) -> None:
    good = robot.signature.read_text().strip()
    for at in range(0, len(good), 7):
        robot.signature.write_text(good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :])
        assert robot.refused(loaded)[0] == {"E_CONFIG_SIGNATURE"}, at
    robot.signature.unlink()
    os.mkfifo(robot.signature)
    try:
        assert robot.refused(loaded)[0] == {"E_CONFIG_SIGNATURE"}, "a pipe would hold the start for ever"
    finally:
        robot.signature.unlink()


def test_no_other_file_is_recorded_beside_a_signature(robot: Robot, loaded: Configuration) -> None:
    """Somebody exchanges the file between its verification and the head of the log, and could change it back."""
    good = robot.file.read_bytes()
    assert describe_boot(loaded, "boot", "nonce").configuration == good
    robot.file.write_bytes(good + b"# mallory\n")
    with pytest.raises(OSError, match="is not what was loaded"):
        describe_boot(loaded, "boot", "nonce")


def test_an_act_of_the_officer_is_no_signature(robot: Robot, loaded: Configuration) -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"a" * 32)
    robot.trust(ada=public_text(key))
    robot.signature.write_text(robot.token(key, typ="operator-act.v1+jwt"))
    assert "E_TOKEN_HEADER" in robot.refused(loaded)[1]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("", "no list of officers"),
        ("[]", "no list of officers"),
        ('{"version": 2, "officers": {"ada": "x"}}', "no list of officers"),
        ('{"version": 1, "officers": {}}', "names nobody"),
        ('{"version": 1, "officers": {"ada": "x"}}', "is not 43 characters"),
        ('{"version": 1, "officers": {"ada": 3}}', "is no text"),
        ('{"version": 1, "officers": {"ada": "' + "A" * 43 + '"}}', "low order"),
        ("[" * 70_000, "longer than"),
    ],
)
def test_a_list_of_officers_that_is_none_is_refused(robot: Robot, loaded: Configuration, body: str, told: str) -> None:
    robot.officers.write_text(body)
    codes, words = robot.refused(loaded)
    assert codes == {"E_CONFIG_OFFICERS"}
    assert told in words


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_list_that_others_may_write_is_refused(robot: Robot, mode: int) -> None:
    robot.officers.chmod(mode)
    with pytest.raises(OfficersError, match="can be written by others"):
        read_officers(robot.officers)


@pytest.mark.parametrize("linked", [False, True])
def test_a_list_in_a_directory_that_others_may_write_is_refused(robot: Robot, tmp_path: Path, linked: bool) -> None:
    """They could take it away, and call the robot a simulation; or lay a link there to another file of the node's."""
    (tmp_path / "open" / "etc").mkdir(parents=True)
    (tmp_path / "open" / "etc").chmod(0o755)
    (tmp_path / "open").chmod(0o777)
    there = tmp_path / "open" / "etc" / "officers.json"
    with pytest.raises(OfficersError, match=r"open can be written by others \(mode 0777\)"):
        write_officers(there, read_officers(robot.officers))
    assert not there.exists()
    there.write_bytes(robot.officers.read_bytes())
    there.chmod(0o644)
    given = tmp_path / "officers.json" if linked else there
    if linked:
        given.symlink_to(there)
    told = robot.run("trust", str(robot.file), "--officers", str(given), "--yes", status=1)
    assert "nothing was written" in told
    with pytest.raises(OfficersError, match="open can be written by others"):
        read_officers(given)
    (tmp_path / "open").chmod(0o1777)
    assert read_officers(given) == read_officers(robot.officers), "a sticky one, as /tmp is"


@pytest.mark.parametrize("umask", [0, 0o77])
def test_trust_makes_directories_that_everybody_reads_and_nobody_else_writes(robot: Robot, umask: int) -> None:
    new = robot.folder / f"umask{umask}" / "safety_supervisor" / "officers.json"
    before = os.umask(umask)
    try:
        write_officers(new, read_officers(robot.officers))
    finally:
        os.umask(before)
    assert [stat.S_IMODE(one.stat().st_mode) for one in (new, new.parent, new.parent.parent)] == [0o644, 0o755, 0o755]


def test_what_was_renamed_is_durable(robot: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that is written, and gone after a power cut, is one that the node never had."""
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda one: (synced.append(os.readlink(f"/proc/self/fd/{one}")), real(one)))
    write_officers(robot.officers, read_officers(robot.officers))
    assert synced[-1] == str(robot.officers.parent)


def test_who_is_asked_is_shown_what_for(robot: Robot) -> None:
    """With --json, too: on stderr, so that programs read one object."""
    words = ["trust", str(robot.file), "--officers", str(robot.officers), "--json"]
    result = CliRunner().invoke(app, words, input="y\n")
    assert f"cid  {public_text(robot.keys['cid'])}  NEW" in result.stderr
    assert set(json.loads(result.stdout.splitlines()[-1])["officers"]) == {"ada", "cid"}, "behind what was typed"


def test_a_list_of_another_user_and_a_pipe_are_refused(robot: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.geteuid()
    monkeypatch.setattr("os.fstat", lambda descriptor, stat=os.fstat: _owned_by(stat(descriptor), real + 1))
    with pytest.raises(OfficersError, match=f"belongs to user {real + 1}"):
        read_officers(robot.officers)
    monkeypatch.undo()
    robot.officers.unlink()
    os.mkfifo(robot.officers)
    with pytest.raises(OfficersError, match="no regular file"):
        read_officers(robot.officers)
    robot.officers.unlink()


def _owned_by(status: os.stat_result, user: int) -> os.stat_result:
    return os.stat_result((*status[:4], user, *status[5:]))


@pytest.mark.parametrize(
    ("name", "key", "told"),
    [
        ("bob", "bob", "bob is no safety officer in `operators.people`"),
        ("eve", "ada", "there are: ada, cid"),
        ("ada", "cid", "is another key than operators.people.ada.public_key"),
        ("ada", "missing", "No such file"),
    ],
)
def test_who_may_not_sign_writes_nothing(robot: Robot, name: str, key: str, told: str) -> None:
    before = robot.signature.read_text()
    assert told in robot.sign(name, key, status=2)
    assert robot.signature.read_text() == before


def test_a_configuration_with_problems_is_not_signed(robot: Robot) -> None:
    robot.write(timing={})
    robot.signature.unlink()
    assert "timing.period" in robot.sign(status=2)
    assert not robot.signature.exists()


def test_trust_asks_says_who_comes_and_goes_and_writes_for_everybody_to_read(robot: Robot) -> None:
    words = ["trust", str(robot.file), "--officers", str(robot.officers)]
    robot.trust(ada=public_text(robot.keys["cid"]), old=public_text(robot.keys["bob"]))
    before = robot.officers.read_text()
    told = robot.run(*words, status=1, typed="n\n")
    assert "nothing was written" in told
    assert robot.officers.read_text() == before
    told = robot.run(*words, typed="y\n")
    assert [f"{name}  " in told and state in told for name, state in (
        ("ada", "ANOTHER KEY"), ("cid", "NEW"), ("old", "GONE"),
    )] == [True] * 3  # fmt: skip
    assert "bob  " not in told
    assert set(read_officers(robot.officers)) == {"ada", "cid"}
    assert stat.S_IMODE(robot.officers.stat().st_mode) == 0o644
    assert list(robot.officers.parent.iterdir()) == [robot.officers], "nothing is left beside it"
    robot.sign("cid")
    assert require_signature(robot.loaded, robot.officers).signed_by == "cid"


def test_trust_makes_the_directory_and_a_place_that_can_not_be_written_is_said(robot: Robot) -> None:
    new = robot.folder / "new" / "officers.json"
    told = json.loads(robot.run("trust", str(robot.file), "--officers", str(new), "--yes", "--json"))
    assert set(told["officers"]) == {"ada", "cid"}
    assert set(read_officers(new)) == {"ada", "cid"}
    assert "Not a directory" in robot.run(
        "trust", str(robot.file), "--officers", str(robot.file / "x.json"), "--yes", status=1
    )


def test_what_can_not_be_written_leaves_nothing_behind(robot: Robot) -> None:
    taken = robot.folder / "taken" / "officers.json"
    (taken / "inside").mkdir(parents=True)
    robot.run("trust", str(robot.file), "--officers", str(taken), "--yes", status=1)
    assert list(taken.parent.iterdir()) == [taken]


def test_check_config_tells_it_and_stays_good(robot: Robot) -> None:
    def check(*words: str) -> Any:
        given = ["check-config", str(robot.file), "--without-meshes", "--officers", str(robot.officers), *words]
        result = CliRunner().invoke(build("check-config"), given)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)["signature"] if "--json" in words else result.output

    assert check("--json") == {"needed": True, "by": "ada", "problems": []}
    assert "signed by: ada" in check()
    robot.signature.unlink()
    assert [one["code"] for one in check("--json")["problems"]] == ["E_CONFIG_UNSIGNED"]
    assert "the node will not start with it" in check()
