"""Where files are, whether the package runs from its repository or was installed, and which ROS domain is free."""

from __future__ import annotations

import importlib.util
import os
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from safety_supervisor.tokens.key_file import public_text, write_new_key

INSTALL: Final = 'pip install "safety_supervisor[ros,sim]"'
PACKAGE: Final = "safety_supervisor"
_PORTS: Final = 7400
_PORTS_EACH: Final = 250
_DOMAINS: Final = range(1, 100)
"""Their ports end below 32768, where Linux begins to give ports to anyone."""

RELAY_DELAY: Final = 0.4
"""Of an arm: the longest stop takes 0.3 s, and may begin 65 ms behind the contact, [s]."""
LADDER_RELAYS: Final[dict[str, Any]] = {"relay_delay": 5.5, "relay_effect": "damping"}
"""Of a robot that is brought down before its power goes; `check-config` proves that the ladder is over by then."""
NONE: Final[Mapping[str, Any]] = {}
KEY: Final = "technician.key"
RESTRICTED: Final[dict[str, Any]] = {
    "press": {
        "kind": "restricted",
        "minimum": [-0.3, -0.85, 0.25],
        "maximum": [0.6, -0.45, 0.9],
        "margin": 0.02,
        "approval": {"kind": "press", "people": 1, "seconds": 4},
    }
}
"""Beside the robot, to its right; within so few seconds a technician of a demonstration answers, [s]."""
CONTROLLERS: Final[dict[str, dict[str, Any]]] = {
    "joint_trajectory_controller": {},
    "forward_position": {
        "type": "joint_position",
        "topic": "/forward_position_controller/commands",
        "on_loss": "hold",
    },
    "joint_state": {
        "type": "joint_state",
        "topic": "/joint_commands",
        "on_loss": "brake",
        "deadman": {"time": 0.1, "tested": "the simulated drives brake by themselves: test/sim/cell"},
    },
}
"""Double of the cell to the `output` section that it needs."""


def shared(folder: str, name: str) -> Path:
    """Return a file of `config`, `scenarios` or `cells`.

    Raises:
        FileNotFoundError: when it is neither in the repository nor installed.
    """
    simulation = Path(__file__).resolve().parents[2]
    repository = simulation.parent / folder if folder == "config" else simulation / folder
    prefixes = [*os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep), sys.prefix]
    places = [repository, *(Path(prefix) / "share" / PACKAGE / folder for prefix in prefixes if prefix)]
    for place in places:
        if (place / name).is_file():
            return place / name
    raise FileNotFoundError(f"{name} is in none of {', '.join(map(str, places))}")


def cell_file(robot: str) -> Path:
    """Return the file of a robot's cell: `ROBOT.yaml`, or `ROBOT_standing.yaml` of one on its feet.

    Raises:
        FileNotFoundError: there is neither.
    """
    try:
        return shared("cells", f"{robot}.yaml")
    except FileNotFoundError:
        return shared("cells", f"{robot}_standing.yaml")


def robots() -> list[str]:
    """Return the robots that `demo` has a scenario for."""
    folder = shared("scenarios", "panda_demo.yaml").parent
    return sorted(path.stem.removesuffix("_demo") for path in folder.glob("*_demo.yaml"))


def simulated() -> list[str]:
    """Return the robots that have a configuration and a cell: those that a scenario can be about."""
    cells = shared("cells", "panda.yaml").parent.glob("*.yaml")
    names = sorted({path.stem.removesuffix("_standing") for path in cells if not path.stem.endswith("_lab")})
    configured = shared("config", "panda.yaml").parent
    return [name for name in names if (configured / f"{name}.yaml").is_file()]


def missing(ros: bool = True) -> list[str]:
    """Return what is not installed and is needed, each with its cure; `ros`: for real nodes."""
    needed = {
        "rclpy": f"source a ROS 2, or {INSTALL}",
        "pybullet": INSTALL,
        "cmeel": f"{INSTALL} (it brings example-robot-data)",
        "pinocchio": INSTALL,
    }
    if not ros:
        del needed["rclpy"]
    return [
        f"{name} is not installed: {cure}" for name, cure in needed.items() if importlib.util.find_spec(name) is None
    ]


def free_domain() -> int:
    """Return the ROS domain to use: the caller's ROS_DOMAIN_ID where set, else one whose ports nobody uses."""
    given = os.environ.get("ROS_DOMAIN_ID", "")
    if given.isdecimal():
        return int(given)
    used = _used_ports()
    free = [domain for domain in _DOMAINS if not used & set(_ports(domain))]
    return random.choice(free or list(_DOMAINS))


def _ports(domain: int) -> range:
    first = _PORTS + _PORTS_EACH * domain
    return range(first, first + _PORTS_EACH)


def _used_ports() -> set[int]:
    ports = set()
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        ports |= {int(line.split()[1].rpartition(":")[2], 16) for line in lines}
    return ports


def write_config(
    source: Path,
    controller: str,
    directory: Path,
    asks: bool = False,
    port: str = "",
    changes: Mapping[str, Any] = NONE,
) -> Path:
    """Write the configuration of a run: `source` with the emulated e-stop device, and the controller's `output`.

    `port` names the device's; empty: `estop` in the directory. `changes` are sections and keys that a scenario sets.

    Where a technician is asked, with a restricted zone and with a key that is made for this run, `KEY` beside it.
    """
    value = yaml.safe_load(source.read_text(encoding="utf-8"))
    ladder = (value.get("balance") or {}).get("ladder")
    relays = LADDER_RELAYS if ladder else {"relay_delay": RELAY_DELAY}
    value["estop"] = {"driver": "frame_v1", "port": port or str(directory.absolute() / "estop"), **relays}
    output = CONTROLLERS[controller]
    if output:
        value["output"] = {"simulated": True, **output}
    if asks:
        held = public_text(write_new_key(directory / KEY))
        value["zones"] |= RESTRICTED
        value["operators"]["people"] = {"technician": {"role": "technician", "public_key": held}}
    _merge(value, changes)
    path = directory / source.name
    path.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")
    return path


def _merge(value: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Lay changes over a configuration; mappings are merged, all else is replaced."""
    for key, change in changes.items():
        if isinstance(change, Mapping) and isinstance(value.get(key), dict):
            _merge(value[key], change)
        else:
            value[key] = change
