"""Which models are in memory and until when, without I/O. Times are seconds of one clock."""

from dataclasses import dataclass

from ollamon.demo.models import Model


@dataclass(frozen=True, slots=True)
class Resident:
    """A model in memory.

    Attributes:
        keep_s: How long it stays after its last job.
        idle_since: When that job ended; None while one runs.
    """

    model: Model
    keep_s: float
    idle_since: float | None

    def leaves_at(self, now: float) -> float:
        """When it would be unloaded if nothing more came; infinite when never."""
        return (now if self.idle_since is None else self.idle_since) + self.keep_s


class Memory:
    """The models that are loaded."""

    def __init__(self) -> None:
        self._residents: dict[str, Resident] = {}

    def holds(self, model: Model, now: float) -> bool:
        """Say whether the model is loaded."""
        self._expire(now)
        return model.name in self._residents

    def take(self, model: Model, keep_s: float) -> None:
        """A job has the loaded model: it stays until `release`."""
        self._residents[model.name] = Resident(model, keep_s, None)

    def release(self, model: Model, keep_s: float, now: float) -> None:
        """The job ended."""
        if model.name in self._residents:
            self._residents[model.name] = Resident(model, keep_s, now)

    def drop(self, model: Model) -> None:
        """Unload it now."""
        self._residents.pop(model.name, None)

    def residents(self, now: float) -> list[Resident]:
        """What is loaded, longest to live first, as /api/ps tells it."""
        self._expire(now)
        found = self._residents.values()
        return sorted(found, key=lambda resident: resident.leaves_at(now), reverse=True)

    def _expire(self, now: float) -> None:
        gone = [
            resident.model
            for resident in self._residents.values()
            if resident.idle_since is not None and resident.leaves_at(now) <= now
        ]
        for model in gone:
            self.drop(model)
