"""A real child process with flags for every way in which a child can be difficult.

Without flags it receives a handover, serves HTTP on its socket, says READY and WATCHDOG, and leaves
on SIGTERM or when its lifeline ends. With `--foreign` it knows nothing of ollamon.
"""

import argparse
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from ollamon import handover

GRANDCHILD = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(1, b"up\\n")
while True:
    time.sleep(60)
"""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--foreign", action="store_true")
    parser.add_argument("--port", type=int, help="bind it instead of using an inherited socket")
    parser.add_argument("--slow", type=Path, help="ready when this file exists")
    parser.add_argument("--crash", type=int, help="exit with this code before being ready")
    parser.add_argument("--unless", type=Path, help="... but not when this file exists")
    parser.add_argument("--crash-on", type=Path, help="exit 1 when this file appears; removes it")
    parser.add_argument("--code", type=int, default=1, help="... with this code instead")
    parser.add_argument("--ignterm", action="store_true")
    parser.add_argument("--stuck", action="store_true", help="the main loop hears of no end")
    parser.add_argument("--lifeline", action="store_true", help="below sudo: notify on stdout")
    parser.add_argument("--group", type=Path, help="grandchild ignoring TERM; its pid goes here")
    parser.add_argument("--setsid", action="store_true", help="... in a session of its own")
    parser.add_argument("--flood", type=int, default=0, help="lines to write before being ready")
    parser.add_argument("--gate", type=Path, help="... and not before this file exists")
    parser.add_argument("--orphans", type=int, default=0, help="of so many double forks")
    parser.add_argument("--hang", type=Path, help="no WATCHDOG while this file exists")
    parser.add_argument("--say", default="", help="STATUS text")
    parser.add_argument("--print", default="", help="a line on stdout")
    parser.add_argument("--trace", type=Path, help="append what happens")
    parser.add_argument("--watchdog", type=float, default=0.1)
    return parser.parse_args()


def trace(options: argparse.Namespace, word: str) -> None:
    if options.trace:
        with options.trace.open("a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def listener(options: argparse.Namespace, sockets: dict[str, int]) -> socket.socket | None:
    if options.port:
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(("127.0.0.1", options.port))
        except OSError as error:
            sys.exit(f"cannot listen: {error}") if options.foreign else leave(98, str(error))
        bound.listen(64)
        return bound
    return socket.socket(fileno=sockets["listen"]) if "listen" in sockets else None


def leave(code: int, text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.exit(code)


def start_grandchild(options: argparse.Namespace) -> None:
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", GRANDCHILD],
        stdout=subprocess.PIPE,
        start_new_session=options.setsid,
    )
    assert process.stdout is not None
    process.stdout.readline()
    options.group.write_text(str(process.pid))
    # Neither waited for nor warned about: it shall outlive us.
    process.returncode = 0


def answer(client: socket.socket, options: argparse.Namespace, run_id: str) -> None:
    client.settimeout(5)
    try:
        client.recv(4096)
        is_ready = options.slow is None or options.slow.exists()
        is_stuck = options.hang is not None and options.hang.exists()
        status = "200 OK" if is_ready and not is_stuck else "503 Service Unavailable"
        body = f"{os.getpid()}\n"
        head = (
            f"HTTP/1.0 {status}\r\nX-Ollamon-Run: {run_id}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        client.sendall((head + body).encode())
    except OSError:
        pass
    finally:
        client.close()


def flood(lines: int) -> None:
    chunk = b"".join(
        b"line %06d of a child that has much to say, and says it\n" % i for i in range(1000)
    )
    for _ in range(lines // 1000):
        view = memoryview(chunk)
        while view:
            view = view[os.write(1, view) :]


def make_orphans(count: int) -> None:
    """Each loses its parent at once, and ends a little later."""
    for _ in range(count):
        child = os.fork()
        if not child:
            if not os.fork():
                time.sleep(0.5)
            os._exit(0)
        os.waitpid(child, 0)


def main() -> None:
    options = parse()
    trace(options, "START")
    signal.signal(signal.SIGINT, lambda *_: trace(options, "INT"))

    def on_term(*_: object) -> None:
        trace(options, "TERM")
        if not options.ignterm and not options.stuck:
            sys.exit(0)

    signal.signal(signal.SIGTERM, on_term)
    run_id, sockets = "", {}
    notifier = handover.Notifier(None)
    if not options.foreign:
        told = handover.receive()
        run_id, sockets = told.run_id, dict(told.sockets)
        if options.lifeline:
            notifier = handover.Notifier.on_stdout()
        else:
            notifier = handover.Notifier.from_environment()
        if not options.ignterm:
            handover.watch_lifeline(lambda: os.kill(os.getpid(), signal.SIGTERM))
    if options.print:
        sys.stdout.write(options.print + "\n")
        sys.stdout.flush()
    if options.crash is not None and not (options.unless and options.unless.exists()):
        leave(options.crash, f"leaving with {options.crash}")
    listening = listener(options, sockets)
    if options.group:
        start_grandchild(options)
    make_orphans(options.orphans)
    while options.gate and not options.gate.exists():
        time.sleep(0.01)
    if options.flood:
        trace(options, "FLOOD")
        flood(options.flood)
        trace(options, "FLOODED")
    serve(options, listening, notifier, run_id)


def serve(
    options: argparse.Namespace,
    listening: socket.socket | None,
    notifier: handover.Notifier,
    run_id: str,
) -> None:
    selector = selectors.DefaultSelector()
    if listening is not None:
        listening.setblocking(False)
        selector.register(listening, selectors.EVENT_READ)
    is_ready = False
    while True:
        if not is_ready and (options.slow is None or options.slow.exists()):
            is_ready = True
            trace(options, "READY")
            notifier.ready()
            if options.say:
                notifier.status(options.say)
        for _ in selector.select(options.watchdog if is_ready else 0.02):
            try:
                client, _address = listening.accept()  # type: ignore[union-attr]
            except BlockingIOError:
                continue
            answer(client, options, run_id)
        if options.crash_on and options.crash_on.exists():
            options.crash_on.unlink()
            leave(options.code, "told to crash")
        if is_ready and not (options.hang and options.hang.exists()):
            notifier.alive()


if __name__ == "__main__":
    main()
