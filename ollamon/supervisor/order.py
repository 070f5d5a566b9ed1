"""Who waits for whom, at the start and at the end, without I/O."""

from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from ollamon.supervisor.messages import ChildState
from ollamon.supervisor.spec import ServiceSpec

# Ready or failed once; stopping means that it was not ready in time, or had been ready.
SETTLED = frozenset({ChildState.READY, ChildState.DEGRADED, ChildState.FAILED, ChildState.STOPPING})


def check(services: Sequence[ServiceSpec]) -> None:
    """Refuse what could never start.

    Raises:
        ValueError: Two services share a name, or the edges form a circle.
    """
    names = [service.name for service in services]
    if len(set(names)) != len(names):
        raise ValueError(f"two services share a name: {', '.join(sorted(names))}")
    try:
        TopologicalSorter({service.name: service.after for service in services}).prepare()
    except CycleError as error:
        raise ValueError(f"services wait for each other: {' -> '.join(error.args[1])}") from None


def may_start(service: ServiceSpec, names: Collection[str], settled: Collection[str]) -> bool:
    """All it comes after have once been ready, failed, or past their start timeout.

    A name that is not in the stack (a service that is off) holds nobody up.
    """
    return all(name in settled or name not in names for name in service.after)


def may_stop(name: str, services: Sequence[ServiceSpec], states: Mapping[str, ChildState]) -> bool:
    """All that came after it are down: the reverse of the start, as parallel as it can be."""
    return all(
        states[service.name] is ChildState.STOPPED for service in services if name in service.after
    )
