"""From samples to power and energy, without I/O.

M5 and macOS 27 publish energy in batches of about 2 s (lablup/all-smi#410), so that a single sample
may hold none or twice what was drawn: power is a mean over the fewest samples that cover 4 s.
"""

from dataclasses import dataclass, replace

from ollamon.helper.found import APPLE_GPU, Found
from ollamon.helper.powermetrics.sample import Draw, Sample
from ollamon.readings import RANGES, Gpu, Vendor

COVERS_S = 4.0
_PLAUSIBLE_MW = RANGES["power_mw"]
INTEL_GPU = Gpu(f"{Vendor.INTEL}0", Vendor.INTEL, "Intel Mac GPU", integrated=True)


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of the chip in one sample."""

    elapsed_s: float
    energy_mj: float
    is_busy: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """One part of the chip after some samples.

    Attributes:
        slices: The fewest that cover 4 s, newest last.
        joules: Sum over valid samples; None before the first.
        power_mw: Mean of the slices; None while they do not cover 4 s.
    """

    slices: tuple[Slice, ...] = ()
    joules: float | None = None
    power_mw: float | None = None


def add(tally: Tally, draw: Draw, elapsed_s: float | None) -> Tally:
    """Add a sample; one that says nothing of this part begins the window anew."""
    mean_mw = draw.mean_mw(elapsed_s)
    if mean_mw is None or elapsed_s is None or not _PLAUSIBLE_MW.holds(mean_mw):
        # What is out of range is shown as it is, so that it is dropped and counted with the others.
        is_untrue = mean_mw == 0 and draw.is_busy
        return replace(tally, slices=(), power_mw=None if is_untrue else mean_mw)
    slices = _shortest((*tally.slices, Slice(elapsed_s, mean_mw * elapsed_s, draw.is_busy)))
    span = sum(each.elapsed_s for each in slices)
    energy = sum(each.energy_mj for each in slices)
    if energy == 0 and any(each.is_busy for each in slices):
        return replace(tally, slices=slices, power_mw=None)
    joules = (tally.joules or 0.0) + slices[-1].energy_mj / 1000
    return Tally(slices, joules, energy / span if span >= COVERS_S else None)


def _shortest(slices: tuple[Slice, ...]) -> tuple[Slice, ...]:
    while sum(each.elapsed_s for each in slices[1:]) >= COVERS_S:
        slices = slices[1:]
    return slices


@dataclass(frozen=True, slots=True)
class Account:
    """All parts of the chip."""

    gpu: Tally = Tally()
    cpu: Tally = Tally()
    ane: Tally = Tally()

    def take(self, sample: Sample) -> "Account":
        """Return the account after one more sample."""
        return Account(
            gpu=add(self.gpu, sample.gpu, sample.elapsed_s),
            cpu=add(self.cpu, sample.cpu, sample.elapsed_s),
            ane=add(self.ane, sample.ane, sample.elapsed_s),
        )


def found(sample: Sample, account: Account) -> Found:
    """Return what is known after a sample that the account has taken."""
    powers = (account.cpu.power_mw, account.gpu.power_mw, account.ane.power_mw)
    known = [power for power in powers if power is not None]
    # Theirs is of one sample, while ours are of some; the sum is what it is made of.
    combined = sum(known) if len(known) == len(powers) else None
    return Found(
        gpus=_gpus(sample, account.gpu),
        power_mw=account.cpu.power_mw,
        energy_joules=account.cpu.joules,
        temperature_celsius=sample.cpu_celsius,
        ane_power_mw=account.ane.power_mw,
        ane_energy_joules=account.ane.joules,
        combined_power_mw=None if sample.combined_mw is None else combined,
        pressure=sample.pressure,
    )


def _gpus(sample: Sample, tally: Tally) -> tuple[Gpu, ...]:
    nothing = INTEL_GPU if sample.is_intel else APPLE_GPU
    gpu = replace(
        nothing,
        utilization_percent=sample.gpu_percent,
        power_mw=tally.power_mw,
        energy_joules=tally.joules,
        temperature_celsius=sample.gpu_celsius,
        frequency_mhz=sample.gpu_mhz,
    )
    return () if gpu == nothing else (gpu,)
