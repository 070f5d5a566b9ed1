"""CPU temperature from osx-cpu-temp, where a person installed it (Intel Macs, no privilege)."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from ollamon.helper.collector import FailedError
from ollamon.helper.collectors.macmon import BREW, installed
from ollamon.helper.found import Found
from ollamon.helper.process import output_of
from ollamon.readings import Source

_TIMEOUT_S = 5.0
_HEAT = re.compile(r"\s*(?:CPU:\s*)?(\d{1,3}\.\d+)\s*\N{DEGREE SIGN}?C\s*")


class OsxCpuTemp:
    """Runs it, but never as root.

    Args:
        folders: Where to look for it.
    """

    source = Source.OSX_CPU_TEMP
    least_interval_s = 10.0

    def __init__(self, folders: Iterable[Path] = BREW) -> None:
        self._folders = tuple(folders)

    def collect(self, now: float) -> Found:
        """See `Collector`."""
        return parse(self.read())

    def read(self) -> str:
        """Return what it prints.

        Raises:
            UnavailableError: It is not installed, or we are root.
            FailedError: It fails, or takes longer than 5 s.
        """
        try:
            printed = output_of([str(installed("osx-cpu-temp", self._folders))], _TIMEOUT_S)
        except subprocess.SubprocessError as error:
            raise FailedError(f"osx-cpu-temp does not answer: {type(error).__name__}") from None
        return printed.decode("utf-8", "replace")


def parse(text: str) -> Found:
    """Return the temperature; 0.0 means that it could not read any (osx-cpu-temp, issue 38).

    Raises:
        ValueError: It is no temperature.
    """
    match = _HEAT.fullmatch(text)
    if match is None:
        raise ValueError("osx-cpu-temp printed no temperature")
    return Found(temperature_celsius=float(match[1]) or None)
