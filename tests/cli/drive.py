"""Runs `foreground.run` with one fake child: `drive.py FOLDER [flags of tests/fakes/child.py]`."""

import sys
from pathlib import Path

from ollamon.cli import foreground
from ollamon.cli.session import Session
from ollamon.config.model import Config
from ollamon.services import Plan
from ollamon.supervisor.spec import LogSpec, Restart, ServiceSpec, StackSpec

CHILD = Path(__file__).parents[1] / "fakes" / "child.py"


def plan(folder: Path, flags: list[str]) -> Plan:
    argv = (sys.executable, "-u", str(CHILD), *flags)
    restart = Restart(initial_s=0.01, max_s=0.05, retry_s=600)
    child = ServiceSpec("proxy", argv, {}, is_essential=True, restart=restart)
    stack = StackSpec("fake", (child,), folder / "run", folder, LogSpec(folder / "logs", 10**6, 1))
    # With the demo, nobody looks for an Ollama.
    return Plan(stack, (), Config.model_validate({"demo": {"enabled": True}}))


if __name__ == "__main__":
    where, *given = sys.argv[1:]
    sys.exit(foreground.run(plan(Path(where), given), Session(), foreground.Shown()))
