"""Sums of a metric in the text format that /metrics serves, without I/O."""

import re
from collections.abc import Iterator

_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def samples(text: str, name: str) -> Iterator[tuple[dict[str, str], float]]:
    """Return the labels and the value of each sample of a name."""
    for line in text.splitlines():
        if not line.startswith(name):
            continue
        match = _SAMPLE.match(line)
        if match is None or match[1] != name:
            continue
        try:
            value = float(match[3])
        except ValueError:
            continue
        yield dict(_LABEL.findall(match[2] or "")), value


def total(text: str, name: str) -> float | None:
    """Return the sum of a metric's samples; None when there are none."""
    values = [value for _, value in samples(text, name)]
    return sum(values) if values else None
