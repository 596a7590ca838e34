"""STOP of the panel: from the click in a real Chromium to the first motor message that slows down.

    .venv/bin/python -m bench.panel_stop --trials 200
    .venv/bin/python -m bench.panel_stop --trials 200 --watching 5
    .venv/bin/python -m bench.panel_stop --trials 200 --watching 5 --preview

With `--watching` as many more windows are open, in each of which the moving robot is drawn in three dimensions. Beside
it stands the control cycle's p99 of 10 s, as the supervisor's status tells it before each click: compare the commands.
With `--preview` a command waits before each click instead, and every window plays its motion. Nothing waits while a
robot moves: its card is gone and its motion rests, and PLAY is pressed in every window, so all play at the click.

The real node, the panel's process, Debian's Chromium by Playwright, a robot that cruises (bench/estop_world.py). One
clock, CLOCK_MONOTONIC: read before the driver is told to click, so the driver's own way to the browser counts, too; and
the middleware's time of sending the motor message. Exit status 1 where p99 is above 150 ms or a click stopped nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import yaml
from playwright.sync_api import Browser, Error, Page, sync_playwright
from rclpy.duration import Duration
from rclpy.qos import LivelinessPolicy, QoSProfile
from rich.console import Console
from rich.progress import Progress
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from bench.bench_relay import environment
from bench.estop_world import World, end, start_supervisor, write_configuration
from bench.relay_processes import JOINTS
from safety_supervisor.panel.key_box import Cost, write_new_box

PERMITTED = 150.0
"""p99, [ms]."""
PERIOD = 0.004
PASSWORD = "a password of the bench"
ASKING = ("asks_1", "asks_2", "asks_3")
"""Sources in turn: each may ask people ten times a minute at most."""
STAYS = 3.0
"""The picture of a command that is gone stays for 8 s; for so long another click may be begun with it, [s]."""
ROBOT = 5
"""Real-time priority of the thread that plays robot and planner: below the node's."""
ROOM = 1 << 30
"""In memory, for what the node writes, [byte]."""
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


def _memory() -> str | None:
    """Where there is room, the node writes into memory: a disk that others keep busy for half a second stops it."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > ROOM else None


def _configure(directory: Path) -> Path:
    path = write_configuration(directory, PERIOD, relays=False)
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    raw["estop"] = {"driver": "none", "none": "I accept"}
    public = write_new_box(directory / "ada.panelkey", "ada", PASSWORD, Cost(64, 1, 1))
    people = {"ada": {"role": "technician", "public_key": public}}
    raw["operators"] = {"unsigned_services": True, "people": people}
    raw["policy"] = {"program": 'source == "planner" ? allow : approve("zone", 1, 60)'}
    planner = json.dumps(raw["sources"]["planner"])  # a copy of its own for each: no aliases in the file
    raw["sources"] |= {name: json.loads(planner) | {"priority": 11 + n} for n, name in enumerate(ASKING)}
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def _start_panel(config: Path, words: Path) -> tuple[subprocess.Popen[bytes], int]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    command = ["-m", "safety_supervisor.cli", "panel", "--config", str(config), "--port", str(port)]
    command += ["--keys", str(config.parent)]
    with words.open("ab") as sink:
        process = subprocess.Popen([sys.executable, *command], env=environment(), stdout=sink, stderr=sink)
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            return process, port
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the panel does not start: {words.read_text(errors='replace')[-1000:]}")


def _arm(world: World) -> None:
    for _ in range(20):  # a busy machine may delay reset and start by a cause of its own
        if world.state == "AUTO/HOLDING":
            return
        world.wait(lambda: world.state == "LOCKED", 10.0)
        time.sleep(0.1)
        if world.call("reset")[0] and world.wait(lambda: world.state == "READY", 2.0) and world.call("start")[0]:
            world.wait(lambda: world.state == "AUTO/HOLDING", 2.0)
    raise RuntimeError(f"not armed: {world.state} {world.cause}")


def _open(browser: Browser, port: int, shown: bool) -> Page:
    """Log in in one more window; `shown`: the robot is drawn there as it moves."""
    page = browser.new_context().new_page()
    page.goto(f"http://127.0.0.1:{port}/login")
    page.fill("input[name=name]", "ada")
    page.fill("input[name=password]", PASSWORD)
    page.click("form.login button")
    page.wait_for_url("**/", timeout=60_000)
    page.wait_for_function("!document.body.classList.contains('lost')", timeout=60_000)
    if shown:
        page.get_by_role("button", name="SHOW THE ROBOT").click(timeout=60_000)
        page.wait_for_selector("canvas", timeout=60_000)
    return page


_PLAYS = """([gone, rests]) => {
  const look = async () => {
    let first = "";
    for (const ends = performance.now() + 20_000; performance.now() < ends;) {
      await new Promise(done => setTimeout(done, 50));
      const card = [...document.querySelectorAll(".card:has(.caption)")].at(-1);
      if (!card || gone !== card.classList.contains("gone") || (!gone && card === window.played)) continue;
      const button = [...card.querySelectorAll("button")].find(one => one.textContent === "PLAY");
      if (rests && first === "" && !button) continue;
      button?.click();
      card.querySelector(".picture").scrollIntoView({ block: "center" }); // out of sight nothing is drawn
      const text = card.querySelector(".caption").textContent;
      if (first === "") first = text;
      else if (text !== first) {
        window.played = card;
        return "";
      }
    }
    return first === "" ? "no preview" : "the preview does not play";
  };
  window.playing = look();
}"""
"""Looks until the newest preview, of a command that waits or is `gone`, plays: its words change. Where it `rests`, or
is about to, PLAY is pressed first."""


class Asking:
    """Lets a command wait for people, and sees that its preview plays in every window."""

    def __init__(self, world: World, pages: list[Page]) -> None:
        self._world, self._pages, self._turn, self._gone_at = world, pages, 0, 0.0
        profile = QoSProfile(depth=1, liveliness=LivelinessPolicy.AUTOMATIC)
        profile.liveliness_lease_duration = Duration(seconds=0.5)
        topics = (f"/supervisor/sources/{name}/joint_trajectory" for name in ASKING)
        self._ways = [world.caller.create_publisher(JointTrajectory, topic, profile) for topic in topics]

    def ask(self) -> str:
        """Ask, unless the last command's picture is there for long enough; return why none plays, or nothing."""
        if time.monotonic() - self._gone_at < STAYS:
            return ""
        self._turn += 1
        self._gone_at = 0.0
        here = self._world.positions
        rests = [0.0] * len(here)
        goal = JointTrajectoryPoint(positions=[here[0] + 0.3, *here[1:]], velocities=rests, accelerations=rests)
        goal.time_from_start.sec = 4
        self._ways[self._turn % len(ASKING)].publish(JointTrajectory(joint_names=JOINTS, points=[goal]))
        return self._plays(gone=False)

    def go_on(self) -> str:
        """Play it though the robot moves, so that its command is gone; return why it does not play, or nothing."""
        problem = self._plays(gone=True, rests=not self._gone_at)
        self._gone_at = 0.0 if problem else self._gone_at or time.monotonic()
        return problem

    def _plays(self, gone: bool, rests: bool = False) -> str:
        try:
            for page in self._pages:
                page.evaluate(_PLAYS, [gone, rests])
            return next(filter(None, [page.evaluate("() => window.playing") for page in self._pages]), "")
        except Error as error:  # a machine that is busy for long lets a page begin anew
            return f"no preview: {str(error)[:80]}"


def _trial(world: World, page: Page, chance: random.Random, ask: Asking | None) -> float | str:
    """One click; return how long it took, [ms], or why it counts for nothing."""
    _arm(world)
    if ask is not None and (problem := ask.ask()):
        return problem
    box = page.get_by_role("button", name="STOP").bounding_box()
    assert box is not None
    at = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    world.cruise()
    try:
        if not world.wait(lambda: world.cruising, 5.0):
            return f"did not cruise: {world.state} {world.cause}"
        if ask is not None and (problem := ask.go_on()):
            return problem
        time.sleep(chance.uniform(0.0, 0.3))  # anywhere between two updates of the page
        if world.stopped_at is not None:
            return f"stopped before the click: {world.cause}"
        clicked = time.monotonic_ns()
        page.mouse.click(*at)
        if not world.wait(lambda: world.stopped_at is not None, 2.0):
            return "LOST: no stop within 2 s"
        assert world.stopped_at is not None
        took = (world.stopped_at - clicked) / 1e6
        world.wait(lambda: world.state == "LOCKED", 5.0)
        if world.cause != "E_STOP_REQUEST":
            return f"stopped by something else: {world.cause}"
        return took
    finally:
        world.rest()
        time.sleep(0.3)


def main() -> int:
    """Run the trials and print their distribution."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--watching", type=int, default=0, metavar="N", help="windows that draw the robot meanwhile")
    parser.add_argument("--preview", action="store_true", help="a command waits, and every window plays its motion")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="tell each click on standard error")
    given = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("there is no chromium: apt-get install chromium")
    chance, times, other, cycles = random.Random(1), list[float](), list[str](), list[float]()
    with tempfile.TemporaryDirectory(dir=_memory()) as name, sync_playwright() as playwright:
        directory = Path(name)
        config = _configure(directory)
        world = World(PERIOD)
        world.start()
        with suppress(PermissionError):  # robot and planner are other machines: no browser makes them late
            os.sched_setscheduler(world.native_id or 0, os.SCHED_FIFO, os.sched_param(ROBOT))
        supervisor = start_supervisor(config, directory / "supervisor.txt", fifo=True)
        panel, port = _start_panel(config, directory / "panel.txt")
        try:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            pages = [_open(browser, port, shown=not given.preview) for _ in range(given.watching)]
            page = _open(browser, port, shown=False)
            ask = Asking(world, [*pages, page]) if given.preview else None
            with suppress(KeyboardInterrupt), Progress(console=Console(stderr=True)) as bar:
                clicks = bar.add_task("clicks", total=given.trials)
                while len(times) < given.trials and len(other) < given.trials:
                    result = _trial(world, page, chance, ask)
                    cycles.append(float(world.told["cycle_p99_us"]))
                    times.append(result) if isinstance(result, float) else other.append(result)
                    bar.update(clicks, completed=len(times))
                    if given.verbose:
                        print(result, file=sys.stderr, flush=True)
            with suppress(Error):  # Ctrl-C ends the browser, too; what was measured is told
                browser.close()
        finally:
            end(panel)
            end(supervisor)
            world.close()
    if not times:
        sys.exit(f"no click counts: {sorted(set(other))}")
    times.sort()
    cycles.sort()
    lost = sum(one.startswith("LOST") for one in other)
    told = {
        "trials": len(times), "p50_ms": times[len(times) // 2], "p99_ms": times[-(-99 * len(times) // 100) - 1],
        "worst_ms": times[-1], "permitted_p99_ms": PERMITTED, "lost": lost, "not_counted": other,
        "watching": given.watching, "preview": given.preview, "cycle_p99_us": cycles[len(cycles) // 2],
        "load": os.getloadavg()[0], "processors": os.cpu_count(),
    }  # fmt: skip
    if given.json:
        print(json.dumps(told))
    else:
        print(
            f"STOP at the panel, {told['trials']} clicks: p50 {told['p50_ms']:.1f} ms, p99 {told['p99_ms']:.1f} ms "
            f"(permitted {PERMITTED:.0f}), worst {told['worst_ms']:.1f} ms; lost {lost}; "
            f"{given.watching} more windows, {'a preview plays' if given.preview else 'the robot is drawn'} in each; "
            f"the cycle's p99, median of all: {told['cycle_p99_us']:.0f} us; "
            f"load {told['load']:.1f} on {told['processors']} processors; "
            f"not counted: {len(other)} {sorted(set(other))}"
        )
    return int(lost > 0 or told["p99_ms"] > PERMITTED)


if __name__ == "__main__":
    sys.exit(main())
