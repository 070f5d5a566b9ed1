import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollamon.proxy.lines import EDGE, WHOLE, Line, LineBuffer, Splitter


def split(pieces: list[bytes]) -> list[Line]:
    splitter = Splitter()
    lines = [line for piece in pieces for line in splitter.feed(piece)]
    return [*lines, splitter.end()]


def kept(text: bytes) -> Line:
    return Line(text) if len(text) <= WHOLE else Line(text[:EDGE], text[-EDGE:])


@given(st.lists(st.binary(max_size=30)))
def test_any_cutting_yields_the_same_lines(pieces):
    assert split(pieces) == [Line(text) for text in b"".join(pieces).split(b"\n")]


@pytest.mark.parametrize("size", [0, 1, EDGE, WHOLE - 1, WHOLE, WHOLE + 1, 3 * WHOLE])
@pytest.mark.parametrize("seed", range(5))
def test_of_a_long_line_both_edges_remain_however_it_is_cut(size, seed):
    chance = random.Random(seed)
    text = bytes(chance.randrange(97, 123) for _ in range(size))
    body = b"before\n" + text + b"\nafter"
    cuts = sorted({0, len(body), *(chance.randrange(len(body)) for _ in range(8))})
    pieces = [body[start:end] for start, end in itertools.pairwise(cuts)]
    assert split(pieces) == [Line(b"before"), kept(text), Line(b"after")]
    assert split([bytes([byte]) for byte in body[:5000]] + [body[5000:]]) == split([body])


def test_a_long_line_costs_no_more_memory_than_a_whole_one():
    buffer = LineBuffer()
    for _ in range(1000):
        buffer.add(b"x" * 999)
        assert buffer.size <= WHOLE
    assert buffer.take().size == 2 * EDGE
    assert buffer.size == 0
    assert buffer.take() == Line(b"")
