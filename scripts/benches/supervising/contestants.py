"""Supervisors that are compared, each with the configuration that comes closest to ours."""

import contextlib
import os
import pickle
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from ollamon.supervisor.spec import LogSpec, Restart, ServiceSpec, StackSpec
from tests.supervisor import harness

CHILD = Path(__file__).with_name("child.py")
STOP_S = 1.0
# Nothing here shall give up or wait long: what is measured is how soon it could be back.
RULES = Restart(initial_s=0.1, max_s=0.1, give_up=10**6)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One child."""

    name: str
    port: int
    flags: tuple[str, ...] = ()

    def command(self) -> list[str]:
        """Return its command line."""
        return [sys.executable, "-I", "-S", str(CHILD), "--port", str(self.port), *self.flags]


class Ollamon:
    """Our engine: it asks the children by HTTP, as it does with any foreign program."""

    name = "ollamon"
    restarts = True

    def prepare(self, folder: Path, wanted: Sequence[Wanted]) -> list[str]:
        """Write what it needs; return the command that stays in the foreground."""
        return self.command(folder, [self._service(each) for each in wanted])

    def prepare_held(self, folder: Path, port: int) -> list[str]:
        """The same with one child whose socket is held."""
        return self.command(folder, [harness.service("held", port=port, restart=RULES)])

    def command(self, folder: Path, services: Sequence[ServiceSpec]) -> list[str]:
        """Return what runs these."""
        stack = StackSpec(
            name="default",
            services=tuple(services),
            runtime=folder / "run" / "default",
            state=folder / "state",
            log=LogSpec(folder / "logs", 10 * 1024**2, 3),
        )
        spec = folder / "spec"
        spec.write_bytes(pickle.dumps(stack))
        (folder / "ollamon.toml").write_text(f'[paths]\nruntime = "{folder / "run" / "default"}"\n')
        return [sys.executable, "-I", str(harness.DRIVE), str(spec)]

    def _service(self, wanted: Wanted) -> ServiceSpec:
        spec = harness.foreign(wanted.name, wanted.port, restart=RULES, stop_timeout_s=STOP_S)
        return ServiceSpec(**{**_fields(spec), "argv": tuple(wanted.command())})

    def status(self, folder: Path) -> list[str]:
        """Return the command that shows what runs."""
        file = str(folder / "ollamon.toml")
        return [sys.executable, "-m", "ollamon.cli", "--config", file, "status"]


def _fields(spec: ServiceSpec) -> dict[str, object]:
    return {name: getattr(spec, name) for name in ServiceSpec.__dataclass_fields__}


@dataclass
class Peer:
    """One from PyPI, in an environment of its own."""

    programs: Path
    name: str = ""
    restarts: bool = True

    def program(self, name: str) -> str:
        """Return the path of one of its programs."""
        return str(self.programs / name)


@dataclass
class Honcho(Peer):
    """Runs a Procfile; the end of one child is the end of all."""

    name: str = "honcho"
    restarts: bool = False

    def prepare(self, folder: Path, wanted: Sequence[Wanted]) -> list[str]:
        """As `Ollamon.prepare`."""
        lines = [f"{each.name}: exec {' '.join(each.command())}" for each in wanted]
        (folder / "Procfile").write_text("\n".join(lines) + "\n")
        return [self.program("honcho"), "-f", str(folder / "Procfile"), "start"]

    def status(self, _: Path) -> list[str] | None:
        """It has none."""
        return None


@dataclass
class Supervisord(Peer):
    """supervisor 4."""

    name: str = "supervisor"

    def prepare(self, folder: Path, wanted: Sequence[Wanted]) -> list[str]:
        """As `Ollamon.prepare`."""
        text = (
            f"[supervisord]\nnodaemon=true\nlogfile={folder}/log\npidfile={folder}/pid\n"
            f"[unix_http_server]\nfile={folder}/s\n[supervisorctl]\nserverurl=unix://{folder}/s\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
        )
        for each in wanted:
            text += (
                f"[program:{each.name}]\ncommand={' '.join(each.command())}\nautorestart=true\n"
                f"startretries=1000000\nstopwaitsecs={STOP_S:.0f}\nredirect_stderr=true\n"
                f"stdout_logfile={folder}/{each.name}.log\nstdout_logfile_maxbytes=10MB\n"
                "stdout_logfile_backups=3\n"
            )
        (folder / "conf").write_text(text)
        return [self.program("supervisord"), "-c", str(folder / "conf")]

    def status(self, folder: Path) -> list[str]:
        """As `Ollamon.status`."""
        return [self.program("supervisorctl"), "-c", str(folder / "conf"), "status"]


@dataclass
class Circus(Peer):
    """circus, with its default of a look each five seconds."""

    name: str = "circus"
    ports: list[int] = field(default_factory=list)

    def prepare(self, folder: Path, wanted: Sequence[Wanted]) -> list[str]:
        """As `Ollamon.prepare`."""
        self.ports = free_ports(2)
        own, told = (f"tcp://127.0.0.1:{port}" for port in self.ports)
        text = f"[circus]\nendpoint={own}\npubsub_endpoint={told}\n"
        for each in wanted:
            program, *words = each.command()
            text += (
                f"[watcher:{each.name}]\ncmd={program}\nargs={' '.join(words)}\n"
                f"graceful_timeout={STOP_S:.0f}\ncopy_env=true\n"
                "stdout_stream.class=FileStream\n"
                f"stdout_stream.filename={folder}/{each.name}.log\n"
                "stdout_stream.max_bytes=10485760\nstdout_stream.backup_count=3\n"
            )
        (folder / "circus.ini").write_text(text)
        return [self.program("circusd"), str(folder / "circus.ini")]

    def status(self, _: Path) -> list[str]:
        """As `Ollamon.status`."""
        return [
            self.program("circusctl"),
            "--endpoint",
            f"tcp://127.0.0.1:{self.ports[0]}",
            "status",
        ]


Contestant = Ollamon | Honcho | Supervisord | Circus


def peers(programs: Path) -> list[Contestant]:
    """Return those that are compared with us."""
    return [Honcho(programs), Supervisord(programs), Circus(programs)]


@contextlib.contextmanager
def installed() -> Iterator[Path]:
    """Install the peers into a throw-away environment; yield the folder of its programs."""
    with tempfile.TemporaryDirectory(prefix="ollamon-peers-") as folder:
        subprocess.run([sys.executable, "-m", "uv", "venv", "-q", folder], check=True)
        command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", folder]
        packages = ["honcho==2.0.0", "circus==0.19.0", "supervisor==4.3.0", "setuptools<81"]
        subprocess.run([*command, *packages], check=True)
        yield Path(folder) / "bin"


@contextlib.contextmanager
def running(command: Sequence[str], folder: Path) -> Iterator[psutil.Process]:
    """Run a supervisor; whatever it leaves is killed."""
    environment = os.environ | {"OLLAMON_BENCH": str(folder)}
    with (folder / "output").open("wb") as output:
        process = psutil.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
        process.wait()
        for left in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if left.environ().get("OLLAMON_BENCH") == str(folder):
                    left.kill()


def own_processes(root: psutil.Process) -> list[psutil.Process]:
    """Return the supervisor's own processes, without the children that it keeps."""
    found = [root]
    for process in root.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if not {str(CHILD), str(harness.CHILD)} & set(process.cmdline()):
                found.append(process)
    return found


def free_ports(count: int) -> list[int]:
    """Return ports that are free, and stay so while nobody is quicker."""
    with contextlib.ExitStack() as held:
        taken = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(each.getsockname()[1]) for each in taken]
