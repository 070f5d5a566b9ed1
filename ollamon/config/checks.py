"""What a single key cannot know: clashes and loops between sections, without I/O.

The raw values are checked, not the model, so that these problems are reported together with others.
"""

from ollamon.config.layers import Layers, field_at, is_own_proxy
from ollamon.config.model import LISTENING
from ollamon.config.values import Address, parse_duration, parse_listen, parse_url
from ollamon.errors import Problem


def problems_of(layers: Layers) -> list[Problem]:
    """Every problem between sections."""
    return [
        *_clashes(layers),
        *_loop(layers),
        *_managed(layers),
        *_engine(layers),
        *_hosts(layers),
        *_helper(layers),
    ]


def _raw(layers: Layers, path: str) -> object:
    value = layers.get(path)
    field = field_at(path)
    return field.default if value is None and field else value


def _clashes(layers: Layers) -> list[Problem]:
    taken: dict[int, str] = {}
    problems = []
    for path in LISTENING:
        if _is_off(layers, LISTENING[path]):
            continue
        try:
            address: Address = parse_listen(_raw(layers, path))
        except ValueError:
            continue
        if address.port in taken:
            first = taken[address.port]
            problems.append(_clash(layers, first, path, address))
        taken.setdefault(address.port, path)
    return problems


def _is_off(layers: Layers, service: str) -> bool:
    """Nobody listens there, neither we nor somebody whom we ask."""
    match service:
        case "demo":
            return _raw(layers, "demo.enabled") is not True
        case "helper":
            return _raw(layers, "helper.mode") == "off"
        case "prometheus":
            return _raw(layers, "prometheus.mode") in ("external", "embedded")
        case _:
            return False


def _clash(layers: Layers, first: str, second: str, address: Address) -> Problem:
    written = second if layers.get(second) is not None else first
    message = f"{second}: {first} wants {address} too; each needs a port of its own"
    return Problem(message, layers.value_position(written), layers.excerpt(written))


def _loop(layers: Layers) -> list[Problem]:
    try:
        url = parse_url(_raw(layers, "ollama.url"))
    except ValueError:
        return []
    if not is_own_proxy(url, layers.get("proxy.listen")):
        return []
    message = f"ollama.url: {url} is this proxy itself, so requests would go in a circle"
    return [Problem(message, layers.value_position("ollama.url"), layers.excerpt("ollama.url"))]


def _managed(layers: Layers) -> list[Problem]:
    """An Ollama of ours listens on this machine, on a port that nobody else here wants."""
    problems = []
    env = _raw(layers, "ollama.env")
    if isinstance(env, dict) and "OLLAMA_HOST" in env:
        text = "OLLAMA_HOST comes from ollama.url"
        problems.append(_of(layers, "ollama.env", text))
    if _raw(layers, "ollama.mode") != "managed":
        return problems
    try:
        listen = ollama_listen(parse_url(_raw(layers, "ollama.url")))
    except ValueError:
        return problems
    if listen is None:
        text = 'with ollama.mode = "managed" it must be http and of this machine'
        return [*problems, _of(layers, "ollama.url", text)]
    # A clash with the proxy is a loop, and said as such.
    wanted = [path for path in LISTENING if path != "proxy.listen"]
    return problems + [
        _of(layers, "ollama.url", f"{path} wants {listen} too")
        for path in wanted
        if _port(layers, path) == listen.port
    ]


def ollama_listen(url: str) -> Address | None:
    """Return where an Ollama of ours would listen; None when that is no place for one."""
    try:
        return parse_listen(url.removeprefix("http://"))
    except ValueError:
        return None


def _port(layers: Layers, path: str) -> int:
    try:
        return parse_listen(_raw(layers, path)).port
    except ValueError:
        return 0


def _engine(layers: Layers) -> list[Problem]:
    """`external` needs an address to ask."""
    if _raw(layers, "prometheus.mode") != "external" or _raw(layers, "prometheus.url"):
        return []
    message = 'prometheus.url: needed when prometheus.mode is "external"'
    return [Problem(message, layers.where("prometheus.mode"))]


def _hosts(layers: Layers) -> list[Problem]:
    """Never neither: without our Host rule, upstream's own must see the client's."""
    hosts = _raw(layers, "proxy.allowed_hosts")
    if not (isinstance(hosts, list | tuple) and "*" in hosts):
        return []
    if _raw(layers, "proxy.preserve_host") is True:
        return []
    message = 'proxy.allowed_hosts: "*" needs proxy.preserve_host = true, or nobody checks Host'
    return [Problem(message, layers.value_position("proxy.allowed_hosts"))]


def _helper(layers: Layers) -> list[Problem]:
    """What may run as root has limits of its own (ollamon/helper/settings.py)."""
    if _raw(layers, "helper.mode") != "on":
        return []
    problems = []
    try:
        if not 1 <= parse_duration(_raw(layers, "helper.interval")) <= 60:
            problems.append(_of(layers, "helper.interval", 'expected "1s" to "60s"'))
        address = parse_listen(_raw(layers, "helper.listen"))
        if address.host != "127.0.0.1" or address.port < 1024:
            text = "expected 127.0.0.1 and a port of 1024 to 65535"
            problems.append(_of(layers, "helper.listen", text))
    except ValueError:
        # Said by the model.
        pass
    return problems


def _of(layers: Layers, path: str, text: str) -> Problem:
    return Problem(f"{path}: {text}", layers.value_position(path))
