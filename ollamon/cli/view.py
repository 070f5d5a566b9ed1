"""What `up` and `down` show of the events of a run, without I/O."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ollamon.cli.words import NAME, WIDTH, Mark, Style, elapsed
from ollamon.supervisor.messages import ChildState, ChildStatus, Event, StackState, StackStatus

_AWRY = {
    ChildState.DEGRADED: Mark.WARN,
    ChildState.BACKOFF: Mark.WARN,
    ChildState.FAILED: Mark.PROBLEM,
    ChildState.BLOCKED: Mark.WARN,
    ChildState.STOP_FAILED: Mark.PROBLEM,
}
VERDICTS = frozenset({StackState.READY, StackState.DEGRADED, StackState.FAILED})
"""What can become of a start."""
INDENT = " " * 7


@dataclass(slots=True)
class View:
    """Turns events into lines.

    Attributes:
        addresses: Service -> where it is reached.
        is_started: The start has come to its end; single events are told in a line of their own.
        stopping_at: Seconds since the run began.
        has_keyboard: Ctrl-C reaches the supervisor from here.
        is_left: Something could not be ended.
    """

    style: Style
    addresses: Mapping[str, str] = field(default_factory=dict)
    is_started: bool = False
    stopping_at: float | None = None
    has_keyboard: bool = True
    is_left: bool = False

    def lines(self, event: Event) -> Iterator[str]:
        """What there is to show of an event."""
        if event.child:
            yield from self._of_child(event)
        else:
            yield from self._of_stack(event)

    def _of_child(self, event: Event) -> Iterator[str]:
        if self.stopping_at is not None:
            if event.state == ChildState.STOPPED:
                text = f"stopped   {elapsed(event.elapsed_s - self.stopping_at)}"
                yield from self.style.row(Mark.OK, event.child, text)
            elif event.state == ChildState.STOP_FAILED:
                yield from self.style.row(Mark.PROBLEM, event.child, event.detail)
        elif event.state == ChildState.READY:
            yield from self._ready(event)
        elif event.state in _AWRY:
            mark = _AWRY[ChildState(event.state)]
            text = f"{event.state}  {event.detail}".rstrip()
            yield from self._row(mark, event.child, text)

    def _ready(self, event: Event) -> Iterator[str]:
        text = f"ready  pid {event.pid or '?':<7} {self.addresses.get(event.child, '')}".rstrip()
        if self.is_started:
            yield from self._row(Mark.OK, event.child, text)
            return
        span = elapsed(event.elapsed_s)
        line = f" {Mark.OK} {event.child:<{NAME}} {text}"
        # Far from the rest nobody would read it.
        room = min(self.style.width or WIDTH, WIDTH) - len(span) - 1
        marked = line.replace(Mark.OK, self.style.mark(Mark.OK), 1)
        yield f"{marked}{' ' * max(1, room - len(line))}{span}"

    def _row(self, mark: Mark, name: str, text: str) -> Iterator[str]:
        """While children write their lines, ours begin as theirs do."""
        if self.is_started:
            yield f"{'ollamon':<10} │ {self.style.mark(mark)} {name} {text}"
        else:
            yield from self.style.row(mark, name, text)

    def _of_stack(self, event: Event) -> Iterator[str]:
        match event.state:
            case StackState.STOPPING if self.stopping_at is None:
                self.stopping_at = event.elapsed_s
                yield from (
                    ("", "Stopping. Ctrl-C again kills what is left.")
                    if (self.has_keyboard)
                    else ()
                )
            case StackState.STOPPING if event.detail:
                yield f"{event.detail}." + (" Ctrl-C again to kill." if self.has_keyboard else "")
            case "swept":
                yield from self.style.row(Mark.WARN, "leftovers", event.detail)
            case "spared" | "unlogged":
                yield from self._row(Mark.WARN, event.state, event.detail)
            case "stopped" if not self.is_left:
                began = self.stopping_at if self.stopping_at is not None else event.elapsed_s
                yield f"All stopped in {elapsed(event.elapsed_s - began)}."
            case StackState.FAILED if self.stopping_at is not None:
                self.is_left = True
                yield from self.style.row(Mark.PROBLEM, "stop", event.detail)


def head(version: str, name: str, file: str) -> list[str]:
    """The first lines of a start."""
    return [f"ollamon {version}  {name}  {file or 'no configuration file, all defaults'}", ""]


def all_ready(seconds: float, proxy: str, dashboard: str, how_to_stop: str) -> list[str]:
    """The last lines of a start; an address is "" when nobody is there."""
    clients = f" Point your clients at {proxy}." if proxy else ""
    page = f"Dashboard {dashboard}. " if dashboard else ""
    return ["", f"All ready in {elapsed(seconds)}.{clients}", f"{page}{how_to_stop}"]


def not_all_ready(detail: str, children: Iterable[ChildStatus]) -> list[str]:
    """Who is not ready, and the last words of each."""
    is_whole = detail.startswith("not all ready")
    lines = [detail if is_whole else f"not all ready: {detail}"]
    for child in children:
        if child.tail and child.state is not ChildState.READY:
            lines.append(f"{INDENT}last lines of {child.name} ({child.log}):")
            lines += [f"{INDENT}  {line}" for line in child.tail]
    return lines


def unready(status: StackStatus) -> list[ChildStatus]:
    """The children that are not ready."""
    return [child for child in status.children if child.state is not ChildState.READY]
