"""What a terminal wants; apart, so that `ollamon status` need not import the whole console."""

import os
import re
from typing import TextIO

_ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def plain(text: bytes) -> bytes:
    """Take out what is for terminals only: colours, titles, movements."""
    return _ESCAPE.sub(b"", text)


def wants_colour(stream: TextIO) -> bool:
    """Follow FORCE_COLOR and NO_COLOR, else whether it is a terminal."""
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and not os.environ.get("NO_COLOR")


def has_terminal() -> bool:
    """Say whether this process's session has a terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
