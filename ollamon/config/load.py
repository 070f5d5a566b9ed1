"""ollamon.toml < OLLAMON_* < options -> Config, or one ConfigError with every problem."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ollamon.config import checks, paths
from ollamon.config.layers import Layers
from ollamon.config.model import Config
from ollamon.config.wording import problems_of
from ollamon.errors import ConfigError, Problem

MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and where it came from.

    Attributes:
        config: All values, validated.
        file: The file that was read; None when there is none.
        origins: Key path -> `file:line:column`, variable or option; defaults are absent.
        notices: What the person should know, although it is no error.
    """

    config: Config
    file: Path | None
    origins: Mapping[str, str]
    notices: tuple[str, ...]


def load(
    file: str | None = None,
    options: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Loaded:
    """Read and validate the configuration.

    Args:
        file: The `--config` option.
        options: Key path -> value, from the command line.
        environment: Variables; the process's own by default.

    Raises:
        ConfigError: With every problem of every layer.
    """
    variables = os.environ if environment is None else environment
    path, named_by = paths.find_file(file)
    layers = Layers()
    if path:
        layers.add_file(_shown(path), _read(path, named_by))
    layers.add_environment(variables)
    layers.add_options(options or {})
    notices = layers.add_ollama_host(variables.get("OLLAMA_HOST", ""))
    config, problems = _validate(layers)
    problems += checks.problems_of(layers)
    if problems or config is None:
        raise ConfigError(tuple(layers.problems + problems))
    if layers.problems:
        raise ConfigError(tuple(layers.problems))
    return Loaded(config, path, layers.origins, notices)


def _validate(layers: Layers) -> tuple[Config | None, list[Problem]]:
    try:
        return Config.model_validate(layers.values), []
    except ValidationError as error:
        return None, problems_of(error, layers)


def _shown(path: Path) -> str:
    """The path as a person would type it."""
    home = Path.home()
    absolute = path.absolute()
    return f"~/{absolute.relative_to(home)}" if absolute.is_relative_to(home) else str(path)


def _read(path: Path, named_by: str) -> str:
    reason = f" (named by {named_by})" if named_by else ""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError((Problem(f"cannot read {_shown(path)}: larger than 1 MB"),))
        text = data.decode()
        tomllib.loads(text)
    except OSError as error:
        message = f"cannot read {_shown(path)}{reason}: {(error.strerror or '').lower()}"
        raise ConfigError((Problem(message),)) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError((Problem("not UTF-8 text", f"{_shown(path)}:{line}:1"),)) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError((_syntax_problem(path, error),)) from None
    return text


def _syntax_problem(path: Path, error: Exception) -> Problem:
    """`tomllib` ends its message with "(at line 3, column 7)" or "(at end of document)"."""
    message, _, place = str(error).rpartition(" (at ")
    numbers = [word for word in place.rstrip(")").replace(",", "").split() if word.isdecimal()]
    return Problem(f"no valid TOML: {message or error}", ":".join([_shown(path), *numbers]))
