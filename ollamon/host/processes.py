"""Memory and CPU of Ollama's processes: the server, and the runners below it.

They are found by lineage: a process named ollama that serves, and whatever descends from it. Other
uses of the same program (`ollama run`) are clients and do not count.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import psutil

_PROGRAMS = frozenset({"ollama", "ollama.exe"})


class Role(StrEnum):
    """What a process of Ollama does."""

    SERVER = "server"
    RUNNER = "runner"


@dataclass(frozen=True, slots=True)
class Process:
    """One process. `memory` is resident bytes, `cpu_s` its CPU time; None when they are hidden."""

    pid: int
    parent: int
    born: float
    memory: int | None
    cpu_s: float | None


@dataclass(frozen=True, slots=True)
class Kin:
    """What lineage needs to know of a process."""

    pid: int
    parent: int
    is_server: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """All processes of one role. CPU: 1 is one core, None until each was seen twice."""

    memory: int | None
    cpu_ratio: float | None


Members = Mapping[Role, tuple[Process, ...]]


def read() -> Members:
    """Return Ollama's processes by role; roles without a process are not in it."""
    roles = parse(_kin())
    members: dict[Role, list[Process]] = {}
    for pid, role in roles.items():
        process = _process(pid)
        if process is not None:
            members.setdefault(role, []).append(process)
    return {role: tuple(processes) for role, processes in members.items()}


def _kin() -> Iterator[Kin]:
    for process in psutil.process_iter(["pid", "ppid", "name"]):
        info = process.info
        is_server = info["name"] in _PROGRAMS and "serve" in _arguments(process)
        yield Kin(info["pid"], info["ppid"] or 0, is_server)


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()[1:2]
    except psutil.Error:
        return []


def parse(kin: Iterable[Kin]) -> dict[int, Role]:
    """Return the role of every process that is Ollama's."""
    children: dict[int, list[int]] = {}
    servers = []
    for one in kin:
        children.setdefault(one.parent, []).append(one.pid)
        if one.is_server:
            servers.append(one.pid)
    roles = dict.fromkeys(servers, Role.SERVER)
    waiting = list(servers)
    while waiting:
        for pid in children.get(waiting.pop(), ()):
            if pid not in roles:
                roles[pid] = Role.RUNNER
                waiting.append(pid)
    return roles


def _process(pid: int) -> Process | None:
    """Look at one process; None when it has ended."""
    try:
        process = psutil.Process(pid)
        born, parent = process.create_time(), process.ppid()
    except psutil.Error:
        return None
    try:
        times = process.cpu_times()
        memory, cpu_s = process.memory_info().rss, times.user + times.system
    except psutil.AccessDenied:
        # Another user's process, on macOS.
        return Process(pid, parent, born, None, None)
    except psutil.Error:
        return None
    return Process(pid, parent, born, memory, cpu_s)


def usage(before: Members | None, after: Members, span_s: float) -> dict[Role, Usage]:
    """Return what each role uses; `span_s` seconds lie between the two readings."""
    known = _by_birth(before or {})
    return {
        role: Usage(_memory(processes), _cpu_ratio(known, processes, span_s))
        for role, processes in after.items()
    }


def spent_s(before: Members | None, after: Members) -> dict[Role, float]:
    """Return the CPU seconds of each role between two readings; a hidden role is not in it.

    What a process used between the last reading and its end is lost.
    """
    known = _by_birth(before or {})
    spent: dict[Role, float] = {}
    for role, processes in after.items():
        steps = [_step_s(known, one, is_first=before is None) for one in processes]
        if None not in steps:
            spent[role] = sum(step for step in steps if step is not None)
    return spent


def _step_s(
    known: Mapping[tuple[int, float], Process], process: Process, *, is_first: bool
) -> float | None:
    earlier = known.get((process.pid, process.born))
    if process.cpu_s is None or (earlier is not None and earlier.cpu_s is None):
        return None
    if earlier is None or earlier.cpu_s is None:
        # Born since the last reading; or it was there before we were.
        return 0.0 if is_first else process.cpu_s
    return max(0.0, process.cpu_s - earlier.cpu_s)


def _by_birth(members: Members) -> dict[tuple[int, float], Process]:
    return {
        (process.pid, process.born): process
        for processes in members.values()
        for process in processes
    }


def _memory(processes: Iterable[Process]) -> int | None:
    known = [process.memory for process in processes if process.memory is not None]
    return sum(known) if known else None


def _cpu_ratio(
    known: Mapping[tuple[int, float], Process], processes: Iterable[Process], span_s: float
) -> float | None:
    spent = 0.0
    for process in processes:
        earlier = known.get((process.pid, process.born))
        if earlier is None or earlier.cpu_s is None or process.cpu_s is None:
            return None
        spent += max(0.0, process.cpu_s - earlier.cpu_s)
    return spent / span_s if span_s > 0 else None
