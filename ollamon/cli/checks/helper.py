"""The helper: who runs it, and what its sources say."""

from collections.abc import Iterator

from ollamon.cli.checks.finding import Finding, fine, warning
from ollamon.cli.checks.world import World
from ollamon.cli.helper_probe import read
from ollamon.cli.rights import report as rights
from ollamon.cli.rights import settle
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
OUTGROWN = warning(
    "helper-outgrown",
    "What `ollamon helper install` wrote no longer gives what is configured.",
    "Install it again.",
)
UNPRIVILEGED = warning(
    "helper-unprivileged",
    "What the helper needs root for will stay unknown when the stack starts.",
    "Let ollamon install a right for exactly that; docs/hardware.md says which.",
)
KINDS = (SILENT, DENIED, FAILED, OUTGROWN, UNPRIVILEGED)


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
        yield from _rights(world)
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


def _rights(world: World) -> Iterator[Finding]:
    """Look whether the helper will get what it needs."""
    found = rights.of_this_system(world.loaded.config.helper)
    if found.is_installed and not found.fits:
        yield OUTGROWN.found(f"{found.file} no longer fits", rights.INSTALL)
        return
    reasons = [(right.reason, right.fix) for right in found.rights if right.may is False]
    if world.plan is not None and (reason := settle.reason(world.plan)):
        reasons = [(reason, rights.INSTALL)]
    for reason, fix in reasons:
        yield UNPRIVILEGED.found(reason, fix)


def _sources(reading: Reading) -> Iterator[Finding]:
    words = [f"{source} {fares.state}" for source, fares in reading.sources.items()]
    yield fine("helper", f"answers; {', '.join(words) or 'no source here'}")
    for source, fares in reading.sources.items():
        evidence = f"{source}: {fares.detail or fares.state}"
        if fares.state is State.PERMISSION_DENIED:
            fix = rights.INSTALL if source in (Source.POWERMETRICS, Source.RAPL) else ""
            yield DENIED.found(evidence, fix)
        elif fares.state is State.FAILED:
            yield FAILED.found(evidence, "ollamon logs helper")
