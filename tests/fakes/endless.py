"""An Ollama that never comes to an end."""

import contextlib
import socket
import threading

WAIT_S = 20.0
LINE = b'{"model":"tiny","message":{"content":"a"},"done":false}\n'
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)


class Endless:
    """An Ollama whose chats say two words and then nothing for ever.

    Attributes:
        has_seen_close: The connection of a chat was closed by the other side.
    """

    def __init__(self) -> None:
        self.has_seen_close = threading.Event()
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._sock.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                taken, _ = self._sock.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(taken,), daemon=True).start()

    def _serve(self, taken: socket.socket) -> None:
        with taken, contextlib.suppress(OSError):
            head = taken.recv(65536)
            if not head.startswith(b"POST /api/chat"):
                body = b'{"models":[{"name":"tiny"}]}'
                taken.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
                )
                return
            taken.sendall(HEAD + b"%x\r\n%b\r\n" % (len(LINE), LINE) * 2)
            taken.settimeout(WAIT_S)
            try:
                while taken.recv(4096):
                    pass
            except ConnectionError:
                pass
            self.has_seen_close.set()

    def close(self) -> None:
        self._sock.close()
