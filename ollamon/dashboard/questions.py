"""The query of /api/requests -> which rows, without I/O. What cannot be understood is said."""

from collections.abc import Mapping

from ollamon.dashboard.history.requests import FILTERS, Wanted
from ollamon.metrics.requests import MAX_TEXT

MAX_LIMIT = 500
FORMATS = ("json", "csv")
_LIMIT = 100
_KNOWN = frozenset({"before", "limit", "format", "q", *FILTERS})


def wanted_of(query: Mapping[str, str]) -> tuple[Wanted, str]:
    """Return the rows that are asked for, and the format.

    Raises:
        ValueError: Its text begins with the parameter that is wrong.
    """
    unknown = sorted(set(query) - _KNOWN)
    if unknown:
        raise ValueError(f"{unknown[0]}: expected one of {', '.join(sorted(_KNOWN))}")
    form = query.get("format", FORMATS[0])
    if form not in FORMATS:
        raise ValueError(f"format: expected one of {', '.join(FORMATS)}")
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


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise ValueError(f"{name}: expected a whole number")
    return int(text)


def _text(query: Mapping[str, str], name: str) -> str:
    text = query.get(name, "")
    if len(text) > MAX_TEXT or not text.isprintable():
        raise ValueError(f"{name}: expected at most {MAX_TEXT} printable letters")
    return text
