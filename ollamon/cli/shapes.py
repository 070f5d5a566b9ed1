"""The object that each command prints with `--json`, without I/O.

Each begins with the keys of `Envelope`; after an error those of `Failure` are all that follows.
docs/cli.md is made from this, and a test holds every command against its own.
"""

from typing import Annotated, TypedDict


class Problem(TypedDict):
    """One mistake in the configuration."""

    where: Annotated[str, "file:line:column, variable or option"]
    message: Annotated[str, "begins with the key"]


class Error(TypedDict, total=False):
    """What went wrong."""

    kind: Annotated[str, "one of the words below"]
    message: Annotated[str, "for people"]
    problems: Annotated[list[Problem], "with kind config only"]


class Envelope(TypedDict):
    """What every object has."""

    v: Annotated[int, "1; another one when a key is taken away or means something else"]
    ok: Annotated[bool, "whether code is 0"]
    code: Annotated[int, "the exit code"]


class Failure(TypedDict):
    """Instead of what the command has to say."""

    error: Error


class Health(TypedDict):
    """The last sign of life."""

    ok: bool
    age_s: Annotated[float, "seconds since"]
    detail: str


class Child(TypedDict):
    """A child, as the supervisor sees it."""

    name: str
    state: Annotated[str, "docs/lifecycle.md has them all"]
    since: Annotated[str, "UTC; the last change of state"]
    pid: int | None
    pgid: int | None
    ports: list[int]
    address: Annotated[str, "where people reach it"]
    restarts: int
    last_exit: Annotated[str | None, "such as `exit 1` or `signal 9`"]
    health: Health | None
    cpu_percent: float | None
    rss_bytes: int | None
    note: Annotated[str, "its own words, or why it is not ready"]
    log: Annotated[str, "path of its log"]
    tail: Annotated[list[str], "its last lines, while it is not ready"]


class Outsider(TypedDict):
    """What belongs to the stack and is not run by it."""

    name: str
    state: Annotated[str, "external-up, external-down or disabled"]
    since: Annotated[str, "UTC; the last change of state"]
    address: str
    health: Health | None
    note: Annotated[str, "why it is not ours"]


class SupervisorFacts(TypedDict):
    """Who answers."""

    pid: int
    version: str
    started_at: Annotated[str, "UTC"]


class Status(TypedDict):
    """Of `status`, and of `up` when something runs."""

    name: Annotated[str, "of the stack"]
    state: Annotated[str, "ready, starting, degraded, failed or stopping"]
    run_id: str
    config_file: Annotated[str, "empty when there is none"]
    supervisor: SupervisorFacts
    children: list[Child]
    outside: list[Outsider]


class Service(TypedDict):
    """What would be run."""

    name: str
    argv: list[str]
    environment: Annotated[dict[str, str], "added to that of `up`; secrets are hidden"]


class Up(TypedDict):
    """`up`, however it was meant."""

    name: str
    outcome: Annotated[str, "started (-d), running (before already), ended or rehearsed"]
    status: Annotated[Status | None, "when it runs"]
    services: Annotated[list[Service] | None, "with --dry-run"]


class Down(TypedDict):
    """`down`."""

    name: str
    was_running: bool
    swept: Annotated[list[str], "what a dead run had left, each `NAME pid PID`"]
    children: Annotated[list[str], "those that were stopped, when some were named"]


class Children(TypedDict):
    """`start`, `stop`, `restart` and `wait`."""

    name: str
    children: Annotated[list[Child], "all that it concerned"]


class Step(TypedDict):
    """What becomes of one child."""

    name: str
    action: Annotated[str, "keep, adjust, signal, restart, start or stop"]
    fields: Annotated[list[str], "what differs; keys of its section as `section.proxy.listen`"]


class Reload(TypedDict):
    """`reload`."""

    name: str
    dry_run: bool
    plan: list[Step]


class Event(TypedDict):
    """A change of state."""

    at: Annotated[str, "UTC"]
    elapsed_s: Annotated[float, "seconds since the run began"]
    child: Annotated[str | None, "null for the stack as a whole"]
    state: str
    detail: str
    pid: int | None


class Events(TypedDict):
    """`events`; with -f one object for each event."""

    name: str
    events: list[Event]


class Logs(TypedDict):
    """`logs`; with -f one object whenever there are new lines."""

    name: str
    lines: Annotated[dict[str, list[str]], "child: its lines"]


class Requests(TypedDict):
    """`requests`."""

    name: str
    requests: Annotated[list[dict[str, object]], "the newest last; null is not known"]


class Finding(TypedDict):
    """What one check saw."""

    id: Annotated[str, "docs/doctor.md has them all; that of the check when all is well"]
    check: str
    severity: Annotated[str, "ok, warn or problem"]
    evidence: Annotated[str, "what was seen"]
    fix: Annotated[str | None, "the one command that mends it"]
    fixed: Annotated[str | None, "what --fix did about it"]


class Doctor(TypedDict):
    """`doctor`."""

    problems: Annotated[int, "those that --fix has not mended"]
    warnings: int
    findings: list[Finding]
    bundle: Annotated[str | None, "path of the archive, with --bundle"]


class ConfigInit(TypedDict):
    """`config init`."""

    file: str


class ConfigCheck(TypedDict):
    """`config check`."""

    file: str | None
    notices: list[str]


class ConfigShow(TypedDict):
    """`config show`."""

    config: Annotated[dict[str, object], "as docs/ollamon.schema.json says"]
    origins: Annotated[dict[str, str] | None, "with --origin: key path, where its value is from"]


class ConfigSchema(TypedDict):
    """`config schema`."""

    schema: Annotated[dict[str, object], "JSON Schema, draft 2020-12"]


class ConfigEdit(TypedDict):
    """`config edit`."""

    file: str
    is_changed: bool


class ConfigPath(TypedDict):
    """`config path`."""

    file: str
    exists: bool
    named_by: str | None


class Sudoers(TypedDict):
    """`helper sudoers`."""

    file: Annotated[str, "where it belongs"]
    text: str


class HelperChange(TypedDict):
    """`helper install` and `helper uninstall`."""

    is_done: bool
    reason: Annotated[str | None, "why there is nothing to do"]
    file: str
    text: Annotated[str, "what `helper install` writes there"]
    commands: Annotated[list[list[str]], "the words of each"]


class SourceRight(TypedDict):
    """Whether the helper may read a source."""

    source: str
    needs: Annotated[str, "empty when it needs nothing"]
    may: Annotated[bool | None, "null where this machine has no such source"]
    reason: Annotated[str | None, "why not"]
    fix: Annotated[str | None, "the command that helps"]


class HelperStatus(TypedDict):
    """`helper status`."""

    file: Annotated[str, "what `helper install` writes here"]
    is_installed: bool
    fits: Annotated[bool, "it gives what is configured now"]
    sources: list[SourceRight]


class Export(TypedDict):
    """`export`."""

    what: str
    file: Annotated[str | None, "with -o"]
    text: str


class ServicePrint(TypedDict):
    """`service print`."""

    file: Annotated[str, "where it belongs"]
    text: str


class ServiceInstall(TypedDict):
    """`service install`."""

    file: str
    is_started: Annotated[bool, "false when the stack runs already, on its own"]


class ServiceUninstall(TypedDict):
    """`service uninstall`."""

    file: str
    was_installed: bool


class Run(TypedDict):
    """`run`, when the child has ended."""

    name: str
    child: str


class Env(TypedDict):
    """`env`."""

    variables: dict[str, str]


class Open(TypedDict):
    """`open`."""

    url: str


class Completion(TypedDict):
    """`completion`."""

    shell: str
    script: str


class Top(TypedDict):
    """`top`."""

    url: Annotated[str, "of the dashboard that was asked"]
    tick: Annotated[dict[str, object], "what the page gets"]


class Version(TypedDict):
    """`version`."""

    version: Annotated[str, "of this command"]
    python: str
    running: Annotated[str | None, "of the supervisor that runs"]


SHAPES: dict[str, type] = {
    "up": Up,
    "down": Down,
    "start": Children,
    "stop": Children,
    "restart": Children,
    "reload": Reload,
    "status": Status,
    "wait": Children,
    "logs": Logs,
    "events": Events,
    "requests": Requests,
    "doctor": Doctor,
    "config init": ConfigInit,
    "config check": ConfigCheck,
    "config validate": ConfigCheck,
    "config schema": ConfigSchema,
    "config edit": ConfigEdit,
    "config show": ConfigShow,
    "config path": ConfigPath,
    "helper install": HelperChange,
    "helper uninstall": HelperChange,
    "helper status": HelperStatus,
    "helper sudoers": Sudoers,
    "run": Run,
    "env": Env,
    "open": Open,
    "completion": Completion,
    "service print": ServicePrint,
    "service install": ServiceInstall,
    "service uninstall": ServiceUninstall,
    "export": Export,
    "top": Top,
    "version": Version,
}
"""Command -> what it prints."""
