"""A stack with fewer children, or with other consequences, without I/O."""

from collections.abc import Collection
from dataclasses import replace

from ollamon.supervisor import order
from ollamon.supervisor.spec import OutsideSpec, StackSpec


def of(stack: StackSpec, *, only: Collection[str] = (), besides: Collection[str] = ()) -> StackSpec:
    """Return the stack with `only` these children and what they require, and without `besides`.

    Raises:
        ValueError: There is no such child, one that stays requires one that goes, or none stays.
    """
    if not only and not besides:
        return stack
    names = [service.name for service in stack.services]
    if unknown := [name for name in (*only, *besides) if name not in names]:
        raise ValueError(f"there is no {unknown[0]}: there is {', '.join(names)}")
    chosen = order.with_required(only or names, stack.services)
    stay = [name for name in chosen if name not in besides]
    services = tuple(
        replace(service, after=tuple(name for name in service.after if name in stay))
        for service in stack.services
        if service.name in stay
    )
    lost = [
        f"{service.name} requires {name}"
        for service in services
        for name in service.requires
        if name not in stay
    ]
    if lost or not services:
        raise ValueError(lost[0] if lost else "no child would be left")
    # Another stack than the whole one, although the configuration is the same.
    left_out = [service for service in stack.services if service.name not in stay]
    disabled = tuple(OutsideSpec(each.name, reason="left out of this run") for each in left_out)
    return replace(
        stack,
        services=services,
        outside=(*stack.outside, *disabled),
        config_digest=f"{stack.config_digest}:{','.join(stay)}",
    )


def ending_on_failure(stack: StackSpec) -> StackSpec:
    """Return the stack that ends when one of its children has failed."""
    services = tuple(
        replace(service, restart=replace(service.restart, ends_stack=True))
        for service in stack.services
    )
    return replace(stack, services=services)
