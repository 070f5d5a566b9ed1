"""A second opinion on what upstream gets: one canonical spelling of a request, no other.

It is written apart from the product and from h11, by splitting and comparing, and refuses more than
either: the proxy promises to write one framing field, canonical numbers, and no part that concerns
the client's connection.
"""

from dataclasses import dataclass

TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
CONNECTION_FIELDS = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade"}
)


class Violation(AssertionError):  # noqa: N818 - it says what it is
    """A byte that upstream should never have got."""


@dataclass(frozen=True)
class Seen:
    """One request as upstream reads it."""

    method: bytes
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    is_whole: bool

    @property
    def gist(self) -> tuple[bytes, bytes, bytes]:
        return self.method, self.target, self.body


def read_requests(stream: bytes) -> list[Seen]:
    """Read a whole stream; the last request may be unfinished.

    Raises:
        Violation: It is no sequence of requests in their canonical spelling.
    """
    found = []
    while stream:
        head, end, rest = stream.partition(b"\r\n\r\n")
        if not end:
            raise Violation(f"part of a head: {stream[:80]!r}")
        method, target, fields = _head(head)
        body, is_whole, stream = _body(fields, rest)
        found.append(Seen(method, target, fields, body, is_whole))
    return found


def _must(is_so: bool, what: object) -> None:
    if not is_so:
        raise Violation(what)


def _head(head: bytes) -> tuple[bytes, bytes, tuple[tuple[bytes, bytes], ...]]:
    first, *lines = head.split(b"\r\n")
    for line in (first, *lines):
        _must(not any((byte < 32 and byte != 9) or byte == 127 for byte in line), line)
    parts = first.split(b" ")
    _must(len(parts) == 3, first)
    method, target, version = parts
    _must(method != b"" and set(method) <= TOKEN and method != b"CONNECT", first)
    _must(target.startswith(b"/") or (target, method) == (b"*", b"OPTIONS"), first)
    _must(b"\t" not in target and version == b"HTTP/1.1", first)
    fields = tuple(_field(line) for line in lines)
    names = [name.lower() for name, _ in fields]
    _must(names.count(b"host") == 1, names)
    _must(names.count(b"content-length") + names.count(b"transfer-encoding") <= 1, names)
    _must(not CONNECTION_FIELDS & set(names), names)
    return method, target, fields


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    _must(colon == b":" and name != b"" and set(name) <= TOKEN, line)
    return name, value.strip(b" \t")


def _body(fields: tuple[tuple[bytes, bytes], ...], data: bytes) -> tuple[bytes, bool, bytes]:
    known = {name.lower(): value for name, value in fields}
    if (length := known.get(b"content-length")) is not None:
        _must(length.isdigit() and length == b"%d" % int(length), length)
        size = int(length)
        return data[:size], len(data) >= size, data[size:]
    if (coding := known.get(b"transfer-encoding")) is not None:
        _must(coding == b"chunked", coding)
        return _chunks(data)
    return b"", True, data


def _chunks(data: bytes) -> tuple[bytes, bool, bytes]:
    body = b""
    while data:
        line, end, rest = data.partition(b"\r\n")
        _must(end != b"", line[:40])
        size = int(line, 16) if set(line) <= set(b"0123456789abcdef") and line else -1
        _must(line == b"%x" % size, line[:40])
        if size == 0:
            _must(rest.startswith(b"\r\n"), rest[:40])
            return body, True, rest[2:]
        _must(rest[size : size + 2] == b"\r\n", rest[size : size + 2])
        body += rest[:size]
        data = rest[size + 2 :]
    return body, False, b""
