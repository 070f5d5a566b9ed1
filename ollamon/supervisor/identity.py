"""Which process is which: a pid alone proves nothing, since the kernel gives it out again."""

import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import psutil

from ollamon.handover import RUN_ID_VARIABLE

CHILD_VARIABLE = "OLLAMON_CHILD"
IS_LINUX = sys.platform == "linux"


def start_time(pid: int) -> float | None:
    """Return when a living process began, None when there is none.

    Comparable only within one boot: clock ticks since boot on Linux, which no change of the clock
    alters, Unix seconds elsewhere.
    """
    try:
        if not IS_LINUX:
            process = psutil.Process(pid)
            is_dead = process.status() == psutil.STATUS_ZOMBIE
            return None if is_dead else process.create_time()
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (OSError, psutil.Error):
        return None
    # proc(5): the state is the third field, the start time the 22nd.
    return None if fields[0] in "ZX" else float(fields[19])


@cache
def boot_id() -> str:
    """Return what tells this boot from others."""
    if IS_LINUX:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return answer.stdout.strip()


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with; empty when it may not be read."""
    try:
        return psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return {}


def run_of(pid: int) -> str:
    """Return the run id that a process carries; "" when it carries none."""
    return environment_of(pid).get(RUN_ID_VARIABLE, "")


def is_of(pid: int, run_id: str, child: str) -> bool:
    """Say whether a process descends from that child of that run."""
    facts = environment_of(pid)
    return facts.get(RUN_ID_VARIABLE) == run_id and facts.get(CHILD_VARIABLE) == child


def is_our_sudo(pid: int) -> bool:
    """Say whether a process is a sudo that we called: root, on our behalf."""
    try:
        process = psutil.Process(pid)
        uids = process.uids()
        return process.name() == "sudo" and (uids.real, uids.effective) == (os.getuid(), 0)
    except psutil.Error:
        return False


def send_signal(pid: int, started: float, number: int) -> bool:
    """Signal exactly the process that began at `started`; say whether it was there."""
    if not hasattr(os, "pidfd_open"):
        return _signal_by_number(pid, started, number)
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        # The descriptor pins the process, so what is compared is what is signalled.
        if start_time(pid) != started:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _signal_by_number(pid: int, started: float, number: int) -> bool:
    if start_time(pid) != started:
        return False
    try:
        os.kill(pid, number)
    except OSError:
        return False
    return True
