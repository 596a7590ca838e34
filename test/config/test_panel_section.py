"""The section `panel`: where the technicians' panel listens, and who else says who sits there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety_supervisor.core.panel_settings import OidcSettings, PanelSettings
from safety_supervisor.tokens.key_file import public_text

if TYPE_CHECKING:
    from test.config.conftest import RobotFile

ADA = public_text(Ed25519PrivateKey.from_private_bytes(b"\1" * 32))
PEOPLE = {"ada": {"role": "technician", "public_key": ADA}}
TLS = {"tls_certificate": "panel.pem", "tls_key": "/etc/panel.key"}
OIDC = {"issuer": "https://id.example/realms/cell", "client_id": "panel"}


@pytest.fixture
def cell(panda: RobotFile) -> RobotFile:
    return panda.put("operators.people", PEOPLE)


def test_it_may_be_left_out_and_its_keys_have_defaults(cell: RobotFile) -> None:
    assert cell.load().panel is None
    assert cell.put("panel", None).load().panel is None
    assert cell.put("panel", {}).load().panel == PanelSettings()


def test_all_of_it_is_loaded_files_beside_the_configuration_and_none_is_read(cell: RobotFile) -> None:
    oidc = OIDC | {"client_secret_file": "secret", "claim": "email", "people": {"ada@cell.example": "ada"}}
    given = {"host": "0.0.0.0", "port": 8443, "names": ["panel.cell.example"], "idle": 300, "jog": "joystick"}
    loaded = cell.put("panel", given | TLS | {"oidc": oidc}).load()
    there = str(cell.directory)
    assert loaded.panel == PanelSettings(
        "0.0.0.0", 8443, ("panel.cell.example",), f"{there}/panel.pem", "/etc/panel.key", 300, "joystick",
        OidcSettings(OIDC["issuer"], "panel", f"{there}/secret", "", "email", {"ada@cell.example": "ada"}, True),
    )  # fmt: skip
    assert loaded.sha256 != cell.load().sha256


@pytest.mark.redteam(23)
@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"host": "0.0.0.0", "names": ["a"]}, ("tls_certificate", "E_CONFIG_MISSING")),
        ({"host": "192.0.2.7"}, ("tls_certificate", "E_CONFIG_MISSING")),
        ({"host": "127.0.0.1.evil.example"}, ("tls_certificate", "E_CONFIG_MISSING")),
        ({"host": "::"} | TLS, ("names", "E_CONFIG_MISSING")),
        ({"tls_key": "k"}, ("tls_certificate", "E_CONFIG_MISSING")),
        ({"tls_certificate": "k"}, ("tls_key", "E_CONFIG_MISSING")),
        ({"names": ["a", "a"]}, ("names", "E_CONFIG_VALUE")),
        ({"names": ["a/b"]}, ("names[0]", "E_CONFIG_NAME")),
        ({"host": "a b"}, ("host", "E_CONFIG_NAME")),
        ({"port": 0}, ("port", "E_CONFIG_VALUE")),
        ({"port": "8080"}, ("port", "E_CONFIG_TYPE")),
        ({"idle": 601}, ("idle", "E_CONFIG_VALUE")),
        ({"jog": "nobody"}, ("jog", "E_CONFIG_NAME")),
        ({"jog": "planner"}, ("jog", "E_CONFIG_VALUE")),
        ({"password": "x"}, ("password", "E_CONFIG_UNKNOWN_KEY")),
    ],
)
def test_what_is_wrong_is_refused(cell: RobotFile, keys: dict[str, Any], problem: tuple[str, str]) -> None:
    assert cell.put("panel", keys).refused() == {(f"panel.{problem[0]}", problem[1])}


def test_one_jogs_by_velocities_alone(cell: RobotFile) -> None:
    cell.put("panel", {"jog": "joystick"}).load()
    other = cell.put("sources.joystick.commands", ["position"])
    assert other.put("panel", {"jog": "joystick"}).refused() == {("panel.jog", "E_CONFIG_VALUE")}


@pytest.mark.redteam(23)
@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"issuer": "http://id.example"}, ("issuer", "E_CONFIG_VALUE")),
        ({"issuer": "http://127.0.0.1.example"}, ("issuer", "E_CONFIG_VALUE")),
        ({"issuer": "https://id.example?a=b"}, ("issuer", "E_CONFIG_VALUE")),
        ({"issuer": "https://id.example#"}, ("issuer", "E_CONFIG_VALUE")),
        ({"issuer": "https://ada@id.example"}, ("issuer", "E_CONFIG_VALUE")),
        ({"issuer": "https://id.example:99999999"}, ("issuer", "E_CONFIG_VALUE")),
        ({"issuer": "https://[::1"}, ("issuer", "E_CONFIG_VALUE")),
        ({"issuer": "https:///path"}, ("issuer", "E_CONFIG_VALUE")),
        ({"issuer": "ftp://id.example"}, ("issuer", "E_CONFIG_NAME")),
        ({"client_id": ""}, ("client_id", "E_CONFIG_VALUE")),
        ({"client_secret": "s3cret"}, ("client_secret", "E_CONFIG_UNKNOWN_KEY")),
        ({"claim": "a b"}, ("claim", "E_CONFIG_NAME")),
        ({"people": {"subject": "bob"}}, ("people", "E_CONFIG_NAME")),
        ({"people": {"one": "ada", "two": "ada"}}, ("people", "E_CONFIG_VALUE")),
        ({"people": {"": "ada"}}, ("people", "E_CONFIG_VALUE")),
        ({"required": 1}, ("required", "E_CONFIG_TYPE")),
    ],
)
def test_a_provider_that_is_wrong_is_refused(cell: RobotFile, keys: dict[str, Any], problem: tuple[str, str]) -> None:
    assert cell.put("panel", {"oidc": OIDC | keys}).refused() == {(f"panel.oidc.{problem[0]}", problem[1])}


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:9400", "http://localhost:9400", "http://[::1]:9400/realm"])
def test_a_provider_on_this_machine_may_do_without_tls(cell: RobotFile, issuer: str) -> None:
    panel = cell.put("panel", {"oidc": OIDC | {"issuer": issuer}}).load().panel
    assert panel is not None
    assert panel.oidc == OidcSettings(issuer, "panel", "", "", "sub", None, True)


def test_all_errors_come_at_once(cell: RobotFile) -> None:
    keys = {"host": "0.0.0.0", "jog": "planner", "oidc": OIDC | {"issuer": "http://id.example"}}
    assert {path for path, _ in cell.put("panel", keys).refused()} == {
        "panel.tls_certificate", "panel.names", "panel.jog", "panel.oidc.issuer",
    }  # fmt: skip
