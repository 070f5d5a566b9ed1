"""What the terminal shows of panels, ticks and history, without I/O."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ollamon.cli.top.figures import DASH, text

SPARKS = 180
Level = Literal["ok", "warn", "down"]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class First:
    """What the start needs: declarations, the last values and what was before them."""

    panels: list[Json]
    tick: Json
    history: Json


@dataclass(frozen=True, slots=True)
class Tile:
    """One number with its past.

    Attributes:
        note: What the number is of, or the limit that it is over.
        spark: The last values, oldest first; gaps are 0, since a bar cannot be absent. Empty when
            none is known.
    """

    id: str
    title: str
    value: str
    note: str
    level: Level
    spark: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: its cells, and a key that stays the same from tick to tick."""

    key: str
    cells: tuple[str, ...]


# Heading -> width, so that a row fits into 80 columns.
MODEL_COLUMNS = {"Model": 32, "Memory": 9, "On GPU": 7, "Context": 8, "Unloads in": 10}
FLIGHT_COLUMNS = {"In flight": 30, "From": 10, "Phase": 11, "Tokens": 7, "Age": 8}
PANEL_COLUMNS = {"Panel": 34, "Series": 24, "Now": 12}


class Board:
    """The panels, the last tick and the totals before it."""

    def __init__(self, first: First) -> None:
        self._panels = first.panels
        self.tick = first.tick
        self.in_flight: list[Json] = []
        self._sparks: dict[str, deque[float | None]] = {}
        for panel in self._panels:
            series = first.history.get("panels", {}).get(panel["id"], {}).get("series", {})
            rows = zip(*series.values(), strict=True) if series else ()
            totals = (total(row, panel["total"]) for row in rows)
            self._sparks[panel["id"]] = deque(totals, maxlen=SPARKS)

    def take(self, tick: Json, in_flight: list[Json] | None = None) -> None:
        """Take the next values, and what runs; values of the same moment are taken once."""
        self.in_flight = in_flight or []
        is_new = tick["t"] > self.tick["t"]
        self.tick = tick
        if not is_new:
            return
        for panel in self._panels:
            values = tick["panels"].get(panel["id"], {}).values()
            self._sparks[panel["id"]].append(total(values, panel["total"]))

    def tiles(self) -> Iterator[Tile]:
        """The first numbers, in the order of the page."""
        for panel in self._panels:
            if panel["tile"]:
                yield self._tile(panel)

    def models(self) -> Iterator[Row]:
        """The loaded models."""
        for model in self.tick["models"]:
            share = model.get("offload_ratio")
            cells = (
                model["name"],
                text(model.get("size_bytes"), "bytes"),
                text(None if share is None else share * 100, "percent"),
                text(model.get("context_length"), "count"),
                _remaining(model.get("expires"), self.tick["t"]),
            )
            yield Row(model["name"], cells)

    def flights(self) -> Iterator[Row]:
        """The requests in flight, the oldest first."""
        for each in sorted(self.in_flight, key=lambda each: each.get("id", 0)):
            cells = (
                str(each.get("model", "")),
                str(each.get("client", "")),
                str(each.get("phase", "")),
                text(each.get("chunks"), "count"),
                text(each.get("age_s"), "seconds"),
            )
            yield Row(str(each.get("id", "")), cells)

    def series(self) -> Iterator[Row]:
        """Every series of every panel; a panel without one is unknown."""
        for panel in self._panels:
            values = self.tick["panels"].get(panel["id"]) or {"": None}
            for name, value in values.items():
                shown = "" if name == "all" else name
                yield Row(
                    f"{panel['id']} {name}", (panel["title"], shown, text(value, panel["unit"]))
                )

    @property
    def headline(self) -> tuple[Level, str]:
        """The one status, and what to do about it."""
        status = self.tick["status"]
        hint = status.get("hint")
        return status["level"], f"{status['text']}{f'  ({hint})' if hint else ''}"

    @property
    def foot(self) -> str:
        """Where the numbers come from."""
        demo = ", made up by --demo" if self.tick.get("demo") else ""
        return f"source: {self.tick['source']}{demo}"

    def _tile(self, panel: Json) -> Tile:
        values = self.tick["panels"].get(panel["id"], {})
        now = total(values.values(), panel["total"])
        level, limit = _over(now, panel)
        past = self._sparks[panel["id"]]
        is_known = any(value is not None for value in past)
        spark = tuple(value or 0.0 for value in past) if is_known else ()
        note = f"over {text(limit, panel['unit'])}" if limit is not None else _of(values, panel)
        # A dashboard of another version may not know the short one.
        title = panel.get("short") or panel["title"]
        return Tile(panel["id"], title, text(now, panel["unit"]), note, level, spark)


def total(values: Iterable[float | None], how: str) -> float | None:
    """Return one number for a panel's series: their sum or the largest; None when none is known."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return None
    return sum(known) if how == "sum" else max(known)


def _over(value: float | None, panel: Json) -> tuple[Level, float | None]:
    limits: Sequence[float] = panel["thresholds"]
    passed = [limit for limit in limits if value is not None and value >= limit]
    if not passed:
        return "ok", None
    return ("down" if len(passed) > 1 else "warn"), passed[-1]


def _of(values: dict[str, float | None], panel: Json) -> str:
    names = [name for name, value in values.items() if value is not None]
    if len(names) < 2:
        return "" if names in ([], ["all"]) else names[0]
    return f"sum of {len(names)}" if panel["total"] == "sum" else f"highest of {len(names)}"


def _remaining(expires: float | None, now: float) -> str:
    if expires is None:
        return DASH
    # Ollama says "for ever" as a date some centuries from now.
    return "never" if expires - now > 10 * 365 * 86400 else text(max(0, expires - now), "seconds")
