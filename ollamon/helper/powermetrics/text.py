"""The text that powermetrics prints when it does not know `-f plist`, without I/O.

A sample begins with a line of stars and ends where the next begins, so each is an interval late.
"""

import re

from ollamon.helper.powermetrics.sample import Draw, Sample, number, pressure_of
from ollamon.helper.powermetrics.splitter import MOST

_BEGIN = b"*** Sampled system activity"
_ELAPSED = re.compile(r"\(([\d.]+)ms elapsed\)")
_N = r"(\d*\.?\d+)"
_LINES = {
    name: re.compile(rf"^{pattern}", re.MULTILINE)
    for name, pattern in {
        "gpu_active": rf"GPU (?:HW )?active residency:\s*{_N}%",
        "gpu_busy": rf"GPU \d+ GPU Busy\s*:\s*{_N}%",
        "gpu_mhz": rf"GPU HW active frequency:\s*{_N} MHz",
        "gpu_mw": rf"GPU Power: {_N} mW",
        "cpu_mw": rf"CPU Power: {_N} mW",
        "ane_mw": rf"ANE Power: {_N} mW",
        "combined_mw": rf"Combined Power \(CPU \+ GPU \+ ANE\): {_N} mW",
        "package_w": rf"Intel energy model derived package power \(CPUs\+GT\+SA\): {_N}W",
        "cpu_celsius": rf"CPU die temperature: {_N} C",
        "gpu_celsius": rf"GPU die temperature: {_N} C",
    }.items()
}
_PRESSURE = re.compile(r"^Current pressure level: (\w+)", re.MULTILINE)


class TextSplitter:
    """As `splitter.Splitter`, for text."""

    def __init__(self) -> None:
        self.dropped = 0
        self._held = bytearray()
        self._seen = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take a piece of the stream; return the samples that are complete now."""
        self._held += data
        samples = []
        while (next_one := self._held.find(b"\n" + _BEGIN, self._seen)) >= 0:
            samples += self._taken(next_one + 1)
        self._seen = max(0, len(self._held) - len(_BEGIN))
        if len(self._held) > MOST:
            self.dropped += 1
            self._held.clear()
            self._seen = 0
        return samples

    def finish(self) -> list[bytes]:
        """The stream ended, and with it the last sample."""
        return self._taken(len(self._held))

    def _taken(self, end: int) -> list[bytes]:
        text = bytes(self._held[:end])
        del self._held[:end]
        self._seen = 0
        # What stands in front of the first sample names the machine.
        return [text] if text.startswith(_BEGIN) else []


def read(text: bytes) -> Sample:
    """Read one sample.

    Raises:
        ValueError: It is none.
    """
    words = text.decode("utf-8", "replace")
    elapsed = _ELAPSED.search(words)
    if elapsed is None:
        raise ValueError("the text is no sample")
    found = {name: _found(pattern, words) for name, pattern in _LINES.items()}
    active, package_w = found["gpu_active"], found["package_w"]
    pressure = _PRESSURE.search(words)
    return Sample(
        elapsed_s=float(elapsed[1]) / 1000 or None,
        is_intel=package_w is not None,
        gpu_percent=found["gpu_busy"] if active is None else active,
        gpu_mhz=found["gpu_mhz"],
        gpu=Draw(power_mw=found["gpu_mw"]),
        cpu=Draw(power_mw=found["cpu_mw"] if package_w is None else 1000 * package_w),
        ane=Draw(power_mw=found["ane_mw"]),
        combined_mw=found["combined_mw"],
        pressure=pressure_of(pressure[1]) if pressure else None,
        cpu_celsius=found["cpu_celsius"],
        gpu_celsius=found["gpu_celsius"],
    )


def _found(pattern: re.Pattern[str], text: str) -> float | None:
    match = pattern.search(text)
    return number(float(match[1])) if match else None
