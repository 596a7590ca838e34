"""What the robot carries: who may change it, what a change is verified by, and that everything judges by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from crowd import REDUCED, SEPARATION, Perception, standing
from rig import HOME, MS, Rig, upright
from two_tools import write_humanoid_with_tools, write_two_tools

from safety_supervisor.config import load_config
from safety_supervisor.core.act_events import TokenRefused, ToolChange
from safety_supervisor.core.effects import Decision, Reply
from safety_supervisor.core.events import AdapterFault, Event, SourceEndpoints
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import RESERVE, Scene
from safety_supervisor.core.geometry.shapes import Capsule
from safety_supervisor.core.settings import Configuration, LimitingSettings, ToolSettings, ZoneKind
from safety_supervisor.core.supervisor import Supervisor

Rigs = Callable[..., Rig]
ROD = "gripper_with_rod"
LOW = HOME.copy()
LOW[1] = -0.06
"""The rod would be in the table; nothing else is near anything."""
NEAR = HOME.copy()
NEAR[1] = -0.19
"""The rod is clear of the table by some millimetres."""
SLOW = 3.0
"""[s]"""


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    return load_config(write_two_tools(tmp_path_factory.mktemp("tools"), own=(ROD,)))


@pytest.fixture(scope="module")
def humanoid(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    return load_config(write_humanoid_with_tools(tmp_path_factory.mktemp("tools"), own=(ROD,)))


@pytest.fixture(params=["cell", "humanoid"])
def tool_rigs(request: pytest.FixtureRequest, panda_rigs: Rigs) -> Rigs:
    """Make rigs of a Panda, and of a G1, that may carry both tools: for what hangs on no place in a cell."""
    configuration: Configuration = request.getfixturevalue(request.param)
    return lambda: panda_rigs(configuration, np.array(configuration.robot.start))


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    return load_config(write_two_tools(tmp_path_factory.mktemp("tools"), mounted="gripper", own=(ROD, "gripper")))


def go(rig: Rig, goal: Any, duration: float = SLOW) -> Decision:
    """Send a trajectory in AUTO, play it to its end, and return the first decision on it."""
    rig.clear()
    rest = np.zeros((1, len(goal)))
    rig.trajectory([duration], np.array(goal)[None, :], rest, rest)
    rig.seconds(duration + 1.0)
    return rig.decisions()[0]


def sweep(rig: Rig, begin: Any, end: Any, duration: float) -> None:
    """Stream a smooth way at 100 Hz, and a second of its end, until something is refused."""
    began = due = rig.now

    def send(_: int) -> None:
        nonlocal due
        if rig.now >= due and not rig.decisions("REJECT") and not rig.decisions("STOP"):
            share = min(1.0, (due - began) / (duration * 1e9))
            rig.stream(begin + (end - begin) * (share - np.sin(2.0 * np.pi * share) / (2.0 * np.pi)))
            due += 10 * MS

    rig.seconds(duration + 1.0, send)


def sag(rig: Rig, by: float) -> None:
    """Let joint 2 be measured lower and lower, [rad]."""

    def more(_: int) -> None:
        rig.offset[1] += 0.0005

    rig.cycle(round(by / 0.0005), more)


def change(rig: Rig, tool: str, source: str = "planner") -> Decision:
    effects = rig.send(ToolChange(rig.now, source, tool))
    return next(effect for effect in effects if isinstance(effect, Decision))


def told(rig: Rig) -> tuple[str, float]:
    rig.seconds(0.2)
    return rig.status.tool, rig.status.tool_mass


@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-027")
def test_with_a_tool_more_is_refused_and_without_it_no_more(panda_rigs: Rigs, cell: Configuration) -> None:
    rig = panda_rigs(cell).auto()
    assert go(rig, LOW).verdict == "PASS"
    assert go(rig, HOME).verdict == "PASS"
    epoch = rig.status.epoch
    assert rig.act("tool", ROD).ok
    assert told(rig) == (ROD, 0.6)
    assert rig.status.epoch == epoch + 1, "acts are bound to what the robot carries"
    refused = go(rig, LOW)
    assert (refused.verdict, refused.code, refused.rule, refused.joint) == (
        "REJECT", "E_WORKSPACE", "zones.table", "panda_hand",
    )  # fmt: skip
    assert refused.tool == ROD
    assert refused.pose
    assert refused.value < refused.limit
    folded = HOME.copy()
    folded[5] = 1.0
    inward = go(rig, folded)
    assert (inward.code, inward.rule, inward.joint) == (
        "E_SELF_COLLISION", f"tools.{ROD}", "panda_link1 and panda_hand",
    ), inward  # fmt: skip
    assert rig.act("tool", "").ok
    assert told(rig) == ("", 0.0)
    assert go(rig, folded).verdict == "PASS"
    assert go(rig, HOME).verdict == "PASS"
    assert go(rig, LOW).verdict == "PASS"


@pytest.mark.requirement("SR-026")
def test_a_streamed_step_is_judged_with_the_tool(panda_rigs: Rigs, cell: Configuration) -> None:
    codes = {}
    for tool in ("", ROD):
        rig = panda_rigs(cell, NEAR).auto()
        assert rig.act("tool", tool).ok
        rig.clear()
        sweep(rig, NEAR, LOW, 1.0)
        found = [d for d in rig.decisions() if d.code == "E_WORKSPACE"]
        codes[tool] = (found[0].joint, found[0].tool) if found else None
    assert codes == {"": None, ROD: ("panda_hand", ROD)}


def test_where_it_would_touch_it_is_refused_and_nothing_changes(panda_rigs: Rigs, cell: Configuration) -> None:
    rig = panda_rigs(cell, LOW).auto()
    epoch = rig.status.epoch
    reply = rig.act("tool", ROD)
    assert (reply.ok, reply.code) == (False, "E_TOOL")
    assert reply.message.startswith("panda_hand - zones.table: 0.0026 m, needed 0.0219 m")
    assert reply.message.endswith(f"with the tool {ROD}, at the commanded pose")
    assert told(rig) == ("", 0.0)
    assert rig.status.epoch == epoch
    decision = change(rig, ROD)
    assert (decision.verdict, decision.code, decision.rule, decision.tool) == ("REJECT", "E_TOOL", "zones.table", ROD)
    scene = rig.supervisor._verifier.outfits[ROD].scene
    rooms = scene.distances(LOW) - scene.margins
    assert decision.value == pytest.approx(scene.distances(LOW)[rooms.argmin()])
    assert decision.limit == scene.margins[rooms.argmin()] + RESERVE
    assert np.allclose(decision.pose, LOW)
    assert rig.supervisor.tool == ""
    assert rig.act("tool", "gripper").ok, "the short one is clear there"
    assert go(rig, HOME).verdict == "PASS"


def test_what_is_put_down_is_put_down_wherever_the_robot_stands(panda_rigs: Rigs, cell: Configuration) -> None:
    """A robot that was limited down to the edge of a margin is a hair nearer than a motion may begin with."""
    wall = upright("wall", ZoneKind.KEEP_OUT, (-0.9, 0.3, 0.0), (0.9, 0.9, 1.2), margin=0.01)
    limited = replace(cell, zones=(*cell.zones, wall), limiting=LimitingSettings(("planner",), 500 * MS))
    rig = panda_rigs(limited).auto()
    assert change(rig, ROD).verdict == "PASS"
    aside = HOME.copy()
    aside[0] += 0.8
    sweep(rig, HOME, aside, 2.0)
    rig.until("AUTO/HOLDING")
    rig.seconds(0.5)
    scene = rig.supervisor._verifier.outfits[""].scene
    assert 0.0 < (scene.distances(rig.output) - scene.margins).min() < RESERVE, "the links themselves, too"
    assert rig.act("tool", "gripper").code == "E_TOOL"
    assert change(rig, "").verdict == "PASS"
    assert told(rig) == ("", 0.0)
    rig.seconds(1.0)
    assert change(rig, ROD).code == "E_TOOL"
    assert go(rig, HOME).verdict == "PASS"


def test_what_is_carried_already_changes_nothing(tool_rigs: Rigs) -> None:
    """A source that repeats itself makes no act of a person old."""
    rig = tool_rigs().auto()
    assert change(rig, ROD).verdict == "PASS"
    rig.seconds(0.2)
    epoch = rig.status.epoch
    for _ in range(20):
        assert change(rig, ROD).verdict == "PASS"
    assert rig.act("tool", ROD).ok
    rig.seconds(0.2)
    assert rig.status.epoch == epoch
    assert rig.act("mode", "", epoch).ok


def test_the_measured_pose_counts_like_the_commanded_one(panda_rigs: Rigs, cell: Configuration) -> None:
    rig = panda_rigs(cell, NEAR).auto()

    sag(rig, 0.049)
    rig.seconds(0.5)
    assert rig.state == "AUTO/HOLDING"
    reply = rig.act("tool", ROD)
    assert reply.code == "E_TOOL"
    assert reply.message.endswith("at the measured pose")
    assert rig.supervisor.tool == ""


@pytest.mark.requirement("SR-028")
def test_a_measured_tool_that_touches_is_a_stop(panda_rigs: Rigs, cell: Configuration) -> None:
    zones = tuple(replace(zone, margin=0.0) for zone in cell.zones)
    near, causes = NEAR.copy(), {}
    near[1] = -0.13
    for tool in ("", ROD):
        rig = panda_rigs(replace(cell, zones=zones), near).auto()
        assert rig.act("tool", tool).ok
        sag(rig, 0.14)
        causes[tool] = rig.status.cause
    assert causes == {"": "", ROD: "E_MEASURED_WORKSPACE"}


def test_only_where_nothing_moves(tool_rigs: Rigs) -> None:
    rig = tool_rigs()
    rig.cycle(2)
    assert rig.act("tool", "gripper").code == "E_ACT_STATE", "INIT"
    rig.auto().move()
    assert rig.act("tool", "gripper").code == "E_ACT_STATE"
    assert change(rig, ROD).code == "E_ACT_STATE"
    rig.until("AUTO/HOLDING", 5.0)
    measured = rig.robot.copy()
    rig.follow = False  # the drive creeps on, below every bound
    for step in range(20):
        rig.robot = measured + 0.001 * step
        rig.cycle()
    assert rig.state == "AUTO/HOLDING"
    assert rig.act("tool", "gripper").code == "E_ACT_STANDSTILL"
    assert change(rig, ROD).code == "E_ACT_STANDSTILL"
    assert rig.supervisor.tool == ""


def test_a_stop_that_still_runs_is_motion(tool_rigs: Rigs) -> None:
    rig = tool_rigs().auto().move()
    rig.trajectory([], rig.rest[:0])  # cancelled
    rig.cycle()
    assert not rig.supervisor._motion.at_rest
    assert not rig.act("tool", "gripper").ok
    assert rig.supervisor.tool == ""


def test_people_may_in_locked_ready_and_holding(tool_rigs: Rigs) -> None:
    rig = tool_rigs().lock()
    assert rig.act("tool", "gripper").ok
    assert change(rig, ROD).code == "E_NOT_MOVING_STATE", "a source may not"
    assert rig.act("reset").ok
    epoch = rig.status.epoch
    assert rig.act("tool", ROD).ok
    assert rig.act("start", "auto", epoch).code == "E_ACT_EPOCH"
    assert rig.act("start", "auto").ok
    assert rig.act("tool", "").ok
    assert rig.act("tool", "hammer").code == "E_TOOL_UNKNOWN"
    rig.seconds(0.2)
    assert [d.detail for d in rig.decisions("PASS")] == [
        "tool: none", "tool: gripper, 0.4 kg", f"tool: {ROD}, 0.6 kg", "tool: none",
    ]  # fmt: skip


def test_while_a_trajectory_is_verified_the_tool_stays(panda_rigs: Rigs, cell: Configuration) -> None:
    rig = panda_rigs(cell).auto()
    rest = np.zeros((1, 7))
    rig.trajectory([SLOW], LOW[None, :], rest, rest)
    assert rig.act("tool", ROD).code == "E_TOOL_BUSY"
    assert change(rig, ROD).code == "E_TOOL_BUSY"
    assert rig.supervisor.tool == ""
    rig.clear()
    rig.seconds(SLOW + 1.0)
    assert [d.code for d in rig.decisions()] == ["", "E_ENDED"]
    assert rig.act("tool", "gripper").ok


def test_a_source_takes_and_puts_down_what_it_may(
    panda_rigs: Rigs, cell: Configuration, mounted: Configuration
) -> None:
    rig = panda_rigs(cell).auto()
    assert change(rig, ROD).verdict == "PASS"
    assert told(rig) == (ROD, 0.6)
    assert go(rig, LOW).code == "E_WORKSPACE"
    assert change(rig, "").verdict == "PASS"
    assert told(rig) == ("", 0.0)
    assert change(rig, "gripper").code == "E_TOOL_SOURCE"
    assert change(rig, ROD, "joystick").code == "E_TOOL_SOURCE"
    assert change(rig, ROD, "nobody").code == "E_UNKNOWN_SOURCE"
    assert rig.act("tool", "gripper").ok
    assert change(rig, ROD).code == "E_TOOL_SOURCE", "what a person mounted is no source's to take off"
    assert change(rig, "").code == "E_TOOL_SOURCE"
    assert rig.supervisor.tool == "gripper"
    rig.send(SourceEndpoints(rig.now, "planner", 2))
    assert change(rig, "").code in ("E_SOURCE_ENDPOINTS", "E_NOT_MOVING_STATE")
    both = panda_rigs(mounted).auto()
    assert change(both, ROD).verdict == "PASS"
    both.seconds(1.0)
    assert change(both, "gripper").verdict == "PASS"


def test_a_source_that_asks_in_vain_too_often_is_stopped(tool_rigs: Rigs) -> None:
    rig = tool_rigs().auto()
    for _ in range(60):
        change(rig, "gripper")
    assert "E_REFUSALS" in rig.status.cause


def test_after_a_fault_the_tool_is_that_of_a_start(panda_rigs: Rigs, mounted: Configuration) -> None:
    rig = panda_rigs(mounted)
    assert [(d.source, d.detail) for d in rig.decisions("PASS")] == [("robot.tool", "tool: gripper, 0.4 kg")]
    rig.auto()
    assert rig.act("tool", "").ok
    rig.send(AdapterFault(rig.now, "E_INTERNAL", "a test"))
    rig.until("FAULT")
    assert rig.supervisor.tool == ""
    assert rig.act("maintainer").ok
    assert rig.supervisor.tool == "gripper"
    rig.lock()
    assert rig.supervisor._inputs.measured.workspace._main.scene is rig.supervisor._verifier.outfits["gripper"].scene


def test_points_of_the_tool_are_no_faster_than_allowed(panda_rigs: Rigs, cell: Configuration) -> None:
    slow = replace(cell, envelope=replace(cell.envelope, frame_speed=0.6))
    rig = panda_rigs(slow).auto()
    turned = HOME.copy()
    turned[5] += 0.8
    assert go(rig, turned, 1.0).verdict == "PASS"
    assert go(rig, HOME, 1.0).verdict == "PASS"
    assert rig.act("tool", ROD).ok
    assert go(rig, turned, 1.0).code == "E_FRAME_SPEED"
    assert go(rig, turned, 3.0).verdict == "PASS"


def test_speed_zones_see_the_tool(panda_rigs: Rigs, cell: Configuration) -> None:
    slow = upright("slow", ZoneKind.SPEED, (0.2, -0.6, 0.0), (0.8, 0.6, 0.3), frame_speed=0.1)
    rig = panda_rigs(replace(cell, zones=(*cell.zones, slow))).auto()
    turned = HOME.copy()
    turned[0] += 0.8
    assert go(rig, turned, 2.0).verdict == "PASS"
    assert go(rig, HOME, 2.0).verdict == "PASS"
    assert rig.act("tool", ROD).ok
    refused = go(rig, turned, 2.0)
    assert (refused.code, refused.rule) == ("E_FRAME_SPEED", "zones.slow")


@pytest.mark.requirement("SR-033")
def test_people_are_kept_from_the_tool(panda_rigs: Rigs, cell: Configuration) -> None:
    envelope = replace(cell.envelope, reduced=REDUCED)
    watched = replace(cell, zones=(), envelope=envelope, separation=SEPARATION)
    causes = {}
    for tool in ("", ROD):
        rig = panda_rigs(watched)
        Perception(rig, standing((0.85, 0.0, -0.1))).auto()
        assert rig.act("tool", tool).ok
        check = rig.supervisor._verifier.separation
        assert check is not None
        assert not (tool and check._sent), "set-points that were proven with another tool are forgotten"
        rig.seconds(0.1)
        causes[tool] = rig.status.cause
    assert causes == {"": "", ROD: "E_SEPARATION"}


def test_limited_streams_slow_down_before_the_tool_is_near(panda_rigs: Rigs, cell: Configuration) -> None:
    limited = replace(cell, limiting=LimitingSettings(("planner",), 500 * MS))
    rig = panda_rigs(limited).auto()
    assert rig.act("tool", ROD).ok
    rig.clear()
    assert rig.supervisor._motion._limiter._double.scene is rig.supervisor._verifier.scene
    sweep(rig, HOME, LOW, 2.0)
    assert {d.code for d in rig.decisions("LIMIT")} == {"E_WORKSPACE"}
    scene = rig.supervisor._verifier.outfits[ROD].scene
    assert all((scene.distances(np.array(q)) >= scene.margins).all() for q in rig.outputs[::20])


def test_who_asks_by_a_token_is_told_the_ruling_and_its_id_is_told_with_it(
    panda_rigs: Rigs, cell: Configuration
) -> None:
    rig = panda_rigs(cell, LOW).auto()
    replies, decisions = [], []
    for tool, jti in ((ROD, "token-0001"), ("gripper", "token-0002"), ("", "token-0003")):
        effects = rig.send(ToolChange(rig.now, "planner", tool, f"token-{jti}", jti, "me", "a reason"))
        replies += [effect for effect in effects if isinstance(effect, Reply)]
        decisions += [effect for effect in effects if isinstance(effect, Decision)]
    assert [(reply.request, reply.ok, reply.code) for reply in replies] == [
        ("token-token-0001", False, "E_TOOL"),
        ("token-token-0002", False, "E_TOOL_SOURCE"),
        ("token-token-0003", True, ""),
    ]
    assert "zones.table" in replies[0].message
    assert replies[2].message == "tool: none"
    assert [decision.command for decision in decisions] == [f"tool/token-000{number}" for number in (1, 2, 3)]
    assert not [e for e in rig.send(ToolChange(rig.now, "planner", "")) if isinstance(e, Reply)], "nobody waits"


def test_a_source_changes_its_tool_once_a_second(tool_rigs: Rigs) -> None:
    rig = tool_rigs().auto()
    assert change(rig, ROD).verdict == "PASS"
    rig.seconds(0.5)
    refused = change(rig, "")
    assert (refused.code, refused.limit) == ("E_TOOL_RATE", 1.0)
    assert refused.value == pytest.approx(0.5, abs=0.02)
    assert change(rig, ROD).verdict == "PASS", "what counts already is no change"
    assert rig.act("tool", "").ok, "a person is not held up"
    assert rig.act("tool", ROD).ok
    rig.seconds(0.5)
    assert change(rig, "").verdict == "PASS", "what was refused counts for nothing"


def test_refused_tokens_are_told_and_hold_up_nobody(tool_rigs: Rigs) -> None:
    """Anyone can send them: they stop nothing, quarantine nobody, and are no refused command of a source."""
    rig = tool_rigs().auto().move()
    rig.clear()
    for source in ("", "planner", "nobody"):
        for _ in range(100):
            rig.send(TokenRefused(rig.now, source, "E_TOKEN_SIGNATURE", 0.0, 0.0, "a detail", 1000))
    rig.seconds(0.2)
    told = [d for d in rig.decisions("REJECT") if d.code == "E_TOKEN_SIGNATURE"]
    assert {d.source for d in told} == {"agent_sessions", "planner", "nobody"}
    assert sum(d.count for d in told) == 300_000
    assert rig.state == "AUTO/MOVING"
    assert not rig.decisions("STOP")
    assert rig.supervisor._commands.standing("planner") is None


def test_the_same_events_give_the_same_effects(panda_rigs: Rigs, cell: Configuration) -> None:
    rig = panda_rigs(cell).auto()
    change(rig, ROD)
    rig.send(ToolChange(rig.now, "planner", "gripper", "token-1", "token-0001", "me", "a reason"))
    rig.send(TokenRefused(rig.now, "", "E_TOKEN_FORM", 0.0, 0.0, "a detail", 3))
    go(rig, LOW)
    rig.move(0.3)
    change(rig, "")
    rig.seconds(3.0)
    rig.act("tool", "gripper")
    go(rig, LOW)
    encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Event)
    again = Supervisor(cell)
    effects = [effect for event in rig.events for effect in again.handle(decoder.decode(encoder.encode(event)))]
    assert encoder.encode(effects) == encoder.encode(rig.history)
    assert {type(event) for event in rig.events} >= {ToolChange, TokenRefused}


def test_a_tool_is_kept_from_its_links_neighbour_and_from_what_the_link_may_touch(cell: Configuration) -> None:
    tool = ToolSettings(
        "long", "panda_link7", (Capsule((0.0, 0.0, 0.1), (0.3, 0.0, -0.2), 0.02),), frozenset(), 1.0, (0.0, 0.0, 0.0)
    )
    geometry = replace(cell.geometry, tool=tool, left_out=frozenset([frozenset(("panda_link7", "panda_link5"))]))
    model = RobotModel(cell.robot, geometry.bodies)
    links = {pair.links[0] for pair in Scene(model, geometry, (), every_pair=True).pairs if pair.rule == "tools.long"}
    assert {"panda_link6", "panda_link5", "panda_link0"} <= links
    assert not {"panda_link7", "panda_hand", "panda_leftfinger"} & links, "they move with it"
    fewer = replace(geometry, tool=replace(tool, left_out=frozenset({"panda_link6"})))
    assert {p.links[0] for p in Scene(model, fewer, (), every_pair=True).pairs if p.rule == "tools.long"} == links - {
        "panda_link6"
    }


def test_without_tools_there_is_nothing_to_change(panda_rigs: Rigs) -> None:
    rig = panda_rigs().auto()
    assert rig.act("tool", "gripper").code == "E_TOOL_UNKNOWN"
    assert (rig.status.tool, rig.status.tool_mass) == ("", 0.0)
    assert not [d for d in rig.decisions() if d.source == "robot.tool"]
