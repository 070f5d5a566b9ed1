"""The API as an OpenAPI 3.1 document, from what the code knows anyway, without I/O."""

import json
from typing import Any

from ollamon import __version__
from ollamon.access import TOKEN_FIELD
from ollamon.dashboard.history.requests import FILTERS
from ollamon.dashboard.questions import DEFAULT_RANGE, FORMATS, MAX_LIMIT, MAX_SEQ
from ollamon.dashboard.sources.source import RANGES_S
from ollamon.dashboard.status import Level
from ollamon.metrics.panels import Section, Unit
from ollamon.metrics.requests import MAX_TEXT, NULLABLE, TYPES

Json = dict[str, Any]

_NUMBER = {"type": ["number", "null"]}
_TEXT = {"type": "string"}
_JSON_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean"}


def document() -> str:
    """Return it as JSON."""
    made = {
        "openapi": "3.1.0",
        "info": {
            "title": "ollamon",
            "version": __version__,
            "description": "What the dashboard shows, for programs. Loopback only; `Host` and "
            "`Origin` are checked. Unknown is null, never 0.",
        },
        "servers": [{"url": "http://127.0.0.1:3001"}],
        "paths": _paths(),
        "components": {"schemas": _schemas()},
    }
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _paths() -> Json:
    stretch = [
        _query("range", {"enum": list(RANGES_S), "default": DEFAULT_RANGE}, "Up to now."),
        _query("from", _whole(0), "Unix seconds; with `to`, instead of `range`."),
        _query("to", _whole(0), "Unix seconds."),
        _query("panel", _TEXT, "One panel alone."),
        _query("model", _word(), "Series of one model alone."),
        _query("format", {"enum": list(FORMATS)}, "JSON is the default."),
    ]
    rows = [
        _query(
            "before",
            {**_whole(0), "maximum": MAX_SEQ},
            "Rows with a lower `seq`: the `next` of the page before.",
        ),
        _query("limit", {**_whole(1), "maximum": MAX_LIMIT}, "How many."),
        *(_query(name, _word(), f"Of one {name} alone.") for name in FILTERS),
        _query("q", _word(), "Found in any word of the row."),
        _query("format", {"enum": list(FORMATS)}, "JSON is the default."),
    ]
    run = {"name": "id", "in": "path", "required": True, "schema": _whole(0)}
    token = {"name": TOKEN_FIELD, "in": "header", "required": True, "schema": _TEXT}
    return {
        "/api/metrics": _get("The last values of every panel.", "Tick", 503),
        "/api/panels": _get("What each panel shows, with its PromQL.", "Panels"),
        "/api/history": _get(
            "The values of a stretch of time.", "History", 400, 304, query=stretch
        ),
        "/api/requests": _get("Requests that ended, newest first.", "Requests", 400, query=rows),
        "/api/requests/{id}/cancel": {
            "post": {
                "summary": "End a request that runs; its client gets an honest end.",
                "parameters": [run, token],
                "responses": _answers("Object", 403, 404, 502),
            }
        },
        "/healthz": _get("The loop turns.", "Object"),
        "/readyz": _get("The first values are there.", "Object", 503),
    }


def _schemas() -> Json:
    series = {"type": "object", "additionalProperties": _NUMBER}
    columns = {"type": "object", "additionalProperties": {"type": "array", "items": _NUMBER}}
    record = {name: _field(name) for name in TYPES}
    return {
        "Object": {"type": "object"},
        "Error": _object({"error": _TEXT}),
        "Tick": _object(
            {
                "v": {"const": 1},
                "t": {"type": "number"},
                "interval_s": {"type": "number"},
                "demo": {"type": "boolean"},
                "source": {"enum": ["prometheus", "embedded"]},
                "status": _object(
                    {
                        "kind": _TEXT,
                        "level": {"enum": [level.value for level in Level]},
                        "text": _TEXT,
                        "hint": _TEXT,
                    }
                ),
                "notes": _list(_object({"kind": _TEXT, "text": _TEXT, "hint": _TEXT})),
                "panels": {"type": "object", "additionalProperties": series},
                "models": _list({"type": "object", "required": ["name"]}),
            }
        ),
        "Panels": _list(
            _object(
                {
                    "id": _TEXT,
                    "title": _TEXT,
                    "unit": {"enum": [unit.value for unit in Unit]},
                    "section": {"enum": [section.value for section in Section]},
                    "kind": {"enum": ["line", "stepped"]},
                    "total": {"enum": ["sum", "max"]},
                    "help": _TEXT,
                    "promql": _TEXT,
                    "tile": {"type": "boolean"},
                    "short": _TEXT,
                    "thresholds": _list({"type": "number"}),
                }
            )
        ),
        "History": _object(
            {
                "v": {"const": 1},
                "t": _list({"type": "number"}),
                "step_s": _NUMBER,
                "panels": {"type": "object", "additionalProperties": _object({"series": columns})},
            }
        ),
        "Requests": _object(
            {
                "v": {"const": 1},
                "requests": _list(_object(record)),
                "in_flight": _list({"type": "object"}),
                "next": {"type": ["integer", "null"]},
            }
        ),
    }


def _get(summary: str, schema: str, *failures: int, query: list[Json] | None = None) -> Json:
    operation: Json = {"summary": summary, "responses": _answers(schema, *failures)}
    if query:
        operation["parameters"] = query
    if query and any(parameter["name"] == "format" for parameter in query):
        operation["responses"]["200"]["content"]["text/csv"] = {"schema": _TEXT}
    return {"get": operation}


def _answers(schema: str, *failures: int) -> Json:
    found = {"200": _answer("As asked.", schema)}
    for status in failures:
        is_empty = status == 304
        found[str(status)] = (
            {"description": "You have it."} if is_empty else _answer("Why not.", "Error")
        )
    return found


def _answer(description: str, schema: str) -> Json:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _object(properties: Json) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _whole(least: int) -> Json:
    return {"type": "integer", "minimum": least}


def _word() -> Json:
    return {"type": "string", "maxLength": MAX_TEXT, "pattern": "^[ -~]*$"}


def _field(name: str) -> Json:
    kind = _JSON_TYPES[TYPES[name]]
    return {"type": [kind, "null"] if name in NULLABLE else kind}
