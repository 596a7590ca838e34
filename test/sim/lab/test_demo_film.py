"""The picture of the G1's demonstration: views of equal length, and an exit status that tells whether it is true."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from safety_supervisor_sim.demo.cli import sim_app
from safety_supervisor_sim.lab import demo_film
from safety_supervisor_sim.lab.demo_film import FPS, SECONDS, View, write


def view(frames: int, shade: int = 0, **changes: object) -> View:
    picture = np.full((250, 200, 3), shade, dtype=np.uint8)
    return View("a title", [picture] * frames, **changes)  # type: ignore[arg-type]


def good() -> list[View]:
    return [
        view(3),
        view(3, codes=["E_BALANCE", "E_ACCELERATION_LIMIT"]),
        view(3, fell=True),
        view(3, codes=["E_ESTOP"], modes=["hold", "lower", "damp", "off"]),
    ]


def test_views_of_any_length_stand_side_by_side_and_end_together(tmp_path: Path) -> None:
    out = tmp_path / "film.gif"
    write([view(2, 10), view(60, 200), view(1, 90)], out)
    with Image.open(out) as film:
        assert film.size == (600, 250)
        film.seek(film.n_frames - 1)  # type: ignore[attr-defined]
        last = np.asarray(film.convert("RGB"))
    shades = [int(last[200, x, 0]) for x in (100, 300, 500)]
    assert shades == pytest.approx([10, 200, 90], abs=8)
    assert round(SECONDS * FPS) >= 40


@pytest.mark.parametrize(
    ("number", "changes"),
    [(None, {}), (0, {"codes": ["E_LATE"]}), (1, {"codes": []}), (1, {"fell": True}), (2, {"fell": False}),
     (3, {"modes": ["hold", "damp"]}), (3, {"fell": True})],
)  # fmt: skip
def test_the_exit_status_says_whether_it_ends_as_the_demonstration_expects(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int | None, changes: dict[str, object]
) -> None:
    shown = good()
    for name, value in changes.items():
        assert number is not None
        setattr(shown[number], name, value)
    monkeypatch.setattr(demo_film, "views", lambda robot: shown)
    out = tmp_path / "film.gif"
    result = CliRunner().invoke(sim_app, ["humanoid-film", "--out", str(out), "--json"])
    assert result.exit_code == (0 if number is None else 1)
    told = json.loads(result.stdout)
    assert told["ok"] is (number is None)
    assert out.stat().st_size > 0


def test_a_place_that_can_not_be_written_is_exit_status_2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo_film, "views", lambda robot: good())
    result = CliRunner().invoke(sim_app, ["humanoid-film", "--out", str(tmp_path / "none" / "film.gif")])
    assert result.exit_code == 2
