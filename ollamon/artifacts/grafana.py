"""The page's panels as a Grafana dashboard, and what provisions it, without I/O."""

import json
from collections.abc import Iterator, Sequence

from ollamon.config.model import Config
from ollamon.metrics import catalog
from ollamon.metrics.expressions import Comparison, Value, Where
from ollamon.metrics.panels import Limits, Panel, Section, Unit
from ollamon.metrics.rewriting import narrowed
from ollamon.metrics.served import panels_of

UID = "ollamon"
SOURCE = {"type": "prometheus", "uid": "${source}"}
UNITS = {
    Unit.SECONDS: "s",
    Unit.BYTES: "bytes",
    Unit.MEGABYTES: "mbytes",
    Unit.PERCENT: "percent",
    Unit.PER_SECOND: "reqps",
    Unit.TOKENS_PER_SECOND: "suffix: tok/s",
    Unit.COUNT: "short",
    Unit.MILLIWATTS: "mwatt",
    Unit.WATTS: "watt",
    Unit.JOULES_PER_TOKEN: "suffix: J/tok",
    Unit.CELSIUS: "celsius",
    Unit.BYTES_PER_SECOND: "Bps",
}
CHOSEN = (
    Where("instance", Comparison.MATCHES, "$instance"),
    Where("model", Comparison.MATCHES, "$model"),
)
WIDTH, HEIGHT, COLUMNS = 8, 8, 3


def dashboard(config: Config) -> str:
    """Return the dashboard; its uid is fixed, so that importing it again replaces it."""
    ours = config.dashboard
    limits = Limits(ours.first_token_limit, ours.token_speed_limit)
    document = {
        "uid": UID,
        "title": "ollamon",
        "description": "What a local LLM server does. Made from the panels of ollamon's own page.",
        "tags": ["ollama", "llm"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_source(), *_choices()]},
        "panels": list(_panels(panels_of(config.metrics.compat, limits))),
    }
    return _json(document)


def datasources(config: Config) -> str:
    """Return Grafana's provisioning of the data source, YAML, which every JSON is."""
    url = config.prometheus.engine_url or config.prometheus.listen.url
    source = {"name": "ollamon", "uid": UID, "type": "prometheus", "url": url}
    interval = {"timeInterval": f"{config.prometheus.scrape_interval:g}s"}
    entry = {**source, "access": "proxy", "jsonData": {"httpMethod": "POST", **interval}}
    return _json({"apiVersion": 1, "datasources": [entry]})


def providers() -> str:
    """Return Grafana's provisioning of the folder that the dashboard lies in."""
    options = {"path": "/var/lib/grafana/dashboards"}
    provider = {"name": "ollamon", "type": "file", "allowUiUpdates": True, "options": options}
    return _json({"apiVersion": 1, "providers": [provider]})


def _source() -> dict[str, object]:
    return {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _choices() -> Iterator[dict[str, object]]:
    yield _choice("instance", "Machine", f"label_values({catalog.BUILD_INFO.name}, instance)")
    named = Value(catalog.GENERATED_TOKENS, CHOSEN[:1]).promql()
    yield _choice("model", "Model", f"label_values({named}, model)")


def _choice(name: str, label: str, query: str) -> dict[str, object]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _panels(every: Sequence[Panel]) -> Iterator[dict[str, object]]:
    number, top = 0, 0
    for section in Section:
        panels = [panel for panel in every if panel.section is section]
        if not panels:
            continue
        number += 1
        place = {"x": 0, "y": top, "w": 24, "h": 1}
        yield {"id": number, "type": "row", "title": section, "gridPos": place, "collapsed": False}
        top += 1
        for i, panel in enumerate(panels):
            number += 1
            row, column = divmod(i, COLUMNS)
            place = {"x": column * WIDTH, "y": top + row * HEIGHT, "w": WIDTH, "h": HEIGHT}
            yield _panel(number, panel, place)
        top += -(-len(panels) // COLUMNS) * HEIGHT


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, object]:
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.help,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": [
            {
                "refId": "A",
                "datasource": SOURCE,
                "expr": expression_of(panel),
                "legendFormat": legend_of(panel),
            }
        ],
        "fieldConfig": {
            "defaults": {
                "unit": UNITS[panel.unit],
                "custom": {
                    "lineInterpolation": "stepAfter" if panel.kind == "stepped" else "linear",
                    "spanNulls": False,
                    "thresholdsStyle": {"mode": "dashed" if panel.thresholds else "off"},
                },
                "thresholds": {"mode": "absolute", "steps": _steps(panel)},
            },
            "overrides": [],
        },
        "options": {"tooltip": {"mode": "multi"}, "legend": {"displayMode": "list"}},
    }


def expression_of(panel: Panel) -> str:
    """Return its PromQL for the machines and models that are chosen."""
    return narrowed(panel.expression, CHOSEN).promql()


def legend_of(panel: Panel) -> str:
    """Return what names its series."""
    return " ".join(f"{{{{{label}}}}}" for label in panel.expression.labels) or panel.title


def _steps(panel: Panel) -> list[dict[str, object]]:
    colours = ("orange", "red")
    limits = [
        {"color": colour, "value": limit}
        for colour, limit in zip(colours, panel.thresholds, strict=False)
    ]
    return [{"color": "green", "value": None}, *limits]


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
