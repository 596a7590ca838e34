"""Where the technicians' panel listens, as the configuration says; read by the panel's process alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OidcSettings:
    """Who else says who sits there; paths are absolute, empty for none."""

    issuer: str
    client_id: str
    client_secret_file: str
    certificates: str
    claim: str
    people: dict[str, str] | None
    """What the claim says to the person's name; None: it says the name."""
    required: bool


@dataclass(frozen=True)
class PanelSettings:
    """Where it listens; paths are absolute, empty for none."""

    host: str = "127.0.0.1"
    port: int = 8080
    names: tuple[str, ...] = ()
    tls_certificate: str = ""
    tls_key: str = ""
    idle: int = 600
    """A login ends after so long without an act, [s]."""
    jog: str = ""
    """Source by which people jog."""
    oidc: OidcSettings | None = None
