"""Every scenario file that the core engine can play is as expected, and fails when what it tests is off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from safety_supervisor.core.events import (
    CommandUnreadable,
    ConfigurationChanged,
    Event,
    IncompatibleEndpoint,
    JointStateEndpoints,
    OutputEndpoints,
    SourceLiveliness,
    StreamCommand,
    Tick,
    TrajectoryCommand,
)
from safety_supervisor_sim.agent import commands
from safety_supervisor_sim.engine.clockwork import Clockwork
from safety_supervisor_sim.engine.run import run
from safety_supervisor_sim.scenario import Scenario, load_scenario

SCENARIOS = Path(__file__).resolve().parents[3] / "sim" / "scenarios"
ALONE = sorted(
    path.stem for path in SCENARIOS.glob("*.yaml") if path.stem.startswith(("rt", "serial_", "people", "noisy"))
)


def scenario(name: str) -> Scenario:
    return load_scenario(SCENARIOS / f"{name}.yaml")


@pytest.mark.sampled(4)
@pytest.mark.requirement("SR-046")
@pytest.mark.parametrize("name", ALONE)
def test_it_is_as_expected(name: str) -> None:
    summary = run(scenario(name), replay=False).summary
    assert [*summary["reasons"], *(act for act in summary["acts"] if not act["ok"])] == []
    assert summary["ok"]
    assert summary["left_out"] == []


@pytest.mark.long
@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize("seed", [2, 3])
def test_it_is_as_expected_with_other_noise_and_every_effect_is_replayed(name: str, seed: int) -> None:
    summary = run(scenario(name), seed=seed).summary
    assert [*summary["reasons"], *(act for act in summary["acts"] if not act["ok"])] == []


def deaf(hides: Callable[[Any], bool]) -> Callable[[Clockwork], None]:
    """The adapter that would tell of it tells nothing."""

    def broken(world: Clockwork) -> None:
        enter = world.enter

        def enter_others(event: Event) -> Any:
            return () if hides(event) else enter(event)

        world.enter = enter_others  # type: ignore[method-assign]

    return broken


def careless(change: Callable[[Any], Any]) -> Callable[[Clockwork], None]:
    """The adapter tells something else."""

    def broken(world: Clockwork) -> None:
        enter = world.enter
        world.enter = lambda event: enter(change(event))  # type: ignore[method-assign]

    return broken


def without_key(event: Any) -> Any:
    return msgspec.structs.replace(event, frame_id="", body="") if isinstance(event, TrajectoryCommand) else event


def without_stamp(event: Any) -> Any:
    return msgspec.structs.replace(event, stamp=0) if isinstance(event, StreamCommand) else event


def kept(event: Any) -> Any:
    return msgspec.structs.replace(event, log_ok=True) if isinstance(event, Tick) else event


def in_time(event: Any) -> Any:
    return msgspec.structs.replace(event, scheduled=event.at) if isinstance(event, Tick) else event


def pressed_never(world: Clockwork) -> None:
    """Once it has moved, the driver says RUN whatever the line brings."""
    enter, moved = world.enter, [False]

    def run_always(event: Any) -> Any:
        moved[0] = moved[0] or world.supervisor.state == "AUTO/MOVING"
        if isinstance(event, Tick) and moved[0]:
            word = msgspec.structs.replace(event.estop, state="run", fault="", received_at=event.at)
            event = msgspec.structs.replace(event, estop=word)
        return enter(event)

    world.enter = run_always  # type: ignore[method-assign]


def latin(event: Any) -> Any:
    if not isinstance(event, StreamCommand):
        return event
    names = tuple(name.replace(commands.LOOK_ALIKE, "a") for name in event.names)
    return msgspec.structs.replace(event, names=names)


def foreign(kind: type) -> Callable[[Any], bool]:
    return lambda event: isinstance(event, kind)


ADAPTERS: dict[str, tuple[str, Callable[[Clockwork], None]]] = {
    "look-alike letters are mapped": ("rt05_look_alike_name", careless(latin)),
    "stamps are not looked at": ("rt09_stamps", careless(without_stamp)),
    "keys are not looked at": ("rt13_same_key", careless(without_key)),
    "keys are not looked at, other body": ("rt14_same_key_other_body", careless(without_key)),
    "what is refused unread is not told": ("rt25_flood", deaf(foreign(CommandUnreadable))),
    "who else publishes states is not told": (
        "rt31_second_state_publisher",
        deaf(lambda event: isinstance(event, JointStateEndpoints) and len(event.nodes) > 1),
    ),
    "who else publishes to the motors is not told": (
        "rt32_motor_topic",
        deaf(lambda event: isinstance(event, OutputEndpoints) and bool(event.foreign)),
    ),
    "a cycle is never late": ("rt49_overrun", careless(in_time)),
    "an edited file is not seen": ("rt36_configuration_edited", deaf(foreign(ConfigurationChanged))),
    "a record that is lost is not told": ("rt39_disk_full", careless(kept)),
    "who died is not told": (
        "rt56_agent_dies",
        deaf(lambda event: isinstance(event, SourceLiveliness) and not event.alive),
    ),
    "what does not fit is not told": ("rt57_incompatible", deaf(foreign(IncompatibleEndpoint))),
    "the e-stop always says run": ("serial_lost", pressed_never),
}
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "no bound on tracking": ("rt31_spoofed_states", {"tracking": {"bound": 0.9}}),
    "no zone": ("rt27_tiny_steps", {"zones": {"cabinet": {"minimum": [0.8, 0.8, 0.0], "maximum": [0.9, 0.9, 0.1]}}}),
    "no thin zone": (
        "rt29_thin_zone",
        {"zones": {"sheet": {"minimum": [0.8, -0.9, 0.0], "maximum": [0.9, -0.8, 0.1]}}},
    ),
    "no number of refusals is too many": ("rt28_refusals", {"sources": {"planner": {"refusals": 10000}}}),
    "people are near alone when they touch": (
        "people_walk_in",
        {"separation": {"intrusion": 0.0, "sensor_uncertainty": 0.0, "body_radius": 0.01, "latency": 0.0}},
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("mutation", ADAPTERS)
def test_an_adapter_that_keeps_something_back_is_caught(mutation: str) -> None:
    name, broken = ADAPTERS[mutation]
    assert not run(scenario(name), replay=False, broken=broken).summary["ok"]


@pytest.mark.long
@pytest.mark.parametrize("mutation", SETTINGS)
def test_a_limit_that_is_off_is_caught(mutation: str) -> None:
    name, change = SETTINGS[mutation]
    whole = scenario(name)
    laid: dict[str, Any] = {key: dict(value) for key, value in whole.configuration.items()}
    for section, keys in change.items():
        laid[section] = laid.get(section, {}) | keys if section != "zones" else _merged(laid.get(section, {}), keys)
    loose = whole.model_copy(update={"configuration": laid})
    assert not run(loose, replay=False).summary["ok"]


def _merged(zones: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    return {**zones, **{name: {**zones.get(name, {}), **change} for name, change in keys.items()}}
