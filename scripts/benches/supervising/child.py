"""A trivial HTTP child, standard library only, that answers its pid: `child.py --port N`."""

import os
import signal
import socket
import sys
import time


def wrote_s(lines: int) -> float:
    """Write lines on stdout as fast as they are taken; return the seconds that took."""
    line = (
        b"a line of eighty-eight bytes, as a server that has much to say about itself writes it\n"
    )
    chunk = line * 1000
    began = time.perf_counter()
    for _ in range(lines // 1000):
        view = memoryview(chunk)
        while view:
            view = view[os.write(1, view) :]
    return time.perf_counter() - began


def serve(port: int) -> None:
    """Answer for ever."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(512)
    body = b"%d\n" % os.getpid()
    answer = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    while True:
        client, _ = listening.accept()
        try:
            client.recv(4096)
            client.sendall(answer)
        except OSError:
            pass
        client.close()


def main(words: list[str]) -> None:
    """`--stubborn` ignores SIGTERM; `--lines N FILE` writes N lines, and the seconds to FILE."""
    if "--stubborn" in words:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "--lines" in words:
        place = words.index("--lines")
        seconds = wrote_s(int(words[place + 1]))
        with open(words[place + 2] + ".new", "w") as file:  # noqa: PTH123
            file.write(str(seconds))
        os.rename(words[place + 2] + ".new", words[place + 2])  # noqa: PTH104
    serve(int(words[words.index("--port") + 1]))


if __name__ == "__main__":
    main(sys.argv[1:])
