"""Trees of small files, as the kernel shows them, and what it takes to be refused one."""

import ctypes
import os
import threading
from pathlib import Path


def plant(root, files):
    """Write each file of path -> text or bytes."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else f"{content}\n".encode())


def break_file(path: Path):
    """Let reading a file fail, with EIO, as a sensor does that does not answer."""
    path.unlink(missing_ok=True)
    path.symlink_to("/proc/self/mem")


def as_nobody(work):
    """Call `work` without root's right to read everything; return its value or what it raised."""
    result = []

    def run():
        if os.geteuid() == 0:
            ctypes.CDLL(None).setfsuid(65534)
        try:
            result.append(work())
        except Exception as error:  # noqa: BLE001 - whatever it is, the test wants it
            result.append(error)

    # The file-system user belongs to a thread and ends with it.
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return result[0]
