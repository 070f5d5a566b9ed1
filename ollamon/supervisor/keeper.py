"""Keeps one service: does to its process what the lifecycle says, and tells it what happened."""

import asyncio
import errno
import random
import signal
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from typing import Any, assert_never

from ollamon import sudo
from ollamon.errors import HandoverError, ListenError, PortInUseError
from ollamon.handover import Handover
from ollamon.supervisor import groundwork, identity, lifecycle, preflight, privileged, reaper
from ollamon.supervisor.child import Child, spawn
from ollamon.supervisor.groundwork import Ground
from ollamon.supervisor.guard_link import GuardLink
from ollamon.supervisor.lifecycle import Lifecycle
from ollamon.supervisor.looks import Asker
from ollamon.supervisor.messages import ChildState, ChildStatus, Outsider
from ollamon.supervisor.observation import Observation
from ollamon.supervisor.output import Output
from ollamon.supervisor.probe import NotifyWatch, ProbeWatch, Watch
from ollamon.supervisor.runfile import ChildEntry
from ollamon.supervisor.spec import ExecProbe, HttpProbe, Notify, ServiceSpec, TcpProbe
from ollamon.supervisor.vitals import Verdict

JITTER = 0.1
EMPTY_POLL_S = 0.01
EMPTY_POLL_MAX_S = 0.2
TAIL_LINES = 10
# Clients of these are refused.
DOWN = frozenset({ChildState.STOPPED, ChildState.FAILED, ChildState.EXITED})
# What SIGKILL has not ended after this long will not end, or is not ours to end.
HARD_LIMIT_S = 5.0
# A second try may find room; a missing program stays missing.
PASSING = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY})


@dataclass(frozen=True, slots=True)
class World:
    """What all keepers of a stack share.

    Attributes:
        run_file, token: As in `Handover`.
    """

    loop: asyncio.AbstractEventLoop
    reaper: reaper.Reaper
    guard: GuardLink
    run_id: str
    run_file: str
    token: str
    start_task: Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Keeper:
    """One service and its process. `on_change(self)` is called after each change of state.

    Attributes:
        since: Unix time of the last change of state.
        stop_limit_s: Instead of its own stop timeout, for the next stop.
    """

    def __init__(
        self,
        spec: ServiceSpec,
        world: World,
        ground: Ground,
        output: Output,
        on_change: Callable[["Keeper"], None],
    ) -> None:
        self.spec = spec
        self.life = Lifecycle(spec.restart)
        self.since = time.time()
        self.output = output
        self._world = world
        self._on_change = on_change
        self._ground = ground
        self._next: tuple[ServiceSpec, Ground, bool] | None = None
        self._inbox: deque[lifecycle.Event] = deque()
        self._is_busy = False
        self._child: Child | None = None
        self._watch: Watch | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pause_s = 0.0
        self._terminated = 0.0
        self.stop_limit_s: float | None = None
        self._seen = Observation()

    @property
    def state(self) -> ChildState:
        """Where it is."""
        return self.life.state

    @property
    def pid(self) -> int | None:
        """Of its process, None when there is none."""
        return self._child.pid if self._child else None

    def send(self, event: lifecycle.Event) -> None:
        """Tell the lifecycle, and do what it says; events that this causes wait their turn."""
        self._inbox.append(event)
        if self._is_busy:
            return
        self._is_busy = True
        try:
            while self._inbox:
                self._handle(self._inbox.popleft())
        finally:
            self._is_busy = False

    def kill(self) -> None:
        """SIGKILL to the group, now; one without its leader has had it."""
        if self._child is None or self._child.is_reaped:
            return
        if self.spec.through_sudo:
            # SIGKILL would end sudo alone and leave behind what runs as root.
            self._child.cut_lifeline()
        else:
            reaper.kill_group(self._child.pid, signal.SIGKILL)

    def limit_stop(self, limit_s: float | None) -> None:
        """Kill so long after the TERM of the next stop, or from now on when one is under way."""
        self.stop_limit_s = limit_s
        if limit_s is not None and self.state is ChildState.STOPPING:
            self._cancel_timer()
            self._timer = self._world.loop.call_later(limit_s, self._insist)

    def abandon(self) -> None:
        """Kill and let go of everything, when the supervisor cannot wait for an order."""
        self.kill()
        self._rest()
        self._ground.sockets.close()

    def adjust(self, spec: ServiceSpec) -> None:
        """Follow another spec from now on; it must be one for which the process may stay."""
        self.spec = spec
        self.life = replace(self.life, rules=spec.restart)

    def signal(self, number: int) -> None:
        """Signal the process, when there is one."""
        if self._child is not None and not self._child.is_reaped:
            reaper.kill_process(self._child.pid, number)

    def ground_for(self, spec: ServiceSpec) -> Ground:
        """Prepare what `renew` with this spec needs. Raises: As `groundwork.prepare`."""
        return groundwork.prepare(spec, self._ground, has_same_lock=self._has_same_lock(spec))

    def renew(self, spec: ServiceSpec, ground: Ground) -> None:
        """Be this from the next start on."""
        self._drop_next()
        self._next = (spec, ground, self._has_same_lock(spec))
        if self._child is None:
            self._take_next()
            if self.state in DOWN:
                self._ground.sockets.close()

    def release(self) -> None:
        """Give back what it stands on, and close its log."""
        self._drop_next()
        self._ground.close()
        self.output.close()

    def _has_same_lock(self, spec: ServiceSpec) -> bool:
        return spec.data_lock == self.spec.data_lock

    def _drop_next(self) -> None:
        if self._next is not None:
            self._next[1].close()
            self._next = None

    def _take_next(self) -> None:
        if self._next is None:
            return
        spec, ground, has_same_lock = self._next
        self._next = None
        ground.inherit(self._ground, has_same_lock=has_same_lock)
        self._ground = ground
        self.adjust(spec)

    def detail(self) -> str:
        """Return one sentence about the state, "" when the state says it all."""
        if self.state is ChildState.BACKOFF:
            return f"{self.life.reason}, again in {self._pause_s:.1f} s"
        return "; ".join(filter(None, (self.life.reason, self._seen.hint)))

    def note(self) -> str:
        """Return why it is not ready, or its own words."""
        lost = self.output.file.dropped
        trouble = f"{lost} bytes of its log are lost" if lost else ""
        return "; ".join(filter(None, (self.detail() or self._seen.words, trouble)))

    def waiting(self) -> str:
        """Return for what the end of this child waits, with how long and how long at most."""
        said = self._seen.words
        words = f"{self.spec.name}: {said}" if said else self.spec.name
        waited_s = self._world.loop.time() - self._terminated
        return f"{words} ({waited_s:.0f} s of {self._stop_timeout_s():g} s)"

    def left(self) -> str:
        """Return the pid of what a person has to end by hand."""
        return privileged.named(self.pid) if self.spec.through_sudo and self.pid else str(self.pid)

    def status(self) -> ChildStatus:
        """Return its row of `ollamon status`."""
        is_fine = self.state in (ChildState.READY, ChildState.STOPPED)
        cpu, rss = self._seen.usage()
        return ChildStatus(
            name=self.spec.name,
            state=self.state,
            since=self.since,
            pid=self.pid,
            ports=self._ports(),
            restarts=max(0, self.life.spawns - 1),
            last_exit=self.life.last_exit,
            health=self._seen.health(self._world.loop.time()),
            cpu_percent=cpu,
            rss_bytes=rss,
            log=str(self.output.file.path),
            note=self.note(),
            address=self.spec.address,
            tail=() if is_fine else self.output.tail(TAIL_LINES),
        )

    def outside(self) -> Iterator[Outsider]:
        """Yield what it watches and that is not ours."""
        return self._seen.outside(self._world.loop.time())

    def entry(self) -> ChildEntry:
        """Return its part of run.json."""
        return ChildEntry(
            name=self.spec.name,
            state=self.state,
            since=self.since,
            restarts=max(0, self.life.spawns - 1),
            pid=self.pid,
            pgid=self.pid,
            started=self._child.started if self._child else None,
            ports=self._ports(),
        )

    # What probe.Listener asks for.

    def became_ready(self) -> None:
        """It may be used."""
        self.send(lifecycle.BecameReady(self.life.epoch, self._world.loop.time()))

    def judged(self, verdict: Verdict, detail: str) -> None:
        """Several looks agree."""
        match verdict:
            case Verdict.WELL:
                self.send(lifecycle.Well(self.life.epoch))
            case Verdict.UNWELL:
                self.send(lifecycle.Unwell(self.life.epoch, detail))
            case Verdict.DEAD:
                self.send(lifecycle.Dead(self.life.epoch, detail))
            case _:
                assert_never(verdict)

    def looked(self, is_ok: bool, detail: str) -> None:
        """One look, for `status`."""
        self._seen.looked(is_ok, self._world.loop.time(), detail)

    def said(self, text: str) -> None:
        """Its own words."""
        self._seen.words = text

    def saw(self, text: str) -> None:
        """Its words about something that is not ours."""
        self._seen.saw(text, self._world.loop.time())

    def _handle(self, event: lifecycle.Event) -> None:
        before = self.life
        self.life, actions = before.on(event)
        if self.life.epoch != before.epoch or self.state is not before.state:
            self._cancel_timer()
        if self.state not in lifecycle.RUNNING:
            self._rest()
        for action in actions:
            self._do(action)
        if self.state is not before.state:
            self.since = time.time()
            self._on_change(self)

    def _do(self, action: lifecycle.Action) -> None:
        match action:
            case lifecycle.Spawn():
                self._spawn()
            case lifecycle.Terminate():
                self._terminate()
            case lifecycle.Wait(seconds):
                self._pause_s = seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
                self._set_timer(self._pause_s, lifecycle.Elapsed(self.life.epoch))
            case lifecycle.CloseSockets():
                self._ground.sockets.close()
                if self._next is not None:
                    self._next[1].sockets.close()
            case _:
                assert_never(action)

    def _told(self) -> Handover:
        world = self._world
        token = world.token if self.spec.knows_token else ""
        section = self.spec.section or {}
        return Handover(section, world.run_id, self._ground.sockets.open(), world.run_file, token)

    def _spawn(self) -> None:
        self._seen = Observation()
        self.stop_limit_s = None
        # A foreign program cannot say that it could not listen, and the stranger might answer 200.
        if self.spec.section is None and (
            taken := preflight.describe_taken(self._ground.sockets.unheld)
        ):
            self._report_no_process(taken, is_final=True)
            return
        try:
            child = spawn(self.spec, self._told())
        except PortInUseError as error:
            # All are closed by now, so what is taken is a stranger's.
            detail = preflight.describe_taken(self.spec.listens) or str(error)
            self._report_no_process(detail, is_final=True)
            return
        except HandoverError as error:
            self._report_no_process(str(error), is_final=True)
            return
        except OSError as error:
            detail = f"cannot start {self.spec.argv[0]}: {error.strerror or error}"
            self._report_no_process(detail, is_final=error.errno not in PASSING)
            return
        self._child = child
        if not self.spec.through_sudo:
            self._world.guard.add(child.pid)
        epoch = self.life.epoch
        self._world.reaper.watch(child.pid, lambda code: self._leader_left(epoch, code))
        self._seen.begin(child.pid)
        self.output.follow(child.output, self._world.run_id, child.pid)
        self._watch = self._begin_watch(child)
        limit_s = self.spec.start_timeout_s
        self._set_timer(limit_s, lifecycle.StartTimedOut(epoch, f"not ready within {limit_s:g} s"))

    def _report_no_process(self, detail: str, *, is_final: bool) -> None:
        now = self._world.loop.time()
        self.send(lifecycle.CannotSpawn(self.life.epoch, now, detail, is_final))

    def _begin_watch(self, child: Child) -> Watch:
        match self.spec.probe:
            case Notify():
                return NotifyWatch(self._world.loop, child.notify, self.spec.rhythm, self)
            case HttpProbe() | TcpProbe() | ExecProbe() as probe:
                world = self._world
                asker = Asker(world.loop, world.reaper, world.run_id)
                return ProbeWatch(world.start_task, asker, probe, self.spec.rhythm, self)
            case _:
                assert_never(self.spec.probe)

    def _terminate(self) -> None:
        if self._child is None or self._child.is_reaped:
            return
        reaper.kill_group(self._child.pid, signal.SIGTERM)
        self._terminated = self._world.loop.time()
        self._cancel_timer()
        self._timer = self._world.loop.call_later(self._stop_timeout_s(), self._insist)

    def _insist(self) -> None:
        """Its time is over: SIGKILL, and say so when that does not help either."""
        self.kill()
        if self._child is not None:
            self._set_timer(HARD_LIMIT_S, self._cannot_end(self._child.pid))

    def _cannot_end(self, pid: int) -> lifecycle.CannotEnd:
        detail = f"pid {pid} cannot be ended; as root: kill -KILL -{pid}"
        if self.spec.through_sudo:
            detail = privileged.cannot_end(pid)
        return lifecycle.CannotEnd(self.life.epoch, detail)

    def _stop_timeout_s(self) -> float:
        limit_s = self.stop_limit_s
        return self.spec.stop_timeout_s if limit_s is None else limit_s

    def _leader_left(self, epoch: int, code: int) -> None:
        """The leader is reaped and its group has its SIGKILL: wait until nothing is left of it."""
        child = self._child
        if child is None:
            return
        child.is_reaped = True
        # When sudo was killed, what it had started is still there, and listens to nothing else.
        child.cut_lifeline()
        self._rest()
        if code == ListenError.exit_code:
            self._seen.hint = preflight.describe_taken(self._ground.sockets.unheld)
        self._set_timer(HARD_LIMIT_S, self._cannot_end(child.pid))
        self._await_empty(epoch, code, EMPTY_POLL_S)

    def _await_empty(self, epoch: int, code: int, pause_s: float) -> None:
        child = self._child
        if child is None:
            return
        self._world.reaper.reap()
        if not reaper.is_group_empty(child.pid):
            # Once more, for one that was being born; a living group's number is nobody else's.
            reaper.kill_group(child.pid, signal.SIGKILL)
            later = min(pause_s * 1.5, EMPTY_POLL_MAX_S)
            self._world.loop.call_later(pause_s, self._await_empty, epoch, code, later)
            return
        self._let_go(child)
        self.send(self._end_of(epoch, code))

    def _end_of(self, epoch: int, code: int) -> lifecycle.Event:
        """Return what became of the process: one that sudo refused never was."""
        now = self._world.loop.time()
        is_refused = self.spec.through_sudo and self.state is ChildState.STARTING
        last = self.output.tail(1)
        if is_refused and last and sudo.is_refused(last[0]):
            return lifecycle.CannotSpawn(epoch, now, last[0], is_final=True)
        return lifecycle.Exited(epoch, now, code)

    def _let_go(self, child: Child) -> None:
        self._kill_strays()
        self._world.guard.remove(child.pid)
        self._rest()
        self.output.finish()
        child.close()
        self._child = None
        self._seen.end()
        self._take_next()

    def _kill_strays(self) -> None:
        """End descendants that left the group with setsid and came up to the subreaper."""
        for pid in self._world.reaper.adopted():
            if identity.is_of(pid, self._world.run_id, self.spec.name):
                reaper.kill_process(pid)

    def _rest(self) -> None:
        """Look at it no longer."""
        if self._watch is not None:
            self._watch.stop()
            self._watch = None

    def _set_timer(self, seconds: float, event: lifecycle.Event) -> None:
        self._cancel_timer()
        self._timer = self._world.loop.call_later(seconds, self.send, event)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ports(self) -> tuple[int, ...]:
        return tuple(listen.port for listen in self.spec.listens)
