"""One YAML file a robot, strict and bounded, into a frozen configuration; every error at once.

configuration = load_config("config/panda.yaml")
"""

from safety_supervisor.config.codes import ConfigurationCode
from safety_supervisor.config.load import disk_sha256, files_sha256, load_config, urdf_path
from safety_supervisor.config.problems import ConfigurationError, ConfigurationProblem

__all__ = [
    "load_config",
    "ConfigurationError",
    "ConfigurationProblem",
    "ConfigurationCode",
    "urdf_path",
    "disk_sha256",
    "files_sha256",
]
