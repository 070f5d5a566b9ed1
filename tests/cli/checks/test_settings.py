"""What hides problems; and that the variables are those of the process that listens."""

import os
import socket
import subprocess
import sys

import pytest

from ollamon.cli.checks import hidden, settings
from ollamon.cli.checks.finding import Severity
from tests.cli.checks.conftest import one
from tests.system.stack import free_ports

SERVER = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as listening:
    print(listening.getsockname()[1], flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("OLLAMA_KEEP_ALIVE", "0", "leaves after each request"),
        ("OLLAMA_KEEP_ALIVE", "0s", "leaves after each request"),
        ("OLLAMA_KEEP_ALIVE", "-1", "stays for ever"),
        ("OLLAMA_KEEP_ALIVE", "-1m", "stays for ever"),
        ("OLLAMA_KEEP_ALIVE", "5m", ""),
        ("OLLAMA_KEEP_ALIVE", "soon", ""),
        ("OLLAMA_LOAD_TIMEOUT", "1h", "given up late"),
        ("OLLAMA_LOAD_TIMEOUT", "0", "given up late"),
        ("OLLAMA_LOAD_TIMEOUT", "5m0s", ""),
        ("OLLAMA_MAX_QUEUE", "10000", "silence"),
        ("OLLAMA_MAX_QUEUE", "512", ""),
        ("OLLAMA_NUM_PARALLEL", "16", "so many contexts"),
        ("OLLAMA_NUM_PARALLEL", "4", ""),
        ("OLLAMA_CONTEXT_LENGTH", "131072", "so long a context"),
        ("OLLAMA_CONTEXT_LENGTH", "8192", ""),
        ("OLLAMA_GPU_OVERHEAD", "2147483648", "left unused"),
        ("OLLAMA_GPU_OVERHEAD", "0", ""),
        ("OLLAMA_MAX_LOADED_MODELS", "1", "push each other out"),
        ("OLLAMA_MAX_LOADED_MODELS", "3", ""),
        ("OLLAMA_LLM_LIBRARY", "cpu_avx2", "GPU is not used"),
        ("OLLAMA_LLM_LIBRARY", "cuda_v12", ""),
        ("CUDA_VISIBLE_DEVICES", "-1", "no GPU is visible"),
        ("CUDA_VISIBLE_DEVICES", "0,1", ""),
        ("HIP_VISIBLE_DEVICES", '"-1"', "no GPU is visible"),
        ("OLLAMA_MODELS", "/x", ""),
    ],
)
def test_each_variable_is_judged_by_its_value(name, text, said):
    found = list(hidden.judge({name: text}))
    assert [each for each, _ in found] == ([name] if said else [])
    assert all(said in sentence for _, sentence in found)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5m", 300),
        ("1h30m", 5400),
        ("300", 300),
        ("-1", -1),
        ("250ms", 0.25),
        ("5x", None),
        ("", None),
    ],
)
def test_durations_are_read_as_ollama_reads_them(text, seconds):
    assert hidden.seconds_of(text) == seconds


def test_origins_that_let_everybody_in():
    assert hidden.origins({"OLLAMA_ORIGINS": "http://a.lan, *"})
    assert hidden.origins({"OLLAMA_ORIGINS": "https://*"})
    assert not hidden.origins({"OLLAMA_ORIGINS": "http://a.lan:*"})
    assert not hidden.origins({})


def test_the_variables_are_those_of_the_server_that_runs(world):
    loud = {"OLLAMA_DEBUG": "1", "OLLAMA_ORIGINS": "*", "OLLAMA_KEEP_ALIVE": "-1"}
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        env=os.environ | loud,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        here = world({"ollama": {"url": url}}, environment={"OLLAMA_MAX_QUEUE": "9999"})
        found = list(settings.check(here))
        server.stdin.close()
    assert [each.id for each in found] == [
        "ollama-setting",
        "ollama-logs-prompts",
        "ollama-origins",
    ]
    assert {each.severity for each in found} == {Severity.WARN}
    assert found[0].evidence.startswith("Ollama's OLLAMA_KEEP_ALIVE=-1: a model stays for ever")
    assert found[0].fix.startswith("unset OLLAMA_KEEP_ALIVE")


def test_without_a_server_those_of_the_shell_count(world):
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    here = world({"ollama": {"url": url}}, environment={"OLLAMA_MAX_QUEUE": "9999", "HOME": "x"})
    assert one(settings.check(here)).evidence.startswith("this shell's OLLAMA_MAX_QUEUE=9999: ")
    quiet = world({"ollama": {"url": url}}, environment={"OLLAMA_DEBUG": "0"})
    assert one(settings.check(quiet)).severity is Severity.OK
    ours = world({"ollama": {"url": url, "env": {"OLLAMA_DEBUG": "2"}}})
    assert one(settings.check(ours)).id == "ollama-logs-prompts"
    assert list(settings.check(world({"ollama": {"mode": "off"}}))) == []


@pytest.fixture
def systemctl(tmp_path):
    """One that tells the variables of the unit, and nothing else."""
    program = tmp_path / "systemctl"
    program.write_text(
        "#!/bin/sh\n"
        '[ "$*" = "show ollama.service --property=Environment --value" ] || exit 1\n'
        """echo 'OLLAMA_DEBUG=1 "OLLAMA_ORIGINS=http://a.lan, *"'\n"""
    )
    program.chmod(0o755)
    return {"systemctl": str(program)}.get


def test_another_users_server_is_known_by_its_unit(world, systemctl, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        document = {"ollama": {"url": f"http://127.0.0.1:{listening.getsockname()[1]}"}}
        # To others than root the kernel tells neither pid nor variables.
        monkeypatch.setattr(settings, "owner_of", lambda port: None)
        debug, origins = settings.check(world(document, find=systemctl))
        assert (debug.id, origins.id) == ("ollama-logs-prompts", "ollama-origins")
        assert debug.evidence.startswith("ollama.service's OLLAMA_DEBUG=1: ")
        assert debug.fix == "sudo systemctl edit ollama.service  # remove OLLAMA_DEBUG"
        broken = {"systemctl": "/bin/false"}.get
        assert "this shell's" in one(settings.check(world(document, find=broken))).evidence
        assert "this shell's" in one(settings.check(world(document))).evidence
    # Nobody listens: whatever the unit says, it is not what runs.
    assert "this shell's" in one(settings.check(world(document, find=systemctl))).evidence
