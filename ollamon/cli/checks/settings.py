"""The variables of the Ollama that runs: which of them hide problems."""

import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ollamon.cli.checks import hidden
from ollamon.cli.checks.finding import Finding, Kind, Severity, fine
from ollamon.cli.checks.world import World
from ollamon.cli.words import count
from ollamon.config.model import OllamaMode
from ollamon.config.values import is_loopback
from ollamon.supervisor import identity
from ollamon.supervisor.owners import owner_of

UNIT = "ollama.service"
TIMEOUT_S = 1.0
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


@dataclass(frozen=True, slots=True)
class Settings:
    """What is known of the variables.

    Attributes:
        whose: As a sentence begins.
        unit: The systemd unit where they are changed, "" when there is none.
    """

    whose: str
    unit: str
    variables: Mapping[str, str]


def check(world: World) -> Iterator[Finding]:
    """Read them from the server's process or unit where that is allowed, else from this shell."""
    config = world.loaded.config
    if config.demo.enabled or config.ollama.mode is OllamaMode.OFF:
        return
    known = _of_server(world) or _of_shell(world)
    found = list(judge(known))
    yield from found
    if not found:
        number = sum(name.startswith("OLLAMA_") for name in known.variables)
        evidence = f"{known.whose} {count(number, 'OLLAMA_* variable')}: nothing is hidden"
        yield fine("settings", evidence)


def judge(known: Settings) -> Iterator[Finding]:
    """Say what they hide."""
    variables = known.variables
    for name, sentence in hidden.judge(variables):
        evidence = f"{known.whose} {name}={variables[name]}: {sentence}"
        yield HIDES.found(evidence, _fix(name, known.unit))
    for name in hidden.debug(variables):
        evidence = f"{known.whose} {name}={variables[name]}: requests are written into its log"
        yield LOUD.found(evidence, _fix(name, known.unit))
    if origins := hidden.origins(variables):
        evidence = f"{known.whose} OLLAMA_ORIGINS={origins}"
        yield ORIGINS.found(evidence, _fix("OLLAMA_ORIGINS", known.unit))


def _fix(name: str, unit: str) -> str:
    if unit:
        return f"sudo systemctl edit {unit}  # remove {name}"
    return f"unset {name}  # and start Ollama again"


def _of_server(world: World) -> Settings | None:
    """Return those of the server that listens here; None when they may not be read."""
    parts = urlsplit(world.loaded.config.ollama.url)
    if not is_loopback(parts.hostname or "") or parts.port is None:
        return None
    if not world.sight.listening(parts.port) and world.sight.connections is not None:
        return None
    owner = owner_of(parts.port)
    if owner is None:
        return _of_unit(world)
    variables = identity.environment_of(owner.pid)
    return Settings("Ollama's", owner.unit, variables) if variables else _of_unit(world)


def _of_unit(world: World) -> Settings | None:
    """Another user's process tells nobody its variables, and its unit tells everybody."""
    systemctl = world.find("systemctl")
    if systemctl is None:
        return None
    command = [systemctl, "show", UNIT, "--property=Environment", "--value"]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
        pairs = (word.partition("=") for word in shlex.split(done.stdout))
        variables = {name: text for name, _, text in pairs}
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Settings(f"{UNIT}'s", UNIT, variables) if variables else None


def _of_shell(world: World) -> Settings:
    """What a server started from here would get."""
    variables = {**world.environment, **world.loaded.config.ollama.env}
    return Settings("this shell's", "", variables)
