"""Where things lie: XDG folders on Linux, the Library and TMPDIR on macOS."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ollamon.config.naming import FILE_NAME, FILE_VARIABLE

if TYPE_CHECKING:
    from ollamon.config.model import Config

_HOME_FOLDERS = {"config": ".config", "state": ".local/state", "data": ".local/share"}


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of one stack; none of them is created here.

    Attributes:
        runtime: Lock, control socket and run.json.
        state: Event log and what must survive a restart.
        logs: One log file for each child.
        data: The samples of our own Prometheus, and the dashboard's history.
    """

    runtime: Path
    state: Path
    logs: Path
    data: Path


def folders(config: "Config") -> Folders:
    """Return the folders of the stack that `config` names."""
    return folders_of(config.name, config.paths.model_dump())


def folders_of(name: str, chosen: Mapping[str, str]) -> Folders:
    """Return the folders of a stack; `chosen` is its section `[paths]`, where "" is no choice."""
    own = {key: Path(text).expanduser() for key, text in chosen.items() if text}
    state = own.get("state") or user_folder("state") / name
    return Folders(
        runtime=own.get("runtime") or _runtime(name, state),
        state=state,
        logs=own.get("logs") or state / "logs",
        data=own.get("data") or user_folder("data") / name,
    )


def history_file(data: Path, *, is_demo: bool) -> Path:
    """Return the file of the dashboard's history.

    What is made up must not stand in the history of what was measured.
    """
    return data / ("demo.sqlite3" if is_demo else "history.sqlite3")


def user_folder(kind: str) -> Path:
    """Return this user's folder of ollamon for `config`, `state` or `data`.

    Written out because importing platformdirs takes a quarter of the time of `ollamon status`.
    """
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "ollamon"
    named = os.environ.get(f"XDG_{kind.upper()}_HOME", "")
    # XDG Base Directory Specification: a relative path is to be ignored.
    base = Path(named) if Path(named).is_absolute() else Path.home() / _HOME_FOLDERS[kind]
    return base / "ollamon"


# sun_path takes 104 bytes on macOS and 108 on Linux, with `/ctl.sock` and the final zero.
_LONGEST = 104 - len("/ctl.sock") - 1


def _runtime(name: str, state: Path) -> Path:
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if sys.platform != "darwin" and Path(base).is_absolute():
        return Path(base) / "ollamon" / name
    if sys.platform != "darwin" and len(os.fsencode(state / "run")) <= _LONGEST:
        return state / "run"
    # Only here, since `ollamon status` is not to wait for it.
    import tempfile

    # One level: in a shared folder nobody else can then rename what is ours.
    return Path(tempfile.gettempdir()) / f"ollamon-{os.getuid()}-{name}"


def user_file() -> Path:
    """The configuration file of this user, whether it exists or not."""
    return user_folder("config") / FILE_NAME


def find_file(option: str | None) -> tuple[Path | None, str]:
    """Return the file to read and who named it; None when there is none, which is fine.

    A file that was named is returned even when it does not exist, so that its absence is an error.
    """
    if option:
        return Path(option).expanduser(), "--config"
    if named := os.environ.get(FILE_VARIABLE):
        return Path(named).expanduser(), FILE_VARIABLE
    for candidate in (Path(FILE_NAME), user_file()):
        if candidate.exists():
            return candidate, ""
    return None, ""
