"""Who waits for whom, at the start and at the end, without I/O.

`after` is soft: it decides who goes first. `requires` is hard: without it there is no start, and
who stops or restarts the one stops or restarts the other.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from ollamon.supervisor.lifecycle.table import RUNNING, UP
from ollamon.supervisor.messages import ChildState
from ollamon.supervisor.spec import ServiceSpec

# Ready or failed once; stopping means that it was not ready in time, or had been ready.
SETTLED = frozenset(
    {
        *(ChildState.READY, ChildState.DEGRADED, ChildState.FAILED, ChildState.STOPPING),
        *(ChildState.BLOCKED, ChildState.EXITED, ChildState.STOP_FAILED),
    }
)
DOWN = frozenset({ChildState.STOPPED, ChildState.STOP_FAILED})
# Will not be usable before somebody or a long pause mends it.
LOST = DOWN | {ChildState.FAILED, ChildState.EXITED, ChildState.BLOCKED}
WITH_PROCESS = RUNNING | {ChildState.STOPPING}


def check(services: Sequence[ServiceSpec]) -> None:
    """Refuse what could never start.

    Raises:
        ValueError: Two services share a name, or the edges form a circle.
    """
    names = [service.name for service in services]
    if len(set(names)) != len(names):
        raise ValueError(f"two services share a name: {', '.join(sorted(names))}")
    try:
        TopologicalSorter(
            {service.name: _outlasting(service, services) for service in services}
        ).prepare()
    except CycleError as error:
        raise ValueError(f"services wait for each other: {' -> '.join(error.args[1])}") from None


def may_start(
    service: ServiceSpec, states: Mapping[str, ChildState], settled: Collection[str]
) -> bool:
    """All it requires are ready, and all it comes after have once been ready, failed, or late.

    A name that is not in the stack (a service that is off) holds nobody up that comes after it.
    """
    has_required = all(states.get(name) in UP for name in service.requires)
    return has_required and all(name in settled or name not in states for name in service.after)


def lost_to(service: ServiceSpec, states: Mapping[str, ChildState]) -> str:
    """Name what it requires and will not have, with its state; "" when all may still come."""
    return ", ".join(
        f"{name}, which is {states.get(name, 'off')}"
        for name in service.requires
        if states.get(name) in LOST or name not in states
    )


def may_stop(name: str, services: Sequence[ServiceSpec], states: Mapping[str, ChildState]) -> bool:
    """All that came after it are down: the reverse of the start, as parallel as it can be."""
    return all(
        states[service.name] in DOWN
        for service in services
        if name in _outlasting(service, services)
    )


def longest_stop(services: Sequence[ServiceSpec]) -> list[ServiceSpec]:
    """Return those that stop one after the other and take longest, in that order."""
    chains: dict[str, list[ServiceSpec]] = {}
    edges = {service.name: _outlasting(service, services) for service in services}
    by_name = {service.name: service for service in services}
    for name in TopologicalSorter(edges).static_order():
        if name in by_name:
            ahead = [chains[edge] for edge in edges[name] if edge in chains]
            chains[name] = [by_name[name], *max(ahead, key=stop_time_s, default=[])]
    return max(chains.values(), key=stop_time_s, default=[])


def stop_time_s(chain: Iterable[ServiceSpec]) -> float:
    """Return how long it takes at most to stop these one after the other."""
    return sum(service.stop_timeout_s for service in chain)


def may_leave(
    name: str,
    services: Sequence[ServiceSpec],
    states: Mapping[str, ChildState],
    leaving: Collection[str],
) -> bool:
    """Those that require it and shall leave too have no process any more."""
    return not any(
        service.name in leaving or states[service.name] is ChildState.STOPPING
        for service in services
        if name in service.requires and states[service.name] in WITH_PROCESS
    )


def with_required(names: Iterable[str], services: Sequence[ServiceSpec]) -> list[str]:
    """Return the names and all that they require, in the order of the services."""
    required = {service.name: service.requires for service in services}
    return _closure(names, required, services)


def with_dependents(names: Iterable[str], services: Sequence[ServiceSpec]) -> list[str]:
    """Return the names and all that require them, in the order of the services."""
    dependents = {
        service.name: tuple(other.name for other in services if service.name in other.requires)
        for service in services
    }
    return _closure(names, dependents, services)


def _closure(
    names: Iterable[str], edges: Mapping[str, Iterable[str]], services: Sequence[ServiceSpec]
) -> list[str]:
    found: set[str] = set()
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        if name in edges and name not in found:
            found.add(name)
            ahead += edges[name]
    return [service.name for service in services if service.name in found]


def _outlasting(service: ServiceSpec, services: Sequence[ServiceSpec]) -> set[str]:
    """Return those that may end only after it."""
    return {*_edges(service), *(each.name for each in services if service.name in each.outlives)}


def _edges(service: ServiceSpec) -> tuple[str, ...]:
    return (*service.after, *service.requires)
