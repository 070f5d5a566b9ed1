"""The variables of the Ollama that runs: which of them hide problems."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from ollamon.cli.checks import hidden
from ollamon.cli.checks.finding import Finding, Kind, Severity, fine
from ollamon.cli.checks.world import World
from ollamon.config.model import OllamaMode
from ollamon.config.values import is_loopback
from ollamon.supervisor import identity
from ollamon.supervisor.owners import Owner, owner_of

HIDES = Kind(
    "ollama-setting",
    "settings",
    Severity.WARN,
    "A variable of Ollama hides a problem, or makes one: queues that look like silence, models "
    "that load again and again, a GPU that is not used.",
    "Remove the variable, unless it is meant.",
)
LOUD = Kind(
    "ollama-logs-prompts",
    "settings",
    Severity.WARN,
    "Ollama writes requests into files, and with them what people asked.",
    "Remove the variable once nothing has to be found any more.",
)
ORIGINS = Kind(
    "ollama-origins",
    "settings",
    Severity.WARN,
    "Every web page that is open in a browser here may use Ollama.",
    "Name the origins that may.",
)
KINDS = (HIDES, LOUD, ORIGINS)


def check(world: World) -> Iterator[Finding]:
    """Read them from the server's process where that is allowed, else from this shell."""
    config = world.loaded.config
    if config.demo.enabled or config.ollama.mode is OllamaMode.OFF:
        return
    owner, variables = _of_server(config.ollama.url)
    whose = "Ollama's" if variables else "this shell's"
    found = list(_judged(variables or _of_shell(world), owner, whose))
    yield from found
    if not found:
        number = sum(name.startswith("OLLAMA_") for name in variables or world.environment)
        yield fine("settings", f"{whose} {number} OLLAMA_* variables hide nothing")


def _of_server(url: str) -> tuple[Owner | None, Mapping[str, str]]:
    """Return who listens there, and its variables; {} when they may not be read."""
    parts = urlsplit(url)
    if not is_loopback(parts.hostname or "") or parts.port is None:
        return None, {}
    owner = owner_of(parts.port)
    return owner, identity.environment_of(owner.pid) if owner else {}


def _of_shell(world: World) -> Mapping[str, str]:
    """What a server started from here would get."""
    return {**world.environment, **world.loaded.config.ollama.env}


def _judged(variables: Mapping[str, str], owner: Owner | None, whose: str) -> Iterator[Finding]:
    for name, sentence in hidden.judge(variables):
        yield HIDES.found(f"{whose} {name}={variables[name]}: {sentence}", _fix(name, owner))
    for name in hidden.debug(variables):
        evidence = f"{whose} {name}={variables[name]}: requests are written into its log"
        yield LOUD.found(evidence, _fix(name, owner))
    if origins := hidden.origins(variables):
        yield ORIGINS.found(f"{whose} OLLAMA_ORIGINS={origins}", _fix("OLLAMA_ORIGINS", owner))


def _fix(name: str, owner: Owner | None) -> str:
    if owner is not None and owner.unit:
        return f"sudo systemctl edit {owner.unit}      (remove {name})"
    return f"unset {name}      (and start Ollama again)"
