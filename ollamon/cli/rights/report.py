"""What is installed, whether it fits what is configured, and which source may be read."""

import grp
import os
import platform
import pwd
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ollamon.cli.rights import linux, need, places, steps
from ollamon.cli.rights.asking import Sudo
from ollamon.cli.rights.places import Places
from ollamon.cli.shapes import HelperStatus, SourceRight
from ollamon.cli.words import Mark, Style
from ollamon.config.model import Helper
from ollamon.helper.powermetrics import command
from ollamon.readings import Source

INSTALL = "ollamon helper install"
_FREE = {
    "linux": (Source.HWMON, Source.NVIDIA, Source.AMDGPU, Source.INTEL),
    "darwin": (Source.IOREG, Source.IOHID, Source.MACMON, Source.OSX_CPU_TEMP),
}


@dataclass(frozen=True, slots=True)
class Right:
    """One source.

    Attributes:
        needs: What it needs; "" for nothing.
        may: It may be read now; None where this machine has no such source.
        reason: Why not.
        fix: The command that helps, or "".
    """

    source: Source
    needs: str = ""
    may: bool | None = True
    reason: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All of it.

    Attributes:
        file: What `ollamon helper install` writes; "" where it writes nothing.
        is_installed: It is there.
        fits: It gives what is configured now.
    """

    file: str
    is_installed: bool
    fits: bool
    rights: tuple[Right, ...]


def of_this_system(helper: Helper) -> Report:
    """Look at it, without asking anybody."""
    if sys.platform == "darwin":
        return on_mac(helper, platform.machine(), places.MACOS, Sudo())
    if sys.platform == "linux":
        return on_linux(places.LINUX)
    return Report("", False, False, ())


def on_mac(helper: Helper, arch: str, where: Places, sudo: Sudo) -> Report:
    """Ask sudo about the words that the helper would use, and others that it may have used."""
    forms = need.powermetrics(helper, arch, where.powermetrics)
    refusals = [reason for words in forms if (reason := _refusal(sudo, words))]
    is_there = _is_there(where.sudoers)
    right = Right(Source.POWERMETRICS, "root, through sudo")
    if refusals:
        reason = f"sudo refuses: {refusals[0]}"
        if is_there or _other_pace(helper, arch, where, sudo):
            is_there = True
            reason = f"{where.sudoers} no longer fits helper.interval; install it again"
        right = Right(right.source, right.needs, False, reason, INSTALL)
    return Report(
        str(where.sudoers), is_there, is_there and not refusals, (right, *_free("darwin"))
    )


def on_linux(where: Places) -> Report:
    """Look at the files that the kernel, udev and the group have made of it."""
    text = linux.text_of(where.rules)
    is_there = bool(text)
    is_ours = text == steps.rule(where, steps.made_by(text))
    found = linux.counters(where)
    denied = [path for path in found if not os.access(path, os.R_OK)]
    may = not denied if found else None
    right = Right(Source.RAPL, f"root, or the group {where.group}", may)
    if denied and is_there and is_ours and _waits_for_login(where, denied):
        reason = f"you are in the group {where.group} from your next login on"
        right = Right(right.source, right.needs, False, reason, "")
    elif denied:
        reason = f"{denied[0]} may not be read"
        right = Right(right.source, right.needs, False, reason, INSTALL)
    return Report(str(where.rules), is_there, is_there and is_ours, (right, *_free("linux")))


def lines(report: Report, style: Style) -> Iterator[str]:
    """Return what people see."""
    if report.is_installed and report.fits:
        yield from style.row(Mark.OK, "installed", report.file)
    elif report.is_installed:
        yield from style.row(Mark.WARN, "installed", f"{report.file} no longer fits", INSTALL)
    else:
        yield from style.row(Mark.EXTERNAL, "installed", "nothing")
    for right in report.rights:
        needs = f"needs {right.needs or 'nothing'}"
        if right.may is None:
            yield from style.row(Mark.EXTERNAL, right.source, f"not on this machine; {needs}")
        elif right.may:
            yield from style.row(Mark.OK, right.source, f"may be read; {needs}")
        else:
            yield from style.row(Mark.WARN, right.source, f"{right.reason}; {needs}", right.fix)


def document(report: Report) -> HelperStatus:
    """Return the same for `--json`."""
    return {
        "file": report.file,
        "is_installed": report.is_installed,
        "fits": report.fits,
        "sources": [
            SourceRight(
                source=right.source,
                needs=right.needs,
                may=right.may,
                reason=right.reason or None,
                fix=right.fix or None,
            )
            for right in report.rights
        ],
    }


def _refusal(sudo: Sudo, words: Sequence[str]) -> str:
    return "" if os.geteuid() == 0 else sudo.refusal(words)


def _other_pace(helper: Helper, arch: str, where: Places, sudo: Sudo) -> bool:
    """Say whether the words of another interval are allowed, as after a change of the file."""
    ours = command.interval_ms(helper.interval)
    others = (pace / 1000 for pace in command.INTERVALS_MS if pace != ours)
    return any(
        not _refusal(sudo, need.powermetrics(changed, arch, where.powermetrics)[0])
        for changed in (helper.model_copy(update={"interval": each}) for each in others)
    )


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _waits_for_login(where: Places, denied: Sequence[Path]) -> bool:
    """The group may read them, and we are in it, but this login began before that."""
    try:
        group, person = grp.getgrnam(where.group), pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    is_member = person.pw_name in group.gr_mem and group.gr_gid not in os.getgroups()
    return is_member and all(path.stat().st_gid == group.gr_gid for path in denied)


def _free(system: str) -> Iterator[Right]:
    for source in _FREE[system]:
        yield Right(source)
