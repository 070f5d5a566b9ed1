"""The ports: free, ours, or somebody else's."""

from collections.abc import Iterator

from ollamon.cli.checks.finding import Finding, Severity, World
from ollamon.supervisor import preflight
from ollamon.supervisor.messages import ChildState, StackStatus
from ollamon.supervisor.owners import Owner, owner_of
from ollamon.supervisor.spec import Listen

SERVING = frozenset({ChildState.READY, ChildState.DEGRADED})


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
                fix = _fix(listen, owner_of(listen.port))
                evidence = f"{taken}, wanted by {service.name}"
                yield Finding("ports", Severity.PROBLEM, evidence, fix)
            else:
                (held if listen.port in ours else free).append(str(listen.port))
    if is_clean:
        words = [f"{' '.join(held)} held by this stack"] if held else []
        words += [f"{' '.join(free)} free"] if free else []
        yield Finding("ports", Severity.OK, "; ".join(words))


def _ports(status: StackStatus | None) -> set[int]:
    """Ports of children that serve: nobody else can have them."""
    children = status.children if status else ()
    return {port for child in children if child.state in SERVING for port in child.ports}


def _fix(listen: Listen, owner: Owner | None) -> str:
    if listen.key == "prometheus.listen" and owner and owner.name == "prometheus":
        # It runs already: use it instead of ending it.
        url = f"http://{listen.host}:{listen.port}"
        return f"OLLAMON_PROMETHEUS__MODE=external OLLAMON_PROMETHEUS__URL={url} ollamon up"
    if owner and owner.unit:
        return f"sudo systemctl stop {owner.unit}"
    if owner:
        return f"kill {owner.pid}"
    return f"sudo lsof -nP -iTCP:{listen.port} -sTCP:LISTEN"
