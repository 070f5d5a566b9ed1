"""Power, load and temperature from macmon, where it is installed (macOS, no privilege).

It is run only while powermetrics does not answer, and never as root: its folder is the user's.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ollamon.helper.collector import FailedError, UnavailableError
from ollamon.helper.energy import Ledger, integrate
from ollamon.helper.found import APPLE_GPU, Found
from ollamon.helper.powermetrics.sample import number
from ollamon.readings import Gpu, Source

BREW = (Path("/opt/homebrew/bin"), Path("/usr/local/bin"))
_LONGEST = 64 * 1024


class Macmon:
    """What to run.

    Args:
        interval_s: Seconds between two lines.
        folders: Where to look for it.
    """

    source = Source.MACMON
    is_privileged = False

    def __init__(self, interval_s: float, folders: Iterable[Path] = BREW) -> None:
        self._interval_s = interval_s
        self._folders = tuple(folders)

    @property
    def interval_s(self) -> float:
        """Seconds between two lines."""
        return self._interval_s

    def argv(self) -> Sequence[str]:
        """See `Program`."""
        milliseconds = str(round(self._interval_s * 1000))
        return (str(installed("macmon", self._folders)), "pipe", "-i", milliseconds)

    def reader(self) -> "MacmonReader":
        """See `Program`."""
        return MacmonReader(self._interval_s)

    def judge(self, complaint: str) -> Exception | None:
        """See `Program`."""
        return FailedError("macmon ended before it said anything")


def installed(name: str, folders: Iterable[Path]) -> Path:
    """Return the path of a program that a person may have installed.

    Raises:
        UnavailableError: It is not there, or we are root, who must not run what a user may change.
    """
    if os.geteuid() == 0:
        raise UnavailableError(f"{name} belongs to a user, and this helper runs as root")
    for folder in folders:
        if os.access(folder / name, os.X_OK):
            return folder / name
    raise UnavailableError(f"{name} is not installed")


class MacmonReader:
    """Makes values of its lines.

    Args:
        interval_s: Seconds that one line stands for.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._held = b""
        self._at = 0.0
        self._ledgers = {name: Ledger() for name in ("gpu", "cpu", "ane")}

    def feed(self, data: bytes) -> Iterable[Found | ValueError]:
        """See `Reader`."""
        *lines, self._held = (self._held + data).split(b"\n")
        # What is too long is cut, so that it is no JSON any more, and its rest is not kept.
        self._held = self._held[: _LONGEST + 1]
        return list(self._values(lines))

    def finish(self) -> Iterable[Found | ValueError]:
        """See `Reader`."""
        return ()

    def _values(self, lines: Iterable[bytes]) -> Iterator[Found | ValueError]:
        for line in lines:
            try:
                found = parse(line)
            except ValueError as error:
                yield error
            else:
                yield self._with_energy(found)

    def _with_energy(self, found: Found) -> Found:
        (gpu,) = found.gpus
        self._at += self._interval_s
        for name, power in (
            ("gpu", gpu.power_mw),
            ("cpu", found.power_mw),
            ("ane", found.ane_power_mw),
        ):
            self._ledgers[name] = integrate(self._ledgers[name], power, self._at)
        return _charged(found, gpu, {name: each.joules for name, each in self._ledgers.items()})


def _charged(found: Found, gpu: Gpu, joules: Mapping[str, float | None]) -> Found:
    return replace(
        found,
        gpus=(replace(gpu, energy_joules=joules["gpu"]),),
        energy_joules=joules["cpu"],
        ane_energy_joules=joules["ane"],
    )


def parse(line: bytes) -> Found:
    """Read one line.

    Raises:
        ValueError: It is none of macmon's.
    """
    if len(line) > _LONGEST:
        raise ValueError("the line is longer than 64 KiB")
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("the line is no JSON") from None
    if not isinstance(document, dict):
        raise ValueError("the line is no object")
    heat = document.get("temp")
    heat = heat if isinstance(heat, dict) else {}
    gpu = replace(
        APPLE_GPU,
        utilization_percent=_load(document),
        power_mw=_power(document, "gpu_power"),
        temperature_celsius=number(heat.get("gpu_temp_avg")) or None,
        frequency_mhz=_frequency(document),
    )
    return Found(
        gpus=(gpu,),
        power_mw=_power(document, "cpu_power"),
        ane_power_mw=_ane_power(document),
        temperature_celsius=number(heat.get("cpu_temp_avg")) or None,
    )


def _power(document: Mapping[str, object], key: str) -> float | None:
    # It says 0 on macOS 27, where it cannot read them (vladkens/macmon#76).
    watts = number(document.get(key))
    return 1000 * watts if watts else None


def _ane_power(document: Mapping[str, object]) -> float | None:
    # It rests most of the time, so its 0 is believed when the CPU's power can be read.
    watts = number(document.get("ane_power"))
    return None if watts is None or not number(document.get("cpu_power")) else 1000 * watts


def _usage(document: Mapping[str, object]) -> tuple[float | None, float | None]:
    """Return MHz and share of the older form, `gpu_usage`."""
    pair = document.get("gpu_usage")
    if not isinstance(pair, list) or len(pair) != 2:
        return None, None
    return number(pair[0]), number(pair[1])


def _load(document: Mapping[str, object]) -> float | None:
    ratio = number(document.get("gpu_active_ratio"))
    if ratio is None:
        _, ratio = _usage(document)
    return None if ratio is None else 100 * ratio


def _frequency(document: Mapping[str, object]) -> float | None:
    return _usage(document)[0]
