"""What the page gets: ticks, history and panels as JSON types, without I/O.

Unknown is null, never 0: JSON has neither NaN nor infinity, and a page that shows 0 for "not known"
lies. A series is named by its label values, the model first, with a space between them, which no
value of ours contains; a panel's only series is "all".
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Literal

from ollamon.dashboard.sources.source import History, Reading
from ollamon.dashboard.status import Note, Status
from ollamon.metrics import catalog
from ollamon.metrics.expressions import Value
from ollamon.metrics.panels import PANELS, Panel
from ollamon.metrics.series import Labels, SeriesStore

VERSION = 1
MAX_SERIES = 40
TICK_DIGITS = 7
HISTORY_DIGITS = 5
ALL = "all"
OTHER = "other"

Total = Literal["sum", "max"]
Json = dict[str, Any]
Number = float | int | None

_MODEL_VALUES = {
    "size_bytes": Value(catalog.MODEL_SIZE),
    "vram_bytes": Value(catalog.MODEL_VRAM),
    "offload_ratio": Value(catalog.MODEL_OFFLOAD),
    "context_length": Value(catalog.MODEL_CONTEXT),
    "expires": Value(catalog.MODEL_EXPIRES),
}
_LOADED = Value(catalog.MODEL_LOADED)


def number(value: float, digits: int = TICK_DIGITS) -> Number:
    """Round to significant digits; whole numbers without a fraction, unknown as None."""
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    whole = int(rounded)
    return whole if whole == rounded and -(2**53) < whole < 2**53 else rounded


def series_name(labels: Labels, order: Sequence[str]) -> str:
    """Name a series by the labels that its expression keeps; a Prometheus adds others."""
    values = dict(labels)
    first = sorted(order, key=lambda label: label != "model")
    return " ".join(values[label] for label in first if values.get(label)) or ALL


def named(panel: Panel, columns: Mapping[Labels, Sequence[float]]) -> dict[str, Sequence[float]]:
    """Columns by name. Those of one name, as of two machines, and those beyond 40 are combined."""
    pairs = [
        (series_name(labels, panel.expression.labels), column) for labels, column in columns.items()
    ]
    pairs.sort(key=lambda pair: pair[0])
    by_name = {
        name: combined([column for _, column in group], panel.total)
        for name, group in groupby(pairs, key=lambda pair: pair[0])
    }
    if len(by_name) <= MAX_SERIES:
        return by_name
    ranked = sorted(by_name, key=lambda name: _peak(by_name[name]), reverse=True)
    kept = set(ranked[: MAX_SERIES - 1])
    rest = [column for name, column in by_name.items() if name not in kept]
    return {name: by_name[name] for name in by_name if name in kept} | {
        OTHER: combined(rest, panel.total)
    }


def combined(columns: Sequence[Sequence[float]], total: Total) -> Sequence[float]:
    """One column of several, of what is known at each time."""
    if len(columns) == 1:
        return columns[0]
    return [
        _one([value for value in row if not math.isnan(value)], total)
        for row in zip(*columns, strict=True)
    ]


def build_tick(
    reading: Reading,
    *,
    source: str,
    interval_s: float,
    is_demo: bool,
    status: Status,
    notes: Iterable[Note],
    models: Iterable[Json],
    panels: tuple[Panel, ...] = PANELS,
) -> Json:
    """One value per series, and all that the page shows besides."""
    return {
        "v": VERSION,
        "t": round(reading.t, 3),
        "interval_s": number(interval_s),
        "demo": is_demo,
        "source": source,
        "status": {
            "kind": status.kind.value,
            "level": status.level.value,
            "text": status.text,
            "hint": status.hint,
        },
        "notes": [{"kind": note.kind, "text": note.text, "hint": note.hint} for note in notes],
        "panels": {panel.id: _values(panel, reading) for panel in panels},
        "models": list(models),
    }


def build_history(
    history: History,
    panels: tuple[Panel, ...] = PANELS,
    pause: Callable[[], object] = lambda: None,
) -> Json:
    """All series over a span, on one list of times.

    An hour of 100 series takes 100 ms; `pause` is called between panels, to let others run.
    """
    columns = {}
    for panel in panels:
        columns[panel.id] = {"series": _columns(panel, history)}
        pause()
    return {
        "v": VERSION,
        "t": [round(t, 3) for t in history.times],
        "step_s": number(history.step_s),
        "panels": columns,
    }


def chosen(history: Json, panels: Iterable[Panel], panel: str, model: str) -> Json:
    """Return one panel of a history, or all ("") and of them the series of one model, or all ("").

    What is not told apart by model stays.
    """
    by_model = {each.id for each in panels if "model" in each.expression.labels}
    kept = {}
    for id_, columns in history["panels"].items():
        if panel in ("", id_):
            series = columns["series"]
            if model and id_ in by_model:
                # A name begins with the model, and no model has a space in it.
                series = {name: c for name, c in series.items() if name.split(" ")[0] == model}
            kept[id_] = {"series": series}
    return {**history, "panels": kept}


def describe(panel: Panel) -> Json:
    """A panel's declaration."""
    return {
        "id": panel.id,
        "title": panel.title,
        "unit": panel.unit.value,
        "section": panel.section.value,
        "kind": panel.kind,
        "total": panel.total,
        "help": panel.help,
        "promql": panel.expression.promql(),
        "tile": panel.is_tile,
        "short": panel.short,
        "thresholds": list(panel.thresholds),
    }


def models(store: SeriesStore, t: float) -> list[Json]:
    """The loaded models, by name; what is not known of one is null."""
    columns = {key: _by_model(value, store, t) for key, value in _MODEL_VALUES.items()}
    names = sorted(_by_model(_LOADED, store, t))
    return [
        {"name": name, **{key: values.get(name) for key, values in columns.items()}}
        for name in names
    ]


def _by_model(value: Value, store: SeriesStore, t: float) -> dict[str, Number]:
    found = value.eval(store, t).items()
    return {dict(labels).get("model", ""): number(known, 15) for labels, known in found}


def _columns(panel: Panel, history: History) -> dict[str, list[Number]]:
    columns = named(panel, history.panels.get(panel.id, {}))
    return {
        name: [number(value, HISTORY_DIGITS) for value in column]
        for name, column in columns.items()
    }


def _values(panel: Panel, reading: Reading) -> dict[str, Number]:
    vector = reading.panels.get(panel.id, {})
    columns = named(panel, {labels: (value,) for labels, value in vector.items()})
    return {name: number(column[0]) for name, column in columns.items()}


def _one(known: list[float], total: Total) -> float:
    if not known:
        return math.nan
    return sum(known) if total == "sum" else max(known)


def _peak(column: Sequence[float]) -> float:
    return max((value for value in column if not math.isnan(value)), default=-math.inf)
