"""Before anything starts: may the helper have root? If not, the stack goes on without."""

import platform
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from ollamon import services
from ollamon.cli.rights import need, places, report
from ollamon.cli.rights.asking import Sudo
from ollamon.cli.rights.need import Need
from ollamon.cli.rights.places import Places
from ollamon.helper import trust
from ollamon.services import Note, Plan

REMEDY = "ollamon helper install"
Say = Callable[[str], object]


def settle(
    plan: Plan,
    sudo: Sudo,
    say: Say | None,
    *,
    system: str = sys.platform,
    files: Callable[[], Iterable[Path]] = trust.own_files,
    where: Places = places.LINUX,
) -> Plan:
    """Return the plan as it can be run, with a note about what is missing.

    Args:
        plan: As it is wanted.
        sudo: Whom to ask.
        say: Tells the person why a password is asked for; None: nobody may be asked.
        system: As `sys.platform`.
        files: What would run as root.
        where: What a helper of the user's may read on Linux.
    """
    wanted = need.of(plan, system, platform.machine())
    if wanted is None:
        return _with_denied(plan, where) if system == "linux" else plan
    if distrust := untrusted(plan, wanted, files):
        return _without(plan, wanted, distrust)
    refused = sudo.refusal(wanted.words)
    if refused and say is not None:
        say(f"The helper needs root {wanted.why}")
        condition = ' and helper.run_as = "user"' if wanted.is_ours else ""
        say(f"Without it there is no {wanted.loss}.")
        say(f"With {REMEDY}{condition} nobody is asked.")
        refused = sudo.refusal(wanted.words) if sudo.authenticate() else "no password was given"
    if not refused:
        return plan
    if not sudo.has_session:
        refused += "; in the background nobody can give one"
    return _without(plan, wanted, refused)


def reason(plan: Plan) -> str:
    """Return why the helper would not run as root here, "" when it may or need not."""
    wanted = need.of(plan, sys.platform, platform.machine())
    if wanted is None or not wanted.is_ours:
        return ""
    return untrusted(plan, wanted, trust.own_files) or Sudo().refusal(wanted.words)


def untrusted(plan: Plan, wanted: Need, files: Callable[[], Iterable[Path]]) -> str:
    """Return why our own files must not run as root, "" when they may."""
    if not wanted.is_ours or plan.config.helper.trust_user_files:
        return ""
    found = trust.changeable(files())
    return f"{found} can be changed without being root" if found else ""


def _with_denied(plan: Plan, where: Places) -> Plan:
    """Add what the helper may not read; nobody can be asked for that."""
    if all(service.name != "helper" for service in plan.stack.services):
        return plan
    notes = [
        Note("helper", f"no {need.LOSS}: {right.reason}", right.fix)
        for right in report.on_linux(where).rights
        if right.may is False
    ]
    return replace(plan, notes=(*plan.notes, *notes))


def _without(plan: Plan, wanted: Need, why: str) -> Plan:
    note = Note("helper", f"no {wanted.loss}: {why}", REMEDY)
    plain = services.without_root(plan) if wanted.is_ours else plan
    return replace(plain, notes=(*plain.notes, note))
