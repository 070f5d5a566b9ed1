"""A user that is not root, for tests that run as root."""

import os
from pathlib import Path

import pytest

# Nobody's, so that nothing else counts against its limits; not even another run of the tests.
UID = 50_000 + os.getpid() % 10_000

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


def as_user(*folders: Path, capability: str = "dac_read_search", uid: int = UID) -> tuple[str, ...]:
    """Return what goes before a command; these folders are the user's from now on.

    With the capability it can read this checkout, wherever that lies.
    """
    for folder in folders:
        os.chown(folder, uid, uid)
    return (
        *("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"),
        *(f"--inh-caps=-all,+{capability}", f"--ambient-caps=-all,+{capability}"),
    )
