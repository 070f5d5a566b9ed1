import pytest

from ollamon.access import PageAccess, ProxyAccess, split_authority

AUTHORITIES = {
    "localhost:11434": ("localhost", 11434),
    "LOCALHOST.:80": ("localhost", 80),
    " 127.0.0.1 ": ("127.0.0.1", None),
    "[::1]:3001": ("::1", 3001),
    "[::1]": ("::1", None),
    "localhost:": ("localhost", None),
    "": None,
    ":80": None,
    "a:b": None,
    "a:65536": None,
    "a:-1": None,
    "a:\N{ARABIC-INDIC DIGIT ONE}": None,
    "::1": None,
    "[::1": None,
    "[::1]x": None,
    "[abc]": None,
    "user@localhost": None,
    "localhost,evil.example": None,
    "local host": None,
    "localhost/": None,
    "localhost#": None,
    "localhost?": None,
    "localhost\\": None,
}


@pytest.mark.parametrize(("text", "expected"), AUTHORITIES.items())
def test_an_authority_is_split_or_refused(text, expected):
    assert split_authority(text) == expected


PROXY_HOSTS = {
    "localhost": True,
    "localhost:11435": True,
    "127.0.0.1:11435": True,
    "[::1]:11435": True,
    "0.0.0.0:11435": True,
    "10.1.2.3": True,
    "192.168.1.7:11435": True,
    "169.254.1.1": True,
    "203.0.113.9": True,
    "box": True,
    "BOX:11435": True,
    "gpu.local": True,
    "ollama.internal": True,
    "a.localhost": True,
    "named.example": True,
    "ollama:11434": False,
    "evil.example": False,
    "8.8.8.8": False,
    "local": False,
    "xlocalhost": False,
    "localhost.evil.example": False,
    "": False,
    "localhost@evil.example": False,
}


@pytest.mark.parametrize(("host", "expected"), PROXY_HOSTS.items())
def test_the_proxy_lets_in_the_names_that_ollama_lets_in(host, expected):
    access = ProxyAccess("Box", frozenset({"203.0.113.9"}), frozenset({"named.example"}))
    assert access.allows(host) is expected


def test_an_unnamed_machine_does_not_let_in_an_empty_name():
    assert not ProxyAccess().allows("")


def test_a_star_lets_every_name_in():
    assert ProxyAccess(allowed_hosts=frozenset({"*"})).allows("evil.example")


OURS = "localhost:3001"
PAGE_REQUESTS = {
    "no Origin comes from no page": (OURS, None, None, True),
    "our own page": (OURS, "http://localhost:3001", "same-origin", True),
    "typed into the address bar": (OURS, None, "none", True),
    "by address": ("127.0.0.1:3001", "http://127.0.0.1:3001", None, True),
    "by IPv6 address": ("[::1]:3001", "http://[::1]:3001", None, True),
    "a configured name": ("box.lan:3001", "http://box.lan:3001", None, True),
    "names are compared without case": ("LocalHost:3001", "HTTP://LOCALHOST:3001", None, True),
    "no Host": (None, None, None, False),
    "a rebound name": ("evil.example:3001", "http://evil.example:3001", None, False),
    "another port of ours": ("localhost:8001", None, None, False),
    "a Host without a port names port 80": ("localhost", None, None, False),
    "a foreign page": (OURS, "http://evil.example", None, False),
    "another port's page": (OURS, "http://localhost:8080", None, False),
    "a page over https": (OURS, "https://localhost:3001", None, False),
    "a sandboxed page": (OURS, "null", None, False),
    "an empty Origin": (OURS, "", None, False),
    "a cross-site request without Origin": (OURS, None, "cross-site", False),
    "a same-site request of another port": (OURS, None, "same-site", False),
    "a malformed Host": ("[::1:3001", None, None, False),
}


@pytest.mark.parametrize("case", PAGE_REQUESTS.values(), ids=PAGE_REQUESTS)
def test_a_page_of_ours_is_for_our_own_pages_only(case):
    host, origin, site, expected = case
    assert PageAccess.of(3001, ["Box.lan"]).allows(host, origin, site) is expected


def test_port_80_needs_no_port_in_host_and_origin():
    access = PageAccess.of(80)
    assert access.allows("localhost", "http://localhost")
    assert access.allows("localhost:80", "http://localhost:80")
    assert not access.allows("localhost:81")
