"""Files for Foxglove, read by the reader of the MCAP project, by ROS itself and by their own schemas."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from mcap.reader import NonSeekingReader, make_reader
from mcap.records import Channel, Message, Schema
from rclpy.serialization import deserialize_message
from recorded_boot import RecordedBoot
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from typer.testing import CliRunner

from safety_supervisor import Supervisor, load_config
from safety_supervisor.core.effects import Actuate
from safety_supervisor.core.events import JointStates
from safety_supervisor.evidence.event_log import Entry, EventLog
from safety_supervisor.export.cli import app
from safety_supervisor.geometry.pose_view import Viewer

pytestmark = [pytest.mark.requirement("SR-044")]
Read = tuple[Schema, Channel, Message]


@pytest.fixture(scope="module")
def exported(boot: RecordedBoot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("mcap") / "boot.mcap"
    done = CliRunner().invoke(app, ["export", "mcap", str(boot.path), "--out", str(out)])
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture(scope="module")
def messages(exported: Path) -> dict[str, list[Read]]:
    found = defaultdict(list)
    with exported.open("rb") as file:
        for schema, channel, message in NonSeekingReader(file, validate_crcs=True).iter_messages():
            assert schema is not None
            found[channel.topic].append((schema, channel, message))
    return found


def test_it_is_a_whole_file_in_the_order_of_time(exported: Path, messages: dict[str, list[Read]]) -> None:
    with exported.open("rb") as file:
        reader = make_reader(file)
        assert reader.get_header().library == "safety_supervisor"
        assert sum(1 for _ in reader.iter_messages()) == sum(map(len, messages.values()))
    for read in messages.values():
        times = [message.log_time for _, _, message in read]
        assert times == sorted(times)


def test_ros_reads_the_joints_as_they_were_sent_and_measured(
    boot: RecordedBoot, messages: dict[str, list[Read]]
) -> None:
    items = [item for item in EventLog(boot.path) if isinstance(item, Entry)]
    measured = [item.event for item in items if isinstance(item.event, JointStates)]
    supervisor = Supervisor(load_config(boot.configuration))
    sent = [effect for item in items for effect in supervisor.handle(item.event) if isinstance(effect, Actuate)]
    for topic, expected in (("/joint_states/measured", measured), ("/joint_states/commanded", sent)):
        read = messages[topic]
        assert len(read) == len(expected) > 1000
        for (schema, channel, message), one in list(zip(read, expected, strict=True))[::37]:
            assert (schema.name, schema.encoding, channel.message_encoding) == (
                "sensor_msgs/msg/JointState", "ros2msg", "cdr",
            )  # fmt: skip
            told = deserialize_message(message.data, JointState)
            assert tuple(told.position) == one.positions
            assert tuple(told.velocity) == one.velocities
            assert told.name[0] == "panda_joint1"
            assert told.header.stamp.sec * 10**9 + told.header.stamp.nanosec == message.log_time
    (_, _, message), *more = messages["/robot_description"]
    assert more == []
    assert deserialize_message(message.data, String).data == load_config(boot.configuration).robot.urdf


def test_every_json_message_fits_its_schema(messages: dict[str, list[Read]]) -> None:
    count = 0
    for read in messages.values():
        schema, channel, _ = read[0]
        if channel.message_encoding != "json":
            continue
        judge: Any = jsonschema.validators.validator_for({})(json.loads(schema.data))
        for _, _, message in read[:: max(1, len(read) // 50)]:
            data = json.loads(message.data)
            # NaN has no word in JSON: null stands for it.
            numbers = {name for name, value in data.items() if value is None}
            assert numbers <= {"value", "limit", "margin"}
            judge.validate({name: value for name, value in data.items() if value is not None})
            count += 1
    assert count > 100
    assert {"/tf", "/scene", "/decisions", "/status", "/acts", "/log"} < set(messages)


def test_links_lie_where_the_joints_put_them_and_zones_stand(
    boot: RecordedBoot, messages: dict[str, list[Read]]
) -> None:
    configuration = load_config(boot.configuration)
    viewer = Viewer(configuration)
    joints = {message.log_time: deserialize_message(message.data, JointState)
              for _, _, message in messages["/joint_states/measured"]}  # fmt: skip
    checked = 0
    for _, _, message in messages["/tf"][::11]:
        transforms = {one["child_frame_id"]: one for one in json.loads(message.data)["transforms"]}
        if any(name.startswith("commanded/") for name in transforms):
            continue
        placed = {one.link: one for one in viewer.place(np.array(joints[message.log_time].position))}
        assert set(transforms) == set(placed) - {configuration.robot.base_frame}
        for link, one in transforms.items():
            shift = [one["translation"][axis] for axis in "xyz"]
            assert shift == pytest.approx(placed[link].shift.tolist(), abs=2e-6)
            x, y, z, w = (one["rotation"][axis] for axis in "xyzw")
            turned = [1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)]
            assert turned == pytest.approx(placed[link].turn[:, 0].tolist(), abs=1e-6)
            checked += 1
    assert checked > 50
    entities = {one["id"]: one for one in json.loads(messages["/scene"][0][2].data)["entities"]}
    cabinet = entities["zones/cabinet"]
    assert cabinet["frame_id"] == "panda_link0"
    assert cabinet["cubes"][0]["size"] == {"x": 0.5, "y": 0.5, "z": 0.8}
    assert cabinet["cubes"][0]["pose"]["position"] == {"x": 0.65, "y": 0.65, "z": 0.4}
    assert entities["panda_hand"]["triangles"]


def test_a_part_of_the_time_is_chosen_and_no_file_is_overwritten(
    boot: RecordedBoot, exported: Path, tmp_path: Path
) -> None:
    out = tmp_path / "part.mcap"
    words = ["export", "mcap", str(boot.path), "--out"]
    assert CliRunner().invoke(app, [*words, str(out), "--from", "1", "--to", "2"]).exit_code == 0
    with out.open("rb") as file:
        measured = [m for _, c, m in NonSeekingReader(file).iter_messages() if c.topic == "/joint_states/measured"]
    assert 1.0 - 0.005 <= (measured[-1].log_time - measured[0].log_time) / 1e9 <= 1.0
    before = exported.read_bytes()
    assert CliRunner().invoke(app, [*words, str(exported)]).exit_code == 2
    assert exported.read_bytes() == before
    assert CliRunner().invoke(app, [*words, str(tmp_path / "absent" / "x.mcap")]).exit_code == 2
