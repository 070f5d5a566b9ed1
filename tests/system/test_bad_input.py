"""One clear message, an exit code, and nothing half-started."""

import json
import os
import socket
from urllib.error import HTTPError

import pytest

from tests.system.stack import OPENER, Stack, eventually, free_ports

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


@pytest.fixture
def nowhere() -> str:
    """An upstream where nobody listens."""
    return f"http://127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture
def stack(new_stack, nowhere) -> Stack:
    return new_stack(nowhere)


def test_a_wrong_file_names_every_problem_and_starts_nothing(stack):
    text = stack.config.read_text()
    stack.config.write_text(text + '\n[dashbord]\nlisten = "x"\n[log]\nkeep = "three"\n')
    for arguments in (("up",), ("up", "-d"), ("config", "check")):
        stack.run(*arguments, code=78)
        assert "dashbord: unknown section or key, did you mean dashboard?" in stack.last_error
        assert "log.keep: expected a whole number" in stack.last_error
        assert "ollamon.toml:" in stack.last_error
    stack.assert_gone()


def test_a_taken_port_names_its_owner_and_starts_nothing(stack):
    with socket.create_server(("127.0.0.1", stack.ports["dashboard"])) as taken:
        assert taken.fileno() >= 0
        stack.run("up", "-d", code=6)
        assert f"{stack.listen('dashboard')} is in use, wanted by dashboard" in stack.last_error
        assert f"pid {os.getpid()}" in stack.last_error
        document = json.loads(stack.run("up", "-d", "--json", code=6))
        assert (document["ok"], document["code"]) == (False, 6)
        assert document["error"]["kind"] == "port_in_use"
    stack.assert_gone()


def test_a_required_prometheus_that_is_missing_is_said(stack, path_without_prometheus):
    text = stack.config.read_text()
    stack.config.write_text(text.replace("[prometheus]", '[prometheus]\nmode = "managed"'))
    stack.run("up", "-d", code=7, PATH=path_without_prometheus)
    assert "prometheus" in stack.last_error
    stack.assert_gone()


def test_without_prometheus_history_is_kept_in_memory(stack, path_without_prometheus):
    stack.run("up", "-d", "--wait", PATH=path_without_prometheus)
    assert set(stack.children()) == {"proxy", "dashboard"}
    eventually(lambda: stack.tick()["source"] == "embedded", "embedded history")


def test_an_unreachable_ollama_is_a_warning_and_a_502(stack, nowhere):
    stack.up()
    said = stack.run("doctor", code=None) + stack.last_error
    assert nowhere.removeprefix("http://") in said
    eventually(lambda: stack.tick()["status"]["kind"] == "upstream_down", "the page says so")
    with pytest.raises(HTTPError) as caught:
        OPENER.open(stack.url("proxy", "/api/tags"), timeout=10)
    assert caught.value.code == 502
    assert "cannot reach Ollama" in json.loads(caught.value.read())["error"]
    caught.value.close()


def test_a_server_that_is_no_ollama_is_a_warning(new_stack, llama_server):
    stack = new_stack(llama_server)
    stack.up()
    document = json.loads(stack.run("doctor", "--json", code=None))
    findings = {finding["check"]: finding for finding in document["findings"]}
    assert findings["ollama"]["severity"] == "warn"
    eventually(lambda: stack.tick()["status"]["kind"] == "not_ollama", "the page says so")


def test_bad_json_of_a_client_is_answered_by_the_upstream(new_stack, llama_server):
    stack = new_stack(llama_server)
    stack.up()
    for base in (llama_server, stack.url("proxy")):
        with pytest.raises(HTTPError) as caught:
            OPENER.open(f"{base}/v1/chat/completions", data=b'{"model":', timeout=10)
        assert 400 <= caught.value.code < 600
        caught.value.close()
    eventually(
        lambda: stack.total("ollama_proxy_requests_total", endpoint="/v1/chat/completions") == 1,
        "it is counted",
    )
