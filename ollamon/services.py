"""Config -> what should run: argv, section, sockets, probe, order. The wiring."""

import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ollamon import sudo
from ollamon.artifacts.prometheus import duration, prometheus_yml
from ollamon.artifacts.rules import alerts_yml, recording_yml
from ollamon.config.checks import ollama_listen
from ollamon.config.model import (
    Children,
    Config,
    HelperMode,
    OllamaMode,
    Paths,
    PrometheusMode,
    RunAs,
    TerminalClose,
)
from ollamon.config.naming import CHILDREN
from ollamon.config.paths import Folders, folders
from ollamon.config.values import (
    Address,
    format_duration,
    format_size,
    is_address,
    parse_listen,
    parse_period,
)
from ollamon.errors import ConfigError, Problem, ProgramMissingError
from ollamon.supervisor import order
from ollamon.supervisor.spec import (
    HttpProbe,
    Listen,
    LogSpec,
    OutsideSpec,
    RestartPolicy,
    ServiceSpec,
    StackSpec,
    TcpProbe,
)

# Replaying the write-ahead log of weeks takes minutes.
PROMETHEUS_START_S = 300.0
PROMETHEUS_STOP_S = 15.0
CHILD_STOP_S = 5.0
OURS = "Made anew by ollamon at each start; changes here are lost."
# It looks for GPUs and prunes its store first.
OLLAMA_START_S = 60.0
# It ends its runners itself.
OLLAMA_STOP_S = 10.0
# Less is soon full of logs and samples, and a full disk harms more than this program.
MIN_FREE_BYTES = 500 * 1024**2

Find = Callable[[str], str | None]
Knock = Callable[[Address], bool]


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the person should know before the start.

    Attributes:
        about: A service, or "config".
        remedy: A command, or "".
    """

    about: str
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What will run.

    Attributes:
        config: With every "auto" decided.
    """

    stack: StackSpec
    notes: tuple[Note, ...]
    config: Config


def digest(config: Config) -> str:
    """Return what tells two configurations apart, 16 hex digits."""
    document = json.dumps(config.to_section(), sort_keys=True).encode()
    return hashlib.sha256(document).hexdigest()[:16]


def stack(
    config: Config,
    *,
    file: str,
    digest: str,
    find: Find = shutil.which,
    is_helper: Knock = lambda _: False,
    has_ollama: Knock = lambda _: True,
) -> Plan:
    """Decide what runs.

    Args:
        config: As loaded.
        file: Its file, as shown; "" when there is none.
        digest: See `digest`.
        find: Name or path of a program -> its path, or None.
        is_helper: Says whether somebody else's helper answers at an address.
        has_ollama: Says whether somebody else runs or starts an Ollama at an address.

    Raises:
        ProgramMissingError: Prometheus or Ollama is required and not found.
        ConfigError: Stopping may take longer than it is allowed to.
    """
    places = folders(config)
    notes: list[Note] = []
    binary = _binary(config, find, notes)
    server = _server(config, find, has_ollama)
    resolved = _resolved(config, binary is not None, server is not None, is_helper, notes)
    services = [_proxy(resolved), _dashboard(resolved, places)]
    if server is not None:
        services.append(_ollama(resolved, server))
    if resolved.demo.enabled:
        services.append(_demo(resolved))
        notes.append(Note("demo", "a simulated Ollama is watched; ollama.url is not used"))
    if resolved.helper.mode is HelperMode.ON:
        services.append(_helper(resolved))
    if binary is not None:
        services.append(_prometheus(resolved, places, binary))
    ruled = [_ruled(service, resolved.children) for service in services]
    spec = _stack_spec(resolved, _ordered(ruled), places, file=file, digest=digest)
    _check_stop(spec)
    return Plan(spec, tuple(notes), resolved)


def without_root(plan: Plan) -> Plan:
    """Return the plan with a helper that runs with our own rights."""
    helper = plan.config.helper.model_copy(update={"run_as": RunAs.USER})
    plain = _helper(plan.config.model_copy(update={"helper": helper}))
    services = tuple(
        replace(plain, after=each.after) if each.name == plain.name else each
        for each in plan.stack.services
    )
    return replace(plan, stack=replace(plan.stack, services=services))


def how_to_install_prometheus(find: Find = shutil.which) -> str:
    """Return the command for this machine, or "" where none is known."""
    if find("apt-get"):
        # Debian's package starts itself on 9090, where ours wants to be.
        return "sudo apt install prometheus && sudo systemctl disable --now prometheus"
    return "brew install prometheus" if find("brew") else ""


def _binary(config: Config, find: Find, notes: list[Note]) -> Path | None:
    """Return the program that a managed Prometheus needs, None when there shall be none."""
    mode, name = config.prometheus.mode, config.prometheus.binary
    if mode not in (PrometheusMode.AUTO, PrometheusMode.MANAGED):
        return None
    found = find(str(Path(name).expanduser()))
    if found is not None:
        return Path(found).absolute()
    remedy = how_to_install_prometheus(find)
    if mode is PrometheusMode.MANAGED:
        way_out = 'set [prometheus] mode = "auto"      (the dashboard keeps it)'
        raise ProgramMissingError(_missing("prometheus", name, remedy, way_out))
    text = f"{name} not found: the dashboard keeps the history itself"
    notes.append(Note("prometheus", text, remedy))
    return None


def _server(config: Config, find: Find, has_ollama: Knock) -> Path | None:
    """Return the program that a managed Ollama needs, None when there shall be none."""
    mode, name = config.ollama.mode, config.ollama.binary
    listen = ollama_listen(config.ollama.url)
    is_wanted = mode in (OllamaMode.AUTO, OllamaMode.MANAGED) and not config.demo.enabled
    if not is_wanted or listen is None:
        return None
    found = find(str(Path(name).expanduser()))
    if mode is OllamaMode.AUTO:
        return None if found is None or has_ollama(listen) else Path(found).absolute()
    if found is None:
        remedy = "brew install ollama" if find("brew") else ""
        way_out = 'set [ollama] mode = "external"      (one that runs already)'
        raise ProgramMissingError(_missing("ollama", name, remedy, way_out))
    return Path(found).absolute()


def _missing(section: str, name: str, remedy: str, way_out: str) -> str:
    lines = [f'{name} not found, and {section}.mode is "managed"']
    if remedy:
        lines.append(f"Either  {remedy}")
    lead = "or    " if remedy else "Either"
    lines.append(f'{lead}  set [{section}] binary = "/path/to/{section}"')
    lines.append(f"or      {way_out}")
    return "\n       ".join(lines)


def _resolved(
    config: Config, has_engine: bool, has_server: bool, is_helper: Knock, notes: list[Note]
) -> Config:
    """Return the configuration with every "auto" decided."""
    ollama, prometheus, helper = config.ollama, config.prometheus, config.helper
    if ollama.mode is OllamaMode.AUTO:
        runs = OllamaMode.MANAGED if has_server else OllamaMode.EXTERNAL
        ollama = ollama.model_copy(update={"mode": runs})
    if prometheus.mode is PrometheusMode.AUTO:
        mode = PrometheusMode.MANAGED if has_engine else PrometheusMode.EMBEDDED
        prometheus = prometheus.model_copy(update={"mode": mode})
    if helper.mode is HelperMode.ON and is_helper(helper.listen):
        helper = helper.model_copy(update={"mode": HelperMode.EXTERNAL})
        notes.append(Note("helper", f"one answers on {helper.listen} already and is used"))
    decided = {"ollama": ollama, "prometheus": prometheus, "helper": helper}
    return config.model_copy(update=decided)


def _ruled(service: ServiceSpec, rules: Children) -> ServiceSpec:
    """Return the service under the rules that the configuration has for children."""
    kind, _, pause = rules.then.partition(":")
    restart = replace(
        service.restart,
        policy=RestartPolicy(rules.restart.value),
        initial_s=rules.backoff,
        max_s=max(rules.backoff, rules.backoff_max),
        stable_after_s=rules.stable_after,
        give_up=rules.give_up,
        within_s=rules.within,
        retry_s=parse_period(pause) if kind == "retry" else None,
        ends_stack=kind == "shutdown",
    )
    return replace(
        service,
        restart=restart,
        start_timeout_s=rules.start_timeout.get(service.name, service.start_timeout_s),
        stop_timeout_s=rules.stop_timeout.get(service.name, service.stop_timeout_s),
    )


def _ordered(services: list[ServiceSpec]) -> tuple[ServiceSpec, ...]:
    """Sort them, and let nobody wait for one that does not run."""
    names = {service.name for service in services}
    ordered = sorted(services, key=lambda service: CHILDREN.index(service.name))
    return tuple(
        replace(service, after=tuple(name for name in service.after if name in names))
        for service in ordered
    )


def _stack_spec(
    config: Config, services: tuple[ServiceSpec, ...], places: Folders, *, file: str, digest: str
) -> StackSpec:
    return StackSpec(
        name=config.name,
        services=services,
        runtime=places.runtime,
        state=places.state,
        log=LogSpec(places.logs, config.log.max_size, config.log.keep),
        config_file=file,
        config_digest=digest,
        start_timeout_s=config.supervisor.start_timeout,
        shutdown_timeout_s=config.supervisor.shutdown_timeout,
        outside=tuple(_outside(config)),
        orphans=config.supervisor.orphans.value,
        keeps_without_terminal=config.supervisor.on_terminal_close is TerminalClose.KEEP,
        min_free_bytes=MIN_FREE_BYTES,
    )


def _outside(config: Config) -> Iterator[OutsideSpec]:
    """What belongs to the stack and is run by somebody else, or is switched off.

    Not the Ollama of somebody else: the proxy asks it anyway, and tells.
    """
    ollama, engine, helper = config.ollama, config.prometheus, config.helper
    if ollama.mode is OllamaMode.OFF:
        yield OutsideSpec("ollama", reason='ollama.mode is "off"')
    if helper.mode is HelperMode.EXTERNAL:
        yield from _looked_at("helper", helper.listen.url, "/health")
    if engine.mode is PrometheusMode.EXTERNAL:
        yield from _looked_at("prometheus", engine.url, "/-/ready")


def _looked_at(name: str, url: str, path: str) -> Iterator[OutsideSpec]:
    """A name that has to be looked up could hold the supervisor up, so that it is left out."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if port is None or not is_address(host):
        return
    is_plain = parts.scheme == "http"
    probe = HttpProbe(url + path, "") if is_plain else TcpProbe(host, port)
    yield OutsideSpec(name, probe, url, "not run by ollamon")


def _check_stop(spec: StackSpec) -> None:
    """No child may be killed because those before it took the time that they may take."""
    chain = order.longest_stop(spec.services)
    needed_s = order.stop_time_s(chain)
    if needed_s <= spec.shutdown_timeout_s:
        return
    steps = ", then ".join(f"{each.name} {format_duration(each.stop_timeout_s)}" for each in chain)
    message = (
        f"supervisor.shutdown_timeout: {format_duration(spec.shutdown_timeout_s)} is too short: "
        f'stopping may take {steps}. Write "{format_duration(needed_s)}" or more'
    )
    raise ConfigError((Problem(message),))


def _proxy(config: Config) -> ServiceSpec:
    metrics = config.proxy.metrics_listen
    return _child(
        "proxy",
        config.to_section("ollama", "proxy", "metrics", "helper", "demo"),
        (_listen("proxy.listen", config.proxy.listen), _listen("proxy.metrics_listen", metrics)),
        stop_timeout_s=config.proxy.drain_timeout + CHILD_STOP_S,
        is_essential=True,
        knows_token=True,
        address=f"{config.proxy.listen.url}  metrics :{metrics.port}",
    )


def _dashboard(config: Config, places: Folders) -> ServiceSpec:
    # Where its history lies; what else is in the folders is not its business.
    told = config.model_copy(update={"paths": Paths(data=str(places.data))})
    return _child(
        "dashboard",
        told.to_section(
            *("dashboard", "proxy", "metrics", "prometheus", "helper", "ollama", "demo", "paths")
        ),
        (_listen("dashboard.listen", config.dashboard.listen),),
        after=("prometheus", "proxy"),
        knows_token=True,
        address=config.dashboard.listen.url,
    )


def _helper(config: Config) -> ServiceSpec:
    spec = _child(
        "helper",
        config.to_section("helper"),
        (_listen("helper.listen", config.helper.listen, is_held=False),),
        address=config.helper.listen.url,
    )
    # Who is root needs no sudo.
    if config.helper.run_as is RunAs.USER or os.geteuid() == 0:
        return spec
    return replace(
        spec,
        argv=sudo.command((*spec.argv, "--lifeline")),
        through_sudo=True,
        # What it complains of is read.
        environment={"LC_ALL": "C"},
    )


def _demo(config: Config) -> ServiceSpec:
    return _child(
        "demo",
        config.to_section("demo", "proxy"),
        (_listen("demo.listen", config.demo.listen),),
        address=config.demo.listen.url,
    )


def _ollama(config: Config, binary: Path) -> ServiceSpec:
    """A foreign program; its runners are in its group, and it ends them itself when asked to."""
    ours = config.ollama
    listen = parse_listen(ours.url.removeprefix("http://"))
    return ServiceSpec(
        name="ollama",
        argv=(str(binary), "serve"),
        section=None,
        listens=(
            Listen("url", listen.host, listen.port, "ollama.url", held=False, scheme="http://"),
        ),
        # The proxy waits for nobody at the start, and may still drain while it ends.
        outlives=("proxy",),
        # A busy model loader is not a dead one.
        probe=HttpProbe(f"{ours.url}/api/version", live_url=""),
        start_timeout_s=OLLAMA_START_S,
        stop_timeout_s=OLLAMA_STOP_S,
        environment={**ours.env, "OLLAMA_HOST": str(listen)},
        address=ours.url,
    )


def _child(
    name: str, section: Mapping[str, object], listens: tuple[Listen, ...], **rest: Any
) -> ServiceSpec:
    argv = (sys.executable, "-I", "-u", "-m", f"ollamon.{name}")
    fields = {"stop_timeout_s": CHILD_STOP_S, **rest}
    return ServiceSpec(name, argv, section, listens, **fields)


def _listen(key: str, address: Address, *, is_held: bool = True) -> Listen:
    return Listen(key.rpartition(".")[2], address.host, address.port, key, is_held)


def _prometheus(config: Config, places: Folders, binary: Path) -> ServiceSpec:
    ours = config.prometheus
    file = places.state / "prometheus.yml"
    # What is made up must not stand in the history of what was measured.
    kept = "demo" if config.demo.enabled else "prometheus"
    rules = {
        places.state / "alerts.yml": alerts_yml(config, OURS),
        places.state / "recording.yml": recording_yml(config, OURS),
    }
    text = prometheus_yml(config, OURS, [str(path) for path in rules])
    return ServiceSpec(
        name="prometheus",
        argv=(str(binary), *_prometheus_flags(config, file, places.data / kept)),
        section=None,
        listens=(_listen("prometheus.listen", ours.listen, is_held=False),),
        after=("proxy", "helper"),
        probe=HttpProbe(f"{ours.listen.url}/-/ready", f"{ours.listen.url}/-/healthy"),
        start_timeout_s=PROMETHEUS_START_S,
        stop_timeout_s=PROMETHEUS_STOP_S,
        # Debian's build takes no lock of its own; two servers on one folder lose samples.
        data_lock=places.data / f"{kept}.lock",
        files={file: text, **rules},
        reload_signal=signal.SIGHUP,
        address=ours.listen.url,
    )


def _prometheus_flags(config: Config, file: Path, data: Path) -> Iterator[str]:
    ours = config.prometheus
    yield f"--config.file={file}"
    yield f"--storage.tsdb.path={data}"
    yield f"--storage.tsdb.retention.time={duration(ours.retention_time)}"
    yield f"--storage.tsdb.retention.size={format_size(ours.retention_size)}"
    yield f"--web.listen-address={ours.listen}"
    # By default it lets every web page read everything.
    yield "--web.cors.origin=^$"
    yield "--log.level=warn"
