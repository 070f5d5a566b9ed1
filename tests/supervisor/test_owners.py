import os
import socket

import psutil

from ollamon.supervisor import owners
from ollamon.supervisor.owners import owner_of


def test_the_owner_of_a_port_is_known_by_pid_and_name():
    with socket.create_server(("127.0.0.1", 0)) as mine:
        owner = owner_of(mine.getsockname()[1])
    assert owner is not None
    assert (owner.pid, owner.name) == (os.getpid(), psutil.Process().name())
    assert owner.age_s > 0


def test_a_free_port_has_no_owner(free_port):
    assert owner_of(free_port) is None


def test_where_the_system_is_strict_own_processes_are_still_seen(monkeypatch):
    def refuse(kind):
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", refuse)
    with socket.create_server(("127.0.0.1", 0)) as mine:
        owner = owner_of(mine.getsockname()[1])
    assert owner is not None
    assert owner.pid == os.getpid()


def test_a_unit_is_read_from_the_control_group(monkeypatch, tmp_path):
    def unit(text: str) -> str:
        (tmp_path / "cgroup").write_text(text)
        monkeypatch.setattr(owners, "Path", lambda _: tmp_path / "cgroup")
        return owners._unit_of(1)

    assert unit("0::/system.slice/prometheus.service\n") == "prometheus.service"
    nested = "0::/user.slice/user-1.slice/user@1.service/app.slice/ollama.service\n"
    assert unit(nested) == "ollama.service"
    assert unit("0::/user.slice/user-1.slice/user@1.service/app.slice/term.scope\n") == ""
    assert unit("0::/user.slice/user-1.slice/session-2.scope\n") == ""
