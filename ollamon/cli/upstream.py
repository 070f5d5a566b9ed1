"""Looks at the server behind the proxy: is it there, and is it an Ollama? Standard library only."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum

from ollamon.cli.fetch import Answer, get
from ollamon.cli.words import Mark

TIMEOUT_S = 1.0
# Names may take long to resolve; nobody waits longer than this for a look.
LIMIT_S = 5
MAX_ANSWER = 64 * 1024


class Kind(StrEnum):
    """What was found."""

    OLLAMA = "ollama"
    NOT_OLLAMA = "not_ollama"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Upstream:
    """What a look found.

    Attributes:
        detail: Its version, or one sentence about what is wrong.
        remedy: The command that helps, or "".
    """

    kind: Kind
    url: str
    detail: str
    remedy: str = ""

    @property
    def mark(self) -> Mark:
        """It is somebody else's process: never ours to fail for."""
        return Mark.EXTERNAL if self.kind is Kind.OLLAMA else Mark.WARN

    @property
    def sentence(self) -> str:
        """One sentence about it."""
        if self.kind is Kind.OLLAMA:
            return f"external, {self.detail} on {self.url.rpartition('://')[2]}"
        return self.detail


def look(
    url: str, timeout_s: float = TIMEOUT_S, ask: Callable[[str, str], Answer] | None = None
) -> Upstream:
    """Ask `GET /api/version`, past any proxy that the environment names.

    Args:
        url: Of the server.
        timeout_s: Of the look.
        ask: Server and target -> answer, instead of a look of its own.
    """
    import http.client

    try:
        if ask is not None:
            status, body, _ = ask(url, "/api/version")
        else:
            status, body, _ = get(url, "/api/version", timeout_s=timeout_s, most=MAX_ANSWER)
    except TimeoutError:
        return _down(url, f"no answer in {timeout_s:g} s")
    except OSError as error:
        return _down(url, (error.strerror or str(error)).lower())
    except http.client.HTTPException as error:
        return _other(url, f"it does not speak HTTP ({type(error).__name__})")
    return _judge(url, status, body)


def _judge(url: str, status: int, body: bytes) -> Upstream:
    if status == 403:
        detail = f"Ollama at {url} refuses the Host that is sent (403)"
        return Upstream(Kind.DOWN, url, detail, 'set [proxy] upstream_host = "localhost"')
    if status >= 500:
        return _down(url, f"GET /api/version gives status {status}")
    try:
        version = json.loads(body)["version"] if status == 200 else None
    except (ValueError, LookupError, TypeError):
        version = None
    if not isinstance(version, str):
        return _other(url, f"GET /api/version gives status {status}")
    return Upstream(Kind.OLLAMA, url, "".join(filter(str.isprintable, version))[:40])


def _down(url: str, reason: str) -> Upstream:
    # Only here, since the rest is standard library only.
    from ollamon.cli.ollama_probe import starter

    detail = f"cannot reach Ollama at {url}: {reason}. Clients get 502 until it answers."
    return Upstream(Kind.DOWN, url, detail, starter() or "ollama serve")


def _other(url: str, reason: str) -> Upstream:
    detail = (
        f"the server at {url} is no Ollama: {reason}. "
        "Requests are measured; loaded models and load times stay unknown."
    )
    return Upstream(Kind.NOT_OLLAMA, url, detail)


class Background:
    """A look in a process of its own: the supervisor has one thread, and a name may block it."""

    def __init__(self, url: str) -> None:
        """Fork; only before there is an event loop or a thread."""
        self.descriptor, write_end = os.pipe()
        if os.fork() == 0:
            _look_and_leave(url, write_end)
        os.close(write_end)

    def result(self) -> Upstream | None:
        """Return what was found, None when the look came to nothing. Once it is readable."""
        data = os.read(self.descriptor, MAX_ANSWER)
        self.close()
        if not data:
            return None
        fields = json.loads(data)
        return Upstream(**{**fields, "kind": Kind(fields["kind"])})

    def close(self) -> None:
        """Want no answer any more."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _look_and_leave(url: str, descriptor: int) -> None:
    """The forked process: it says one thing and never returns."""
    try:
        signal.alarm(LIMIT_S)
        os.write(descriptor, json.dumps(asdict(look(url))).encode())
    finally:
        os._exit(0)
