from dataclasses import replace

from ollamon.cli.checks import clients
from ollamon.cli.checks.finding import Severity
from tests.cli.checks.conftest import one


def test_clients_of_this_shell(world):
    here = world()
    listen = here.loaded.config.proxy.listen
    assert one(clients.check(here)).fix == f"export OLLAMA_HOST={listen}"
    through = replace(here, ollama_host=str(listen))
    assert one(clients.check(through)).severity is Severity.OK
    past = replace(here, ollama_host="127.0.0.1:11434")
    finding = one(clients.check(past))
    assert (finding.severity, finding.fix) == (Severity.WARN, f"export OLLAMA_HOST={listen}")
