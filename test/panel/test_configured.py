"""The panel as its section of the configuration has it: a process of its own, over TLS."""

from __future__ import annotations

import datetime
import re
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
pytest.importorskip("authlib", reason="the extra `panel` is not installed")

from panel_rig import free_port

PANDA = Path(__file__).resolve().parents[2] / "config" / "panda.yaml"


def certify(directory: Path) -> None:
    """Write a certificate of 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False).sign(key, hashes.SHA256())
    )  # fmt: skip
    (directory / "panel.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "panel.key").write_bytes(private)


def configure(directory: Path, **keys: object) -> Path:
    """Write the Panda's configuration with such a panel."""
    held = yaml.safe_load(PANDA.read_text())
    held["panel"] = keys
    file = directory / "robot.yaml"
    file.write_text(yaml.safe_dump(held))
    return file


@pytest.mark.redteam(22)
def test_where_it_listens_and_tls_are_those_of_the_section(tmp_path: Path) -> None:
    certify(tmp_path)
    port = free_port()
    oidc = {"issuer": "http://127.0.0.1:9", "client_id": "panel"}
    file = configure(tmp_path, port=port, tls_certificate="panel.pem", tls_key="panel.key", oidc=oidc)
    command = [sys.executable, "-m", "safety_supervisor.cli", "panel", "--config", str(file)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        trusted = ssl.create_default_context(cafile=str(tmp_path / "panel.pem"))
        ends = time.monotonic() + 90.0
        while True:
            try:
                answer = urllib.request.urlopen(f"https://localhost:{port}/login", context=trusted, timeout=5.0)
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None
                assert time.monotonic() < ends
                time.sleep(0.1)
        page = answer.read().decode()
        assert "Log in with 127.0.0.1:9" in page
        assert 'name="password"' not in page
        cookie = answer.headers["set-cookie"]
        assert re.fullmatch(r"__Host-panel_form=[\w-]{43}; HttpOnly; Path=/; SameSite=strict; Secure", cookie)
    finally:
        process.terminate()
        process.wait(20.0)


@pytest.mark.long
def test_a_secret_that_others_can_read_starts_no_panel(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "secret").chmod(0o644)
    oidc = {"issuer": "http://127.0.0.1:9", "client_id": "panel", "client_secret_file": "secret"}
    file = configure(tmp_path, port=free_port(), oidc=oidc)
    command = [sys.executable, "-m", "safety_supervisor.cli", "panel", "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90.0, check=False)
    assert done.returncode == 2
    assert "can be read by others" in done.stderr
