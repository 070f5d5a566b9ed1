"""A process of its own that ends the children's groups when the supervisor was killed.

Started as `python -I -S guard.py` in a session of its own. It reads lines on stdin: `+ PGID`,
`- PGID`, `bye`. End of file without `bye` means that the supervisor died: SIGTERM to every group
that is left, SIGKILL after the grace period. It imports little and knows nothing else of ollamon.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE_S = 5.0
POLL_S = 0.02


def follow(lines: Iterable[str], groups: set[int]) -> bool:
    """Keep the list of groups; say whether the supervisor took its leave."""
    for line in lines:
        word, _, number = line.strip().partition(" ")
        if word == "bye":
            return True
        if number.isdecimal() and int(number) > 1:
            (groups.add if word == "+" else groups.discard)(int(number))
    return False


def signal_all(groups: set[int], number: int) -> None:
    """Signal every group; forget those that are empty."""
    for group in list(groups):
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            groups.discard(group)
        except PermissionError:
            # Another user's, or zombies alone on macOS: nothing that we could do.
            groups.discard(group)


def end(groups: set[int], grace_s: float) -> None:
    """Ask, wait, and insist."""
    signal_all(groups, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while groups and time.monotonic() < deadline:
        time.sleep(POLL_S)
        signal_all(groups, 0)
    signal_all(groups, signal.SIGKILL)


def main() -> None:
    """Wait for the end of the supervisor."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    if not follow(sys.stdin, groups):
        end(groups, float(sys.argv[1]) if len(sys.argv) > 1 else GRACE_S)


if __name__ == "__main__":
    main()
