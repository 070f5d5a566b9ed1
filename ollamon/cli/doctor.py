"""`ollamon doctor`: what is missing or wrong, and the one command that mends each."""

import os
import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ollamon.cli.session import Session, common_options, pass_session
from ollamon.cli.words import Style, count
from ollamon.errors import ConfigError, ControlError, OllamonError, ProgramMissingError

if TYPE_CHECKING:
    from ollamon.cli.checks.finding import Finding
    from ollamon.cli.checks.world import World
    from ollamon.services import Knock
    from ollamon.supervisor.messages import StackStatus


@click.command("doctor")
@click.option("--only", multiple=True, metavar="CHECK", help="Look at this alone. May be repeated.")
@click.option("--offline", is_flag=True, help="Ask no server, not even on this machine.")
@click.option(
    "--fix",
    "is_fixing",
    is_flag=True,
    help="Mend what needs no rights and can be taken back; asks before each.",
)
@click.option("--yes", "is_sure", is_flag=True, help="With --fix: do not ask.")
@click.option(
    "--bundle",
    "bundle_file",
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="Write a redacted archive for a bug report.  [default: ollamon-DATE.tar.gz]",
)
@common_options
@pass_session
def command(
    session: Session,
    only: tuple[str, ...],
    offline: bool,
    is_fixing: bool,
    is_sure: bool,
    bundle_file: str | None,
) -> int:
    """Check everything that the stack needs; change nothing. Exits 1 when there is a problem.

    docs/doctor.md lists what it can find.
    """
    if is_fixing and not is_sure and (session.is_json or not sys.stdin.isatty()):
        raise click.UsageError("--fix asks before each step; where nobody answers, add --yes")
    if is_sure and not is_fixing:
        raise click.UsageError("--yes answers what --fix asks; it says nothing alone")
    findings: list[Finding] = []
    world = _look(session, only, findings, is_offline=offline)
    done = _fix(session, findings, is_sure=is_sure) if is_fixing else {}
    written = None if bundle_file is None else _bundle(session, world, findings, bundle_file)
    return _conclude(session, findings, done, written)


def _look(
    session: Session, only: Collection[str], findings: "list[Finding]", *, is_offline: bool
) -> "World | None":
    """Show what each check finds as it finds it; return None when the configuration is broken."""
    # Only here, since the checks import nearly everything.
    from ollamon.cli import checks
    from ollamon.cli.checks import config

    if unknown := set(only) - set(checks.NAMES):
        text = f"no check {min(unknown)!r}; there are {', '.join(checks.NAMES)}"
        raise click.BadParameter(text, param_hint="--only")
    try:
        world = _look_around(session, is_offline=is_offline)
    except ConfigError as error:
        _show(session, config.broken(error), findings)
        return None
    for name, check in checks.in_order().items():
        if not only or name in only:
            _show(session, check(world), findings)
    return world


def _show(session: Session, found: "Iterator[Finding]", findings: "list[Finding]") -> None:
    from ollamon.cli.checks.finding import MARKS

    style = session.style()
    for finding in found:
        findings.append(finding)
        mark = MARKS[finding.severity]
        session.say(style.row(mark, finding.check, finding.evidence, finding.fix))


def _look_around(session: Session, *, is_offline: bool) -> "World":
    """Raises ConfigError."""
    from ollamon import services
    from ollamon.cli import running
    from ollamon.cli.checks.sight import Sight
    from ollamon.cli.checks.world import World
    from ollamon.config.paths import folders

    find = shutil.which
    loaded = session.load()
    status, silence = _find(folders(loaded.config).runtime)
    if status:
        # What runs is looked at as it was started, with --demo or --with-helper.
        loaded = session.load(running.options_of(status, loaded.config))
    runs = {child.name for child in status.children} if status else set()
    try:
        plan = services.stack(
            loaded.config,
            file="",
            digest=services.digest(loaded.config),
            find=find,
            has_ollama=_other_ollama(folders(loaded.config).runtime, runs),
        )
    except ProgramMissingError:
        # The check of Prometheus or Ollama says so.
        plan = None
    return World(loaded, plan, status, find, os.environ, silence, Sight(is_offline=is_offline))


def _find(runtime: Path) -> "tuple[StackStatus | None, str]":
    """Return the status of what runs, and why a supervisor does not give it."""
    from ollamon.cli import running

    try:
        return running.find(runtime), ""
    except ControlError as error:
        return None, str(error)


def _other_ollama(runtime: Path, runs: Collection[str]) -> "Knock":
    from ollamon.cli.ollama_probe import has_ollama

    # While a stack runs it has decided that already.
    return (lambda _: "ollama" not in runs) if runs else has_ollama(runtime)


def _fix(session: Session, findings: "Sequence[Finding]", *, is_sure: bool) -> dict[int, str]:
    """Do what can be done; return the place of each finding that is mended -> what was done."""
    done = {}
    for place, finding in enumerate(findings):
        if finding.repair is None:
            continue
        if not (is_sure or click.confirm(f"{finding.repair.what}?", err=session.is_json)):
            continue
        try:
            done[place] = finding.repair.do()
        except (OSError, OllamonError) as error:
            session.say(f"could not {finding.repair.what}: {error}")
        else:
            session.say(done[place])
    if not any(finding.repair for finding in findings):
        session.say("There is nothing that --fix could mend.")
    return done


def _bundle(
    session: Session, world: "World | None", findings: "Sequence[Finding]", file: str
) -> str:
    from ollamon.cli import bundle

    path = bundle.write(world, [document_of(finding) for finding in findings], file)
    session.say(f"Wrote {path}. Look at it before you send it.")
    return str(path)


def _conclude(
    session: Session,
    findings: "Sequence[Finding]",
    done: dict[int, str],
    written: str | None,
) -> int:
    from ollamon.cli.checks.finding import Severity

    left = [finding for place, finding in enumerate(findings) if place not in done]
    problems = sum(finding.severity is Severity.PROBLEM for finding in left)
    warnings = sum(finding.severity is Severity.WARN for finding in left)
    session.say(_summary(problems, warnings, session.style()))
    documents = [document_of(finding, done.get(place)) for place, finding in enumerate(findings)]
    code = 1 if problems else 0
    answer = {
        "problems": problems,
        "warnings": warnings,
        "findings": documents,
        "bundle": written,
    }
    session.answer(answer, code=code)
    return code


def document_of(finding: "Finding", done: str | None = None) -> dict[str, object]:
    """Return a finding for programs; `done` is what `--fix` did about it."""
    return {
        "id": finding.id,
        "check": finding.check,
        "severity": finding.severity,
        "evidence": finding.evidence,
        "fix": finding.fix or None,
        "fixed": done,
    }


def _summary(problems: int, warnings: int, style: Style) -> str:
    text = f"{count(problems, 'problem')}, {count(warnings, 'warning')}"
    return style.paint(text, "31" if problems else "33" if warnings else "32")
