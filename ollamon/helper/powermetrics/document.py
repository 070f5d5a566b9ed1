"""Reads one document of powermetrics, even a slightly broken one, without I/O.

Keys occur twice (`gpu.idle_ratio` on macOS 14.4 to 15.5): plistlib keeps the last, the right one.
"""

import plistlib
import re
from collections.abc import Mapping

_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r")
_LONE_AMPERSAND = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9A-Fa-f]{1,6});)")
_NUMBER = re.compile(rb"<(integer|real)>\s*([^<]{0,64}?)\s*</\1>")


def load(document: bytes) -> Mapping[str, object]:
    """Return the document's dictionary.

    Raises:
        ValueError: It is none, and repairing does not help.
    """
    try:
        found = plistlib.loads(document, fmt=plistlib.FMT_XML)
    except Exception:  # noqa: BLE001 - plistlib lets errors of its parsers and its own through
        found = _load_repaired(document)
    if not isinstance(found, dict):
        raise ValueError("the document is no dictionary")
    return found


def _load_repaired(document: bytes) -> object:
    try:
        return plistlib.loads(repaired(document), fmt=plistlib.FMT_XML)
    except Exception as error:  # noqa: BLE001 - as above
        raise ValueError(f"the document cannot be read: {type(error).__name__}") from None


def repaired(document: bytes) -> bytes:
    """Drop control bytes, escape lone ampersands, and turn numbers that are none into NaN."""
    text = _LONE_AMPERSAND.sub(b"&amp;", document.translate(None, _CONTROLS))
    text = text.decode("utf-8", "replace").encode()
    return _NUMBER.sub(_repaired_number, text)


def _repaired_number(match: re.Match[bytes]) -> bytes:
    kind, content = match[1], match[2]
    try:
        int(content) if kind == b"integer" else float(content)
    except ValueError:
        return b"<real>%s</real>" % (content if _is_real(content) else b"nan")
    return match[0]


def _is_real(content: bytes) -> bool:
    try:
        float(content)
    except ValueError:
        return False
    return True
