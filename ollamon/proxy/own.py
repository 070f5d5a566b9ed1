"""What the proxy says about itself: version and process numbers, fresh at each scrape."""

import contextlib
import platform
import resource
from collections.abc import Callable

import psutil

from ollamon import __version__
from ollamon.metrics import catalog
from ollamon.metrics.instruments import Board


def show_own_process(board: Board) -> None:
    """Put build and process numbers on the board, now and at each scrape."""
    board.set(catalog.BUILD_INFO, 1, __version__, platform.python_version())
    process = psutil.Process()
    board.set(catalog.PROCESS_START, process.create_time())
    board.ask(lambda: _refresh(board, process))


def _refresh(board: Board, process: psutil.Process) -> None:
    _set(board, catalog.PROCESS_CPU, lambda: sum(process.cpu_times()[:2]))
    _set(board, catalog.PROCESS_MEMORY, lambda: process.memory_info().rss)
    _set(board, catalog.PROCESS_FDS, process.num_fds)
    _set(board, catalog.PROCESS_MAX_FDS, lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _set(board: Board, metric: catalog.Metric, read: Callable[[], float]) -> None:
    value: float | None = None
    # One number that cannot be read must not cost the scrape.
    with contextlib.suppress(psutil.Error, OSError):
        value = read()
    board.set(metric, value)
