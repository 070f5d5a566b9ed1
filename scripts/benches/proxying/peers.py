"""The proxies that are compared, as processes on a core of their own, and what they cost."""

import contextlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ollamon.handover import Handover, encode

CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE = {CORES[0]}
LOAD_CORES = {CORES[-1]}
_READY_S = 30.0
# Buffering is off in both directions, as for any stream; all else is nginx's default.
_NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/e crit;
worker_rlimit_nofile 20000;
events {{ worker_connections 16000; }}
http {{
  access_log off; client_max_body_size 0;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096; keepalive_requests 1000000;
    location / {{
      proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off;
    }}
  }}
}}
"""
# A stop of the whole process at 2,048 in flight is a limit, no property of its memory.
_RAISED = """
import runpy, sys
{path}
import ollamon.proxy.relay as relay
relay.Limits.__init__.__defaults__ = (8192, 8192)
runpy.run_module("ollamon.proxy", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A proxy that runs, or upstream itself.

    Attributes:
        pid: None for upstream, whose cost is not of interest.
    """

    name: str
    port: int
    pid: int | None = None

    def cpu_us(self) -> float:
        """CPU time of all threads so far, microseconds."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e3

    def user_share(self) -> tuple[int, int]:
        """User and system time so far, in ticks: of use as a share over long times alone."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]), int(fields[12])

    def rss_kb(self) -> int:
        """Resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])


def _pinned(command: list[str], cores: set[int], **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        **options,  # type: ignore[call-overload]
    )


@contextlib.contextmanager
def _running(process: subprocess.Popen[bytes], port: int) -> Iterator[int]:
    try:
        end = time.monotonic() + _READY_S
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"bench: {process.args!r} does not answer")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _answers(port: int, target: str = "/api/version") -> bool:
    """Not only accepts, which the kernel does before the process has begun."""
    request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as client:
        client.sendall(request)
        return b" 200 " in client.recv(64)
    return False


def _listening() -> tuple[socket.socket, int]:
    sock = socket.create_server(("127.0.0.1", 0), backlog=4096)
    return sock, sock.getsockname()[1]


@contextlib.contextmanager
def upstream() -> Iterator[Peer]:
    """The scripted upstream, on the core of the load."""
    sock, port = _listening()
    command = [sys.executable, "-m", "scripts.benches.proxying.upstream", str(sock.fileno())]
    with (
        sock,
        _running(_pinned(command, LOAD_CORES, pass_fds=[sock.fileno()]), port) as pid,
    ):
        yield Peer("direct", port, pid)


@contextlib.contextmanager
def nginx(upstream_port: int) -> Iterator[Peer]:
    """One worker of nginx with buffering off and connections kept alive."""
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program is None:
        sys.exit("bench: nginx is missing; on Debian: sudo apt-get install nginx-light")
    sock, port = _listening()
    sock.close()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "conf"
        config.write_text(_NGINX.format(folder=folder, port=port, upstream=upstream_port))
        command = [program, "-e", f"{folder}/e", "-c", str(config)]
        with _running(_pinned(command, PROXY_CORE), port) as pid:
            yield Peer("nginx", port, pid)


@contextlib.contextmanager
def aiohttp(upstream_port: int) -> Iterator[Peer]:
    """The usual proxy."""
    sock, port = _listening()
    command = [sys.executable, "-m", "scripts.benches.proxying.aio", str(sock.fileno())]
    command.append(str(upstream_port))
    with (
        sock,
        _running(_pinned(command, PROXY_CORE, pass_fds=[sock.fileno()]), port) as pid,
    ):
        yield Peer("aiohttp", port, pid)


@contextlib.contextmanager
def other(command: str, upstream_port: int) -> Iterator[Peer]:
    """Any proxy: a command in which {port} and {upstream} stand for two ports."""
    sock, port = _listening()
    sock.close()
    words = [word.format(port=port, upstream=upstream_port) for word in shlex.split(command)]
    with _running(_pinned(words, PROXY_CORE), port) as pid:
        yield Peer("other", port, pid)


@contextlib.contextmanager
def ollamon(
    upstream_port: int, name: str = "ollamon", *, checkout: str = "", raised: bool = False
) -> Iterator[Peer]:
    """The proxy child itself, metering on; `raised` lifts its limit of requests in flight."""
    path = f"sys.path.insert(0, {checkout!r})" if checkout else ""
    code = _RAISED.format(path=path)
    if not raised:
        code = code.replace("relay.Limits.__init__.__defaults__ = (8192, 8192)", "")
    is_plain = not checkout and not raised
    command = [sys.executable, "-I", "-u", *(["-m", "ollamon.proxy"] if is_plain else ["-c", code])]
    listen, port = _listening()
    metrics, metrics_port = _listening()
    section = {
        "ollama": {"url": f"http://127.0.0.1:{upstream_port}"},
        "proxy": {"listen": f"127.0.0.1:{port}", "metrics_listen": f"127.0.0.1:{metrics_port}"},
    }
    fds = {"listen": listen.fileno(), "metrics_listen": metrics.fileno()}
    with listen, metrics:
        process = _pinned(command, PROXY_CORE, stdin=subprocess.PIPE, pass_fds=list(fds.values()))
        assert process.stdin is not None
        process.stdin.write(encode(Handover(section, "0badcafe", fds)))
        process.stdin.flush()
        with _running(process, port) as pid:
            # What measures is imported while clients are served, and belongs to what it costs.
            while not _answers(metrics_port, "/healthz"):
                time.sleep(0.05)
            yield Peer(name, port, pid)


def machine() -> dict[str, object]:
    """What the figures depend on."""
    return {
        "cores": len(CORES),
        "load": [round(value, 2) for value in os.getloadavg()],
        "python": sys.version.split()[0],
    }


if __name__ == "__main__":
    print(json.dumps(machine()))
