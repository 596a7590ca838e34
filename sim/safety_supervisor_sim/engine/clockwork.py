"""The lock-step: physics, measurement, messages, control cycle, motors, one after the other, in simulated time.

No thread, no clock, no chance that is not seeded: the same seed and the same acts give the same events and effects, bit
for bit. The order within a period is that of the node: what came since the last cycle is taken just before it.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import deque
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from safety_supervisor.boot_script import BootScript
from safety_supervisor.core.act_events import OperatorAct, StopRequested
from safety_supervisor.core.effects import Actuate, Decision, Effect, LadderMode, Latches, RelayDemand, Reply, Status
from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import AdapterFault, Boot, Event, Humans, JointStates, Tick, TrajectoryCommand
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.evidence.event_log import digest_effects
from safety_supervisor.ros.frames import DecodeRequest
from safety_supervisor.ros.noted import NotedActs
from safety_supervisor.ros.source_gate import SourceGate, trajectory_event
from safety_supervisor_sim.agent.commands import Trajectory
from safety_supervisor_sim.engine import stock, wire
from safety_supervisor_sim.engine.doubles import Notes, Reader
from safety_supervisor_sim.engine.line import Line
from safety_supervisor_sim.engine.motors import Motors
from safety_supervisor_sim.engine.stock import ROS_OFFSET, START

if TYPE_CHECKING:
    from safety_supervisor_sim.engine.faults import Faults, People

Message = bytes | Trajectory | int
"""A set-point's bytes, a trajectory, or the length of one that is too long for anybody to read."""
Work = Generator[int, None, Any]
"""What goes on beside the supervisor: yields the instants at which it goes on, [ns]."""
STREAM_DEPTH: Final = 10
"""Messages that a source's queue holds; of more the newest: `ros/inputs.py`."""
RESTING: Final = ("INIT", "LOCKED", "EMERGENCY_STOP", "FAULT")
"""States in which the e-stop device may test itself: `ros/session.py`."""
ACTS: Final = {"reset": "", "start": "auto", "recover": ""}


class Clockwork:
    """One boot of a supervisor around one simulated robot.

    Args:
        configuration: of the supervisor; its e-stop is a device on a line.
        motors: the robot's.
        seed: of the e-stop's two ends.

    Attributes:
        now: steady clock: the last cycle, [ns].
        clock_offset: ROS clock less steady clock, [ns].
        actuates: all set-points so far.
        events: all that was handled, and the digest of its effects.
        told: takes each effect that people hear of.
        log_ok: whether the record can be kept.
        stands_still: whether the supervisor's process does.
        faults, people: of the run; None: none.
    """

    def __init__(self, configuration: Configuration, motors: Motors, seed: int) -> None:
        """Boot: everything is connected, the button released."""
        self.configuration = configuration
        self.supervisor = stock.take_supervisor(configuration)
        self._build: Callable[[Configuration], Supervisor] = Supervisor
        self.motors = motors
        self.now = START
        self.clock_offset = ROS_OFFSET
        self._steps = 0
        self.actuates: list[Actuate] = []
        self.events: list[tuple[Event, bytes]] = []
        self.told: Callable[[Effect], None] = lambda effect: None
        self.last_status: dict[str, str] = {}
        self.log_ok = True
        self.stands_still = False
        self.faults: Faults | None = None
        self.people: People | None = None
        self._missed = self._boots = 0
        self._latches = (False, "")
        self._states: list[tuple[int, JointStates]] = []
        self._sent: list[tuple[int, Actuate]] = []
        self.line = Line(configuration.estop, seed, START)
        self._period = configuration.timing.period
        self._script = BootScript(configuration, "core_engine")
        self._gates = {one.name: SourceGate(one, Reader(), START) for one in configuration.sources}
        self._inbox: dict[str, deque[tuple[int, Message]]] = {
            one.name: deque(maxlen=STREAM_DEPTH) for one in configuration.sources
        }
        self._decoding: list[tuple[str, TrajectoryCommand]] = []
        self._notes = Notes()
        self._noted = NotedActs(self._notes)
        self._work: list[tuple[int, int, Work, Callable[[Any], None]]] = []
        self._number = 0
        self._waiting: list[Event] = []
        self._replies: dict[str, Reply] = {}
        self._relay_stop = False
        self._moving = False
        self._effects = hashlib.sha256()
        self._boot()

    def _boot(self) -> None:
        for event in self._script.begin(self.now):
            if isinstance(event, Boot):
                stopped, fault = self._latches
                event = msgspec.structs.replace(event, emergency_stop_latched=stopped, fault_latched=fault)
                if self._boots:
                    again = f"_{self._boots + 1}"
                    event = msgspec.structs.replace(event, boot_id=event.boot_id + again, nonce=event.nonce + again)
            self.enter(event)
        self._boots += 1

    def respawn(self) -> None:
        """Begin anew as a process that crashed does: with what is on disk, and nothing else."""
        self.supervisor = self._build(self.configuration)
        self._waiting, self._decoding, self._replies = [], [], {}
        for queue in self._inbox.values():
            queue.clear()
        self._noted = NotedActs(self._notes)
        self._relay_stop = self._moving = False
        self.line.reboot(self.now)
        self._boot()

    def replace(self, build: Callable[[Configuration], Supervisor]) -> None:
        """Have somebody else stand in the supervisor's place, before the first cycle and after each restart.

        He handles what was handled so far; of who stood there before nothing is left.
        """
        self._build = build
        self.supervisor = build(self.configuration)
        handled, self.events, self._effects = self.events, [], hashlib.sha256()
        for event, _ in handled:
            self.enter(event)

    def wrap(self, around: Callable[[Supervisor], Supervisor]) -> None:
        """Put something around who stands there, now and after each restart."""
        build = self._build
        self._build = lambda configuration: around(build(configuration))
        self.supervisor = around(self.supervisor)

    # -- work beside the supervisor -------------------------------------------------------------

    def begin(self, work: Work, done: Callable[[Any], None], at: int = 0) -> None:
        """Have work done from an instant on, [ns]; `done` takes what it returns."""
        self._number += 1
        heapq.heappush(self._work, (max(at, self.now), self._number, work, done))

    def _do_work(self, until: int) -> None:
        while self._work and self._work[0][0] <= until:
            at, _, work, done = heapq.heappop(self._work)
            try:
                following = next(work)
            except StopIteration as end:
                done(end.value)
            else:
                self.begin(work, done, max(at, following))

    def publish(self, source: str, message: Message, at: int) -> None:
        """Put a message into a source's queue, where the next cycle finds it."""
        if self.faults is not None:
            if self.faults.lost("set_points"):
                return
            wait = self.faults.wait("set_points")
            if wait:
                self.begin(self._arrive(source, message, at + wait), lambda _: None)
                return
        self._inbox[source].append((at, message))

    def _arrive(self, source: str, message: Message, at: int) -> Work:
        yield at
        self._inbox[source].append((at, message))

    def step_clock(self, nanoseconds: int) -> None:
        """Step the ROS clock, that of controllers too; the steady clock goes on."""
        self.clock_offset += nanoseconds
        self.motors.step_clock(nanoseconds)
        self._steps += 1

    def later(self, wait: int, event: Event) -> None:
        """Have an event enter after a time, [ns]."""
        at = self.now + wait

        def enters() -> Work:
            yield at
            self.tell(event)

        self.begin(enters(), lambda _: None)

    def tell(self, event: Event) -> None:
        """Have an event enter with the next cycle, at its time."""
        self._waiting.append(event)

    # -- services -------------------------------------------------------------------------------

    def ask(self, name: str) -> str:
        """Call a service; return the id under which `answer` will know the reply."""
        self._number += 1
        request, now = f"service-{self._number}", self.now
        if name == "stop":
            self.tell(StopRequested(now, "service", "~/stop", request))
            return request
        act: Any = name

        def refuse(code: Code, why: str) -> None:
            self._replies[request] = Reply(now, request, False, code.value, why)

        event = OperatorAct(now, act, "unsigned service", ACTS[name], -1, request)
        self._noted.submit(event, now, self.tell, refuse)
        return request

    def answer(self, request: str) -> Reply | None:
        """Return the reply to a request, once it is there."""
        return self._replies.get(request)

    # -- time -----------------------------------------------------------------------------------

    def cycle(self) -> None:
        """Advance by one control period."""
        due = self.now + self._period
        motors, line = self.motors, self.line
        motors.power(line.device.relays_closed)
        while motors.now < due:
            motors.step()
        line.advance(due)
        self._do_work(due)
        self.now = due
        self._deliver()
        motors.look()
        if self.stands_still:
            self._missed = self._missed or due
            return
        self._measure()
        self._take_messages()
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            self.enter(msgspec.structs.replace(event, at=due))
            if isinstance(event, StopRequested):
                self._noted.void("a stop was asked for meanwhile")
        self._tick()
        self._after()

    def _measure(self) -> None:
        now, measured = self.now, self.motors.measure()
        if measured is not None and self.faults is not None:
            measured = None if self.faults.lost("measurements") else self.faults.told(measured)
        if measured is not None:
            names, positions, velocities = measured
            stamp = now + self.clock_offset
            states = JointStates(now, names, positions, velocities, stamp, stamp, now)
            if self.faults is None or not (wait := self.faults.wait("measurements")):
                self.enter(states)
            else:
                self._states.append((now + wait, states))
        while self._states and self._states[0][0] <= now:
            came, states = self._states.pop(0)
            self.enter(msgspec.structs.replace(states, at=now, clock=now + self.clock_offset, received=came))
        if measured is not None:
            for event in self.motors.sensed(now):
                self.enter(event)
        if self.people is None:
            for event in self._script.people(now):
                self.enter(event)
        elif (told := self.people.told(now)) is not None and not (self.faults and self.faults.lost("people")):
            points, stamp = told[0], told[1] + self.clock_offset
            frame = self.configuration.robot.base_frame
            self.enter(Humans(now, frame, points, stamp, now + self.clock_offset, received=now))

    def _take_messages(self) -> None:
        now = self.now
        for source, queue in self._inbox.items():
            gate = self._gates[source]
            while queue:
                received, message = queue.popleft()
                if isinstance(message, bytes):
                    event: Event | None = gate.set_point(message, now, self._ros_clock, received)
                    if event is not None:
                        self.enter(event)
                else:
                    self._take_trajectory(gate, message, received)

    def _take_trajectory(self, gate: SourceGate, said: Trajectory | int, received: int) -> None:
        source, now = gate.source.name, self.now
        judged = gate.trajectory(said if isinstance(said, int) else len(wire.joint_trajectory(said)), now)
        if isinstance(judged, bool):
            if not judged:
                return
            if isinstance(said, int):
                raise ValueError(f"{source} may send trajectories of {said} bytes: what is in it has to be sent")
            if any(one == source for one, _ in self._decoding):
                judged = gate.refuse(now, Code.BUSY, 1.0, 1.0, "an earlier trajectory is being decoded")
            else:
                request = DecodeRequest(0, source, self._ros_clock(), gate.source.max_trajectory_points, b"")
                event = trajectory_event(wire.fields(said), request)
                if isinstance(event, TrajectoryCommand):
                    self._decoding.append((source, msgspec.structs.replace(event, received=received)))
                    return
                judged = msgspec.structs.replace(event, at=now)
        self.enter(judged)

    def _ros_clock(self) -> int:
        return self.now + self.clock_offset

    def _tick(self) -> None:
        now = self.now
        scheduled, self._missed = self._missed or now, 0
        alive = now - scheduled <= self.configuration.timing.overrun
        effects = self.enter(Tick(now, scheduled, self.line.sample(now), self.log_ok))
        for effect in effects:
            if isinstance(effect, Actuate):
                self._moving = effect.moving
                self.actuates.append(effect)
                self._send(effect)
        self.supervisor.prepare()
        resting = not self._moving and self.supervisor.state in RESTING
        for report in self.line.serve(now, alive, self._relay_stop, resting):
            self.enter(report)

    def _send(self, actuate: Actuate) -> None:
        if self._steps:
            # The node's output stamps with that clock, and raises instead of sending: `ros/outputs.py`.
            self._steps = 0
            self.tell(AdapterFault(0, Code.INTERNAL.value, "tick: ClockStepError: the ROS clock was stepped"))
            return
        if self.faults is not None:
            if self.faults.lost("motors"):
                return
            wait = self.faults.wait("motors")
            if wait or self._sent:
                self._sent.append((self.now + wait, actuate))
                return
        self.motors.send(actuate, self.clock_offset)

    def _deliver(self) -> None:
        """Bring the motors what was under way to them."""
        while self._sent and self._sent[0][0] <= self.now:
            self.motors.send(self._sent.pop(0)[1], self.clock_offset)

    def _after(self) -> None:
        now = self.now
        self._notes.cycles += 1
        self._noted.poll(now)
        for gate in self._gates.values():
            excess = gate.excess(now)
            if excess is not None:
                self.enter(excess)
        decoded, self._decoding = self._decoding, []
        for _, event in decoded:
            self.enter(msgspec.structs.replace(event, at=now))

    def enter(self, event: Event) -> tuple[Effect, ...]:
        """Let the core handle an event, and carry out what is no motion."""
        effects = self.supervisor.handle(event)
        digest = digest_effects(effects)
        self._effects.update(digest)
        self.events.append((event, digest))
        for effect in effects:
            if isinstance(effect, RelayDemand):
                self._relay_stop = effect.stop
            elif isinstance(effect, LadderMode):
                self.motors.obey(effect.mode)
            elif isinstance(effect, Latches):
                self._latches = (effect.emergency_stop, effect.fault)
            elif isinstance(effect, Reply):
                self._replies[effect.request] = effect
            elif isinstance(effect, Decision | Status):
                self.told(effect)
        return effects

    @property
    def sha256(self) -> str:
        """Hash of all effects so far."""
        return self._effects.hexdigest()
