"""Everything that can be known before the first child starts, so that nothing starts in vain."""

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from errno import EADDRINUSE
from pathlib import Path

from ollamon.errors import PortInUseError, ProgramMissingError, StartError
from ollamon.supervisor import sockets
from ollamon.supervisor.owners import Owner, owner_of
from ollamon.supervisor.spec import Listen, ServiceSpec, StackSpec

INDENT = " " * 7
NEARBY = 20


def check(stack: StackSpec) -> None:
    """Refuse a stack that cannot start; starts nothing and keeps no socket.

    `Supervisor.run` does so itself, after the sweep of leftovers: before that, their ports would
    look taken.

    Raises:
        ProgramMissingError: Programs that do not exist or may not be run, all at once.
        PortInUseError: Addresses that cannot be had, all at once, each with its owner.
        StartError: A disk is nearly full.
    """
    if full := [problem for folder in _folders(stack) for problem in _full(folder, stack)]:
        raise StartError("\n".join(dict.fromkeys(full)))
    missing = [problem for service in stack.services for problem in _missing(service)]
    if missing:
        raise ProgramMissingError("\n".join(missing))
    wanted = frozenset(listen.port for service in stack.services for listen in service.listens)
    taken = [
        problem
        for service in stack.services
        for listen in service.listens
        for problem in _taken(listen, service.name, wanted)
    ]
    if taken:
        raise PortInUseError("\n".join(taken))


def describe_taken(listens: Iterable[Listen]) -> str:
    """Return one line about the first address that somebody has, or ""."""
    for listen in listens:
        if _bind_error(listen) is not None:
            owner = owner_of(listen.port)
            by = f" by pid {owner.pid} {owner.name}" if owner else ""
            return f"{_address(listen)} is in use{by}"
    return ""


def _folders(stack: StackSpec) -> tuple[Path, ...]:
    return stack.state, stack.log.folder


def _full(folder: Path, stack: StackSpec) -> Iterator[str]:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    usage = shutil.disk_usage(there)
    if usage.free < stack.min_free_bytes:
        free, wanted = (f"{size // 1024**2} MB" for size in (usage.free, stack.min_free_bytes))
        yield f"cannot start on a disk that is nearly full: {free} free at {there}, {wanted} wanted"


def _missing(service: ServiceSpec) -> Iterator[str]:
    program = Path(service.argv[0])
    if not program.is_file():
        yield f"cannot start {service.name}: {program} does not exist"
    elif not os.access(program, os.X_OK):
        yield f"cannot start {service.name}: {program} is not executable"


def _taken(listen: Listen, service: str, wanted: frozenset[int]) -> Iterator[str]:
    error = _bind_error(listen)
    if error is None:
        return
    if error.errno != EADDRINUSE:
        yield f"{_address(listen)} cannot be used, wanted by {service}: {error.strerror}"
        return
    yield f"{_address(listen)} is in use, wanted by {service}"
    owner = owner_of(listen.port)
    yield INDENT + (_describe(owner) if owner else _unknown(listen))
    if owner:
        remedy = f"systemctl stop {owner.unit.removesuffix('.service')}" if owner.unit else ""
        yield f"{INDENT}Either  {remedy or f'stop it: kill {owner.pid}'}"
    section, _, key = listen.key.rpartition(".")
    free = _free_near(listen, wanted)
    if free is not None:
        lead = "or    " if owner else "Either"
        value = f"{free.scheme}{_address(free)}"
        yield f'{INDENT}{lead}  set [{section}] {key} = "{value}"      (free now)'


def _bind_error(listen: Listen) -> OSError | None:
    try:
        sockets.bind(listen).close()
    except OSError as error:
        return error
    return None


def _free_near(listen: Listen, wanted: frozenset[int]) -> Listen | None:
    for port in range(listen.port + 1, min(listen.port + NEARBY, 65535) + 1):
        candidate = replace(listen, port=port)
        if port not in wanted and _bind_error(candidate) is None:
            return candidate
    return None


def _describe(owner: Owner) -> str:
    facts = [f"user {owner.user}"]
    if owner.unit:
        facts.append(f"systemd unit {owner.unit}")
    facts.append(f"since {_age(owner.age_s)}")
    return f"pid {owner.pid}  {owner.name}  ({', '.join(facts)})"


def _unknown(listen: Listen) -> str:
    command = f"sudo lsof -nP -iTCP:{listen.port} -sTCP:LISTEN"
    return f"by a process of another user; to see it: {command}"


def _age(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}" + ("s" if count != 1 else "")
    return f"{int(seconds)} s"


def _address(listen: Listen) -> str:
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    return f"{host}:{listen.port}"
