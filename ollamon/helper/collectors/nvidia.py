"""NVIDIA GPUs through NVML, when its Python binding is installed (no privilege).

The binding (`pynvml`, of the package nvidia-ml-py) is the only foreign code of the helper. It is
imported at the first read, so that nothing else depends on it.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ollamon.helper.collector import DeniedError, FailedError, UnavailableError
from ollamon.helper.energy import Ledger, count, integrate
from ollamon.helper.found import Found
from ollamon.readings import Gpu, Source, Vendor, clean_name

_TEMPERATURE_GPU = 0
_NO_PERMISSION = 4
# Driver not loaded, library not found.
_ABSENT = frozenset({9, 12})
# Not initialised, GPU is lost, reset required, unknown: only a new start may help.
_BROKEN = frozenset({1, 15, 16, 999})


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU as NVML tells it; None where it does not support a value."""

    name: str
    utilization_percent: int | None
    energy_mj: int | None
    power_mw: int | None
    celsius: int | None
    memory_used: int | None
    memory_total: int | None


class Nvidia:
    """Reads NVML.

    Args:
        library: Returns the module `pynvml`. Raises ImportError: it is not installed.
    """

    source = Source.NVIDIA
    least_interval_s = 0.0

    def __init__(
        self, library: Callable[[], Any] = lambda: importlib.import_module("pynvml")
    ) -> None:
        self._import = library
        self._nvml: Any = None
        self._ledgers: dict[int, Ledger] = {}

    def collect(self, now: float) -> Found:
        """See `Collector`."""
        devices = self.read()
        self._ledgers = energies(devices, self._ledgers, now)
        return parse(devices, self._ledgers)

    def read(self) -> list[Device]:
        """Return every GPU.

        Raises:
            UnavailableError, DeniedError, FailedError: As `Collector.collect`.
        """
        if self._nvml is None:
            self._nvml = self._start()
        nvml = self._nvml
        try:
            handles = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
            return [_read_device(nvml, handle) for handle in handles]
        except nvml.NVMLError as error:
            self._stop()
            raise FailedError(_told(error)) from None

    def _start(self) -> Any:
        try:
            nvml = self._import()
        except ImportError:
            raise UnavailableError("the Python package nvidia-ml-py is not installed") from None
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            match error.value:
                case code if code in _ABSENT:
                    raise UnavailableError("no NVIDIA driver is loaded") from None
                case code if code == _NO_PERMISSION:
                    raise DeniedError("the NVIDIA driver refuses this user") from None
                case _:
                    raise FailedError(_told(error)) from None
        return nvml

    def _stop(self) -> None:
        """Let go, so that the next read starts anew; the driver may be gone already."""
        nvml, self._nvml = self._nvml, None
        try:
            nvml.nvmlShutdown()
        except nvml.NVMLError:
            return


def _told(error: Any) -> str:
    return f"NVML does not answer: error {error.value}"


def _read_device(nvml: Any, handle: object) -> Device:
    def ask(function: Callable[..., Any], *arguments: object) -> Any:
        try:
            return function(handle, *arguments)
        except nvml.NVMLError as error:
            if error.value in _BROKEN:
                raise
            return None

    name = ask(nvml.nvmlDeviceGetName)
    rates = ask(nvml.nvmlDeviceGetUtilizationRates)
    memory = ask(nvml.nvmlDeviceGetMemoryInfo)
    return Device(
        # Old bindings return bytes.
        name=name.decode("ascii", "replace") if isinstance(name, bytes) else name or "NVIDIA GPU",
        utilization_percent=None if rates is None else rates.gpu,
        energy_mj=ask(nvml.nvmlDeviceGetTotalEnergyConsumption),
        power_mw=ask(nvml.nvmlDeviceGetPowerUsage),
        celsius=ask(nvml.nvmlDeviceGetTemperature, _TEMPERATURE_GPU),
        memory_used=None if memory is None else memory.used,
        memory_total=None if memory is None else memory.total,
    )


def energies(
    devices: Sequence[Device], before: Mapping[int, Ledger], now: float
) -> dict[int, Ledger]:
    """Return the ledger of every GPU: from its counter, else integrated from its power."""
    return {
        index: _ledger(device, before.get(index, Ledger()), now)
        for index, device in enumerate(devices)
    }


def _ledger(device: Device, before: Ledger, now: float) -> Ledger:
    if device.energy_mj is None:
        return integrate(before, device.power_mw, now)
    return count(before, device.energy_mj / 1000, now)


def parse(devices: Sequence[Device], ledgers: Mapping[int, Ledger]) -> Found:
    """Return the GPUs.

    Raises:
        UnavailableError: There is none.
    """
    if not devices:
        raise UnavailableError("this system has no NVIDIA GPU")
    return Found(gpus=tuple(_gpu(i, device, ledgers[i]) for i, device in enumerate(devices)))


def _gpu(index: int, device: Device, ledger: Ledger) -> Gpu:
    return Gpu(
        id=f"{Vendor.NVIDIA}{index}",
        vendor=Vendor.NVIDIA,
        name=clean_name(device.name),
        integrated=False,
        utilization_percent=device.utilization_percent,
        # The mean of the interval, until there is one the moment's.
        power_mw=device.power_mw if ledger.power_mw is None else ledger.power_mw,
        energy_joules=ledger.joules,
        temperature_celsius=device.celsius,
        memory_used_bytes=device.memory_used,
        memory_total_bytes=device.memory_total,
    )
