"""What is run as root to give rights and to take them back, without I/O."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ollamon.cli.rights.places import Places

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One call.

    Attributes:
        words: What is run.
        text: Goes to its stdin.
        answer: What it has to print.
        undo: What takes it back when a later step fails.
        has_halves: When it fails itself, it may have done a part.
    """

    words: Words
    text: str = ""
    answer: str | None = None
    undo: tuple[Words, ...] = ()
    has_halves: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """What an installation on Linux has made, as its file remembers it."""

    has_group: bool = False
    members: tuple[str, ...] = ()


_MADE = re.compile(r"^# made by ollamon helper install: (group)?;? ?members ?(.*)$", re.MULTILINE)


def allow_powermetrics(places: Places, text: str) -> list[Step]:
    """Put a file of rules where sudo reads it; under its staged name, with a dot, it does not."""
    visudo = f"{places.admin}/visudo"
    return [
        Step((visudo, "-cf", "-"), text),
        *_put(
            places, places.sudoers, text, "0440", [Step((visudo, "-cf", staged(places.sudoers)))]
        ),
        Step((visudo, "-c")),
    ]


def forbid_powermetrics(places: Places) -> list[Step]:
    """Take the file away again."""
    return [_removal(places, places.sudoers), Step((f"{places.admin}/visudo", "-c"))]


def rule(places: Places, made: Made) -> str:
    """Return the file that gives RAPL's energy counters to the group, at every boot."""
    group = "group; " if made.has_group else ""
    return (
        f"# made by ollamon helper install: {group}members {' '.join(made.members)}\n"
        'SUBSYSTEM=="powercap", ACTION=="add", KERNEL=="intel-rapl:*", ATTR{name}=="package-*", '
        f'RUN+="{places.folder}/chgrp {places.group} /sys%p/energy_uj", '
        f'RUN+="{places.folder}/chmod 0440 /sys%p/energy_uj"\n'
    )


def made_by(text: str) -> Made:
    """Return what the file says that its installation has made."""
    found = _MADE.search(text)
    return Made(bool(found[1]), tuple(found[2].split())) if found else Made()


def share_counters(
    places: Places,
    made: Made,
    *,
    new_group: bool,
    new_member: str,
    counters: Sequence[Path],
    can_verify: bool,
) -> list[Step]:
    """Give the counters to a group and a user to the group.

    Args:
        places: See there.
        made: What is made now or was made before, for the file.
        new_group: The group does not exist yet.
        new_member: Who is not in it yet, or "".
        counters: The files whose rights are to change.
        can_verify: This udev checks files.
    """
    steps = []
    if new_group:
        undo: Words = (f"{places.admin}/groupdel", places.group)
        steps.append(Step((f"{places.admin}/groupadd", "--system", places.group), undo=(undo,)))
    if new_member:
        undo = (places.gpasswd, "-d", new_member, places.group)
        steps.append(Step((places.gpasswd, "-a", new_member, places.group), undo=(undo,)))
    check = [Step((places.udevadm, "verify", staged(places.rules)))] if can_verify else []
    steps += _put(places, places.rules, rule(places, made), "0644", check)
    steps.append(Step((places.udevadm, "control", "--reload")))
    trigger = (places.udevadm, "trigger", "--settle", "--subsystem-match=powercap", "--action=add")
    return [*steps, Step(trigger, undo=tuple(_given_back(places, counters)), has_halves=True)]


def unshare_counters(places: Places, made: Made, counters: Iterable[Path]) -> list[Step]:
    """Take back what was made, and nothing else."""
    steps = [
        _removal(places, places.rules),
        Step((places.udevadm, "control", "--reload")),
        *(Step(words) for words in _given_back(places, counters)),
        *(Step((places.gpasswd, "-d", member, places.group)) for member in made.members),
    ]
    if made.has_group:
        steps.append(Step((f"{places.admin}/groupdel", places.group)))
    return steps


def staged(path: Path) -> str:
    """Return the name under which a file is looked at before it counts."""
    return f"{path}.new"


def _put(places: Places, path: Path, text: str, mode: str, checks: Iterable[Step]) -> list[Step]:
    new, final = staged(path), str(path)
    return [
        Step((places.tee, new), text, undo=((f"{places.folder}/rm", "-f", new),), has_halves=True),
        Step((f"{places.folder}/chmod", mode, new)),
        Step((places.chown, f"root:{places.root_group}", new)),
        *checks,
        Step((f"{places.folder}/cat", new), answer=text),
        Step(
            (f"{places.folder}/mv", "-f", new, final),
            undo=((f"{places.folder}/rm", "-f", final),),
        ),
    ]


def _removal(places: Places, path: Path) -> Step:
    return Step((f"{places.folder}/rm", "-f", str(path)))


def _given_back(places: Places, counters: Iterable[Path]) -> Iterable[Words]:
    for counter in counters:
        yield (f"{places.folder}/chgrp", places.root_group, str(counter))
        yield (f"{places.folder}/chmod", "0400", str(counter))
