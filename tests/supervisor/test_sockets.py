import socket

import pytest

from ollamon.errors import PortInUseError
from ollamon.supervisor import sockets
from ollamon.supervisor.sockets import HeldSockets
from ollamon.supervisor.spec import Listen


def test_held_sockets_accept_clients_before_any_child_and_refuse_them_when_closed(free_port):
    held = HeldSockets([Listen("listen", "127.0.0.1", free_port, "a.listen")])
    descriptors = held.open()
    assert held.open() == descriptors
    with socket.create_connection(("127.0.0.1", free_port), timeout=10):
        pass
    held.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port), timeout=10)


def test_an_address_that_the_child_binds_itself_is_left_alone(free_port):
    held = HeldSockets([Listen("listen", "127.0.0.1", free_port, "a.listen", held=False)])
    assert held.open() == {}


def test_a_taken_address_closes_those_that_were_had(free_port):
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        held = HeldSockets(
            [
                Listen("listen", "127.0.0.1", free_port, "a.listen"),
                Listen("metrics", "127.0.0.1", taken, "a.metrics"),
            ]
        )
        with pytest.raises(PortInUseError, match=f"127.0.0.1:{taken} is in use"):
            held.open()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port), timeout=10)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_an_ipv6_address_leaves_ipv4_alone(free_port):
    with sockets.bind(Listen("listen", "::1", free_port, "a.listen")) as bound:
        assert bound.family == socket.AF_INET6
        sockets.bind(Listen("listen", "127.0.0.1", free_port, "a.listen")).close()
