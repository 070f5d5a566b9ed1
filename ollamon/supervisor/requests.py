"""Reads what a client asks for on the control socket, without I/O."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ollamon.errors import ControlError
from ollamon.supervisor import messages

# Longer makes no sense, and the event loop's clock has an end.
MAX_SECONDS = 7 * 24 * 3600.0
MAX_NAMES = 100


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `number` is the client's own and comes back with the answer."""

    number: object
    cmd: str
    args: Mapping[str, Any]


def parse(line: bytes) -> Request:
    """Read one line.

    Raises:
        ControlError: It is no request, or one of another version of the protocol.
    """
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise ControlError("cannot read the request: it is no JSON") from None
    match document:
        case {"v": messages.VERSION, "cmd": str(cmd)}:
            args = document.get("args")
            return Request(document.get("id"), cmd, args if isinstance(args, dict) else {})
        case {"v": int(version)} if version != messages.VERSION:
            raise ControlError(
                f"cannot answer: the supervisor speaks version {messages.VERSION} of the protocol, "
                f"not {version}"
            )
        case _:
            raise ControlError("cannot read the request: unknown shape")


def names_of(args: Mapping[str, Any]) -> list[str]:
    """Return `children`, or the one `child`. Raises ControlError: it is no list of names."""
    match args.get("children", [args["child"]] if "child" in args else None):
        case [str(), *_] as names if len(names) <= MAX_NAMES and all(
            isinstance(name, str) for name in names
        ):
            return list(names)
        case other:
            raise ControlError(f"cannot read the request: children is {other!r}, no list of names")


def switch_of(args: Mapping[str, Any], key: str, *, default: bool) -> bool:
    """Return a switch. Raises ControlError: it is neither true nor false."""
    value = args.get(key, default)
    if not isinstance(value, bool):
        raise ControlError(f"cannot read the request: {key} is {value!r}, neither true nor false")
    return value


def seconds_of(args: Mapping[str, Any], key: str) -> float | None:
    """Return a time, None when there is none.

    Raises:
        ControlError: It is no number of seconds from 0 to a week.
    """
    value = args.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ControlError(f"cannot read the request: {key} is {value!r}, no number of seconds")
    # No NaN is between two numbers.
    if not 0 <= value <= MAX_SECONDS:
        raise ControlError(f"cannot read the request: {key} must be 0 to {MAX_SECONDS:.0f} seconds")
    return float(value)
