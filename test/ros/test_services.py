"""Held services: every request is heard at once, answers are sent behind a cycle, a few at a time."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from std_srvs.srv import Trigger

from safety_supervisor.core.effects import Reply
from safety_supervisor.ros.services import MOST_ANSWERS, PACE, HeldServices


class Handle:
    """Requests that wait in the middleware."""

    def __init__(self) -> None:
        self.requests: deque[int] = deque()

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def service_take_request(self, kind: type[Any]) -> tuple[Any, int | None]:
        return (kind(), self.requests.popleft()) if self.requests else (None, None)


class Service:
    """As much of rclpy's service as is used."""

    srv_type = Trigger

    def __init__(self) -> None:
        self.handle = Handle()
        self.answered: list[tuple[int, bool, str]] = []

    def send_response(self, response: Any, header: int) -> None:
        self.answered.append((header, response.success, response.message))


@pytest.mark.redteam(52)
def test_requests_are_heard_in_their_cycle_and_answered_one_at_a_time() -> None:
    services, stop, reset = HeldServices(), Service(), Service()
    heard: list[str] = []

    def serve_stop(request: object, answer: Any) -> None:
        heard.append(services.owe(answer, 0))

    services.hold(stop, serve_stop)  # type: ignore[arg-type]
    services.hold(reset, lambda request, answer: answer(False, "not now"))  # type: ignore[arg-type]
    reset.handle.requests.extend(range(500))
    for cycle in range(300):
        if cycle == 200:
            stop.handle.requests.append(7)
        services.poll()
        assert len(heard) == (cycle >= 200), "a flood beside it delays no stop"
    assert len(reset.handle.requests) == 200, "one request a cycle"
    assert not reset.answered, "nothing is answered while a cycle is near"
    services.reply(Reply(0, heard[0], True, "", "stopped"))
    for tick in range(10):
        services.answer(PACE + tick * PACE // 2)
    assert len(reset.answered) == 5, "one a PACE"
    services.flush()
    assert len(reset.answered) + len(stop.answered) == MOST_ANSWERS, "the oldest are dropped"
    assert reset.answered[-1] == (299, False, "not now")
    assert stop.answered == [(7, True, "stopped")]


def test_an_answer_that_the_core_owes_too_long_is_a_refusal() -> None:
    services, stop = HeldServices(), Service()
    services.hold(stop, lambda request, answer: services.owe(answer, 0))  # type: ignore[arg-type, return-value]
    stop.handle.requests.append(1)
    services.poll()
    services.expire(10**9 - 1)
    services.flush()
    assert not stop.answered
    services.expire(10**9)
    services.flush()
    assert stop.answered == [(1, False, "no answer in time; read the status")]


def test_a_service_that_goes_gives_its_answers_before() -> None:
    services, stop, other = HeldServices(), Service(), Service()
    for service in (stop, other):
        services.hold(service, lambda request, answer: answer(True, "done"))  # type: ignore[arg-type]
        service.handle.requests.append(3)
    services.poll()
    services.forget(stop)  # type: ignore[arg-type]
    assert stop.answered == [(3, True, "done")]
    assert not other.answered
    services.flush()
    assert len(stop.answered) == len(other.answered) == 1
