"""Gives root up on Linux, after the files are open that only root may open.

A descriptor of the kernel's counters stays readable. Everything else of the helper is imported and
run as the person who called sudo, or as nobody.
"""

import ctypes
import glob
import os
import sys
from collections.abc import Callable, Mapping

from ollamon.errors import PrivilegeError

ROOT = "/sys"
NOBODY = 65534
_PR_SET_NO_NEW_PRIVS = 38


def give_up_root(load: Callable[[], None], root: str = ROOT) -> dict[str, int]:
    """Become somebody else for good; return RAPL's zone -> descriptor of its energy counter.

    Where we are not root, or not on Linux, nothing happens: on macOS powermetrics needs root again
    each hour.

    Args:
        load: Called before, when afterwards our own files cannot be read.
        root: Where the kernel shows its devices.

    Raises:
        PrivilegeError: The system does not let us.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        return {}
    counters = open_counters(root)
    uid, gid = heir(os.environ)
    try:
        os.setgroups([])
        if not _may_read(uid, gid):
            load()
        os.setgid(gid)
        os.setuid(uid)
    except OSError as error:
        raise PrivilegeError(f"cannot give root up: {error.strerror}") from None
    # No program that we run can become more than we are.
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return counters


def heir(environment: Mapping[str, str]) -> tuple[int, int]:
    """Return uid and gid of the person who called sudo, else those of nobody."""
    words = [environment.get(name, "") for name in ("SUDO_UID", "SUDO_GID")]
    if not all(word.isascii() and word.isdecimal() and 0 < int(word) < 2**32 - 1 for word in words):
        return NOBODY, NOBODY
    return int(words[0]), int(words[1])


def open_counters(root: str) -> dict[str, int]:
    """Open the energy counter of every RAPL package that can be opened."""
    counters = {}
    for folder in glob.glob(f"{root}/class/powercap/intel-rapl:*"):  # noqa: PTH207
        try:
            counters[os.path.basename(folder)] = os.open(  # noqa: PTH119
                f"{folder}/energy_uj", os.O_RDONLY | os.O_CLOEXEC
            )
        except OSError:
            continue
    return counters


def _may_read(uid: int, gid: int) -> bool:
    """Say whether they could read our own files, and those of Python."""
    os.setegid(gid)
    os.seteuid(uid)
    try:
        for file in (__file__, os.__file__):
            with open(file, "rb"):  # noqa: PTH123
                pass
    except OSError:
        return False
    finally:
        os.seteuid(0)
        os.setegid(0)
    return True
