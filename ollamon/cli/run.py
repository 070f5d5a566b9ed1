"""`ollamon run CHILD`: one child in the foreground, for whoever wants to see it alone."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ollamon.cli.running import complete_child
from ollamon.cli.session import Session, common_options, pass_session
from ollamon.errors import PrivilegeError

if TYPE_CHECKING:
    from ollamon.cli import shapes

READY = "READY=1"


@click.command("run", short_help="Run one child alone in the foreground.")
@click.argument("child", shell_complete=complete_child)
@common_options
@pass_session
def command(session: Session, child: str) -> int:
    """Run one child alone in the foreground, wired as `up` wires it, and without supervision.

    It is not restarted, and what it writes is shown as it is. Its addresses must be free: stop it
    first where it runs (`ollamon stop CHILD`). Exits as the child does.
    """
    from ollamon.cli.up import plan_of
    from ollamon.cli.wishes import Wishes
    from ollamon.supervisor import alone

    # What only runs when it is asked for is asked for.
    wishes = Wishes(has_helper=True if child == "helper" else None, demo=child == "demo")
    plan = plan_of(session, wishes)
    known = {service.name: service for service in plan.stack.services}
    if child not in known:
        raise click.BadParameter(f"no child {child!r}; there is {', '.join(known)}")
    service = replace(known[child], after=(), requires=(), outlives=())
    if service.through_sudo:
        raise PrivilegeError(
            f"{child} runs through sudo here, and alone it could not be ended surely\n"
            "       Try: ollamon up --with-helper"
        )
    style = session.style()

    def tell(word: str) -> None:
        if word == READY:
            click.echo(f"{style.paint('ready', '32')}  {service.address}".rstrip(), err=True)

    sys.stdout.flush()
    stack = replace(plan.stack, services=(service,))
    code = alone.run(stack, session.stream.fileno(), tell)
    document: shapes.Run = {"name": plan.stack.name, "child": child}
    session.answer(document, code=code)
    return code
