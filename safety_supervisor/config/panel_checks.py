"""Checks of the section `panel`. No file that it names is read: the node starts where the panel's are not."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.panel_keys import OidcKeys, PanelKeys
from safety_supervisor.config.problems import Problems, shown
from safety_supervisor.config.sections import Sections, twice
from safety_supervisor.core.panel_settings import OidcSettings, PanelSettings

EVERYWHERE = ("0.0.0.0", "::")
"""Addresses that are no name."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_panel(sections: Sections, problems: Problems) -> None:
    """Check what the keys of the panel demand of each other and of the file."""
    keys = sections.panel
    if keys is None:
        return
    pair = {"tls_certificate": keys.tls_certificate, "tls_key": keys.tls_key}
    missing = [name for name, value in pair.items() if value is None]
    if len(missing) == 1:
        problems.add(f"panel.{missing[0]}", Code.MISSING, "is missing beside the other one of the two")
    if len(missing) == 2 and not is_loopback(keys.host):
        problems.add(
            "panel.tls_certificate", Code.MISSING, f"is missing: on {keys.host} passwords could be read on the network",
            "Add `tls_certificate` and `tls_key`, or listen on 127.0.0.1.",
        )  # fmt: skip
    if keys.host in EVERYWHERE and not keys.names:
        problems.add(
            "panel.names", Code.MISSING, f"is missing: {keys.host} is no name", "Name the panel as browsers call it."
        )
    for name in twice(keys.names):
        problems.add("panel.names", Code.VALUE, f"{name} stands twice")
    if keys.jog is not None:
        _check_jog(keys.jog, sections, problems)
    if keys.oidc is not None:
        _check_oidc(keys.oidc, sections, problems)


def _check_jog(name: str, sections: Sections, problems: Problems) -> None:
    source = sections.sources.get(name)
    cure = "Name a source of kind `person` with commands: [velocity]."
    if source is None:
        if not problems.at(f"sources.{name}"):
            problems.add("panel.jog", Code.NAME, f"{name} is none of `sources`", cure)
    elif source.kind != "person":
        problems.add("panel.jog", Code.VALUE, f"{name} is an agent's", cure)
    elif "velocity" not in source.commands:
        problems.add("panel.jog", Code.VALUE, f"{name} takes no velocities", cure)


def _check_oidc(keys: OidcKeys, sections: Sections, problems: Problems) -> None:
    problem = unfit_issuer(keys.issuer)
    if problem:
        problems.add("panel.oidc.issuer", Code.VALUE, problem, "Write it as the provider's documentation has it.")
    known = {} if sections.operators is None else sections.operators.people
    if keys.people is None:
        return
    for said, name in keys.people.items():
        if not 1 <= len(said) <= 255:
            problems.add("panel.oidc.people", Code.VALUE, f"{shown(said)} is nothing that a claim says")
        if name not in known and not problems.at("operators"):
            cure = "Name one of them, or add the person."
            problems.add("panel.oidc.people", Code.NAME, f"{name} is none of `operators.people`", cure)
    for name in twice(keys.people.values()):
        cure = "Leave one: a person has one account here."
        problems.add("panel.oidc.people", Code.VALUE, f"{name} stands twice", cure)


def unfit_issuer(issuer: str) -> str:
    """Say why a URL is no issuer's; empty where it may be one."""
    try:
        url = urlsplit(issuer)
        host, _ = url.hostname or "", url.port
    except ValueError:
        return f"is {shown(issuer)}, no URL"
    if not host or url.query or url.fragment or "@" in url.netloc or "?" in issuer or "#" in issuer:
        return f"is {shown(issuer)}; allowed: scheme, host, port and path"
    if url.scheme != "https" and not is_loopback(host):
        return f"is {shown(issuer)}; allowed: https, since whoever is on the way could else answer for it"
    return ""


def freeze_panel(keys: PanelKeys | None, directory: Path) -> PanelSettings | None:
    """Return the settings of a checked section; files are looked for from `directory`."""
    if keys is None:
        return None

    def absolute(name: str | None) -> str:
        return "" if name is None else str((directory / Path(name).expanduser()).absolute())

    found = keys.oidc
    oidc = None
    if found is not None:
        secret, trusted = absolute(found.client_secret_file), absolute(found.certificates)
        people = None if found.people is None else dict(found.people)
        oidc = OidcSettings(found.issuer, found.client_id, secret, trusted, found.claim, people, found.required)
    return PanelSettings(
        keys.host, keys.port, tuple(keys.names), absolute(keys.tls_certificate), absolute(keys.tls_key), keys.idle,
        keys.jog or "", oidc,
    )  # fmt: skip
