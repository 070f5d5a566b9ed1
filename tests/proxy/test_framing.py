import gzip
import os

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ollamon.proxy import framing
from ollamon.proxy.framing import (
    MAX_BARREN,
    BadBody,
    ChunkedBody,
    LengthBody,
    NoBody,
    UntilCloseBody,
    chunk_of,
)
from ollamon.proxy.http1 import parse_request, parse_response

EXAMPLES = 20_000 if os.environ.get("OLLAMON_FULL") else 300


def feed_all(body, parts):
    """Feed parts until the end; return what passes, the payload and what is left over."""
    out, payload = b"", b""
    for number, part in enumerate(parts):
        out += body.feed(part)
        payload += body.payload
        if body.is_done:
            return out, payload, body.rest + b"".join(parts[number + 1 :])
    return out, payload, None


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


CHUNKED = b"5\r\nhello\r\n3;ext=1\r\n\r\n\r\r\n000A\r\n0\r\n\r\n67890\r\n0\r\n"
PAYLOAD = b"hello\r\n\r0\r\n\r\n67890"
ENDS = {
    "plain": (b"\r\n", b"\r\n"),
    "a trailer": (b"A: b\r\n\r\n", b"\r\n"),
    "trailers": (b"Digest: x\r\nC:\r\nE: f g\r\n\r\n", b"\r\n"),
}


@pytest.mark.parametrize("after", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\r\n\r\n"])
@pytest.mark.parametrize(("end", "passed"), ENDS.values(), ids=ENDS)
def test_chunks_pass_verbatim_without_trailers_however_they_are_cut(end, passed, after):
    data = CHUNKED + end + after
    expected = (CHUNKED + passed, PAYLOAD, after)
    for size in range(1, len(data) + 1):
        assert feed_all(ChunkedBody(), pieces(data, size)) == expected
    for cut in range(1, len(data)):
        assert feed_all(ChunkedBody(), [data[:cut], data[cut:]]) == expected


def test_a_chunk_waits_for_nothing_once_its_first_byte_is_there():
    body = ChunkedBody()
    assert body.feed(b"5\r\n") == b""
    assert body.feed(b"he") == b"5\r\nhe"
    assert body.feed(b"llo\r\n") == b"llo\r\n"
    assert body.feed(b"5\r\nworld\r\n") == b"5\r\nworld\r\n"
    assert not body.is_done


BAD_CHUNKS = {
    "LF alone after the size": b"5\nhello\r\n",
    "no end of the data": b"5\r\nhello0\r\n\r\n",
    "LF alone after the data": b"5\r\nhello\n0\r\n\r\n",
    "space first": b" 5\r\nhello\r\n",
    "space after the size": b"5 \r\nhello\r\n",
    "sign": b"+5\r\nhello\r\n",
    "negative": b"-5\r\nhello\r\n",
    "0x": b"0x5\r\nhello\r\n",
    "underscore": b"1_0\r\nhello",
    "empty size": b"\r\nhello\r\n",
    "overflow": b"FFFFFFFFFFFFFFFFF\r\nhello",
    "LF in an extension": b"5;a\nb\r\nhello\r\n",
    "NUL in an extension": b"5;\x00\r\nhello\r\n",
    "CR CR": b"5\r\rhello\r\n",
    "LF alone at the end": b"0\r\n\n",
    "space in a trailer's name": b"0\r\nA : b\r\n\r\n",
    "folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
    "no name": b"0\r\nabc\r\n\r\n",
    "barren extension": b"5;" + b"a" * (MAX_BARREN + 1),
    "barren zeros": b"0" * (MAX_BARREN + 1),
    "barren trailers": b"0\r\n" + b"A: b\r\n" * 4000,
}


@pytest.mark.parametrize("data", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_what_is_no_chunk_is_refused(data, size):
    with pytest.raises(BadBody):
        feed_all(ChunkedBody(), pieces(data, size))


@pytest.mark.parametrize("data", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
def test_what_is_no_chunk_is_refused_after_plain_ones(data):
    body = ChunkedBody()
    assert body.feed(b"5\r\nhello\r\n") == b"5\r\nhello\r\n"
    with pytest.raises(BadBody):
        feed_all(body, [data])


def test_barren_bytes_are_counted_since_the_last_byte_of_the_body():
    body = ChunkedBody()
    for _ in range(100):
        body.feed(b"1;" + b"a" * 1000 + b"\r\nx\r\n")
    assert not body.is_done


SIZES = st.lists(st.binary(min_size=1, max_size=40), max_size=8)
CUTS = st.lists(st.integers(1, 60), min_size=1, max_size=30)


@given(SIZES, CUTS, st.sampled_from([b"", b"A: b\r\n", b"A: b\r\nC: d\r\n"]), st.binary(max_size=9))
@settings(max_examples=EXAMPLES, deadline=None)
def test_an_independent_parser_reads_the_same_body(chunks, cuts, trailers, after):
    data = b"".join(map(chunk_of, chunks)) + b"0\r\n" + trailers + b"\r\n" + after
    parts, start = [], 0
    while start < len(data):
        size = cuts[len(parts) % len(cuts)]
        parts.append(data[start : start + size])
        start += size
    out, payload, rest = feed_all(ChunkedBody(), parts)
    assert (payload, rest) == (b"".join(chunks), after)
    assert out == b"".join(map(chunk_of, chunks)) + b"0\r\n\r\n"
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + out)
    events = []
    while not events or not isinstance(events[-1], h11.EndOfMessage):
        events.append(parser.next_event())
    assert b"".join(e.data for e in events if isinstance(e, h11.Data)) == payload
    assert events[-1].headers == []


LINES = st.sampled_from([b"%x", b"%X", b"0%x", b"%x;a=b", b"%x ", b"+%x", b"0x%x"])
LENGTHS = st.integers(1, 1100) | st.sampled_from([15, 16, 255, 256, 1013, 1017, 1018])


LIES = st.sampled_from([0, 0, 0, -2, -1, 1, 2])
LINE_ENDS = st.sampled_from([b"\r\n"] * 8 + [b"\n\n", b"\r\r", b"ab"])


@given(st.lists(st.tuples(LINES, LENGTHS, LIES, LINE_ENDS, st.booleans()), max_size=12))
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_chunk_in_a_read_of_its_own_is_read_as_in_pieces(chunks):
    """Right and wrong ones, with sizes that may lie, some of them in two reads."""
    whole, by_two = ChunkedBody(), ChunkedBody()
    for form, size, lie, line_end, is_cut in chunks:
        data = form % max(1, size + lie) + b"\r\n" + b"\r" * size + line_end
        cut = len(data) // 2 if is_cut else len(data)
        results = []
        for body, parts in ((whole, [data[:cut], data[cut:]]), (by_two, [data[:1], data[1:]])):
            try:
                out, payload, rest = feed_all(body, [part for part in parts if part])
            except BadBody as error:
                results.append(str(error))
            else:
                results.append((out, payload, rest, body.is_done))
        assert results[0] == results[1]
        if isinstance(results[0], str):
            return


def test_the_sizes_of_whole_chunks_are_those_that_a_server_writes():
    for size in range(1, 1200):
        chunk = chunk_of(b"x" * size)
        assert ChunkedBody().feed(chunk) == chunk
        if len(chunk) < len(framing.WHOLE_CHUNKS):
            assert chunk.startswith(framing.WHOLE_CHUNKS[len(chunk)])
    without = [size for size, line in enumerate(framing.WHOLE_CHUNKS) if line == b"\n"]
    assert without == [*range(6), 21, 262]


@given(st.binary(max_size=200), st.integers(1, 250))
@settings(max_examples=EXAMPLES, deadline=None)
def test_noise_never_passes_as_a_whole_body_that_h11_refuses(data, size):
    body = ChunkedBody()
    try:
        out, payload, _ = feed_all(body, pieces(data, size))
    except BadBody:
        return
    if not body.is_done:
        return
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + out)
    found = b""
    while not isinstance(event := parser.next_event(), h11.EndOfMessage):
        found += event.data if isinstance(event, h11.Data) else b""
    assert found == payload


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_length_ends_where_it_says(size):
    body = LengthBody(10)
    assert feed_all(body, pieces(b"0123456789after", size)) == (
        *(b"0123456789", b"0123456789", b"after"),
    )


def test_a_body_without_length_lasts_until_the_close():
    body = UntilCloseBody()
    assert feed_all(body, [b"a", b"b"]) == (b"ab", b"ab", None)


def test_after_a_message_without_body_everything_is_left_over():
    body = NoBody()
    assert body.is_done
    assert (body.feed(b"x"), body.rest) == (b"", b"x")


def test_no_bytes_are_no_chunk_because_that_would_be_the_last():
    assert (chunk_of(b""), chunk_of(b"x" * 16)) == (b"", b"10\r\n" + b"x" * 16 + b"\r\n")


def answer(*lines: bytes, status: bytes = b"200 OK", version: bytes = b"HTTP/1.1"):
    return parse_response(b"\r\n".join([version + b" " + status, *lines, b"\r\n"]))


TE, LENGTH, ZERO = b"Transfer-Encoding: chunked", b"Content-Length: 5", b"Content-Length: 0"


@pytest.mark.parametrize(
    ("head", "method", "kind"),
    [
        (answer(TE), b"POST", ChunkedBody),
        (answer(LENGTH), b"GET", LengthBody),
        (answer(ZERO), b"GET", NoBody),
        (answer(), b"GET", UntilCloseBody),
        (answer(LENGTH), b"HEAD", NoBody),
        (answer(TE), b"HEAD", NoBody),
        (answer(status=b"204 No Content"), b"GET", NoBody),
        (answer(LENGTH, status=b"304 Not Modified"), b"GET", NoBody),
    ],
)
def test_how_the_body_of_an_answer_is_framed(head, method, kind):
    assert type(framing.body_of_answer(head, method)) is kind


@pytest.mark.parametrize(
    ("line", "kind"), [(TE, ChunkedBody), (LENGTH, LengthBody), (ZERO, NoBody), (b"A: b", NoBody)]
)
def test_how_the_body_of_a_request_is_framed(line, kind):
    head = parse_request(b"POST / HTTP/1.1\r\nHost: x\r\n" + line + b"\r\n\r\n")
    assert type(framing.body_of_request(head)) is kind


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (answer(TE), True),
        (answer(LENGTH), True),
        (answer(), False),
        (answer(LENGTH, b"Connection: close"), False),
        (answer(LENGTH, version=b"HTTP/1.0"), False),
    ],
)
def test_which_connection_may_be_used_again(head, expected):
    assert framing.is_reusable(head, framing.body_of_answer(head, b"GET")) is expected


def test_compressed_bytes_pass_untouched():
    packed = gzip.compress(b"x" * 5000)
    data = chunk_of(packed) + b"0\r\n\r\n"
    assert feed_all(ChunkedBody(), pieces(data, 11)) == (data, packed, b"")
