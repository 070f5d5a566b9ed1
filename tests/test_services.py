"""The configuration decides what runs, in which order, with which words."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from ollamon import services
from ollamon.config.model import Config, HelperMode, PrometheusMode
from ollamon.errors import ConfigError, ProgramMissingError
from ollamon.handover import Handover, encode
from ollamon.services import Plan
from ollamon.supervisor import order
from ollamon.supervisor.preflight import check
from ollamon.supervisor.spec import (
    HttpProbe,
    Notify,
    OutsideSpec,
    Restart,
    RestartPolicy,
    ServiceSpec,
    TcpProbe,
)

BINARY = "/opt/prometheus/prometheus"


def found(name: str) -> str | None:
    return BINARY if name == "prometheus" else None


def nothing(name: str) -> None:
    return None


def everything(name: str) -> str:
    return f"/opt/{name}"


def outsider(name: str, probe: HttpProbe | TcpProbe, address: str) -> OutsideSpec:
    return OutsideSpec(name, probe, address, "not run by ollamon")


def plan(document: dict | None = None, *, find=found, **rest) -> Plan:
    config = Config.model_validate(document or {})
    return services.stack(config, file="a.toml", digest="d1", find=find, **rest)


def spec(name: str, *arguments, **keywords) -> ServiceSpec:
    made = plan(*arguments, **keywords)
    return next(service for service in made.stack.services if service.name == name)


def names(made: Plan) -> list[str]:
    return [service.name for service in made.stack.services]


@pytest.mark.parametrize(
    ("document", "find", "expected"),
    [
        ({}, found, ["proxy", "prometheus", "dashboard"]),
        ({}, nothing, ["proxy", "dashboard"]),
        ({"prometheus": {"mode": "embedded"}}, found, ["proxy", "dashboard"]),
        (
            {"prometheus": {"mode": "external", "url": "http://box:9090"}},
            found,
            ["proxy", "dashboard"],
        ),
        ({"prometheus": {"mode": "managed"}}, found, ["proxy", "prometheus", "dashboard"]),
        ({"helper": {"mode": "on"}}, found, ["proxy", "helper", "prometheus", "dashboard"]),
        ({"helper": {"mode": "external"}}, nothing, ["proxy", "dashboard"]),
        ({"demo": {"enabled": True}}, nothing, ["demo", "proxy", "dashboard"]),
    ],
    ids=lambda value: None if callable(value) else str(value),
)
def test_the_configuration_decides_who_runs(document, find, expected):
    assert names(plan(document, find=find)) == expected


def test_nobody_waits_for_a_service_that_does_not_run():
    assert spec("proxy").after == ()
    assert spec("prometheus").after == ("proxy",)
    assert spec("prometheus", {"helper": {"mode": "on"}}).after == ("proxy", "helper")
    assert spec("dashboard").after == ("prometheus", "proxy")
    assert spec("dashboard", find=nothing).after == ("proxy",)


def test_a_helper_as_root_runs_through_sudo_unless_we_are_root(monkeypatch):
    document = {"helper": {"mode": "on", "run_as": "root"}}
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    plain, helper = spec("helper", {"helper": {"mode": "on"}}), spec("helper", document)
    assert helper.argv == ("/usr/bin/sudo", "-n", "--", *plain.argv, "--lifeline")
    assert (helper.through_sudo, plain.through_sudo) == (True, False)
    # A socket of ours would not pass sudo.
    assert not any(listen.held for listen in helper.listens)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert spec("helper", document).argv == plain.argv


@pytest.mark.parametrize("name", ["demo", "proxy", "helper", "dashboard"])
def test_a_child_of_ours_is_a_module_that_gets_its_section_and_reports_itself(name):
    child = spec(name, {"helper": {"mode": "on"}, "demo": {"enabled": True}})
    assert child.argv == (sys.executable, "-I", "-u", "-m", f"ollamon.{name}")
    assert child.probe == Notify()
    assert child.section is not None
    again = json.loads(encode(Handover(child.section)))["section"]
    assert Config.model_validate(again)


@pytest.mark.parametrize(
    ("name", "tables"),
    [
        ("proxy", {"ollama", "proxy", "metrics", "helper", "demo"}),
        (
            "dashboard",
            {"dashboard", "proxy", "metrics", "prometheus", "helper", "ollama", "demo", "paths"},
        ),
        ("helper", {"helper"}),
        ("demo", {"demo", "proxy"}),
    ],
)
def test_a_child_gets_no_more_than_it_needs(name, tables):
    section = spec(name, {"helper": {"mode": "on"}, "demo": {"enabled": True}}).section
    assert section is not None
    assert set(section) == tables


@pytest.mark.parametrize(
    ("name", "listens"),
    [
        ("proxy", [("listen", 11435, True), ("metrics_listen", 8001, True)]),
        ("dashboard", [("listen", 3001, True)]),
        ("demo", [("listen", 11439, True)]),
        ("helper", [("listen", 8002, False)]),
        ("prometheus", [("listen", 9090, False)]),
    ],
)
def test_the_supervisor_holds_the_sockets_of_those_who_take_them(name, listens):
    made = spec(name, {"helper": {"mode": "on"}, "demo": {"enabled": True}})
    assert [(each.name, each.port, each.held) for each in made.listens] == listens
    assert all(each.key.startswith(f"{name}.") for each in made.listens)


def test_only_the_proxy_is_essential_and_it_may_drain():
    made = plan({"proxy": {"drain_timeout": "20s"}})
    assert [each.name for each in made.stack.services if each.is_essential] == ["proxy"]
    stops = {each.name: each.stop_timeout_s for each in made.stack.services}
    assert stops == {"proxy": 25, "prometheus": 15, "dashboard": 5}


def test_prometheus_is_started_for_this_machine_alone(tmp_path):
    folders = {"state": str(tmp_path / "s"), "data": str(tmp_path / "d")}
    made = spec("prometheus", {"paths": folders, "prometheus": {"retention_time": "1h"}})
    assert made.argv == (
        BINARY,
        f"--config.file={tmp_path}/s/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/d/prometheus",
        "--storage.tsdb.retention.time=1h",
        "--storage.tsdb.retention.size=2GB",
        "--web.listen-address=127.0.0.1:9090",
        "--web.cors.origin=^$",
        "--log.level=warn",
    )
    ready, live = "http://127.0.0.1:9090/-/ready", "http://127.0.0.1:9090/-/healthy"
    assert made.probe == HttpProbe(ready, live)
    assert made.start_timeout_s == 300
    assert made.data_lock == tmp_path / "d/prometheus.lock"
    assert made.section is None
    state = tmp_path / "s"
    assert set(made.files) == {
        state / f"{name}.yml" for name in ("prometheus", "alerts", "recording")
    }
    text = made.files[state / "prometheus.yml"]
    assert "targets: ['localhost:8001']" in text
    assert f"rule_files:\n  - '{state}/alerts.yml'\n  - '{state}/recording.yml'\n" in text


def test_the_dashboard_is_told_what_auto_came_to():
    assert plan().config.prometheus.mode is PrometheusMode.MANAGED
    without = plan(find=nothing)
    assert without.config.prometheus.mode is PrometheusMode.EMBEDDED
    section = spec("dashboard", find=nothing).section
    assert section is not None
    assert section["prometheus"]["mode"] == "embedded"


def test_a_missing_prometheus_is_said_with_what_to_do():
    (note,) = plan(find={"apt-get": "/usr/bin/apt-get"}.get).notes
    assert note.about == "prometheus"
    assert "not found: the dashboard keeps the history itself" in note.text
    assert note.remedy.startswith("sudo apt install prometheus")
    (note,) = plan(find={"brew": "/opt/homebrew/bin/brew"}.get).notes
    assert note.remedy == "brew install prometheus"


def test_a_required_prometheus_that_is_missing_ends_it():
    with pytest.raises(ProgramMissingError, match="prometheus not found") as caught:
        plan({"prometheus": {"mode": "managed"}}, find=nothing)
    assert 'set [prometheus] mode = "auto"' in str(caught.value)
    with pytest.raises(ProgramMissingError, match="prom3 not found"):
        plan({"prometheus": {"mode": "managed", "binary": "prom3"}})


def test_a_helper_that_answers_already_is_used():
    made = plan({"helper": {"mode": "on"}}, is_helper=lambda address: address.port == 8002)
    assert "helper" not in names(made)
    assert made.config.helper.mode is HelperMode.EXTERNAL
    assert [note.about for note in made.notes] == ["helper"]


OLLAMA = "/opt/ollama"


def ollama(name: str) -> str | None:
    return OLLAMA if name == "ollama" else None


@pytest.mark.parametrize(
    ("mode", "has_ollama", "find", "runs", "decided"),
    [
        ("auto", False, ollama, True, "managed"),
        ("auto", True, ollama, False, "external"),
        ("auto", False, nothing, False, "external"),
        ("managed", True, ollama, True, "managed"),
        ("external", False, ollama, False, "external"),
        ("off", False, ollama, False, "off"),
    ],
)
def test_ollama_is_ours_when_nobody_else_has_one(mode, has_ollama, find, runs, decided):
    made = plan({"ollama": {"mode": mode}}, find=find, has_ollama=lambda address: has_ollama)
    assert ("ollama" in names(made)) is runs
    assert made.config.ollama.mode == decided


def test_where_no_ollama_of_ours_could_be_none_is_started():
    away = {"ollama": {"url": "http://192.0.2.1:11434"}}
    for document in (away, {"demo": {"enabled": True}}):
        assert "ollama" not in names(plan(document, find=ollama, has_ollama=lambda _: False))


def test_an_ollama_of_ours_is_started_where_the_proxy_looks():
    document = {"ollama": {"url": "http://localhost:5000", "env": {"OLLAMA_KEEP_ALIVE": "1h"}}}
    made = spec("ollama", document, find=ollama, has_ollama=lambda _: False)
    assert made.argv == (OLLAMA, "serve")
    assert made.environment == {"OLLAMA_KEEP_ALIVE": "1h", "OLLAMA_HOST": "127.0.0.1:5000"}
    assert made.probe == HttpProbe("http://localhost:5000/api/version", "")
    assert (made.after, made.outlives, made.stop_timeout_s) == ((), ("proxy",), 10)
    assert not made.is_essential
    assert made.section is None


def test_a_required_ollama_that_is_missing_ends_it():
    with pytest.raises(ProgramMissingError, match="llama not found") as caught:
        plan({"ollama": {"mode": "managed", "binary": "llama"}}, find=nothing)
    assert 'set [ollama] mode = "external"' in str(caught.value)


def test_the_demo_has_a_history_of_its_own():
    real, demo = spec("prometheus"), spec("prometheus", {"demo": {"enabled": True}})
    assert real.data_lock.name == "prometheus.lock"
    assert demo.data_lock.name == "demo.lock"
    assert any(flag.endswith("/demo") for flag in demo.argv)
    assert not set(real.argv) & {flag for flag in demo.argv if "tsdb.path" in flag}


def test_the_demo_says_that_ollama_is_not_asked():
    made = plan({"demo": {"enabled": True}})
    assert any("ollama.url is not used" in note.text for note in made.notes)


def test_a_digest_tells_configurations_apart():
    one, other = Config(), Config.model_validate({"log": {"keep": 4}})
    assert services.digest(one) == services.digest(Config())
    assert services.digest(one) != services.digest(other)
    assert len(services.digest(one)) == 16


def test_the_stack_carries_file_folders_and_limits(tmp_path):
    made = plan({"name": "second", "paths": {"state": str(tmp_path)}}).stack
    assert (made.name, made.config_file, made.config_digest) == ("second", "a.toml", "d1")
    assert made.log.folder == tmp_path / "logs"
    assert (made.start_timeout_s, made.shutdown_timeout_s) == (60, 60)
    assert made.min_free_bytes == services.MIN_FREE_BYTES


def test_the_default_stack_passes_the_preflight_of_programs(unused_ports):
    config = Config.model_validate(unused_ports)
    made = services.stack(config, file="", digest="", find=shutil.which)
    check(made.stack)
    assert Path(made.stack.services[0].argv[0]).is_absolute()


@pytest.fixture
def unused_ports() -> dict:
    from tests.system.stack import free_ports

    first, second, third, fourth = (f"127.0.0.1:{port}" for port in free_ports(4))
    return {
        "proxy": {"listen": first, "metrics_listen": second},
        "prometheus": {"listen": third},
        "dashboard": {"listen": fourth},
    }


def test_all_children_may_take_the_time_that_they_have_to_stop():
    made = plan({"helper": {"mode": "on"}}).stack
    assert order.stop_time_s(order.longest_stop(made.services)) <= made.shutdown_timeout_s
    with pytest.raises(ConfigError) as caught:
        plan({"proxy": {"drain_timeout": "70s"}})
    assert str(caught.value) == (
        "supervisor.shutdown_timeout: 1m is too short: stopping may take dashboard 5s, then "
        'prometheus 15s, then proxy 75s. Write "95s" or more'
    )


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"ollama": {"mode": "off"}}, [OutsideSpec("ollama", reason='ollama.mode is "off"')]),
        # The proxy tells of it.
        ({"ollama": {"mode": "external"}}, []),
        (
            {"prometheus": {"mode": "external", "url": "https://[::1]:9090"}},
            [outsider("prometheus", TcpProbe("::1", 9090), "https://[::1]:9090")],
        ),
        # A lookup could hold the supervisor up.
        ({"prometheus": {"mode": "external", "url": "http://box.lan:9090"}}, []),
        (
            {
                "ollama": {"mode": "managed"},
                "prometheus": {"mode": "external", "url": "http://localhost:9090"},
                "helper": {"mode": "external"},
            },
            [
                outsider(
                    "helper", HttpProbe("http://127.0.0.1:8002/health", ""), "http://127.0.0.1:8002"
                ),
                outsider(
                    "prometheus",
                    HttpProbe("http://localhost:9090/-/ready", ""),
                    "http://localhost:9090",
                ),
            ],
        ),
    ],
    ids=str,
)
def test_what_others_run_is_looked_at_and_what_is_off_is_named(document, expected):
    assert list(plan(document, find=everything).stack.outside) == expected


def test_children_follow_the_rules_that_the_file_has_for_them():
    rules = {
        "restart": "on-failure",
        "backoff": "1s",
        "backoff_max": "10s",
        "stable_after": "1m",
        "give_up": 3,
        "within": "5m",
        "then": "retry:1h",
        "start_timeout": {"prometheus": "10m"},
        "stop_timeout": {"dashboard": "7s"},
    }
    made = {service.name: service for service in plan({"children": rules}).stack.services}
    assert {service.restart for service in made.values()} == {
        Restart(RestartPolicy.ON_FAILURE, 1.0, 2.0, 10.0, 60.0, 3, 300.0, 3600.0)
    }
    assert (made["prometheus"].start_timeout_s, made["proxy"].start_timeout_s) == (600.0, 30.0)
    assert (made["dashboard"].stop_timeout_s, made["prometheus"].stop_timeout_s) == (7.0, 15.0)


def test_the_default_rules_are_those_of_the_engine():
    assert spec("proxy").restart == Restart()


@pytest.mark.parametrize(
    ("then", "retry_s", "ends"), [("stay", None, False), ("shutdown", None, True)]
)
def test_a_child_that_is_given_up_stays_so_or_takes_all_along(then, retry_s, ends):
    restart = spec("proxy", {"children": {"then": then}}).restart
    assert (restart.retry_s, restart.ends_stack) == (retry_s, ends)
