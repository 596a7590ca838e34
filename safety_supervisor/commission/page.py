"""One page of a commissioning: the verdict, each stop with its figures and its picture, in one file."""

from __future__ import annotations

import base64
import html
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from safety_supervisor.commission.session import Outcome
from safety_supervisor.core.settings import Configuration
from safety_supervisor.evidence import plots
from safety_supervisor.evidence.plots import LIGHT
from safety_supervisor.export.page_style import STYLE
from safety_supervisor.tokens.commissioning_record import INCOMPLETE, TOO_KIND, WITHIN

HEADLINES = {
    WITHIN: "Every stop was within the model",
    TOO_KIND: "The model is kinder than the robot",
    INCOMPLETE: "Not everything was measured",
}
_KINDS = {WITHIN: "good", TOO_KIND: "bad", INCOMPLETE: "warn"}
NOT_THIS = (
    "No measurement by independent instruments (ISO 13855): the robot's own sensors told where it was.",
    "No proof for other payloads, temperatures, wear or poses than those that were measured.",
    "No test of the e-stop's own way: the stops were asked for by software.",
)


def render(configuration: Configuration, record: dict[str, Any], outcomes: Sequence[Outcome]) -> str:
    """Return the page.

    Raises:
        NoPlotError: matplotlib is not installed.
    """
    verdict = record["verdict"]
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(record["made"]))
    what = "simulated robot" if record["simulated"] else "robot"
    items = [*(one["words"] for one in record["findings"]), *record["missing"], *record["skipped"]]
    rows = "".join(_row(configuration, outcome) for outcome in outcomes)
    figures = "".join(_figure(configuration, outcome) for outcome in outcomes if outcome.recording is not None)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Measured stops of {_text(record['robot'])}</title><style>{STYLE}</style></head><body><main>"
        f"<header><p>Commissioning &middot; {what} {_text(record['robot'])} &middot; {when}</p>"
        f"<h1>{HEADLINES[verdict]}</h1></header>"
        f'<div class="cards"><section class="card {_KINDS[verdict]}"><h3>verdict</h3><p class="verdict">'
        f"{_text(verdict.replace('_', ' '))}</p></section></div>"
        + (f"<h2>What to do</h2><ul>{''.join(f'<li>{_text(one)}</li>' for one in items)}</ul>" if items else "")
        + '<h2>Stops</h2><div class="wide"><table><tr><th>pose</th><th>what moved</th><th>speed</th>'
        '<th class="number">time [s]</th><th class="number">model</th><th class="number">worst travel</th>'
        '<th class="number">delay [s]</th><th class="number">model</th><th>verdict</th></tr>'
        f"{rows}</table></div>{figures}"
        "<h2>Bound to</h2><dl>"
        f"<dt>configuration</dt><dd><code>{_text(record['configuration_sha256'])}</code></dd>"
        f"<dt>without commissioning</dt><dd><code>{_text(record['commissioned_sha256'])}</code></dd>"
        f"<dt>measured by</dt><dd>{_text(record['by'] or 'nobody said')}</dd></dl>"
        f"<h2>What this is not</h2><ul>{''.join(f'<li>{_text(one)}</li>' for one in NOT_THIS)}</ul>"
        "</main></body></html>\n"
    )


def _text(value: object) -> str:
    return html.escape(str(value))


def _row(configuration: Configuration, outcome: Outcome) -> str:
    stop, figures = outcome.stop, outcome.figures
    head = f"<td>{stop.pose}</td><td>{_text(stop.what)}</td><td>{stop.fraction:.0%}</td>"
    if figures is None:
        words = outcome.missed or "; ".join(finding.words for finding in outcome.findings)
        return f'<tr>{head}<td colspan="6" class="WAIT">{_text(words)}</td></tr>'
    share = figures.travel / np.maximum(stop.expected.ways, 1e-9)
    cells = (
        f"{figures.time:.3f}", f"{stop.expected.time:.3f}", f"{share[np.flatnonzero(stop.cruise)].max():.0%} of model",
        f"{figures.delay:.3f}", f"{stop.expected.delay:.3f}",
    )  # fmt: skip
    said = "too kind" if outcome.findings else "within"
    numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells)
    return f'<tr>{head}{numbers}<td class="{"STOP" if outcome.findings else "PASS"}">{said}</td></tr>'


def _figure(configuration: Configuration, outcome: Outcome) -> str:
    stop = outcome.stop
    title = f"Pose {stop.pose}, {stop.what}, {stop.fraction:.0%}"
    image = base64.b64encode(draw(configuration, outcome)).decode()
    words = "Measured (solid), commanded (dashed), the slowest that the model allows (shaded edge); 0 is the request."
    return (
        f'<h2>{_text(title)}</h2><figure class="white"><img alt="{_text(title)}: {words}" '
        f'src="data:image/png;base64,{image}"><figcaption>{words}</figcaption></figure>'
    )


def draw(configuration: Configuration, outcome: Outcome) -> bytes:
    """Return the PNG of one stop: speed and travel of the joint that moved most, with the model's envelope.

    Raises:
        NoPlotError: matplotlib is not installed.
    """
    recording, stop = outcome.recording, outcome.stop
    assert recording is not None
    expected, asked = stop.expected, recording.requested
    joint = int(np.abs(stop.cruise).argmax())
    way = float(np.sign(stop.cruise[joint]))
    figure, axes = plots.begin([1.5, 1.5], 8.0, LIGHT)
    shown = recording.measured.between(asked - 0.3, asked + max(2.0 * expected.time, 0.4))
    told = recording.commanded.between(asked - 0.3, asked + max(2.0 * expected.time, 0.4))
    origin = float(recording.measured.at(asked)[joint])
    for series, style, name in ((shown, "-", "measured"), (told, "--", "commanded")):
        if len(series.times) < 8:
            continue
        positions = way * (series.positions[:, joint] - origin)
        speeds = np.gradient(positions, series.times)
        smooth = np.convolve(speeds, np.ones(5) / 5.0, "same")
        axes[0].plot(series.times[2:-2] - asked, smooth[2:-2], style, color=LIGHT.lines[0], linewidth=1.2, label=name)
        axes[1].plot(series.times - asked, positions, style, color=LIGHT.lines[0], linewidth=1.2)
    late = expected.reaction + expected.delay
    t = np.linspace(0.0, late + expected.duration, 200)
    speed = float(expected.speed[joint])
    left = np.array([expected.profile.at(float(x) - late)[:2] for x in t])
    axes[0].fill_between(t, speed * left[:, 1], color=LIGHT.lines[1], alpha=0.18, linewidth=0, label="model")
    farthest = np.minimum(speed * (late + left[:, 0]) + expected.path_error[joint], expected.ways[joint])
    axes[1].fill_between(t, farthest, color=LIGHT.lines[1], alpha=0.12, linewidth=0)
    for one in axes:
        one.axvline(0.0, color=LIGHT.alarm, linewidth=0.8)
        one.axvline(expected.time, color=LIGHT.lines[1], linewidth=0.9, linestyle=":")
    name = configuration.robot.joints[joint]
    plots.label(axes[0], f"speed of {name} [rad/s]", LIGHT)
    plots.label(axes[1], "travel since the request [rad]", LIGHT, "time since the request [s]")
    plots.legend(axes[0], LIGHT)
    return plots.png(figure)
