"""Why we answer ourselves -> the bytes of that answer, in the shape of its route, without I/O.

Clients show the text of an error only when it has the shape they know.
"""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import assert_never

from ollamon.proxy.http1 import BadHead
from ollamon.proxy.routes import Dialect
from ollamon.proxy.tap import Rejection

_ALLOW = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
_MAX_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of our own.

    Attributes:
        status: Its status code.
        cause: Value of X-Ollamon-Error.
        text: One sentence for the person behind the client.
    """

    status: int
    cause: str
    text: str


OVERLOAD = Refusal(503, Rejection.OVERLOAD, "too many requests at once; try again")
DRAINING = Refusal(503, Rejection.DRAINING, "the proxy is stopping; try again")
# Nobody's standard, but what logs everywhere say; no client library repeats it by itself.
CANCELLED = Refusal(499, "cancelled", "this request was cancelled on the dashboard")
SLOW_HEAD = Refusal(408, "head_timeout", "the request's head did not arrive in time")
SLOW_BODY = Refusal(408, "body_timeout", "the request's body did not arrive in time")


def bad_head(bad: BadHead) -> Refusal:
    """The request's head cannot be passed on."""
    return Refusal(bad.status, bad.rejection, f"cannot accept this request: {bad.reason}")


def bad_body(reason: str) -> Refusal:
    """The request's body breaks its own framing."""
    return Refusal(400, Rejection.MALFORMED, f"cannot accept this request's body: {reason}")


def foreign_host(host: str) -> Refusal:
    """The client used a name for us that is not on the list."""
    shown = host[:_MAX_SHOWN]
    return Refusal(
        403, Rejection.HOST, f'Host "{shown}" is not allowed here; see proxy.allowed_hosts'
    )


def unreachable(url: str, reason: str) -> Refusal:
    """Upstream accepts no connection."""
    return Refusal(502, "upstream_refused", f"cannot reach Ollama at {url}: {reason}")


def silent(url: str, seconds: float) -> Refusal:
    """Upstream did not accept a connection in time."""
    text = f"cannot reach Ollama at {url}: no connection within {seconds:g} s"
    return Refusal(504, "connect_timeout", text)


def hung_up(url: str) -> Refusal:
    """Upstream closed its connection before it answered."""
    return Refusal(502, "upstream_reset", f"Ollama at {url} closed the connection unanswered")


def garbage(url: str, reason: str) -> Refusal:
    """Upstream's answer is no HTTP that can be passed on."""
    return Refusal(502, "upstream_garbage", f"cannot read the answer of Ollama at {url}: {reason}")


def render(
    refusal: Refusal, dialect: Dialect, *, is_closing: bool, minor: int = 1, has_body: bool = True
) -> bytes:
    """Return the whole answer.

    Args:
        refusal: What to say.
        dialect: The shape in which to say it.
        is_closing: The connection ends with it.
        minor: Of the client's version HTTP/1.x.
        has_body: False for an answer to HEAD.
    """
    body = json.dumps(_document(refusal, dialect), separators=(",", ":")).encode()
    lines = [
        f"HTTP/1.{minor} {refusal.status} {_phrase(refusal.status)}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"X-Ollamon-Error: {refusal.cause}",
    ]
    if refusal.status == 503:
        lines.append("Retry-After: 1")
    if refusal.status == 405:
        lines.append(f"Allow: {_ALLOW}")
    if is_closing:
        lines.append("Connection: close")
    head = "\r\n".join([*lines, "\r\n"]).encode()
    return head + body if has_body else head


def _phrase(status: int) -> str:
    return "Client Closed Request" if status == CANCELLED.status else HTTPStatus(status).phrase


def _document(refusal: Refusal, dialect: Dialect) -> dict[str, object]:
    message = f"ollamon: {refusal.text}"
    is_ours = refusal.status >= 500
    kind = "api_error" if is_ours else "invalid_request_error"
    match dialect:
        case Dialect.OLLAMA:
            return {"error": message}
        case Dialect.OPENAI:
            return {"error": {"message": message, "type": kind, "param": None, "code": None}}
        case Dialect.ANTHROPIC:
            kind = "overloaded_error" if refusal.status == 503 else kind
            error = {"type": kind, "message": message}
            return {"type": "error", "error": error, "request_id": "req_ollamon"}
        case _:
            assert_never(dialect)
