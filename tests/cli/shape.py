"""Holds an answer against its shape."""

from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict


def misfits(hint: Any, value: Any, path: str = "") -> list[str]:
    """Return where a JSON value is not what the hint says; each begins with its path."""
    kind, inner = get_origin(hint), get_args(hint)
    if is_typeddict(hint):
        return _misfits_of_table(hint, value, path)
    if kind in (Union, UnionType):
        each = [misfits(option, value, path) for option in inner]
        return min(each, key=len)
    if kind is list and isinstance(value, list):
        return [m for i, item in enumerate(value) for m in misfits(inner[0], item, f"{path}[{i}]")]
    if kind is dict and isinstance(value, dict):
        return [m for k, item in value.items() for m in misfits(inner[1], item, f"{path}.{k}")]
    wanted = {float: (int, float), NoneType: NoneType}.get(hint, kind or hint)
    is_right = isinstance(value, wanted) and (hint is bool or not isinstance(value, bool))
    return [] if is_right or hint is object else [f"{path}: {value!r} is no {hint}"]


def _misfits_of_table(hint: Any, value: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: {value!r} is no {hint.__name__}"]
    hints = get_type_hints(hint)
    lacking = [f"{path}.{key}: missing" for key in hint.__required_keys__ - value.keys()]
    strange = [f"{path}.{key}: not in {hint.__name__}" for key in value.keys() - hints.keys()]
    return (
        lacking
        + strange
        + [
            misfit
            for key in hints.keys() & value.keys()
            for misfit in misfits(hints[key], value[key], f"{path}.{key}")
        ]
    )
