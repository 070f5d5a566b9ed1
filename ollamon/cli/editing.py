"""Edits the configuration as visudo does: a copy, and over the file only once it is valid."""

import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from ollamon.cli.session import Session
from ollamon.errors import ConfigError, OllamonError, Problem, ProgramMissingError

EDITORS = ("sensible-editor", "editor", "vi", "nano")


def edit(path: Path, session: Session) -> bool:
    """Let a person change the file; say whether it was.

    Raises:
        ConfigError: It is wrong, and the person gave up or cannot be asked; the file is as it was.
        OllamonError: It cannot be read or written, or the editor failed.
        ProgramMissingError: There is no editor.
    """
    before = _text_of(path)
    with tempfile.TemporaryDirectory(prefix="ollamon-") as folder:
        copy = Path(folder) / path.name
        copy.write_text(before)
        while True:
            _open(copy)
            after = copy.read_text(errors="surrogateescape")
            if path.exists() and after == before:
                return False
            problems = _problems_of(copy, path, session)
            if not problems:
                _replace(path, after)
                return True
            if not _goes_on(problems):
                raise ConfigError(problems)


def _text_of(path: Path) -> str:
    from ollamon.artifacts import toml

    if not path.exists():
        return toml.fresh()
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise OllamonError(f"cannot read {path}: {error}") from None


def _open(copy: Path) -> None:
    words = _editor()
    try:
        # A person's own choice of what to run, as git has it.
        done = subprocess.run([*words, str(copy)], check=False)  # noqa: S603
    except OSError as error:
        raise ProgramMissingError(f"cannot run {words[0]}: {error.strerror}") from None
    if done.returncode:
        raise OllamonError(f"{words[0]} ended with {done.returncode}; nothing was changed")


def _editor() -> list[str]:
    for name in ("VISUAL", "EDITOR"):
        if text := os.environ.get(name, "").strip():
            return shlex.split(text)
    for name in EDITORS:
        if found := shutil.which(name):
            return [found]
    raise ProgramMissingError("no editor found; set EDITOR to yours")


def _problems_of(copy: Path, path: Path, session: Session) -> tuple[Problem, ...]:
    """Return what is wrong with the copy, as if it were the file."""
    from ollamon.config import files

    try:
        Session(file=str(copy), name=session.name).load()
    except ConfigError as error:
        before, after = files.shown(copy), files.shown(path)
        return tuple(
            replace(
                problem,
                where=problem.where.replace(before, after),
                message=problem.message.replace(before, after),
            )
            for problem in error.problems
        )
    return ()


def _goes_on(problems: Sequence[Problem]) -> bool:
    """Show what is wrong; say whether the person edits again."""
    if not sys.stdin.isatty():
        return False
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
    return click.confirm("Edit again? Otherwise the file stays as it was", default=True, err=True)


def _replace(path: Path, text: str) -> None:
    """Write it whole or not at all, with the rights that it had."""
    try:
        # A link stays one.
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o600
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        part.write_text(text, errors="surrogateescape")
        part.chmod(mode)
        part.replace(target)
    except OSError as error:
        raise OllamonError(f"cannot write {path}: {(error.strerror or '').lower()}") from None
