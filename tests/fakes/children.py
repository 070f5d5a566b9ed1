"""Run a child of ollamon as the supervisor would: handover on stdin, sockets, readiness on a pipe.

The test's process stands in for the supervisor: it binds the listening sockets on port 0, so that
no port is guessed, and hands them over.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ollamon import handover
from ollamon.handover import Handover

PATIENCE_S = 60.0
RUN_ID = "0a1b2c3d"
TOKEN = "what only children know"
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Child:
    """One running child.

    Attributes:
        urls: Name of a socket -> base URL, known before the child starts.
        log: What it wrote on stdout and stderr.
        program: Python to run instead of the child's module.
    """

    name: str
    log: Path
    urls: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen | None = None
    program: str = ""
    _sockets: dict[str, socket.socket] = field(default_factory=dict)
    _notices: int = -1
    _heard: bytes = b""

    def bind(self, *names: str) -> None:
        """Listen on a port of its own for each name."""
        for name in names:
            self._sockets[name] = listening = socket.create_server(("127.0.0.1", 0), backlog=128)
            self.urls[name] = f"http://127.0.0.1:{listening.getsockname()[1]}"

    def address(self, name: str) -> str:
        return self.urls[name].removeprefix("http://")

    def start(self, section: Mapping[str, object]) -> None:
        """Spawn it; `wait_ready` waits for its word."""
        descriptors = {name: taken.fileno() for name, taken in self._sockets.items()}
        self._notices, theirs = os.pipe()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-u", *self._what()],
                env=os.environ | {handover.NOTIFY_VARIABLE: str(theirs)},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[theirs, *descriptors.values()],
                start_new_session=True,
            )
        os.close(theirs)
        for taken in self._sockets.values():
            taken.close()
        self._sockets.clear()
        self.process.stdin.write(
            handover.encode(Handover(section, RUN_ID, descriptors, token=TOKEN))
        )
        self.process.stdin.flush()

    def _what(self) -> tuple[str, str]:
        return ("-c", self.program) if self.program else ("-m", f"ollamon.{self.name}")

    def wait_ready(self) -> None:
        self.wait_for(b"READY=1\n")
        if "metrics_listen" in self.urls:
            # The proxy serves clients before it imports what answers there, which takes longer, and
            # more memory, than some tests expect of it later.
            _OPENER.open(self.urls["metrics_listen"] + "/healthz", timeout=PATIENCE_S).close()

    def wait_for(self, word: bytes) -> None:
        """Wait until the child has sent `word` to its supervisor."""
        deadline = time.monotonic() + PATIENCE_S
        while word not in self._heard:
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self._notices], [], [], left)[0]:
                raise AssertionError(f"{self.name} did not say {word!r}: {self.output()}")
            read = os.read(self._notices, 4096)
            if not read:
                raise AssertionError(f"{self.name} ended: {self.output()}")
            self._heard += read

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Signal it and return its exit code."""
        self.process.send_signal(signal_number)
        return self.process.wait(PATIENCE_S)

    def end_lifeline(self) -> int:
        """Close its stdin, as the death of a supervisor does, and return its exit code."""
        self.process.stdin.close()
        return self.process.wait(PATIENCE_S)

    def clean_up(self) -> None:
        """Leave no process and no descriptor, whatever happened."""
        for taken in self._sockets.values():
            taken.close()
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE_S)
        self.process.stdin.close()
        os.close(self._notices)
