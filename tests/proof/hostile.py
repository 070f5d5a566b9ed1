"""Requests that someone wrote to be read in two ways, made by rule.

Each family is a rule of RFC 9112, sections 2 to 7, or a known way to smuggle a request, and says
of each payload what must become of it. `corpus()` has all of them. A probe follows every payload
on the same connection: where the framing is read wrongly, it lands somewhere else.
"""

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
PROBE = b"GET /probe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
HOST = b"Host: localhost"
LINE = b"POST /p HTTP/1.1"
CHUNKED = b"Transfer-Encoding: chunked"
HELLO = b"5\r\nhello\r\n"
LAST = b"0\r\n\r\n"
SMUGGLED_LENGTH = b"Content-Length: %d" % len(SMUGGLED)
CONTROLS = [*range(9), *range(10, 32), 127]
OTHER_SEPARATORS = b'()<>@,;\\"/[]?={} '

Gist = tuple[bytes, bytes, bytes]


class Fate(enum.Enum):
    """What must become of a payload."""

    REFUSED = "no byte of it reaches upstream"
    PASSED = "upstream reads exactly these requests, then the probe"
    LAST = "upstream reads exactly these requests; the connection ends, there is no probe"
    BROKEN = "upstream reads at most a part of one request"
    EITHER = "passed or broken: the standard leaves it open"


@dataclass(frozen=True)
class Payload:
    """Bytes of a client, without the probe."""

    family: str
    data: bytes
    fate: Fate
    requests: tuple[Gist, ...] = ()


Item = tuple[bytes, Fate] | tuple[bytes, Fate, tuple[Gist, ...]]
FAMILIES: dict[str, Callable[[], Iterator[Item]]] = {}


def family(make: Callable[[], Iterator[Item]]) -> Callable[[], Iterator[Item]]:
    FAMILIES[make.__name__] = make
    return make


def corpus() -> list[Payload]:
    """All payloads, each once, in a fixed order."""
    found: dict[bytes, Payload] = {}
    for name, make in FAMILIES.items():
        for data, fate, *requests in make():
            found.setdefault(data, Payload(name, data, fate, *requests))
    return list(found.values())


def message(*fields: bytes, line: bytes = LINE, host: bytes = HOST, body: bytes = b"") -> bytes:
    return b"\r\n".join([line, host, *fields, b"\r\n"]) + body


def refused(*fields: bytes, line: bytes = LINE, host: bytes = HOST, body: bytes = b"") -> Item:
    return message(*fields, line=line, host=host, body=body), Fate.REFUSED


def passed(
    *fields: bytes,
    line: bytes = LINE,
    host: bytes = HOST,
    body: bytes = b"",
    read_as: bytes = b"",
    fate: Fate = Fate.PASSED,
) -> Item:
    method, target, _ = line.split(b" ")
    return message(*fields, line=line, host=host, body=body), fate, ((method, target, read_as),)


def chunks(body: bytes, fate: Fate, read_as: bytes = b"hello") -> Item:
    return passed(CHUNKED, body=body, read_as=read_as, fate=fate)


# Section 6: Content-Length and Transfer-Encoding.


@family
def length_beside_coding() -> Iterator[Item]:
    smuggling = LAST + SMUGGLED
    for coding in (b"chunked", b"Chunked", b"identity", b"xchunked", b"gzip, chunked", b""):
        for length in (b"0", b"4", b"5", b"%d" % len(smuggling), b"6, 6", b"-1", b""):
            pair = (b"Content-Length: " + length, b"Transfer-Encoding: " + coding)
            yield refused(*pair, body=smuggling)
            yield refused(*reversed(pair), body=smuggling)
            yield refused(pair[0], b"X: y", pair[1].lower(), body=smuggling)


@family
def length_repeated() -> Iterator[Item]:
    for first in (b"0", b"5", b"44"):
        for second in (b"0", b"5", b"44", b"x"):
            for name in (b"Content-Length", b"content-length", b"CONTENT-LENGTH"):
                lines = (b"Content-Length: " + first, name + b": " + second)
                yield refused(*lines, body=SMUGGLED)
                yield refused(lines[0], b"X: y", lines[1], lines[1], body=SMUGGLED)


@family
def length_lists() -> Iterator[Item]:
    for first in (b"0", b"5", b"44"):
        for second in (b"0", b"5", b"44", b""):
            for comma in (b",", b", ", b" ,", b"\t,\t", b";", b" "):
                yield refused(b"Content-Length: " + first + comma + (second or b","), body=SMUGGLED)


@family
def length_signs() -> Iterator[Item]:
    for sign in (b"+", b"-", b"--", b"+ ", b"\xe2\x88\x92"):
        for number in (b"0", b"5", b"44"):
            yield refused(b"Content-Length: " + sign + number, body=SMUGGLED)


@family
def length_other_numbers() -> Iterator[Item]:
    for text in (
        *(b"0x5", b"0X2C", b"2Ch", b"0b101", b"0o5", b"5.0", b"5.", b".5", b"5e0", b"5E1", b"1_0"),
        *(b"5L", b"five", b'"5"', b"'5'", b"(5)", b"5;", b"5 5", b"\xd9\xa5", b"\xef\xbc\x95"),
        *(b"\xb2", b"NaN", b"inf", b"true", b"null", b"5\xa0", b"\xa05", b"%35", b"5%20", b"$5"),
    ):
        yield refused(b"Content-Length: " + text, body=SMUGGLED)


@family
def length_overflow() -> Iterator[Item]:
    for power in (63, 64, 65, 127, 128, 256):
        for more in (0, 1, 5, 44):
            yield refused(b"Content-Length: %d" % (2**power + more), body=SMUGGLED)
    for digits in (20, 100, 1000, 4000, 5000, 20000):
        yield refused(b"Content-Length: " + b"9" * digits, body=SMUGGLED)


@family
def length_leading_zeros() -> Iterator[Item]:
    for zeros in (1, 2, 8, 20, 300, 3000):
        yield passed(b"Content-Length: " + b"0" * zeros + b"5", body=b"hello", read_as=b"hello")
        yield passed(b"Content-Length: " + b"0" * zeros)


@family
def length_white_space() -> Iterator[Item]:
    for space in (b" ", b"\t", b"  ", b" \t "):
        yield passed(b"Content-Length:" + space + b"5", body=b"hello", read_as=b"hello")
        yield passed(b"Content-Length:5" + space, body=b"hello", read_as=b"hello")
    for control in CONTROLS:
        yield refused(b"Content-Length: %c5" % control, body=SMUGGLED)
        yield refused(b"Content-Length: 5%c" % control, body=SMUGGLED)


@family
def length_empty() -> Iterator[Item]:
    for text in (b"", b" ", b"\t", b"  \t"):
        yield refused(b"Content-Length:" + text, body=SMUGGLED)


@family
def coding_spellings() -> Iterator[Item]:
    for text in (b"chunked", b"Chunked", b"CHUNKED", b" chunked", b"\tchunked", b"chunked \t"):
        yield passed(b"Transfer-Encoding:" + text, body=HELLO + LAST, read_as=b"hello")
    for text in (
        *(b"xchunked", b"chunkedx", b"chunke", b"chunked,", b",chunked", b"chunked, chunked"),
        *(b"chunked, identity", b"identity", b"identity, chunked", b"gzip, chunked", b"gzip"),
        *(b"chunked;q=1", b"chunked; x", b'"chunked"', b"'chunked'", b"chunked chunked", b"", b" "),
        *(b"chun ked", b"chunk%65d", b"\xe7hunked", b"chunked\xa0", b"\xa0chunked", b"deflate"),
        *(b"compress", b"x-chunked", b"cow", b"chunked\xc0\x80", b"c\xcd\x9ahunked", b"[chunked]"),
    ):
        yield refused(b"Transfer-Encoding: " + text, body=LAST + SMUGGLED)
    for control in CONTROLS:
        yield refused(b"Transfer-Encoding: %cchunked" % control, body=LAST + SMUGGLED)
        yield refused(b"Transfer-Encoding: chunked%c" % control, body=LAST + SMUGGLED)


@family
def coding_repeated() -> Iterator[Item]:
    for first in (b"chunked", b"identity", b"gzip", b""):
        for second in (b"chunked", b"identity", b"x"):
            lines = (b"Transfer-Encoding: " + first, b"transfer-encoding: " + second)
            yield refused(*lines, body=LAST + SMUGGLED)
            yield refused(lines[1], b"X: y", lines[0], body=LAST + SMUGGLED)


@family
def coding_in_http_1_0() -> Iterator[Item]:
    for text in (b"chunked", b"Chunked", b"identity", b"gzip, chunked"):
        line = b"POST /p HTTP/1.0"
        yield refused(b"Transfer-Encoding: " + text, line=line, body=LAST + SMUGGLED)
        keep = b"Connection: keep-alive"
        yield refused(keep, b"Transfer-Encoding: " + text, line=line, body=LAST + SMUGGLED)


@family
def framing_names_spelled_otherwise() -> Iterator[Item]:
    """A name that is another one frames nothing; ours does."""
    length = b"Content-Length: 5"
    for name in (
        *(b"Transfer_Encoding", b"X-Transfer-Encoding", b"Transfer-Encodin", b"Transfer-Encodings"),
        *(b"TransferEncoding", b"Transfer.Encoding", b"Transfer--Encoding", b"-Transfer-Encoding"),
    ):
        yield passed(length, name + b": chunked", body=b"hello", read_as=b"hello")
    for name in (b"Content_Length", b"X-Content-Length", b"Content-Lengt", b"ContentLength"):
        yield passed(length, name + b": 44", body=b"hello", read_as=b"hello")
        yield passed(name + b": 44", line=b"GET /p HTTP/1.1")
    for name in (b"Transfer-Encoding", b"Content-Length"):
        for place in (0, 8, len(name)):
            for byte in (*CONTROLS, 32, 9, 0x80, 0xA0, 0xFF, *OTHER_SEPARATORS):
                broken = name[:place] + bytes([byte]) + name[place:]
                yield refused(broken + b": 44", body=SMUGGLED)


# Section 5: field lines.


def _with_each_field() -> Iterator[tuple[bytes, ...]]:
    yield (b"X: y",)
    yield (b"Content-Length: 5",)
    yield (CHUNKED,)
    yield (b"X: y", b"Content-Length: 0")


@family
def folded_lines() -> Iterator[Item]:
    for fields in _with_each_field():
        for space in (b" ", b"\t", b"  ", b" \t"):
            for more in (b"z", b"chunked", b"", b"Content-Length: 44", b": z"):
                yield refused(*fields, space + more, body=SMUGGLED)
                yield refused(space + more, *fields, body=SMUGGLED)


@family
def folded_first_line() -> Iterator[Item]:
    for space in (b" ", b"\t", b"\x0b", b"\x0c"):
        for line in (HOST, b"X: y", b"Content-Length: 44", CHUNKED):
            yield b"\r\n".join([LINE, space + line, HOST, b"\r\n"]) + SMUGGLED, Fate.REFUSED


@family
def bare_line_ends() -> Iterator[Item]:
    lines = [LINE, HOST, b"X: y", b"Content-Length: 0", b""]
    for wrong in (
        b"\n",
        b"\r",
        b"\r\r\n",
        b"\n\r",
        b"\n\n",
        b"\r\n\n",
        b"\x0b",
        b"\x85",
        b"\0\r\n",
    ):
        for place in range(len(lines)):
            ends = [b"\r\n"] * len(lines)
            ends[place] = wrong
            data = b"".join(line + end for line, end in zip(lines, ends, strict=True))
            is_harmless = place == len(lines) - 1 or (wrong in (b"\x0b", b"\x85"))
            if not is_harmless:
                yield data, Fate.REFUSED
    for wrong in (b"\n", b"\r"):
        yield wrong.join([LINE, HOST, b"Content-Length: 0", wrong]), Fate.REFUSED


@family
def line_ends_inside() -> Iterator[Item]:
    for wrong in (b"\n", b"\r", b"\n ", b"\r\r", b"\n\r", b"\r\t"):
        for inside in (b"X: a%bb", b"X%b: a", b"X:%ba", b"%bX: a", b"X: a%b"):
            yield refused(inside % wrong, body=SMUGGLED)
            yield refused(inside % (wrong + CHUNKED), body=LAST + SMUGGLED)
            yield refused(inside % (wrong + b"Content-Length: 44"), body=SMUGGLED)


@family
def control_characters() -> Iterator[Item]:
    for control in CONTROLS:
        for inside in (b"X%c: a", b"%cX: a", b"X: a%cb", b"X:%c", b"X: a%c", b"X:%ca"):
            yield refused(inside % control)


@family
def eight_bit_values() -> Iterator[Item]:
    for byte in range(128, 256):
        yield passed(b"X: a%cb" % byte)


@family
def eight_bit_names() -> Iterator[Item]:
    for byte in range(128, 256):
        yield refused(b"X%c: a" % byte)


@family
def separators_in_names() -> Iterator[Item]:
    for byte in OTHER_SEPARATORS:
        yield refused(b"X%cY: a" % byte)
        yield refused(b"%cX: a" % byte)


@family
def colons() -> Iterator[Item]:
    for space in (b" ", b"\t", b"  ", b"\t "):
        for name, value in ((b"X", b"y"), (b"Content-Length", b"44"), (b"Host", b"localhost")):
            yield refused(name + space + b": " + value, body=SMUGGLED)
        yield passed(b"X:" + space + b"y" + space)
    for line in (b":", b": y", b"X", b"X y", b"=", b"Content-Length 44", b"Transfer-Encoding"):
        yield refused(line, body=SMUGGLED)
    for line in (b"X:", b"X::", b"X: :", b"X:y:z"):
        yield passed(line)


@family
def many_and_long_fields() -> Iterator[Item]:
    for count in (198, 199, 200):
        lines = [b"X-%d: y" % number for number in range(count)]
        yield refused(*lines) if count > 199 else passed(*lines)
    for size in (1000, 30_000, 60_000):
        yield passed(b"X: " + b"y" * size)
    for size in (66_000, 100_000, 300_000):
        yield refused(b"X: " + b"y" * size)
        yield refused(b"X" * size + b": y")


# Section 3: the request line, Host.


@family
def versions() -> Iterator[Item]:
    for version in (
        *(
            b"HTTP/1.2",
            b"HTTP/1.9",
            b"HTTP/2.0",
            b"HTTP/0.9",
            b"HTTP/0.0",
            b"HTTP/3.1",
            b"HTTP/9.9",
        ),
        *(
            b"HTTP/1.10",
            b"HTTP/01.1",
            b"HTTP/1.01",
            b"HTTP/11.1",
            b"HTTP/1",
            b"HTTP/1.",
            b"HTTP/.1",
        ),
        *(b"HTTP/1,1", b"HTTP/1.1x", b"HTTP/x.y", b"HTTP/+1.1", b"HTTP/1.+1", b"HTTP/-1.1"),
        *(
            b"http/1.1",
            b"Http/1.1",
            b"HTTPS/1.1",
            b"HTP/1.1",
            b"XHTTP/1.1",
            b"HTTP1.1",
            b"HTTP 1.1",
        ),
        *(b"HTTP//1.1", b"HTTP/ 1.1", b"HTTP/1.1\0", b"HTTP/1.1\x0b", b"ICY/1.1", b"", b"RTSP/1.0"),
        *(b"HTTP/1.\xd9\xa1", b"HTTP/\xef\xbc\x91.1", b"HTTP/1.1;x", b"HTTP/1.1,HTTP/1.1"),
    ):
        for method in (b"GET", b"POST"):
            yield refused(line=method + b" /p " + version)


@family
def old_version() -> Iterator[Item]:
    line = b"POST /p HTTP/1.0"
    for keep in ((), (b"Connection: keep-alive",), (b"Connection: close",)):
        length = b"Content-Length: 5"
        yield passed(*keep, length, line=line, body=b"hello", read_as=b"hello", fate=Fate.LAST)
        yield passed(*keep, line=line, fate=Fate.LAST)
        data = b"\r\n".join([b"GET /p HTTP/1.0", *keep, b"\r\n"])
        yield data, Fate.LAST, ((b"GET", b"/p", b""),)


@family
def request_line_spaces() -> Iterator[Item]:
    for line in (
        *(b"GET  /p HTTP/1.1", b"GET /p  HTTP/1.1", b" GET /p HTTP/1.1", b"GET /p HTTP/1.1 "),
        *(b"GET\t/p HTTP/1.1", b"GET /p\tHTTP/1.1", b"\tGET /p HTTP/1.1", b"GET /p HTTP/1.1\t"),
        *(b"GET /p q HTTP/1.1", b"GET /p HTTP/1.1 HTTP/1.1", b"GET/p HTTP/1.1", b"GET /pHTTP/1.1"),
        *(b"GET\x0b/p HTTP/1.1", b"GET\x0c/p HTTP/1.1", b"GET\xa0/p HTTP/1.1", b"GET", b"GET /p"),
        *(b"/p HTTP/1.1", b"HTTP/1.1", b"GET HTTP/1.1", b" ", b"GET / HTTP/1.1\r\nGET /p HTTP/1.1"),
    ):
        yield refused(line=line)


@family
def before_the_request_line() -> Iterator[Item]:
    good = message(line=b"GET /p HTTP/1.1")
    for before in (
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"\r\n\n",
        b"\0",
        b"\xef\xbb\xbf",
        b"\x16\x03",
    ):
        yield before + good, Fate.REFUSED
    for byte in sorted({*CONTROLS, 9, 32, *range(128, 256), *OTHER_SEPARATORS}):
        yield bytes([byte]) + good, Fate.REFUSED


@family
def target_forms() -> Iterator[Item]:
    for target in (
        *(b"http://localhost/p", b"HTTP://localhost/p", b"http://evil/p", b"https://localhost/"),
        *(
            b"localhost:80",
            b"localhost/p",
            b"p",
            b"*",
            b"?a=b",
            b"#a",
            b"//"[:0] + b"\\p",
            b".",
            b"..",
        ),
        *(
            b"%2fp",
            b"@evil/p",
            b":80",
            b"[::1]:80",
            b"ftp://x/y",
            b"file:///etc/passwd",
            b"\xc0\xaf",
        ),
    ):
        for method in (b"GET", b"POST", b"HEAD"):
            yield refused(line=method + b" " + target + b" HTTP/1.1")
    yield refused(line=b"GET  HTTP/1.1")
    yield passed(line=b"OPTIONS * HTTP/1.1")
    for target in (b"**", b"*/", b"/*"[1:], b"*?x"):
        method = b"OPTIONS" if target != b"*" else b"GET"
        yield refused(line=method + b" " + target + b" HTTP/1.1")


@family
def target_characters() -> Iterator[Item]:
    for byte in range(0x21, 0x7F):
        yield passed(line=b"GET /a%cb HTTP/1.1" % byte)
    for byte in CONTROLS:
        yield refused(line=b"GET /a%cb HTTP/1.1" % byte)


@family
def target_oddities() -> Iterator[Item]:
    for target in (
        *(b"//evil/p", b"///", b"/../..", b"/%2e%2e/", b"/%", b"/%zz", b"/%00", b"/%0d%0aX:%20y"),
        *(b"/p?", b"/p??", b"/p#", b"/p?a=b#c", b"/\\..\\", b"/;a=b", b"/http://evil/", b"/@evil"),
    ):
        yield passed(line=b"GET " + target + b" HTTP/1.1")


@family
def long_targets() -> Iterator[Item]:
    for size in (100, 8000, 16_000):
        yield passed(line=b"GET /" + b"a" * size + b" HTTP/1.1")
    for size in (16_500, 20_000, 64_000, 200_000):
        yield refused(line=b"GET /" + b"a" * size + b" HTTP/1.1")


@family
def methods() -> Iterator[Item]:
    for byte in sorted(set(range(256)) - set(b"\t\r\n")):
        line = b"A%cB /p HTTP/1.1" % byte
        is_token = byte < 128 and (chr(byte).isalnum() or byte in b"!#$%&'*+-.^_`|~")
        yield passed(line=line) if is_token else refused(line=line)
    for method in (b"get", b"Get", b"PUT", b"PATCH", b"DELETE", b"TRACE", b"QUERY", b"X" * 500):
        yield passed(line=method + b" /p HTTP/1.1")


@family
def connect() -> Iterator[Item]:
    for target in (b"evil:443", b"localhost:11434", b"/p", b"*", b"http://x/"):
        yield refused(line=b"CONNECT " + target + b" HTTP/1.1")


@family
def other_protocols() -> Iterator[Item]:
    for data in (
        *(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /p\r\n\r\n", b"SSH-2.0-OpenSSH_9\r\n\r\n"),
        *(b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n" + message(), b"EHLO x\r\n\r\n", b"\r\n\r\n"),
        *(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"*1\r\n$4\r\nPING\r\n\r\n"),
        *(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"{}\r\n\r\n", b"0\r\n\r\n"),
        *(b"\r\n\r\n\x00\r\nQUIT\n" + message(), b"hello\r\n\r\n", HELLO + LAST),
    ):
        yield data, Fate.REFUSED


@family
def host_count() -> Iterator[Item]:
    for method in (b"GET", b"POST", b"OPTIONS"):
        line = method + b" /p HTTP/1.1"
        yield b"\r\n".join([line, b"\r\n"]), Fate.REFUSED
        yield b"\r\n".join([line, b"X: y", b"\r\n"]), Fate.REFUSED
        for second in (b"Host: localhost", b"host: evil", b"HOST:", b"hOST: 127.0.0.1"):
            yield refused(second, line=line)
            yield refused(line=line, host=second + b"\r\n" + HOST)
            yield refused(b"X: y", second, second, line=line)
            yield refused(second, line=line.replace(b"1.1", b"1.0"))


@family
def host_values() -> Iterator[Item]:
    for value in (
        *(b"localhost", b"LOCALHOST", b"localhost:1", b"127.0.0.1", b"[::1]:80", b"10.1.2.3"),
        *(b"x.local", b"localhost.", b"ollama.internal:11435", b"0.0.0.0:80", b"localhost:"),
    ):
        yield passed(host=b"Host: " + value)
    for value in (
        *(b"evil.com", b"localhost.evil.com", b"evil.com:80", b"8.8.8.8", b"localhost, evil"),
        *(b"localhost@evil", b"evil@localhost", b"localhost/x", b"localhost:80:80", b"localhost#x"),
        *(b"localhost:x", b"localhost:-1", b"localhost:99999", b"[::1", b"::1", b"[localhost]"),
        *(b"", b":80", b"localhost evil", b"evil localhost", b"localhost\\evil", b"localhost?x"),
        *(b"127.1.evil", b"2130706433", b"0x7f.0.0.1", b"127.0.0.1.nip.io", b"lo\xe7alhost"),
        *(b"localhost%00", b"http://localhost", b"localhost\t80", b"\xff", b"local", b".."),
    ):
        yield refused(host=b"Host: " + value)


@family
def connection_nominates() -> Iterator[Item]:
    """Whoever nominates framing or Host does not take it away."""
    for options in (
        *(b"content-length", b"Content-Length, X", b"transfer-encoding", b"host", b"Host, X-A"),
        *(b"keep-alive, content-length", b"x,,y", b",", b"", b"cookie", b"connection", b"te, host"),
    ):
        line = b"Connection: " + options
        yield passed(line, b"Content-Length: 5", b"X-A: b", body=b"hello", read_as=b"hello")
        yield passed(line, CHUNKED, body=HELLO + LAST, read_as=b"hello")
        yield passed(b"connection: x-a", line, b"X-A: b")
    for options in (b"close", b"Close", b"close, content-length", b"x, close", b" close ,"):
        yield passed(b"Connection: " + options, fate=Fate.LAST)


@family
def upgrades() -> Iterator[Item]:
    for protocol in (b"h2c", b"websocket", b"TLS/1.0", b"HTTP/2.0", b"h2c, x"):
        upgrade = (b"Upgrade: " + protocol, b"Connection: Upgrade, HTTP2-Settings")
        yield passed(*upgrade, b"HTTP2-Settings: AAMAAABk")
        yield passed(*upgrade, SMUGGLED_LENGTH, body=SMUGGLED, read_as=SMUGGLED)
        yield passed(b"Upgrade: " + protocol)


@family
def connection_fields() -> Iterator[Item]:
    for line in (
        *(b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive", b"TE: trailers", b"TE: gzip"),
        *(b"Trailer: X", b"Trailer: Content-Length", b"Max-Forwards: 0", b"Via: 1.1 x", b"Te:"),
    ):
        yield passed(line)
        yield passed(line, CHUNKED, body=HELLO + LAST, read_as=b"hello")


@family
def expectations() -> Iterator[Item]:
    for text in (
        b"100-continue",
        b"100-Continue",
        b"x",
        b"",
        b"100-continue, x",
        b"100-continue;q",
    ):
        line = b"Expect: " + text
        yield passed(line, SMUGGLED_LENGTH, body=SMUGGLED, read_as=SMUGGLED)
        yield passed(line, CHUNKED, body=HELLO + LAST, read_as=b"hello")
        yield passed(line)


# Bodies: sections 6 and 7.


@family
def requests_in_bodies() -> Iterator[Item]:
    inner = (SMUGGLED, LAST + SMUGGLED, PROBE, b"\r\n" + SMUGGLED, HELLO + LAST + SMUGGLED)
    for method in (b"POST", b"GET", b"DELETE", b"OPTIONS", b"PUT", b"X"):
        for body in inner:
            line = method + b" /p HTTP/1.1"
            size = b"Content-Length: %d" % len(body)
            yield passed(size, line=line, body=body, read_as=body)
            framed = b"%x\r\n%b\r\n" % (len(body), body) + LAST
            yield passed(CHUNKED, line=line, body=framed, read_as=body)


@family
def bodies_of_head() -> Iterator[Item]:
    for body in (SMUGGLED, LAST + SMUGGLED, b"x"):
        size = b"Content-Length: %d" % len(body)
        yield passed(size, line=b"HEAD /p HTTP/1.1", body=body, read_as=body)


@family
def pipelines() -> Iterator[Item]:
    second = (b"GET", b"/smuggled", b"")
    for first in (
        passed(b"Content-Length: 0"),
        passed(line=b"GET /p HTTP/1.1"),
        passed(b"Content-Length: 5", body=b"hello", read_as=b"hello"),
        chunks(HELLO + LAST, Fate.PASSED),
        chunks(LAST, Fate.PASSED, b""),
    ):
        for count in (1, 2, 5):
            yield first[0] + SMUGGLED * count, Fate.PASSED, (*first[2], *[second] * count)
        yield first[0] + b"\r\n" + SMUGGLED, Fate.LAST, first[2]


@family
def short_bodies() -> Iterator[Item]:
    for more in (1, 2, 10, 44, 1000, 2**31, 2**32, 2**32 + 5, 2**62, 2**63 - 1):
        size = len(SMUGGLED) + len(PROBE) + more
        if size < 2**63:
            yield passed(b"Content-Length: %d" % size, body=SMUGGLED, fate=Fate.BROKEN)
    for size in (b"1000", b"7fffffff", b"fffffff", b"3e8"):
        yield chunks(size + b"\r\n" + SMUGGLED, Fate.BROKEN)


@family
def chunk_sizes() -> Iterator[Item]:
    for size in (b"05", b"005", b"0" * 8 + b"5", b"0" * 15 + b"5", b"0" * 100 + b"5"):
        yield chunks(size + b"\r\nhello\r\n" + LAST, Fate.EITHER)
    for size in (b"B", b"b", b"0B", b"0b"):
        yield chunks(size + b"\r\nhello world\r\n" + LAST, Fate.PASSED, b"hello world")
    for size in (
        *(b"-5", b"+5", b"0x5", b"0X5", b"x5", b"5h", b"g", b"5.", b"5.0", b"5,5", b"5_0", b"'5'"),
        *(b"", b" 5", b"\t5", b"\x0b5", b"\xa05", b"5\0", b"5\x0b", b"5\xa0", b"\xd9\xa5", b"five"),
        *(b"10000000000000005", b"f" * 16, b"f" * 17, b"1" + b"0" * 16, b"ffffffffffffffffffff5"),
        *(
            b"5 5",
            b"5\t5",
            b"5=",
            b"5&",
            b"5/",
            b"5\\",
            b"%35",
            b"-0",
            b"+0",
            b"0x0",
            b"-1",
            b"0 0",
        ),
    ):
        yield chunks(size + b"\r\nhello\r\n" + LAST + SMUGGLED, Fate.BROKEN)
    for size in (b"5 ", b"5\t", b"5  "):
        yield chunks(size + b"\r\nhello\r\n" + LAST, Fate.EITHER)


@family
def chunk_size_bytes() -> Iterator[Item]:
    for byte in sorted(set(range(256)) - set(b"0123456789abcdefABCDEF; \t\r")):
        yield chunks(b"%c5\r\nhello\r\n" % byte + LAST + SMUGGLED, Fate.BROKEN)
        yield chunks(b"5%c\r\nhello\r\n" % byte + LAST + SMUGGLED, Fate.BROKEN)


@family
def chunk_extensions() -> Iterator[Item]:
    for extension in (
        *(b";a", b";a=b", b';a="b"', b";a=b;c=d", b';a="b;c"', b";a=1", b";chunked", b";0", b";5"),
        *(b"; a", b" ;a", b";a =b", b";", b";;", b";=", b';a="', b';a="\\""', b";\xff", b";a=\xe9"),
    ):
        yield chunks(b"5" + extension + b"\r\nhello\r\n" + LAST, Fate.EITHER)
        yield chunks(HELLO + b"0" + extension + b"\r\n\r\n", Fate.EITHER)
    for extension in (b";a\nb", b";a\rb", b";\n", b";a=\n", b';a="\n"', b";\r", b";\r\r", b";a\0"):
        yield chunks(b"5" + extension + b"\r\nhello\r\n" + LAST + SMUGGLED, Fate.BROKEN)
    for size in (20_000, 70_000):
        yield chunks(b"5;" + b"a" * size + b"\r\nhello\r\n" + LAST, Fate.EITHER)


@family
def chunk_ends() -> Iterator[Item]:
    for end in (
        b"\n",
        b"\r",
        b"",
        b"xx",
        b"\n\n",
        b"\r\r\n",
        b"\n\r",
        b"\0\0",
        b" \r\n",
        b"\r\n\r\n",
    ):
        yield chunks(b"5\r\nhello" + end + LAST + SMUGGLED, Fate.BROKEN)
    for end in (b"\n", b"\r", b"\r\r\n", b"\n\r", b"\n\n", b"\r\n\n"):
        yield chunks(b"5" + end + b"hello\r\n" + LAST + SMUGGLED, Fate.BROKEN)
        yield chunks(HELLO + b"0" + end + b"\r\n" + SMUGGLED, Fate.BROKEN)
    for end in (b"\n", b"\rx", b"x\r\n", b"\r\r\n"):
        yield chunks(HELLO + b"0\r\n" + end + SMUGGLED, Fate.BROKEN)


@family
def last_chunks() -> Iterator[Item]:
    for last in (b"0", b"00", b"000", b"0" * 16, b"0" * 50):
        yield chunks(HELLO + last + b"\r\n\r\n", Fate.EITHER)
    for last in (b"-0", b"0x0", b"+0", b"0.0", b"O", b"\0", b"g0"):
        yield chunks(HELLO + last + b"\r\n\r\n" + SMUGGLED, Fate.BROKEN)


@family
def trailers() -> Iterator[Item]:
    for line in (
        *(b"X: y", b"Content-Length: 44", b"Transfer-Encoding: chunked", b"Host: evil", b"X:"),
        *(b"Connection: close", b"Transfer-Encoding: identity", b"Content-Length: x", b"Te: x"),
        *(b"Upgrade: h2c", b"Expect: 100-continue", b"X: \xff", b"Authorization: x", b"Trailer: y"),
    ):
        yield chunks(HELLO + b"0\r\n" + line + b"\r\n\r\n", Fate.EITHER)
        yield chunks(HELLO + b"0\r\n" + line + b"\r\nY: z\r\n\r\n", Fate.EITHER)
        yield chunks(b"0\r\n" + line + b"\r\n\r\n", Fate.EITHER, b"")
    for line in (
        *(b"X", b" X: y", b"\tX: y", b"X : y", b":", b"X\0: y", b"X: \0", b"X(: y", b"\xff: y"),
        *(b"X: a\nb", b"X: a\rb", b"X: y\n", b"X: y\r", b"GET /smuggled HTTP/1.1", b"X\r: y"),
    ):
        yield chunks(HELLO + b"0\r\n" + line + b"\r\n\r\n" + SMUGGLED, Fate.BROKEN)
    for count in (300, 5000):
        block = b"X: y\r\n" * count
        yield chunks(HELLO + b"0\r\n" + block + b"\r\n", Fate.EITHER)


@family
def cut_heads() -> Iterator[Item]:
    """A head that never ends, at every offset; what follows is part of it, and makes it bad."""
    data = message(b"Content-Length: 0")
    for offset in range(1, len(data) - 4):
        cut = data[:offset] + b"\r\n\x00"
        if b"\r\n\r\n" not in cut:
            yield cut, Fate.REFUSED
