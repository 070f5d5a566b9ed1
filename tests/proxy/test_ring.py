import pytest

from ollamon.proxy.records import RequestKind
from ollamon.proxy.ring import ROW, Numbers, Ring

START = 1_764_000_000_000 * 1024
CHAT = RequestKind("POST", "/api/chat", "tiny", "200", "ok", "stop", "ollama")
TAGS = RequestKind("GET", "/api/tags", "unknown", "200", "ok", "", "curl")


def numbers(id_: int) -> Numbers:
    return Numbers(id_, 1.7e9, 7, None, 2**53, 0.25, 0.125, 76.5, None, 0.0, 1.5, None)


def filled(count: int, size: int = 5) -> Ring:
    ring = Ring(size, START)
    for number in range(1, count + 1):
        ring.add(TAGS if number % 2 else CHAT, numbers(number), not number % 2)
    return ring


def seqs(ring: Ring, since: int, limit: int = 100) -> list[int]:
    return [record.seq - START for record in ring.since(START + since, limit).records()]


def test_what_was_put_in_comes_out():
    (first, second) = filled(2).since(0, 9).records()
    assert first._asdict() == {
        "seq": START + 1,
        **TAGS._asdict(),
        **numbers(1)._asdict(),
        "is_stream": False,
    }
    assert (second.seq, second.id, second.model, second.is_stream) == (START + 2, 2, "tiny", True)


def test_an_empty_ring_has_no_rows_and_says_where_the_first_will_be():
    ring = Ring(5, START)
    assert (ring.first, ring.last) == (START + 1, START)
    assert seqs(ring, 0) == []


@pytest.mark.parametrize("count", range(14))
@pytest.mark.parametrize("since", [0, 1, 4, 5, 6, 9, 13, 20])
@pytest.mark.parametrize("limit", [1, 3, 5, 100])
def test_rows_after_a_number_are_those_of_a_list(count, since, limit):
    held = list(range(1, count + 1))[-5:]
    ring = filled(count)
    assert seqs(ring, since, limit) == [seq for seq in held if seq > since][:limit]
    assert ring.last == START + count
    assert ring.first == START + (held[0] if held else 1)


def test_a_copy_does_not_change_while_the_ring_goes_on():
    ring = filled(5)
    rows = ring.since(0, 5)
    for number in range(6, 11):
        ring.add(
            RequestKind("POST", "/x", "new", "200", "ok", "", "curl"),
            numbers(number),
            is_stream=True,
        )
    assert [record.id for record in rows.records()] == [1, 2, 3, 4, 5]


def test_a_full_ring_is_as_large_as_an_empty_one():
    assert len(filled(50)._block) == 5 * ROW.size
    assert ROW.size == 101


@pytest.mark.parametrize("count", [1, 5, 7, 12])
def test_what_a_request_drew_is_written_into_its_row_while_it_is_held(count):
    ring = filled(count)
    before = [record._replace(joules=None) for record in ring.since(0, 9).records()]
    for seq in range(count + 3):
        ring.settle(START + seq, seq + 0.5)
    after = list(ring.since(0, 9).records())
    assert [record.joules for record in after] == [each.seq - START + 0.5 for each in before]
    assert [record._replace(joules=None) for record in after] == before
