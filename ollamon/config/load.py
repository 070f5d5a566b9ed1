"""ollamon.toml < OLLAMON_* < options -> Config, or one ConfigError with every problem."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ollamon.config import checks, files, paths
from ollamon.config.layers import Layers
from ollamon.config.model import Config
from ollamon.config.wording import problems_of
from ollamon.errors import ConfigError, Problem


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
        layers.add_file(files.shown(path), files.read(path, named_by))
    layers.add_environment(variables)
    layers.add_options(options or {})
    notices = layers.add_ollama_host(variables.get("OLLAMA_HOST", ""))
    config, problems = _validate(layers)
    problems = layers.problems + problems + checks.problems_of(layers)
    if problems or config is None:
        raise ConfigError(tuple(sorted(problems, key=_place)))
    return Loaded(config, path, layers.origins, notices)


def _validate(layers: Layers) -> tuple[Config | None, list[Problem]]:
    try:
        return Config.model_validate(layers.values), []
    except ValidationError as error:
        return None, problems_of(error, layers)


def _place(problem: Problem) -> tuple[int, ...]:
    """Those of the file in its order, then those of variables and options."""
    match = re.search(r":(\d+)(?::(\d+))?$", problem.where)
    return (0, int(match[1]), int(match[2] or 0)) if match else (1,)
