import os

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ollamon.proxy.http1 import (
    MAX_FIELDS,
    MAX_HEAD,
    MAX_REMEMBERED,
    MAX_TARGET,
    BadHead,
    find_end,
    parse_request,
    parse_response,
    request_bytes,
    response_bytes,
    target_in,
)
from ollamon.proxy.tap import AnswerHead, Rejection

EXAMPLES = 20_000 if os.environ.get("OLLAMON_FULL") else 400
UP = b"127.0.0.1:11434"


def head(*lines: bytes, first: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join([first, *lines, b"\r\n"])


def through(data: bytes, **options) -> bytes:
    return request_bytes(parse_request(data), UP, **options)


def test_a_request_passes_unchanged_but_for_host_and_hop_by_hop_fields():
    given_head = head(
        b"hOsT:  localhost:11435 ",
        b"x-UPPER-lower:kept  as it is\t",
        b"Connection: keep-alive, X-Mine",
        b"Keep-Alive: timeout=5",
        b"X-Bytes: \xff\xfe caf\xe9",
        b"Upgrade: h2c",
        b"X-Mine: for you only",
        b"TE: trailers",
        b"Proxy-Connection: close",
        b"x-upper-lower: again",
        b"Empty:",
        b"Authorization: Bearer x",
        first=b"DELETE /api/delete?a=%20&b? HTTP/1.1",
    )
    assert through(given_head) == head(
        b"hOsT: " + UP,
        b"x-UPPER-lower:kept  as it is\t",
        b"X-Bytes: \xff\xfe caf\xe9",
        b"x-upper-lower: again",
        b"Empty:",
        b"Authorization: Bearer x",
        first=b"DELETE /api/delete?a=%20&b? HTTP/1.1",
    )


@pytest.mark.parametrize(
    ("target", "method"),
    [
        (b"/", b"GET"),
        (b"/api/tags?", b"GET"),
        (b"//double///slash", b"BREW"),
        (b"/a%2fb/../c", b"GET"),
        (b"/mod\xc3\xa8le", b"PURGE"),
        (b"*", b"OPTIONS"),
        (b"/" + b"x" * (MAX_TARGET - 1), b"GET"),
    ],
    ids=["root", "final ?", "slashes", "escapes", "8-bit", "asterisk", "16 KiB"],
)
def test_targets_and_methods_pass_unchanged(target, method):
    line = method + b" " + target + b" HTTP/1.1"
    assert through(head(b"Host: x", first=line)).startswith(line + b"\r\n")


def test_the_clients_host_may_be_preserved():
    assert b"Host: gpu.local\r\n" in through(head(b"Host: gpu.local"), preserve_host=True)


@pytest.mark.parametrize("preserve", [True, False])
def test_a_request_of_http_1_0_gets_a_host_and_the_version_1_1(preserve):
    found = through(head(b"A: b", first=b"GET / HTTP/1.0"), preserve_host=preserve)
    assert found == head(b"Host: " + UP, b"A: b")


def test_a_host_may_be_missing_where_there_are_no_fields_at_all():
    assert through(b"GET / HTTP/1.0\r\n\r\n") == head(b"Host: " + UP)


@pytest.mark.parametrize(
    ("line", "written"),
    [
        (b"content-LENGTH:  007", b"content-LENGTH: 7"),
        (b"Content-Length: 0", b"Content-Length: 0"),
        (b"Transfer-Encoding:\tChunked ", b"Transfer-Encoding: chunked"),
    ],
)
def test_framing_is_written_anew_in_its_place(line, written):
    found = through(head(b"A: 1", line, b"Host: x", b"B: 2", first=b"POST / HTTP/1.1"))
    assert found == head(b"A: 1", written, b"Host: " + UP, b"B: 2", first=b"POST / HTTP/1.1")


def test_nominating_framing_or_host_does_not_remove_them():
    found = through(
        head(b"Connection: content-length, host, close", b"Host: x", b"Content-Length: 3")
    )
    assert found == head(b"Host: " + UP, b"Content-Length: 3")


HOST = b"Host: x\r\n"
REFUSED = {
    "CL and TE": (400, HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
    "TE and CL": (400, HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"),
    "CL twice, equal": (400, HOST + b"Content-Length: 3\r\ncontent-length: 3\r\n"),
    "CL twice, different": (400, HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n"),
    "CL list": (400, HOST + b"Content-Length: 3, 3\r\n"),
    "CL signed": (400, HOST + b"Content-Length: +3\r\n"),
    "CL negative": (400, HOST + b"Content-Length: -3\r\n"),
    "CL hex": (400, HOST + b"Content-Length: 0x3\r\n"),
    "CL empty": (400, HOST + b"Content-Length:\r\n"),
    "CL with spaces": (400, HOST + b"Content-Length: 1 2\r\n"),
    "CL underscore": (400, HOST + b"Content-Length: 1_0\r\n"),
    "CL other digits": (400, HOST + "Content-Length: ٣\r\n".encode()),
    "CL overflow": (400, HOST + b"Content-Length: 9223372036854775808\r\n"),
    "CL endless": (400, HOST + b"Content-Length: " + b"9" * 5000 + b"\r\n"),
    "TE gzip": (400, HOST + b"Transfer-Encoding: gzip, chunked\r\n"),
    "TE identity": (400, HOST + b"Transfer-Encoding: identity\r\n"),
    "TE twice": (400, HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    "TE list": (400, HOST + b"Transfer-Encoding: chunked, chunked\r\n"),
    "TE parameter": (400, HOST + b"Transfer-Encoding: chunked;x=1\r\n"),
    "TE quoted": (400, HOST + b'Transfer-Encoding: "chunked"\r\n'),
    "TE empty": (400, HOST + b"Transfer-Encoding:\r\n"),
    "obs-fold": (400, HOST + b"A: b\r\n c\r\n"),
    "obs-fold with tab": (400, HOST + b"A: b\r\n\tc\r\n"),
    "fold before the first field": (400, b" " + HOST),
    "bare CR in a value": (400, HOST + b"A: b\rc\r\n"),
    "bare LF": (400, HOST + b"A: b\nB: c\r\n"),
    "NUL": (400, HOST + b"A: b\x00c\r\n"),
    "control character": (400, HOST + b"A: b\x0bc\r\n"),
    "DEL": (400, HOST + b"A: b\x7f\r\n"),
    "space before the colon": (400, HOST + b"Content-Length : 3\r\n"),
    "tab before the colon": (400, HOST + b"A\t: 3\r\n"),
    "no colon": (400, HOST + b"A\r\n"),
    "no name": (400, HOST + b": a\r\n"),
    "8-bit name": (400, HOST + b"\xc3\xa9: a\r\n"),
    "no Host": (400, b"A: b\r\n"),
    "two Hosts": (400, HOST + HOST),
    "201 fields": (431, HOST + b"A: b\r\n" * MAX_FIELDS),
}


@pytest.mark.parametrize(("status", "fields"), REFUSED.values(), ids=REFUSED)
def test_a_head_that_can_be_read_in_two_ways_is_refused(status, fields):
    with pytest.raises(BadHead) as caught:
        parse_request(b"POST /api/chat HTTP/1.1\r\n" + fields + b"\r\n")
    assert caught.value.status == status


FIRST_LINES = {
    "absolute form": (400, b"GET http://localhost/ HTTP/1.1"),
    "authority form": (400, b"GET localhost:80 HTTP/1.1"),
    "CONNECT": (405, b"CONNECT localhost:80 HTTP/1.1"),
    "asterisk": (400, b"GET * HTTP/1.1"),
    "no target": (400, b"GET HTTP/1.1"),
    "empty target": (400, b"GET  HTTP/1.1"),
    "two spaces": (400, b"GET  / HTTP/1.1"),
    "tab": (400, b"GET\t/ HTTP/1.1"),
    "leading space": (400, b" GET / HTTP/1.1"),
    "trailing space": (400, b"GET / HTTP/1.1 "),
    "space in the target": (400, b"GET /a b HTTP/1.1"),
    "NUL in the target": (400, b"GET /\x00 HTTP/1.1"),
    "bad method": (400, b"G@T / HTTP/1.1"),
    "HTTP/0.9": (400, b"GET /"),
    "HTTP/0.8": (505, b"GET / HTTP/0.8"),
    "HTTP/1.2": (505, b"GET / HTTP/1.2"),
    "HTTP/2.0": (505, b"PRI * HTTP/2.0"),
    "HTTP/1.10": (400, b"GET / HTTP/1.10"),
    "http/1.1": (400, b"GET / http/1.1"),
    "empty line first": (400, b"\r\nGET / HTTP/1.1"),
    "long target": (414, b"GET /" + b"x" * MAX_TARGET + b" HTTP/1.1"),
}


@pytest.mark.parametrize(("status", "first"), FIRST_LINES.values(), ids=FIRST_LINES)
def test_a_request_line_that_is_not_ours_is_refused(status, first):
    with pytest.raises(BadHead) as caught:
        parse_request(head(b"Host: x", first=first))
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("data", "rejection"),
    [
        (head(first=b"GET / HTTP/1.1"), Rejection.MALFORMED),
        (head(b"Host: x", first=b"CONNECT a:1 HTTP/1.1"), Rejection.METHOD),
        (head(b"Host: x", *[b"A: b"] * 201), Rejection.HEAD_TOO_LARGE),
        (head(first=b"GET /" + b"x" * MAX_TARGET + b" HTTP/1.1"), Rejection.HEAD_TOO_LARGE),
    ],
    ids=["malformed", "method", "fields", "target"],
)
def test_a_refusal_knows_its_kind(data, rejection):
    with pytest.raises(BadHead) as caught:
        parse_request(data)
    assert caught.value.rejection is rejection


def test_transfer_encoding_is_refused_in_http_1_0():
    with pytest.raises(BadHead, match=r"HTTP/1\.0"):
        parse_request(head(b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.0"))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (b"A: b\nB: c\r\n", "bare CR or LF"),
        (b"A: b\r\n c\r\n", "folded"),
        (b"A : b\r\n", "colon"),
        (b"A\r\n", "malformed field"),
    ],
)
def test_the_reason_of_a_refusal_is_named(fields, reason):
    with pytest.raises(BadHead, match=reason):
        parse_request(b"GET / HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")


def test_the_end_of_a_head_is_found_wherever_it_is_cut():
    data = head(b"Host: x", b"A: b") + b"body\nwith\rlines\r\n\r\n"
    expected = data.index(b"\r\n\r\n") + 4
    for cut in range(1, len(data)):
        for searched in (0, min(cut, expected) - 1):
            part = data[:cut]
            found = find_end(part, max(0, searched - 3))
            assert found == (expected if cut >= expected else -1)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (b"GET / HTTP/1.1\rHost: x", 400),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * MAX_HEAD, 431),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * MAX_HEAD + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * (MAX_TARGET + 1), 414),
        (b"\x16\x03\x01" * 10_000, 414),
    ],
    ids=["bare LF", "bare CR", "endless", "64 KiB", "endless target", "TLS"],
)
def test_what_can_become_no_head_is_refused_before_its_end(data, status):
    with pytest.raises(BadHead) as caught:
        find_end(data)
    assert caught.value.status == status


def test_the_target_of_a_refused_head_is_known_when_its_first_line_was_right():
    assert target_in(b"GET /v1/models HTTP/1.1\r\nbad\r\n") == "/v1/models"
    assert target_in(b"GET\r\n") == ""


@pytest.mark.parametrize(
    ("lines", "keep_alive"),
    [((), True), ((b"Connection: Close",), False), ((b"Connection: a,close ,b",), False)],
)
def test_who_keeps_the_connection(lines, keep_alive):
    assert parse_request(head(b"Host: x", *lines)).is_keep_alive is keep_alive


def test_http_1_0_never_keeps_the_connection():
    found = parse_request(head(b"Connection: keep-alive", first=b"GET / HTTP/1.0"))
    assert not found.is_keep_alive


def test_expect_passes_and_is_known():
    data = head(b"Host: x", b"expect: 100-Continue")
    assert parse_request(data).expects_continue
    assert b"expect: 100-Continue\r\n" in through(data)


ANSWER = b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    "first",
    [
        *(b"HTTP/1.1 200 OK", b"HTTP/1.1 200 ", b"HTTP/1.1 200", b"HTTP/1.0 404 Not  Found"),
        *(b"HTTP/1.1 599 caf\xe9\tx",),
    ],
)
def test_code_and_reason_of_an_answer_pass_unchanged(first):
    found = response_bytes(parse_response(head(first=first)), is_chunked=False)
    assert found == head(first=b"HTTP/1.1" + first[8:])


def test_a_head_that_is_remembered_is_written_by_what_each_client_needs():
    block = head(b"Transfer-Encoding: chunked", b"Connection: x", b"X: 1", first=ANSWER)
    first, again = parse_response(block), parse_response(bytes(bytearray(block)))
    assert again is first
    for _ in range(2):
        chunked = response_bytes(again, is_chunked=True)
        assert chunked == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        last = response_bytes(again, minor=0, is_chunked=False, is_closing=False)
        assert last == b"HTTP/1.0 200 OK\r\n\r\n"
        closing = response_bytes(again, is_chunked=False, is_closing=True)
        assert closing == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


def test_a_large_head_is_not_remembered():
    block = head(b"X: " + bytes(b"x" * MAX_REMEMBERED), first=ANSWER)
    assert parse_response(block) is not parse_response(block)


def test_an_answer_loses_what_concerns_one_connection():
    found = parse_response(
        head(
            *(b"Connection: keep-alive", b"Vary: Origin", b"vary: X", b"Keep-Alive: 5"),
            *(b"transfer-encoding: CHUNKED", b"Set-Cookie: a", b"Set-Cookie: b"),
            first=ANSWER,
        )
    )
    assert response_bytes(found, is_chunked=True, is_closing=True) == head(
        *(b"Vary: Origin", b"vary: X", b"transfer-encoding: chunked"),
        *(b"Set-Cookie: a", b"Set-Cookie: b", b"Connection: close"),
        first=ANSWER,
    )
    assert response_bytes(found, minor=0, is_chunked=False) == head(
        *(b"Vary: Origin", b"vary: X", b"Set-Cookie: a", b"Set-Cookie: b"),
        first=b"HTTP/1.0 200 OK",
    )


BAD_ANSWERS = {
    "CL and TE": head(b"Content-Length: 3", b"Transfer-Encoding: chunked", first=ANSWER),
    "CL twice": head(b"Content-Length: 3", b"Content-Length: 3", first=ANSWER),
    "CL signed": head(b"Content-Length: -1", first=ANSWER),
    "TE gzip": head(b"Transfer-Encoding: gzip", first=ANSWER),
    "TE in 1.0": head(b"Transfer-Encoding: chunked", first=b"HTTP/1.0 200 OK"),
    "fold": head(b"A: b", b" c", first=ANSWER),
    "no HTTP": head(first=b"SSH-2.0-OpenSSH"),
    "four digits": head(first=b"HTTP/1.1 2000 OK"),
    "two digits": head(first=b"HTTP/1.1 20 OK"),
    "HTTP/2": head(first=b"HTTP/2.0 200 OK"),
    "code 000": head(first=b"HTTP/1.1 000 OK"),
}


@pytest.mark.parametrize("data", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_an_answer_that_can_be_read_in_two_ways_is_refused(data):
    with pytest.raises(BadHead):
        parse_response(data)


@pytest.mark.parametrize(
    ("lines", "summary"),
    [
        ((), AnswerHead(200, "", False)),
        (
            (b"Content-Type: Application/JSON; charset=utf-8",),
            AnswerHead(200, "application/json", False),
        ),
        ((b"Content-Encoding: gzip",), AnswerHead(200, "", True)),
        ((b"Content-Encoding: Identity",), AnswerHead(200, "", False)),
    ],
)
def test_the_meter_is_told_what_an_answer_is(lines, summary):
    assert parse_response(head(*lines, first=ANSWER)).summary == summary


TOKENS = st.sampled_from(b"abcXYZ019!#$%&'*+-.^_`|~:;,/ \t\r\n\x00\x0b\x7f\xe9\"()<>@=?[]{}\\")
NOISE = st.lists(TOKENS, max_size=12).map(bytes)
NAMES = st.sampled_from(
    [
        *(b"Host", b"host", b"Content-Length", b"content-length", b"Transfer-Encoding"),
        *(b"Connection", b"A", b"X-Y", b"Content-Length ", b" Host", b"Expect", b"TE"),
    ]
)
VALUES = st.one_of(
    NOISE,
    st.sampled_from(
        [
            *(b"x", b"localhost", b"0", b"5", b"05", b"+5", b"5,5", b"chunked", b"Chunked"),
            *(b"gzip, chunked", b"close", b"keep-alive, a", b"\tchunked", b"chunked "),
        ]
    ),
)
LINES = st.builds(
    lambda name, colon, value, end: name + colon + value + end,
    st.one_of(NAMES, NOISE),
    st.sampled_from([b": ", b":", b" : ", b":\t", b""]),
    VALUES,
    st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b"\r\n "]),
)
HEADS = st.builds(
    lambda method, target, version, host, lines: (
        method + b" " + target + b" " + version + b"\r\n" + host + b"".join(lines) + b"\r\n"
    ),
    st.one_of(st.sampled_from([b"GET", b"POST", b"DELETE", b"x-Y"]), NOISE),
    st.one_of(st.sampled_from([b"/", b"/api/chat", b"/v1/models?", b"*"]), NOISE),
    st.sampled_from([b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/1.1 "]),
    st.sampled_from([b"Host: x\r\n"] * 4 + [b""]),
    st.lists(LINES, max_size=4),
)


def as_h11(data: bytes) -> h11.Request:
    """Read a head with an independent parser, which must see one request and nothing more."""
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(data)
    event = parser.next_event()
    assert isinstance(event, h11.Request)
    return event


def plain(fields) -> list[tuple[bytes, bytes]]:
    return [(bytes(name).lower(), bytes(value)) for name, value in fields]


@given(HEADS)
@example(head(b"Host: x", b"A: \t b \t"))
@settings(max_examples=EXAMPLES, deadline=None)
def test_what_we_accept_an_independent_parser_reads_alike(data):
    try:
        end = find_end(data)
        found = parse_request(data[:end])
    except BadHead:
        return
    other = as_h11(data[:end])
    assert (other.method, other.target) == (found.method, found.target)
    assert plain(other.headers) == [
        (line.partition(b":")[0].lower(), line.partition(b":")[2].strip(b" \t"))
        for line in found.fields.lines
    ]


@given(HEADS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_what_we_send_is_one_request_with_one_host_and_one_framing(data):
    try:
        end = find_end(data)
        out = through(data[:end])
    except BadHead:
        return
    assert out.count(b"\r\n\r\n") == 1
    fields = plain(as_h11(out).headers)
    names = [name for name, _ in fields]
    assert [value for name, value in fields if name == b"host"] == [UP]
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    assert not {b"connection", b"te", b"upgrade", b"keep-alive"} & set(names)
    assert parse_request(out).length == parse_request(data[:end]).length
