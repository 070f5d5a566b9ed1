"""The fields `traceparent` of a request -> the id of its trace, without I/O (W3C Trace Context)."""

import re
from collections.abc import Sequence

# Later versions may append to what version 00 says; ff is none. An id of zeros is invalid.
_TRACEPARENT = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)


def trace_of(values: Sequence[bytes]) -> str:
    """Return 32 hexadecimal digits; "" when there is not exactly one valid field."""
    if len(values) != 1:
        return ""
    found = _TRACEPARENT.fullmatch(values[0])
    if found is None or (found[1] == b"00" and found[3] is not None):
        return ""
    return found[2].decode("ascii")
