"""What pydantic found, in the words of a person who edits a file, without I/O."""

from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ollamon.config.layers import Layers, field_at, fields_of
from ollamon.config.model import Config, Section
from ollamon.config.naming import STACK_PATTERN, STACK_RULE
from ollamon.errors import Problem

_TYPES = {
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "tuple_type": 'a list such as ["box.lan"]',
    "mapping_type": 'a table such as { OLLAMA_KEEP_ALIVE = "1h" }',
    "dict_type": 'a table such as { OLLAMA_KEEP_ALIVE = "1h" }',
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def problems_of(error: ValidationError, layers: Layers) -> list[Problem]:
    """One problem for each mistake, in the order of the model."""
    return [_problem(detail, layers) for detail in error.errors(include_url=False)]


def _problem(detail: ErrorDetails, layers: Layers) -> Problem:
    path = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return Problem(_unknown(path), layers.where(path), layers.excerpt(path))
    return Problem(f"{path}: {_reason(detail)}", layers.value_position(path))


def _reason(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "enum":
            return f"expected one of {context['expected']}, got {detail['input']!r}"
        case "greater_than_equal":
            return f"must be at least {context['ge']}, got {detail['input']}"
        case "less_than_equal":
            return f"must be at most {context['le']}, got {detail['input']}"
        case "string_pattern_mismatch":
            rules = {STACK_PATTERN: STACK_RULE}
            rule = rules.get(context["pattern"], f"text that matches {context['pattern']}")
            return f"expected {rule}, got {detail['input']!r}"
        case "string_too_short":
            return "must not be empty"
        case kind if kind in _TYPES:
            return f"expected {_TYPES[kind]}, got {detail['input']!r}"
        case _:
            return f"{detail['msg'].lower()}, got {detail['input']!r}"


def _unknown(path: str) -> str:
    table, _, key = path.rpartition(".")
    section = field_at(table) if table else None
    model = section.annotation if section else Config
    what = "key" if table else "section or key"
    if not (isinstance(model, type) and issubclass(model, Section)):
        return f"{path}: unknown {what}"
    names = list(fields_of(model))
    close = get_close_matches(key, names, n=1, cutoff=0.6)
    if close:
        return f"{path}: unknown {what}, did you mean {close[0]}?"
    return f"{path}: unknown {what}, expected one of {', '.join(sorted(names))}"
