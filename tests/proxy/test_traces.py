import pytest

from ollamon.proxy.traces import trace_of

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = b"00f067aa0ba902b7"
VALID = b"-".join((b"00", TRACE, PARENT, b"01"))


@pytest.mark.parametrize(
    "value",
    [
        VALID,
        b"-".join((b"00", TRACE, PARENT, b"00")),
        b"-".join((b"cc", TRACE, PARENT, b"01")),
        b"-".join((b"cc", TRACE, PARENT, b"01", b"what-comes-later")),
    ],
)
def test_the_id_of_the_trace_is_read(value):
    assert trace_of([value]) == TRACE.decode()


BROKEN = {
    "nothing": b"",
    "letters in upper case": VALID.upper(),
    "no digits": VALID.replace(b"4", b"g"),
    "a trace of zeros": VALID.replace(TRACE, b"0" * 32),
    "a parent of zeros": VALID.replace(PARENT, b"0" * 16),
    "a trace too short": VALID.replace(TRACE, TRACE[1:]),
    "a trace too long": VALID.replace(TRACE, TRACE + b"0"),
    "no flags": VALID[:-3],
    "the version that is none": b"ff" + VALID[2:],
    "more than version 00 says": VALID + b"-more",
    "something glued on": b"cc" + VALID[2:] + b"more",
    "two in one": VALID + b", " + VALID,
    "a prompt": b'why is the sky blue? "} evil 1',
    "letters of no alphabet": VALID.replace(b"4b", b"\xff\xfe"),
}


@pytest.mark.parametrize("value", BROKEN.values(), ids=BROKEN)
def test_what_is_no_trace_is_none(value):
    assert trace_of([value]) == ""


def test_none_or_two_fields_are_none():
    assert trace_of([]) == ""
    assert trace_of([VALID, VALID]) == ""
