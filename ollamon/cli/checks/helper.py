"""The helper: who runs it, and what its sources say."""

from collections.abc import Iterator

from ollamon.cli.checks.finding import Finding, fine, warning
from ollamon.cli.checks.world import World
from ollamon.cli.helper_probe import read
from ollamon.config.model import HelperMode
from ollamon.readings import Reading, Source, State

SILENT = warning(
    "helper-silent",
    "No helper answers, so GPU, power and temperature stay unknown.",
    "Start it, or look at its log.",
)
DENIED = warning(
    "helper-denied",
    "The helper may not read a source, so its numbers stay unknown.",
    "On macOS a rule of sudo for powermetrics; on Linux the group or the rights that it names.",
)
FAILED = warning(
    "helper-failed",
    "A source of the helper fails, so its numbers stay unknown.",
    "Look at what it says, and at the helper's log.",
)
KINDS = (SILENT, DENIED, FAILED)


def check(world: World) -> Iterator[Finding]:
    """Ask it, when there should be one."""
    helper = world.loaded.config.helper
    if helper.mode is HelperMode.OFF and "helper" not in world.children:
        evidence = "off: GPU, power and temperature stay unknown"
        yield fine("helper", evidence, "ollamon up --with-helper")
        return
    is_expected = helper.mode is HelperMode.EXTERNAL or "helper" in world.children
    if not is_expected:
        yield fine("helper", "on: starts with the stack")
        return
    if world.sight.is_offline:
        yield fine("helper", f"{helper.listen} is not asked (--offline)")
        return
    reading, _ = read(helper.listen)
    if reading is not None:
        yield from _sources(reading)
    else:
        evidence = f"no helper answers on {helper.listen}"
        is_child = "helper" in world.children
        fix = "ollamon logs helper" if is_child else "python -m ollamon.helper --by-hand"
        yield SILENT.found(evidence, fix)


def _sources(reading: Reading) -> Iterator[Finding]:
    words = [f"{source} {fares.state}" for source, fares in reading.sources.items()]
    yield fine("helper", f"answers; {', '.join(words) or 'no source here'}")
    for source, fares in reading.sources.items():
        evidence = f"{source}: {fares.detail or fares.state}"
        if fares.state is State.PERMISSION_DENIED:
            fix = "ollamon helper sudoers" if source is Source.POWERMETRICS else ""
            yield DENIED.found(evidence, fix)
        elif fares.state is State.FAILED:
            yield FAILED.found(evidence, "ollamon logs helper")
