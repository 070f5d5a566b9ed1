"""Gives rights and takes them back: shows everything, asks, does it, looks whether it holds."""

import platform
import sys
from collections.abc import Sequence

import click

from ollamon.cli.rights import asking, linux, mac, places
from ollamon.cli.rights.installation import Installation
from ollamon.cli.rights.person import Person
from ollamon.cli.rights.runner import Runner, shown
from ollamon.cli.rights.steps import Step
from ollamon.cli.session import Session
from ollamon.cli.shapes import HelperChange
from ollamon.config.model import Helper
from ollamon.errors import PrivilegeError


def for_this_system(helper: Helper) -> Installation:
    """Return what can be given here, to whoever runs this.

    Raises:
        PrivilegeError: Nothing can be given on this system, or the person has no name.
    """
    if sys.platform == "darwin":
        person = Person.of_this_process()
        return mac.OnMac(places.MACOS, person, helper, platform.machine())
    if sys.platform == "linux":
        return linux.OnLinux(places.LINUX, Person.of_this_process())
    raise PrivilegeError(f"nothing is known that could be given on {sys.platform}")


def give(
    wanted: Installation, runner: Runner, session: Session, *, is_sure: bool, only_shows: bool
) -> int:
    """Install; return the exit code, 0 also where there is nothing to give.

    Raises:
        PrivilegeError: It is for root, nobody agreed, or it failed and all is as before.
    """
    if wanted.person.uid == 0:
        raise PrivilegeError("root needs no rights; run this as the person who runs ollamon")
    reason = wanted.nothing()
    if reason and not only_shows:
        session.say(f"Nothing to install: {reason}.")
        return _end_early(session, wanted, reason)
    chosen = wanted.given()
    session.say([f"{wanted.file} will be:", ""])
    session.say(f"    {line}" for line in wanted.text.splitlines())
    _show(session, chosen)
    session.say(line for text in wanted.remarks for line in session.style().wrap(text, 0))
    if only_shows or not _agreed(is_sure):
        return _end(session, wanted, chosen, is_done=False)
    wanted.refuse_others(runner)
    runner.run(chosen)
    try:
        wanted.check(runner)
    except PrivilegeError as error:
        runner.undo()
        raise PrivilegeError(f"{error}\n       All is as it was.") from None
    session.say("Installed. Take it back with: ollamon helper uninstall")
    return _end(session, wanted, chosen, is_done=True)


def take(
    wanted: Installation, runner: Runner, session: Session, *, is_sure: bool, only_shows: bool
) -> int:
    """Remove what `give` made; return the exit code, 0 also where there is nothing to remove.

    Raises:
        PrivilegeError: Nobody agreed, or a step failed.
    """
    if not wanted.is_there():
        session.say(f"Nothing is installed: there is no {wanted.file}.")
        return _end_early(session, wanted, "nothing is installed")
    chosen = wanted.taken()
    _show(session, chosen)
    if only_shows or not _agreed(is_sure):
        return _end(session, wanted, chosen, is_done=False)
    wanted.refuse_others(runner)
    runner.run(chosen)
    session.say("Removed.")
    return _end(session, wanted, chosen, is_done=True)


def _show(session: Session, chosen: Sequence[Step]) -> None:
    session.say(["", "These commands run as root, one by one:", ""])
    for step in chosen:
        session.say(f"    {shown(step.words)}{'  < that file' if step.text else ''}")
    session.say("")


def _agreed(is_sure: bool) -> bool:
    if is_sure:
        return True
    if not asking.may_ask():
        raise PrivilegeError("nobody is there to agree: --yes goes on without asking")
    return click.confirm("Go on?", err=True)


def _end(session: Session, wanted: Installation, chosen: Sequence[Step], *, is_done: bool) -> int:
    document: HelperChange = {
        "is_done": is_done,
        "reason": None,
        "file": str(wanted.file),
        "text": wanted.text,
        "commands": [list(step.words) for step in chosen],
    }
    session.answer(document)
    return 0


def _end_early(session: Session, wanted: Installation, reason: str) -> int:
    document: HelperChange = {
        "is_done": False,
        "reason": reason,
        "file": str(wanted.file),
        "text": wanted.text,
        "commands": [],
    }
    session.answer(document)
    return 0
