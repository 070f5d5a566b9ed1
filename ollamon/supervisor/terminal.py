"""What a terminal wants; apart, so that `ollamon status` need not import the whole console."""

import os
from typing import TextIO


def wants_colour(stream: TextIO) -> bool:
    """Follow FORCE_COLOR and NO_COLOR, else whether it is a terminal."""
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and not os.environ.get("NO_COLOR")
