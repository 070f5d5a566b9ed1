"""The layers of a configuration, merged, each value with its origin, without I/O."""

import tomllib
from collections.abc import Mapping

from pydantic.fields import FieldInfo

from ollamon.config import ollama_host
from ollamon.config.model import Config, Section
from ollamon.config.naming import NOT_KEYS, PREFIX
from ollamon.config.positions import Position, scan
from ollamon.config.values import parse_listen, parse_url
from ollamon.errors import Problem


class Layers:
    """Collects raw values; nothing is validated here."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.origins: dict[str, str] = {}
        self.problems: list[Problem] = []
        self._file = ""
        self._lines: list[str] = []
        self._positions: dict[str, Position] = {}

    def add_file(self, name: str, text: str) -> None:
        """Take the values of a file that is valid TOML."""
        self._file, self._lines, self._positions = name, text.splitlines(), scan(text)
        self.values = tomllib.loads(text)
        for path, position in self._positions.items():
            self.origins[path] = f"{name}:{position.line}:{position.column}"

    def add_environment(self, variables: Mapping[str, str]) -> None:
        """Take `OLLAMON_SECTION__KEY` variables; an unknown one is a problem, as in the file."""
        for variable, text in sorted(variables.items()):
            if variable.startswith(PREFIX) and variable not in NOT_KEYS:
                path = variable.removeprefix(PREFIX).lower().replace("__", ".")
                self._set(path, _typed(path, text), variable)

    def add_options(self, options: Mapping[str, object]) -> None:
        """Take values of the command line by key path."""
        for path, value in options.items():
            self._set(path, value, "the command line")

    def add_ollama_host(self, text: str) -> tuple[str, ...]:
        """Take OLLAMA_HOST where nothing else names the upstream; return notices."""
        if not text.strip() or self.get("ollama.url") is not None:
            return ()
        try:
            url = parse_url(ollama_host.upstream_of(text))
        except ValueError:
            return (f"OLLAMA_HOST names no server ({_shown(text)}) and is ignored",)
        if is_own_proxy(url, self.get("proxy.listen")):
            return (f"OLLAMA_HOST names this proxy ({url}) and is ignored",)
        self._set("ollama.url", url, "OLLAMA_HOST")
        oddity = ollama_host.oddity_of(text)
        return (f"OLLAMA_HOST={_shown(text)}: {oddity}; {url} is asked",) if oddity else ()

    def get(self, path: str) -> object:
        """Return the raw value at a key path, or None."""
        node: object = self.values
        for part in path.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        return node

    def where(self, path: str) -> str:
        """Where the value at a path, or the nearest table around it, was written."""
        while path:
            if path in self.origins:
                return self.origins[path]
            path = path.rpartition(".")[0]
        return self._file

    def value_position(self, path: str) -> str:
        """As `where`, but with the column of the value."""
        position = self._positions.get(path)
        if position is None or not self.origins.get(path, "").startswith(f"{self._file}:"):
            return self.where(path)
        return f"{self._file}:{position.line}:{position.value_column}"

    def excerpt(self, path: str) -> str:
        """The line of a key with a marker beneath, or "" when it is not from the file."""
        position = self._positions.get(path)
        if position is None or not self.origins.get(path, "").startswith(f"{self._file}:"):
            return ""
        margin = " " * 4
        line = self._lines[position.line - 1]
        return (
            f"{position.line:>{len(margin) + 1}} │ {line}\n"
            f"{margin}  │ {' ' * (position.column - 1)}{'^' * position.width}"
        )

    def _set(self, path: str, value: object, origin: str) -> None:
        *tables, key = path.split(".")
        node = self.values
        for table in tables:
            inner = node.setdefault(table, {})
            if not isinstance(inner, dict):
                self.problems.append(Problem(f"{path}: {table} is no table here", origin))
                return
            node = inner
        node[key] = value
        self.origins[path] = origin


def _shown(text: str) -> str:
    """Without a password, and short enough for a line."""
    return "".join(filter(str.isprintable, text.strip().rpartition("@")[2]))[:60]


def is_own_proxy(url: str, listen: object) -> bool:
    """Say whether an upstream URL is the address where our own proxy listens."""
    if listen is None:
        listen = Config().proxy.listen
    try:
        ours = parse_listen(listen)
        host, _, port = url.rpartition("://")[2].rpartition(":")
        theirs = parse_listen(f"{host}:{port}")
    except ValueError:
        return False
    return theirs.port == ours.port


def _typed(path: str, text: str) -> object:
    """A variable is text; a key that is a number, boolean or list takes it as TOML would."""
    field = field_at(path)
    if field is None or field.annotation in (int, bool) or _is_list(field) or _is_table(field):
        source = _as_list(text) if field is not None and _is_list(field) else text
        try:
            return tomllib.loads(f"value = {source}")["value"] if "\n" not in text else text
        except tomllib.TOMLDecodeError:
            return text
    return text


def _is_list(field: FieldInfo) -> bool:
    return "tuple" in str(field.annotation)


def _is_table(field: FieldInfo) -> bool:
    return "Mapping" in str(field.annotation)


def _as_list(text: str) -> str:
    if text.lstrip().startswith("["):
        return text
    names = [name.strip() for name in text.split(",") if name.strip()]
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def field_at(path: str) -> FieldInfo | None:
    """Return the model's field at a key path, or None."""
    model: type[Section] = Config
    *tables, key = path.split(".")
    for table in tables:
        annotation = fields_of(model).get(table)
        if annotation is None or not isinstance(annotation.annotation, type):
            return None
        if not issubclass(annotation.annotation, Section):
            return None
        model = annotation.annotation
    return fields_of(model).get(key)


def fields_of(model: type[Section]) -> dict[str, FieldInfo]:
    """The fields of a section by the name that the file uses."""
    return {field.alias or name: field for name, field in model.model_fields.items()}
