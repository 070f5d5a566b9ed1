"""A status as a table for people and as a document for programs, without I/O."""

from collections.abc import Iterator
from datetime import UTC, datetime

from ollamon.cli.words import Style, memory, uptime
from ollamon.supervisor.messages import ChildState, ChildStatus, StackState, StackStatus

HEADER = ("CHILD", "STATE", "PID", "PORTS", "UPTIME", "RST", "CPU", "RSS", "HEALTH")
NOTHING = "\N{EN DASH}"
_UP = frozenset({ChildState.READY, ChildState.DEGRADED})
_COLOURS = {
    StackState.READY: "32",
    StackState.STARTING: "33",
    StackState.STOPPING: "33",
    StackState.DEGRADED: "33",
    StackState.FAILED: "31",
}


def lines_of(status: StackStatus, now: float, style: Style) -> Iterator[str]:
    """The table; what cannot stand in it comes below its row."""
    since = uptime(now - status.started)
    title = f"{status.name}   up {since}   supervisor pid {status.pid}   run {status.run_id}"
    state = style.paint(status.state.value, _COLOURS[status.state])
    room = max(2, (style.width or 80) - len(title) - len(status.state.value))
    yield f"{title}{' ' * room}{state}"
    rows = [HEADER, *(_cells(child, now) for child in status.children)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row, child in zip(rows, (None, *status.children), strict=True):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield style.cut("  ".join(cells).rstrip())
        if child is not None:
            yield from (style.cut(f"  {line}") for line in _remarks(child))


def _cells(child: ChildStatus, now: float) -> tuple[str, ...]:
    return (
        child.name,
        child.state.value,
        str(child.pid or NOTHING),
        " ".join(map(str, child.ports)) or NOTHING,
        uptime(now - child.since) if child.state in _UP else NOTHING,
        str(child.restarts),
        NOTHING if child.cpu_percent is None else f"{child.cpu_percent:.1f}%",
        NOTHING if child.rss_bytes is None else memory(child.rss_bytes),
        _health(child),
    )


def _health(child: ChildStatus) -> str:
    if child.health is None:
        return NOTHING
    return f"{'ok' if child.health.is_ok else 'bad'} {uptime(child.health.age_s)}"


def _remarks(child: ChildStatus) -> Iterator[str]:
    """Its own words, or what is wrong with it."""
    words = [child.note]
    if child.health is not None and not child.health.is_ok:
        words.append(child.health.detail)
    if child.state not in _UP and child.last_exit and child.last_exit not in child.note:
        words.append(f"last exit: {child.last_exit}")
    if text := "; ".join(filter(None, dict.fromkeys(words))):
        yield text
    if child.tail and child.state not in (ChildState.STARTING, ChildState.PENDING):
        yield f"last line: {child.tail[-1]}"


def document_of(status: StackStatus) -> dict[str, object]:
    """The same for programs; times are UTC, ages are seconds."""
    return {
        "name": status.name,
        "state": status.state,
        "run_id": status.run_id,
        "config_file": status.config_file,
        "supervisor": {
            "pid": status.pid,
            "version": status.version,
            "started_at": _moment(status.started),
        },
        "children": [_child_document(child) for child in status.children],
    }


def _child_document(child: ChildStatus) -> dict[str, object]:
    health = child.health
    return {
        "name": child.name,
        "state": child.state,
        "since": _moment(child.since),
        "pid": child.pid,
        "pgid": child.pid,
        "ports": list(child.ports),
        "address": child.address,
        "restarts": child.restarts,
        "last_exit": child.last_exit or None,
        "health": health
        and {"ok": health.is_ok, "age_s": round(health.age_s, 1), "detail": health.detail},
        "cpu_percent": child.cpu_percent,
        "rss_bytes": child.rss_bytes,
        "note": child.note,
        "log": child.log,
        "tail": list(child.tail),
    }


def _moment(unix_time: float) -> str:
    moment = datetime.fromtimestamp(unix_time, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
