"""On Linux: a rule for udev, a group and membership, so that RAPL is read without root."""

import contextlib
import grp
import stat
import subprocess
from pathlib import Path

from ollamon.cli.rights import steps
from ollamon.cli.rights.person import Person
from ollamon.cli.rights.places import Places
from ollamon.cli.rights.runner import Runner
from ollamon.cli.rights.steps import Made, Step
from ollamon.errors import PrivilegeError


class OnLinux:
    """See `Installation`.

    Args:
        places: Where things are.
        person: Who becomes a member of the group.
    """

    def __init__(self, places: Places, person: Person) -> None:
        self._places, self.person = places, person
        self.file = places.rules
        self._before = steps.made_by(text_of(places.rules))
        members = _members(places.group)
        self._new_group = members is None
        self._new_member = "" if members and person.name in members else person.name
        kept = [name for name in self._before.members if name != self._new_member]
        self._made = Made(
            self._before.has_group or self._new_group,
            (*kept, *filter(None, [self._new_member])),
        )
        self.text = steps.rule(places, self._made)
        self.remarks = (
            f"{person.name}, and every program that runs as {person.name}, can then measure the "
            "CPU's power finely, and from that guess at what other programs compute (PLATYPUS, "
            "CVE-2020-8694).",
            f"The group {places.group} counts from the next login on.",
        )

    def nothing(self) -> str:
        """See `Installation`."""
        if not counters(self._places):
            return "this machine shows no RAPL energy counters"
        here = Path(self._places.udevadm).exists()
        return "" if here else f"{self._places.udevadm} is missing, and no rule would be read"

    def given(self) -> list[Step]:
        """See `Installation`."""
        return steps.share_counters(
            self._places,
            self._made,
            new_group=self._new_group,
            new_member=self._new_member,
            counters=counters(self._places),
            can_verify=_can_verify(self._places.udevadm),
        )

    def check(self, runner: Runner) -> None:
        """See `Installation`."""
        group = grp.getgrnam(self._places.group).gr_gid
        for counter in counters(self._places):
            facts = counter.stat()
            if facts.st_gid != group or not facts.st_mode & stat.S_IRGRP:
                raise PrivilegeError(f"udev does not follow {self.file}: {counter} is unchanged")

    def is_there(self) -> bool:
        """See `Installation`."""
        return self.file.exists()

    def taken(self) -> list[Step]:
        """See `Installation`."""
        there = _members(self._places.group)
        ours = [name for name in self._before.members if name in (there or ())]
        # A group with members of somebody else's stays.
        is_ours = self._before.has_group and there is not None and set(there) <= set(ours)
        made = Made(is_ours, tuple(ours))
        return steps.unshare_counters(self._places, made, counters(self._places))

    def refuse_others(self, runner: Runner) -> None:
        """See `Installation`. The file remembers all members, so that nobody is lost."""


def counters(places: Places) -> list[Path]:
    """Return the energy counter of each RAPL package."""
    found = []
    for zone in sorted(places.sysfs.glob("class/powercap/intel-rapl:*")):
        with contextlib.suppress(OSError):
            if (zone / "name").read_text().startswith("package-"):
                found.append(zone / "energy_uj")
    return found


def text_of(path: Path) -> str:
    """Return a file, "" when there is none."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _members(group: str) -> list[str] | None:
    try:
        return grp.getgrnam(group).gr_mem
    except KeyError:
        return None


def _can_verify(udevadm: str) -> bool:
    """`udevadm verify` came with systemd 254."""
    try:
        told = subprocess.run([udevadm, "--help"], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return False
    return "verify" in told.stdout
