"""Starts short-lived programs beside the children; whoever starts one watches it by its pid."""

import os
import subprocess
from collections.abc import Sequence

from ollamon import handover
from ollamon.supervisor import identity


def start(argv: Sequence[str], run_id: str, name: str, stdout: int = subprocess.DEVNULL) -> int:
    """Start a program in a group of its own and return its pid.

    It carries the run id, so that it is swept when this process is killed.

    Raises:
        OSError: It cannot be started.
    """
    variables = {handover.RUN_ID_VARIABLE: run_id, identity.CHILD_VARIABLE: name}
    process = subprocess.Popen(  # noqa: S603
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        env=os.environ | variables,
        process_group=0,
    )
    # The reaper collects it; Popen shall neither wait for it nor warn that nobody did.
    process.returncode = 0
    return process.pid
