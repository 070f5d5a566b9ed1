"""Looks whether somebody else runs an Ollama at an address, or will start one there."""

import socket
import sys
from collections.abc import Callable
from pathlib import Path

from ollamon.config.values import Address

TIMEOUT_S = 0.5
ROOT = Path("/")


def has_ollama(runtime: Path) -> Callable[[Address], bool]:
    """Return what says so of an address; an Ollama of the stack of this runtime folder is ours."""

    def knock(address: Address) -> bool:
        if answers(address):
            return not _is_ours(address.port, runtime)
        return bool(starter())

    return knock


def answers(address: Address) -> bool:
    """Say whether anybody accepts connections there."""
    try:
        socket.create_connection(address, TIMEOUT_S).close()
    except OSError:
        return False
    return True


def starter(root: Path = ROOT, home: Path | None = None) -> str:
    """Return the command that starts the Ollama which the system keeps, "" when it keeps none.

    Where there is one, a second on its port would keep it from starting.
    """
    home = Path.home() if home is None else home
    if sys.platform == "darwin":
        if (home / "Library/LaunchAgents/homebrew.mxcl.ollama.plist").exists():
            return "brew services start ollama"
        return "open -a Ollama" if (root / "Applications/Ollama.app").exists() else ""
    if any((root / "etc/systemd/system").glob("*.wants/ollama.service")):
        return "sudo systemctl start ollama"
    if any((home / ".config/systemd/user").glob("*.wants/ollama.service")):
        return "systemctl --user start ollama"
    return ""


def _is_ours(port: int, runtime: Path) -> bool:
    """Perhaps of a dead run, whose rests are about to be swept, or of one that is replaced."""
    from ollamon.supervisor import identity, runfile
    from ollamon.supervisor.owners import owner_of

    run = runfile.read(runtime)
    owner = owner_of(port) if run else None
    return bool(run and owner and identity.run_of(owner.pid) == run.run_id)
