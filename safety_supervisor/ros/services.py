"""Services whose answer has to wait: taken by hand once a cycle, answered when the core has.

rclpy's executors answer a service when its callback returns. `~/stop` answers after the stop went out, and a lifecycle
transition waits for the stop that runs before it, so these services are kept out of the executor (`HeldServices.hides`)
and polled in the pause before each tick: 3 us each, and their number a cycle is bounded.

An answer that its client can not hear takes 1 ms, or 100 without config/fastdds.xml. So no request is answered at once:
answers are sent behind a cycle, 50 a second at most, and of too many the oldest are dropped. Of each service one
request is taken a cycle; the middleware keeps ten that wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.service import Service

from safety_supervisor.core.effects import Reply
from safety_supervisor.core.units import NS_PER_S, Nanoseconds

PACE = NS_PER_S // 50
"""Time between two answers, [ns]."""
MOST_ANSWERS = 64
"""Answers that may wait."""
TIMEOUT = NS_PER_S
"""An answer that the core owes this long is given as a refusal, [ns]."""

Answer = Callable[[bool, str], None]
"""Sends the answer: success and message."""


@dataclass
class _Owed:
    answer: Answer
    due: Nanoseconds


class HeldServices:
    """Services that are polled, and the answers that are owed."""

    def __init__(self) -> None:
        """Nothing is served yet."""
        self._handlers: dict[Service, Callable[[Any, Answer], None]] = {}
        self._owed: dict[str, _Owed] = {}
        self._waiting: deque[tuple[Service, Any, bool, str]] = deque(maxlen=MOST_ANSWERS)
        self._answer_due: Nanoseconds = 0
        self._number = 0

    def hold(self, service: Service, handler: Callable[[Any, Answer], None]) -> None:
        """Poll a service.

        Args:
            service: one whose response has `success`, and `message` where it can tell more.
            handler: takes the request and the function that answers it, now or later.
        """
        self._handlers[service] = handler

    def forget(self, service: Service) -> None:
        """Stop polling a service that is about to be destroyed; what it has to answer is answered first."""
        for waiting in [one for one in self._waiting if one[0] is service]:
            self._waiting.remove(waiting)
            _send(*waiting)
        self._handlers.pop(service, None)

    def hides(self, service: Service) -> bool:
        """Return whether the executor must not see a service."""
        return service in self._handlers

    def poll(self) -> None:
        """Take at most one request of each service and hand it over."""
        for service, handler in list(self._handlers.items()):
            with service.handle:
                request, header = service.handle.service_take_request(service.srv_type.Request)
            if header is not None:
                handler(request, self._later(service, header))

    def _later(self, service: Service, header: Any) -> Answer:
        """Return what puts the answer of a request aside."""

        def send(success: bool, message: str) -> None:
            self._waiting.append((service, header, success, message))

        return send

    def answer(self, now: Nanoseconds) -> None:
        """Send an answer that waits, when it is time, steady clock, [ns]."""
        if self._waiting and now >= self._answer_due:
            self._answer_due = now + PACE
            _send(*self._waiting.popleft())

    def flush(self) -> None:
        """Send all answers, where no cycle can be held up."""
        while self._waiting:
            _send(*self._waiting.popleft())

    def owe(self, answer: Answer, now: Nanoseconds) -> str:
        """Remember an answer until its `Reply` comes; return the request's id."""
        self._number += 1
        request = f"service-{self._number}"
        self._owed[request] = _Owed(answer, now + TIMEOUT)
        return request

    def reply(self, reply: Reply) -> None:
        """Give an answer that was owed."""
        owed = self._owed.pop(reply.request, None)
        if owed is not None:
            owed.answer(reply.ok, f"{reply.code} {reply.message}".strip())

    def expire(self, now: Nanoseconds) -> None:
        """Answer what was owed too long."""
        late = [request for request, owed in self._owed.items() if owed.due <= now]
        for request in late:
            self._owed.pop(request).answer(False, "no answer in time; read the status")


def _send(service: Service, header: Any, success: bool, message: str) -> None:
    response = service.srv_type.Response()
    response.success = success
    if hasattr(response, "message"):
        response.message = message
    service.send_response(response, header)
