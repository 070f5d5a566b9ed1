"""A status as a table for people and as a document for programs, without I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ollamon.cli.words import WIDTH, Style, memory, uptime
from ollamon.supervisor.messages import (
    ChildState,
    ChildStatus,
    Health,
    Outsider,
    OutsideState,
    StackState,
    StackStatus,
)

if TYPE_CHECKING:
    from ollamon.cli import shapes

HEADER = ("CHILD", "STATE", "PID", "PORTS", "UPTIME", "RST", "CPU", "RSS", "HEALTH")
WIDE_HEADER = ("LAST EXIT", "ADDRESS", "LOG")
NOTHING = "\N{EN DASH}"
_UP = frozenset({ChildState.READY, ChildState.DEGRADED})
_COLOURS = {
    StackState.READY: "32",
    StackState.STARTING: "33",
    StackState.STOPPING: "33",
    StackState.DEGRADED: "33",
    StackState.FAILED: "31",
}
_CHILD_COLOURS = {
    ChildState.READY: "32",
    ChildState.FAILED: "31",
    ChildState.STOP_FAILED: "31",
    **dict.fromkeys((ChildState.DEGRADED, ChildState.BACKOFF, ChildState.BLOCKED), "33"),
}


def lines_of(
    status: StackStatus, now: float, style: Style, *, is_wide: bool = False
) -> Iterator[str]:
    """The table; what cannot stand in it comes below its row."""
    if is_wide:
        style = replace(style, width=0)
    since = uptime(now - status.started)
    title = f"{status.name}   up {since}   supervisor pid {status.pid}   run {status.run_id}"
    state = style.paint(status.state.value, _COLOURS[status.state])
    # Far from the rest nobody would see it.
    right = min(style.width or WIDTH, WIDTH)
    room = max(2, right - len(title) - len(status.state.value))
    yield f"{title}{' ' * room}{state}"
    header = (*HEADER, *(WIDE_HEADER if is_wide else ()))
    rows = [
        *(_outsider(each, now, len(header)) for each in status.outside),
        *(_row(child, now, is_wide=is_wide) for child in status.children),
    ]
    columns = zip(header, *(row.cells for row in rows), strict=True)
    widths = [max(map(len, column)) for column in columns]
    yield style.cut(_line(header, widths))
    for row in rows:
        yield _painted(style.cut(_line(row.cells, widths)), widths[0] + 2, row, style)
        for remark in row.remarks:
            yield from (f"  {part}" for part in style.wrap(remark, indent=2))


@dataclass(frozen=True, slots=True)
class _Row:
    """What stands in the table and below it; the second cell is the state."""

    cells: tuple[str, ...]
    colour: str
    remarks: tuple[str, ...]


def _row(child: ChildStatus, now: float, *, is_wide: bool) -> _Row:
    cells = _cells(child, now) + (_wide_cells(child) if is_wide else ())
    return _Row(cells, _CHILD_COLOURS.get(child.state, ""), tuple(_remarks(child)))


def _outsider(each: Outsider, now: float, columns: int) -> _Row:
    port = urlsplit(each.address).port
    since = uptime(now - each.since) if each.state is OutsideState.UP else NOTHING
    cells = (each.name, each.state.value, NOTHING, str(port or NOTHING), since, *[NOTHING] * 3)
    rest = (health_of(each.health), *[NOTHING] * (columns - len(HEADER)))
    is_bad = each.health is not None and not each.health.is_ok
    remarks = (each.health.detail,) if each.health is not None and is_bad else (each.note,)
    return _Row((*cells, *rest), "33" if is_bad else "36", tuple(filter(None, remarks)))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _painted(line: str, begin: int, row: _Row, style: Style) -> str:
    """Colour the state, where all of it is to be seen."""
    state = row.cells[1]
    end = begin + len(state)
    if line[begin:end] != state or not row.colour:
        return line
    return line[:begin] + style.paint(state, row.colour) + line[end:]


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
        health_of(child.health),
    )


def _wide_cells(child: ChildStatus) -> tuple[str, ...]:
    return (child.last_exit or NOTHING, child.address or NOTHING, child.log)


def health_of(health: Health | None) -> str:
    """A look and its age in two words."""
    return f"{'ok' if health.is_ok else 'bad'} {uptime(health.age_s)}" if health else NOTHING


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


def document_of(status: StackStatus) -> "shapes.Status":
    """The same for programs; times are UTC, ages are seconds."""
    return {
        "name": status.name,
        "state": status.state,
        "run_id": status.run_id,
        "config_file": status.config_file,
        "supervisor": {
            "pid": status.pid,
            "version": status.version,
            "started_at": moment(status.started),
        },
        "children": [child_document(child) for child in status.children],
        "outside": [_outsider_document(each) for each in status.outside],
    }


def _outsider_document(each: Outsider) -> "shapes.Outsider":
    return {
        "name": each.name,
        "state": each.state,
        "since": moment(each.since),
        "address": each.address,
        "health": _health_document(each.health),
        "note": each.note,
    }


def _health_document(health: Health | None) -> "shapes.Health | None":
    if health is None:
        return None
    return {"ok": health.is_ok, "age_s": round(health.age_s, 1), "detail": health.detail}


def document_of_up(name: str, outcome: str, status: StackStatus | None = None) -> "shapes.Up":
    """What `up` has to say."""
    return {
        "name": name,
        "outcome": outcome,
        "status": document_of(status) if status else None,
        "services": None,
    }


def child_document(child: ChildStatus) -> "shapes.Child":
    """One row for programs."""
    return {
        "name": child.name,
        "state": child.state,
        "since": moment(child.since),
        "pid": child.pid,
        "pgid": child.pid,
        "ports": list(child.ports),
        "address": child.address,
        "restarts": child.restarts,
        "last_exit": child.last_exit or None,
        "health": _health_document(child.health),
        "cpu_percent": child.cpu_percent,
        "rss_bytes": child.rss_bytes,
        "note": child.note,
        "log": child.log,
        "tail": list(child.tail),
    }


def moment(unix_time: float) -> str:
    """Return a time as text: UTC, to the millisecond."""
    moment = datetime.fromtimestamp(unix_time, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
