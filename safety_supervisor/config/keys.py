"""What every key of the configuration file is made of: strict sections, names, points."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
NAME_PATTERN = rf"^{NAME.pattern}$"
DENIAL = r"^E_POLICY_[A-Z0-9_]{1,40}$"
MODEL = r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$"
VERSION = r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,31}$"
SHA256 = r"^[0-9a-f]{64}$"
ROS_NAME = r"^(/[A-Za-z_][A-Za-z0-9_]{0,63}){1,8}$"

_URDF_NAME = r"^[A-Za-z0-9_./-]{1,128}$"
HOST = r"^(::|::1|[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?)$"
CLAIM = r"^[A-Za-z][A-Za-z0-9_:/.-]{0,127}$"
URL = r"^https?://[!-~]{1,400}$"
ISSUER = r"^https?://[!-~]{1,500}$"
PORT = r"^(/|[a-z][a-z0-9]{1,15}://)[!-~]{0,1000}$"
IN_WORDS = {
    NAME_PATTERN: "a small letter, then at most 31 small letters, digits and '_'",
    _URDF_NAME: "letters, digits, '_', '.', '/' and '-', at most 128",
    ROS_NAME: "a full name with its namespaces, each behind a '/', of letters, digits and '_', such as /sim_cell",
    DENIAL: "E_POLICY_, then at most 40 capital letters, digits and '_'",
    MODEL: "a letter or digit, then at most 63 letters, digits, '_', '.', ':', '/' and '-'",
    VERSION: "a letter or digit, then at most 31 letters, digits, '_', '.', '+' and '-'",
    SHA256: "64 digits of 0 to 9 and a to f",
    HOST: "an address, or a name of letters, digits, '.' and '-'",
    CLAIM: "a letter, then at most 127 letters, digits, '_', ':', '/', '.' and '-'",
    URL: "a URL that begins with http:// or https://",
    ISSUER: "a URL that begins with https://",
    PORT: "an absolute path, such as /dev/serial/by-id/NAME, or a URL of pyserial",
}
"""What patterns allow, for people."""

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
UrdfName = Annotated[str, StringConstraints(pattern=_URDF_NAME)]
RosName = Annotated[str, StringConstraints(pattern=ROS_NAME)]
Reason = Annotated[str, StringConstraints(min_length=3, max_length=500)]
Coordinate = Annotated[float, Field(ge=-100.0, le=100.0)]
Point = Annotated[list[Coordinate], Field(min_length=3, max_length=3)]
Command = Literal["position", "velocity", "trajectory", "cmd_vel"]
MANDATORY: Any = ...


def key(meaning: str, unit: str = "", default: Any = MANDATORY, **bounds: Any) -> Any:
    """Describe a key: its meaning, its unit, its default (mandatory without one) and pydantic's bounds."""
    return Field(default, description=meaning, json_schema_extra={"unit": unit}, **bounds)


class Section(BaseModel):
    """Base of every mapping of the file."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)
