"""The emulated device as a process of its own, as people run it: orders in, lines of JSON out."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

PATIENCE = 20.0
CLI = [sys.executable, "-m", "safety_supervisor.cli", "estop"]


class EmulatorProcess:
    """`estop emulate --json` on a pseudo-terminal behind a link."""

    def __init__(self, link: Path, *options: str) -> None:
        self.link = link
        self.told: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            [*CLI, "emulate", "--json", "--link", str(link), *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, name="emulator-output")
        self._reader.start()

    def __enter__(self) -> EmulatorProcess:
        self.wait(lambda: bool(self.told), "starting")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()

    def order(self, text: str) -> dict[str, Any]:
        """Give an order and return its answer."""
        assert self._process.stdin is not None
        before = len(self.told)
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        self.wait(lambda: any(line.get("order") == text for line in self.told[before:]), f"answering {text}")
        return next(line for line in self.told[before:] if line.get("order") == text)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something."""
        ends = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < ends, f"{what} did not happen: {self.told[-10:]}"
            time.sleep(0.005)

    def events(self, kind: str) -> list[str]:
        """Return details of the events of a kind."""
        return [line["detail"] for line in self.told if line.get("event") == kind]

    def wait_for(self, kind: str, detail: str) -> None:
        """Wait for an event."""
        self.wait(lambda: detail in self.events(kind), f"{kind}: {detail}")

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.told.append(json.loads(line))
