"""Reads small files of the kernel, below a root that tests replace."""

from pathlib import Path

ROOT = Path("/sys")
_MOST = 4096


def read_bytes(path: Path, most: int = _MOST) -> bytes:
    """Return the start of a file.

    Raises:
        OSError: It is missing, forbidden, or its device does not answer.
    """
    with path.open("rb", buffering=0) as file:
        return file.read(most) or b""


def read_text(path: Path) -> str | None:
    """Return a file's text without white space around it; None when it cannot be read now.

    A sensor that sleeps, resets or was unplugged answers EBUSY, EINVAL, EPERM, ENODEV or EIO.
    """
    try:
        return read_bytes(path).decode("ascii", "replace").strip()
    except OSError:
        return None


def read_number(path: Path) -> int | None:
    """Return a file's whole number; None when it cannot be read now or holds none."""
    return number(read_text(path))


def number(text: str | None) -> int | None:
    """Return the whole number that a file of the kernel holds, else None."""
    if text is None or len(text) > 20 or not text.removeprefix("-").isdecimal():
        return None
    return int(text)


def listed(folder: Path, pattern: str) -> list[Path]:
    """Return the entries that match, in a stable order; none when there is no such folder."""
    try:
        return sorted(folder.glob(pattern), key=lambda path: (len(path.name), path.name))
    except OSError:
        return []
