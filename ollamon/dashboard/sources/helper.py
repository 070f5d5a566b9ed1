"""Whether the helper runs, and what it may not read, in its own words."""

from dataclasses import dataclass

from ollamon import readings
from ollamon.dashboard.sources import fetch
from ollamon.errors import SourceError


@dataclass(frozen=True, slots=True)
class HelperSeen:
    """What the helper's own answer says.

    Attributes:
        error: Why it gave none; "" when it did.
        has_gpu: It sees a GPU.
        denied: Its sentence about a source that it may not read, or "".
    """

    error: str = ""
    has_gpu: bool = False
    denied: str = ""


class Helper:
    """Asks the helper on its loopback port; the answer may come from anybody."""

    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/')}/metrics"
        self._session = fetch.new_session()

    def look(self) -> HelperSeen:
        """Read it once."""
        try:
            status, body = fetch.get(self._session, self._url, limit=readings.MAX_BYTES)
            reading = readings.from_json(body)
        except SourceError as error:
            return HelperSeen(str(error))
        except readings.ReadingError as error:
            return HelperSeen(f"cannot read {self._url}: status {status}, {error}")
        return HelperSeen(has_gpu=bool(reading.gpu), denied=_denied(reading))


def _denied(reading: readings.Reading) -> str:
    for source, state in reading.sources.items():
        if state.state is readings.State.PERMISSION_DENIED:
            return state.detail or f"{source} may not be read"
    return ""
