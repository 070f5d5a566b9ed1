"""HTTP for the sources: short, bounded, past every HTTP proxy, with errors in plain words."""

import time
from collections.abc import Iterator, Mapping

import requests
import urllib3

from ollamon.errors import SourceError

TIMEOUT_S = 3.0
MAX_BYTES = 16 * 1024 * 1024
_PIECE = 64 * 1024
_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)


def new_session() -> requests.Session:
    """A session that takes neither proxies nor passwords from the environment."""
    session = requests.Session()
    session.trust_env = False
    return session


def get(session: requests.Session, url: str, *, limit: int = MAX_BYTES) -> tuple[int, bytes]:
    """Return status and body; redirects are not followed.

    Raises:
        SourceError: No connection, no whole answer within 3 s, or one longer than `limit`.
    """
    return _ask(session, requests.Request("GET", url), limit)


def post(session: requests.Session, url: str, fields: Mapping[str, str]) -> tuple[int, bytes]:
    """Send these header fields and no body; else as `get`."""
    return _ask(session, requests.Request("POST", url, headers=dict(fields)), MAX_BYTES)


def _ask(session: requests.Session, request: requests.Request, limit: int) -> tuple[int, bytes]:
    url, deadline = request.url, time.monotonic() + TIMEOUT_S
    try:
        with session.send(
            session.prepare_request(request), timeout=TIMEOUT_S, stream=True, allow_redirects=False
        ) as response:
            body = bytearray()
            for piece in response.iter_content(_PIECE):
                body += piece
                if len(body) > limit:
                    raise SourceError(f"cannot read {url}: more than {limit} bytes")
                if time.monotonic() > deadline:
                    raise SourceError(f"cannot read {url}: not complete within {TIMEOUT_S:g} s")
            return response.status_code, bytes(body)
    except requests.RequestException as error:
        raise SourceError(f"cannot reach {url}: {reason_of(error)}") from None


def reason_of(error: BaseException) -> str:
    """The system's own words for what happened, found beneath the layers of the libraries."""
    layers = list(_layers(error))
    for layer in layers:
        if isinstance(layer, OSError) and layer.errno and layer.strerror:
            return layer.strerror.lower()
    if any(isinstance(layer, _TIMEOUTS) for layer in layers):
        return f"no answer within {TIMEOUT_S:g} s"
    return type(error).__name__


def _layers(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        inner = getattr(error, "reason", None) or next(iter(error.args), None)
        is_error = isinstance(inner, BaseException)
        error = inner if is_error else error.__cause__ or error.__context__
