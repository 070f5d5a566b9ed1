"""The proxy's exposition -> samples, each line parsed once.

A parsed line costs some 40 us of the loop that serves all pages, and from one scrape to the next
only its value changes. So the head of a line, all before the value, is parsed once.
"""

from collections.abc import Iterable, Mapping

from prometheus_client.parser import text_string_to_metric_families as families_of

from ollamon.metrics.series import MAX_SERIES, Sample


class Exposition:
    """Reads one exposition after the other; keeps samples of the wanted names."""

    def __init__(self, wanted: Iterable[str]) -> None:
        self._wanted = frozenset(wanted)
        self._heads: dict[str, tuple[str, Mapping[str, str]]] = {}

    def parse(self, text: str) -> list[Sample]:
        """Return the wanted samples.

        Raises:
            ValueError: A wanted line is malformed.
        """
        return [self._sample(line) for line in text.splitlines() if _name_of(line) in self._wanted]

    def _sample(self, line: str) -> Sample:
        head, _, value = line.rpartition(" ")
        known = self._heads.get(head)
        return Sample(*known, float(value)) if known else self._learn(head, value, line)

    def _learn(self, head: str, value: str, line: str) -> Sample:
        samples = [sample for family in families_of(line + "\n") for sample in family.samples]
        if len(samples) != 1:
            raise ValueError(f"no sample: {line[:80]!r}")
        (sample,) = samples
        # With a timestamp, what looks like the head holds the value.
        if sample.timestamp is None and float(value) == sample.value:
            if len(self._heads) >= 2 * MAX_SERIES:
                self._heads.clear()
            self._heads[head] = (sample.name, sample.labels)
        return Sample(sample.name, sample.labels, sample.value)


def _name_of(line: str) -> str:
    return line.partition("{")[0].partition(" ")[0]
