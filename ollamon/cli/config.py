"""`ollamon config`: write, check and show the one file."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ollamon.cli.session import Session, common_options, pass_session
from ollamon.cli.words import count
from ollamon.errors import OllamonError

if TYPE_CHECKING:
    from ollamon.cli import shapes


@click.group("config")
def command() -> None:
    """Write, check and show ollamon.toml."""


@command.command("init", short_help="Write a file with every key and its default.")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@common_options
@pass_session
def init(session: Session, file: Path | None) -> None:
    """Write a file with every key and its default; never over another one.

    FILE is that of --config, or else the user's own (`ollamon config path`).
    """
    from ollamon.artifacts import toml
    from ollamon.config import files, paths

    path = file or (Path(session.file) if session.file else paths.user_file())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise OllamonError(f"cannot write {files.shown(path)}: it exists already") from None
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise OllamonError(f"cannot write {files.shown(path)}: {reason}") from None
    with os.fdopen(descriptor, "w") as written:
        written.write(toml.fresh())
    session.say(f"Wrote {files.shown(path)}.")
    session.answer({"file": str(path)})


@command.command("check", short_help="Say what is wrong with the configuration.")
@click.argument("file", required=False)
@common_options
@pass_session
def check(session: Session, file: str | None) -> None:
    """Say what is wrong with the file, the variables and OLLAMA_HOST, all at once.

    Exits 78 when something is.
    """
    from ollamon.config import files

    session.file = file or session.file
    loaded = session.load()
    for notice in loaded.notices:
        session.say(f"notice: {notice}")
    name = files.shown(loaded.file) if loaded.file else "no file, all defaults"
    session.say(f"{name}: no errors, {count(len(loaded.notices), 'notice')}")
    file_name = str(loaded.file) if loaded.file else None
    session.answer({"file": file_name, "notices": list(loaded.notices)})


command.add_command(check, "validate")


@command.command("schema", short_help="Print the JSON Schema of the file.")
@common_options
@pass_session
def schema(session: Session) -> None:
    """Print the JSON Schema of the file, for editors that complete and check."""
    from ollamon.artifacts import pages

    text = pages.schema()
    if not session.is_json:
        session.say(text.rstrip("\n"))
    document: shapes.ConfigSchema = {"schema": json.loads(text)}
    session.answer(document)


@command.command("edit", short_help="Open the file in your editor; keep only what is valid.")
@common_options
@pass_session
def edit(session: Session) -> None:
    """Open the file in your editor ($VISUAL, $EDITOR) and keep only what is valid.

    It is made first where there is none. When something is wrong you are asked to go on; the file
    stays as it was until all is right.
    """
    from ollamon.cli import editing
    from ollamon.config import files, paths

    found, _ = paths.find_file(session.file)
    path = found or paths.user_file()
    is_changed = editing.edit(path, session)
    session.say(f"{files.shown(path)} is {'changed' if is_changed else 'as it was'}.")
    document: shapes.ConfigEdit = {"file": str(path), "is_changed": is_changed}
    session.answer(document)


@command.command("show")
@click.option("--origin", "has_origin", is_flag=True, help="With where each value comes from.")
@common_options
@pass_session
def show(session: Session, has_origin: bool) -> None:
    """Show every value that is in force."""
    from ollamon.artifacts import toml

    loaded = session.load()
    if session.is_json:
        origins = {path: loaded.origins.get(path, "default") for path in toml.flat(loaded.config)}
        document: shapes.ConfigShow = {
            "config": loaded.config.to_section(),
            "origins": origins if has_origin else None,
        }
        session.answer(document)
        return
    session.say(toml.resolved(loaded.config, loaded.origins if has_origin else None).rstrip("\n"))


@command.command("path")
@common_options
@pass_session
def path(session: Session) -> None:
    """Show which file is read, or where it would be."""
    from ollamon.config import paths

    found, named_by = paths.find_file(session.file)
    file = (found or paths.user_file()).absolute()
    session.say(str(file) if found else f"{file} (does not exist)")
    session.answer({"file": str(file), "exists": file.exists(), "named_by": named_by or None})
