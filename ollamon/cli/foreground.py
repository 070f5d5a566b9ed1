"""`ollamon up`: the start view, then the children's lines, until Ctrl-C."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from ollamon import __version__
from ollamon.cli import view
from ollamon.cli.screen import Screen
from ollamon.cli.session import Session, own_command
from ollamon.cli.supervise import RESTART, start_anew, supervise
from ollamon.cli.upstream import Background, Upstream
from ollamon.cli.view import View
from ollamon.cli.words import Mark, Style
from ollamon.config.model import OllamaMode
from ollamon.services import Note, Plan
from ollamon.supervisor.messages import Event, StackState, StackStatus

CTRL_C = "Ctrl-C stops everything."


class Foreground:
    """Shows events on a screen."""

    def __init__(
        self, plan: Plan, screen: Screen, session: Session, *, opens_page: bool = False
    ) -> None:
        self._plan = plan
        self._session = session
        self._opens_page = opens_page
        self._screen = screen
        self._style = session.style()
        self._view = View(self._style, addresses_of(plan))
        self._has_begun = False
        self._found: Upstream | None = None

    def show(self, event: Event) -> None:
        """Show an event, and before the first one what is going to happen."""
        if not self._has_begun:
            self._has_begun = True
            self._screen.say(first_lines(self._plan, self._style))
            self._tell_upstream()
        self._screen.say(self._view.lines(event))

    def conclude(self, event: Event, status: StackStatus) -> bool:
        """Say how the start ended; only one without its essential children is stopped."""
        if event.state == StackState.READY:
            self._screen.say(ready_lines(self._plan, event, CTRL_C))
            if self._opens_page:
                open_page(self._session)
        else:
            lines = view.not_all_ready(event.detail, view.unready(status))
            self._screen.say(["", f"error: {lines[0]}", *lines[1:]])
        if event.state == StackState.FAILED:
            return False
        if event.state == StackState.DEGRADED:
            self._screen.say(["", f"The rest runs and goes on trying. {CTRL_C}"])
        self._view.is_started = True
        self._screen.release()
        return True

    def found(self, upstream: Upstream | None) -> None:
        """Show what was found behind the proxy, once the rest is shown too."""
        self._found = upstream
        if self._has_begun:
            self._tell_upstream()

    def _tell_upstream(self) -> None:
        if self._found is not None:
            self._screen.say(upstream_lines(self._found, self._style))


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person wants to see of a run in the foreground."""

    has_logs: bool = True
    has_timestamps: bool = False
    opens_page: bool = False


def run(plan: Plan, session: Session, shown: Shown) -> int:
    """Run the stack here until it is stopped; return the exit code.

    Raises:
        OllamonError: Nothing was started.
    """
    # Before the loop, since it forks.
    look = Background(plan.config.ollama.url) if is_foreign_ollama(plan) else None
    try:
        code = asyncio.run(_run(plan, session, look, shown))
    finally:
        if look is not None:
            look.close()
    if code == RESTART:
        start_anew([*own_command(), *sys.argv[1:]])
    return code


async def _run(plan: Plan, session: Session, look: Background | None, shown: Shown) -> int:
    loop = asyncio.get_running_loop()
    screen = Screen(loop, session.stream)
    front = Foreground(plan, screen, session, opens_page=shown.opens_page)

    def looked() -> None:
        if look is not None:
            loop.remove_reader(look.descriptor)
            front.found(look.result())

    try:
        if look is not None:
            loop.add_reader(look.descriptor, looked)
        console = screen.logs if shown.has_logs else None
        return await supervise(plan.stack, front, console, has_timestamps=shown.has_timestamps)
    finally:
        screen.close()


def open_page(session: Session) -> None:
    """Let another process open the page in a browser, which is not to hold this one up."""
    process = subprocess.Popen(  # noqa: S603
        [*own_command(), *session.words(), "open"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # Whoever collects it, it is not this object.
    process.returncode = 0


def is_foreign_ollama(plan: Plan) -> bool:
    """Say whether the server behind the proxy is somebody else's, and should be an Ollama."""
    config = plan.config
    return config.ollama.mode is OllamaMode.EXTERNAL and not config.demo.enabled


def addresses_of(plan: Plan) -> dict[str, str]:
    """Return service -> where it is reached."""
    return {service.name: service.address for service in plan.stack.services}


def mark_of(note: Note) -> Mark:
    """Something that can be mended is a warning."""
    is_wanted = note.about in ("helper", "demo") and not note.remedy
    return Mark.EXTERNAL if is_wanted else Mark.WARN


def first_lines(plan: Plan, style: Style) -> Iterator[str]:
    """Return what is going to run, and what the person should know about it."""
    yield from view.head(__version__, plan.stack.name, plan.stack.config_file)
    for note in plan.notes:
        yield from style.row(mark_of(note), note.about, note.text, note.remedy)


def upstream_lines(found: Upstream, style: Style) -> Iterator[str]:
    """Return what was found behind the proxy."""
    return style.row(found.mark, "ollama", found.sentence, found.remedy)


def ready_lines(plan: Plan, event: Event, how_to_stop: str) -> list[str]:
    """Return the last lines of a start that succeeded."""
    running = addresses_of(plan)
    proxy = plan.config.proxy.listen.url if "proxy" in running else ""
    return view.all_ready(event.elapsed_s, proxy, running.get("dashboard", ""), how_to_stop)
