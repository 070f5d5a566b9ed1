"""An executable named `ollama` for tests: `install` writes one that runs this file.

`ollama serve` listens where OLLAMA_HOST says, answers as was recorded of a real one, and keeps a
runner, as a real one does for a loaded model. With FAKE_LLAMA (a model file) the OpenAI routes are
answered by a real llama.cpp server. FAKE_STUBBORN: the runner ignores SIGTERM, and nobody ends it.
FAKE_LOUD: prompts are written to the log, as OLLAMA_DEBUG does.
"""

import http.client
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
SAMPLES = TESTS / "samples/ollama/native"
RECORDED = {
    "/": "root",
    "/api/version": "version",
    "/api/tags": "tags",
    "/api/ps": "ps-one-model",
    "/api/chat": "chat-stream",
    "/api/generate": "generate-stream",
}
RUNNER = """
import os, signal, time
if os.environ.get("FAKE_STUBBORN"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    time.sleep(60)
"""


def install(folder: Path) -> Path:
    """Write the executable and return its folder, which belongs on a PATH."""
    folder.mkdir(exist_ok=True)
    program = folder / "ollama"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(TESTS.parent)!r})\n"
        "from tests.fakes.ollama import main\nmain()\n"
    )
    program.chmod(0o755)
    return folder


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(b"")

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def answer(self, body: bytes) -> None:
        if os.environ.get("FAKE_LOUD"):
            sys.stdout.write(f"DEBUG {self.path} {body.decode()}\n")
        self.close_connection = True
        if self.path.startswith("/v1/") and LLAMA:
            self.relay(body)
        elif name := RECORDED.get(self.path):
            self.wfile.write((SAMPLES / f"{name}.http").read_bytes())
        else:
            self.send_error(404)

    def relay(self, body: bytes) -> None:
        """Pass what the real server answers on, with its end as the end of the connection."""
        upstream = http.client.HTTPConnection(LLAMA[0].rpartition("/")[2], timeout=60)
        kind = {"Content-Type": self.headers.get("Content-Type", "application/json")}
        upstream.request(self.command, self.path, body or None, kind)
        found = upstream.getresponse()
        self.send_response_only(found.status)
        self.send_header("Content-Type", found.headers.get("Content-Type", ""))
        self.send_header("Connection", "close")
        self.end_headers()
        while data := found.read1(65536):
            self.wfile.write(data)
        upstream.close()

    def log_message(self, *_: object) -> None:
        pass


LLAMA: list[str] = []


def runner() -> "subprocess.Popen[str]":
    """What a loaded model runs in: a process of its own in our group."""
    model = os.environ.get("FAKE_LLAMA")
    if not model:
        return subprocess.Popen([sys.executable, "-I", "-S", "-c", RUNNER], text=True)
    # It leaves when its stdin ends, and we hold that.
    command = [sys.executable, str(TESTS / "fakes/serve_llama.py"), model]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    LLAMA.append(child.stdout.readline().strip())
    return child


def main() -> None:
    """What the executable does."""
    if sys.argv[1:] != ["serve"]:
        sys.exit(f"ollama: unknown command {sys.argv[1:]}")
    host, _, port = os.environ["OLLAMA_HOST"].rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Handler)
    server.daemon_threads = True
    child = runner()
    signal.signal(
        signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start()
    )
    sys.stdout.write(f"Listening on {host}:{port}\n")
    sys.stdout.flush()
    server.serve_forever(0.05)
    if not os.environ.get("FAKE_STUBBORN"):
        child.terminate()
        child.wait()
