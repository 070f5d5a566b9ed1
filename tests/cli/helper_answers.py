"""What a helper answers, for tests that have none."""

from ollamon.readings import Platform, Reading, Source, SourceState, State, System, to_json


def answer(**sources: tuple[str, str]) -> bytes:
    """A reading without values; `rapl=("ok", "")` is a source, its state and its sentence."""
    states = {
        Source(name): SourceState(State(state), detail or None)
        for name, (state, detail) in sources.items()
    }
    platform = Platform(System.LINUX, "6.1", "x86_64", None, False)
    return to_json(Reading("0.1.0", "2026-01-01T00:00:00.000Z", 1.0, 5.0, platform, sources=states))
