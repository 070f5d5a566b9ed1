import random

import pytest

from ollamon.helper.powermetrics.splitter import Splitter
from tests.fakes.powermetrics import apple, document

DOCUMENTS = [document(apple(gpu_mw=100.0 * number)) for number in range(1, 4)]
WHOLE = [each.rstrip() for each in DOCUMENTS]
STREAM = b"\0".join(DOCUMENTS)


def split(data, step=1 << 20):
    splitter = Splitter()
    found = []
    for start in range(0, len(data), step):
        found += splitter.feed(data[start : start + step])
    return found, splitter


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100, 777, 4096, 65536])
def test_pieces_of_any_size_give_the_same_documents(step):
    found, splitter = split(STREAM, step)
    assert (found, splitter.dropped) == (WHOLE, 0)


def test_a_cut_at_any_byte_changes_nothing():
    for cut in range(len(STREAM)):
        splitter = Splitter()
        found = splitter.feed(STREAM[:cut]) + splitter.feed(STREAM[cut:])
        assert (found, splitter.dropped) == (WHOLE, 0), cut


def test_random_pieces_up_to_64k_change_nothing():
    chance = random.Random(5)
    stream = STREAM * 40
    for _ in range(20):
        splitter, at, found = Splitter(), 0, []
        while at < len(stream):
            size = chance.choice([1, 50, 5000, 65536])
            found += splitter.feed(stream[at : at + size])
            at += size
        assert found == WHOLE * 40


def test_a_document_is_complete_before_the_nul_that_follows():
    splitter = Splitter()
    assert splitter.feed(DOCUMENTS[0]) == [WHOLE[0]]
    assert splitter.feed(b"") == []
    assert splitter.finish() == []
    assert splitter.dropped == 0


def test_a_stream_that_ends_anywhere_gives_what_was_complete():
    ends = [len(b"\0".join(DOCUMENTS[: n + 1])) - 1 for n in range(3)]
    for cut in range(0, len(STREAM), 11):
        splitter = Splitter()
        assert splitter.feed(STREAM[:cut]) == WHOLE[: sum(cut >= end for end in ends)], cut
        splitter.finish()
        assert splitter.dropped <= 1


@pytest.mark.parametrize("step", [1, 777, 65536])
@pytest.mark.parametrize("cut", [1, 60, 500, len(DOCUMENTS[1]) - 9])
def test_a_truncated_document_in_the_middle_is_dropped_alone(cut, step):
    data = b"\0".join([DOCUMENTS[0], DOCUMENTS[1][:cut], DOCUMENTS[2]])
    found, splitter = split(data, step)
    assert (found, splitter.dropped) == ([WHOLE[0], WHOLE[2]], 1)


def test_a_truncated_document_without_nul_is_dropped_alone():
    found, splitter = split(DOCUMENTS[0][:500] + DOCUMENTS[1])
    assert (found, splitter.dropped) == ([WHOLE[1]], 1)


@pytest.mark.parametrize("junk", [b"Warning: something\n", b"\0junk\0", b"\xff\xfe\0\0"])
def test_junk_in_front_is_passed_over(junk):
    found, splitter = split(junk + STREAM)
    assert found == WHOLE
    assert splitter.dropped == 1


def test_an_end_without_a_beginning_is_no_document():
    found, splitter = split(b"half</dict></plist>\n\0" + STREAM)
    assert (found, splitter.dropped) == (WHOLE, 1)


def test_a_document_that_is_too_long_is_dropped_and_memory_stays_bounded():
    long = DOCUMENTS[0].replace(b"Mac16,1", b"x" * 9_000_000)
    splitter = Splitter()
    found = []
    for start in range(0, len(long), 65536):
        found += splitter.feed(long[start : start + 65536])
        assert len(splitter._held) <= (8 << 20) + 65536
    found += splitter.feed(b"\0" + DOCUMENTS[1])
    assert (found, splitter.dropped) == ([WHOLE[1]], 1)


def test_a_truncated_document_is_dropped_as_soon_as_the_next_could_begin():
    splitter = Splitter()
    assert splitter.feed(DOCUMENTS[0][:500] + b"\0") == []
    assert (splitter.dropped, splitter._held) == (1, b"")
