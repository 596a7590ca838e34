"""Processes of ours that die again and again, or can not be started at all: no fault, and no start in every cycle."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import pytest
from rig import panda

from safety_supervisor.core.operator_settings import OperatorSettings, Person, Role
from safety_supervisor.interpreter import module_command
from safety_supervisor.ros.decoding import Decoder
from safety_supervisor.ros.tokens import Tokens

S = 1_000_000_000
ADA = Person("ada", Role.OPERATOR, bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))


class Parent(Protocol):
    """Starts and restarts one."""

    ready: bool
    restarts: int

    @property
    def pid(self) -> int | None: ...

    def poll(self, now: int, may_restart: bool) -> Any: ...

    def close(self) -> None: ...


def tokens() -> Tokens:
    endpoints: Any = SimpleNamespace(advertise=lambda *given: None, subscribe=lambda *given: None)
    sink: Any = SimpleNamespace(enter=lambda event: None)
    noted: Any = SimpleNamespace(submit=lambda *given: None)
    return Tokens(endpoints, replace(panda(), operators=OperatorSettings(False, (ADA,))), sink, noted)


@pytest.fixture(params=[Decoder, tokens])
def parent(request: pytest.FixtureRequest) -> Iterator[Parent]:
    made: Callable[[], Parent] = request.param
    one = made()
    yield one
    one.close()


def kill(parent: Parent, now: int) -> None:
    assert parent.pid is not None
    os.kill(parent.pid, signal.SIGKILL)
    while parent.pid is not None:
        parent.poll(now, may_restart=False)


@pytest.mark.redteam(49)
def test_one_that_dies_at_once_is_started_ever_less_often(parent: Parent) -> None:
    kill(parent, 100 * S)
    began = []
    for tenth in range(600):
        now = 100 * S + tenth * S // 10
        parent.poll(now, may_restart=True)
        if parent.pid is not None:
            began.append(tenth / 10)
            kill(parent, now)
    assert began == [0.0, 1.0, 3.0, 7.0, 15.0, 31.0]
    assert parent.restarts == len(began)


@pytest.mark.redteam(49)
def test_without_a_process_to_spare_it_is_tried_again_and_nothing_raises(
    parent: Parent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*given: Any, **more: Any) -> Any:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    kill(parent, 100 * S)
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", none_left)
        for _ in range(3):
            parent.poll(100 * S, may_restart=True)
    assert (parent.pid, parent.restarts) == (None, 0)
    parent.poll(101 * S, may_restart=True)
    assert parent.pid is not None
    assert parent.restarts == 1


@pytest.mark.redteam(47)
@pytest.mark.parametrize("made", [Decoder, tokens])
def test_a_module_in_the_working_directory_is_not_taken_for_one_of_ours(
    made: Callable[[], Parent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "msgspec.py").write_text('raise SystemExit("taken")\n')
    monkeypatch.chdir(tmp_path)
    parent, ends = made(), time.monotonic() + 60.0
    try:
        while not parent.ready:
            parent.poll(time.monotonic_ns(), may_restart=False)
            assert parent.pid is not None, "it ended by the module that was put there"
            assert time.monotonic() < ends
            time.sleep(0.01)
    finally:
        parent.close()


def test_what_old_interpreters_need_runs_the_same_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "msgspec.py").write_text('raise SystemExit("taken")\n')
    (tmp_path / "json.py").write_text('raise SystemExit("taken")\n')
    monkeypatch.chdir(tmp_path)
    for version in ((3, 10), (3, 11)):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "version_info", version)
            command = module_command("safety_supervisor.evidence.recorder", "--no-such-option", "1")
        told = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60.0).stderr
        assert "recorder: error: the following arguments are required" in told
