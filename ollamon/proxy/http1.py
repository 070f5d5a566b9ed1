"""Heads of HTTP/1 messages, strictly read and written anew, without I/O.

Field lines stay as they came, in their order; what is looked at is found by position. A head that
two servers could read in two ways is refused (RFC 9112, sections 2.2, 3.2, 5.1, 5.2, 6.1, 6.3), so
that upstream never sees a request where we saw none.
"""

import functools
import re
from collections.abc import Mapping
from typing import NamedTuple

from ollamon.proxy.tap import AnswerHead, Rejection

MAX_HEAD = 64 * 1024
MAX_FIELDS = 200
MAX_TARGET = 16 * 1024
MAX_LENGTH = 2**63 - 1
MAX_REMEMBERED = 2 * 1024
"""Heads up to this size are kept with what was read from them: a connection repeats its heads."""
REMEMBERED = 256
"""So many of them at most; less than 2 MiB with all that belongs to them."""

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
# Tab, space, visible and 8-bit characters: no other control character, so neither CR, LF nor NUL.
_FIELD_TEXT = rb"[^\x00-\x08\x0a-\x1f\x7f]*+"
_FIELDS = re.compile(rb"(?:" + _TOKEN + rb":" + _FIELD_TEXT + rb"\r\n)*+\r\n")
# Go, and so Ollama, accepts 8-bit characters in a target; RFC 9112 does not. They pass unchanged.
_REQUEST_LINE = re.compile(
    rb"(" + _TOKEN + rb") ([\x21-\x7e\x80-\xff]++) HTTP/([0-9])\.([0-9])\r\n"
)
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) (([1-9][0-9][0-9])(?: " + _FIELD_TEXT + rb")?)\r\n")
_BARE_LINE_END = re.compile(rb"(?<!\r)\n|\r(?=[^\n])")
_DIGITS = re.compile(rb"[0-9]+")

# RFC 9110, section 7.6.1: these concern one connection. Transfer-Encoding is written anew.
_HOP_BY_HOP = (b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade")
_DROPPED: Mapping[bytes, bytes | None] = dict.fromkeys(_HOP_BY_HOP)
# Framing and Host are ours to write, whoever nominates them; the others are no names of fields, or
# are gone already.
_NOT_NOMINATED = frozenset(
    {b"content-length", b"transfer-encoding", b"host", b"close", *_HOP_BY_HOP}
)
_NOTED = (
    *(*_HOP_BY_HOP, b"content-length", b"transfer-encoding", b"host", b"expect"),
    *(b"content-type", b"content-encoding", b"user-agent", b"traceparent"),
)
# One search finds all that matters; a loop over the lines costs more than all else of a head.
_NOTED_LINE = re.compile(rb"\r\n((?i:" + b"|".join(_NOTED) + rb")):[ \t]*+([^\r]*)", re.DOTALL)


class BadHead(Exception):  # noqa: N818 - it names what was read, as the design does
    """A head that is not passed on.

    Attributes:
        status: Status of the answer, when it is a request's.
        reason: What is wrong, in a few words.
        rejection: The kind of refusal.
    """

    def __init__(
        self, status: int, reason: str, rejection: Rejection = Rejection.MALFORMED
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.rejection = rejection


class Note(NamedTuple):
    """A field that matters to us.

    Attributes:
        name: Lower-case.
        spelled: As it came.
        value: Without white space around it.
        start, end: Where its line begins, with the line end before it, and ends.
    """

    name: bytes
    spelled: bytes
    value: bytes
    start: int
    end: int


class Fields:
    """The field lines of a head, and where those are that matter to us.

    Attributes:
        block: All lines as they came, each with a line end before it.
    """

    __slots__ = ("_notes", "_values", "block")

    def __init__(self, block: bytes) -> None:
        self.block = block
        self._notes: list[Note] = []
        self._values: dict[bytes, list[bytes]] = {}
        for found in _NOTED_LINE.finditer(block):
            spelled, text = found.groups()
            name, value = spelled.lower(), text.rstrip(b" \t")
            self._notes.append(Note(name, spelled, value, *found.span()))
            self._values.setdefault(name, []).append(value)

    @property
    def lines(self) -> list[bytes]:
        """The lines without line ends."""
        return self.block[2:].split(b"\r\n") if self.block else []

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of a noted field, in order."""
        return self._values.get(name, [])

    def tokens(self, name: bytes) -> frozenset[bytes]:
        """Return the comma-separated members of a noted field, lower-case."""
        values = self._values.get(name)
        if values is None:
            return frozenset()
        members = b",".join(values).lower().split(b",")
        return frozenset(member.strip(b" \t") for member in members) - {b""}

    def written(self, options: frozenset[bytes], changes: Mapping[bytes, bytes | None]) -> bytes:
        """Return the block as the other side gets it.

        Args:
            options: Members of Connection, lower-case; fields of these names are left out.
            changes: Name of a noted field -> its new value, or None to leave it out.
        """
        block, parts, done = self.block, [], 0
        for note in self._notes:
            if note.name not in changes:
                continue
            parts.append(block[done : note.start])
            value = changes[note.name]
            if value is not None:
                parts.append(b"\r\n%b: %b" % (note.spelled, value))
            done = note.end
        parts.append(block[done:])
        nominated = options - _NOT_NOMINATED
        return _without(b"".join(parts), nominated) if nominated else b"".join(parts)


def _without(block: bytes, names: frozenset[bytes]) -> bytes:
    lines = block[2:].split(b"\r\n")
    kept = (line for line in lines if line.partition(b":")[0].lower() not in names)
    return b"".join(b"\r\n" + line for line in kept)


class RequestHead(NamedTuple):
    """A request head that was understood.

    Attributes:
        minor: 0 or 1, of the version HTTP/1.x.
        host: Value of Host; None when absent, which HTTP/1.0 may.
        options: Members of Connection, lower-case.
        length: Content-Length, None when absent.
        is_chunked: It has the transfer coding `chunked`.
        expects_continue: The client waits for `100 Continue` before it sends its body.
    """

    method: bytes
    target: bytes
    minor: int
    fields: Fields
    host: bytes | None
    options: frozenset[bytes]
    length: int | None
    is_chunked: bool
    expects_continue: bool

    @property
    def is_keep_alive(self) -> bool:
        """Whether the client wants to use its connection again; HTTP/1.0 never gets to."""
        return self.minor == 1 and b"close" not in self.options


class ResponseHead(NamedTuple):
    """An answer's head that was understood.

    Attributes:
        minor: 0 or 1, of the version HTTP/1.x.
        status_text: Code and reason as they came.
        options: Members of Connection, lower-case.
        length: Content-Length, None when absent.
        is_chunked: It has the transfer coding `chunked`.
        summary: What the metering half wants to know.
        written: What clients got of it, by version and framing: a head that is remembered is
            written once.
    """

    minor: int
    status: int
    status_text: bytes
    fields: Fields
    options: frozenset[bytes]
    length: int | None
    is_chunked: bool
    summary: AnswerHead
    written: dict[tuple[int, bool, bool], bytes]


def find_end(data: bytes | bytearray, start: int = 0, *, first: str = "request target") -> int:
    """Return the offset after the head's empty line, or -1 while the head is incomplete.

    Args:
        data: All that was read of the head, and perhaps more.
        start: Where to begin searching: what was searched before, less three.
        first: What makes the first line long.

    Raises:
        BadHead: What is there can be no head any more: too long, or with bare CR or LF.
    """
    end = data.find(b"\r\n\r\n", start)
    if end >= 0 and end + 4 <= MAX_HEAD:
        return end + 4
    if len(data) > MAX_TARGET and data.find(b"\r\n", 0, MAX_TARGET + MAX_FIELDS) < 0:
        raise BadHead(414, f"{first} longer than 16 KiB", Rejection.HEAD_TOO_LARGE)
    if end >= 0 or len(data) > MAX_HEAD:
        raise BadHead(431, "head longer than 64 KiB", Rejection.HEAD_TOO_LARGE)
    if _BARE_LINE_END.search(data, max(0, start - 1)):
        raise BadHead(400, "bare CR or LF")
    return -1


def target_in(block: bytes) -> str:
    """Return the target that a head names which may be refused; "" when it names none."""
    line = _REQUEST_LINE.match(block)
    return line[2].decode("latin-1") if line else ""


def parse_request(head: bytes) -> RequestHead:
    """Read a whole head, with its empty line.

    Raises:
        BadHead: It is not to be passed on.
    """
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise BadHead(400, "no request line of HTTP/1.1")
    method, target, major, minor = line.groups()
    if (major, minor) not in ((b"1", b"1"), (b"1", b"0")):
        raise BadHead(505, "version is not HTTP/1.1 or HTTP/1.0")
    _check_target(method, target)
    fields = _parse_fields(head, line.end())
    version = int(minor)
    hosts = fields.values(b"host")
    _check_host(version, hosts)
    length, is_chunked = _parse_framing(version, fields)
    options = fields.tokens(b"connection")
    host = hosts[0] if hosts else None
    expects = b"100-continue" in fields.tokens(b"expect")
    return RequestHead(method, target, version, fields, host, options, length, is_chunked, expects)


def parse_response(head: bytes) -> ResponseHead:
    """Read a whole head of an answer, with its empty line.

    Raises:
        BadHead: It is not to be passed on.
    """
    return _known_response(head) if len(head) <= MAX_REMEMBERED else _parse_response(head)


def _parse_response(head: bytes) -> ResponseHead:
    line = _STATUS_LINE.match(head)
    if line is None:
        raise BadHead(502, "no status line of HTTP/1.1")
    fields = _parse_fields(head, line.end())
    version = int(line[1])
    length, is_chunked = _parse_framing(version, fields)
    options = fields.tokens(b"connection")
    summary = _summary(int(line[3]), fields)
    return ResponseHead(
        *(version, summary.status, line[2], fields, options, length, is_chunked, summary, {})
    )


def _summary(status: int, fields: Fields) -> AnswerHead:
    types = fields.values(b"content-type")
    encodings = fields.tokens(b"content-encoding")
    is_encoded = bool(encodings) and encodings != {b"identity"}
    media_type = types[0].partition(b";")[0].strip().lower().decode("latin-1") if types else ""
    return AnswerHead(status, media_type, is_encoded)


_known_response = functools.lru_cache(REMEMBERED)(_parse_response)


def _check_target(method: bytes, target: bytes) -> None:
    if method == b"CONNECT":
        raise BadHead(405, "CONNECT is not served", Rejection.METHOD)
    if len(target) > MAX_TARGET:
        raise BadHead(414, "request target longer than 16 KiB", Rejection.HEAD_TOO_LARGE)
    # Absolute form is refused although RFC 9112, 3.2.2 asks for it: we serve one origin only.
    if not target.startswith(b"/") and not (target == b"*" and method == b"OPTIONS"):
        raise BadHead(400, "request target is no path")


def _parse_fields(head: bytes, start: int) -> Fields:
    if _FIELDS.fullmatch(head, start) is None:
        raise BadHead(400, _what_is_wrong(head[start:]))
    fields = Fields(head[start - 2 : -4])
    if fields.block.count(b"\r\n") > MAX_FIELDS:
        raise BadHead(431, f"more than {MAX_FIELDS} fields", Rejection.HEAD_TOO_LARGE)
    return fields


def _what_is_wrong(block: bytes) -> str:
    """Word the first reason why a block of field lines was refused."""
    if _BARE_LINE_END.search(block):
        return "bare CR or LF"
    if re.search(rb"(?:^|\r\n)[ \t]", block):
        return "folded field line"
    if re.search(rb"(?:^|\r\n)[^:\r\n]*[ \t]:", block):
        return "white space before a colon"
    return "malformed field line"


def _check_host(minor: int, hosts: list[bytes]) -> None:
    count = len(hosts)
    if count > 1 or (minor == 1 and count == 0):
        raise BadHead(400, "not exactly one Host field")


def _parse_framing(minor: int, fields: Fields) -> tuple[int | None, bool]:
    codings, lengths = fields.values(b"transfer-encoding"), fields.values(b"content-length")
    if codings:
        if lengths:
            raise BadHead(400, "Content-Length beside Transfer-Encoding")
        if minor == 0:
            raise BadHead(400, "Transfer-Encoding in HTTP/1.0")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise BadHead(400, 'Transfer-Encoding is not "chunked"')
        return None, True
    if not lengths:
        return None, False
    if len(lengths) > 1:
        raise BadHead(400, "more than one Content-Length")
    if not _DIGITS.fullmatch(lengths[0]) or len(lengths[0]) > 4000:
        raise BadHead(400, "Content-Length is no number")
    length = int(lengths[0])
    if length > MAX_LENGTH:
        raise BadHead(400, "Content-Length is too large")
    return length, False


def request_bytes(head: RequestHead, authority: bytes, *, preserve_host: bool = False) -> bytes:
    """Return the head that upstream gets.

    Args:
        head: The client's.
        authority: Value of Host, unless the client's is preserved.
        preserve_host: Leave the client's Host, where it sent one.
    """
    changes = _changes(head.length)
    first = b"%b %b HTTP/1.1" % (head.method, head.target)
    if head.host is None:
        first += b"\r\nHost: " + authority
    elif not preserve_host:
        changes[b"host"] = authority
    return first + head.fields.written(head.options, changes) + b"\r\n\r\n"


def response_bytes(
    head: ResponseHead, *, minor: int = 1, is_chunked: bool, is_closing: bool = False
) -> bytes:
    """Return the head that the client gets.

    Args:
        head: Upstream's.
        minor: Of the client's version HTTP/1.x.
        is_chunked: The body follows in chunks.
        is_closing: Say that the connection ends with this answer.
    """
    key = (minor, is_chunked, is_closing)
    found = head.written.get(key)
    if found is None:
        found = head.written[key] = _write_response(head, *key)
    return found


def _write_response(head: ResponseHead, minor: int, is_chunked: bool, is_closing: bool) -> bytes:
    changes = _changes(head.length)
    if not is_chunked:
        changes[b"transfer-encoding"] = None
    last = b"\r\nConnection: close\r\n\r\n" if is_closing else b"\r\n\r\n"
    block = head.fields.written(head.options, changes)
    return b"HTTP/1.%d %b%b%b" % (minor, head.status_text, block, last)


def _changes(length: int | None) -> dict[bytes, bytes | None]:
    """What is changed in any head: framing is written anew, lest its spelling be read otherwise."""
    changes = dict(_DROPPED)
    changes[b"transfer-encoding"] = b"chunked"
    if length is not None:
        changes[b"content-length"] = b"%d" % length
    return changes
