"""Values as text, as static/format.js writes them on the page, without I/O. Unknown is a dash."""

import math
from collections.abc import Callable

DASH = "\u2013"
MINUTE_S = 60
HOUR_S = 3600
WATTS = ("mW", "W", "kW")
BYTES = ("B", "kB", "MB", "GB", "TB")


def text(value: float | None, unit: str) -> str:
    """Return a value of a panel's unit with three significant digits and its unit."""
    if value is None or not math.isfinite(value):
        return DASH
    return _WRITERS.get(unit, _count)(value).strip()


def _digits(value: float, most: int = 2) -> str:
    size = abs(value)
    if size >= 99.95:
        return f"{value:.0f}"
    if size >= 9.995:
        return f"{value:.{min(1, most)}f}"
    if size >= 0.0995:
        return f"{value:.{min(2, most)}f}"
    return f"{value:#.2g}" if size else "0"


def _scaled(base: int, *units: str, factor: int = 1) -> Callable[[float], str]:
    """Return a writer of the largest unit that fits; `factor` of the smallest are one."""

    def write(value: float) -> str:
        rest, at = value * factor, 0
        # 999.6 would be written 1000 of the smaller unit.
        while abs(rest) >= base - 0.5 and at < len(units) - 1:
            rest /= base
            at += 1
        return f"{_digits(rest)} {units[at]}"

    return write


def _seconds(value: float) -> str:
    size = abs(value)
    if size == 0:
        return "0 s"
    if size < 0.0995:
        return f"{_digits(value * 1e3, 1)} ms"
    if size < 0.9995:
        return f"{value * 1e3:.0f} ms"
    if size < 2 * MINUTE_S:
        return f"{_digits(value)} s"
    if size < 2 * HOUR_S:
        return f"{_digits(value / MINUTE_S, 1)} min"
    return f"{_digits(value / HOUR_S, 1)} h"


def _count(value: float) -> str:
    return str(int(value)) if value == int(value) else _digits(value, 1)


_WRITERS: dict[str, Callable[[float], str]] = {
    "seconds": _seconds,
    "bytes": _scaled(1000, *BYTES),
    "bytes_per_second": _scaled(1000, *(f"{unit}/s" for unit in BYTES)),
    # Divided by 1024 twice where it comes from, so the unit has to say so.
    "megabytes": _scaled(1024, "MiB", "GiB", "TiB"),
    "milliwatts": _scaled(1000, *WATTS),
    "watts": _scaled(1000, *WATTS, factor=1000),
    "joules_per_token": _scaled(1000, "mJ/tok", "J/tok", "kJ/tok", factor=1000),
    "percent": lambda value: f"{_digits(value, 1)} %",
    # Halves go up, as on the page.
    "celsius": lambda value: f"{math.floor(value + 0.5)} °C",
    "per_second": lambda value: f"{_digits(value)} /s",
    "tokens_per_second": lambda value: f"{_digits(value, 1)} tok/s",
    "count": _count,
}
