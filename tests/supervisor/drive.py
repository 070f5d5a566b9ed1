"""Runs a supervisor in a process of its own: `drive.py SPEC [CONSOLE] [options]`.

SPEC is a pickled StackSpec. Events go to stdout, one JSON object a line; the children's lines to
stdout too with CONSOLE `-`, or into the file it names. `--no-pdeathsig` is the case of macOS;
`--clock-back FILE` sets the clock back an hour as soon as that file exists.
"""

import argparse
import asyncio
import json
import pickle
import sys
import time
from pathlib import Path

from ollamon.errors import OllamonError
from ollamon.supervisor import child, messages
from ollamon.supervisor.supervisor import Supervisor

# prctl refuses what it does not know.
NO_REQUEST = -1


def show(event: messages.Event) -> None:
    sys.stdout.write(json.dumps(messages.to_json(event)) + "\n")
    sys.stdout.flush()


def set_clock_back(when: Path) -> None:
    now = time.time
    time.time = lambda: now() - (3600.0 if when.exists() else 0.0)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("spec", type=Path)
    parser.add_argument("console", nargs="?")
    parser.add_argument("--no-pdeathsig", action="store_true")
    parser.add_argument("--clock-back", type=Path)
    options = parser.parse_args()
    stack = pickle.loads(options.spec.read_bytes())
    if options.no_pdeathsig:
        child.PR_SET_PDEATHSIG = NO_REQUEST
    if options.clock_back:
        set_clock_back(options.clock_back)
    console = None
    if options.console:
        is_stdout = options.console == "-"
        console = sys.stdout if is_stdout else open(options.console, "w")  # noqa: PTH123, SIM115
    try:
        supervisor = Supervisor(stack, on_event=show, version="0.0.test", console=console)
        return asyncio.run(supervisor.run())
    except OllamonError as error:
        sys.stderr.write(f"{error.kind}: {error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
