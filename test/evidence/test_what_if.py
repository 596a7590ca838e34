"""What other limits would have said to a recorded boot, and what nobody can tell of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from replayed_boot import CONFIGURATION, record
from typer.testing import CliRunner

from safety_supervisor import load_config
from safety_supervisor.core.act_events import OperatorAct
from safety_supervisor.core.effects import InterventionAsked, PolicyQuestion
from safety_supervisor.core.events import PolicyAnswer
from safety_supervisor.evidence import event_log
from safety_supervisor.evidence.cli import app
from safety_supervisor.evidence.event_log import EventLog
from safety_supervisor.evidence.what_if import told
from safety_supervisor.evidence.what_if.compare import compare
from safety_supervisor.evidence.what_if.translate import Translator
from safety_supervisor.tokens.key_file import public_text, write_new_key

pytestmark = [pytest.mark.requirement("SR-044")]
Change = Callable[[dict[str, Any]], None]


def other(place: Path, change: Change, source: Path = CONFIGURATION) -> Path:
    keys = yaml.safe_load(source.read_text(encoding="utf-8"))
    change(keys)
    path = place / "other.yaml"
    path.write_text(yaml.safe_dump(keys, sort_keys=False), encoding="utf-8")
    return path


def slower(keys: dict[str, Any]) -> None:
    keys["envelope"]["joints"]["panda_joint1"]["velocity"] = 0.05


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(load_config(CONFIGURATION), tmp_path_factory.mktemp("what_if"), smooth=True)


def ask(log: Path, config: Path, *more: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["replay", str(log), "--config", str(config), "--json", *more])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_same_limits_in_another_file_decide_and_move_the_same(recorded: Path, tmp_path: Path) -> None:
    found = ask(recorded, other(tmp_path, lambda keys: None))
    assert found["recorded_came_out_again"] is True
    assert found["before"]["configuration"] != found["after"]["configuration"], "another file, another hash"
    assert (found["differences"], found["differences_in_all"], found["set_points_differ_from"]) == ([], 0, None)
    assert all(row["before"] == row["after"] for row in found["codes"])
    assert {row["code"]: row["before"] for row in found["codes"]}["E_NOT_FINITE"] == 1
    assert found["before"]["seconds_in_state"] == found["after"]["seconds_in_state"]


def test_a_lower_limit_is_passed_when_the_recorded_motion_passes_it(recorded: Path, tmp_path: Path) -> None:
    found = ask(recorded, other(tmp_path, slower))
    # The stream is 0.05 (1 - cos 2t) from cycle 140 on: 0.1 sin 2t is 0.05 rad/s after 0.26 s, a period is 4 ms.
    crossed = 140 * 0.004 + math.asin(0.5) / 2
    first = found["differences"][0]
    assert crossed < first["since"] < crossed + 0.06
    assert first["certain"] is True
    assert first["before"] is None
    assert (first["source"], first["after"]["verdict"], first["after"]["code"]) == (
        "planner", "REJECT", "E_VELOCITY_LIMIT",
    )  # fmt: skip
    assert (first["after"]["joint"], first["after"]["limit"]) == ("panda_joint1", 0.05)
    assert 0.05 < first["after"]["value"] < 0.07
    # From there on the robot would have moved otherwise, and each later word is marked so.
    assert first["since"] <= found["set_points_differ_from"] < first["since"] + 0.05
    late = [one for one in found["differences"] if one["since"] > found["set_points_differ_from"]]
    assert late
    assert not any(one["certain"] for one in late)
    assert found["certain"] < found["differences_in_all"]
    assert any("would have gone on otherwise" in sentence for sentence in found["cannot_tell"])


def test_an_ideal_robot_follows_the_other_limits_and_no_tracking_error_comes_of_them(
    recorded: Path, tmp_path: Path
) -> None:
    def tight(keys: dict[str, Any]) -> None:
        slower(keys)
        keys["tracking"]["bound"] = 0.02

    config = other(tmp_path, tight)
    open_loop, ideal = ask(recorded, config), ask(recorded, config, "--ideal")
    codes = [{row["code"]: row["after"] for row in found["codes"]} for found in (open_loop, ideal)]
    states = [set(found["after"]["seconds_in_state"]) for found in (open_loop, ideal)]
    assert "FAULT" in states[0], "measured where the recorded limits moved it"
    assert "FAULT" not in states[1], codes[1]
    assert open_loop["differences"][0] == ideal["differences"][0]
    assert "ideal one" in ideal["cannot_tell"][0]


def test_what_people_signed_for_the_recorded_configuration_is_said_to_the_other_one(tmp_path: Path) -> None:
    def staffed(keys: dict[str, Any]) -> None:
        key = public_text(write_new_key(tmp_path / "ada.key"))
        keys["operators"]["people"] = {"ada": {"role": "technician", "public_key": key}}

    file = other(tmp_path, staffed)
    configuration = load_config(file)
    log = record(
        configuration,
        tmp_path / "log",
        lambda act, epoch: msgspec.structs.replace(
            act, person="ada", role="technician", jti=act.request, epoch=epoch, config_sha256=configuration.sha256
        ),
        smooth=True,
    )
    (tmp_path / "second").mkdir()
    found = ask(log, other(tmp_path / "second", slower, file))
    assert found["before"]["seconds_in_state"]["AUTO/MOVING"] > 0.5, "the acts counted"
    assert found["after"]["seconds_in_state"]["AUTO/MOVING"] > 0.2
    assert found["differences"][0]["after"]["code"] == "E_VELOCITY_LIMIT"


def test_requests_and_questions_are_named_as_the_other_one_names_them() -> None:
    first, second = load_config(CONFIGURATION), load_config(CONFIGURATION)
    translator = Translator(first, second)

    def asked(name: str, text: str) -> InterventionAsked:
        return InterventionAsked(
            1, name, "planner", "c1", "press", 1, 9, "{}", text, 3, first.sha256, "", (), 0.0, 0.0, ""
        )

    translator.learn(
        [asked("w1", "aa"), asked("w2", "bb"), PolicyQuestion(1, 5, '{"x":1}'), PolicyQuestion(1, 6, '{"x":2}')],
        [asked("w7", "aa"), PolicyQuestion(1, 9, '{"x":1}')],
    )
    act = OperatorAct(2, "approve", "ada", "w1", -1, "r")
    said = translator.say(act)
    assert isinstance(said, OperatorAct)
    assert (said.target, said.epoch) == ("w7", -1)
    missing = translator.say(msgspec.structs.replace(act, target="w2"))
    assert isinstance(missing, OperatorAct)
    assert missing.target not in ("w1", "w2", "w7"), "the other one never asked it"
    answers = [translator.say(PolicyAnswer(2, number, "allow")) for number in (5, 6)]
    assert [answer.number for answer in answers if isinstance(answer, PolicyAnswer)] == [9, 0]


def test_a_plot_is_the_same_twice_and_a_place_that_can_not_be_written_is_refused_before(
    recorded: Path, tmp_path: Path
) -> None:
    config, plot = other(tmp_path, slower), tmp_path / "other.png"
    done = CliRunner().invoke(app, ["replay", str(recorded), "--config", str(config), "--plot", str(plot)])
    assert done.exit_code == 0, done.output
    assert "would have gone on otherwise" in done.output
    assert plot.read_bytes().startswith(b"\x89PNG")
    found = compare(EventLog(recorded), load_config(CONFIGURATION), load_config(config))
    assert told.draw(found) == plot.read_bytes()
    broken = tmp_path / "no.events.mcap"
    broken.write_bytes(b"")
    place = tmp_path / "absent" / "x.png"
    done = CliRunner().invoke(app, ["replay", str(broken), "--config", str(config), "--plot", str(place)])
    assert done.exit_code == 2
    assert "can not be written" in done.output, "said before the log is even opened"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda keys: keys["robot"].update(id="other"), "robot.id"),
        (lambda keys: keys["timing"].update(period=0.008), "timing.period"),
    ],
)
def test_another_robot_is_refused_by_name(recorded: Path, tmp_path: Path, change: Change, said: str) -> None:
    config = other(tmp_path, change)
    done = CliRunner().invoke(app, ["replay", str(recorded), "--config", str(config)])
    assert done.exit_code == 2, done.output
    assert said in done.output


def test_a_comparison_needs_another_configuration(recorded: Path, tmp_path: Path) -> None:
    for words in (["--plot", str(tmp_path / "x.png")], ["--ideal"]):
        assert CliRunner().invoke(app, ["replay", str(recorded), *words]).exit_code == 2
    broken = tmp_path / "broken.yaml"
    broken.write_text("robot: {id: panda}\n", encoding="utf-8")
    assert CliRunner().invoke(app, ["replay", str(recorded), "--config", str(broken)]).exit_code == 2


def test_a_difference_is_told_with_its_cause(recorded: Path, tmp_path: Path) -> None:
    """Another version, another processor; with the same ones: the log was changed, or the supervisor is wrong."""
    log = EventLog(recorded)
    encode = msgspec.msgpack.Encoder().encode
    items = [msgspec.structs.replace(item, digest=bytes(16)) if n == 500 else item for n, item in enumerate(log)]  # type: ignore[arg-type]
    for versions, said in (
        ({}, "the log was changed"),
        ({"numpy": "0.1"}, "another version: numpy was 0.1, is"),
        ({"core": "0" * 16}, "another version: core was 0000000000000000, is"),
        ({"cpu": "Z80"}, "another processor: cpu was Z80, is"),
    ):
        header = msgspec.structs.replace(log.header, versions=log.header.versions | versions)
        path = tmp_path / "x.events.mcap"
        parts = [event_log.encode_header(header), *(event_log.encode_record(encode(item)) for item in items)]
        path.write_bytes(b"".join(parts))
        done = CliRunner().invoke(app, ["replay", str(path)])
        assert done.exit_code == 1
        assert said in done.output.replace("\n", ""), done.output
