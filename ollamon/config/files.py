"""Reads the text of ollamon.toml; whatever is wrong with it is one ConfigError."""

import tomllib
from pathlib import Path

from ollamon.config import naming
from ollamon.errors import ConfigError, Problem

MAX_BYTES = 1024 * 1024


def shown(path: Path) -> str:
    """Return the path as a person would type it."""
    home = Path.home()
    absolute = path.absolute()
    return f"~/{absolute.relative_to(home)}" if absolute.is_relative_to(home) else str(path)


def read(path: Path, named_by: str = "") -> str:
    """Return the text of a file that is valid TOML.

    Args:
        path: The file.
        named_by: The option or variable that names it, for the message.

    Raises:
        ConfigError: It cannot be read, is no UTF-8, no TOML, or larger than 1 MB.
    """
    # Whoever typed a path knows who named it.
    reason = f" (named by {named_by})" if named_by == naming.FILE_VARIABLE else ""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError((Problem(f"cannot read {shown(path)}: larger than 1 MB"),))
        text = data.decode()
        tomllib.loads(text)
    except OSError as error:
        message = f"cannot read {shown(path)}{reason}: {(error.strerror or '').lower()}"
        raise ConfigError((Problem(message),)) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError((Problem("not UTF-8 text", f"{shown(path)}:{line}:1"),)) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError((_syntax_problem(path, error),)) from None
    return text


def _syntax_problem(path: Path, error: Exception) -> Problem:
    """`tomllib` ends its message with "(at line 3, column 7)" or "(at end of document)"."""
    message, _, place = str(error).rpartition(" (at ")
    numbers = [word for word in place.rstrip(")").replace(",", "").split() if word.isdecimal()]
    return Problem(f"no valid TOML: {message or error}", ":".join([shown(path), *numbers]))
