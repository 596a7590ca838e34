"""The process of the metrics beside a real supervisor, asked over HTTP; Debian's Prometheus; a receiver of OTLP."""

from __future__ import annotations

import http.server
import json
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("prometheus_client", reason="the extra `metrics` is not installed")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from ros_rig import Client, Process, Rig, write_configuration
from sensor_msgs.msg import JointState

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def ask(port: int, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5.0) as answer:
        return str(answer.read().decode())


def numbers(port: int) -> dict[tuple[str, ...], float]:
    """Return all samples by name and values of labels, in the order of the labels' names."""
    return {
        (one.name.removeprefix("safety_supervisor_"), *(value for _, value in sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(ask(port))
        for one in family.samples
    }


class Receiver:
    """Takes OTLP over HTTP, and reads it with the messages of OpenTelemetry's own definition."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf":
                    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                        outer.services |= {a.value.string_value for a in resource.resource.attributes}
                        outer.spans += [span for scope in resource.scope_spans for span in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1/traces"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def serving(rig: Rig, port: int, *given: str) -> Iterator[Process]:
    command = ["-m", "safety_supervisor.cli", "metrics", "--config", str(rig.directory / "robot.yaml")]
    process = rig._start([*command, "--port", str(port), *given], "metrics")
    try:
        yield process
    finally:
        process.send(signal.SIGCONT)
        process.send(signal.SIGTERM)
        assert process.wait(10.0) == 0, process.text


def until(client: Client, condition: Callable[[], Any], what: str, timeout: float = 20.0) -> None:
    def holds() -> bool:
        try:
            return bool(condition())
        except (OSError, LookupError):
            return False

    client.wait_for(holds, what, timeout)


def refused(client: Client, correlation: str) -> None:
    """Send a set-point that leaves out joints, with a correlation id."""
    message = JointState(name=["panda_joint1"], position=[0.1])
    message.header.frame_id = f"cid:{correlation}"
    client.publisher(JointState, "/supervisor/sources/planner/joint_command").publish(message)
    client.wait_for(lambda: any(one["id"] == correlation for one in client.decisions), "it is refused")


@pytest.fixture
def cell(rig: Rig) -> tuple[Client, Process]:
    rig.cell()
    client = rig.client()
    supervisor = rig.supervisor()
    client.arm()
    return client, supervisor


def test_numbers_are_those_of_the_supervisor(rig: Rig, cell: tuple[Client, Process]) -> None:
    (client, supervisor), port = cell, free_port()
    receiver = Receiver()
    try:
        with serving(rig, port, "--otlp", receiver.url) as metrics:
            until(client, lambda: numbers(port)["up",] == 1, "it hears the supervisor")
            client.spin(0.5)
            first = len(client.decisions)
            refused(client, f"00-{TRACE}-{PARENT}-01")
            refused(client, f"00-{TRACE}-{'1' * 16}-00")  # who sent it did not want it sampled
            refused(client, "seventeen")  # no trace context, and the share of those is 0
            told = [one for one in client.decisions[first:] if one["code"] == "E_MISSING_JOINT"]
            count = sum(int(one["count"]) for one in told)
            until(
                client,
                lambda: numbers(port)["decisions_total", "E_MISSING_JOINT", "planner", "REJECT"] == count,
                "counted",
            )
            found = numbers(port)
            until(client, lambda: numbers(port)["state", client.state] == 1, "the state is told")
            assert found["cycle_seconds_count",] > 100
            assert found["decision_seconds_count",] > found["cycle_seconds_count",]
            assert abs(found["cycles_total",] - float(client.status["cycles"])) < 1000
            assert found["log_kept",] == 1
            until(client, lambda: receiver.spans, "the span arrives")
            client.spin(1.5)  # a second one would have come with it, or by now
            (span,) = receiver.spans
            assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
            attributes = {one.key: one.value.string_value for one in span.attributes}
            assert attributes["safety_supervisor.code"] == "E_MISSING_JOINT"
            assert "safety_supervisor" in receiver.services
            # Whoever asks a frozen process waits; the robot does not know.
            metrics.send(signal.SIGSTOP)
            before = len(client.states)
            client.spin(1.0)
            assert client.states[before:] == []
            metrics.send(signal.SIGCONT)
            supervisor.send(signal.SIGKILL)
            client.spin(1.5)  # what was told while it was frozen counts as heard when it is read
            until(client, lambda: numbers(port)["up",] == 0, "it says that the supervisor is silent")
            assert not any(key[0] == "speed_scale" for key in numbers(port))
            assert not any(value for key, value in numbers(port).items() if key[0] == "state")
    finally:
        receiver.close()


def test_a_port_in_use_is_named(rig: Rig) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        config = write_configuration(rig.directory)
        command = ["-m", "safety_supervisor.cli", "metrics", "--config", str(config), "--port", str(port)]
        process = rig._start(command, "metrics")
        assert process.wait(60.0) == 2
        assert f"127.0.0.1:{port}: Address already in use" in process.text


@pytest.mark.long
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="Debian's prometheus is not installed")
def test_prometheus_scrapes_it_and_fires(rig: Rig, cell: tuple[Client, Process], tmp_path: Path) -> None:
    (client, supervisor), port, own = cell, free_port(), free_port()

    def printed(what: str) -> str:
        process = rig._start(["-m", "safety_supervisor.cli", "metrics", what], what)
        assert process.wait(60.0) == 0, process.text
        return process.text

    (tmp_path / "safety_supervisor.rules.yml").write_text(printed("rules"), encoding="utf-8")
    scrape = printed("scrape")
    assert "127.0.0.1:9464" in scrape
    (tmp_path / "prometheus.yml").write_text(
        scrape.replace("127.0.0.1:9464", f"127.0.0.1:{port}").replace("5s", "1s"), encoding="utf-8"
    )
    tool = ["promtool", "check", "config", str(tmp_path / "prometheus.yml")]
    checked = subprocess.run(tool, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    command = ["prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'db'}"]
    prometheus = subprocess.Popen(
        [*command, f"--web.listen-address=127.0.0.1:{own}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def query(text: str) -> list[Any]:
        found = json.loads(ask(own, f"/api/v1/query?query={urllib.parse.quote(text)}"))
        assert found["status"] == "success", found
        return list(found["data"]["result"])

    def firing() -> set[str]:
        alerts = json.loads(ask(own, "/api/v1/alerts"))["data"]["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}

    try:
        with serving(rig, port):
            until(client, lambda: query("safety_supervisor_up == 1"), "it is scraped", 60.0)
            refused(client, "one")
            text = 'safety_supervisor_decisions_total{code="E_MISSING_JOINT",verdict="REJECT"}'
            until(client, lambda: query(text)[0]["value"][1] == "1", "the verdict is counted")
            quantile = "histogram_quantile(0.5, safety_supervisor_cycle_seconds_bucket)"
            assert 1e-5 < float(query(quantile)[0]["value"][1]) < 0.1
            for panel in json.loads(printed("dashboard"))["panels"]:
                for target in panel["targets"]:
                    query(target["expr"].replace("$instance", ".*"))  # no error in the language
            groups = json.loads(ask(own, "/api/v1/rules"))["data"]["groups"]
            assert all(rule["health"] == "ok" for group in groups for rule in group["rules"])
            assert firing() == set()
            supervisor.send(signal.SIGKILL)
            until(client, lambda: "SupervisorSilent" in firing(), "the alert fires", 60.0)
        begun = time.monotonic()
        until(client, lambda: "SupervisorMetricsGone" in firing(), "so does the other one", 90.0)
        assert time.monotonic() - begun > 10.0
    finally:
        prometheus.terminate()
        prometheus.wait(20.0)
