"""OLLAMA_HOST by Ollama's own rules (ollama:envconfig/config.go `Host`), without I/O."""

import ipaddress

from ollamon.config.values import Address


def upstream_of(text: str) -> str:
    """Return the URL that a client reaches with this OLLAMA_HOST; the default when it is empty.

    An unspecified address (0.0.0.0, ::) is where a server listens; a client calls loopback.
    """
    text = text.strip().strip("\"'").strip()
    scheme, separator, rest = text.partition("://")
    port = {"http": "80", "https": "443"}.get(scheme, "11434") if separator else "11434"
    if not separator:
        scheme, rest = ("https", "ollama.com:443") if text == "ollama.com" else ("http", text)
    host, port = _split(rest.partition("/")[0], port)
    return f"{scheme}://{Address(_reachable(host), int(port))}"


def oddity_of(text: str) -> str:
    """Return what of an OLLAMA_HOST is probably not meant, "" when all is.

    Ollama itself says nothing about these and goes on with something else.
    """
    text = text.strip().strip("\"'").strip()
    _, _, rest = text.rpartition("://")
    authority, separator, path = rest.partition("/")
    if separator and path:
        return f"its path, /{path}, is left out"
    _, _, port = authority.rpartition("]")[2].rpartition(":")
    is_port = port.isascii() and port.isdecimal() and 0 < int(port) <= 65535
    if authority.rpartition("]")[2].count(":") == 1 and not is_port:
        return f'"{port}" is no port, and its default is taken'
    return ""


def _split(authority: str, default_port: str) -> tuple[str, str]:
    if authority.startswith("["):
        host, _, rest = authority[1:].partition("]")
        port = rest.removeprefix(":") if rest else default_port
    elif authority.count(":") == 1:
        host, _, port = authority.partition(":")
    else:
        host, port = authority or "127.0.0.1", default_port
    valid = port.isascii() and port.isdecimal() and int(port) <= 65535
    return host, port if valid else default_port


def _reachable(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host or "127.0.0.1"
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"
    return str(address)
