"""A panel beside a real supervisor, its people with sealed keys, and a browser without scripts."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import re
import signal
import socket
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from approval_rig import ROLES, SETTINGS, Cell, Deciders
from ros_rig import Process, Rig, merge

from safety_supervisor.panel.key_box import Cost, write_new_box

PASSWORDS = {name: f"{name} has a long password" for name in ROLES}
PROGRAM = (
    'joint_speed > 0.3 ? approve("short", 1, 3) : joint_speed > 0.15 ? approve("pair", 2, 60) : approve("zone", 1, 60)'
)

SOURCES = {
    name: {
        "kind": "agent", "priority": 11 + number, "groups": ["arm"], "commands": ["trajectory"], "period": 0.01,
        "playout_periods": 2, "rate_limit_hz": 400.0, "liveliness_lease": 0.5, "refusals": 50, "refusal_window": 5.0,
    }
    for number, name in enumerate(("painter", "packer", "welder"))
}  # fmt: skip
"""Beside the planner."""


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def start_panel(rig: Rig, port: int, *given: str, sink: int | None = None) -> Process:
    """Start a panel, and wait until it answers; `sink` is where its words go instead of a file."""
    heads = ["--heads", str(rig.directory / "panel_heads")]
    process = rig._start(["-m", "safety_supervisor.cli", "panel", "--port", str(port), *heads, *given], "panel", sink)
    ends = time.monotonic() + 120.0
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            return process
        except OSError:
            assert process.process.poll() is None, process.text
            assert time.monotonic() < ends, process.text
            time.sleep(0.05)


class Answer:
    """What a server answered."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.page = response.read().decode()

    @property
    def text(self) -> str:
        """What a person reads."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.page)).split())

    def form(self, act: str, target: str = "") -> dict[str, str]:
        """Return the hidden fields of one of the page's forms."""
        for form in re.findall(r"<form.*?</form>", self.page):
            fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
            if (fields.get("act"), fields.get("target")) == (act, target):
                return fields
        raise AssertionError(f"no form {act} {target}: {self.text}")


class Browser:
    """One that keeps cookies and runs nothing."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self.port, self.address, self.origin = port, address, f"http://127.0.0.1:{port}"
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, form: dict[str, str] | None = None, **headers: str) -> Answer:
        given = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if method == "POST":
            given["Origin"] = self.origin
        given |= headers
        connection = http.client.HTTPConnection("127.0.0.1", self.port, 20, (self.address, 0))
        try:
            connection.request(method, path, urlencode(form or {}), {k: v for k, v in given.items() if v})
            answer = Answer(connection.getresponse())
        finally:
            connection.close()
        for cookie in answer.headers.get_all("set-cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        return answer

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def login(self, name: str, password: str = "") -> Answer:
        token = re.search(r'name="csrf" value="(\w+)"', self.get("/login").page)
        assert token
        said = password or PASSWORDS[name]
        return self.ask("POST", "/login", {"csrf": token[1], "name": name, "password": said, "plain": "1"})

    def wait(self, words: str, path: str = "/plain", timeout: float = 15.0) -> Answer:
        """Wait until a page says it."""
        ends = time.monotonic() + timeout
        while words not in (answer := self.get(path)).text:
            assert time.monotonic() < ends, f"{words!r} is not said: {answer.text}"
            time.sleep(0.05)
        return answer

    def act(self, act: str, target: str = "", path: str = "/plain", **changes: str) -> Answer:
        """Press a button of a page."""
        return self.ask("POST", "/act", self.get(path).form(act, target) | changes)


class PatientCell(Cell):
    """A cell that is armed again and again: what these tests ask is not whether the machine is busy."""

    def start(self, **settings: Any) -> None:
        """Start a supervisor, and it the robot."""
        self.client.forget()
        self.supervisor = self.rig.supervisor(**merge(SETTINGS, settings))
        self.client.wait_state("LOCKED", timeout=60.0)
        self.people = Deciders(self.client, str(self.rig.directory / "robot.yaml"))
        for source in ("planner", *SOURCES):
            agent = self.client.trajectory_publisher(source)
            self.client.wait_for(agent.get_subscription_count, "the supervisor hears the trajectory's publisher")
        self.arm()

    def speak_as(self, source: str) -> None:
        """Ask as one of `SOURCES` from now on: whoever was denied has to wait before it asks people again."""
        self.agent = self.client.trajectory_publisher(source)

    def waits(self, by: float = 0.3, duration: float = 2.0, frame_id: str = "") -> dict[str, str]:
        """Ask until it is shown; before it is, late cycles of a busy machine may stop the robot."""
        for _ in range(2):
            self.arm()
            with contextlib.suppress(AssertionError):
                return super().waits(by, duration, frame_id)
        self.arm()
        return super().waits(by, duration, frame_id)

    def arm(self) -> None:
        """Bring it to AUTO, from wherever."""
        for left in range(5, -1, -1):
            self.client.spin(0.5)
            if self.client.state.startswith("AUTO"):
                return
            try:
                self.client.wait_state("LOCKED", timeout=20.0)
                self.client.arm()
            except AssertionError:
                if not left:
                    raise


class PanelRig:
    """A cell in AUTO whose policy asks people, and a panel; `changes` are laid over the configuration."""

    def __init__(self, rig: Rig, **changes: Any) -> None:
        self.rig, self.keys = rig, rig.directory / "panel_keys"
        self.keys.mkdir()
        cost = Cost(64, 1, 1)  # passwords are tried often here
        public = {name: write_new_box(self.keys / f"{name}.panelkey", name, PASSWORDS[name], cost) for name in ROLES}
        people = {name: {"role": ROLES[name], "public_key": public[name]} for name in ROLES}
        self.port, self._strangers = free_port(), itertools.count(2)
        self._settings: dict[str, Any] = {"operators": {"people": people}, "policy": {"program": PROGRAM}}
        self._settings["sources"] = SOURCES
        self._settings = merge(self._settings, changes)
        self.cell = PatientCell(rig, **self._settings)
        self.panel = self.start(self.port)

    def make_ready(self) -> None:
        """Start again what the test before has ended, and wake what it has frozen."""
        for process in (self.panel, self.cell.supervisor):
            if process.process.poll() is None:
                process.send(signal.SIGCONT)
        if self.cell.supervisor.process.poll() is not None:
            self.cell.restart(**self._settings)
        if self.panel.process.poll() is not None:
            self.panel = self.start(self.port)
        self.cell.speak_as("planner")

    def start(self, port: int, *options: str, sink: int | None = None) -> Process:
        """Start a panel."""
        config: Path = self.rig.directory / "robot.yaml"
        given = ["--config", str(config), "--keys", str(self.keys), *options]
        return start_panel(self.rig, port, *given, sink=sink)

    @contextlib.contextmanager
    def beside(self, port: int, *options: str) -> Iterator[None]:
        """Start another panel for a while."""
        process = self.start(port, *options)
        try:
            yield
        finally:
            process.end()

    def browser(self) -> Browser:
        return Browser(self.port)

    def stranger(self) -> Browser:
        """Return a browser at an address from which nobody has tried a password yet."""
        return Browser(self.port, f"127.0.0.{next(self._strangers)}")
