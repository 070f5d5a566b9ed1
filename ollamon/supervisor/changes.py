"""What a running stack has to do to become another one, without I/O."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from ollamon.errors import ControlError, OllamonError
from ollamon.supervisor.spec import ServiceSpec, StackSpec

# What the supervisor needs to know, and the process itself does not.
ADJUSTABLE = frozenset(
    {
        *("after", "requires", "outlives", "start_timeout_s", "stop_timeout_s", "restart"),
        *("is_essential", "address", "reload_signal"),
    }
)
# Lock, control socket and event log are where they are from the first to the last moment.
FIXED = ("name", "runtime", "state")


class Action(StrEnum):
    """What becomes of one child."""

    KEEP = "keep"
    ADJUST = "adjust"
    SIGNAL = "signal"
    RESTART = "restart"
    START = "start"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the plan.

    Attributes:
        fields: Of its spec, which differ; names of sections as `section.proxy.listen`.
    """

    name: str
    action: Action
    fields: tuple[str, ...] = ()


TellPlan = Callable[[tuple[Change, ...] | OllamonError], None]
"""Who hears the plan of a reload, or why there is none."""


def compare(old: StackSpec, new: StackSpec) -> tuple[Change, ...]:
    """Return what becomes of each child of both, those of `new` first and in its order.

    Raises:
        ControlError: Something differs that cannot be exchanged while the stack runs, or an
            address goes from one child to another.
    """
    moved = [field for field in FIXED if getattr(old, field) != getattr(new, field)]
    if old.log.folder != new.log.folder:
        moved.append("log folder")
    if moved:
        raise ControlError(
            f"cannot change {', '.join(moved)} while it runs: ollamon down, then ollamon up"
        )
    before = {service.name: service for service in old.services}
    after = {service.name: service for service in new.services}
    _check_addresses(before, after.values())
    changed = [_change(before.get(service.name), service) for service in new.services]
    removed = [Change(name, Action.STOP) for name in before if name not in after]
    return (*changed, *removed)


def fresh_part(old: StackSpec, new: StackSpec, plan: Iterable[Change]) -> StackSpec:
    """Return those of `new` that will start, wanting the addresses alone that they have not yet."""
    starting = {each.name for each in plan if each.action in (Action.START, Action.RESTART)}
    had = {(listen.host, listen.port) for service in old.services for listen in service.listens}
    fresh = tuple(
        replace(
            service,
            listens=tuple(
                listen for listen in service.listens if (listen.host, listen.port) not in had
            ),
        )
        for service in new.services
        if service.name in starting
    )
    return replace(new, services=fresh)


def describe(plan: Iterable[Change]) -> str:
    """Return one line: `dashboard: restart; helper: start`, or that nothing differs."""
    told = [f"{each.name}: {each.action}" for each in plan if each.action is not Action.KEEP]
    return "; ".join(told) or "nothing differs"


def _change(old: ServiceSpec | None, new: ServiceSpec) -> Change:
    if old is None:
        return Change(new.name, Action.START)
    different = {field.name for field in fields(new) if _differs(old, new, field.name)}
    if not different:
        return Change(new.name, Action.KEEP)
    words = tuple(sorted(_words(old, new, different)))
    if different <= ADJUSTABLE:
        return Change(new.name, Action.ADJUST, words)
    if different <= ADJUSTABLE | {"files"} and new.reload_signal is not None:
        return Change(new.name, Action.SIGNAL, words)
    return Change(new.name, Action.RESTART, words)


def _differs(old: ServiceSpec, new: ServiceSpec, field: str) -> bool:
    return bool(getattr(old, field) != getattr(new, field))


def _words(old: ServiceSpec, new: ServiceSpec, different: set[str]) -> Iterable[str]:
    yield from different - {"section"}
    if "section" in different:
        yield from _paths(old.section or {}, new.section or {}, "section")


def _paths(old: object, new: object, path: str) -> Iterable[str]:
    """Yield the innermost keys that differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in {**old, **new}:
            yield from _paths(old.get(key), new.get(key), f"{path}.{key}")
    elif old != new:
        yield path


def _check_addresses(before: Mapping[str, ServiceSpec], after: Iterable[ServiceSpec]) -> None:
    """While two exchange their addresses, one of them would be refused."""
    owners = {
        (listen.host, listen.port): service.name
        for service in before.values()
        for listen in service.listens
    }
    for service in after:
        for listen in service.listens:
            owner = owners.get((listen.host, listen.port), service.name)
            if owner != service.name:
                raise ControlError(
                    f"cannot give {listen.host}:{listen.port} to {service.name} while {owner} has "
                    "it: ollamon down, then ollamon up"
                )
