"""What `ollamon doctor --bundle` writes: an archive for a bug report, without what is private."""

import getpass
import gzip
import io
import json
import os
import platform
import re
import socket
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

from ollamon import __version__
from ollamon.artifacts import toml
from ollamon.cli import redaction
from ollamon.cli.checks.prometheus import version_of
from ollamon.cli.checks.world import World
from ollamon.cli.redaction import Redactor
from ollamon.cli.table import document_of
from ollamon.config.model import HelperMode
from ollamon.config.paths import folders
from ollamon.errors import OllamonError
from ollamon.supervisor import runfile

# The end of a file is what tells why.
LOG_BYTES = 256 * 1024
MAX_BYTES = 4 * 1024 * 1024
README = """\
Made by `ollamon doctor --bundle`, for a bug report. Read it before you send it.

In it: versions, what the doctor found, the configuration, who runs, the last lines of the
supervisor's own log, its events, one sample of /metrics, and what the helper's sources say.

Not in it: what children wrote (an Ollama may log prompts), prompts and answers (ollamon keeps
none), values of variables whose names say key, token, secret or password, and what looks like one.
Your home folder is `~`, your user name USER, this machine HOST. Names of models and servers stay.
"""


def write(world: World | None, findings: Sequence[dict[str, object]], file: str) -> Path:
    """Write the archive, for this user alone, and return its path.

    Args:
        world: What was looked at; None when the configuration is broken.
        findings: As `doctor --json` has them.
        file: Where; "" for a name with the date in the working directory.

    Raises:
        OllamonError: It exists, or cannot be written.
    """
    path = Path(file or time.strftime("ollamon-%Y%m%d-%H%M%S.tar.gz")).expanduser()
    redactor = _redactor(world)
    pieces = {name: redactor.clean(text)[:MAX_BYTES] for name, text in _pieces(world, findings)}
    try:
        with path.open("xb") as target:
            path.chmod(0o600)
            # An empty name: else the archive would hold the one that it was written under.
            with gzip.GzipFile("", "wb", fileobj=target) as packed:
                _pack(packed, pieces)
    except FileExistsError:
        raise OllamonError(f"{path} exists already, and is not overwritten") from None
    except OSError as error:
        raise OllamonError(f"cannot write {path}: {error.strerror}") from None
    return path


def _redactor(world: World | None) -> Redactor:
    variables = world.loaded.config.ollama.env if world else {}
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = ""
    return Redactor.of(str(Path.home()), user, socket.gethostname(), os.environ, variables)


def _pack(packed: gzip.GzipFile, pieces: dict[str, str]) -> None:
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in pieces.items():
            data = text.encode()
            entry = tarfile.TarInfo(f"ollamon/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(data))


def _pieces(
    world: World | None, findings: Sequence[dict[str, object]]
) -> Iterator[tuple[str, str]]:
    yield "README.txt", README
    yield "doctor.json", _json({"findings": findings})
    yield "versions.json", _json(_versions(world))
    if world is None:
        return
    places = folders(world.loaded.config)
    yield "config.toml", _config(world)
    if world.status is not None:
        # Without their last lines: those of a foreign program may be anything.
        children = tuple(replace(child, tail=()) for child in world.status.children)
        yield "status.json", _json(document_of(replace(world.status, children=children)))
    if (run := runfile.read(places.runtime)) is not None:
        yield "run.json", _json(asdict(run))
    for path in (places.logs / "supervisor.log", places.state / "events.jsonl"):
        if text := _end_of(path):
            yield path.name, text
    yield from _served(world)


def _versions(world: World | None) -> dict[str, object]:
    libraries = {}
    for requirement in metadata.requires("ollamon") or ():
        name = re.split(r"[^\w.-]", requirement)[0]
        if "extra ==" in requirement:
            continue
        try:
            libraries[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    binary = world.find(world.loaded.config.prometheus.binary) if world else None
    return {
        "ollamon": __version__,
        "python": sys.version,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "prometheus": version_of(binary) if binary else None,
        "libraries": libraries,
        "variables": {
            name: redaction.value(name, text)
            for name, text in sorted(os.environ.items())
            if name.startswith(("OLLAMA_", "OLLAMON_"))
        },
    }


def _config(world: World) -> str:
    config = world.loaded.config
    hidden = {name: redaction.value(name, text) for name, text in config.ollama.env.items()}
    shown = config.model_copy(update={"ollama": config.ollama.model_copy(update={"env": hidden})})
    return toml.resolved(shown, world.loaded.origins)


def _served(world: World) -> Iterator[tuple[str, str]]:
    config = world.loaded.config
    if text := world.sight.text(config.proxy.metrics_listen.url, "/metrics"):
        yield "metrics.txt", text
    if config.helper.mode is not HelperMode.OFF or "helper" in world.children:
        document = world.sight.document(config.helper.listen.url, "/metrics")
        if document is not None:
            yield "helper.json", _json(document)


def _end_of(path: Path) -> str:
    """Return the last whole lines of a file, "" when there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_BYTES))
            text = file.read(LOG_BYTES).decode(errors="replace")
    except OSError:
        return ""
    return text if size <= LOG_BYTES else text.partition("\n")[2]


def _json(document: object) -> str:
    return json.dumps(document, indent=1, default=str) + "\n"
