"""A run of the core engine leaves the file that real nodes leave: read, replayed and proven by the same tools."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from mcap.reader import make_reader
from typer.testing import CliRunner

from safety_supervisor import Supervisor
from safety_supervisor.core.events import Boot
from safety_supervisor.evidence.event_log import Entry, EventLog
from safety_supervisor.evidence.replay import recorded_configuration, replay
from safety_supervisor_sim.demo.cli import sim_app
from safety_supervisor_sim.engine import run as engine_run
from safety_supervisor_sim.engine.clockwork import Clockwork
from safety_supervisor_sim.engine.keep import keep_log
from safety_supervisor_sim.scenario import load_scenario

RESPAWN = Path(__file__).resolve().parents[3] / "sim" / "scenarios" / "rt41_respawn.yaml"


@pytest.mark.requirement("SR-043")
@pytest.mark.requirement("SR-044")
def test_each_boot_is_a_log_that_comes_out_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worlds: list[Clockwork] = []
    monkeypatch.setattr(engine_run, "keep_log", lambda world, *rest: (worlds.append(world), keep_log(world, *rest))[1])
    done = CliRunner().invoke(
        sim_app, ["run", "--engine", "core", "--json", "--log-directory", str(tmp_path), str(RESPAWN)]
    )
    assert done.exit_code == 0, done.output
    logs = sorted((tmp_path / "rt41_respawn").glob("*.events.mcap"))
    assert len(logs) == 2
    kept = [entry for path in logs for entry in EventLog(path) if isinstance(entry, Entry)]
    (world,) = worlds
    assert [(one.event, one.digest) for one in kept] == world.events
    boots = [one.event for one in kept if isinstance(one.event, Boot)]
    assert len(boots) == len({boot.boot_id for boot in boots}) == len({boot.nonce for boot in boots}) == 2
    for path in logs:
        log = EventLog(path)
        report = replay(log, Supervisor(recorded_configuration(log.header)))
        assert report.divergence is None
        with path.open("rb") as file:  # and by the reader of the format's authors
            summary = make_reader(file).get_summary()
            assert summary is None or summary.statistics is None or summary.statistics.message_count > 0


def test_a_log_whose_effects_are_not_those_of_the_run_is_not_written_whole(tmp_path: Path) -> None:
    kept: list[Clockwork] = []
    played = engine_run.run(load_scenario(RESPAWN), replay=False, broken=kept.append, log_directory=tmp_path)
    (world,) = kept
    event, digest = world.events[500]
    world.events[500] = (event, struct.pack("16s", b"another"))
    file = next((tmp_path / "rt41_respawn").glob("*.yaml"))
    with pytest.raises(RuntimeError, match=r"event 500, .*: its effects are not those of the run"):
        keep_log(world, world.configuration, file, tmp_path / "again")
    world.events[500] = (event, digest)
    file.write_text(file.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    with pytest.raises(OSError, match="is not what was loaded"):
        keep_log(world, world.configuration, file, tmp_path / "again")
    assert played.summary["logs"]
