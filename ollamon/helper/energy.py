"""From counters and powers to power and energy, without I/O.

Energy is summed over valid samples only, and power is a mean over at least a second: shorter means
are noise, and a side channel (PLATYPUS).
"""

from dataclasses import dataclass, replace

SHORTEST_S = 1.0
# A gap that long is sleep or a source that was away; what was drawn in it is unknown.
LONGEST_S = 60.0


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is known of one domain after some samples.

    Attributes:
        joules: Sum since the start; None before two samples.
        power_mw: Mean of the last interval; None while unknown.
        at: Monotonic seconds of the last valid sample.
        last: Its value: joules of a counter, or mW of a power.
    """

    joules: float | None = None
    power_mw: float | None = None
    at: float | None = None
    last: float | None = None


def count(
    ledger: Ledger,
    counter_joules: float | None,
    now: float,
    *,
    wraps_at: float | None = None,
    most_watts: float = 2000.0,
) -> Ledger:
    """Add the sample of an energy counter in joules; None when it could not be read.

    Args:
        ledger: What was known before.
        counter_joules: The counter now.
        now: Monotonic seconds.
        wraps_at: Joules after which the counter starts again; None: a smaller value is a reset.
        most_watts: More than this is no measurement.
    """
    if counter_joules is None:
        # The counter goes on without us: the next sample tells what was drawn meanwhile.
        return replace(ledger, power_mw=None)
    if ledger.at is None or ledger.last is None:
        return Ledger(ledger.joules, None, now, counter_joules)
    span = now - ledger.at
    if span < SHORTEST_S:
        return ledger
    delta = counter_joules - ledger.last
    may_wrap_twice = wraps_at is not None and span * most_watts > wraps_at
    if delta < 0 and wraps_at is not None:
        delta += wraps_at
    if delta < 0 or may_wrap_twice or delta > span * most_watts:
        return Ledger(ledger.joules, None, now, counter_joules)
    return Ledger((ledger.joules or 0.0) + delta, 1000 * delta / span, now, counter_joules)


def integrate(ledger: Ledger, power_mw: float | None, now: float) -> Ledger:
    """Add the sample of a power in mW: the mean of two neighbours times the time between them."""
    if power_mw is None or ledger.at is None or ledger.last is None:
        return Ledger(ledger.joules, power_mw, None if power_mw is None else now, power_mw)
    span = now - ledger.at
    if not 0 < span <= LONGEST_S:
        return Ledger(ledger.joules, power_mw, now, power_mw)
    joules = (ledger.last + power_mw) / 2 / 1000 * span
    return Ledger((ledger.joules or 0.0) + joules, power_mw, now, power_mw)
