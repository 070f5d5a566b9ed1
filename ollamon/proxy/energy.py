"""Energy counters of the helper -> counters since our start, without I/O."""

from collections.abc import Mapping

from ollamon.metrics.instruments import Labels


class EnergyCounter:
    """Adds up what a source counts since its own start, by label."""

    def __init__(self) -> None:
        self._seen: dict[Labels, float] = {}
        self._totals: dict[Labels, float] = {}

    def take(self, values: Mapping[Labels, float | None]) -> Mapping[Labels, float]:
        """Take what the source says now; return the totals, all series that ever were."""
        for labels, value in values.items():
            if value is None:
                continue
            before = self._seen.get(labels, value)
            # A falling value is a source that began anew: all of it came since then.
            self._totals[labels] = self._totals.get(labels, 0.0) + (
                value - before if value >= before else value
            )
            self._seen[labels] = value
        return dict(self._totals)
