"""`ollamon helper`: what lets the helper read more."""

import os
import platform
import pwd

import click

from ollamon.cli.session import Session, common_options, pass_session
from ollamon.errors import PrivilegeError


@click.group("helper")
def command() -> None:
    """Rights of the hardware helper."""


@command.command("sudoers")
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
