"""`ollamon up`."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ollamon.cli.session import Session, common_options, pass_session, seconds_of
from ollamon.errors import AlreadyRunningError, PortInUseError

if TYPE_CHECKING:
    from ollamon.services import Plan


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
@click.option("--demo", is_flag=True, help="With a simulated Ollama and gentle traffic.")
@click.option("--no-logs", is_flag=True, help="Do not show the lines of the children.")
@click.option("--dry-run", is_flag=True, help="Check, show what would be run, and start nothing.")
@click.option("--report-fd", type=int, hidden=True)
@common_options
@pass_session
def command(
    session: Session,
    detach: bool,
    is_awaited: bool,
    timeout_s: float | None,
    has_helper: bool | None,
    demo: bool,
    no_logs: bool,
    dry_run: bool,
    report_fd: int | None,
) -> int:
    """Start the stack, in the foreground unless told otherwise."""
    plan = _plan(session, timeout_s, has_helper, demo)
    if report_fd is not None:
        from ollamon.cli import detached

        return detached.report(plan, report_fd, is_awaited=is_awaited)
    if dry_run:
        return _rehearse(plan, session)
    from ollamon.cli import running

    if (status := running.find(plan.stack.runtime)) is not None:
        return _tell_same(session, running.require_same(status, plan.stack))
    try:
        if detach:
            words = _words(session, timeout_s, has_helper, demo)
            return _detach(plan, session, words, is_awaited=is_awaited)
        return _stay(plan, session, has_logs=not no_logs)
    except AlreadyRunningError:
        if (status := running.await_other(plan.stack.runtime)) is None:
            raise
        return _tell_same(session, running.require_same(status, plan.stack))
    except PortInUseError as error:
        engine = plan.config.prometheus.listen.url
        raise PortInUseError(with_engine(str(error), engine)) from None


def with_engine(text: str, url: str) -> str:
    """Add to the words about taken ports that a Prometheus which has ours can be used instead."""
    taken = re.search(
        r"^.* wanted by prometheus\n +pid \d+  prometheus .*\n(?: .*\n?)*", text, re.MULTILINE
    )
    if taken is None:
        return text
    before, after = text[: taken.end()].rstrip("\n"), text[taken.end() :]
    hint = f'       or      set [prometheus] mode = "external", url = "{url}"      (use that one)'
    return "\n".join(filter(None, [before, hint, after]))


def _plan(session: Session, timeout_s: float | None, has_helper: bool | None, demo: bool) -> "Plan":
    from ollamon import services
    from ollamon.cli.helper_probe import is_foreign_helper
    from ollamon.config import files

    options: dict[str, object] = {}
    if has_helper is not None:
        options["helper.mode"] = "on" if has_helper else "off"
    if demo:
        options["demo.enabled"] = True
    loaded = session.load(options)
    plan = services.stack(
        loaded.config,
        file=files.shown(loaded.file) if loaded.file else "",
        digest=services.digest(loaded.config),
        is_helper=is_foreign_helper,
    )
    notices = tuple(services.Note("config", notice) for notice in loaded.notices)
    stack = plan.stack if timeout_s is None else replace(plan.stack, start_timeout_s=timeout_s)
    return replace(plan, stack=stack, notes=(*notices, *plan.notes))


def _words(
    session: Session, timeout_s: float | None, has_helper: bool | None, demo: bool
) -> list[str]:
    """The arguments that make the same plan again."""
    words = ["--config", session.file] if session.file else []
    words += ["--name", session.name] if session.name else []
    words.append("up")
    words += [] if timeout_s is None else ["--timeout", f"{timeout_s * 1000:.0f}ms"]
    words += [] if has_helper is None else ["--with-helper" if has_helper else "--no-helper"]
    return [*words, "--demo"] if demo else words


def _detach(plan: "Plan", session: Session, words: list[str], *, is_awaited: bool) -> int:
    from ollamon.cli import detached

    return detached.start(plan, session, words, is_awaited=is_awaited)


def _stay(plan: "Plan", session: Session, *, has_logs: bool) -> int:
    from ollamon.cli import foreground

    code = foreground.run(plan, session, has_logs=has_logs)
    session.answer({"name": plan.stack.name, "exit_code": code})
    return code


def _rehearse(plan: "Plan", session: Session) -> int:
    from ollamon.cli import foreground
    from ollamon.supervisor import preflight

    session.say(foreground.first_lines(plan, session.style()))
    preflight.check(plan.stack)
    for service in plan.stack.services:
        after = f"  after {', '.join(service.after)}" if service.after else ""
        session.say([f"{service.name}{after}", f"  {' '.join(service.argv)}"])
    session.say("Nothing was started.")
    services = [{"name": each.name, "argv": list(each.argv)} for each in plan.stack.services]
    session.answer({"name": plan.stack.name, "services": services})
    return 0


def _tell_same(session: Session, sentence: str) -> int:
    session.say(sentence)
    session.answer({"message": sentence})
    return 0
