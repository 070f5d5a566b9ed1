"""The helper's part of the configuration, checked by itself, without I/O.

What may run as root reads no file of the user and trusts no section: the address is loopback, the
port unprivileged, and there is no path to give.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ollamon.errors import ConfigError, Problem

HOST = "127.0.0.1"
MODES = ("off", "on", "external")
_DURATION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(ms|s|m)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_LISTEN = re.compile(r"127\.0\.0\.1:([0-9]{4,5})")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to listen on 127.0.0.1, and seconds between two samples."""

    port: int = 8002
    interval_s: float = 5.0


DEFAULTS = Settings()


def parse(section: Mapping[str, object]) -> Settings:
    """Check a handed-over section; a missing table or key has its default.

    Raises:
        ConfigError: With every problem.
    """
    problems = [Problem(f"{key}: unknown key") for key in section.keys() - {"helper"}]
    table = section.get("helper", {})
    if not isinstance(table, Mapping):
        raise ConfigError((*problems, Problem("helper: expected a table")))
    unknown = table.keys() - {"mode", "listen", "interval", "run_as", "trust_user_files"}
    problems += [Problem(f"helper.{key}: unknown key") for key in sorted(map(str, unknown))]
    if table.get("mode", "on") not in MODES:
        problems.append(Problem("helper.mode: expected off, on or external"))
    port = _port(table.get("listen", f"{HOST}:{DEFAULTS.port}"))
    if port is None:
        problems.append(Problem("helper.listen: expected 127.0.0.1 and a port of 1024 to 65535"))
    interval_s = _interval(table.get("interval", f"{DEFAULTS.interval_s:g}s"))
    if interval_s is None:
        problems.append(Problem('helper.interval: expected "1s" to "60s"'))
    if problems or port is None or interval_s is None:
        raise ConfigError(tuple(problems))
    return Settings(port, interval_s)


def _port(value: object) -> int | None:
    match = _LISTEN.fullmatch(value) if isinstance(value, str) else None
    return int(match[1]) if match and 1024 <= int(match[1]) < 65536 else None


def _interval(value: object) -> float | None:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    seconds = float(match[1]) * _SECONDS[match[2]]
    return seconds if 1 <= seconds <= 60 else None
