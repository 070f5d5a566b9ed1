"""GPU, CPU and ANE power, GPU load, thermal pressure from powermetrics (macOS, root).

The program alone runs as root, through sudo, unless the helper is root itself.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from ollamon import sudo
from ollamon.helper.collector import DeniedError, FailedError
from ollamon.helper.found import Found
from ollamon.helper.powermetrics import command, text, window
from ollamon.helper.powermetrics.command import Rung
from ollamon.helper.powermetrics.document import load
from ollamon.helper.powermetrics.sample import Sample, extract
from ollamon.helper.powermetrics.splitter import Splitter
from ollamon.helper.powermetrics.text import TextSplitter
from ollamon.helper.powermetrics.window import Account
from ollamon.readings import Source

_DENIED = "sudo does not allow powermetrics without a password; run ollamon helper install"


class Powermetrics:
    """What to run. It remembers the rung of the ladder that works.

    Args:
        interval_s: Wanted; the next of the closed set is taken.
        arch: As `platform.machine()`.
        prefix: What stands in front, `("/usr/bin/sudo", "-n")`, or nothing as root.
        program: Its absolute path.
    """

    source = Source.POWERMETRICS

    def __init__(
        self,
        interval_s: float,
        arch: str,
        prefix: Sequence[str] = sudo.SILENT,
        program: str = command.PROGRAM,
    ) -> None:
        self._milliseconds = command.interval_ms(interval_s)
        self._rungs = command.rungs(arch)
        self._rung = 0
        self._start = (*prefix, program)
        self.is_privileged = bool(prefix)

    @property
    def interval_s(self) -> float:
        """Seconds between two documents."""
        return self._milliseconds / 1000

    def argv(self) -> Sequence[str]:
        """See `Program`."""
        return (*self._start, *command.arguments(self._rungs[self._rung], self._milliseconds))

    def reader(self) -> "PowermetricsReader":
        """See `Program`."""
        return PowermetricsReader(self._rungs[self._rung])

    def judge(self, complaint: str) -> Exception | None:
        """See `Program`."""
        if command.is_denied(complaint):
            return DeniedError(_DENIED)
        if not command.is_refused(complaint):
            return FailedError("powermetrics ended before it said anything")
        if self._rung + 1 < len(self._rungs):
            self._rung += 1
            return None
        self._rung = 0
        return FailedError("powermetrics refuses every form of its arguments that we know")


class PowermetricsReader:
    """Makes values of its output."""

    def __init__(self, rung: Rung) -> None:
        self._splitter = Splitter() if rung.is_plist else TextSplitter()
        self._read: Callable[[bytes], Sample] = _read_plist if rung.is_plist else text.read
        self._account = Account()
        self._told_drops = 0

    def feed(self, data: bytes) -> Iterable[Found | ValueError]:
        """See `Reader`."""
        return list(self._values(self._splitter.feed(data)))

    def finish(self) -> Iterable[Found | ValueError]:
        """See `Reader`."""
        return list(self._values(self._splitter.finish()))

    def _values(self, documents: list[bytes]) -> Iterator[Found | ValueError]:
        for _ in range(self._splitter.dropped - self._told_drops):
            yield ValueError("a document was cut short")
        self._told_drops = self._splitter.dropped
        for document in documents:
            try:
                sample = self._read(document)
            except ValueError as error:
                yield error
            else:
                self._account = self._account.take(sample)
                yield window.found(sample, self._account)


def _read_plist(document: bytes) -> Sample:
    return extract(load(document))
