"""Documents in the shape of powermetrics, and a program that prints them. Made up by us.

The program gets nothing but PATH and LC_ALL and exact arguments, so what it shall do stands in the
file that `program` writes.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" \
"http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
"""


def plist(value) -> str:
    """A value as powermetrics writes it."""
    match value:
        case bool():
            return f"<{str(value).lower()}/>"
        case int():
            return f"<integer>{value}</integer>"
        case float():
            return f"<real>{value:g}</real>"
        case dict():
            rows = "".join(f"<key>{k}</key>{plist(v)}\n" for k, v in value.items())
            return f"\n<dict>\n{rows}</dict>"
        case list():
            return "\n<array>" + "".join(map(plist, value)) + "\n</array>"
        case _:
            return f"<string>{value}</string>"


def document(value: dict) -> bytes:
    """A whole document, without the NUL that may follow."""
    return f"{HEAD}{plist(value).lstrip()}\n</plist>\n".encode()


def apple(seconds=5.0, cpu_mw=3000.0, gpu_mw=250.0, idle=0.75, **changes) -> dict:
    """One interval of an M4 with cpu_power, gpu_power and thermal."""
    cpu_mj, gpu_mj = round(cpu_mw * seconds), round(gpu_mw * seconds)
    return {
        "is_delta": True,
        "elapsed_ns": round(seconds * 1e9),
        "hw_model": "Mac16,1",
        "kern_osversion": "24F74",
        "processor": {
            "clusters": [
                {"name": "E-Cluster", "freq_hz": 1.15444e9, "idle_ratio": 0.41},
                {"name": "P-Cluster", "freq_hz": 3.2e9, "idle_ratio": 0.87},
            ],
            "cpu_energy": cpu_mj,
            "cpu_power": cpu_mj / seconds,
            "gpu_energy": gpu_mj,
            "gpu_power": gpu_mj / seconds,
            "ane_energy": 0,
            "ane_power": 0.0,
            "combined_power": (cpu_mj + gpu_mj) / seconds,
        },
        "thermal_pressure": "Nominal",
        "gpu": {
            "freq_hz": 338.0,
            "idle_ns": round(seconds * 1.1e9 * idle),
            "idle_ratio": idle,
            "gpu_energy": gpu_mj + 8,
        },
    } | changes


def intel(**changes) -> dict:
    """One interval of an Intel Mac; no recording of one is known to us."""
    return {
        "elapsed_ns": 5_000_000_000,
        "hw_model": "MacBookPro16,1",
        "processor": {"package_watts": 12.5, "cpu_watts": 8.25, "igpu_watts": 1.5},
        "GPU": [{"misc_counters": {"GPU Busy   :": 0.125}, "freq_mhz": 350.0}],
        "thermal_pressure": "Moderate",
        "smc": {"cpu_die": 61.5, "gpu_die": 48.25, "fan": 2159.0},
    } | changes


def program(path: Path, behaviour: str, **options) -> Path:
    """Write an executable that behaves so, and notes each call of it beside itself."""
    path.write_text(
        f"#!{sys.executable} -IS\n"
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.fakes import powermetrics\n"
        f"powermetrics.main({behaviour!r}, {str(path)!r}, {options!r})\n"
    )
    path.chmod(0o755)
    return path


def calls(path: Path) -> list[dict]:
    """How it was called, each time."""
    log = path.with_suffix(".log")
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def main(behaviour: str, path: str, options: dict) -> None:
    """Be powermetrics."""
    own = {"argv": sys.argv[1:], "environment": dict(os.environ), "pid": os.getpid()}
    own |= {"uid": os.geteuid(), "cwd": str(Path.cwd())}
    with Path(path).with_suffix(".log").open("a") as log:
        log.write(json.dumps(own) + "\n")
    BEHAVIOURS[behaviour](**options)


def write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def stream(pace_s=0.05, count=10**6, **values) -> None:
    """Documents with NUL between them, each written in two pieces."""
    for number in range(count):
        data = (b"\0" if number else b"") + document(apple(**values))
        write(data[:700])
        write(data[700:])
        time.sleep(pace_s)


def meter(gpu_mw_in: str, pace_s=0.25, **values) -> None:
    """Documents whose time is real, and whose GPU draws what a file says."""
    before = time.monotonic()
    for number in range(10**6):
        time.sleep(pace_s)
        now = time.monotonic()
        drawn = float(Path(gpu_mw_in).read_text())
        told = apple(seconds=now - before, gpu_mw=drawn, **values)
        write((b"\0" if number else b"") + document(told))
        before = now


def stall(**values) -> None:
    """One document, then silence."""
    write(document(apple(**values)))
    time.sleep(600)


def deaf(**values) -> None:
    """As `stall`, and asked to leave it stays."""
    for number in (signal.SIGTERM, signal.SIGPIPE, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    stall(**values)


def crash(**values) -> None:
    """One document, then exit 3."""
    write(document(apple(**values)))
    sys.exit(3)


def refuse(complaint: str, lacks: str = "") -> None:
    """Complain; where a word is not among the arguments, print documents instead."""
    if lacks and lacks not in " ".join(sys.argv[1:]):
        stream()
    sys.stderr.write(complaint + "\n")
    sys.exit(1)


def flood() -> None:
    """More on stderr than a pipe holds, before each document."""
    for _ in range(10**6):
        sys.stderr.write("second underflow occured.\n" * 20_000)
        write(document(apple()) + b"\0")
        time.sleep(0.05)


def nonsense() -> None:
    """Good and bad documents in turn."""
    for _ in range(10**6):
        write(document(apple()) + b"\0<?xml version='1.0'?><plist><dict></plist>\0")
        time.sleep(0.05)


def macmon(pace_s=0.05) -> None:
    """What macmon 0.5 writes."""
    line = {"gpu_active_ratio": 0.25, "cpu_power": 2.5, "gpu_power": 0.5, "ane_power": 0.0}
    while True:
        write(json.dumps(line | {"temp": {"cpu_temp_avg": 51.5}}).encode() + b"\n")
        time.sleep(pace_s)


_ALL = (stream, meter, stall, deaf, crash, refuse, flood, nonsense, macmon)
BEHAVIOURS = {one.__name__: one for one in _ALL}
