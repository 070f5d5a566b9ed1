import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollamon.proxy.events import Problem, Report, Usage
from ollamon.proxy.reader import ROOM, Form, Reader, open_reader
from ollamon.proxy.routes import Dialect, route_of
from ollamon.proxy.tap import AnswerHead

SAID = '{{"model":"m","message":{{"content":"{}"}},"done":false}}\n'
END = b'{"model":"m","done":true,"done_reason":"stop","prompt_eval_count":2,"eval_count":9}\n'
CHUNK = 'data: {{"model":"m","choices":[{{"delta":{{"content":"{}"}}}}]}}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":9}}\n\n'


def chat() -> Reader:
    return Reader(Dialect.OLLAMA, Form.LINES)


def completions() -> Reader:
    return Reader(Dialect.OPENAI, Form.EVENTS)


def messages() -> Reader:
    return Reader(Dialect.ANTHROPIC, Form.EVENTS)


def read(reader: Reader, *pieces: bytes, is_complete: bool = True) -> Report:
    for moment, piece in enumerate(pieces):
        reader.feed(piece, float(moment))
        assert reader.size <= 80 * 1024
    return reader.finish(is_complete=is_complete)


def facts(report: Report) -> tuple[object, ...]:
    return (
        *(report.model, report.usage, report.finish, report.has_final, report.has_failure),
        *(report.objects, report.problems),
    )


@pytest.mark.parametrize(
    ("target", "status", "kind", "is_encoded", "is_read"),
    [
        ("/api/chat", 200, "application/x-ndjson", False, True),
        ("/api/chat", 200, "application/json", False, True),
        ("/v1/chat/completions", 200, "text/event-stream", False, True),
        ("/api/chat", 200, "text/plain", False, False),
        ("/api/chat", 200, "", False, False),
        ("/api/chat", 404, "application/json", False, False),
        ("/api/chat", 500, "application/json", False, False),
        ("/api/chat", 200, "application/x-ndjson", True, False),
        ("/api/tags", 200, "application/json", False, False),
        ("/unknown", 200, "application/x-ndjson", False, False),
    ],
)
def test_only_answers_that_can_tell_something_are_read(target, status, kind, is_encoded, is_read):
    reader = open_reader(route_of(target), AnswerHead(status, kind, is_encoded))
    assert (reader is not None) == is_read


def test_thinking_comes_first_and_the_visible_answer_later():
    think = b'{"message":{"content":"","thinking":"hm"}}\n'
    report = read(chat(), think, think, SAID.format("x").encode(), END)
    assert (report.first_token_at, report.first_answer_at, report.last_token_at) == (0, 2, 2)
    assert report.objects == 3


def test_the_last_token_is_found_among_the_last_documents():
    pieces = [CHUNK.format(number).encode() for number in range(20)]
    finish = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    report = read(completions(), *pieces, finish, USAGE, b"data: [DONE]\n\n")
    assert (report.first_token_at, report.last_token_at) == (0, 19)
    assert report.objects == 20
    assert report.finish == "stop"
    assert report.usage == Usage(2, 9)
    assert report.has_final


def test_a_role_alone_comments_and_pings_are_no_tokens():
    role = b'data: {"choices":[{"delta":{"role":"assistant","content":null}}]}\n\n'
    report = read(completions(), role, b": ping\n\n", b"event: x\n\n", CHUNK.format("x").encode())
    assert report.first_token_at == 3
    assert not report.problems


def test_zeros_before_the_true_usage_count_for_nothing():
    zeros = (
        b'data: {"choices":[{"text":"x"}],"usage":{"prompt_tokens":0,"completion_tokens":0}}\n\n'
    )
    whole = read(completions(), zeros, zeros, USAGE, b"data: [DONE]\n\n")
    cut = read(completions(), zeros, zeros, is_complete=False)
    assert whole.usage == Usage(2, 9)
    assert cut.usage is None


def test_usage_beside_the_last_choice_counts_when_nothing_follows():
    last = b'data: {"choices":[{"text":""}],"usage":{"prompt_tokens":4,"completion_tokens":2}}\n\n'
    report = read(completions(), b'data: {"choices":[{"text":"x"}]}\n\n', last, b"data: [DONE]\n\n")
    assert report.usage == Usage(4, 2)


def test_what_message_delta_leaves_out_stands_in_message_start():
    report = read(
        messages(),
        b'event: message_start\ndata: {"type":"message_start","message":{"model":"m",'
        b'"usage":{"cache_read_input_tokens":24,"input_tokens":1,"output_tokens":0}}}\n\n',
        b'data: {"type":"content_block_delta","delta":{"text":"x"}}\n\n',
        b'data: {"type":"message_delta","usage":{"output_tokens":2}}\n\n',
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    )
    assert report.usage == Usage(25, 2, 24)


def test_an_error_in_mid_stream_is_seen():
    report = read(chat(), SAID.format("x").encode(), b'{"error":"unexpected EOF"}\n')
    assert report.has_failure
    assert not report.has_final


def test_a_last_line_without_its_end_is_read():
    report = read(chat(), SAID.format("x").encode(), END.rstrip())
    assert report.has_final
    assert report.usage == Usage(2, 9)


@pytest.mark.parametrize("junk", [b"[" * 60_000, b"{", b"nonsense", b"\xff\xfe\x00", b"1" * 5000])
def test_a_line_that_is_no_json_is_a_problem_and_no_end(junk):
    report = read(chat(), junk + b"\n", SAID.format("x").encode(), junk + b"\n", END)
    assert report.problems == {Problem.JSON}
    assert report.usage == Usage(2, 9)


def test_half_a_line_is_a_problem_only_if_the_answer_is_complete():
    said = SAID.format("x").encode()
    assert read(chat(), said, b'{"mo', is_complete=False).problems == frozenset()
    assert read(chat(), said, b'{"mo').problems == {Problem.JSON}


def test_a_final_line_of_400_kb_is_read_from_its_edges():
    context = ",".join(["391"] * 100_000)
    line = (
        f'{{"model":"m","response":"","done":true,"done_reason":"length","context":[{context}],'
        '"total_duration":9,"prompt_eval_count":25,"eval_count":14000,"eval_duration":5}\n'
    ).encode()
    pieces = [line[start : start + 65536] for start in range(0, len(line), 65536)]
    report = read(chat(), b'{"model":"m","response":"x"}\n', *pieces)
    assert report.usage.generated_tokens == 14000
    assert report.finish == "length"
    assert report.has_final
    assert not report.problems


def test_a_final_line_whose_counters_are_out_of_reach_is_oversize():
    logprobs = json.dumps([{"token": "x" * 60}] * 2000)
    line = f'{{"model":"m","done":true,"total_duration":1,"logprobs":{logprobs}}}\n'
    line = line.replace('"total_duration":1,', " " * 5000 + '"total_duration":1,')
    report = read(chat(), SAID.format("x").encode(), line.encode())
    assert report.has_final
    assert report.usage is None
    assert report.problems == {Problem.OVERSIZE}


def test_long_lines_never_add_up_beyond_the_room():
    long = SAID.format("x" * 60_000).encode()
    reader = chat()
    for moment in range(20):
        for start in range(0, len(long), 10_000):
            reader.feed(long[start : start + 10_000], float(moment))
            assert reader.size <= ROOM
    reader.feed(END, 20.0)
    assert reader.finish(is_complete=True).usage == Usage(2, 9)


def test_a_read_of_thousands_of_lines_is_counted_whole():
    body = b"".join(SAID.format(number).encode() for number in range(5000))
    report = read(chat(), SAID.format("x").encode(), body, END)
    assert report.objects == 5001
    body = b"".join(CHUNK.format(number).encode() for number in range(5000))
    report = read(completions(), CHUNK.format("x").encode(), body, USAGE + b"data: [DONE]\n\n")
    assert report.objects == 5001


def test_what_follows_the_end_of_a_document_is_no_json():
    reader = Reader(Dialect.OLLAMA, Form.DOCUMENT)
    report = read(reader, b'{"done":true,"prompt_eval_count":2,"eval_count":9}', b"{")
    assert not report.has_final
    assert report.problems == {Problem.JSON}


def test_an_empty_document_is_not_whole():
    report = read(Reader(Dialect.OLLAMA, Form.DOCUMENT), b" \n")
    assert not report.has_final


TEXTS = st.lists(st.text(max_size=40).map(lambda text: json.dumps(text)[1:-1]), max_size=30)
CUTS = st.lists(st.integers(0, 40_000), max_size=12)
LINE_ENDS = st.sampled_from(["\n", "\r\n"])
# What stands between documents and is none; many times makes reads of which the middle is skipped.
BESIDE = st.lists(
    st.sampled_from([": {ping}\n\n", "event: x\n", "id: {7}\n", "\n", ""]), max_size=9
)
TIMES = st.sampled_from([1, 1, 9])


@given(TEXTS, TIMES, CUTS, LINE_ENDS)
def test_any_cutting_of_lines_says_the_same(texts, times, cuts, end):
    body = ("".join(SAID.format(text) for text in texts * times) + END.decode()).replace("\n", end)
    _same_however_cut(chat, body.encode(), cuts)


@given(TEXTS, BESIDE, TIMES, CUTS, LINE_ENDS)
def test_any_cutting_of_events_says_the_same(texts, beside, times, cuts, end):
    others = itertools.cycle(beside or [""])
    chunks = "".join(next(others) + CHUNK.format(text) for text in texts * times)
    body = ": ping\n\nevent: start\n" + chunks + USAGE.decode() + "data: [DONE]\n\n"
    _same_however_cut(completions, body.replace("\n", end).encode(), cuts)


def _same_however_cut(make, body: bytes, cuts: list[int]) -> None:
    """Every other cut falls on the end of a document, as reads mostly do."""
    ends = [0, *(found.end() for found in re.finditer(rb"}\r?\n(\r?\n)?", body))]
    places = (cut % (len(body) + 1) if cut % 2 else ends[cut % len(ends)] for cut in cuts)
    edges = sorted({0, len(body), *places})
    pieces = [body[start:end] for start, end in itertools.pairwise(edges)]
    whole, cut = read(make(), body), read(make(), *pieces)
    assert facts(whole) == facts(cut)
    assert whole.usage == Usage(2, 9)
    assert whole.has_final


def test_streams_of_one_model_share_its_name():
    said = []
    for _ in range(2):
        reader = open_reader(route_of("/api/chat"), AnswerHead(200, "application/x-ndjson", False))
        reader.feed(b'{"model":"shared:7b","done":true}\n', 1.0)
        said.append(reader.finish(is_complete=True).model)
    assert said[0] == "shared:7b"
    assert said[0] is said[1]
