"""A panel in a browser, and a node that tells it what a supervisor would: what is drawn needs no robot that moves."""

from __future__ import annotations

import hashlib
import itertools
import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import rclpy
import yaml
from approval_rig import ROLES
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, Pose, PoseArray
from panel_rig import PASSWORDS, PROGRAM, free_port, start_panel
from rclpy.node import Node
from rclpy.qos import QoSProfile
from ros_rig import LATCHED, STREAM, Rig
from sensor_msgs.msg import JointState
from std_msgs.msg import Header, String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from safety_supervisor.config import load_config
from safety_supervisor.core.effects import InterventionAsked, Interventions, StandsBy
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.panel.key_box import Cost, write_new_box
from safety_supervisor.ros.interventions import write_list

FOLDER = Path(__file__).parents[2] / "config"
_WAITS = 60.0  # for people, [s]
WATCHED: dict[str, Any] = {
    "policy": {"program": PROGRAM},
    "separation": {
        "latency": 0.1, "timeout": 0.3, "intrusion": 0.1, "sensor_uncertainty": 0.05, "body_radius": 0.15,
    },
    "envelope": yaml.safe_load((FOLDER / "panda.yaml").read_text(encoding="utf-8"))["envelope"]
    | {"reduced": {"frame_speed": 0.25, "velocity_share": 0.2}},
}  # fmt: skip
"""A cell in which people are watched, and asked."""


class Teller:
    """A panel of one robot, and all that it hears.

    Attributes:
        listed: commands that wait, by id: what `~/interventions` says of each.
        measured: where joints are, by name; None: nobody says.
        commanded: likewise.
        people: points; None: nobody says.
        people_frame: of these; empty: the base's.
        told: laid over what the status says.
        speaks: whether there is a supervisor at all.
    """

    def __init__(self, rig: Rig, robot: str, *given: str, **changes: Any) -> None:
        self.told: dict[str, str] = {}
        self.people_frame = ""
        self.speaks = True
        self.rig, self._numbers = rig, itertools.count(1)
        keys = Path(tempfile.mkdtemp(prefix="keys_", dir=rig.directory))
        public = {
            name: write_new_box(keys / f"{name}.panelkey", name, PASSWORDS[name], Cost(64, 1, 1)) for name in ROLES
        }
        people = {name: {"role": ROLES[name], "public_key": public[name]} for name in ROLES}
        settings = yaml.safe_load((FOLDER / f"{robot}.yaml").read_text(encoding="utf-8"))
        self.file = rig.directory / f"{robot}.yaml"
        settings = settings | {"operators": {"people": people}} | changes
        self.file.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        self.configuration = load_config(self.file)
        assert self.configuration.robot.start is not None
        rest = dict(zip(self.configuration.robot.joints, map(float, self.configuration.robot.start), strict=True))
        self.measured: dict[str, float] | None = dict(rest)
        self.commanded: dict[str, float] | None = dict(rest)
        self.people: list[tuple[float, float, float]] | None = None
        self.listed: dict[str, dict[str, str]] = {}
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=rig.domain, args=[])
        self._node = node = Node("teller", context=self._context)
        output = self.configuration.outputs[0]
        self._status = node.create_publisher(DiagnosticArray, "/supervisor/status", LATCHED)
        self._decisions = node.create_publisher(DiagnosticArray, "/supervisor/decisions", QoSProfile(depth=100))
        node.create_subscription(String, "/supervisor/stop_requests", lambda _: None, 1)
        if "--jog" in given:  # somebody hears the source
            source = given[given.index("--jog") + 1]
            node.create_subscription(JointState, f"/supervisor/sources/{source}/joint_command", lambda _: None, STREAM)
        self._list = node.create_publisher(DiagnosticArray, "/supervisor/interventions", LATCHED)
        self._states = node.create_publisher(JointState, "/joint_states", 1)
        self._output = node.create_publisher(JointTrajectory, output.topic.replace("~", "/supervisor"), 1)
        self._humans = node.create_publisher(PoseArray, "/supervisor/humans", 1)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.port = free_port()
        self.panel = start_panel(rig, self.port, "--config", str(self.file), "--keys", str(keys), *given)

    def close(self) -> None:
        self._ends.set()
        self._thread.join()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)
        self.rig.kill(self.panel)

    def ask(self, group: str, by: dict[str, float], seconds: float = 5.0, **told: str) -> dict[str, Any]:
        """Let a quintic from rest to rest wait; return the command, with the id of its intervention under `id`."""
        joints = [self.configuration.robot.joints[index] for index in self.configuration.robot.groups[group]]
        assert self.commanded is not None
        start = [self.commanded[joint] for joint in joints]
        rest = [[0.0] * len(joints)]
        said: dict[str, Any] = {
            "source": "planner", "command": "cup", "groups": [group], "joints": joints, "from": start,
            "times_ns": [round(seconds * NS_PER_S)], "velocities": rest, "accelerations": rest,
            "positions": [[at + by.get(joint, 0.0) for joint, at in zip(joints, start, strict=True)]],
        }  # fmt: skip
        top = 1.875 * max(map(abs, by.values())) / seconds
        name = f"w{next(self._numbers)}"
        self.listed[name] = self._told(name, said, top) | told
        return said | {"id": name}

    def decide(self, **fields: str) -> None:
        """Tell one decision."""
        message = _array([fields], fields["source"])
        message.status[0].message = f"{fields['verdict']} {fields['code']} {fields.get('detail', '')}".strip()
        self._decisions.publish(message)

    def forget(self) -> None:
        """Nothing waits any more."""
        self.listed = {}

    def _told(self, name: str, said: dict[str, Any], top: float) -> dict[str, str]:
        """Return what the node's own writer says of it."""
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        sha = hashlib.sha256(text.encode()).hexdigest()
        asked = InterventionAsked(
            0, name, said["source"], said["command"], "zone", 1, round(_WAITS * NS_PER_S), text, sha, 7,
            self.configuration.sha256, "<b>fetch</b> the cup", (), top, 0.4, "clear",
        )  # fmt: skip
        message = write_list(Interventions(0, (StandsBy(name, ()),), ()), {name: asked}, "", 0, 0)
        return {pair.key: pair.value for pair in message.status[0].values}

    def _run(self) -> None:
        began = time.monotonic()
        while not self._ends.wait(0.05):
            self._tell(time.monotonic() - began)

    def _tell(self, passed: float) -> None:
        told = {
            "state": "AUTO/HOLDING", "cause": "", "active_causes": "", "mode": "auto", "agents": "", "people": "clear",
            "next_step": "The next good command moves the robot.", "tool": "", "boot": "b1", "epoch": "7",
            "nonce": "0" * 32,
            "configuration_sha256": self.configuration.sha256, **self.told,
        }  # fmt: skip
        if not self.speaks:
            return
        robot = self.configuration.robot.id
        self._status.publish(_array([told], robot))
        listed = [one | {"remaining_s": f"{_WAITS - passed % _WAITS:.1f}"} for one in tuple(self.listed.values())]
        self._list.publish(_array(listed, robot))
        if self.measured is not None:
            self._states.publish(JointState(name=list(self.measured), position=list(self.measured.values())))
        if self.commanded is not None:
            points = [JointTrajectoryPoint(positions=list(self.commanded.values()))]
            self._output.publish(JointTrajectory(joint_names=list(self.commanded), points=points))
        if self.people is not None:
            poses = [Pose(position=Point(x=x, y=y, z=z)) for x, y, z in self.people]
            frame = self.people_frame or self.configuration.robot.base_frame
            self._humans.publish(PoseArray(header=Header(frame_id=frame), poses=poses))


def _array(listed: list[dict[str, str]], robot: str) -> DiagnosticArray:
    return DiagnosticArray(
        status=[
            DiagnosticStatus(hardware_id=robot, values=[KeyValue(key=key, value=value) for key, value in one.items()])
            for one in listed
        ]
    )
