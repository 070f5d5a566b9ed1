"""What supervisor and command line say to each other over the control socket, without I/O.

One JSON object per line. A request is `{"v": 1, "id": 7, "cmd": "status", "args": {}}`, its answer
`{"v": 1, "id": 7, "ok": true, "data": {...}}` or `{"v": 1, "id": 7, "ok": false, "error": {"kind",
"message"}}`. `events` answers with a stream of `{"v": 1, "id": 7, "event": {...}}`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ollamon import __version__
from ollamon.errors import ControlError, OtherVersionError

VERSION = 1
SOCKET_NAME = "ctl.sock"
LOCK_NAME = "lock"
RUN_NAME = "run.json"
EVENTS_NAME = "events.jsonl"


class ChildState(StrEnum):
    """Where a child is in its life (supervisor.md, e4)."""

    PENDING = "pending"
    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    BACKOFF = "backoff"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"
    BLOCKED = "blocked"
    EXITED = "exited"
    STOP_FAILED = "stop-failed"


class OutsideState(StrEnum):
    """Where something is that belongs to the stack and is not ours."""

    DISABLED = "disabled"
    UP = "external-up"
    DOWN = "external-down"


class StackState(StrEnum):
    """The stack as a whole: the worst of its children; only essential ones fail it."""

    READY = "ready"
    STARTING = "starting"
    DEGRADED = "degraded"
    FAILED = "failed"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Health:
    """The last sign of life.

    Attributes:
        age_s: Seconds since it.
        detail: Such as `watchdog`, or `503: /-/ready`.
    """

    is_ok: bool
    age_s: float
    detail: str


@dataclass(frozen=True, slots=True)
class ChildStatus:
    """One row of `ollamon status`.

    Attributes:
        since: Unix time of the last change of state.
        last_exit: Such as `exit 1` or `signal 9`; "" when it never ended.
        note: The child's own words (STATUS=...), or why it is not ready.
        address: Where people reach it.
        tail: Its last log lines, when it is not ready.
    """

    name: str
    state: ChildState
    since: float
    pid: int | None
    ports: tuple[int, ...]
    restarts: int
    last_exit: str
    health: Health | None
    cpu_percent: float | None
    rss_bytes: int | None
    log: str
    note: str
    address: str
    tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outsider:
    """A row of `ollamon status` about what is not ours.

    Attributes:
        since: Unix time of the last change of state.
        health: The last look; None before it, and for what is switched off.
        note: Why it is not ours.
    """

    name: str
    state: OutsideState
    since: float
    health: Health | None
    address: str
    note: str


@dataclass(frozen=True, slots=True)
class StackStatus:
    """Everything that `ollamon status` shows. Times are Unix seconds."""

    name: str
    state: StackState
    run_id: str
    pid: int
    version: str
    started: float
    config_file: str
    config_digest: str
    children: tuple[ChildStatus, ...]
    outside: tuple[Outsider, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a child, or to the stack when `child` is empty.

    Attributes:
        t: Unix time.
        elapsed_s: Seconds since the run began.
        detail: One sentence; "" when the state says it all.
    """

    t: float
    elapsed_s: float
    child: str
    state: str
    detail: str = ""
    pid: int | None = None


def to_json(message: StackStatus | Event) -> dict[str, object]:
    """Return the message as JSON types."""
    return asdict(message)


def status_from_json(document: Mapping[str, Any]) -> StackStatus:
    """Read what `to_json` made of a status; what a newer version adds to it is left out.

    Raises:
        OtherVersionError: It has another shape, since another version of ollamon made it.
        ControlError: It has another shape.
    """
    try:
        children = tuple(_child_from_json(child) for child in document["children"])
        outside = tuple(_outsider_from_json(each) for each in document.get("outside", ()))
        state = StackState(document["state"])
        read = {"state": state, "children": children, "outside": outside}
        return StackStatus(**_known(StackStatus, {**document, **read}))
    except (KeyError, TypeError, ValueError) as error:
        version = document.get("version")
        if isinstance(version, str) and version != __version__:
            raise OtherVersionError(other_version(version)) from None
        raise ControlError(f"cannot read the supervisor's status: {error!r}") from None


def event_from_json(document: Mapping[str, Any]) -> Event:
    """Read what `to_json` made of an event.

    Raises:
        ControlError: It has another shape.
    """
    try:
        event = Event(**_known(Event, document))
    except TypeError as error:
        raise ControlError(f"cannot read the supervisor's event: {error}") from None
    texts, numbers = (event.child, event.state, event.detail), (event.t, event.elapsed_s)
    if not (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(number, int | float) for number in numbers)
    ):
        raise ControlError("cannot read the supervisor's event: a value of another type")
    return event


def other_version(version: str, protocol: int = VERSION) -> str:
    """Return the words about a supervisor that this version does not understand."""
    theirs = f"ollamon {version}" if version else "another version of ollamon"
    speech = f", protocol {protocol} instead of {VERSION}" if protocol != VERSION else ""
    return (
        f"the running supervisor is {theirs}, this command is {__version__}{speech}\n"
        "       Stop it with  ollamon down  (that works with every version) and start it again."
    )


def _known(
    kind: type[StackStatus | Event | ChildStatus | Outsider], document: Mapping[str, Any]
) -> Any:
    return {key: value for key, value in document.items() if key in kind.__dataclass_fields__}


def _outsider_from_json(document: Mapping[str, Any]) -> Outsider:
    health = document["health"]
    state = OutsideState(document["state"])
    read = {"state": state, "health": None if health is None else Health(**health)}
    return Outsider(**_known(Outsider, {**document, **read}))


def _child_from_json(document: Mapping[str, Any]) -> ChildStatus:
    health = document["health"]
    fields = {
        **document,
        "state": ChildState(document["state"]),
        "ports": tuple(document["ports"]),
        "tail": tuple(document["tail"]),
        "health": None if health is None else Health(**health),
    }
    return ChildStatus(**_known(ChildStatus, fields))
