from ollamon.cli.helper_probe import is_foreign_helper, read
from ollamon.config.values import Address
from tests.cli.helper_answers import answer
from tests.cli.servers import answering, saying
from tests.system.stack import free_ports


def address(url: str) -> Address:
    return Address("127.0.0.1", int(url.rpartition(":")[2]))


def test_a_helper_that_was_started_by_hand_is_known():
    with answering(200, answer()) as url:
        assert is_foreign_helper(address(url))


def test_the_child_of_a_run_is_not_foreign():
    with answering(200, answer(), X_Ollamon_Run="7f3a91c2") as url:
        reading, run_id = read(address(url))
        assert reading is not None
        assert run_id == "7f3a91c2"
        assert not is_foreign_helper(address(url))


def test_what_speaks_otherwise_is_no_helper():
    with answering(200, b"{}") as url:
        assert not is_foreign_helper(address(url))
    with saying(b"hello\r\n") as url:
        assert not is_foreign_helper(address(url))
    assert not is_foreign_helper(Address("127.0.0.1", free_ports(1)[0]))
