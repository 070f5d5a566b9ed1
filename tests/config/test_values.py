import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollamon.config.values import (
    Address,
    format_duration,
    format_size,
    is_loopback,
    parse_duration,
    parse_listen,
    parse_period,
    parse_size,
    parse_url,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("5s", 5), ("1.5m", 90), ("2h", 7200), ("15d", 1296000), ("1w", 604800)],
)
def test_a_duration_has_a_unit(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("value", ["7", 5, 5.5, "", "s", "-5s", "5 s", "5S", "1h30m", None, True])
def test_what_has_no_unit_is_no_duration(value):
    with pytest.raises(ValueError, match="unit"):
        parse_duration(value)


@given(st.integers(min_value=0, max_value=10**10))
def test_a_written_duration_reads_the_same(milliseconds):
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(min_value=0, max_value=2**50))
def test_a_written_size_reads_the_same(size):
    assert parse_size(format_size(size)) == size


def test_a_period_is_longer_than_nothing():
    assert parse_period("1ms") == 0.001
    with pytest.raises(ValueError, match="longer than 0"):
        parse_period("0s")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:1", Address("127.0.0.1", 1)),
        ("localhost:3001", Address("127.0.0.1", 3001)),
        ("[::1]:3001", Address("::1", 3001)),
        ("127.8.8.8:65535", Address("127.8.8.8", 65535)),
    ],
)
def test_loopback_may_be_listened_on(text, address):
    assert parse_listen(text) == address
    assert parse_listen(address) is address


@pytest.mark.parametrize("text", ["0.0.0.0:1", "[::]:1", "192.168.1.2:1", "box:1", "*:1"])
def test_beyond_loopback_is_refused(text):
    with pytest.raises(ValueError, match="network"):
        parse_listen(text)


@pytest.mark.parametrize("text", ["", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "a:b"])
def test_an_address_has_host_and_port(text):
    with pytest.raises(ValueError, match="host:port"):
        parse_listen(text)


def test_an_address_is_written_as_urls_need_it():
    assert Address("::1", 80).url == "http://[::1]:80"
    assert Address("127.0.0.1", 80).url == "http://127.0.0.1:80"


@pytest.mark.parametrize("name", ["localhost", "a.localhost", "127.0.0.1", "::1"])
def test_names_that_stay_on_this_machine(name):
    assert is_loopback(name)


@pytest.mark.parametrize("name", ["0.0.0.0", "10.0.0.1", "localhost.lan", "::", ""])
def test_names_that_do_not(name):
    assert not is_loopback(name)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://127.0.0.1:11434/", "http://127.0.0.1:11434"),
        ("http://box", "http://box:80"),
        ("https://box.lan", "https://box.lan:443"),
        ("http://[::1]:11434", "http://[::1]:11434"),
    ],
)
def test_a_url_is_normalised(text, url):
    assert parse_url(text) == url


@pytest.mark.parametrize("text", ["", "box:80", "ftp://box", "http://", "http://box:99999", 5])
def test_what_is_no_url_is_refused(text):
    with pytest.raises(ValueError, match="URL"):
        parse_url(text)


@pytest.mark.parametrize(
    "url", ["https://u:secret@example.com:1/x", "ftp://u:secret@h", "http://u:secret@h:port"]
)
def test_a_password_in_a_url_is_never_repeated(url):
    with pytest.raises(ValueError, match=r"//\*\*\*@") as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)


def test_port_0_is_nobody():
    with pytest.raises(ValueError, match="expected a URL"):
        parse_url("http://127.0.0.1:0")
