"""The ports: free, ours, or somebody else's."""

from collections.abc import Iterator

from ollamon.cli.checks.finding import Finding, Kind, fine, problem
from ollamon.cli.checks.world import SERVING, World
from ollamon.supervisor import identity, preflight
from ollamon.supervisor.messages import StackStatus
from ollamon.supervisor.owners import Owner, owner_of
from ollamon.supervisor.spec import Listen

TAKEN = problem(
    "ports-taken",
    "Another program has a port that a child wants, so `ollamon up` starts nothing.",
    "Stop that program, or give the child another port.",
)
PROMETHEUS = problem(
    "ports-prometheus",
    "A Prometheus has 9090 already; Debian's package starts one by itself.",
    "Use that one, and add ollamon's job to its configuration; or stop it.",
)
MACMON = problem(
    "ports-macmon",
    "`macmon serve` has 9090 by default, where our Prometheus wants to be.",
    "Start macmon on another port.",
)
OLLAMA = problem(
    "ports-ollama",
    "An Ollama has the port where the proxy or an Ollama of ours wants to be.",
    "Let ollamon use that one, or move it.",
)
STACK = problem(
    "ports-stack",
    "Another ollamon stack, or the rest of one, has the port.",
    "Stop that one, or give this one ports of its own.",
)
CONTAINER = problem(
    "ports-container",
    "A container publishes the port.",
    "Stop the container, or publish another port.",
)
KINDS = (TAKEN, PROMETHEUS, MACMON, OLLAMA, STACK, CONTAINER)
_CONTAINERS = ("docker-proxy", "com.docker.backend", "rootlessport", "containers-rootlessport")


def check(world: World) -> Iterator[Finding]:
    """Say for each address that is wanted who has it."""
    if world.plan is None:
        return
    ours = _ports(world.status)
    held: list[str] = []
    free: list[str] = []
    is_clean = True
    for service in world.plan.stack.services:
        for listen in service.listens:
            # Looking for an owner walks through all processes, so ours are known without.
            taken = "" if listen.port in ours else preflight.describe_taken([listen])
            if taken:
                is_clean = False
                owner = owner_of(listen.port)
                kind, fix = judge(listen, owner, identity.run_of(owner.pid) if owner else "")
                yield kind.found(f"{taken}, wanted by {service.name}", fix)
            else:
                (held if listen.port in ours else free).append(str(listen.port))
    if is_clean:
        words = [f"{' '.join(held)} held by this stack"] if held else []
        words += [f"{' '.join(free)} free"] if free else []
        yield fine("ports", "; ".join(words))


def _ports(status: StackStatus | None) -> set[int]:
    """Ports of children that serve: nobody else can have them."""
    children = status.children if status else ()
    return {port for child in children if child.state in SERVING for port in child.ports}


def judge(listen: Listen, owner: Owner | None, run_id: str = "") -> tuple[Kind, str]:
    """Return what it means that somebody has a port, and the command that helps.

    Args:
        listen: Who wants it.
        owner: Who has it, None when that may not be seen.
        run_id: That the owner carries, when it is of a run of ours.
    """
    if owner is None:
        return TAKEN, f"sudo lsof -nP -iTCP:{listen.port} -sTCP:LISTEN"
    if run_id:
        return STACK, "ollamon down"
    name = owner.name.lower()
    if name == "prometheus" and listen.key == "prometheus.listen":
        # It runs already: use it instead of ending it.
        url = f"http://{listen.host}:{listen.port}"
        return PROMETHEUS, (
            f"OLLAMON_PROMETHEUS__MODE=external OLLAMON_PROMETHEUS__URL={url} ollamon up"
        )
    if name == "macmon":
        return MACMON, f"kill {owner.pid} && macmon serve --port {listen.port + 5}"
    if name in _CONTAINERS:
        return CONTAINER, f"docker ps --filter publish={listen.port}"
    if name == "ollama" and listen.key == "ollama.url":
        return OLLAMA, "ollamon up --ollama external"
    stop = f"sudo systemctl stop {owner.unit}" if owner.unit else f"kill {owner.pid}"
    return (OLLAMA if name == "ollama" else TAKEN), stop
