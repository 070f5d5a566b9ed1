"""Queries of the API -> what is wanted, without I/O. What cannot be understood is said."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ollamon.dashboard.history.requests import FILTERS, Wanted
from ollamon.dashboard.sources.source import RANGES_S
from ollamon.metrics.requests import MAX_TEXT

MAX_LIMIT = 500
_DIGITS = 18
MAX_SEQ = 10**_DIGITS - 1
FORMATS = ("json", "csv")
_LIMIT = 100
_OF_REQUESTS = frozenset({"before", "limit", "format", "q", *FILTERS})
_OF_HISTORY = frozenset({"range", "from", "to", "panel", "model", "format"})
DEFAULT_RANGE = "15m"
SHORTEST_S = 10
# What a datetime can hold.
_LAST_MOMENT = 253_402_300_799
LONGEST_S = max(RANGES_S.values())


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which part of the history, and how.

    Attributes:
        range: A name, up to now; "" when start and end are given.
        start: Unix seconds.
        end: Unix seconds.
        panel: One panel alone; "" for all.
        model: Series of one model alone, and those of no model; "" for all.
        format: "json" or "csv".
    """

    range: str
    start: int = 0
    end: int = 0
    panel: str = ""
    model: str = ""
    format: str = FORMATS[0]


def stretch_of(query: Mapping[str, str], panels: Collection[str]) -> Stretch:
    """Return which history is asked for.

    Args:
        query: Of /api/history.
        panels: Ids that there are.

    Raises:
        ValueError: Its text begins with the parameter that is wrong.
    """
    _check_names(query, _OF_HISTORY)
    form = _format(query)
    panel = query.get("panel", "")
    if panel and panel not in panels:
        raise ValueError("panel: expected an id of /api/panels")
    start, end = _moments(query)
    name = "" if end else query.get("range", DEFAULT_RANGE)
    if not end and name not in RANGES_S:
        raise ValueError(f"range: expected one of {', '.join(RANGES_S)}")
    return Stretch(name, start, end, panel, _text(query, "model"), form)


def _moments(query: Mapping[str, str]) -> tuple[int, int]:
    given = [name for name in ("from", "to") if name in query]
    if not given:
        return 0, 0
    if len(given) == 1 or "range" in query:
        raise ValueError(f"{given[0]}: expected from and to, without range")
    start, end = (_whole(query, name, 0) for name in ("from", "to"))
    if end > _LAST_MOMENT:
        raise ValueError("to: expected seconds since 1970")
    if not SHORTEST_S <= end - start <= LONGEST_S:
        raise ValueError(f"to: expected {SHORTEST_S} s to {LONGEST_S // 86_400} days after from")
    return start, end


def wanted_of(query: Mapping[str, str]) -> tuple[Wanted, str]:
    """Return the rows that are asked for, and the format.

    Raises:
        ValueError: Its text begins with the parameter that is wrong.
    """
    _check_names(query, _OF_REQUESTS)
    form = _format(query)
    limit = _whole(query, "limit", _LIMIT if form == "json" else MAX_LIMIT)
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"limit: expected 1 to {MAX_LIMIT}")
    wanted = Wanted(
        limit,
        before=_whole(query, "before", 0) or None,
        words={name: _text(query, name) for name in FILTERS if query.get(name)},
        text=_text(query, "q"),
    )
    return wanted, form


def _check_names(query: Mapping[str, str], known: frozenset[str]) -> None:
    unknown = sorted(set(query) - known)
    if unknown:
        raise ValueError(f"{unknown[0]}: expected one of {', '.join(sorted(known))}")


def _format(query: Mapping[str, str]) -> str:
    form = query.get("format", FORMATS[0])
    if form not in FORMATS:
        raise ValueError(f"format: expected one of {', '.join(FORMATS)}")
    return form


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise ValueError(f"{name}: expected a whole number")
    return int(text)


def _text(query: Mapping[str, str], name: str) -> str:
    text = query.get(name, "")
    if len(text) > MAX_TEXT or not (text.isascii() and text.isprintable()):
        raise ValueError(f"{name}: expected at most {MAX_TEXT} printable ASCII letters")
    return text
