"""How ollamon's own processes fare, from the file that the supervisor keeps, at each scrape.

The file is replaced whole at each change, so it is parsed only when it is another one. One of
another run says nothing of this one.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from ollamon.metrics import catalog
from ollamon.metrics.instruments import FOREVER, Board, Labels
from ollamon.proxy.collectors import CollectorHealth
from ollamon.proxy.events import count_of, object_of, objects_of, text_of
from ollamon.proxy.labels import name_label

MAX_COMPONENTS = 16
MAX_BYTES = 256 * 1024
_READY = "ready"

Component = tuple[str, bool, int | None]
"""Name, whether it is ready, and its restarts; None is unknown."""


def components_in(document: object, run_id: str) -> tuple[Component, ...]:
    """Return the components of a run; those of another run, or of no run, are none."""
    run = object_of(document)
    if not run_id or run.get("run_id") != run_id:
        return ()
    return tuple(_components(run))[:MAX_COMPONENTS]


def _components(run: Mapping[str, object]) -> Iterator[Component]:
    for child in objects_of(run.get("children")):
        name = name_label(text_of(child.get("name")))
        if name:
            yield name, child.get("state") == _READY, count_of(child.get("restarts"))


def show_components(board: Board, file: str, run_id: str) -> None:
    """Put the components of this run on the board at each scrape; none when there is no file."""
    if file:
        board.ask(_RunFile(board, Path(file), run_id).refresh)


class _RunFile:
    def __init__(self, board: Board, path: Path, run_id: str) -> None:
        self._board = board
        self._path = path
        self._run_id = run_id
        self._health = CollectorHealth(board, "supervisor")
        self._seen: tuple[int, ...] | None = None

    def refresh(self) -> None:
        """Read the file, if it is another one than before."""
        self._health.begin()
        try:
            facts = self._path.stat()
            seen = (facts.st_mtime_ns, facts.st_ino, facts.st_size)
            if seen != self._seen:
                self._show(components_in(self._read(), self._run_id))
                self._seen = seen
        except (OSError, ValueError, RecursionError):
            self._seen = None
            self._show(())
            self._health.failed(FOREVER)
        else:
            self._health.worked(FOREVER)

    def _read(self) -> object:
        with self._path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise ValueError("more than a run can be")
        document: object = json.loads(text)
        return document

    def _show(self, components: tuple[Component, ...]) -> None:
        up: dict[Labels, float | None] = {(name,): is_up for name, is_up, _ in components}
        restarts: dict[Labels, float | None] = {(name,): number for name, _, number in components}
        self._board.replace(catalog.COMPONENT_UP, up)
        self._board.replace(catalog.COMPONENT_RESTARTS, restarts)
