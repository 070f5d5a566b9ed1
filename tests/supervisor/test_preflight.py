import os
import shutil
import socket
import sys
from dataclasses import replace

import psutil
import pytest

from ollamon.errors import PortInUseError, ProgramMissingError, StartError
from ollamon.supervisor import owners, preflight
from ollamon.supervisor.spec import Listen
from tests.supervisor.harness import service


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def test_a_stack_that_can_start_passes(stacks, free_port):
    preflight.check(stacks.spec(service("a", port=free_port)))


def test_all_taken_ports_are_told_at_once_with_owner_and_remedy(stacks):
    with listening() as one, listening() as two:
        ports = [each.getsockname()[1] for each in (one, two)]
        stack = stacks.spec(service("a", port=ports[0]), service("b", port=ports[1]))
        with pytest.raises(PortInUseError) as caught:
            preflight.check(stack)
    text = str(caught.value)
    name = psutil.Process().name()
    for port, child in zip(ports, "ab", strict=True):
        assert f"127.0.0.1:{port} is in use, wanted by {child}" in text
        assert f'set [{child}] listen = "127.0.0.1:' in text
    assert text.count(f"pid {os.getpid()}  {name}  (user ") == 2
    assert text.count(f"stop it: kill {os.getpid()}") == 2
    assert text.count("(free now)") == 2


def test_the_port_that_is_offered_is_not_wanted_by_the_stack_itself(stacks):
    with listening() as taken:
        port = taken.getsockname()[1]
        stack = stacks.spec(service("a", port=port), service("b", port=port + 1))
        with pytest.raises(PortInUseError) as caught:
            preflight.check(stack)
    assert f'listen = "127.0.0.1:{port + 1}"' not in str(caught.value)


def test_an_owner_that_may_not_be_seen_is_told_how_to_be(stacks, monkeypatch):
    monkeypatch.setattr(preflight, "owner_of", lambda port: None)
    with listening() as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"sudo lsof -nP -iTCP:{port} -sTCP:LISTEN"):
            preflight.check(stacks.spec(service("a", port=port)))


def test_a_unit_is_stopped_by_its_name(stacks, monkeypatch):
    owner = owners.Owner(2211, "prometheus", "prometheus", "prometheus.service", 3 * 86400.0 + 5)
    monkeypatch.setattr(preflight, "owner_of", lambda port: owner)
    with listening() as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError) as caught:
            preflight.check(stacks.spec(service("prometheus", port=port)))
    lines = str(caught.value).splitlines()
    assert lines[1:3] == [
        "       pid 2211  prometheus  "
        "(user prometheus, systemd unit prometheus.service, since 3 days)",
        "       Either  systemctl stop prometheus",
    ]
    assert lines[3].startswith('       or      set [prometheus] listen = "127.0.0.1:')


def test_an_address_that_is_not_ours_is_told(stacks):
    spec = service("a", listens=(Listen("listen", "192.0.2.1", 1234, "a.listen"),))
    with pytest.raises(PortInUseError, match=r"192\.0\.2\.1:1234 cannot be used, wanted by a: "):
        preflight.check(stacks.spec(spec))


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_an_ipv6_address_is_written_in_brackets(stacks):
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        spec = service("a", listens=(Listen("listen", "::1", port, "a.listen"),))
        with pytest.raises(PortInUseError, match=rf"\[::1\]:{port} is in use"):
            preflight.check(stacks.spec(spec))


@pytest.mark.fault(9)
def test_missing_programs_are_told_at_once(stacks, tmp_path):
    plain = tmp_path / "plain"
    plain.touch(mode=0o600)
    stack = stacks.spec(
        replace(service("a"), argv=(str(tmp_path / "absent"),)),
        replace(service("b"), argv=(str(plain),)),
        replace(service("c"), argv=(sys.executable,)),
    )
    with pytest.raises(ProgramMissingError) as caught:
        preflight.check(stack)
    assert str(caught.value).splitlines() == [
        f"cannot start a: {tmp_path}/absent does not exist",
        f"cannot start b: {plain} is not executable",
    ]


@pytest.mark.parametrize(
    ("age_s", "words"), [(5, "5 s"), (61, "1 minute"), (7200, "2 hours"), (90000, "1 day")]
)
def test_an_age_is_told_in_its_largest_unit(monkeypatch, stacks, age_s, words):
    owner = owners.Owner(1, "x", "u", "", float(age_s))
    monkeypatch.setattr(preflight, "owner_of", lambda port: owner)
    with (
        listening() as taken,
        pytest.raises(PortInUseError, match=rf"\(user u, since {words}\)"),
    ):
        preflight.check(stacks.spec(service("a", port=taken.getsockname()[1])))


def test_a_disk_that_is_nearly_full_is_told_once(stacks):
    wanted = shutil.disk_usage(stacks.folder).total + 1
    preflight.check(stacks.spec(service("a"), min_free_bytes=1))
    with pytest.raises(StartError) as caught:
        preflight.check(stacks.spec(service("a"), min_free_bytes=wanted))
    (line,) = str(caught.value).splitlines()
    assert line.startswith("cannot start on a disk that is nearly full: ")
    assert line.endswith(f" MB free at {stacks.folder}, {wanted // 1024**2} MB wanted")
