"""Which configuration the node runs with: loaded, of a real robot signed, and whether its robot was measured."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from safety_supervisor.config import load_config
from safety_supervisor.core.errors import Code
from safety_supervisor.core.settings import Configuration
from safety_supervisor.ros.records import StartError
from safety_supervisor.tokens.officers import DEFAULT, needs_signature


def find_uncommissioned(configuration: Configuration, log: Any) -> str:
    """Say why the record of measured stops that is demanded does not count; empty where it does, or none is demanded.

    Args:
        configuration: as it was loaded.
        log: the node's logger; is told either way.
    """
    settings = configuration.commissioning
    if settings is None or not settings.required:
        return ""
    # Only here: a robot of which no record is demanded starts without OpenSSL in the process that moves it.
    from safety_supervisor.tokens.commissioning_record import judge_record

    why = judge_record(configuration, time.time())[:500]
    if why:
        log.error(f"{Code.COMMISSION.value}: {why}. {Code.COMMISSION.cure}")
    else:
        log.info(f"measured stops: {settings.record} counts")
    return why


def read_configuration(config_file: str, log_directory: str, officers_file: str, log: Any) -> Configuration:
    """Load the configuration, which a safety officer signed unless it is a simulation's, on no robot's machine.

    Args:
        config_file: the file.
        log_directory: replaces `evidence.log_directory` unless it is empty.
        officers_file: whose signatures count; empty: `tokens.officers.DEFAULT`.
        log: the node's logger; is told who signed.

    Raises:
        ConfigurationError: with every problem.
        StartError: no file is named.
    """
    if not config_file:
        raise StartError("parameter `config_file` is empty: name the configuration file")
    configuration = load_config(config_file)
    officers = Path(officers_file or DEFAULT).expanduser()
    if needs_signature(configuration, officers):
        # Only here, so that a simulation starts without OpenSSL in the process that moves the robot.
        from safety_supervisor.tokens.configuration_signature import require_signature

        configuration = require_signature(configuration, officers)
        log.info(f"configuration {configuration.sha256} is signed by {configuration.signed_by}")
    if not log_directory:
        return configuration
    directory = os.path.abspath(os.path.expanduser(log_directory))
    return replace(configuration, evidence=replace(configuration.evidence, log_directory=directory))
