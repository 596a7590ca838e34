"""Every malformed command is refused whole, with its code; every accepted one obeys all the rules."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from safety_supervisor.core.errors import Code
from safety_supervisor.core.estop_settings import EstopSettings
from safety_supervisor.core.events import StreamCommand, TrajectoryCommand
from safety_supervisor.core.evidence_settings import EvidenceSettings
from safety_supervisor.core.intake.idempotency import Earlier
from safety_supervisor.core.intake.intake import Cancel, Intake, Refused, Repeat, SetPoint, TrajectoryPoints
from safety_supervisor.core.output_settings import OnLoss, OutputSettings, OutputType
from safety_supervisor.core.settings import (
    CommandKind,
    Configuration,
    EnvelopeSettings,
    GeometrySettings,
    JointLimits,
    OperatorSettings,
    RobotSettings,
    SourceKind,
    SourceSettings,
    TimingSettings,
    TrackingSettings,
)

MS, S = 10**6, 10**9
JOINTS = ("a1", "a2", "a3", "b/left", "b/right")
CLOCK = 1_700_000_000 * S
"""Receiver's ROS clock of all events that do not say otherwise."""
TOLERANCE, WINDOW, POINTS, DURATION, KEYS, LIFETIME = 50 * MS, 2 * S, 20, 30 * S, 3, 10 * S


def source(name: str, groups: tuple[str, ...], commands: set[CommandKind]) -> SourceSettings:
    return SourceSettings(
        name=name,
        kind=SourceKind.AGENT,
        priority=1,
        groups=groups,
        commands=frozenset(commands),
        period=10 * MS,
        playout_periods=1,
        rate_limit_hz=200.0,
        max_message_bytes=4096,
        max_trajectory_bytes=65536,
        max_trajectory_points=POINTS,
        max_trajectory_duration=DURATION,
        stamp_tolerance=TOLERANCE,
        trajectory_start_window=WINDOW,
        idempotency_keys=KEYS,
        idempotency_lifetime=LIFETIME,
        refusals=5,
        refusal_window=S,
        liveliness_lease=None,
    )


def configuration() -> Configuration:
    five = np.ones(5)
    return Configuration(
        robot=RobotSettings("r", "", "", "base", JOINTS, {"arm": (0, 1, 2), "grip": (3, 4)}, {}, ()),
        sources=(
            source("agent", ("arm", "grip"), set(CommandKind)),
            source("other", ("arm",), {CommandKind.POSITION}),
        ),
        envelope=EnvelopeSettings(JointLimits(-five, five, five, five, five), None, 0.25, 0.25),
        geometry=GeometrySettings({}, frozenset(), 0.0),
        zones=(),
        timing=TimingSettings(MS, MS, 3, *[MS] * 9),
        tracking=TrackingSettings(five, MS, 0.05, np.zeros_like(five), 0.001),
        operators=OperatorSettings(False),
        estop=EstopSettings("none"),
        outputs=(OutputSettings(OutputType.JOINT_STATE, "out", True, OnLoss.HOLD, None),),
        evidence=EvidenceSettings("log", False, 10**9),
        sha256="",
        path="",
    )


CONFIGURATION = configuration()
ARM = StreamCommand(
    at=0,
    source="agent",
    names=("a1", "a2", "a3"),
    positions=(0.1, 0.2, 0.3),
    velocities=(),
    efforts=0,
    stamp=0,
    clock=CLOCK,
    frame_id="",
    body="",
)


def stream(**changes: Any) -> StreamCommand:
    return StreamCommand(**({name: getattr(ARM, name) for name in ARM.__struct_fields__} | changes))


def rows(*values: tuple[float, ...]) -> bytes:
    return np.array(values, dtype="<f8").tobytes()


PATH: dict[str, Any] = {
    "at": 0,
    "source": "agent",
    "names": ("a3", "a1", "a2"),
    "times": (0, S, 2 * S),
    "positions": rows((0.3, 0.1, 0.2), (0.6, 0.4, 0.5), (0.9, 0.7, 0.8)),
    "position_counts": (3, 3, 3),
    "velocities": b"",
    "velocity_counts": (0, 0, 0),
    "accelerations": b"",
    "acceleration_counts": (0, 0, 0),
    "efforts": 0,
    "stamp": 0,
    "clock": CLOCK,
    "frame_id": "",
    "body": "",
}
FULL = {"velocities": PATH["positions"], "velocity_counts": (3, 3, 3)}


def trajectory(**changes: Any) -> TrajectoryCommand:
    return TrajectoryCommand(**(PATH | changes))


def refused(event: StreamCommand | TrajectoryCommand, intake: Intake | None = None) -> Code:
    intake = intake or Intake(CONFIGURATION)
    answer = intake.stream(event) if isinstance(event, StreamCommand) else intake.trajectory(event)
    assert isinstance(answer, Refused), answer
    return answer.violation.code


def taken(event: StreamCommand, intake: Intake | None = None) -> SetPoint:
    answer = (intake or Intake(CONFIGURATION)).stream(event)
    assert isinstance(answer, SetPoint), answer
    return answer


def points(event: TrajectoryCommand, intake: Intake | None = None) -> TrajectoryPoints:
    answer = (intake or Intake(CONFIGURATION)).trajectory(event)
    assert isinstance(answer, TrajectoryPoints), answer
    return answer


# --- names


@pytest.mark.redteam(3)
@pytest.mark.requirement("SR-024")
def test_joints_are_mapped_by_name_in_any_order() -> None:
    names = ("b/right", "a2", "a3", "b/left", "a1")
    answer = taken(stream(names=names, positions=(5.0, 2.0, 3.0, 4.0, 1.0)))
    assert answer.indices.tolist() == [0, 1, 2, 3, 4]
    assert answer.values.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert answer.groups == ("arm", "grip")
    assert answer.kind is CommandKind.POSITION


@pytest.mark.redteam(3)
def test_the_same_order_again_and_another_order_are_both_mapped() -> None:
    intake = Intake(CONFIGURATION)
    for names in (("a2", "a3", "a1"), ("a1", "a2", "a3"), ("a2", "a3", "a1"), ("a3", "a2", "a1")):
        positions = tuple(float(name[1]) for name in names)
        assert taken(stream(names=names, positions=positions), intake).values.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.redteam(3)
def test_trajectories_are_mapped_by_name_in_every_field() -> None:
    answer = points(trajectory(**FULL, accelerations=PATH["positions"], acceleration_counts=(3, 3, 3)))
    for block in (answer.positions, answer.velocities, answer.accelerations):
        assert block is not None
        assert block.tolist() == [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]]
    assert answer.indices.tolist() == [0, 1, 2]
    assert answer.times.tolist() == [0, S, 2 * S]
    assert answer.groups == ("arm",)


@pytest.mark.redteam(4)
@pytest.mark.requirement("SR-024")
@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("a1", "a2", "a2"), Code.DUPLICATE_JOINT),
        (("a1", "a2", "a4"), Code.UNKNOWN_JOINT),
        (("a1", "a2", "A3"), Code.UNKNOWN_JOINT),
        (("a1", "a2"), Code.MISSING_JOINT),
        (("a1", "a2", "a3", "b/left"), Code.MISSING_JOINT),
        (("b/left",), Code.MISSING_JOINT),
        (("a1",) * 4000, Code.DUPLICATE_JOINT),
    ],
)
def test_duplicate_unknown_and_missing_joints_are_refused(names: tuple[str, ...], code: Code) -> None:
    assert refused(stream(names=names, positions=(0.0,) * len(names))) is code
    count = len(names)
    block = rows(*[(0.0,) * count] * 3)
    assert refused(trajectory(names=names, positions=block, position_counts=(count,) * 3)) is code


def test_a_joint_of_another_sources_group_is_unknown() -> None:
    names = ("b/left", "b/right")
    assert refused(stream(source="other", names=names, positions=(0.0, 0.0))) is Code.UNKNOWN_JOINT
    assert taken(stream(names=names, positions=(0.5, 0.0))).indices.tolist() == [3, 4]


@pytest.mark.redteam(5)
@pytest.mark.requirement("SR-024")
@pytest.mark.parametrize(
    "name",
    [
        "а3",
        "a3\u200b",
        "\u202ea3",
        "a3\n",
        "a3\r\n",
        "a3\x00",
        " a3",
        "a3 ",
        "a3\u0301",
        "ａ3",
        "",
        "a" * 257,
        "a3;",
        "\ud800",
    ],
)
def test_names_that_deceive_are_refused_and_escaped(name: str) -> None:
    answer = Intake(CONFIGURATION).stream(stream(names=("a1", "a2", name)))
    assert isinstance(answer, Refused)
    assert answer.violation.code is Code.JOINT_NAME
    assert answer.violation.joint == ""
    assert answer.violation.detail.isascii()
    assert answer.violation.detail.isprintable()
    assert len(answer.violation.detail) < 1000
    assert refused(trajectory(names=("a1", "a2", name))) is Code.JOINT_NAME


def test_all_joints_of_overlapping_groups_are_covered_by_one_whole_group() -> None:
    robot = dataclasses.replace(CONFIGURATION.robot, groups={"all": (0, 1, 2, 3, 4), "arm": (0, 1, 2)})
    sources = (source("agent", ("all", "arm"), set(CommandKind)),)
    intake = Intake(dataclasses.replace(CONFIGURATION, robot=robot, sources=sources))
    assert taken(ARM, intake).groups == ("arm",)
    assert taken(stream(names=JOINTS, positions=(0.0,) * 5), intake).groups == ("all", "arm")
    assert refused(stream(names=JOINTS[:4], positions=(0.0,) * 4), intake) is Code.MISSING_JOINT


# --- values


@pytest.mark.redteam(1)
@pytest.mark.requirement("SR-024")
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, -1e308, 1.000001e6, 1e9])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("field", ["positions", "velocities"])
def test_what_is_not_a_number_of_a_robot_is_refused(value: float, place: int, field: str) -> None:
    values = [0.1, 0.2, 0.3]
    values[place] = value
    answer = Intake(CONFIGURATION).stream(stream(**{"positions": (), field: tuple(values)}))
    assert isinstance(answer, Refused)
    assert answer.violation.code is Code.NOT_FINITE
    assert answer.violation.joint == ARM.names[place]


def test_large_numbers_that_are_allowed_one_by_one_are_allowed_together() -> None:
    assert taken(stream(positions=(1e6, -1e6, 9e5))).values.tolist() == [1e6, -1e6, 9e5]


@pytest.mark.redteam(1)
@pytest.mark.redteam(26)
@pytest.mark.requirement("SR-024")
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, 1e9, -1e9])
@pytest.mark.parametrize("field", ["position", "velocity", "acceleration"])
@pytest.mark.parametrize("place", range(9))
def test_one_such_number_anywhere_refuses_a_trajectory(value: float, field: str, place: int) -> None:
    array = np.linspace(0.1, 0.9, 9).reshape(3, 3)
    good = array.tobytes()
    array.flat[place] = value
    fields = {"position": "positions", "velocity": "velocities", "acceleration": "accelerations"}
    changes = dict.fromkeys(fields.values(), good) | {f"{name}_counts": (3, 3, 3) for name in fields}
    changes[fields[field]] = array.tobytes()
    answer = Intake(CONFIGURATION).trajectory(trajectory(**changes))
    assert isinstance(answer, Refused)
    assert answer.violation.code is Code.NOT_FINITE
    assert answer.violation.joint == PATH["names"][place % 3]
    assert answer.violation.detail == f"point {place // 3}"


# --- shape and kind


@pytest.mark.redteam(2)
@pytest.mark.requirement("SR-024")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"names": (), "positions": ()}, Code.EMPTY),
        ({"names": ()}, Code.EMPTY),
        ({"positions": ()}, Code.EMPTY),
        ({"positions": (0.1, 0.2)}, Code.RAGGED),
        ({"positions": (0.1, 0.2, 0.3, 0.4)}, Code.RAGGED),
        ({"positions": (), "velocities": (0.1,)}, Code.RAGGED),
        ({"velocities": (0.1, 0.2, 0.3)}, Code.MIXED_COMMAND),
        ({"efforts": 3}, Code.EFFORT_COMMAND),
        ({"source": "other", "positions": (), "velocities": (0.1, 0.2, 0.3)}, Code.COMMAND_KIND),
        ({"source": "nobody"}, Code.UNKNOWN_SOURCE),
    ],
)
def test_set_points_of_a_wrong_shape_are_refused(changes: dict[str, Any], code: Code) -> None:
    assert refused(stream(**changes)) is code


def test_velocities_alone_are_a_velocity_command() -> None:
    answer = taken(stream(positions=(), velocities=(0.1, 0.2, 0.3)))
    assert answer.kind is CommandKind.VELOCITY
    assert answer.values.tolist() == [0.1, 0.2, 0.3]


@pytest.mark.redteam(2)
@pytest.mark.requirement("SR-024")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"names": ()}, Code.EMPTY),
        ({"times": ()}, Code.EMPTY),
        ({"times": (), "positions": b"", "position_counts": ()}, Code.EMPTY),
        ({"positions": b"", "position_counts": (0, 0, 0)}, Code.EMPTY),
        ({"positions": b"", "position_counts": (0, 0, 0), **FULL}, Code.EMPTY),
        ({"positions": PATH["positions"][:-1]}, Code.RAGGED),
        ({"positions": PATH["positions"] + b"\0"}, Code.RAGGED),
        ({"positions": b""}, Code.RAGGED),
        ({"position_counts": (3, 3)}, Code.RAGGED),
        ({"position_counts": (3, 3, 0)}, Code.RAGGED),
        ({"position_counts": (4, 3, 2)}, Code.RAGGED),
        ({"position_counts": (0, 0, 0)}, Code.RAGGED),
        ({"position_counts": (9,)}, Code.RAGGED),
        ({"velocity_counts": (3, 3, 3)}, Code.RAGGED),
        ({**FULL, "velocity_counts": (3, 0, 3)}, Code.RAGGED),
        ({"accelerations": PATH["positions"], "acceleration_counts": (3, 3, 3)}, Code.RAGGED),
        ({"efforts": 1}, Code.EFFORT_COMMAND),
        ({"source": "other"}, Code.COMMAND_KIND),
        ({"source": "nobody"}, Code.UNKNOWN_SOURCE),
    ],
)
def test_trajectories_of_a_wrong_shape_are_refused(changes: dict[str, Any], code: Code) -> None:
    assert refused(trajectory(**changes)) is code


# --- times


@pytest.mark.redteam(10)
@pytest.mark.parametrize(
    "times", [(-1, 0, S), (0, 0, S), (0, S, S), (0, 2 * S, S), (2 * S, S, 0), (-(2**80), 0, S), (0, 2**61, 5)]
)
def test_times_that_do_not_increase_are_refused(times: tuple[int, ...]) -> None:
    assert refused(trajectory(times=times)) is Code.TIME_ORDER


@pytest.mark.redteam(26)
@pytest.mark.parametrize("last", [DURATION + 1, 2**62, 2**63, 2**100])
def test_a_trajectory_that_lasts_too_long_is_refused(last: int) -> None:
    assert refused(trajectory(times=(0, S, last))) is Code.TOO_LONG


def test_a_trajectory_may_last_as_long_as_allowed() -> None:
    assert points(trajectory(times=(0, S, DURATION))).times[-1] == DURATION


@pytest.mark.redteam(26)
@pytest.mark.parametrize("count", [POINTS + 1, 100_000])
def test_too_many_points_are_refused_before_anything_else_is_read(count: int) -> None:
    event = trajectory(names=("\n",), times=tuple(range(count)), positions=b"?", position_counts=(1,) * count)
    assert refused(event) is Code.TOO_MANY_POINTS


# --- stamps


@pytest.mark.redteam(9)
@pytest.mark.requirement("SR-030")
@pytest.mark.parametrize(
    ("offset", "good"),
    [
        (0, True),
        (-TOLERANCE, True),
        (TOLERANCE, True),
        (-TOLERANCE - 1, False),
        (TOLERANCE + 1, False),
        (3600 * S, False),
        (-3600 * S, False),
        (-CLOCK - 1, False),
    ],
)
def test_a_set_points_stamp_is_near_its_receipt(offset: int, good: bool) -> None:
    event = stream(stamp=CLOCK + offset)
    if good:
        taken(event)
    else:
        assert refused(event) is Code.STAMP


@pytest.mark.redteam(9)
def test_stamp_0_is_now_whatever_the_clock_says() -> None:
    taken(stream(stamp=0, clock=CLOCK))
    assert points(trajectory(stamp=0, clock=CLOCK)).start_in == 0


@pytest.mark.redteam(9)
def test_a_negative_stamp_is_refused_also_near_the_zero_of_a_clock() -> None:
    assert refused(stream(stamp=-1, clock=0)) is Code.STAMP
    assert refused(trajectory(stamp=-1, clock=0)) is Code.STAMP


@pytest.mark.redteam(9)
@pytest.mark.parametrize(
    ("offset", "start_in"),
    [(0, 0), (1, 1), (WINDOW, WINDOW), (-TOLERANCE, 0), (WINDOW + 1, None), (-TOLERANCE - 1, None)],
)
def test_a_near_future_stamp_of_a_trajectory_is_a_scheduled_start(offset: int, start_in: int | None) -> None:
    event = trajectory(stamp=CLOCK + offset)
    if start_in is None:
        assert refused(event) is Code.STAMP
    else:
        assert points(event).start_in == start_in


@pytest.mark.requirement("SR-030")
def test_stamps_that_do_not_increase_are_refused() -> None:
    intake = Intake(CONFIGURATION)
    taken(stream(stamp=CLOCK), intake)
    assert refused(stream(stamp=CLOCK), intake) is Code.OUT_OF_ORDER
    assert refused(stream(stamp=CLOCK - 1), intake) is Code.OUT_OF_ORDER
    taken(stream(stamp=CLOCK + 1), intake)
    taken(stream(stamp=0), intake)
    assert refused(stream(stamp=CLOCK + 1), intake) is Code.OUT_OF_ORDER
    points(trajectory(stamp=CLOCK), intake)
    assert refused(trajectory(stamp=CLOCK), intake) is Code.OUT_OF_ORDER
    taken(stream(source="other", stamp=CLOCK), intake)


def test_where_the_clock_was_set_back_order_begins_anew() -> None:
    intake, back = Intake(CONFIGURATION), 60 * S
    taken(stream(stamp=CLOCK), intake)
    points(trajectory(stamp=CLOCK), intake)
    taken(stream(stamp=CLOCK - back, clock=CLOCK - back), intake)
    points(trajectory(stamp=CLOCK - back, clock=CLOCK - back), intake)
    assert refused(stream(stamp=CLOCK - back, clock=CLOCK - back + 1), intake) is Code.OUT_OF_ORDER
    assert refused(trajectory(stamp=CLOCK - back - 1, clock=CLOCK - back + 1), intake) is Code.OUT_OF_ORDER


def test_a_trajectory_that_was_scheduled_ahead_keeps_none_out_that_is_for_now() -> None:
    intake = Intake(CONFIGURATION)
    points(trajectory(stamp=CLOCK + WINDOW), intake)
    points(trajectory(stamp=CLOCK + 5, clock=CLOCK + 5), intake)
    assert refused(trajectory(stamp=CLOCK + 5, clock=CLOCK + 6), intake) is Code.OUT_OF_ORDER
    assert refused(trajectory(stamp=CLOCK + 4, clock=CLOCK + 6), intake) is Code.OUT_OF_ORDER


def test_a_refused_command_leaves_the_latest_stamp_alone() -> None:
    intake = Intake(CONFIGURATION)
    for bad in ({"positions": (math.nan, 0.0, 0.0)}, {"names": ("a1",)}, {"efforts": 1}, {"positions": (0.0,)}):
        refused(stream(stamp=CLOCK + 10, **bad), intake)
    refused(trajectory(stamp=CLOCK + 10, position_counts=(1, 2)), intake)
    taken(stream(stamp=CLOCK), intake)
    points(trajectory(stamp=CLOCK), intake)


# --- frame_id


@pytest.mark.parametrize(
    ("frame_id", "command"),
    [
        ("cid:x", "x"),
        ("cid:A-b_c.d:9;key:k", "A-b_c.d:9"),
        ("", "agent-1"),
        ("base_link", "agent-1"),
        ("/map", "agent-1"),
    ],
)
def test_a_correlation_id_is_read_or_made(frame_id: str, command: str) -> None:
    assert taken(stream(frame_id=frame_id)).command == command
    assert points(trajectory(frame_id=frame_id)).command == command


def test_made_ids_count_up() -> None:
    intake = Intake(CONFIGURATION)
    answers = [intake.stream(stream(positions=values)) for values in ((0.0, 0.0, 0.0), (), (1.0, 1.0, 1.0))]
    assert [answer.command for answer in answers] == ["agent-1", "agent-2", "agent-3"]


@pytest.mark.parametrize(
    "frame_id",
    ["cid:", "cid:x\n", "cid:x;key:", "cid:x;key", "cid:x;key:k;", "cid:é", "cid:" + "x" * 129, "cid: x", "base link"]
    + ["world\n", "a" * 257, "wörld", "\u200b", "cid:x;key:" + "k" * 129],
)
def test_a_malformed_frame_id_is_refused(frame_id: str) -> None:
    assert refused(stream(frame_id=frame_id)) is Code.FRAME_ID
    assert refused(trajectory(frame_id=frame_id)) is Code.FRAME_ID


# --- cancel


EMPTY = {"names": (), "times": (), "positions": b"", "position_counts": ()}
EMPTY |= {"velocity_counts": (), "acceleration_counts": ()}


def test_an_empty_trajectory_cancels_also_with_an_old_stamp_or_a_used_key() -> None:
    intake = Intake(CONFIGURATION)
    points(trajectory(frame_id="cid:a;key:k", body="x"), intake)
    assert intake.trajectory(trajectory(**EMPTY)) == Cancel("agent", "agent-1")
    assert intake.trajectory(trajectory(**EMPTY, stamp=5, frame_id="cid:b;key:k", body="y")) == Cancel("agent", "b")
    assert refused(trajectory(**EMPTY, source="other"), intake) is Code.COMMAND_KIND
    assert refused(trajectory(**EMPTY, frame_id="cid:"), intake) is Code.FRAME_ID


@pytest.mark.redteam(2)
@pytest.mark.parametrize("field", ["positions", "velocities", "accelerations"])
def test_values_without_joints_are_no_cancellation(field: str) -> None:
    assert refused(trajectory(**(EMPTY | {field: b"12345678"}))) is Code.EMPTY


# --- idempotency keys


@pytest.mark.redteam(13)
def test_the_same_key_and_body_get_the_first_result_and_no_second_motion() -> None:
    intake = Intake(CONFIGURATION)
    first = stream(frame_id="cid:a;key:k", body="x")
    taken(first, intake)
    intake.remember("agent", "a", "PASS", "")
    again = stream(at=5, frame_id="cid:b;key:k", body="x")
    assert intake.stream(again) == Repeat("agent", "b", Earlier("PASS", ""))
    assert intake.stream(again) == Repeat("agent", "b", Earlier("PASS", ""))


@pytest.mark.redteam(13)
def test_a_repeated_trajectory_waits_for_the_first_ones_result() -> None:
    intake = Intake(CONFIGURATION)
    event = trajectory(frame_id="cid:a;key:k", body="x", stamp=CLOCK)
    points(event, intake)
    assert intake.trajectory(event) == Repeat("agent", "a", Earlier("WAIT", "E_BUSY"))
    intake.remember("agent", "a", "REJECT", "E_WORKSPACE")
    intake.remember("nobody", "a", "PASS", "")
    assert intake.trajectory(event) == Repeat("agent", "a", Earlier("REJECT", "E_WORKSPACE"))


@pytest.mark.redteam(13)
def test_a_refusal_is_a_result_too() -> None:
    intake = Intake(CONFIGURATION)
    bad = stream(frame_id="cid:a;key:k", body="x", positions=(math.nan, 0.0, 0.0))
    assert refused(bad, intake) is Code.NOT_FINITE
    assert intake.stream(bad) == Repeat("agent", "a", Earlier("REJECT", "E_NOT_FINITE"))


@pytest.mark.redteam(13)
def test_a_refused_command_with_the_same_id_but_no_key_decides_nothing_of_another() -> None:
    intake = Intake(CONFIGURATION)
    event = trajectory(frame_id="cid:a;key:k", body="x")
    points(event, intake)
    refused(stream(frame_id="cid:a", efforts=1), intake)
    assert intake.trajectory(event) == Repeat("agent", "a", Earlier("WAIT", "E_BUSY"))


@pytest.mark.redteam(14)
def test_the_same_key_with_another_body_is_a_conflict() -> None:
    intake = Intake(CONFIGURATION)
    taken(stream(frame_id="cid:a;key:k", body="x"), intake)
    assert refused(stream(frame_id="cid:a;key:k", body="y"), intake) is Code.KEY_CONFLICT
    assert refused(trajectory(frame_id="cid:a;key:k", body="x"), intake) is Code.KEY_CONFLICT
    taken(stream(source="other", frame_id="cid:a;key:k", body="y"), intake)


@pytest.mark.redteam(15)
def test_a_flood_of_keys_is_refused_until_they_age_by_the_steady_clock() -> None:
    intake = Intake(CONFIGURATION)
    for number in range(KEYS):
        taken(stream(at=number, frame_id=f"cid:a;key:{number}"), intake)
    late = stream(at=LIFETIME - 1, clock=CLOCK + 10 * LIFETIME, frame_id="cid:a;key:new")
    assert refused(late, intake) is Code.KEYS_FULL
    taken(stream(at=LIFETIME - 1, frame_id="cid:a"), intake)
    taken(stream(at=LIFETIME, frame_id="cid:a;key:new"), intake)


# --- whatever comes


NAME = re.compile(rb"[A-Za-z0-9_./-]{1,256}")
floats = st.floats(allow_nan=True, allow_infinity=True)
small = st.floats(-10, 10)
names = st.one_of(
    st.permutations(JOINTS).map(tuple),
    st.permutations(JOINTS[:3]).map(tuple),
    st.lists(st.one_of(st.sampled_from(JOINTS), st.text(max_size=6)), max_size=7).map(tuple),
)
stamps = st.one_of(st.just(0), st.integers(CLOCK - 2 * S, CLOCK + 3 * S), st.integers(-(2**63), 2**63 - 1))
frame_ids = st.one_of(
    st.sampled_from(["", "cid:a", "cid:a;key:k", "cid:b;key:l", "world"]),
    st.text(max_size=8),
    st.text(max_size=8).map("cid:".__add__),
)
sources = st.sampled_from(["agent", "agent", "agent", "other", "nobody"])


@st.composite
def stream_events(draw: st.DrawFn) -> StreamCommand:
    joints = draw(names)
    row = st.lists(draw(st.sampled_from([small, floats])), min_size=len(joints), max_size=len(joints))
    values = st.one_of(st.just([]), row, row, st.lists(floats, max_size=7))
    return StreamCommand(
        at=draw(st.integers(0, 2**62)),
        source=draw(sources),
        names=joints,
        positions=tuple(draw(values)),
        velocities=tuple(draw(st.one_of(st.just([]), values))),
        efforts=draw(st.sampled_from([0, 0, 0, 1, -1])),
        stamp=draw(stamps),
        clock=draw(st.sampled_from([CLOCK, CLOCK, 0, 2**63 - 1])),
        frame_id=draw(frame_ids),
        body=draw(st.sampled_from(["", "x", "y"])),
    )


@st.composite
def trajectory_events(draw: st.DrawFn) -> TrajectoryCommand:
    joints = draw(names)
    count = draw(st.integers(0, 6))
    times = draw(
        st.one_of(
            st.just(tuple(range(0, count * S, S))),
            st.lists(st.integers(-5, 40 * S), max_size=6).map(tuple),
            st.lists(st.integers(-(2**70), 2**70), max_size=6).map(tuple),
            st.just(tuple(range(POINTS + 1))),
        )
    )

    def block() -> tuple[bytes, tuple[int, ...]]:
        shape = draw(st.sampled_from(["none", "good", "good", "huge", "wild"]))
        if shape == "none":
            return b"", (0,) * len(times)
        if shape == "wild":
            return draw(st.binary(max_size=90)), tuple(draw(st.lists(st.integers(-2, 2**40), max_size=7)))
        entries = len(times) * len(joints)
        one = draw(small if shape == "good" else floats)
        return rows((one,) * entries), (len(joints),) * len(times)

    blocks = [block(), block(), block()]
    return TrajectoryCommand(
        draw(st.integers(0, 2**62)),
        draw(sources),
        joints,
        times,
        *[part for pair in blocks for part in pair],
        draw(st.sampled_from([0, 0, 0, 2])),
        draw(stamps),
        draw(st.sampled_from([CLOCK, CLOCK, 0])),
        draw(frame_ids),
        draw(st.sampled_from(["", "x"])),
    )


@st.composite
def nearly_good(draw: st.DrawFn) -> StreamCommand | TrajectoryCommand:
    """A good command of random values, order and stamp, with up to one field taken from a wild one."""
    joints = draw(st.one_of(st.permutations(JOINTS), st.permutations(JOINTS[:3]), st.permutations(JOINTS[3:])))
    width, stamp = len(joints), draw(st.sampled_from([0, CLOCK - TOLERANCE, CLOCK, CLOCK + 1]))
    wide = st.floats(-1e6, 1e6)
    if draw(st.booleans()):
        values = tuple(draw(st.lists(wide, min_size=width, max_size=width)))
        positions, velocities = draw(st.sampled_from([(values, ()), ((), values)]))
        good: Any = stream(names=tuple(joints), positions=positions, velocities=velocities, stamp=stamp)
        wild: Any = draw(stream_events())
    else:
        count = draw(st.integers(1, 5))
        times = tuple(sorted(draw(st.sets(st.integers(0, DURATION), min_size=count, max_size=count))))
        fields = draw(st.sampled_from([1, 2, 3]))
        row = st.lists(wide, min_size=width * count, max_size=width * count).map(tuple)
        blocks = [rows(draw(row)) for _ in range(fields)] + [b""] * (3 - fields)
        counts = [(width,) * count] * fields + [(0,) * count] * (3 - fields)
        good = trajectory(
            names=tuple(joints),
            times=times,
            stamp=draw(st.sampled_from([stamp, CLOCK + WINDOW])),
            **dict(zip(("positions", "velocities", "accelerations"), blocks, strict=True)),
            **dict(zip(("position_counts", "velocity_counts", "acceleration_counts"), counts, strict=True)),
        )
        wild = draw(trajectory_events())
    changed = draw(st.sampled_from(["", *good.__struct_fields__]))
    return type(good)(**{name: getattr(wild if name == changed else good, name) for name in good.__struct_fields__})


def check_common(event: StreamCommand | TrajectoryCommand, groups: tuple[str, ...], indices: np.ndarray) -> None:
    own = {"agent": {"arm": [0, 1, 2], "grip": [3, 4]}, "other": {"arm": [0, 1, 2]}}[event.source]
    assert all(NAME.fullmatch(name.encode()) for name in event.names)
    assert sorted(event.names) == sorted(JOINTS[index] for index in indices)
    assert indices.tolist() == sorted(index for group in groups for index in own[group])
    assert event.efforts == 0
    assert event.frame_id.isascii()


def check_set_point(event: StreamCommand, answer: SetPoint) -> None:
    check_common(event, answer.groups, answer.indices)
    assert (len(event.positions) == 0) != (len(event.velocities) == 0)
    given_values = dict(zip(event.names, event.positions or event.velocities, strict=True))
    assert answer.kind is (CommandKind.POSITION if event.positions else CommandKind.VELOCITY)
    assert answer.kind is CommandKind.POSITION or event.source == "agent"
    assert answer.values.tolist() == [given_values[JOINTS[index]] for index in answer.indices]
    assert all(math.isfinite(value) and abs(value) <= 1e6 for value in given_values.values())
    assert event.stamp == 0 or (event.stamp > 0 and abs(event.stamp - event.clock) <= TOLERANCE)


def check_points(event: TrajectoryCommand, answer: TrajectoryPoints) -> None:
    check_common(event, answer.groups, answer.indices)
    assert event.source == "agent"
    assert answer.times.tolist() == list(event.times) == sorted(set(event.times))
    assert 0 <= event.times[0] <= event.times[-1] <= DURATION
    assert 1 <= len(event.times) <= POINTS
    width = len(event.names)
    for data, block in (
        (event.positions, answer.positions),
        (event.velocities, answer.velocities),
        (event.accelerations, answer.accelerations),
    ):
        assert (block is None) == (data == b"")
        if block is None:
            continue
        assert len(data) == 8 * width * len(event.times)
        for row in range(len(event.times)):
            for column, index in enumerate(answer.indices):
                place = event.names.index(JOINTS[index])
                value = np.frombuffer(data, "<f8", 1, 8 * (row * width + place))[0]
                assert block[row, column] == value
                assert abs(value) <= 1e6
    assert answer.positions is not None
    assert answer.accelerations is None or answer.velocities is not None
    ahead = event.stamp - event.clock if event.stamp else 0
    assert -TOLERANCE <= ahead <= WINDOW
    assert answer.start_in == max(0, ahead)


def judge(intake: Intake, event: StreamCommand | TrajectoryCommand) -> object:
    if isinstance(event, StreamCommand):
        answer = intake.stream(event)
        if isinstance(answer, SetPoint):
            check_set_point(event, answer)
    else:
        answer = intake.trajectory(event)
        if isinstance(answer, TrajectoryPoints):
            check_points(event, answer)
        elif isinstance(answer, Cancel):
            assert (event.names, event.times, event.positions) == ((), (), b"")
    assert isinstance(answer, (SetPoint, TrajectoryPoints, Cancel, Repeat, Refused))
    return answer


@pytest.mark.requirement("SR-024")
@pytest.mark.requirement("SR-044")
@settings(max_examples=300, deadline=None)
@given(events=st.lists(st.one_of(nearly_good(), stream_events(), trajectory_events()), min_size=1, max_size=4))
@example(events=[ARM, trajectory(), trajectory(**FULL), trajectory(stamp=CLOCK + S), trajectory(**EMPTY)])
def test_whatever_comes_is_answered_the_same_way_twice_and_what_is_taken_obeys_the_rules(
    events: list[StreamCommand | TrajectoryCommand],
) -> None:
    first, second = Intake(CONFIGURATION), Intake(CONFIGURATION)
    for event in events:
        assert repr(judge(first, event)) == repr(judge(second, event))


@pytest.mark.requirement("SR-024")
@settings(max_examples=150, deadline=None)
@given(
    event=st.one_of(nearly_good().filter(lambda event: isinstance(event, TrajectoryCommand)), trajectory_events()),
    cut=st.integers(0, 200),
)
def test_bytes_cut_anywhere_are_answered(event: TrajectoryCommand, cut: int) -> None:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    for name in ("positions", "velocities", "accelerations"):
        judge(Intake(CONFIGURATION), TrajectoryCommand(**(fields | {name: fields[name][:cut]})))
