"""A StackSpec as JSON types and back, without I/O: one process makes a plan, another keeps it."""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from ollamon.errors import ControlError
from ollamon.supervisor.spec import StackSpec

KIND = "is"


def to_document(spec: StackSpec) -> dict[str, object]:
    """Return the spec as JSON types; each dataclass names its type under `is`."""
    return cast(dict[str, object], _encode(spec))


def from_document(document: object) -> StackSpec:
    """Read what `to_document` made.

    Raises:
        ControlError: It has another shape.
    """
    try:
        spec = _decode(StackSpec, document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ControlError(f"cannot read the plan of a stack: {error!r}") from None
    assert isinstance(spec, StackSpec)  # noqa: S101
    return spec


def _encode(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _encode(each) for key, each in value.items()}
    if isinstance(value, frozenset):
        return [_encode(each) for each in sorted(value)]
    if isinstance(value, list | tuple):
        return [_encode(each) for each in value]
    if is_dataclass(value):
        named = {field.name: _encode(getattr(value, field.name)) for field in fields(value)}
        return {KIND: type(value).__name__, **named}
    return value


def _decode(hint: Any, value: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _decode_union(arguments, value)
    if origin is tuple:
        return tuple(_decode(arguments[0], each) for each in value)
    if origin is frozenset:
        return frozenset(_decode(arguments[0], each) for each in value)
    if origin is Mapping:
        key, item = arguments
        return {_decode(key, name): _decode(item, each) for name, each in value.items()}
    if is_dataclass(hint):
        return _decode_dataclass(cast(type, hint), value)
    if hint is object:
        return value
    if isinstance(hint, type) and issubclass(hint, Path | Enum):
        return hint(value)
    return _checked(hint, value)


def _decode_union(hints: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in hints:
        return None
    rest = [hint for hint in hints if hint is not type(None)]
    if len(rest) > 1:
        rest = [hint for hint in rest if isinstance(hint, type) and hint.__name__ == value[KIND]]
    (hint,) = rest
    return _decode(hint, value)


def _decode_dataclass(kind: type, value: Any) -> object:
    given = dict(value)
    if given.pop(KIND) != kind.__name__:
        raise ValueError(f"{value[KIND]} instead of {kind.__name__}")
    hints = _hints(kind)
    return kind(**{name: _decode(hints[name], each) for name, each in given.items()})


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _checked(hint: type, value: Any) -> object:
    is_number = hint is float and type(value) in (int, float)
    if not is_number and type(value) is not hint:
        raise ValueError(f"{value!r} is no {hint.__name__}")
    return float(value) if is_number else value
