"""The section `evidence`: how long records are kept, and where heads go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from safety_supervisor import load_config
from safety_supervisor.config import ConfigurationError
from safety_supervisor.core.evidence_settings import HeadSettings

PANDA = Path(__file__).resolve().parents[2] / "config" / "panda.yaml"


def load(directory: Path, **evidence: Any) -> Any:
    keys = yaml.safe_load(PANDA.read_text(encoding="utf-8"))
    keys["evidence"] = {**(keys.get("evidence") or {}), **evidence}
    file = directory / "robot.yaml"
    file.write_text(yaml.safe_dump(keys, sort_keys=False), encoding="utf-8")
    return load_config(file).evidence


def test_what_is_not_said_is_a_year_and_five_and_nowhere_else(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert (found.decision_days, found.intervention_days, found.heads) == (365, 1826, None)
    assert found.snapshot_every == 0.0
    assert load(tmp_path, snapshot_every=600).snapshot_every == 600.0


def test_heads_go_where_the_file_says(tmp_path: Path) -> None:
    heads = {"file": "/mnt/other/heads", "url": "https://keeper.example/heads", "authority": "http://tsa.example/tsr"}
    found = load(tmp_path, heads={**heads, "every": 5}, decision_days=200)
    assert found.heads == HeadSettings(*heads.values(), 5.0, 3600.0)
    assert found.decision_days == 200
    assert load(tmp_path, heads={"url": "http://127.0.0.1:9000/heads"}).heads.file == ""


@pytest.mark.parametrize(
    ("evidence", "place"),
    [
        ({"heads": {}}, "evidence.heads"),
        ({"heads": {"every": 5}}, "evidence.heads"),
        ({"heads": {"url": "http://keeper.example/heads"}}, "evidence.heads.url"),
        ({"heads": {"url": "ftp://keeper.example/heads"}}, "evidence.heads.url"),
        ({"heads": {"authority": "tsa.example"}}, "evidence.heads.authority"),
        ({"heads": {"authority": "file:///etc/passwd"}}, "evidence.heads.authority"),
        ({"heads": {"file": "x", "every": 0.1}}, "evidence.heads.every"),
        ({"heads": {"file": "x", "more": 1}}, "evidence.heads.more"),
        ({"decision_days": 10}, "evidence.decision_days"),
        ({"decision_days": 400, "intervention_days": 300}, "evidence.intervention_days"),
        ({"snapshot_every": 1}, "evidence.snapshot_every"),
        ({"snapshot_every": 600, "record_events": False}, "evidence.snapshot_every"),
    ],
)
def test_what_can_not_be_meant_is_refused(tmp_path: Path, evidence: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, **evidence)
    assert place in str(refused.value)
