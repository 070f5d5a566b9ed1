"""What should run, without I/O. `services.py` makes these from the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ollamon.errors import HandoverError, ListenError, PrivilegeError


@dataclass(frozen=True, slots=True)
class Listen:
    """An address that a service wants.

    Attributes:
        name: How the handover names its socket; the key in the section, such as `metrics_listen`.
        key: Key path in the configuration, for messages.
        held: Bound by the supervisor and passed down, so that a restart refuses no connection.
        scheme: What stands before the address in the configuration, such as `http://`, or "".
    """

    name: str
    host: str
    port: int
    key: str
    held: bool = True
    scheme: str = ""


@dataclass(frozen=True, slots=True)
class Notify:
    """The child says READY=1 and WATCHDOG=1 itself, on the pipe of `handover.Notifier`."""


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """Any 2xx answer of a URL.

    Attributes:
        live_url: "" when a program that does not answer may still be well.
        proves_run: The answer has to carry our run id, so that no stranger on its port passes.
    """

    ready_url: str
    live_url: str
    proves_run: bool = False


@dataclass(frozen=True, slots=True)
class TcpProbe:
    """An accepted connection.

    Attributes:
        shows_life: One that refuses for long is dead, and not only not ready.
    """

    host: str
    port: int
    shows_life: bool = True


@dataclass(frozen=True, slots=True)
class ExecProbe:
    """A command that exits with 0; the first word is an absolute path."""

    argv: tuple[str, ...]
    shows_life: bool = True


Probe = HttpProbe | TcpProbe | ExecProbe


class RestartPolicy(StrEnum):
    """When an exit that nobody asked for is followed by another start."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Restart:
    """Backoff: `initial_s * factor**n`, at most `max_s`, +- 10 %; anew after `stable_after_s`.

    A child that had been stable, or that had been ready and ends for the first time within
    `within_s`, is started again at once.

    Attributes:
        policy: With `always` an exit with success is followed by a start too.
        give_up: Exits within `within_s` after which the child is failed; one before the first
            readiness counts double.
        retry_s: Pause of a failed child before it is tried again; None leaves it so.
        fatal_codes: Exit codes that no second try can mend.
        success_codes: Exit codes that are no failure.
        ends_stack: When it has failed, everything is stopped, and the exit code is 1.
    """

    policy: RestartPolicy = RestartPolicy.ALWAYS
    initial_s: float = 0.2
    factor: float = 2.0
    max_s: float = 30.0
    stable_after_s: float = 30.0
    give_up: int = 6
    within_s: float = 120.0
    retry_s: float | None = 300.0
    fatal_codes: frozenset[int] = frozenset(
        {HandoverError.exit_code, ListenError.exit_code, PrivilegeError.exit_code}
    )
    success_codes: frozenset[int] = frozenset({0})
    ends_stack: bool = False


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a child is looked at, and when that has consequences (supervisor.md, c2).

    Attributes:
        start_interval_s: Between probes while it starts; grows by 1.3 up to ten times that.
        interval_s: Between looks at its readiness, and between its WATCHDOG=1.
        timeout_s: Of one readiness probe.
        unwell_after: Bad looks in a row that make it degraded.
        well_after: Good looks in a row that make it ready again.
        live_interval_s: Between liveness probes.
        live_timeout_s: Of one liveness probe.
        dead_after: Failed liveness probes in a row after which it is restarted.
    """

    start_interval_s: float = 0.05
    interval_s: float = 5.0
    timeout_s: float = 2.0
    unwell_after: int = 3
    well_after: int = 2
    live_interval_s: float = 10.0
    live_timeout_s: float = 5.0
    dead_after: int = 6


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One child.

    Attributes:
        argv: Command; the first word is an absolute path.
        section: Handed over as the first line of stdin, which is then the lifeline. None for a
            foreign program: its stdin is /dev/null.
        after: Services to wait for, until each is ready, failed, or past its start timeout.
        requires: Services without which it does not start, and with which it stops.
        outlives: Services that stop before it, although they did not wait for it to start.
        environment: Added to the supervisor's own environment.
        data_lock: File to hold an flock on while the service exists, or None.
        files: Written, atomically and for the user alone, before the first start.
        address: Shown behind the name in the start view.
        knows_token: It is told `Handover.token`.
        through_sudo: `argv` runs it as root, so that it gets stdin, stdout and stderr alone, and
            says READY=1 and WATCHDOG=1 on stdout. We cannot kill it: it ends with its lifeline.
        reload_signal: What lets it read `files` anew, or None when only a restart does.
    """

    name: str
    argv: tuple[str, ...]
    section: Mapping[str, object] | None
    listens: tuple[Listen, ...] = ()
    after: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    outlives: tuple[str, ...] = ()
    probe: Notify | HttpProbe | TcpProbe | ExecProbe = field(default_factory=Notify)
    start_timeout_s: float = 30.0
    stop_timeout_s: float = 5.0
    restart: Restart = field(default_factory=Restart)
    rhythm: Rhythm = field(default_factory=Rhythm)
    environment: Mapping[str, str] = field(default_factory=dict)
    is_essential: bool = False
    data_lock: Path | None = None
    files: Mapping[Path, str] = field(default_factory=dict)
    address: str = ""
    through_sudo: bool = False
    reload_signal: int | None = None
    knows_token: bool = False


@dataclass(frozen=True, slots=True)
class OutsideSpec:
    """What belongs to the stack and is not run by it.

    Attributes:
        probe: How it is looked at; None for what is switched off.
        reason: Why it is not ours, for people.
    """

    name: str
    probe: HttpProbe | TcpProbe | None = None
    address: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LogSpec:
    """Log files: one for each child, rotated at `max_bytes`, `keep` old ones."""

    folder: Path
    max_bytes: int
    keep: int


@dataclass(frozen=True, slots=True)
class StackSpec:
    """Everything that one supervisor runs.

    Attributes:
        runtime: Folder of lock, control socket and run.json; 0700.
        state: Folder of the event log.
        config_file: Shown in `status`; "" when there is none.
        config_digest: Tells whether a second `up` wants the same.
        origin: Command that makes this spec anew, as `planner` wants it; () for no reload.
        outside: Shown in `status`, and never started.
        orphans: What becomes of what a dead run has left: `kill`, or `refuse` to start.
        keeps_without_terminal: Goes on when the terminal is closed that it was started from.
        start_timeout_s: For the whole stack.
        shutdown_timeout_s: After it everything left is killed.
        min_free_bytes: Without so much room in `state` and the log folder nothing is started.
    """

    name: str
    services: tuple[ServiceSpec, ...]
    runtime: Path
    state: Path
    log: LogSpec
    config_file: str = ""
    config_digest: str = ""
    origin: tuple[str, ...] = ()
    outside: tuple[OutsideSpec, ...] = ()
    orphans: str = "kill"
    keeps_without_terminal: bool = False
    start_timeout_s: float = 60.0
    shutdown_timeout_s: float = 60.0
    min_free_bytes: int = 0
