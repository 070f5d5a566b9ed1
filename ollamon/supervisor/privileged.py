"""What is said of a child that runs as root below sudo, and that we may not end."""

import psutil


def cannot_end(sudo_pid: int) -> str:
    """Return the words for people: who is left, and the command that ends it."""
    pids = named(sudo_pid)
    return f"root pid {pids} does not leave and is not ours to end; as root: kill -KILL {pids}"


def named(sudo_pid: int) -> str:
    """Return the pids of what sudo runs, or its own when that cannot be seen."""
    return " ".join(map(str, roots_below(sudo_pid) or [sudo_pid]))


def roots_below(sudo_pid: int) -> list[int]:
    """Return the processes that sudo runs; it may stand between itself and a terminal of its own.

    Who kills sudo leaves them behind, and who kills them ends sudo too.
    """
    try:
        below = psutil.Process(sudo_pid).children(recursive=True)
        return [process.pid for process in below if process.name() != "sudo"]
    except psutil.Error:
        return []
