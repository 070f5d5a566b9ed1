"""The engine: keeps the children of one stack as their specs want them, until told to stop."""

import asyncio
import contextlib
import functools
import os
import secrets
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from ollamon.errors import ControlError, OllamonError, RuntimeFolderError, StartError
from ollamon.supervisor import (
    changes,
    groundwork,
    identity,
    lifecycle,
    messages,
    order,
    preflight,
    runfile,
    state,
    verdict,
)
from ollamon.supervisor.changes import Action, Change, TellPlan
from ollamon.supervisor.console import Console
from ollamon.supervisor.control_server import ControlServer
from ollamon.supervisor.groundwork import Ground
from ollamon.supervisor.guard_link import GuardLink
from ollamon.supervisor.herald import Herald
from ollamon.supervisor.journal import Journal
from ollamon.supervisor.keeper import HARD_LIMIT_S, Keeper, World
from ollamon.supervisor.looks import Asker
from ollamon.supervisor.messages import ChildState, Outsider, StackState
from ollamon.supervisor.output import Output, RotatingFile
from ollamon.supervisor.outside import Outside
from ollamon.supervisor.planner import Planner
from ollamon.supervisor.reaper import Reaper
from ollamon.supervisor.roster import Roster
from ollamon.supervisor.spec import ServiceSpec, StackSpec
from ollamon.supervisor.terminal import has_terminal, wants_colour

PROGRESS_S = 1.0
INTERRUPTED = 130
LEFT_BEHIND = 9


class Supervisor:
    """Runs one stack in the main thread, which must be the only one of its process."""

    def __init__(
        self,
        stack: StackSpec,
        *,
        on_event: Callable[[messages.Event], None],
        version: str,
        console: TextIO | None = None,
        has_timestamps: bool = False,
    ) -> None:
        """Start nothing yet; `has_timestamps` is about the lines on `console`.

        Raises:
            ValueError: Two services share a name, or wait for each other.
        """
        order.check(stack.services)
        self.shall_restart = False
        self.run_id = secrets.token_hex(4)
        self._stack = stack
        self._version = version
        self._console = console
        self._has_timestamps = has_timestamps
        self._started = time.time()
        events = RotatingFile(
            stack.state / messages.EVENTS_NAME, stack.log.max_bytes, stack.log.keep
        )
        self._journal = Journal(on_event, events)
        self._roster = Roster(self._settled)
        self._herald = Herald(self._journal, self._roster.members, stack.start_timeout_s)
        self._exit_code = 0
        self._outside: Outside | None = None
        self._timers: list[asyncio.TimerHandle] = []

    async def run(self) -> int:
        """Run until stopped; 0 after SIGTERM, SIGHUP or `stop`, 130 after SIGINT.

        Takes the lock, sweeps the leftovers of a dead run, and only then runs `preflight.check`.
        Returns 9 when a process could not be ended.

        Raises:
            AlreadyRunningError, LeftoverError, PortInUseError, ProgramMissingError,
            RuntimeFolderError, StartError: Nothing was started.
        """
        self._loop = asyncio.get_running_loop()
        self._finished = asyncio.Event()
        self._has_terminal = has_terminal()
        with contextlib.ExitStack() as held:
            lock = state.acquire(self._stack.runtime)
            held.callback(lock.release)
            held.callback(self._journal.close)
            grounds = groundwork.lay(self._stack, held, self._journal)
            control = await self._open_control(held)
            async with asyncio.TaskGroup() as tasks:
                try:
                    await self._supervise(tasks, held, grounds)
                finally:
                    self._abandon()
            control.close()
            lock.release()
            await control.farewell()
        return self._exit_code

    def status(self) -> messages.StackStatus:
        """Return what is; looks at nobody."""
        return messages.StackStatus(
            name=self._stack.name,
            state=self._state(),
            run_id=self.run_id,
            pid=os.getpid(),
            version=self._version,
            started=self._started,
            config_file=self._stack.config_file,
            config_digest=self._stack.config_digest,
            children=tuple(keeper.status() for keeper in self._roster),
            outside=(
                *(each for keeper in self._roster for each in keeper.outside()),
                *(self._outside.status() if self._outside else ()),
            ),
        )

    def request_stop(self, timeout_s: float | None = None) -> None:
        """Stop everything in order; what is left after `timeout_s` is killed. `run` then returns.

        The limit is the stack's own `shutdown_timeout_s` unless given.
        """
        limit_s = self._stack.shutdown_timeout_s if timeout_s is None else timeout_s
        if not self._roster.is_stopping:
            self._roster.is_stopping = True
            self._journal.emit("", StackState.STOPPING)
            self._later(PROGRESS_S, self._tell_progress)
        self._later(limit_s, self._kill_all)
        self._roster.advance()

    def request_restart(self) -> None:
        """As `request_stop`; `shall_restart` then tells the caller of `run` to start it anew."""
        self.shall_restart = not self._roster.is_stopping
        self.request_stop()

    def reload(self, tell: TellPlan, *, is_dry: bool = False) -> None:
        """Have the configuration read again, and become what it says; `tell` hears the plan.

        Raises:
            ControlError: A reload is on its way.
        """
        become = functools.partial(self._become, is_dry=is_dry, tell=tell)
        self._planner.begin(self._stack.origin, become)

    def start(self, names: Sequence[str]) -> list[str]:
        """Start children; see `Roster.start`."""
        return self._roster.start(names)

    def stop(
        self, names: Sequence[str], *, dependents: bool = True, timeout_s: float | None = None
    ) -> list[str]:
        """Stop children, and go on with the rest; see `Roster.stop`."""
        return self._roster.stop(names, dependents=dependents, timeout_s=timeout_s)

    def restart(self, names: Sequence[str], *, dependents: bool = True) -> list[str]:
        """Restart children; see `Roster.restart`."""
        return self._roster.restart(names, dependents=dependents)

    def members(self) -> list[verdict.Member]:
        """Return where each child is."""
        return self._roster.members()

    async def _open_control(self, held: contextlib.ExitStack) -> ControlServer:
        control = ControlServer(self._stack.runtime, self, self._journal)
        try:
            await control.start()
        except OSError as error:
            raise RuntimeFolderError(
                f"cannot make a socket in {self._stack.runtime}: {error.strerror}"
            ) from None
        held.callback(control.close)
        return control

    async def _supervise(
        self,
        tasks: asyncio.TaskGroup,
        held: contextlib.ExitStack,
        grounds: dict[str, Ground],
    ) -> None:
        """Start, keep, stop; returns when nothing is left."""
        self._held = held
        self._reaper = Reaper(self._loop)
        self._reaper.start()
        held.callback(self._reaper.stop)
        self._planner = Planner(self._loop, self._reaper, self.run_id)
        held.callback(self._planner.close)
        self._guard = GuardLink(self._loop, self._reaper, self.run_id)
        self._guard.start()
        run_file = str(self._stack.runtime.absolute() / messages.RUN_NAME)
        self._world = World(
            *(self._loop, self._reaper, self._guard, self.run_id, run_file),
            # Written down nowhere: it lives as long as this process.
            secrets.token_urlsafe(),
            tasks.create_task,
        )
        self._view = self._open_console(held)
        for service in self._stack.services:
            held.callback(self._add(service, grounds[service.name]).release)
        asker = Asker(self._loop, self._reaper, self.run_id)
        self._outside = Outside(asker, tasks.create_task, self._outsider_changed)
        held.callback(self._outside.close)
        self._outside.become(self._stack.outside)
        self._listen_to_signals()
        self._later(self._stack.start_timeout_s, self._start_timed_out)
        self._save()
        self._roster.advance()
        await self._finished.wait()
        await self._wind_up()

    def _add(self, service: ServiceSpec, ground: Ground) -> Keeper:
        lost = functools.partial(self._log_is_lost, service.name)
        output = Output(self._loop, service.name, self._stack.log, self._view, lost)
        keeper = Keeper(service, self._world, ground, output, self._child_changed)
        self._roster.add(keeper)
        return keeper

    def _open_console(self, held: contextlib.ExitStack) -> Console | None:
        if self._console is None:
            return None
        names = [service.name for service in self._stack.services]
        console = Console(
            self._loop,
            self._console,
            names,
            is_coloured=wants_colour(self._console),
            has_timestamps=self._has_timestamps,
        )
        held.callback(console.close)
        return console

    def _listen_to_signals(self) -> None:
        listen = self._loop.add_signal_handler
        listen(signal.SIGINT, self._on_stop_signal, INTERRUPTED)
        listen(signal.SIGTERM, self._on_stop_signal, 0)
        listen(signal.SIGHUP, self._on_hangup)
        listen(signal.SIGUSR1, self._reopen_logs)

    def _on_stop_signal(self, exit_code: int) -> None:
        """Stop in order; whoever asks twice wants it now."""
        if self._roster.is_stopping:
            self._kill_all()
            return
        self._exit_code = exit_code
        self.request_stop()

    def _on_hangup(self) -> None:
        """With a terminal it means that the window was closed; without one, to reload."""
        if not self._has_terminal:
            self._reload_unasked()
        elif not self._stack.keeps_without_terminal:
            self.request_stop()

    def _reload_unasked(self) -> None:
        def tell(outcome: tuple[Change, ...] | OllamonError) -> None:
            if isinstance(outcome, OllamonError):
                self._journal.emit("", "not-reloaded", str(outcome))

        try:
            self.reload(tell)
        except OllamonError as error:
            tell(error)

    def _become(self, planned: StackSpec | OllamonError, *, is_dry: bool, tell: TellPlan) -> None:
        """Go over to another stack, as far as it differs; nothing happens when that cannot be."""
        try:
            if isinstance(planned, OllamonError):
                raise planned
            plan = self._plan(planned)
            if not is_dry:
                self._apply(planned, plan)
        except OllamonError as error:
            tell(error)
            return
        tell(plan)

    def _plan(self, new: StackSpec) -> tuple[Change, ...]:
        if self._roster.is_stopping:
            raise ControlError("cannot reload: everything is stopping")
        try:
            order.check(new.services)
        except ValueError as error:
            raise ControlError(f"cannot reload: {error}") from None
        plan = changes.compare(self._stack, new)
        known = {keeper.spec.name for keeper in self._roster}
        early = [each.name for each in plan if each.action is Action.START and each.name in known]
        if early:
            raise ControlError(f"cannot reload: the old {early[0]} is still stopping")
        preflight.check(changes.fresh_part(self._stack, new, plan))
        return plan

    def _apply(self, new: StackSpec, plan: tuple[Change, ...]) -> None:
        specs = {service.name: service for service in new.services}
        grounds = self._grounds_for(plan, specs)
        self._stack = new
        if self._view is not None:
            self._view.know([each.name for each in plan if each.action is Action.START])
        for keeper in self._roster:
            keeper.output.file.resize(new.log)
        for change in plan:
            if change.action is not Action.STOP:
                self._change(change.action, specs[change.name], grounds.get(change.name))
        self._roster.retire(each.name for each in plan if each.action is Action.STOP)
        self._roster.arrange(specs)
        if self._outside is not None:
            self._outside.become(new.outside)
        self._roster.restart_unless_stopped(
            [each.name for each in plan if each.action is Action.RESTART]
        )
        self._journal.emit("", "reloaded", changes.describe(plan))
        self._save()

    def _grounds_for(
        self, plan: tuple[Change, ...], specs: Mapping[str, ServiceSpec]
    ) -> dict[str, Ground]:
        """Prepare everything that can fail, or nothing."""
        with contextlib.ExitStack() as undo:
            grounds = {}
            for change in plan:
                service = specs.get(change.name)
                if service is None or change.action in (Action.KEEP, Action.ADJUST):
                    continue
                if change.action is Action.START:
                    grounds[change.name] = groundwork.prepare(service)
                elif change.action is Action.RESTART:
                    grounds[change.name] = self._roster.keeper(change.name).ground_for(service)
                if change.name in grounds:
                    undo.callback(grounds[change.name].close)
                groundwork.write_files(service)
            undo.pop_all()
        return grounds

    def _change(self, action: Action, service: ServiceSpec, ground: Ground | None) -> None:
        if action is Action.START and ground is not None:
            self._held.callback(self._add(service, ground).release)
            return
        keeper = self._roster.keeper(service.name)
        if action is Action.RESTART and ground is not None:
            keeper.renew(service, ground)
        else:
            keeper.adjust(service)
        if action is Action.SIGNAL and service.reload_signal is not None:
            keeper.signal(service.reload_signal)

    def _log_is_lost(self, child: str, reason: str) -> None:
        self._journal.emit("", "unlogged", f"what {child} writes is lost: {reason}")

    def _reopen_logs(self) -> None:
        for keeper in self._roster:
            keeper.output.close()

    def _child_changed(self, keeper: Keeper) -> None:
        self._journal.emit(keeper.spec.name, keeper.state, keeper.detail(), keeper.pid)
        self._save()
        self._roster.changed(keeper)
        if keeper.state is ChildState.FAILED and keeper.spec.restart.ends_stack:
            self._end_with(keeper)

    def _outsider_changed(self, seen: Outsider) -> None:
        detail = seen.health.detail if seen.health else ""
        self._journal.emit(seen.name, seen.state, detail)

    def _end_with(self, keeper: Keeper) -> None:
        if not self._roster.is_stopping:
            self._exit_code = StartError.exit_code
            self._journal.emit("", StackState.FAILED, f"{keeper.spec.name} {keeper.note()}")
            self.request_stop()

    def _settled(self) -> None:
        """It is nobody's turn any more."""
        if not self._roster.is_stopping:
            self._herald.look()
            return
        if all(state in order.DOWN for state in self._roster.states().values()):
            self._finish()

    def _state(self) -> StackState:
        return (
            StackState.STOPPING if self._roster.is_stopping else verdict.stack_state(self.members())
        )

    def _start_timed_out(self) -> None:
        if not self._roster.is_stopping:
            self._herald.start_timed_out()

    def _tell_progress(self) -> None:
        """Once a second while stopping: whom it waits for, and for how long at most."""
        waiting = [kept.waiting() for kept in self._roster if kept.state is ChildState.STOPPING]
        if waiting:
            detail = f"waiting for {', '.join(waiting)}"
            self._journal.emit("", StackState.STOPPING, detail)
        self._later(PROGRESS_S, self._tell_progress)

    def _kill_all(self) -> None:
        """SIGKILL to everything, in no order."""
        self._roster.is_stopping = True
        for keeper in self._roster:
            keeper.send(lifecycle.StopRequested())
            keeper.kill()
        self._later(HARD_LIMIT_S, self._finish)

    def _finish(self) -> None:
        """Wait for nobody any more, and name those that are left."""
        if self._finished.is_set():
            return
        self._finished.set()
        left = [f"{kept.spec.name} pid {kept.left()}" for kept in self._roster if kept.pid]
        if left:
            self._exit_code = LEFT_BEHIND
            self._journal.emit("", StackState.FAILED, f"cannot end {', '.join(left)}")

    async def _wind_up(self) -> None:
        """Nothing runs any more: remove the traces, in the order in which others look at them."""
        for timer in self._timers:
            timer.cancel()
        if self._outside is not None:
            self._outside.close()
        await self._reaper.end_strays(lambda pid: identity.run_of(pid) == self.run_id)
        await self._guard.close()
        if self._exit_code != LEFT_BEHIND:
            runfile.remove(self._stack.runtime)
        self._journal.emit("", "stopped")

    def _abandon(self) -> None:
        """After an error or a cancellation too, nothing stays; in order, there is nothing to do."""
        for keeper in self._roster:
            keeper.abandon()

    def _save(self) -> None:
        run = runfile.Run(
            version=self._version,
            run_id=self.run_id,
            boot_id=identity.boot_id(),
            pid=os.getpid(),
            started=identity.start_time(os.getpid()) or 0.0,
            config_file=self._stack.config_file,
            config_digest=self._stack.config_digest,
            children=tuple(keeper.entry() for keeper in self._roster),
        )
        # A full disk must not end what runs: the sweep only knows less.
        with contextlib.suppress(OSError):
            runfile.write(self._stack.runtime, run)

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._timers.append(self._loop.call_later(seconds, call))
