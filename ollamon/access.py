"""Which Host and Origin may come in: one decision for all ports, without I/O.

A web page that a browser shows may send requests to any address, also to loopback (DNS rebinding,
CVE-2024-28224). It cannot choose Host and Origin. So the proxy accepts the names that Ollama itself
accepts (ollama:server/routes.go `allowedHost`), and our own pages accept loopback names only.
"""

import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field

TOKEN_FIELD = "X-Ollamon-Token"  # noqa: S105 - a name
"""Where a request that commands something carries the run's token."""

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal")


def knows_token(given: str | None, token: str) -> bool:
    """Say whether a request carries the run's token; a run without one is commanded by nobody."""
    said = (given or "").encode(errors="surrogateescape")
    return token != "" and hmac.compare_digest(said, token.encode())


def split_authority(authority: str) -> tuple[str, int | None] | None:
    """Return the lower-case host, without brackets, and the port; None when it is malformed.

    A final dot of a name is dropped, as resolvers do. RFC 9110, section 4.2; RFC 3986, 3.2.
    """
    text = authority.strip().lower()
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or ":" not in host:
            return None
        port = rest[1:]
    else:
        host, _, port = text.partition(":")
        if ":" in port:
            return None
    if port and not (port.isascii() and port.isdecimal() and int(port) < 65536):
        return None
    host = host.removesuffix(".")
    if not host or any(letter in host for letter in "/\\@?# \t%,"):
        return None
    return host, int(port) if port else None


def _is_near(host: str, own_addresses: frozenset[str]) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return (
        address.is_loopback
        or address.is_private
        or address.is_link_local
        or address.is_unspecified
        or host in own_addresses
    )


@dataclass(frozen=True, slots=True)
class ProxyAccess:
    """Who may use the proxy. Origin is not ours to judge: it passes to Ollama, whose CORS holds.

    Attributes:
        hostname: This machine's name.
        own_addresses: This machine's addresses, as text.
        allowed_hosts: Further names from the configuration; "*" lets every name in.
    """

    hostname: str = ""
    own_addresses: frozenset[str] = frozenset()
    allowed_hosts: frozenset[str] = frozenset()

    def allows(self, host: str) -> bool:
        """Say whether a request with this Host field may pass."""
        if "*" in self.allowed_hosts:
            return True
        split = split_authority(host)
        if split is None:
            return False
        name = split[0]
        return (
            name == "localhost"
            or (self.hostname != "" and name == self.hostname.lower())
            or name.endswith(_LOCAL_SUFFIXES)
            or name in self.allowed_hosts
            or _is_near(name, self.own_addresses)
        )


@dataclass(frozen=True, slots=True)
class PageAccess:
    """Who may use one of our own HTTP ports: 8001, 8002 and 3001.

    Attributes:
        port: The port that Host and Origin must name.
        names: Host names that may come in, lower-case.
    """

    port: int
    names: frozenset[str] = field(default=LOCAL_NAMES)

    @classmethod
    def of(cls, port: int, allowed_hosts: Iterable[str] = ()) -> "PageAccess":
        """Loopback names and `allowed_hosts`, with this port."""
        return cls(port, LOCAL_NAMES | {name.lower() for name in allowed_hosts})

    def allows(self, host: str | None, origin: str | None = None, site: str | None = None) -> bool:
        """Say whether a request with these Host, Origin and Sec-Fetch-Site fields may come in.

        A request without Origin comes from no page, or from our own. "null" is a foreign origin.
        """
        if host is None or not self._is_ours(host):
            return False
        if site is not None and site.strip().lower() not in ("same-origin", "none"):
            return False
        if origin is None:
            return True
        scheme, separator, authority = origin.partition("://")
        return separator != "" and scheme.lower() == "http" and self._is_ours(authority)

    def _is_ours(self, authority: str) -> bool:
        split = split_authority(authority)
        if split is None:
            return False
        # A URL without a port names port 80.
        return split[0] in self.names and (80 if split[1] is None else split[1]) == self.port
