import itertools
import random
from collections.abc import Iterator

import pytest

from ollamon.metrics.requests import Outcome
from ollamon.proxy.events import Report
from ollamon.proxy.outcome import judge
from ollamon.proxy.reader import Form, open_reader
from ollamon.proxy.routes import Reading, route_of
from ollamon.proxy.tap import Ending
from tests.proxy.dialects import recorded

SAMPLES = recorded.load()
READ = [sample for sample in SAMPLES if open_reader(route_of(sample.target), sample.head)]
STREAMS = [sample for sample in READ if sample.head.content_type != Form.DOCUMENT]


def read(sample: recorded.Sample, pieces: Iterator[bytes], *, is_complete=True) -> Report | None:
    reader = open_reader(route_of(sample.target), sample.head)
    if reader is None:
        return None
    for index, piece in enumerate(pieces):
        reader.feed(piece, float(index))
    return reader.finish(is_complete=is_complete)


def in_pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


def at_random(body: bytes, seed: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    cuts = sorted({0, len(body), *(chance.randrange(len(body) + 1) for _ in range(12))})
    return (body[start:end] for start, end in itertools.pairwise(cuts))


def check(sample: recorded.Sample, report: Report | None) -> None:
    usage = report.usage if report else None
    assert (usage.prompt_tokens if usage else None) == sample.prompt
    assert (usage.generated_tokens if usage else None) == sample.generated
    outcome, _ = judge(Ending.COMPLETE, sample.status, report, has_head=True)
    assert outcome == sample.outcome


def facts(report: Report) -> tuple[object, ...]:
    """All of a report but its times."""
    return (
        *(report.model, report.usage, report.finish, report.has_final, report.has_failure),
        *(report.objects, report.problems, report.first_token_at is None),
    )


def test_every_recorded_answer_is_in_the_index():
    files = {str(path.relative_to(recorded.FOLDER)) for path in recorded.FOLDER.rglob("*.http")}
    assert {sample.name for sample in SAMPLES} == files
    assert len(SAMPLES) == 77


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_an_answer_in_one_piece_yields_the_recorded_tokens_and_outcome(sample):
    check(sample, read(sample, iter([sample.body])))


@pytest.mark.parametrize("size", range(1, 8))
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_an_answer_in_small_pieces_yields_the_same(sample, size):
    check(sample, read(sample, in_pieces(sample.body, size)))


@pytest.mark.parametrize("sample", READ, ids=str)
def test_an_answer_cut_at_random_offsets_says_the_same(sample):
    whole = read(sample, iter([sample.body]))
    for seed in range(200):
        report = read(sample, at_random(sample.body, seed))
        check(sample, report)
        assert facts(report) == facts(whole)


@pytest.mark.parametrize("sample", READ, ids=str)
def test_no_part_of_a_good_answer_looks_like_the_whole(sample):
    if sample.outcome != "ok":
        return
    step = 1 + len(sample.body) // 3000
    for end in range(0, len(sample.body), step):
        part = sample.body[:end]
        report = read(sample, iter([part]))
        for ending in (Ending.COMPLETE, Ending.CLIENT_GONE, Ending.UPSTREAM_CUT):
            outcome, _ = judge(ending, 200, report, has_head=True)
            is_whole = part.strip() == sample.body.strip() or _has_marker(part)
            if ending is Ending.UPSTREAM_CUT or not is_whole:
                assert outcome is not Outcome.OK, (end, ending)


def _has_marker(part: bytes) -> bool:
    """Say whether a stream's final document is whole; what follows is white space or [DONE]."""
    last = part.rstrip().rpartition(b"\n")[2]
    is_final = (
        b'"done":true' in last
        or last == b"data: [DONE]"
        or b'"type":"message_stop"' in last
        or b'"type":"response.completed"' in last
        or last == b'{"status":"success"}'
    )
    return is_final and last.endswith((b"}", b"]"))


@pytest.mark.parametrize("sample", READ, ids=str)
def test_a_part_of_an_answer_is_no_problem_of_reading(sample):
    for end in range(0, len(sample.body), 1 + len(sample.body) // 300):
        report = read(sample, iter([sample.body[:end]]), is_complete=False)
        assert not report.problems


@pytest.mark.parametrize("sample", STREAMS, ids=str)
def test_a_stream_has_a_first_token_and_a_last_one(sample):
    if route_of(sample.target).reading is not Reading.GENERATION:
        return
    lines = [line + b"\n" for line in sample.body.split(b"\n")]
    report = read(sample, iter(lines))
    first = next(index for index, line in enumerate(lines) if b" The" in line)
    assert report.first_token_at == report.first_answer_at == first
    assert report.last_token_at >= first
    assert report.model in ("tiny", "tiny-loop")


def test_a_document_has_no_first_token():
    sample = next(each for each in SAMPLES if each.name == "native/chat-nonstream.http")
    report = read(sample, iter([sample.body]))
    assert not report.is_stream
    assert report.first_token_at is None
    assert report.finish == "length"


def test_streamed_objects_are_counted_apart_from_tokens():
    sample = next(each for each in SAMPLES if each.name == "native/chat-stream.http")
    for size in (1, 7, 100, 4096):
        report = read(sample, in_pieces(sample.body, size))
        assert report.objects == 37
        assert report.usage.generated_tokens == 38


def test_a_long_document_is_read_in_bounded_memory():
    name = "native/generate-nonstream-long-context.http"
    sample = next(each for each in SAMPLES if each.name == name)
    reader = open_reader(route_of(sample.target), sample.head)
    largest = 0
    for piece in in_pieces(sample.body, 1000):
        reader.feed(piece, 0.0)
        largest = max(largest, reader.size)
    report = reader.finish(is_complete=True)
    assert largest <= 80 * 1024 < len(sample.body)
    assert report.usage.load_s == pytest.approx(0.001089038)
    assert report.model == "tiny-loop"
    assert not report.problems
