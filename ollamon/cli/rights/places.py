"""Where programs and files are that giving and taking rights needs, without I/O."""

from dataclasses import dataclass
from pathlib import Path

from ollamon import sudo
from ollamon.helper.powermetrics import command

GROUP = "ollamon"


@dataclass(frozen=True, slots=True)
class Places:
    """Those of one system; absolute, so that no PATH decides what runs as root.

    Attributes:
        folder: Of chgrp, chmod, chown, cat, mv, rm.
        admin: Of visudo, groupadd, groupdel.
        root_group: Root's own.
        sudoers: The file that lets a user run powermetrics.
        rules: The file that lets a group read RAPL.
        sysfs: Where the kernel shows its devices.
    """

    sudo: str = sudo.PROGRAM
    folder: str = "/bin"
    admin: str = "/usr/sbin"
    tee: str = "/usr/bin/tee"
    chown: str = "/bin/chown"
    gpasswd: str = "/usr/bin/gpasswd"
    udevadm: str = "/usr/bin/udevadm"
    powermetrics: str = command.PROGRAM
    root_group: str = "root"
    group: str = GROUP
    sudoers: Path = Path("/etc/sudoers.d/ollamon")
    rules: Path = Path("/etc/udev/rules.d/70-ollamon-rapl.rules")
    sysfs: Path = Path("/sys")


LINUX = Places()
MACOS = Places(chown="/usr/sbin/chown", root_group="wheel")
