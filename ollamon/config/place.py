"""Which stack is meant and where its folders are, before the rest of the file is validated.

`status`, `down` and `logs` need no more: importing the models costs more than the whole command,
and a running stack can be stopped although its file was broken in the meantime.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from ollamon.config import files, naming, paths
from ollamon.config.paths import Folders

_KEYS = ("state", "runtime", "data", "logs")


@dataclass(frozen=True, slots=True)
class Place:
    """A stack's name and folders."""

    name: str
    folders: Folders


def place(
    file: str | None = None,
    name: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Place:
    """Find a stack, by the same layers as `load`.

    Args:
        file: The `--config` option.
        name: The `--name` option.
        environment: Variables; the process's own by default.

    Raises:
        ConfigError: The file cannot be read, or its name or folders cannot be used.
    """
    variables = os.environ if environment is None else environment
    path, named_by = paths.find_file(file)
    document = tomllib.loads(files.read(path, named_by)) if path else {}
    chosen_name = name or variables.get("OLLAMON_NAME", document.get("name", naming.STACK))
    table = document.get("paths", {})
    # What is no table is no key either, and the models say so.
    chosen = dict(table) if isinstance(table, dict) else {"": table}
    for key in _KEYS:
        if (text := variables.get(f"OLLAMON_PATHS__{key.upper()}")) is not None:
            chosen[key] = text
    if not _is_sound(chosen_name, chosen):
        return _validated(file, name, variables)
    return Place(chosen_name, paths.folders_of(chosen_name, chosen))


def _is_sound(name: object, chosen: Mapping[str, object]) -> bool:
    if not (isinstance(name, str) and re.fullmatch(naming.STACK_PATTERN, name)):
        return False
    return all(key in _KEYS and isinstance(text, str) for key, text in chosen.items())


def _validated(file: str | None, name: str | None, variables: Mapping[str, str]) -> Place:
    """Let the models say what is wrong."""
    from ollamon.config.load import load

    config = load(file, {"name": name} if name else {}, variables).config
    return Place(config.name, paths.folders(config))
