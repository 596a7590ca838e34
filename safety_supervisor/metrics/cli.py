"""Commands `metrics`, `metrics dashboard`, `metrics rules` and `metrics scrape`."""

from __future__ import annotations

import json
import signal
import time
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from safety_supervisor.acts import sending

_HELP = """Numbers of a supervisor for Prometheus, and traces for OpenTelemetry.

A process of its own that only hears: when it dies, floods or hangs, the robot does not know. While the supervisor tells
nothing, `safety_supervisor_up` is 0 and what holds now is not told at all, rather than as it was.

\b
Examples:
  safety-supervisor metrics --config robot.yaml
  curl http://127.0.0.1:9464/metrics
  safety-supervisor metrics scrape > prometheus.yml      # with rules and dashboard beside it:
  safety-supervisor metrics rules > safety_supervisor.rules.yml
  safety-supervisor metrics dashboard > dashboard.json   # Grafana: Dashboards, New, Import

Exit status: 0 ended, 2 wrong use or configuration.
"""

app = typer.Typer(rich_markup_mode=None, help=_HELP, invoke_without_command=True)


@app.callback(invoke_without_command=True)
def metrics_command(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Of the robot.")] = None,
    node: sending.Node = sending.NODE,
    host: Annotated[str | None, typer.Option(help="Address to listen on; else 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on; else 9464.")] = None,
    otlp: Annotated[str | None, typer.Option(metavar="URL", help="Of a collector, OTLP over HTTP.")] = None,
    share: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Of verdicts that are traced unasked.")] = None,
) -> None:
    """Serve the numbers."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        sending.fail("give --config FILE")
    configuration = sending.load(config)
    section = configuration.metrics
    host, port, otlp = host or section.host, port or section.port, otlp or section.otlp
    share = section.share if share is None else share
    sending.check_node(node)
    if otlp and not otlp.startswith(("http://", "https://")):
        sending.fail(f"--otlp {otlp}: give the URL of OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces")
    if any(find_spec(one) is None for one in ("prometheus_client", "opentelemetry")):
        sending.fail('the metrics are not installed: pip install "safety_supervisor[metrics]"')
    from prometheus_client import CollectorRegistry, start_http_server

    from safety_supervisor.metrics.board import Board
    from safety_supervisor.metrics.hearer import Hearer
    from safety_supervisor.metrics.tracing import Tracer

    robot, registry = configuration.robot.id, CollectorRegistry()
    codes = () if configuration.policy is None else configuration.policy.denials
    board = Board(robot, (source.name for source in configuration.sources), codes, time.monotonic_ns)
    registry.register(board)
    ended: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: ended.append(number))
    tracer = Tracer(otlp, share, {"robot.id": robot}) if otlp else None
    hearer = Hearer(node, robot, board, tracer)
    try:
        try:
            server, thread = start_http_server(port, host, registry)
        except OSError as error:
            sending.fail(f"{host}:{port}: {error.strerror or error}")
        typer.echo(f"numbers of {robot}: http://{f'[{host}]' if ':' in host else host}:{port}/metrics")
        hearer.run(lambda: bool(ended))
        server.shutdown()
        server.server_close()
        thread.join(2.0)
    finally:
        hearer.close()
        if tracer is not None:
            tracer.close()


def _static(name: str) -> str:
    return files("safety_supervisor.metrics").joinpath("static").joinpath(name).read_text(encoding="utf-8")


@app.command()
def dashboard() -> None:
    """Print the dashboard for Grafana, JSON."""
    typer.echo(json.dumps(json.loads(_static("dashboard.json")), indent=2))


@app.command()
def rules() -> None:
    """Print the alert rules for Prometheus, YAML."""
    typer.echo(_static("rules.yml"), nl=False)


@app.command()
def scrape() -> None:
    """Print a configuration of Prometheus that asks this machine, and reads the rules beside it, YAML."""
    typer.echo(_static("prometheus.yml"), nl=False)
