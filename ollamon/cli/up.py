"""`ollamon up`."""

import os
import re
import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ollamon.cli import table
from ollamon.cli.session import Session, common_options, own_command, pass_session, seconds_of
from ollamon.cli.wishes import Wishes, subset_options
from ollamon.errors import AlreadyRunningError, LeftoverError, NotRunningError, PortInUseError
from ollamon.supervisor.terminal import has_terminal

if TYPE_CHECKING:
    from ollamon.cli import shapes
    from ollamon.services import Plan
    from ollamon.supervisor.messages import StackStatus


@click.command("up")
@click.option("-d", "--detach", is_flag=True, help="Run in the background.")
@click.option(
    "--wait/--no-wait",
    "is_awaited",
    default=True,
    help="With -d: return when all are ready, or stopped again (default); or when it runs.",
)
@click.option(
    "--timeout",
    "timeout_s",
    metavar="DURATION",
    callback=seconds_of,
    help="Give up waiting after this long.  [default: supervisor.start_timeout, 60s]",
)
@click.option(
    "--with-helper/--no-helper",
    "has_helper",
    default=None,
    help="Read GPU, power and temperature for this run, or not.",
)
@click.option(
    "--ollama",
    "ollama_mode",
    type=click.Choice(["auto", "managed", "external", "off"]),
    help="Who runs Ollama, for this run; see [ollama] mode.",
)
@click.option(
    "--takeover",
    is_flag=True,
    help="Put the proxy where Ollama's clients call, 11434, and an Ollama of ours behind it: no "
    "client changes anything.",
)
@subset_options
@click.option(
    "--replace", "is_replacing", is_flag=True, help="Stop a stack that runs already first."
)
@click.option(
    "--orphans",
    type=click.Choice(["kill", "ask", "refuse"]),
    help="What to do with processes that a dead run has left.  [default: supervisor.orphans, kill]",
)
@click.option(
    "--exit-on-failure",
    "ends_on_failure",
    is_flag=True,
    help="Stop everything and exit 1 when a child has failed.",
)
@click.option("--timestamps", "has_timestamps", is_flag=True, help="The time before each line.")
@click.option(
    "--open", "opens_page", is_flag=True, help="Open the dashboard in your browser when ready."
)
@click.option("--demo", is_flag=True, help="With a simulated Ollama and gentle traffic.")
@click.option("--no-logs", is_flag=True, help="Do not show the lines of the children.")
@click.option("--dry-run", is_flag=True, help="Check, show what would be run, and start nothing.")
@click.option("--plan", "is_plan_wanted", is_flag=True, hidden=True)
@click.option("--report-fd", type=int, hidden=True)
@common_options
@pass_session
def command(
    session: Session,
    detach: bool,
    is_awaited: bool,
    timeout_s: float | None,
    has_helper: bool | None,
    ollama_mode: str | None,
    takeover: bool,
    only: tuple[str, ...],
    besides: tuple[str, ...],
    is_replacing: bool,
    orphans: str | None,
    ends_on_failure: bool,
    has_timestamps: bool,
    opens_page: bool,
    demo: bool,
    no_logs: bool,
    dry_run: bool,
    is_plan_wanted: bool,
    report_fd: int | None,
) -> int:
    """Start the stack, in the foreground unless told otherwise."""
    if report_fd is not None:
        from ollamon.cli import background

        return background.report(report_fd, is_awaited=is_awaited)
    if takeover and (demo or ollama_mode not in (None, "managed")):
        raise click.UsageError(
            "--takeover runs an Ollama of ours: neither --demo nor --ollama fits"
        )
    wishes = Wishes(
        *(timeout_s, has_helper, ollama_mode, takeover, demo),
        *(orphans, only, besides, ends_on_failure),
    )
    plan = plan_of(session, wishes)
    if is_plan_wanted:
        return _tell_plan(_settled(plan, has_session=has_terminal()), session)
    if dry_run:
        return _rehearse(_settled(plan, has_session=not detach), session)
    from ollamon.cli import running

    if is_replacing:
        _stop_running(session, plan)
    if (status := running.find(plan.stack.runtime)) is not None:
        return _tell_same(session, status, running.require_same(status, plan.stack))
    plan = _with_orphans_decided(plan)
    try:
        if detach:
            settled = _settled(plan, has_session=False)
            return _detach(settled, session, is_awaited=is_awaited, opens_page=opens_page)
        settled = _settled(plan, session)
        return _stay(
            *(settled, session),
            has_logs=not no_logs,
            has_timestamps=has_timestamps,
            opens_page=opens_page,
        )
    except AlreadyRunningError:
        if (status := running.await_other(plan.stack.runtime)) is None:
            raise
        return _tell_same(session, status, running.require_same(status, plan.stack))
    except PortInUseError as error:
        raise PortInUseError(_with_ways_out(str(error), plan, wishes)) from None


def _settled(plan: "Plan", asks_as: Session | None = None, *, has_session: bool = True) -> "Plan":
    """Return the plan with what of it may run as root; a person is asked with a session only."""
    if not any(service.name == "helper" for service in plan.stack.services):
        return plan
    from ollamon.cli.rights import asking, settle

    say = asks_as.say if asks_as is not None and asking.may_ask() else None
    return settle.settle(plan, asking.Sudo(has_session=has_session), say)


def _with_ways_out(text: str, plan: "Plan", wishes: Wishes) -> str:
    text = with_engine(text, plan.config.prometheus.listen.url)
    text = with_server(text)
    if not wishes.takeover:
        return text
    from ollamon.cli import takeover

    return takeover.refused(text, plan.config)


def with_engine(text: str, url: str) -> str:
    """Add to the words about taken ports that a Prometheus which has ours can be used instead."""
    return _use_that_one(text, "prometheus", f'mode = "external", url = "{url}"')


def with_server(text: str) -> str:
    """Add the same about an Ollama."""
    return _use_that_one(text, "ollama", 'mode = "external"')


def _use_that_one(text: str, name: str, values: str) -> str:
    taken = re.search(
        rf"^.* wanted by {name}\n +pid \d+  {name} .*\n(?: .*\n?)*", text, re.MULTILINE
    )
    if taken is None:
        return text
    before, after = text[: taken.end()].rstrip("\n"), text[taken.end() :]
    hint = f"       or      set [{name}] {values}      (use that one)"
    return "\n".join(filter(None, [before, hint, after]))


def plan_of(session: Session, wishes: Wishes) -> "Plan":
    """Return what these wishes lead to.

    Raises:
        ConfigError, ProgramMissingError, PortInUseError: They lead nowhere.
    """
    from ollamon import services
    from ollamon.cli.helper_probe import is_foreign_helper
    from ollamon.cli.ollama_probe import has_ollama
    from ollamon.config import files
    from ollamon.config.paths import folders
    from ollamon.supervisor import subset

    options = wishes.options()
    loaded = session.load(options)
    notices = [services.Note("config", notice) for notice in loaded.notices]
    if wishes.takeover:
        from ollamon.cli import takeover

        loaded = session.load(options | takeover.options(loaded.config))
        notices = takeover.notes(loaded.config, os.environ.get("OLLAMA_HOST", ""))
    plan = services.stack(
        loaded.config,
        file=files.shown(loaded.file) if loaded.file else "",
        digest=services.digest(loaded.config),
        is_helper=is_foreign_helper,
        has_ollama=has_ollama(folders(loaded.config).runtime),
    )
    limit_s = wishes.timeout_s
    stack = plan.stack if limit_s is None else replace(plan.stack, start_timeout_s=limit_s)
    try:
        stack = subset.of(stack, only=wishes.only, besides=wishes.besides)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if wishes.ends_on_failure:
        stack = subset.ending_on_failure(stack)
    words = [*session.words(), "up", *wishes.words()]
    stack = replace(stack, origin=(*own_command(), *words, "--plan", "--json"))
    return replace(plan, stack=stack, notes=(*notices, *plan.notes))


def _tell_plan(plan: "Plan", session: Session) -> int:
    """Be the process that `supervisor.planner` starts."""
    from ollamon.supervisor import wire

    session.answer({"stack": wire.to_document(plan.stack)})
    return 0


def _detach(plan: "Plan", session: Session, *, is_awaited: bool, opens_page: bool) -> int:
    from ollamon.cli import detached, foreground

    code = detached.start(plan, session, is_awaited=is_awaited)
    if opens_page and is_awaited:
        foreground.open_page(session)
    return code


def _stop_running(session: Session, plan: "Plan") -> None:
    from ollamon.cli.down import stop_any

    with suppress(NotRunningError):
        stop_any(session, plan.stack.runtime, None)


def _with_orphans_decided(plan: "Plan") -> "Plan":
    """Ask where that is wanted. Raises LeftoverError: There is nobody to ask."""
    if plan.stack.orphans != "ask":
        return plan
    from ollamon.supervisor.leftovers import describe, leftovers

    found = leftovers(plan.stack.runtime)
    if not found:
        return plan
    if not sys.stdin.isatty():
        raise LeftoverError(f"a dead run has left {describe(found)}: nobody is here to be asked")
    is_wanted = click.confirm(f"A dead run has left {describe(found)}. End them?", err=True)
    orphans = "kill" if is_wanted else "refuse"
    return replace(plan, stack=replace(plan.stack, orphans=orphans))


def _stay(
    plan: "Plan", session: Session, *, has_logs: bool, has_timestamps: bool, opens_page: bool
) -> int:
    from ollamon.cli import foreground

    shown = foreground.Shown(has_logs, has_timestamps, opens_page)
    code = foreground.run(plan, session, shown)
    session.answer(table.document_of_up(plan.stack.name, "ended"), code=code)
    return code


def _rehearse(plan: "Plan", session: Session) -> int:
    from ollamon.cli import foreground, redaction
    from ollamon.supervisor import preflight

    session.say(foreground.first_lines(plan, session.style()))
    preflight.check(plan.stack)
    services: list[shapes.Service] = []
    for service in plan.stack.services:
        after = f"  after {', '.join(service.after)}" if service.after else ""
        variables = {
            name: redaction.value(name, text) for name, text in service.environment.items()
        }
        words = [f"{name}={text}" for name, text in variables.items()] + list(service.argv)
        session.say([f"{service.name}{after}", f"  {' '.join(words)}"])
        argv = list(service.argv)
        services.append({"name": service.name, "argv": argv, "environment": variables})
    session.say("Nothing was started.")
    document = table.document_of_up(plan.stack.name, "rehearsed")
    document["services"] = services
    session.answer(document)
    return 0


def _tell_same(session: Session, status: "StackStatus", sentence: str) -> int:
    session.say(sentence)
    session.answer(table.document_of_up(status.name, "running", status))
    return 0
