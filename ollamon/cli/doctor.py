"""`ollamon doctor`: what is missing or wrong, and the one command that mends each."""

import os
import shutil
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import click

from ollamon.cli.session import Session, common_options, pass_session
from ollamon.cli.words import Style, count
from ollamon.errors import ConfigError, ControlError, ProgramMissingError

if TYPE_CHECKING:
    from ollamon.cli.checks.finding import Finding, World


@click.command("doctor")
@click.option("--only", multiple=True, metavar="CHECK", help="Look at this alone. May be repeated.")
@common_options
@pass_session
def command(session: Session, only: tuple[str, ...]) -> int:
    """Check everything that the stack needs; change nothing. Exits 1 when there is a problem."""
    # Only here, since the checks import nearly everything.
    from ollamon.cli.checks.finding import MARKS, Severity

    style = session.style()
    findings: list[Finding] = []
    for finding in _findings(session, only):
        findings.append(finding)
        fix = finding.fix
        session.say(style.row(MARKS[finding.severity], finding.check, finding.evidence, fix))
    problems = sum(finding.severity is Severity.PROBLEM for finding in findings)
    warnings = sum(finding.severity is Severity.WARN for finding in findings)
    session.say(_summary(problems, warnings, style))
    document = [
        {
            "check": finding.check,
            "severity": finding.severity,
            "evidence": finding.evidence,
            "fix": finding.fix or None,
        }
        for finding in findings
    ]
    code = 1 if problems else 0
    session.answer({"problems": problems, "warnings": warnings, "findings": document}, code=code)
    return code


def _findings(session: Session, only: Collection[str]) -> Iterator["Finding"]:
    from ollamon.cli import checks
    from ollamon.cli.checks import config

    known = {checks.name_of(check): check for check in checks.in_order()}
    if unknown := set(only) - known.keys():
        text = f"no check {min(unknown)!r}; there are {', '.join(known)}"
        raise click.BadParameter(text, param_hint="--only")
    try:
        world = _look_around(session)
    except ConfigError as error:
        yield from config.broken(error)
        return
    for name, check in known.items():
        if not only or name in only:
            yield from check(world)


def _look_around(session: Session) -> "World":
    """Raises ConfigError."""
    from ollamon import services
    from ollamon.cli import running
    from ollamon.cli.checks.finding import World
    from ollamon.config.paths import folders

    find = shutil.which
    loaded = session.load()
    try:
        status = running.find(folders(loaded.config).runtime)
    except ControlError:
        status = None
    if status:
        # What runs is looked at as it was started, with --demo or --with-helper.
        loaded = session.load(running.options_of(status, loaded.config))
    digest = services.digest(loaded.config)
    try:
        runs = {child.name for child in status.children} if status else set()
        plan = services.stack(
            loaded.config,
            file="",
            digest=digest,
            find=find,
            has_ollama=lambda _: "ollama" not in runs,
        )
    except ProgramMissingError:
        # The check of Prometheus says so.
        plan = None
    return World(loaded, plan, status, find, os.environ.get("OLLAMA_HOST", ""))


def _summary(problems: int, warnings: int, style: Style) -> str:
    text = f"{count(problems, 'problem')}, {count(warnings, 'warning')}"
    return style.paint(text, "31" if problems else "33" if warnings else "32")
