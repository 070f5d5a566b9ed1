"""Durations, sizes, addresses and URLs as people write them, without I/O."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from ollamon.config.naming import CHILDREN

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_SECONDS = {"ms": "0.001", "s": "1", "m": "60", "h": "3600", "d": "86400", "w": "604800"}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s?(B|KB|MB|GB|TB)")
_BYTES = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})")


class Address(NamedTuple):
    """An address to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as an http URL."""
        return f"http://{self}"


def parse_duration(value: object) -> float:
    """Return seconds. Raises ValueError: no text, no unit, or negative."""
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match:
            return float(Decimal(match[1]) * Decimal(_SECONDS[match[2]]))
    raise ValueError(_unit_advice(value, "s", "ms, s, m, h, d or w"))


def parse_period(value: object) -> float:
    """Return seconds. Raises ValueError: as `parse_duration`, or 0."""
    seconds = parse_duration(value)
    if seconds == 0:
        raise ValueError(f'"{value}" must be longer than 0')
    return seconds


def parse_size(value: object) -> int:
    """Return bytes; KB is 1024. Raises ValueError: no text, no unit, or negative."""
    if isinstance(value, str):
        match = _SIZE.fullmatch(value.strip())
        if match:
            return int(Decimal(match[1]) * _BYTES[match[2]])
    raise ValueError(_unit_advice(value, "MB", "B, KB, MB, GB or TB"))


def _unit_advice(value: object, unit: str, units: str) -> str:
    number = str(value).strip() if isinstance(value, str | int | float) else ""
    if re.fullmatch(r"\d+(\.\d+)?", number):
        return f'"{number}" has no unit. Write "{number}{unit}"'
    return f"expected a number with one of the units {units}, got {value!r}"


def format_duration(seconds: float) -> str:
    """Write seconds so that `parse_duration` reads the same value."""
    for unit in ("w", "d", "h", "m", "s"):
        factor = float(_SECONDS[unit])
        if seconds >= factor and seconds % factor == 0:
            return f"{int(seconds // factor)}{unit}"
    milliseconds = Decimal(str(seconds)) * 1000
    return f"{milliseconds.normalize():f}ms" if seconds else "0s"


def format_size(size: int) -> str:
    """Write bytes so that `parse_size` reads the same value."""
    for unit in ("TB", "GB", "MB", "KB"):
        if size and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit}"
    return f"{size}B"


def parse_listen(value: object) -> Address:
    """Return an address of this machine's loopback interface.

    Raises:
        ValueError: No `host:port`, or reachable from elsewhere.
    """
    if isinstance(value, Address):
        return value
    if not isinstance(value, str):
        raise ValueError(f'expected "host:port", got {value!r}')
    host, separator, port = value.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f'expected "host:port" such as "127.0.0.1:3001", got "{value}"')
    if not is_loopback(host):
        raise ValueError(
            f'"{value}" can be reached from the network, and nothing here asks for a password yet. '
            f'Write "127.0.0.1:{port}"'
        )
    return Address("127.0.0.1" if host == "localhost" else host, int(port))


def is_address(host: str) -> bool:
    """Say whether it is an address, or a name that is one of this machine's without a lookup."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def is_loopback(host: str) -> bool:
    """Say whether a name or an address stays on this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_url(value: object) -> str:
    """Return `scheme://host:port`, without a final slash.

    Raises:
        ValueError: No http(s) URL, or one with a path, query, fragment or user.
    """
    if not isinstance(value, str):
        raise ValueError(f'expected a URL such as "http://127.0.0.1:11434", got {value!r}')
    try:
        parts = urlsplit(value.strip())
        port = parts.port
    except ValueError as error:
        raise ValueError(f'"{_without_user(value)}" is no URL: {error}') from None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not _is_host(host) or port == 0:
        said = _without_user(value)
        raise ValueError(f'expected a URL such as "http://127.0.0.1:11434", got "{said}"')
    if (
        parts.username
        or parts.password
        or parts.query
        or parts.fragment
        or parts.path not in ("", "/")
    ):
        raise ValueError(f'"{_without_user(value)}" may hold scheme, host and port only')
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    return f"{parts.scheme}://{Address(host, port)}"


def _without_user(url: str) -> str:
    """Hide user and password: what is said about a URL ends up in logs."""
    return re.sub(r"//.*@", "//***@", url)


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return len(host) < 254 and all(
            _LABEL.fullmatch(part) for part in host.rstrip(".").split(".")
        )
    return True


def _parse_optional_url(value: object) -> str:
    return "" if value == "" else parse_url(value)


def _schema(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


def parse_by_child(value: object, parse: Callable[[object], float]) -> dict[str, float]:
    """Return child -> seconds. Raises ValueError: No table, an unknown child, or as `parse`."""
    if not isinstance(value, Mapping):
        raise ValueError(f'expected a table such as {{ prometheus = "10m" }}, got {value!r}')
    if unknown := [name for name in value if name not in CHILDREN]:
        raise ValueError(f"there is no child {unknown[0]}: there is {', '.join(CHILDREN)}")
    return {name: parse(each) for name, each in value.items()}


def parse_then(value: object) -> str:
    """Return what follows giving up. Raises ValueError: It is none of the three."""
    kind, separator, pause = value.partition(":") if isinstance(value, str) else ("", "", "")
    if value in ("stay", "shutdown"):
        return str(value)
    if kind != "retry" or not separator:
        raise ValueError(f'expected "stay", "shutdown" or such as "retry:5m", got {value!r}')
    parse_period(pause)
    return str(value)


def _format_all(periods: Mapping[str, float]) -> dict[str, str]:
    return {name: format_duration(seconds) for name, seconds in periods.items()}


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    _schema(rf"^{_DURATION.pattern}$", "5s"),
]
Period = Annotated[
    float,
    BeforeValidator(parse_period),
    PlainSerializer(format_duration, return_type=str),
    _schema(rf"^{_DURATION.pattern}$", "5s"),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(format_size, return_type=str),
    _schema(rf"^{_SIZE.pattern}$", "10MB"),
]
Listen = Annotated[
    Address,
    BeforeValidator(parse_listen),
    PlainSerializer(str, return_type=str),
    _schema(r"^.+:\d+$", "127.0.0.1:3001"),
]
Url = Annotated[str, BeforeValidator(parse_url), _schema("^https?://", "http://127.0.0.1:11434")]
Periods = Annotated[
    Mapping[str, float],
    BeforeValidator(lambda value: parse_by_child(value, parse_period)),
    PlainSerializer(_format_all, return_type=dict[str, str]),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]
Then = Annotated[
    str,
    BeforeValidator(parse_then),
    _schema(rf"^(stay|shutdown|retry:{_DURATION.pattern})$", "stay"),
]
OptionalUrl = Annotated[
    str, BeforeValidator(_parse_optional_url), _schema("^(https?://.+)?$", "http://127.0.0.1:9090")
]
