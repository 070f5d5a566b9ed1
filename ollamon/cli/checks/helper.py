"""The helper: who runs it, and what its sources say."""

from collections.abc import Iterator

from ollamon.cli.checks.finding import Finding, Severity, World
from ollamon.cli.helper_probe import read
from ollamon.config.model import HelperMode
from ollamon.readings import Reading, State

HOPELESS = frozenset({State.PERMISSION_DENIED, State.FAILED})


def check(world: World) -> Iterator[Finding]:
    """Ask it, when there should be one."""
    helper = world.loaded.config.helper
    runs = {child.name for child in world.status.children} if world.status else set()
    if helper.mode is HelperMode.OFF and "helper" not in runs:
        evidence = "off: GPU, power and temperature stay unknown"
        yield Finding("helper", Severity.OK, evidence, "ollamon up --with-helper")
        return
    is_expected = helper.mode is HelperMode.EXTERNAL or "helper" in runs
    reading, _ = read(helper.listen) if is_expected else (None, "")
    if reading is not None:
        yield from _sources(reading)
    elif is_expected:
        evidence = f"no helper answers on {helper.listen}"
        fix = "ollamon logs helper" if "helper" in runs else "python -m ollamon.helper --by-hand"
        yield Finding("helper", Severity.WARN, evidence, fix)
    else:
        yield Finding("helper", Severity.OK, "on: starts with the stack")


def _sources(reading: Reading) -> Iterator[Finding]:
    words = [f"{source} {fares.state}" for source, fares in reading.sources.items()]
    yield Finding("helper", Severity.OK, f"answers; {', '.join(words) or 'no source here'}")
    for source, fares in reading.sources.items():
        if fares.state in HOPELESS:
            yield Finding("helper", Severity.WARN, f"{source}: {fares.detail or fares.state}")
