"""What docs/cli.md says of `--json`, made from the shapes, without I/O."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

from ollamon.cli.shapes import SHAPES, Envelope, Failure

_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}
_WORDS |= {NoneType: "null", object: "anything"}


def lines_for(command: str) -> Iterator[str]:
    """The keys that a command prints.

    Raises:
        KeyError: `shapes.SHAPES` has no such command.
    """
    if command not in SHAPES:
        raise KeyError(f"ollamon/cli/shapes.py does not say what `{command}` prints with --json")
    yield from ("`--json`:", "")
    yield from _table(SHAPES[command])


def common_lines() -> Iterator[str]:
    """What all have, and the shapes within shapes."""
    yield from _table(Envelope)
    done: list[type] = []
    for top in (Failure, *SHAPES.values()):
        for shape in _within(top):
            if shape not in done:
                done.append(shape)
                meaning = (shape.__doc__ or "").partition("\n")[0]
                yield from ("", f"`{shape.__name__}`: {meaning}", "")
                yield from _table(shape)


def _table(shape: type) -> Iterator[str]:
    yield from ("| key | value | |", "|---|---|---|")
    for key, hint in get_type_hints(shape, include_extras=True).items():
        meaning = hint.__metadata__[0] if hasattr(hint, "__metadata__") else ""
        yield f"| `{key}` | {_word(_bare(hint))} | {meaning} |"


def _bare(hint: Any) -> Any:
    return hint.__origin__ if hasattr(hint, "__metadata__") else hint


def _word(hint: Any) -> str:
    inner = get_args(hint)
    match get_origin(hint):
        case kind if kind in (Union, UnionType):
            return " or ".join(map(_word, inner))
        case kind if kind is list:
            return f"list of {_word(inner[0])}"
        case kind if kind is dict:
            return f"table of {_word(inner[1])}"
        case _:
            return f"`{hint.__name__}`" if is_typeddict(hint) else _WORDS[hint]


def _within(hint: Any) -> Iterator[type]:
    """The shapes inside of a shape, outermost first."""
    parts = get_type_hints(hint).values() if is_typeddict(hint) else get_args(hint)
    for part in parts:
        if is_typeddict(part):
            yield part
        yield from _within(part)
