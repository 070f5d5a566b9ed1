"""Runs the helper: as a child of the supervisor, or by hand.

On Linux it is root for a moment only, when it is at all, so that first of all it gives that up.
"""

import importlib
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
    try:
        counters = privilege.give_up_root(_load, root)
    except PrivilegeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    from ollamon.helper import service

    return service.run(sys.argv[1:] if arguments is None else arguments, counters, root)


def _load() -> None:
    """Import what is needed later, for a user who may not read it."""
    for name in ("ollamon.helper.service", "pynvml"):
        with suppress(ImportError):
            importlib.import_module(name)


if __name__ == "__main__":
    sys.exit(main())
