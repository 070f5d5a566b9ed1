"""`ollamon helper`: what lets the helper read more."""

import os
import platform
import pwd
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ollamon.cli.session import Session, common_options, pass_session
from ollamon.errors import PrivilegeError

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@click.group("helper")
def command() -> None:
    """Rights of the hardware helper."""


def _decision(function: Decorated) -> Decorated:
    function = click.option("--print", "only_shows", is_flag=True, help="Show, change nothing.")(
        function
    )
    return click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")(function)


@command.command("install", short_help="Let the helper read what only root may.")
@_decision
@common_options
@pass_session
def install(session: Session, is_sure: bool, only_shows: bool) -> int:
    """Let the helper read what only root may, after showing the file and every command.

    macOS: a rule for sudo, powermetrics with exactly these words. Linux: a rule for udev and the
    group "ollamon", which may read the CPU's energy counters.
    """
    from ollamon.cli.rights import asking, giving, places, runner

    wanted = giving.for_this_system(session.load().config.helper)
    as_root = runner.Runner(places.LINUX.sudo, may_ask=asking.may_ask())
    return giving.give(wanted, as_root, session, is_sure=is_sure, only_shows=only_shows)


@command.command("uninstall")
@_decision
@common_options
@pass_session
def uninstall(session: Session, is_sure: bool, only_shows: bool) -> int:
    """Take back exactly what `ollamon helper install` made."""
    from ollamon.cli.rights import asking, giving, places, runner

    wanted = giving.for_this_system(session.load().config.helper)
    as_root = runner.Runner(places.LINUX.sudo, may_ask=asking.may_ask())
    return giving.take(wanted, as_root, session, is_sure=is_sure, only_shows=only_shows)


@command.command("status", short_help="Show what is installed, and what it lets the helper read.")
@common_options
@pass_session
def status(session: Session) -> int:
    """Show what is installed, whether it still fits, and what each source may read."""
    from ollamon.cli.rights import report

    found = report.of_this_system(session.load().config.helper)
    session.say(report.lines(found, session.style()))
    session.answer(report.document(found))
    return 0


@command.command("sudoers", short_help="Print the rule for powermetrics; install nothing.")
@common_options
@pass_session
def sudoers(session: Session) -> int:
    """Print the rule that lets you run powermetrics as root (macOS), and install nothing."""
    from ollamon.helper.powermetrics import sudoers as rules

    interval_s = session.load().config.helper.interval
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
        text = rules.text(user, os.getuid(), platform.machine(), interval_s)
    except (KeyError, ValueError) as error:
        raise PrivilegeError(f"no rule can be made for this user: {error}") from None
    session.say(text.rstrip("\n"))
    session.answer({"file": "/etc/sudoers.d/ollamon", "text": text})
    return 0
