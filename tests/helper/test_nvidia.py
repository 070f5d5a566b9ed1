from types import SimpleNamespace

import pytest

from ollamon.helper.collector import DeniedError, FailedError, UnavailableError
from ollamon.helper.collectors.nvidia import Nvidia
from ollamon.readings import MAX_PROCESSES, GpuProcess

NOT_FOUND = 6
NOT_SUPPORTED, NO_PERMISSION, DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND = 3, 4, 9, 12
UNINITIALIZED, GPU_IS_LOST, RESET_REQUIRED, UNKNOWN = 1, 15, 16, 999
CALLS = (
    "nvmlDeviceGetName",
    "nvmlDeviceGetUtilizationRates",
    "nvmlDeviceGetTotalEnergyConsumption",
    "nvmlDeviceGetPowerUsage",
    "nvmlDeviceGetTemperature",
    "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetComputeRunningProcesses",
    "nvmlDeviceGetProcessUtilization",
)


class FakeNvml:
    """The module pynvml with one card; `fail` lets a call raise an error by its number."""

    class NVMLError(Exception):
        def __init__(self, value):
            super().__init__(value)
            self.value = value

    def __init__(self):
        self.errors = {}
        self.inits = self.shutdowns = 0
        self.count = 1
        self.name = "NVIDIA GeForce RTX 3060"
        self.energy_mj = 1_000_000
        self.running = []
        self.samples = []
        self.asked_since = []

    def fail(self, call, value):
        self.errors[call] = value

    def __getattr__(self, call):
        if not call.startswith("nvml"):
            raise AttributeError(call)

        def answer(*arguments):
            if call in self.errors:
                raise self.NVMLError(self.errors[call])
            return getattr(self, f"answer_{call[4:]}", lambda *_: None)(*arguments)

        return answer

    def answer_Init(self):  # noqa: N802
        self.inits += 1

    def answer_Shutdown(self):  # noqa: N802
        self.shutdowns += 1

    def answer_DeviceGetCount(self):  # noqa: N802
        return self.count

    def answer_DeviceGetHandleByIndex(self, index):  # noqa: N802
        return index

    def answer_DeviceGetName(self, handle):  # noqa: N802
        return self.name

    def answer_DeviceGetUtilizationRates(self, handle):  # noqa: N802
        return SimpleNamespace(gpu=64, memory=20)

    def answer_DeviceGetTotalEnergyConsumption(self, handle):  # noqa: N802
        return self.energy_mj

    def answer_DeviceGetPowerUsage(self, handle):  # noqa: N802
        return 120_000

    def answer_DeviceGetTemperature(self, handle, sensor):  # noqa: N802
        assert sensor == 0
        return 61

    def answer_DeviceGetMemoryInfo(self, handle):  # noqa: N802
        return SimpleNamespace(used=5 * 2**30, total=12 * 2**30, free=7 * 2**30)

    def answer_DeviceGetComputeRunningProcesses(self, handle):  # noqa: N802
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in self.running]

    def answer_DeviceGetProcessUtilization(self, handle, since):  # noqa: N802
        self.asked_since.append(since)
        return [
            SimpleNamespace(pid=pid, timeStamp=at, smUtil=used)
            for at, pid, used in self.samples
            if at > since
        ]


@pytest.fixture
def nvml():
    return FakeNvml()


@pytest.fixture
def nvidia(nvml):
    return Nvidia(lambda: nvml)


def test_a_card_is_read_whole(nvidia):
    (gpu,) = nvidia.collect(0).gpus
    assert (gpu.id, gpu.name) == ("nvidia0", "NVIDIA GeForce RTX 3060")
    assert (gpu.utilization_percent, gpu.temperature_celsius) == (64, 61)
    assert (gpu.memory_used_bytes, gpu.memory_total_bytes) == (5 * 2**30, 12 * 2**30)
    assert (gpu.power_mw, gpu.energy_joules, gpu.integrated) == (120_000, None, False)


def test_its_processes_have_a_number_memory_and_their_mean_use_since_the_last_read(nvidia, nvml):
    nvml.running = [(4242, 2**30), (7, 2**20), (8, None), (9, 2**64 - 1)]
    nvml.samples = [(100, 4242, 40), (200, 4242, 60), (200, 7, 5)]
    (gpu,) = nvidia.collect(0).gpus
    assert gpu.processes == (
        GpuProcess(4242, 2**30, 50),
        GpuProcess(7, 2**20, 5),
        GpuProcess(8, None, 0),
        GpuProcess(9, None, 0),
    )
    nvml.samples.append((300, 7, 80))
    (gpu,) = nvidia.collect(5).gpus
    assert [process.utilization_percent for process in gpu.processes] == [0, 80, 0, 0]
    assert nvml.asked_since == [0, 200]


def test_no_more_processes_are_told_than_the_proxy_takes(nvidia, nvml):
    nvml.running = [(pid, 1) for pid in range(1, 1000)]
    assert len(nvidia.collect(0).gpus[0].processes) == MAX_PROCESSES


@pytest.mark.parametrize(("error", "used"), [(NOT_SUPPORTED, None), (NOT_FOUND, 0)])
def test_use_that_is_not_told_is_unknown_and_none_at_all_is_0(nvidia, nvml, error, used):
    nvml.running = [(4242, 2**30)]
    nvml.fail("nvmlDeviceGetProcessUtilization", error)
    (gpu,) = nvidia.collect(0).gpus
    assert gpu.processes == (GpuProcess(4242, 2**30, used),)


def test_a_card_that_tells_of_no_process_is_unknown_not_free(nvidia, nvml):
    nvml.fail("nvmlDeviceGetComputeRunningProcesses", NOT_SUPPORTED)
    assert nvidia.collect(0).gpus[0].processes is None


def test_power_is_the_energy_of_the_interval(nvidia, nvml):
    nvidia.collect(0)
    nvml.energy_mj += 500_000
    (gpu,) = nvidia.collect(5).gpus
    assert gpu.power_mw == pytest.approx(100_000)
    assert gpu.energy_joules == pytest.approx(500)


def test_a_driver_that_starts_its_energy_anew_adds_nothing_false(nvidia, nvml):
    nvidia.collect(0)
    nvml.energy_mj = 10
    (gpu,) = nvidia.collect(5).gpus
    assert (gpu.power_mw, gpu.energy_joules) == (120_000, None)


def test_a_card_without_an_energy_counter_has_its_power_integrated(nvidia, nvml):
    nvml.fail("nvmlDeviceGetTotalEnergyConsumption", NOT_SUPPORTED)
    nvidia.collect(0)
    (gpu,) = nvidia.collect(5).gpus
    assert (gpu.power_mw, gpu.energy_joules) == (120_000, pytest.approx(600))


@pytest.mark.parametrize("error", [NOT_SUPPORTED, NO_PERMISSION, 2, 10, 13, 20])
@pytest.mark.parametrize("call", CALLS)
def test_a_value_that_is_refused_is_unknown_and_the_others_stay(nvidia, nvml, call, error):
    nvml.fail(call, error)
    (gpu,) = nvidia.collect(0).gpus
    known = {
        "nvmlDeviceGetUtilizationRates": gpu.utilization_percent,
        "nvmlDeviceGetTemperature": gpu.temperature_celsius,
        "nvmlDeviceGetMemoryInfo": gpu.memory_used_bytes,
        "nvmlDeviceGetPowerUsage": gpu.power_mw,
    }
    for name, value in known.items():
        assert (value is None) is (name == call)


@pytest.mark.parametrize("error", [UNINITIALIZED, GPU_IS_LOST, RESET_REQUIRED, UNKNOWN])
@pytest.mark.parametrize("call", [*CALLS, "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex"])
def test_a_lost_card_fails_the_source_and_the_next_read_starts_anew(nvidia, nvml, call, error):
    nvidia.collect(0)
    nvml.fail(call, error)
    with pytest.raises(FailedError, match=f"error {error}"):
        nvidia.collect(5)
    assert nvml.shutdowns == 1
    nvml.errors.clear()
    assert nvidia.collect(10).gpus
    assert nvml.inits == 2


def test_a_driver_that_cannot_even_shut_down_is_survived(nvidia, nvml):
    nvidia.collect(0)
    nvml.fail("nvmlDeviceGetCount", GPU_IS_LOST)
    nvml.fail("nvmlShutdown", UNINITIALIZED)
    with pytest.raises(FailedError):
        nvidia.collect(5)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (LIBRARY_NOT_FOUND, UnavailableError),
        (DRIVER_NOT_LOADED, UnavailableError),
        (NO_PERMISSION, DeniedError),
        (UNKNOWN, FailedError),
        (18, FailedError),
    ],
)
def test_a_start_that_fails_says_of_what_kind(nvidia, nvml, error, kind):
    nvml.fail("nvmlInit", error)
    with pytest.raises(kind):
        nvidia.collect(0)
    nvml.errors.clear()
    assert nvidia.collect(1).gpus


def test_without_the_binding_there_is_no_such_source():
    def missing():
        raise ModuleNotFoundError("pynvml")

    with pytest.raises(UnavailableError, match="nvidia-ml-py"):
        Nvidia(missing).collect(0)


def test_a_driver_without_a_card_is_no_such_source(nvidia, nvml):
    nvml.count = 0
    with pytest.raises(UnavailableError):
        nvidia.collect(0)


def test_several_cards_are_numbered(nvidia, nvml):
    nvml.count = 3
    assert [gpu.id for gpu in nvidia.collect(0).gpus] == ["nvidia0", "nvidia1", "nvidia2"]


def test_an_old_binding_names_a_card_in_bytes(nvidia, nvml):
    nvml.name = b"Tesla\xff T4"
    assert nvidia.collect(0).gpus[0].name == "Tesla_ T4"
