"""Runs a supervisor in a process of its own: `drive.py SPEC [CONSOLE]`.

SPEC is a pickled StackSpec. Events go to stdout, one JSON object a line; the children's lines to
stdout too with CONSOLE `-`, or into the file it names.
"""

import asyncio
import json
import pickle
import sys
from pathlib import Path

from ollamon.errors import OllamonError
from ollamon.supervisor import messages
from ollamon.supervisor.supervisor import Supervisor


def show(event: messages.Event) -> None:
    sys.stdout.write(json.dumps(messages.to_json(event)) + "\n")
    sys.stdout.flush()


def main() -> int:
    stack = pickle.loads(Path(sys.argv[1]).read_bytes())
    console = None
    if len(sys.argv) > 2:
        is_stdout = sys.argv[2] == "-"
        console = sys.stdout if is_stdout else open(sys.argv[2], "w")  # noqa: PTH123, SIM115
    try:
        supervisor = Supervisor(stack, on_event=show, version="0.0.test", console=console)
        return asyncio.run(supervisor.run())
    except OllamonError as error:
        sys.stderr.write(f"{error.kind}: {error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
