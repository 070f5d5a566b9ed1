"""Version numbers that can be compared, without I/O."""

import re


def numbers_of(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with, three of them; () when it is none.

    What follows them, such as `-rc1`, is passed over.
    """
    found = re.match(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4})(?!\d)|(?!\.?\d))", version)
    return tuple(int(number or 0) for number in found.groups()) if found else ()
