"""Runs the helper: as a child of the supervisor, or by hand.

On Linux it is root for a moment only, when it is at all, so that first of all it gives that up.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from ollamon.errors import PrivilegeError
from ollamon.helper import privilege


def main(arguments: Sequence[str] | None = None, root: str = privilege.ROOT) -> int:
    """Run until told to stop; return the exit code of `service.run`, or 8: root stays with us.

    Args:
        arguments: Instead of those of the process.
        root: Where the kernel shows its devices.
    """
    words = sys.argv[1:] if arguments is None else arguments
    is_root = os.geteuid() == 0
    try:
        counters = privilege.give_up_root(_load, root)
    except PrivilegeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    from ollamon.helper import service, trust

    # What `up` starts as root has been looked at before.
    if is_root and "--by-hand" in words and (found := trust.changeable(trust.own_files())):
        sys.stderr.write(f"warning: this ran as root, and others could change {found}\n")
    return service.run(words, counters, root)


def _load() -> None:
    """Import what is needed later, for a user who may not read it."""
    for name in ("ollamon.helper.service", "ollamon.helper.trust", "pynvml"):
        with suppress(ImportError):
            importlib.import_module(name)


if __name__ == "__main__":
    sys.exit(main())
