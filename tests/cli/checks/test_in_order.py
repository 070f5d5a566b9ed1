from ollamon.cli.checks import (
    clients,
    config,
    directories,
    helper,
    in_order,
    models,
    ollama,
    ports,
    prometheus,
    versions,
)
from ollamon.cli.checks.finding import MARKS, Severity


def test_every_check_is_asked_and_every_severity_has_a_mark():
    modules = (
        *(versions, config, directories, ports),
        *(ollama, models, prometheus, helper, clients),
    )
    assert in_order() == tuple(module.check for module in modules)
    assert set(MARKS) == set(Severity)
