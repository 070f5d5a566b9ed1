"""A user of this run with rules in the real sudoers, and both gone afterwards, whatever happens.

What a run that was killed left behind, the next one removes: the names carry the run's pid.
"""

import contextlib
import itertools
import os
import pwd
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ollamon import sudo

RULES = Path("/etc/sudoers.d")
PASSWORD = "correct horse"
PREFIX = "ollamon-test-"
_numbers = itertools.count()

needs_sudo = pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux",
    reason="only root can make a user and a rule for sudo, and on Linux alone it is tried",
)


@dataclass(frozen=True)
class SudoUser:
    """Who may use sudo for what `allow` says."""

    name: str
    uid: int

    @property
    def rules(self) -> Path:
        return RULES / self.name

    @property
    def folder(self) -> Path:
        """For programs of root's that the user may run; gone with the user."""
        return Path("/opt") / self.name

    def allow(self, *lines: str) -> None:
        """Replace the rules; `USER` in them is this user."""
        text = "".join(f"{line.replace('USER', self.name)}\n" for line in lines)
        check = ["/usr/sbin/visudo", "-cf", "-"]
        checked = subprocess.run(check, input=text, text=True, capture_output=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        # sudo passes over a name with a dot, so nobody reads half a file.
        staged = self.rules.with_name(f"{self.name}.new")
        staged.write_text(text)
        staged.chmod(0o440)
        staged.replace(self.rules)

    def program(self, name: str, script: str) -> Path:
        """Make a shell program of root's."""
        self.folder.mkdir(mode=0o755, exist_ok=True)
        program = self.folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    def run(self, *words: str, **options: object) -> subprocess.CompletedProcess[str]:
        return self.run_as(("/usr/sbin/runuser", "-u", self.name, "--"), *words, **options)

    def run_as(
        self, prefix: Sequence[str], *words: str, **options: object
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            [*prefix, *words],
            **{
                "stdin": subprocess.DEVNULL,
                "capture_output": True,
                "text": True,
                "timeout": 60,
                "check": False,
                **options,
            },
        )

    def sudo(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(*sudo.SILENT, *words)


@contextlib.contextmanager
def open_python(user: SudoUser) -> Iterator[str]:
    """An interpreter that the user can run, wherever that of this checkout lies."""
    program = user.folder / "bin" / "python"
    program.parent.mkdir(parents=True, mode=0o755)
    real = Path(os.path.realpath(sys.executable))
    shutil.copy(real, program)
    (user.folder / "pyvenv.cfg").write_text(f"home = {real.parent}\n")
    packages = user.folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    packages.mkdir(parents=True)
    ours = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    (packages / "ours.pth").write_text(ours)
    yield str(program)


@contextlib.contextmanager
def sudo_user() -> Iterator[SudoUser]:
    _sweep()
    name = f"{PREFIX}{os.getpid()}-{next(_numbers)}"
    with contextlib.ExitStack() as rests:
        subprocess.run(["/usr/sbin/useradd", "-M", "-s", "/bin/sh", name], check=True)
        rests.callback(_remove, name)
        entry = f"{name}:{PASSWORD}\n"
        subprocess.run(["/usr/sbin/chpasswd"], input=entry, text=True, check=True)
        yield SudoUser(name, pwd.getpwnam(name).pw_uid)


def _remove(name: str) -> None:
    for rule in RULES.glob(f"{name}*"):
        rule.unlink(missing_ok=True)
    shutil.rmtree(Path("/opt") / name, ignore_errors=True)
    # A ticket outlives nobody either.
    (Path("/run/sudo/ts") / name).unlink(missing_ok=True)
    subprocess.run(["/usr/sbin/userdel", "-f", name], check=True, capture_output=True)


def _sweep() -> None:
    for name in [entry.pw_name for entry in pwd.getpwall()]:
        match = re.fullmatch(rf"{PREFIX}(\d+)-\d+", name)
        if match and not Path(f"/proc/{match[1]}").exists():
            _remove(name)
