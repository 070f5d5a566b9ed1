"""NVIDIA GPUs through NVML, when its Python binding is installed (no privilege).

The binding (`pynvml`, of the package nvidia-ml-py) is the only foreign code of the helper. It is
imported at the first read, so that nothing else depends on it.
"""

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ollamon.helper.collector import DeniedError, FailedError, UnavailableError
from ollamon.helper.energy import Ledger, count, integrate
from ollamon.helper.found import Found
from ollamon.readings import MAX_PROCESSES, RANGES, Gpu, GpuProcess, Source, Vendor, clean_name

_TEMPERATURE_GPU = 0
_NO_PERMISSION = 4
# No process did anything since.
_NOT_FOUND = 6
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
    processes: tuple[GpuProcess, ...] | None


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
        # By GPU, the driver's time of the last utilisation that it told of processes.
        self._told_at: dict[int, int] = {}

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
            return [self._read_device(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
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

    def _read_device(self, nvml: Any, index: int) -> Device:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        device, samples = _read_device(nvml, handle, self._told_at.get(index, 0))
        self._told_at[index] = max(
            (sample.timeStamp for sample in samples), default=self._told_at.get(index, 0)
        )
        return device


def _told(error: Any) -> str:
    return f"NVML does not answer: error {error.value}"


def _read_device(nvml: Any, handle: object, since: int) -> tuple[Device, list[Any]]:
    """Return a GPU, and what its processes used since the driver's time `since`."""

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
    samples = _utilizations(nvml, handle, since)
    device = Device(
        # Old bindings return bytes.
        name=name.decode("ascii", "replace") if isinstance(name, bytes) else name or "NVIDIA GPU",
        utilization_percent=None if rates is None else rates.gpu,
        energy_mj=ask(nvml.nvmlDeviceGetTotalEnergyConsumption),
        power_mw=ask(nvml.nvmlDeviceGetPowerUsage),
        celsius=ask(nvml.nvmlDeviceGetTemperature, _TEMPERATURE_GPU),
        memory_used=None if memory is None else memory.used,
        memory_total=None if memory is None else memory.total,
        processes=processes_of(ask(nvml.nvmlDeviceGetComputeRunningProcesses), samples),
    )
    return device, samples or []


def _utilizations(nvml: Any, handle: object, since: int) -> list[Any] | None:
    """Return what processes used; None where the GPU does not tell it."""
    try:
        return list(nvml.nvmlDeviceGetProcessUtilization(handle, since))
    except nvml.NVMLError as error:
        if error.value in _BROKEN:
            raise
        return [] if error.value == _NOT_FOUND else None


def processes_of(
    running: Iterable[Any] | None, samples: Iterable[Any] | None
) -> tuple[GpuProcess, ...] | None:
    """Return what each process has and uses; one without a sample among others used nothing."""
    if running is None:
        return None
    used: dict[int, list[int]] = {}
    for sample in samples or ():
        used.setdefault(sample.pid, []).append(sample.smUtil)
    return tuple(
        GpuProcess(
            pid=process.pid,
            memory_used_bytes=_memory(process.usedGpuMemory),
            utilization_percent=(
                None if samples is None else min(100.0, fmean(used.get(process.pid, [0])))
            ),
        )
        for process in list(running)[:MAX_PROCESSES]
    )


def _memory(used: int | None) -> int | None:
    # A driver that does not know it says None, or all bits.
    return used if used is not None and RANGES["memory_used_bytes"].holds(used) else None


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
        processes=device.processes,
    )
