"""A child: the process that runs now. Started here, with what it inherits; ended elsewhere."""

import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ollamon import handover
from ollamon.handover import Handover
from ollamon.supervisor import identity
from ollamon.supervisor.spec import ServiceSpec

PR_SET_PDEATHSIG = 1
PIPE_BYTES = 1024 * 1024
# Python's handlers must not run in the child before exec: they would write into the parent's loop.
HELD_BACK = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1)


@dataclass(slots=True)
class Child:
    """One process and our ends of its pipes; its group has the number of its pid.

    Attributes:
        started: As `identity.start_time`; None when it was gone at once.
        began: Unix time.
        output: Read end of stdout and stderr. One pipe for both keeps lines whole and in order.
        notify: Read end of the notify pipe.
        lifeline: Write end of its stdin, None for a foreign program.
        is_reaped: Its number may soon be another's.
    """

    pid: int
    started: float | None
    began: float
    output: int
    notify: int
    lifeline: int | None
    is_reaped: bool = False

    def close(self) -> None:
        """Close our ends."""
        for descriptor in (self.output, self.notify, self.lifeline):
            if descriptor is not None:
                os.close(descriptor)

    def cut_lifeline(self) -> None:
        """Let it see that it shall leave; the way to one that may not be signalled."""
        if self.lifeline is not None:
            os.close(self.lifeline)
            self.lifeline = None


def spawn(spec: ServiceSpec, told: Handover) -> Child:
    """Start the process of a service, in a group of its own.

    Args:
        spec: The service.
        told: What it is told, if it is one of ours, and the sockets that it inherits.

    Raises:
        OSError: The program cannot be run, or the system has no room.
        HandoverError: Its section is too long.
    """
    line = None if spec.section is None else handover.encode(told)
    with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
        output_read, output_write = _pipe(ours, theirs)
        notify_read, notify_write = _pipe(ours, theirs)
        lifeline = None
        stdin: int = subprocess.DEVNULL
        if line is not None:
            # The child has the read end, we the write end.
            stdin, lifeline = _pipe(theirs, ours)
        _enlarge(output_write)
        os.set_blocking(output_read, False)
        os.set_blocking(notify_read, False)
        environment = {**os.environ, **_environment(spec, told.run_id, notify_write)}
        inherited = [] if line is None else [notify_write, *told.sockets.values()]
        streams = (stdin, output_write, output_write)
        if spec.through_sudo:
            # It closes all other descriptors.
            inherited, streams = [], (stdin, notify_write, output_write)
        pid = _start(spec.argv, streams, environment, inherited)
        ours.pop_all()
    if line is not None and lifeline is not None:
        # It may be dead already; its exit says more than a broken pipe.
        with contextlib.suppress(BrokenPipeError):
            os.write(lifeline, line)
    started = identity.start_time(pid)
    return Child(pid, started, time.time(), output_read, notify_read, lifeline)


def spawn_guard(argv: Sequence[str], run_id: str, told: bytes) -> tuple[int, int]:
    """Start the guard in a session of its own; return its pid and the pipe to it.

    It finds `told` in the pipe, however soon this process ends.

    Raises:
        OSError: It cannot be started.
    """
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    environment = {**os.environ, handover.RUN_ID_VARIABLE: run_id, identity.CHILD_VARIABLE: "guard"}
    try:
        os.write(write_end, told)
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            streams = (read_end, nowhere.fileno(), nowhere.fileno())
            pid = _start(argv, streams, environment, (), is_session=True)
    except OSError:
        os.close(write_end)
        raise
    finally:
        os.close(read_end)
    return pid, write_end


def _environment(spec: ServiceSpec, run_id: str, notify: int) -> dict[str, str]:
    own = {
        "PYTHONUNBUFFERED": "1",
        handover.RUN_ID_VARIABLE: run_id,
        identity.CHILD_VARIABLE: spec.name,
    }
    if spec.section is not None and not spec.through_sudo:
        own[handover.NOTIFY_VARIABLE] = str(notify)
    return {**own, **spec.environment}


def _pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[int, int]:
    """Return (read end, write end), neither inheritable, each closed by its owner's stack."""
    read_end, write_end = os.pipe()
    reader.callback(os.close, read_end)
    writer.callback(os.close, write_end)
    return read_end, write_end


def _enlarge(pipe: int) -> None:
    """Let a child write ahead while we are busy, where the system can do so."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _start(
    argv: Sequence[str],
    streams: tuple[int, int, int],
    environment: Mapping[str, str],
    inherited: Iterable[int],
    *,
    is_session: bool = False,
) -> int:
    """Fork and exec; the caller's thread must be the only one (preexec_fn, PDEATHSIG)."""
    stdin, stdout, stderr = streams
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        process = subprocess.Popen(  # noqa: S603
            list(argv),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=dict(environment),
            pass_fds=tuple(inherited),
            process_group=None if is_session else 0,
            start_new_session=is_session,
            preexec_fn=_before_exec(previous, dies_with_parent=not is_session),
        )
    except subprocess.SubprocessError as error:
        raise OSError(str(error)) from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
    # The reaper collects it; Popen shall neither wait for it nor warn that nobody did.
    process.returncode = 0
    return process.pid


def _before_exec(mask: set[int], *, dies_with_parent: bool) -> Callable[[], None]:
    """Return what the child does between fork and exec."""
    parent = os.getpid()
    libc = ctypes.CDLL(None) if identity.IS_LINUX and dies_with_parent else None

    def prepare() -> None:
        signal.set_wakeup_fd(-1)
        for number in HELD_BACK:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if libc is not None:
            # SIGKILL, since nobody is left who could insist. Then look whether it came too late.
            # The kernel forgets it where sudo becomes root.
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return prepare
