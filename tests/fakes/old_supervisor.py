"""Stands in for the supervisor of another version: `old_supervisor.py RUNTIME ANSWER`.

It answers every request with one line, and ends at SIGTERM.
"""

import json
import signal
import socket
import sys
from pathlib import Path

VERSION = "0.0.9"


def main(runtime: Path, answer: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    runtime.mkdir(parents=True, mode=0o700)
    (runtime / "run.json").write_text(json.dumps({"v": 0, "version": VERSION, "children": {}}))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(runtime / "ctl.sock"))
        listener.listen()
        sys.stdout.write("up\n")
        sys.stdout.flush()
        while True:
            client, _ = listener.accept()
            with client:
                if client.recv(65536):
                    client.sendall(answer.encode() + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
