import json

from ollamon.cli.doctor import command
from tests.cli.conftest import change


def test_the_doctor_speaks_for_people_and_programs(stack):
    text = stack.run("doctor")
    assert text.splitlines()[0].startswith(" ✓ python       3.")
    assert "→ ollama serve" in text
    assert text.endswith("0 problems, 1 warning\n")
    assert max(map(len, text.splitlines())) <= 80
    document = json.loads(stack.run("doctor", "--json"))
    checks = [finding["check"] for finding in document["findings"]]
    assert checks == [
        *("python", "ollamon", "config", "directories", "ports"),
        *("ollama", "prometheus", "helper", "clients"),
    ]
    assert (document["problems"], document["warnings"]) == (0, 1)
    assert set(document["findings"][0]) == {"check", "severity", "evidence", "fix"}


def test_a_problem_is_an_exit_code(stack, tmp_path):
    change(stack, 'mode = "embedded"', 'mode = "managed"\nbinary = "none"')
    text = stack.run("doctor", code=1)
    assert " ✗ prometheus   none not found" in text
    document = json.loads(stack.run("doctor", "--json", code=1))
    assert (document["ok"], document["code"], document["problems"]) == (False, 1, 1)


def test_a_broken_file_is_all_that_is_said(stack):
    change(stack, "[proxy]", "[proxy]\nlisen = 1")
    text = stack.run("doctor", code=1)
    assert " ✗ config       ~/ollamon.toml:" in text
    assert text.endswith("1 problem, 0 warnings\n")
    assert command.name == "doctor"


def test_a_running_stack_is_looked_at_as_it_was_started(stack):
    stack.up("--demo", "--with-helper")
    findings = json.loads(stack.run("doctor", "--json"))["findings"]
    said = {finding["check"]: (finding["severity"], finding["evidence"]) for finding in findings}
    assert said["config"] == ("ok", "~/ollamon.toml")
    assert said["ollama"] == ("ok", "demo: a simulated Ollama is watched")
    assert said["helper"][1].startswith("answers")


def test_one_check_alone(stack):
    document = json.loads(stack.run("doctor", "--json", "--only", "ports", "--only", "clients"))
    assert [finding["check"] for finding in document["findings"]] == ["ports", "clients"]
    assert document["warnings"] == 0
    stack.run("doctor", "--only", "prots", code=2)
    said = " ".join(stack.last_error.split())
    assert "no check 'prots'; there are versions, config, directories, ports," in said
