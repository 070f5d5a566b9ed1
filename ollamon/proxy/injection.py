"""Asks an OpenAI stream for its usage when the client did not, and hides the answer, without I/O.

Such a stream carries no counts unless the request says so (docs/decisions/0004-inject-usage.md).
The request gets one more member, and the one event that it brings is taken out again. Nothing else
changes, and whatever is not certain is left as it is.
"""

import json
import re
from collections.abc import Callable

from ollamon.proxy import framing
from ollamon.proxy.framing import Body
from ollamon.proxy.http1 import RequestHead, ResponseHead
from ollamon.proxy.routes import Route

MAX_REQUEST = 1024 * 1024
"""Bytes of a body that is held back to be read; longer ones pass unchanged."""
MAX_EVENT = 16 * 1024
"""Bytes of an unfinished event that are held back; the one that counts has a few hundred."""

_ENDPOINT = "/v1/chat/completions"
_MEMBER = b'"stream_options":{"include_usage":true},'
_LENGTH_FIELD = re.compile(rb"(\r\ncontent-length:)[^\r\n]*", re.IGNORECASE)
_EVENT_END = re.compile(rb"\r?\n\r?\n")
# A byte test that spares most events the parser.
_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
# The longest end of an event, less one byte.
_EDGE = 3


def may_apply(head: RequestHead, route: Route) -> bool:
    """Say whether a request may be one to change, by its head alone."""
    return (
        route.endpoint == _ENDPOINT
        and head.method == b"POST"
        and head.minor == 1
        and not head.is_chunked
        and not head.expects_continue
        and 0 < (head.length or 0) <= MAX_REQUEST
        and not head.fields.values(b"content-encoding")
    )


def with_usage(body: bytes) -> bytes | None:
    """Return a request that asks for its usage; None: it does not stream, asks itself or is odd."""
    start = body.find(b"{")
    if start < 0 or body[:start].strip(b" \t\r\n"):
        return None
    try:
        asked: dict[str, object] = json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
    # Go's decoder takes names in any case.
    names = [name.lower() for name in asked]
    if asked.get("stream") is not True or names.count("stream") > 1 or "stream_options" in names:
        return None
    return body[: start + 1] + _MEMBER + body[start + 1 :]


def is_extra(event: bytes) -> bool:
    """Say whether an event is the one that tells the usage and nothing else."""
    if not event.startswith(b"data:") or b'"usage"' not in event or not _NO_CHOICES.search(event):
        return False
    try:
        document = json.loads(event[5:])
    except (ValueError, RecursionError):
        return False
    is_object = isinstance(document, dict)
    return is_object and document.get("choices") == [] and isinstance(document.get("usage"), dict)


class UsageFilter:
    """Takes the first such event out of a stream. An event waits until it is whole, or too long."""

    __slots__ = ("_has_removed", "_is_in_long", "_pending")

    def __init__(self) -> None:
        self._pending = b""
        self._has_removed = False
        self._is_in_long = False

    def feed(self, data: bytes) -> bytes:
        """Return what may be passed on after one more read."""
        if self._has_removed:
            return data
        data = self._pending + data
        kept, start = [], 0
        for end in _EVENT_END.finditer(data):
            event = data[start : end.end()]
            start = end.end()
            if self._is_in_long or not is_extra(event):
                kept.append(event)
                self._is_in_long = False
            else:
                self._has_removed = True
                kept.append(data[start:])
                start = len(data)
                break
        self._pending = data[start:]
        return b"".join(kept) + self._too_long()

    def _too_long(self) -> bytes:
        """Let go of an event that cannot be the one, but for what may begin its end."""
        if not self._is_in_long and len(self._pending) <= MAX_EVENT:
            return b""
        self._is_in_long = True
        passed, self._pending = self._pending[:-_EDGE], self._pending[-_EDGE:]
        return passed

    def end(self) -> bytes:
        """Return what was held back."""
        rest, self._pending = self._pending, b""
        return rest


class FilteredBody:
    """An answer in chunks, written anew without the extra event; `payload` still has it."""

    __slots__ = ("_body", "_filter", "is_done", "payload", "rest")

    def __init__(self, body: Body) -> None:
        self._body = body
        self._filter = UsageFilter()
        self.payload = b""
        self.rest = b""
        self.is_done = False

    def feed(self, data: bytes) -> bytes:
        """Take one read, as `framing.Body`."""
        body = self._body
        body.feed(data)
        self.payload, self.rest, self.is_done = body.payload, body.rest, body.is_done
        out = self._filter.feed(body.payload)
        if not body.is_done:
            return framing.chunk_of(out)
        return framing.chunk_of(out + self._filter.end()) + framing.LAST_CHUNK


class Injection:
    """One request that is held back until it is whole, and then perhaps changed.

    Args:
        head: As upstream would get it.

    Attributes:
        body_of_answer: How the answer's body is read.
    """

    __slots__ = ("_body", "_head", "body_of_answer")

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._body = bytearray()
        self.body_of_answer: Callable[[ResponseHead, bytes], Body] = framing.body_of_answer

    def take(self, data: bytes, *, is_last: bool) -> bytes:
        """Take a part of the body; return the whole request after the last one, else nothing."""
        self._body += data
        if not is_last:
            return b""
        body = bytes(self._body)
        changed = with_usage(body)
        if changed is None:
            return self._head + body
        self.body_of_answer = _filtered_answer
        return _LENGTH_FIELD.sub(rb"\g<1> %d" % len(changed), self._head, count=1) + changed


def _filtered_answer(head: ResponseHead, method: bytes) -> Body:
    body = framing.body_of_answer(head, method)
    told = head.summary
    is_stream = told.content_type == "text/event-stream" and not told.is_encoded
    # A length would have to shrink with the body, and no stream has one.
    return FilteredBody(body) if is_stream and isinstance(body, framing.ChunkedBody) else body
