"""`ollamon service`: start with the session, by systemd (Linux) or launchd (macOS)."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ollamon.cli.session import Session, common_options, own_command, pass_session
from ollamon.config.naming import NOT_KEYS, PREFIX, STACK
from ollamon.errors import OllamonError, ProgramMissingError

if TYPE_CHECKING:
    from ollamon.cli import shapes

LOG_NAME = "service.log"
SYSTEMD, LAUNCHD = "systemd", "launchd"
PATIENCE_S = 60.0
kind_option = click.option(
    "--for",
    "kind",
    type=click.Choice([SYSTEMD, LAUNCHD]),
    help="Whose file it is.  [default: that of this system]",
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A file that a service manager reads.

    Attributes:
        name: How the manager calls it.
    """

    kind: str
    name: str
    path: Path
    text: str


@click.group("service")
def command() -> None:
    """Start ollamon with your session, by systemd or launchd."""


@command.command("print")
@kind_option
@common_options
@pass_session
def show(session: Session, kind: str | None) -> None:
    """Print the unit file, and install nothing."""
    unit = unit_of(session, kind)
    if not session.is_json:
        session.say(unit.text.rstrip("\n"))
    document: shapes.ServicePrint = {"file": str(unit.path), "text": unit.text}
    session.answer(document)


@command.command("install", short_help="Let ollamon start with your session, and now.")
@common_options
@pass_session
def install(session: Session) -> None:
    """Write the unit file and let ollamon start with your session, and now.

    It runs with the configuration file that is in force now, and with your PATH.
    """
    from ollamon.cli import running
    from ollamon.config import files

    unit = unit_of(session, None)
    _write(unit)
    session.say(f"Wrote {files.shown(unit.path)}.")
    for name in _forgotten():
        session.say(f"notice: {name} is set here; the service does not see it. Put it in the file.")
    is_taken = running.find(session.place().folders.runtime) is not None
    for words in _enabling(unit, is_taken=is_taken):
        _manage(words, may_fail=words[1] == "bootout")
    if is_taken:
        session.say("The stack runs already; the service begins with your next session.")
    session.say(_hint(unit))
    document: shapes.ServiceInstall = {"file": str(unit.path), "is_started": not is_taken}
    session.answer(document)


@command.command("uninstall")
@common_options
@pass_session
def uninstall(session: Session) -> None:
    """Stop the service and remove its file. Exits 0 also when there is none."""
    from ollamon.config import files

    unit = unit_of(session, None)
    was_installed = unit.path.exists()
    if was_installed:
        _require_ours(unit)
        for words in _disabling(unit):
            _manage(words, may_fail=words[1] == "bootout")
        unit.path.unlink(missing_ok=True)
        for words in _forgetting(unit):
            _manage(words)
        session.say(f"Removed {files.shown(unit.path)}.")
    else:
        session.say("No service of this name is installed.")
    document: shapes.ServiceUninstall = {"file": str(unit.path), "was_installed": was_installed}
    session.answer(document)


def unit_of(session: Session, kind: str | None) -> Unit:
    """Return the unit of the stack that is meant.

    Raises:
        ConfigError: The configuration cannot be used.
        OllamonError: A path cannot stand in a unit.
    """
    from ollamon.artifacts import units
    from ollamon.config.paths import folders

    loaded = session.load()
    config = loaded.config
    argv = own_command()
    argv += ["--config", str(loaded.file.absolute())] if loaded.file else []
    argv += ["--name", config.name]
    environment = {"PATH": os.environ.get("PATH", os.defpath)}
    log = str(folders(config).logs / LOG_NAME)
    start = units.Start([*argv, "up", "--no-color"], [*argv, "reload"], environment, log)
    if (kind or (LAUNCHD if sys.platform == "darwin" else SYSTEMD)) == LAUNCHD:
        label = f"ollamon.{config.name}"
        path = Path.home() / "Library" / "LaunchAgents" / f"{label}.plist"
        return Unit(LAUNCHD, label, path, units.launchd(config, start, label))
    name = "ollamon.service" if config.name == STACK else f"ollamon-{config.name}.service"
    try:
        text = units.systemd(config, start)
    except ValueError as error:
        raise OllamonError(str(error)) from None
    return Unit(SYSTEMD, name, _user_units() / name, text)


def _user_units() -> Path:
    named = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    return (named if named.is_absolute() else Path.home() / ".config") / "systemd" / "user"


def _write(unit: Unit) -> None:
    """Write it, never over a file that we did not make. Raises OllamonError."""
    if unit.path.exists():
        _require_ours(unit)
    try:
        unit.path.parent.mkdir(parents=True, exist_ok=True)
        unit.path.write_text(unit.text)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise OllamonError(f"cannot write {unit.path}: {reason}") from None


def _require_ours(unit: Unit) -> None:
    from ollamon.artifacts.units import MARK

    try:
        is_ours = MARK in unit.path.read_text(errors="replace")
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise OllamonError(f"cannot read {unit.path}: {reason}") from None
    if not is_ours:
        raise OllamonError(
            f"{unit.path} was not made by ollamon and is left alone\n"
            "       Move it away, or choose another stack with --name."
        )


def _forgotten() -> list[str]:
    """The variables that would give other values here than in the service."""
    ours = (name for name in os.environ if name.startswith(PREFIX) and name not in NOT_KEYS)
    return sorted([*ours, *({"OLLAMA_HOST"} & os.environ.keys())])


def _enabling(unit: Unit, *, is_taken: bool) -> list[list[str]]:
    if unit.kind == LAUNCHD:
        # One that is loaded already cannot be loaded again.
        load = [*_disabling(unit), ["launchctl", "bootstrap", _domain(), str(unit.path)]]
        return [] if is_taken else load
    now = [] if is_taken else ["--now"]
    user = ["systemctl", "--user"]
    return [[*user, "daemon-reload"], [*user, "enable", *now, unit.name]]


def _disabling(unit: Unit) -> list[list[str]]:
    if unit.kind == LAUNCHD:
        return [["launchctl", "bootout", f"{_domain()}/{unit.name}"]]
    return [["systemctl", "--user", "disable", "--now", unit.name]]


def _forgetting(unit: Unit) -> list[list[str]]:
    return [["systemctl", "--user", "daemon-reload"]] if unit.kind == SYSTEMD else []


def _domain() -> str:
    return f"gui/{os.getuid()}"


def _manage(words: list[str], *, may_fail: bool = False) -> None:
    """Ask the service manager.

    Raises:
        ProgramMissingError: There is none.
        OllamonError: It refuses.
    """
    program = shutil.which(words[0])
    if program is None:
        raise ProgramMissingError(
            f"cannot find {words[0]}, so nothing starts with your session\n"
            "       `ollamon service print` shows what would be installed."
        )
    try:
        done = subprocess.run(  # noqa: S603
            [program, *words[1:]],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise OllamonError(f"`{' '.join(words)}` does not end; it was given up") from None
    if done.returncode and not may_fail:
        said = " ".join((done.stderr or done.stdout).split()) or f"exit {done.returncode}"
        raise OllamonError(f"`{' '.join(words)}` failed: {said}")


def _hint(unit: Unit) -> str:
    if unit.kind == LAUNCHD:
        return f"See it with: launchctl print {_domain()}/{unit.name}"
    return (
        f"See it with: systemctl --user status {unit.name.removesuffix('.service')}\n"
        "It ends with your last session; to let it run without one: loginctl enable-linger"
    )
