"""What the machine drew between two samples of the helper, without I/O.

The proxy asks at its own rhythm, so that a reading may bring no new sample, or two. An interval
ends when every source of energy has brought one, and is as long as the samples lie apart: else an
asking that came too early would show a machine that draws nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ollamon.readings import Reading, Source, Vendor

# Of an interval: how late a sample may be.
_MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class Interval:
    """`joules` were drawn in `seconds`; None: nobody knows."""

    joules: float | None = None
    seconds: float = 0.0


UNKNOWN = Interval()


@dataclass(frozen=True, slots=True)
class _Sample:
    """A domain's energy since the helper's start, and the source's sample that told it."""

    joules: float
    number: int
    at: float


class Intervals:
    """Cuts the time into intervals, reading by reading."""

    def __init__(self) -> None:
        self._before: Mapping[str, _Sample] = {}

    def take(self, reading: Reading, now: float) -> Interval | None:
        """Return the interval that this reading ends, None while it goes on.

        `UNKNOWN` is one whose energy nobody knows: the first, and that in which a source came, went
        or began anew. `now` is when the reading was asked for, in monotonic seconds.
        """
        after, before = dict(_samples(reading, now)), self._before
        if after.keys() != before.keys() or any(_began_anew(before[k], after[k]) for k in after):
            self._before = after
            return UNKNOWN
        if any(after[key].number == before[key].number for key in after):
            return None
        self._before = after
        if not after:
            return UNKNOWN
        return Interval(
            sum(after[key].joules - before[key].joules for key in after),
            sum(after[key].at - before[key].at for key in after) / len(after),
        )


def wait_s(reading: Reading, interval_s: float) -> float:
    """Return the seconds until each source of energy should have a new sample, and a little more.

    Whoever asks right after a sample counts chunks in the same time in which it was drawn.
    """
    ages = [-sample.at for _, sample in _samples(reading, 0.0)]
    if not ages:
        return interval_s
    return interval_s - max(ages) % interval_s + interval_s * _MARGIN


def _began_anew(before: _Sample, after: _Sample) -> bool:
    return after.joules < before.joules or after.number < before.number or after.at < before.at


def _samples(reading: Reading, now: float) -> Iterator[tuple[str, _Sample]]:
    """Yield the parts of the machine's energy, none of which is in another."""
    chip = reading.cpu.power_source
    domains = [
        ("cpu", reading.cpu.energy_joules, chip),
        ("ane", reading.soc.ane_energy_joules, chip),
    ]
    for gpu in reading.gpu:
        # The power of AMD's APUs holds that of their CPU. The GPU of an Apple chip may have its
        # load from another source than its energy, which comes with the CPU's.
        if not (gpu.vendor is Vendor.AMD and gpu.integrated):
            source = chip if gpu.vendor is Vendor.APPLE and chip else gpu.source
            domains.append((gpu.id, gpu.energy_joules, source))
    for name, joules, source in domains:
        if joules is not None and (found := _last_sample(reading, source, now)) is not None:
            yield name, _Sample(joules, *found)


def _last_sample(reading: Reading, source: Source | None, now: float) -> tuple[int, float] | None:
    state = None if source is None else reading.sources.get(source)
    if state is None or state.age_seconds is None:
        return None
    return state.samples, now - state.age_seconds
