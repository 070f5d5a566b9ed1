"""Where things lie: XDG folders on Linux, the Library and TMPDIR on macOS (platformdirs)."""

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from platformdirs import PlatformDirs

from ollamon.config.model import Config

FILE_NAME = "ollamon.toml"
FILE_VARIABLE = "OLLAMON_CONFIG"


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of one stack; none of them is created here.

    Attributes:
        runtime: Lock, control socket and run.json.
        state: Event log and what must survive a restart.
        logs: One log file for each child.
        data: The samples of our own Prometheus.
    """

    runtime: Path
    state: Path
    logs: Path
    data: Path


def _platform() -> PlatformDirs:
    return PlatformDirs("ollamon", appauthor=False)


def folders(config: Config) -> Folders:
    """Return the folders of the stack that `config` names."""
    state = _chosen(config.paths.state) or _platform().user_state_path / config.name
    data = _chosen(config.paths.data) or _platform().user_data_path / config.name
    return Folders(
        runtime=_chosen(config.paths.runtime) or _runtime(config.name, state),
        state=state,
        logs=_chosen(config.paths.logs) or state / "logs",
        data=data,
    )


def _chosen(text: str) -> Path | None:
    return Path(text).expanduser() if text else None


def _runtime(name: str, state: Path) -> Path:
    if sys.platform == "darwin":
        return Path(tempfile.gettempdir()) / f"ollamon-{os.getuid()}" / name
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    return Path(base) / "ollamon" / name if Path(base).is_absolute() else state / "run"


def user_file() -> Path:
    """The configuration file of this user, whether it exists or not."""
    return _platform().user_config_path / FILE_NAME


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
