"""ollamon.toml from the models: a fresh file, or the values in force, without I/O."""

import json
import textwrap
from collections.abc import Iterator, Mapping

from pydantic.fields import FieldInfo

from ollamon.config.layers import fields_of
from ollamon.config.model import Config, Section

WIDTH = 80
HEAD = """\
# ollamon.toml: every key with its default. To change one, remove its # first.
# Durations and sizes have units: "500ms", "5s", "15d"; "10MB", "2GB".
# `ollamon config check` says what is wrong with this file.
"""


def sections() -> Iterator[tuple[str, type[Section]]]:
    """Every table of the file by name; the top level, with the name "", comes first."""
    yield "", Config
    for name, field in fields_of(Config).items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield name, field.annotation


def keys_of(model: type[Section]) -> Iterator[tuple[str, FieldInfo]]:
    """The keys of a table, without its tables."""
    for name, field in fields_of(model).items():
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, Section)):
            yield name, field


def written(value: object) -> str:
    """Return a JSON value as TOML."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, Mapping):
        pairs = (f"{written(key)} = {written(each)}" for key, each in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    # A TOML basic string takes all escapes that JSON writes, and wants one more.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def flat(config: Config) -> dict[str, object]:
    """Return key path -> value as JSON type, in the order of the file."""
    document = config.to_section()
    found: dict[str, object] = {}
    for table, model in sections():
        values = document if not table else document[table]
        assert isinstance(values, Mapping)  # noqa: S101  the model says so
        for key, _ in keys_of(model):
            found[f"{table}.{key}" if table else key] = values[key]
    return found


def fresh() -> str:
    """Return a file that changes nothing and explains everything."""
    lines = [HEAD]
    for table, model in sections():
        if table:
            lines += [*_comment(_first_line(model)), f"[{table}]"]
        for key, field in keys_of(model):
            lines += _comment(field.description or "")
            lines.append(f"# {key} = {written(field.default)}")
        lines.append("")
    return "\n".join(lines)


def resolved(config: Config, origins: Mapping[str, str] | None = None) -> str:
    """Return all values as a file; with `origins`, each with where it comes from."""
    lines: list[str] = []
    table = ""
    for path, value in flat(config).items():
        if (here := path.rpartition(".")[0]) != table:
            table = here
            lines += ["", f"[{table}]"]
        line = f"{path.rpartition('.')[2]} = {written(value)}"
        origin = f"# {origins.get(path, 'default')}" if origins is not None else ""
        lines.append(f"{line:<44} {origin}".rstrip())
    return "\n".join(lines) + "\n"


def _first_line(model: type[Section]) -> str:
    return (model.__doc__ or "").partition("\n")[0]


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ")
